# StreamExt::Kafka
#	  Apache Kafka for a test: brokers of its own, topics, records, and what a
#	  topic's records add up to.
#
# Everything goes through ci/kafka and kafkatool, and any command that fails ends
# the test.  The brokers and background producers of a test are killed when it
# ends, however it ends; only SIGKILL of the test itself leaves them.
#
# Copyright (c) 2026, the stream_ext contributors
package StreamExt::Kafka;

use strict;
use warnings;

use Carp;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my @running;

# END blocks stop what the test started; a signal must not pass them by.
$SIG{$_} = sub { exit 1 }
  for qw(HUP INT TERM);

# StreamExt::Kafka->new(brokers => 1, settings => { name => value })
sub new
{
	my ($class, %options) = @_;
	my $tree = $ENV{STREAM_EXT_TREE} || '../..';
	my $self = bless {
		script => "$tree/ci/kafka",
		tool => "$tree/test/tools/kafkatool",
		dir => PostgreSQL::Test::Utils::tempdir('kafka'),
		producers => [],
	}, $class;
	my @settings = map { ('--set', "$_=$options{settings}{$_}") }
	  sort keys %{ $options{settings} || {} };

	push @running, $self;
	$self->{dir} .= '/cluster';
	$self->{bootstrap} =
	  $self->_run($self->{script}, 'start', $self->{dir}, '--brokers',
		$options{brokers} || 1, @settings);
	return $self;
}

sub bootstrap { return $_[0]->{bootstrap}; }

sub _run
{
	my ($self, @command) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err)
	  or croak "@command: $err";
	chomp $out;
	return $out;
}

# ---- brokers ---------------------------------------------------------------

sub kill9 { my ($self, @n) = @_; $self->_run($self->{script}, 'kill', $self->{dir}, @n); return; }
sub restart { my ($self, @n) = @_; $self->_run($self->{script}, 'restart', $self->{dir}, @n); return; }
sub stop { my ($self) = @_; $self->_run($self->{script}, 'stop', $self->{dir}); return; }

# ---- topics and records ----------------------------------------------------

# $kafka->tool('offsets', 'events'): what kafkatool prints
sub tool
{
	my ($self, @args) = @_;
	return $self->_run($self->{tool}, '-b', $self->{bootstrap}, @args);
}

# $kafka->create('events', 4), and kafkatool's further arguments
sub create
{
	my ($self, @args) = @_;
	$self->tool('create', @args);
	return;
}

# $kafka->produce('events', [partition, key, value, headers, timestamp], ...);
# NULL is undef, a string instead of a reference is a line as kafkatool reads it.
sub produce
{
	my ($self, $topic, @records) = @_;
	my @options = ref $topic ? @$topic : ($topic);
	my @command = ($self->{tool}, '-b', $self->{bootstrap}, 'produce', @options);
	my ($err, $lines) = ('', '');

	for my $record (@records)
	{
		$lines .= (ref $record ? _line(@$record) : $record) . "\n";
	}
	IPC::Run::run(\@command, '<', \$lines, '2>', \$err)
	  or croak "@command: $err";
	return;
}

sub _line
{
	my ($partition, $key, $value, $headers, $timestamp) = @_;
	my @fields = (defined $partition ? $partition : '-', _escape($key), _escape($value));

	push @fields, defined $headers ? $headers : '', $timestamp
	  if defined $headers || defined $timestamp;
	pop @fields unless defined $fields[-1];
	return join("\t", @fields);
}

sub _escape
{
	my ($bytes) = @_;
	return '\N' unless defined $bytes;
	$bytes =~ s/([\\\x00-\x1f])/sprintf '\\x%02x', ord $1/ge;
	return $bytes;
}

# $kafka->gen('events', count => 1000, ...): kafkatool's load; returns {sent, aborted}
sub gen
{
	my ($self, $topic, %options) = @_;
	return _counts($self->tool('gen', $topic, _dashed(%options)));
}

sub _dashed
{
	my (%options) = @_;
	return map { ("--$_", defined $options{$_} ? $options{$_} : ()) } sort keys %options;
}

sub _counts
{
	return { map { split /\t/ } split /\n/, $_[0] };
}

# $load = $kafka->gen_start('events', rate => 2000); $kafka->gen_stop($load)
sub gen_start
{
	my ($self, $topic, %options) = @_;
	my $load = { out => '', err => '' };

	$load->{run} = IPC::Run::start(
		[ $self->{tool}, '-b', $self->{bootstrap}, 'gen', $topic, _dashed(%options) ],
		'<', \undef, '>', \$load->{out}, '2>', \$load->{err});
	push @{ $self->{producers} }, $load;
	return $load;
}

sub gen_stop
{
	my ($self, $load) = @_;
	$load->{run}->signal('TERM');
	return $self->gen_finish($load);
}

sub gen_finish
{
	my ($self, $load) = @_;
	@{ $self->{producers} } = grep { $_ != $load } @{ $self->{producers} };
	$load->{run}->finish or croak "gen: $load->{err}";
	return _counts($load->{out});
}

# ---- what it must add up to ------------------------------------------------

# Lines "key|[window|]count|sum|max" of what a topic holds: in the form in which
# psql prints the same query, sorted by key.
sub fold
{
	my ($self, $topic, @options) = @_;
	my $text = $self->tool('fold', $topic, @options);
	$text =~ tr/\t/|/;
	return $text;
}

# [[low, high], ...] by partition
sub offsets
{
	my ($self, $topic) = @_;
	my @offsets;
	for my $line (split /\n/, $self->tool('offsets', $topic))
	{
		my ($partition, $low, $high) = split /\t/, $line;
		$offsets[$partition] = [ $low, $high ];
	}
	return \@offsets;
}

# the broker that leads a partition
sub leader
{
	my ($self, $topic, $partition) = @_;
	my ($line) = grep { /^$partition\t/ } split /\n/, $self->tool('partitions', $topic);
	return (split /\t/, $line)[1];
}

# waits until another than $old leads the partition, and returns which
sub wait_for_leader
{
	my ($self, $topic, $partition, $old) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $leader = $self->leader($topic, $partition);
		return $leader if $leader >= 0 && $leader != $old;
		Time::HiRes::usleep(100_000);
	}
	croak "broker $old still leads partition $partition of $topic";
}

END
{
	local $?;
	for my $kafka (@running)
	{
		for my $load (@{ $kafka->{producers} })
		{
			# the reason for a test that waited in vain
			diag("a producer had ended: $load->{err}") unless $load->{run}->pumpable;
			$load->{run}->kill_kill(grace => 2);
		}
		system($kafka->{script}, 'destroy', $kafka->{dir});
	}
}

1;
