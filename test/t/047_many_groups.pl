# Views of many groups with one worker, which merges them directly and remembers
# where their rows are: each round the rows are somewhere else, and each time the views are
# what the same SQL over all records is.  Batches of more than 80 groups are split into parts.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka,
	conf => "stream_ext.direct_merge_groups = 1\nstream_ext.part_groups = 40\nautovacuum = off\ntimezone = 'UTC'\n");

# Equal keys of other bytes (1, 1.0, 1.00), NULL, long ones, several; states that do
# not fit beside each other; a state table with partitions.
my %query = (
	counts => 'SELECT seq % 3000 AS g, count(*) AS n, sum(v) AS total, max(seq) AS last FROM events GROUP BY 1',
	scales => 'SELECT round(seq % 700, (seq % 3)::int) AS g, count(*) AS n, sum(v::numeric / 8) AS total FROM events GROUP BY 1',
	names => q{SELECT NULLIF(repeat(k, 20) || seq % 40, k || 7) AS g, NULLIF(seq % 5, 2) AS h, count(*) AS n, avg(v) AS mean FROM events GROUP BY 1, 2},
	wide => 'SELECT seq AS g, k AS h, count(*) AS n, max(v) AS most FROM events GROUP BY 1, 2',
	windows => q{SELECT window_start AS g, seq % 30 AS h, count(*) AS n FROM events, stream.tumble(ts, '10 s') GROUP BY 1, 2});

sub compare
{
	my ($what) = @_;
	$node->catch_up('events');
	for my $view (sort keys %query)
	{
		my $batch = $query{$view};
		is($node->sql(qq{SELECT count(*), (SELECT count(*) FROM ($batch) AS b) FROM
				((TABLE $view EXCEPT ALL $batch) UNION ALL ($batch EXCEPT ALL TABLE $view)) AS difference}),
			'0|' . $node->sql("SELECT count(*) FROM $view"), "$view, $what");
	}
	return;
}

my $seed = 0;

# Another 6000 records, half of them with numbers that were there; then the views are compared.
sub round
{
	my ($what) = @_;
	$kafka->gen('events', count => 6000, partitions => 3, step => 10, seed => ++$seed, start => 1000 * $seed);
	compare($what);
	return;
}

sub each_state
{
	my ($sql) = @_;
	for my $view (sort keys %query)
	{
		(my $statement = $sql) =~ s/STATE/${view}_state/g;
		$node->sql($statement);
	}
	return;
}

$kafka->create('events', 3);
$node->sql(qq{
	SELECT stream.create_stream('events', columns => '$StreamExt::Node::columns', server => 'kafka', topic => 'events',
		event_time => 'ts', watermark_delay => '1 day', options => '{"batch_max_rows": 500, "staging_max_rows": 1000000}')}
	. join('', map { my $ttl = $_ eq 'windows' ? ", state_ttl => '3650 days'" : '';
		", stream.create_view('$_', \$\$$query{$_}\$\$$ttl)" } sort keys %query)
	. q{, stream.create_view('faulty', 'SELECT seq % 100 AS g, count(*) AS n, sum(100 / (v - 123456)) AS s FROM events GROUP BY 1')});

round('new groups');
round('groups that are known');
my ($worker) = $node->worker_pids('events');

each_state('VACUUM FULL STATE');
round('in tables that were rewritten');

each_state('UPDATE STATE SET n = n; VACUUM STATE');
round('in rows that were updated by others');

# line pointers have rows of other groups
each_state(q{CREATE TEMP TABLE kept AS TABLE STATE; DELETE FROM STATE; VACUUM STATE;
	INSERT INTO STATE SELECT * FROM kept ORDER BY hashtextextended(kept::text, 0)});
round('in rows that changed places');

# a batch that is rolled back, with the places of its new groups
$kafka->produce('events', [ 0, 'faulty', '{"p": 0, "seq": 99999999, "k": "faulty", "v": 123456, "ts": "2026-01-01T00:00:00Z"}' ]);
round('after a batch that failed at first');
is($node->sql('SELECT view_name, sqlstate FROM events_dead_letters'), 'public.faulty|22012', 'for the one view that cannot have it');
is($node->sql('SELECT sum(n) = (SELECT count(*) - 1 FROM events) FROM faulty'), 't', 'which has all others');

# memory for few of the groups, and for none
for my $memory ('640kB', '0')
{
	is(join(' ', $node->worker_pids('events')), $worker, 'the worker is the same');
	$node->sql("SELECT stream.pause('events')");
	$node->sql("ALTER SYSTEM SET stream_ext.locator_memory = '$memory'");
	$node->reload;
	$node->sql("SELECT stream.resume('events')");
	round("known to a new worker with $memory for places") for 1 .. 2;
	($worker) = $node->worker_pids('events');
}

# Of a group whose place is known the index is not asked.  There is room for 16384
# places in 1024 buckets: of 11,000 groups 9 in 1000 find theirs full, but hardly one
# finds both of its own full.
$node->sql("ALTER SYSTEM SET stream_ext.locator_memory = '128kB'");
$node->reload;
$kafka->create('keys', 1);
$node->sql(qq{
	SELECT stream.create_stream('keys', columns => '$StreamExt::Node::columns', server => 'kafka', topic => 'keys',
		options => '{"batch_max_rows": 5000}'),
		stream.create_view('totals', 'SELECT seq % 11000 AS g, count(*) AS n FROM keys GROUP BY 1')});
$kafka->gen('keys', count => 33_000, partitions => 1, step => 10);
$node->catch_up('keys');
is($node->sql('SELECT count(*), min(n), max(n) FROM totals'), '11000|3|3', 'each key three times');
$node->sql("SELECT stream.pause('keys')");
$node->wait_for(q{SELECT count(*) = 0 FROM stream.partitions WHERE stream::text = 'keys' AND worker_pid IS NOT NULL}, 'the end of the worker');
my ($added, $updated, $asked) = split /\|/, $node->sql(q{
	SELECT n_tup_ins, n_tup_upd, idx_scan FROM pg_stat_user_tables WHERE relname = 'totals_state'});
is("$added|$updated", '11000|22000', 'a row of each, updated twice');
cmp_ok($asked - $added, '<', 0.004 * $updated, 'the index was asked for hardly more than the new ones');
done_testing();
