# From Kafka to a view: live, through pause, seek, restart and drop.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

# The connection.
like($node->sql(q{SELECT stream.test_connection('kafka')}),
	qr/127\.0\.0\.1/, 'test_connection names the broker');

# A backlog, then records that arrive while the stream runs.
$kafka->create('events', 4);
$kafka->gen('events', count => 20000, seed => 1);
$node->create_events('events', workers => 2);
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'backlog');

my @workers = $node->worker_pids('events');
is(scalar @workers, 2, 'two workers share the partitions');
is($node->sql(q{SELECT string_agg(n::text, ' ') FROM
	(SELECT count(*) AS n FROM stream.partitions GROUP BY worker_pid) AS w}),
	'2 2', 'two partitions each');

$kafka->gen('events', count => 5000, seed => 2, start => 5000, rate => 5000);
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'live');
is($node->sql('SELECT sum(next_offset) FROM stream.partitions'), '25000',
	'stream.partitions shows the offsets');
is($node->sql(q{SELECT state, workers, lag, rows_total, error IS NULL FROM stream.status}),
	'running|2|0|25000|t', 'stream.status');
is($node->sql('SELECT count(*) > 0 FROM events'), 't', 'staging shows recent rows');

# Records that are no rows advance the offset too.
$kafka->produce('events', [ 0, 'key of a tombstone', undef ]);
$node->wait_for(q{SELECT next_offset = 6251 FROM stream.partitions WHERE partition = 0},
	'the offset to pass a tombstone');
is($node->sql('SELECT count(*) FROM events_dead_letters'), '0',
	'a tombstone is no dead letter');

# Paused: nothing is read, no worker is there; resumed: nothing is missing.
$node->sql(q{SELECT stream.pause('events')});
$node->wait_for(q{SELECT state = 'paused' AND workers = 0 FROM stream.status}, 'the pause');
my $paused = $node->stored_offsets('events');
$kafka->produce('events', map {
		[ $_ % 4, 'k', qq({"p":@{[ $_ % 4 ]},"seq":@{[ 10000 + $_ ]},"k":"extra","v":1,"ts":"2026-02-01T00:00:00.000Z"}) ]
	} 0 .. 99);
is_deeply($node->stored_offsets('events'), $paused, 'a paused stream stays where it is');
$node->sql(q{SELECT stream.resume('events')});
$node->catch_up('events');
is($node->sql(q{SELECT n, total FROM per_events WHERE k = 'extra'}), '100|100',
	'resumed, the stream has what came meanwhile');

# Back to an offset: only where nothing runs, and the rows count again.
my ($code, $out, $err) =
  $node->psql('postgres', q{SELECT stream.seek('events', '{"1": 0}')});
isnt($code, 0, 'a running stream is not moved');
like($err, qr/paus/, 'and the error says what to do');
$node->sql(q{SELECT stream.pause('events')});
$node->wait_for(q{SELECT workers = 0 FROM stream.status}, 'the pause');
my $rows = $node->sql('SELECT sum(n) FROM per_events');
my $in_partition = $kafka->offsets('events')->[1][1];
$node->sql(q{SELECT stream.seek('events', '{"1": 0}')});
$node->sql(q{SELECT stream.resume('events')});
$node->catch_up('events');
is($node->sql('SELECT sum(n) FROM per_events'), $rows + $in_partition,
	'after a seek partition 1 was read again');

# A worker's memory: a setting of ours, unless the owner's role has one.
$kafka->create('memory', 1);
$node->sql(q{BEGIN;
	SELECT stream.create_stream('memory', 'v int', server => 'kafka', topic => 'memory');
	SELECT stream.create_view('work_mem', $$SELECT current_setting('work_mem') AS m,
		count(*) AS n FROM memory GROUP BY 1$$);
	COMMIT;});
$kafka->produce('memory', [ 0, undef, '{"v":1}' ]);
$node->catch_up('memory');
$node->sql(q{SELECT stream.pause('memory')});
$node->wait_for(q{SELECT workers = 0 FROM stream.status WHERE stream = 'memory'::regclass},
	'the pause');
$node->sql(q{ALTER ROLE CURRENT_USER SET work_mem = '7MB'});
$node->sql(q{SELECT stream.resume('memory')});
$kafka->produce('memory', [ 0, undef, '{"v":2}' ]);
$node->catch_up('memory');
is($node->sql('SELECT m, n FROM work_mem ORDER BY n, m COLLATE "C"'), "32MB|1\n7MB|1",
	'work_mem of a worker');
$node->sql(q{ALTER ROLE CURRENT_USER RESET work_mem});
$node->sql(q{SELECT stream.drop('memory', true)});

# The server restarts: the stream goes on where it was.
$kafka->create('quiet', 3);
$kafka->gen('quiet', count => 3000);
$node->create_events('quiet');
$node->catch_up('quiet');
$node->restart;
$kafka->gen('quiet', count => 300, start => 1000, seed => 3);
$node->catch_up('quiet');
$node->is_complete($kafka, 'quiet', 'after a restart');

# Where a stream starts.
$kafka->create('modes', 1);
$kafka->produce('modes', map { [ 0, undef, $_, undef, 1_700_000_000_000 + $_ * 1000 ] } 0 .. 9);
my %modes = (
	earliest => ['', 10],
	latest => ['', 0],
	'specific-offsets' => ['"scan_startup_offsets": {"0": 7}', 3],
	timestamp => ['"scan_startup_timestamp": "2023-11-14 22:13:24+00"', 6]);
for my $mode (sort keys %modes)
{
	my ($options, $want) = @{ $modes{$mode} };
	(my $name = "from_$mode") =~ tr/-/_/;
	$node->sql(qq{SELECT stream.create_stream('$name', columns => 'n text',
		server => 'kafka', topic => 'modes', format => 'text',
		scan_startup_mode => '$mode', options => '{$options}')});
	$node->sql(qq{SELECT stream.wait('$name')});
	is($node->sql(qq{SELECT count(*) FROM $name}), $want, "scan_startup_mode $mode");
}

# Dropped: no worker, no rows, nothing left in the catalogs.
my ($pid) = $node->worker_pids('quiet');
$node->sql(q{SELECT stream.drop('quiet', cascade => true)});
$node->wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)",
	'the worker of a dropped stream to leave');
is($node->sql(q{SELECT count(*) FROM pg_class WHERE relname LIKE '%quiet%'}), '0',
	'a dropped stream leaves no relation');
is($node->sql(q{SELECT count(*) FROM stream.catalog_partitions p
	WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = p.stream)}), '0',
	'and no progress');

$node->stop;
done_testing();
