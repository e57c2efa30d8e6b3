# Random views over one stream: four workers read eight partitions while records are
# produced, one of them is killed, and each view equals its query over a table of
# the same records.  The views and records are those of test/property.
#
# STREAM_EXT_SEED repeats a run's choices.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $seed = $ENV{STREAM_EXT_SEED} || int(time);
my $views = 20;
my $dir = PostgreSQL::Test::Utils::tempdir('sample');
my $tree = $ENV{STREAM_EXT_TREE} || '../..';
note("STREAM_EXT_SEED=$seed");

$ENV{PYTHONDONTWRITEBYTECODE} = 1;
$ENV{PGCLIENTENCODING} = 'UTF8';
system('python3', "$tree/test/property/sample.py", '--seed', $seed,
	'--views', $views, '--directory', $dir) == 0
  or die 'no sample';

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka,
	conf => "restart_after_crash = on\ntimezone = 'UTC'\njit = off\n");
my @records = split /\n/, slurp_file("$dir/records");
my $half = int(@records / 2);

# what it printed
sub run_file
{
	my ($name) = @_;
	return $node->sql(slurp_file("$dir/$name"));
}

$kafka->create('sample', 8);
run_file('setup.sql');
run_file('table.sql');
run_file('create.sql');

# Half of it in pieces, so that there are many batches; then a worker dies.
for (my $i = 0; $i < $half; $i += 250)
{
	my $last = $i + 249 < $half ? $i + 249 : $half - 1;
	$kafka->produce('sample', @records[ $i .. $last ]);
}
$node->wait_for(q{SELECT count(DISTINCT worker_pid) = 4 AND bool_and(next_offset > 0) FROM stream.partitions},
	'four workers with records');
$kafka->produce('sample', @records[ $half .. $half + 499 ]);
my @workers = $node->worker_pids('s');
kill('KILL', $workers[ $seed % @workers ]) == 1 or die 'the worker is gone';
$kafka->produce('sample', @records[ $half + 500 .. $#records ]);

$node->wait_for('SELECT count(DISTINCT worker_pid) = 4 FROM stream.partitions', 'the workers after the crash');
$node->catch_up('s');
my $closed = slurp_file("$dir/closed");
$node->wait_for("SELECT stream.watermark('s') = '$closed'", "the watermark $closed");

my $rows = 0;
for my $i (0 .. $views - 1)
{
	my $printed = run_file("check_$i.sql");
	my @differ = grep { !/^check / } split /\n/, $printed;

	$rows += $_ for $printed =~ /^check [vr]\d+ (\d+)/mg;
	is(join("\n", @differ), '', "view $i equals its query over a table")
	  or diag(slurp_file("$dir/check_$i.sql"));
}
cmp_ok($rows, '>', 0, "$rows rows are compared");
is($node->sql('SELECT count(*) FROM s_dead_letters'),
	scalar(grep { !/"at": / } @records), 'records without a time are dead letters');

$node->stop;
done_testing();
