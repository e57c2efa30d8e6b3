# Thirty random kills under load.  After each the view equals the fold of the topic
# below the stored offsets, the offsets went back only where the server crashed (its
# last asynchronous commits go, results and offsets together), and the stream
# goes on within 30 seconds.
#
# STREAM_EXT_SEED repeats a run's choices; STREAM_EXT_KILLS sets their number.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use IPC::Run;
use List::Util qw(shuffle);
use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;
use Time::HiRes qw(time usleep);

my $seed = $ENV{STREAM_EXT_SEED} || int(time);
my $kills = $ENV{STREAM_EXT_KILLS} || ($ENV{STREAM_EXT_QUICK} ? 6 : 30);
srand($seed);
note("STREAM_EXT_SEED=$seed");

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka,
	conf => "restart_after_crash = on\n");

$kafka->create('events', 4);
my $load = $kafka->gen_start('events', rate => 2000, txn => 'load',
	'txn-size' => 200, 'abort-every' => 10);
$node->create_events('events', workers => 2);
$node->wait_for('SELECT sum(next_offset) > 2000 FROM stream.partitions', 'the first records');

sub random_worker
{
	my @pids;
	# between a worker's end and the next one's start there may be none
	$node->wait_for(q{SELECT count(*) > 0 FROM stream.partitions WHERE worker_pid IS NOT NULL},
		'a worker');
	@pids = $node->worker_pids('events');
	return $pids[ rand @pids ];
}

# each returns whether the server crashed
my %kinds = (
	'worker SIGTERM' => sub { kill('TERM', random_worker()); return 0; },
	'pg_terminate_backend' => sub {
		$node->sql('SELECT pg_terminate_backend(' . (random_worker() || 0) . ')');
		return 0;
	},
	'worker SIGKILL' => sub { kill('KILL', random_worker()); return 1; },
	'backend SIGKILL' => sub {
		my ($in, $out, $err) = ("SELECT pg_backend_pid();\n", '', '');
		my $psql = IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
			'<', \$in, '>', \$out, '2>', \$err);
		$psql->pump until $out =~ /^(\d+)\n/;
		kill('KILL', $1);
		eval { $psql->kill_kill };
		return 1;
	},
	'broker kill -9' => sub { $kafka->kill9; $kafka->restart; return 0; },
	'stop immediate' => sub { $node->stop('immediate'); $node->start; return 1; });
my @kinds;

sub next_offsets
{
	my $text;
	$node->wait_for('SELECT true', 'the server');
	$text = eval { $node->stored_offsets('events') };
	return $text;
}

for my $round (1 .. $kills)
{
	@kinds = shuffle sort keys %kinds unless @kinds;

	# every kind before any comes again, in random order, at a random moment
	my $kind = shift @kinds;
	my $before = next_offsets();
	my ($crashed, $start, $sum, $after);

	usleep(rand(500_000));
	$crashed = $kinds{$kind}->();
	$start = time;
	$node->wait_for('SELECT true', 'the server to come back');
	$after = $node->is_exact($kafka, 'events', "kill $round ($kind)");
	if (!$crashed)
	{
		is_deeply([ grep { $after->{$_} < $before->{$_} } sort keys %$before ], [],
			"kill $round ($kind): no offset went back");
	}
	$sum = 0;
	$sum += $_ for values %$after;
	$node->wait_for(qq{SELECT sum(next_offset) > $sum + 500 FROM stream.catalog_partitions},
		"the stream to go on after kill $round ($kind)");
	cmp_ok(time - $start, '<', 30, "kill $round ($kind): goes on within 30 s");
}

my $counts = $kafka->gen_stop($load);
$node->catch_up('events', 180);
$node->is_complete($kafka, 'events', "after $kills kills");
is($node->sql('SELECT sum(n) FROM per_events'), $counts->{sent} - $counts->{aborted},
	'every committed record once');
is($node->sql('SELECT count(*) FROM events_dead_letters'), '0', 'no dead letter');

$node->stop;
done_testing();
