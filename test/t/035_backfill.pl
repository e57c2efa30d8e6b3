# A view made later is filled with what the topic had before: while the stream
# goes on, through kills, pauses and a change of owner, and each record once.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka,
	conf => "restart_after_crash = on\n");

# slow enough to be met on the way
my $options = '{"batch_max_rows": 500, "max_rows_per_second": 8000, "staging_max_rows": 10000}';
my $rows = 30000;

sub make_view
{
	my ($name, $query, %more) = @_;
	my $emit = $more{emit} ? ", emit => '$more{emit}'" : '';
	return qq{SELECT stream.create_view('$name', \$\$$query\$\$$emit,
		options => '{"backfill": "earliest"}')};
}

sub is_filled
{
	my ($view) = @_;
	$node->wait_for(qq{SELECT backfill_lag IS NULL FROM stream.views WHERE name::text = '$view'},
		"the backfill of $view");
	return;
}

sub backfill_pid
{
	$node->wait_for(q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'stream_ext backfill'},
		'a backfill worker');
	return (split /\n/, $node->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'stream_ext backfill'}))[0];
}

sub fails
{
	my ($sql, $message, $label) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $sql);
	isnt($code, 0, $label);
	like($err, $message, "$label: says why");
	return;
}

my $by_key = 'SELECT k, count(*) AS n, sum(v) AS total, max(seq) AS last FROM events GROUP BY k';
my $by_window = 'SELECT k, window_start, count(*) AS n, sum(v) AS total, max(seq) AS last
	FROM events, stream.tumble(ts, \'10 s\') GROUP BY k, window_start';

# Three partitions, aborted transactions in them, two workers.
$kafka->create('events', 3);
$kafka->gen('events', count => $rows, seed => 1, txn => 'old', 'txn-size' => 100, 'abort-every' => 7);
my $by_visit = q{SELECT k, window_start, window_end, count(*) AS n, sum(v) AS total
	FROM events, stream.session(ts, '150 ms') GROUP BY k, window_start, window_end};
$node->sql(qq{BEGIN;
	SELECT stream.create_stream('events', columns => '$StreamExt::Node::columns',
		server => 'kafka', topic => 'events', event_time => 'ts', workers => 2,
		watermark_delay => '0 s', idle_timeout => '1 hour', options => '$options');
	SELECT stream.create_view('first_events', 'SELECT count(*) AS n FROM events');
	SELECT stream.create_view('first_visits', \$\$$by_visit\$\$);
	COMMIT;});
$node->catch_up('events');

# ---- while a producer runs, killed in the middle ----------------------------

# The new records are months ahead of the old ones, which are not late for all that.
my $load = $kafka->gen_start('events', rate => 1000, seed => 2, start => $rows, now => undef,
	txn => 'new', 'txn-size' => 50, 'abort-every' => 10);
$node->wait_for("SELECT sum(next_offset) > $rows + 500 FROM stream.catalog_partitions", 'new records');
$node->sql(make_view('per_events', $by_key) . ';' . make_view('windows_events', $by_window) . ';'
	  . make_view('visits', $by_visit));
my $total = $node->sql(q{SELECT sum(end_offset) FROM stream.catalog_backfills
	WHERE view = 'per_events'::regclass});
cmp_ok($total, '>', $rows, 'everything below the offsets is to be read');
$node->wait_for(qq{SELECT backfill_lag < $total FROM stream.views WHERE name::text = 'per_events'},
	'the backfill to begin');
my $left = $node->sql(q{SELECT coalesce(backfill_lag, 0) FROM stream.views WHERE name::text = 'per_events'});
cmp_ok($left, '>', 0, 'it is in the middle');
my $pid = backfill_pid();
is($node->sql('SELECT workers FROM stream.status'), '2', 'its worker is none of the stream');
kill('KILL', $pid);
$node->wait_for('SELECT true', 'the server to come back');
$node->wait_for(qq{SELECT coalesce(backfill_lag, 0) < $left FROM stream.views WHERE name::text = 'per_events'},
	'the backfill to go on');
$pid = backfill_pid();
is($node->sql("SELECT pg_terminate_backend($pid)"), 't', 'terminated, it comes back');

# ---- what is refused meanwhile ---------------------------------------------

$node->sql(q{SELECT stream.pause('events')});
$node->wait_for(q{SELECT workers = 0 FROM stream.status}, 'the pause');
$node->wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'stream_ext backfill'},
	'the backfills to pause, too');
my $offsets = q{SELECT view, partition, next_offset FROM stream.catalog_backfills ORDER BY 1, 2};
my $paused = $node->sql($offsets);
isnt($paused, '', 'paused, there is something left');
fails(q{SELECT stream.seek('events', '{"0": 0}')}, qr/is being backfilled/, 'seek');
fails(q{SELECT stream.seek('events', '"earliest"')}, qr/is being backfilled/, 'seek to the beginning');
fails(q{SELECT stream.retry_dead_letters('events')}, qr/is being backfilled/, 'retry_dead_letters');
is($node->sql($offsets), $paused, 'a paused backfill stays where it is');

# the rest is another role's
$node->sql(q{CREATE ROLE heir LOGIN; GRANT USAGE ON FOREIGN SERVER kafka TO heir;
	CREATE USER MAPPING FOR heir SERVER kafka; GRANT CREATE ON SCHEMA public TO heir;
	ALTER TABLE events OWNER TO heir;
	SELECT stream.resume('events')});
is_filled('per_events');
is_filled('windows_events');
is_filled('visits');
$kafka->gen_stop($load);
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'backfilled');
is($node->sql('SELECT sum(n) FROM per_events'), $node->sql('SELECT n FROM first_events'),
	'as many as the view had that was there from the beginning');
is($node->sql('SELECT count(*) FROM windows_events_late_rows'), '0', 'nothing was late');
is($node->sql(q{SELECT count(*) > 1000 FROM visits}), 't', 'there are sessions');
is($node->sql(q{SELECT count(*) FROM ((TABLE visits EXCEPT ALL TABLE first_visits)
	UNION ALL (TABLE first_visits EXCEPT ALL TABLE visits)) AS d}), '0',
	'and the same as in the view that was there from the beginning');
is($node->sql('SELECT count(*) FROM stream.catalog_backfills'), '0', 'nothing is left');
$node->wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'stream_ext backfill'},
	'the workers to leave');

# ---- records at fault --------------------------------------------------------

$kafka->create('faults', 1);
$kafka->produce('faults', map { [ 0, undef, $_ == 3 ? '"x"' : qq({"i": $_}) ] } 0 .. 9);
$node->sql(q{SELECT stream.create_stream('faults', columns => 'i int CHECK (i <> 7)',
	server => 'kafka', topic => 'faults')});
$node->catch_up('faults');
is($node->sql(q{SELECT string_agg("offset"::text, ' ' ORDER BY "offset") FROM faults_dead_letters}), '3 7',
	'dead letters of the stream');
$node->sql(q{ALTER TABLE faults DROP CONSTRAINT faults_i_check});
$node->sql(make_view('inverse', 'SELECT count(*) AS n, sum(100 / (i - 5)) AS total FROM faults'));
is_filled('inverse');
is($node->sql('SELECT n FROM inverse'), '7', 'those of the stream are passed over');
is($node->sql(q{SELECT "offset", view_name FROM faults_dead_letters ORDER BY id DESC LIMIT 1}),
	'5|public.inverse', 'what the view cannot take is its own dead letter');
is($node->sql(q{SELECT count(*) FROM faults_dead_letters}), '3', 'and no other is new');
is($node->sql(q{SELECT stream.retry_dead_letters('faults')}), '1', 'retried, one is good now');
is($node->sql('SELECT n FROM inverse'), '8', 'and counts once');

# A stream that stops at such a record goes on while the backfill does not.
$kafka->create('strict', 1);
$node->sql(q{BEGIN;
	SELECT stream.create_stream('strict', columns => 'i int', format => 'text',
	server => 'kafka', topic => 'strict', on_error => 'fail');
	SELECT stream.create_view('sum_strict', 'SELECT count(*) AS n FROM strict');
	COMMIT;});
$kafka->produce('strict', map { [ 0, undef, $_ ] } 0 .. 9);
$node->catch_up('strict');
$node->sql(make_view('stuck', 'SELECT count(*) AS n, sum(100 / (i - 5)) AS total FROM strict'));
$node->wait_for(q{SELECT backfill_error LIKE 'division by zero%offset 5%' FROM stream.views WHERE name::text = 'stuck'},
	'the reason why the backfill stopped');
$kafka->produce('strict', [ 0, undef, 10 ]);
$node->catch_up('strict');
is($node->sql(q{SELECT state, error FROM stream.status WHERE stream::text = 'strict'}), 'running|',
	'the stream runs on');
is($node->sql('SELECT a.n, b.n FROM sum_strict a, stuck b'), '11|1', 'and its batches count in both views');
is($node->sql(q{SELECT backfill_lag FROM stream.views WHERE name::text = 'stuck'}), '10',
	'nothing of the failing batch counts');
$node->sql(q{SELECT stream.drop('stuck')});

# ---- retention, drop, what cannot be ------------------------------------------

$kafka->tool('delete-records', 'faults', '0', '6');
$node->sql(make_view('rest', 'SELECT count(*) AS n, min(i) AS first FROM faults'));
is_filled('rest');
is($node->sql('SELECT * FROM rest'), '4|6', 'what Kafka still has');
$kafka->tool('delete-records', 'faults', '0', '-1');
$node->sql(make_view('nothing', 'SELECT count(*) AS n FROM faults'));
is_filled('nothing');
is($node->sql('SELECT n FROM nothing'), '0', 'it has nothing any more');
$kafka->produce('faults', [ 0, undef, '{"i": 10}' ]);
$node->catch_up('faults');
is($node->sql('SELECT r.n, e.n FROM rest r, nothing e'), '5|1', 'what comes counts in both');

$node->sql(make_view('dropped', $by_key));
$pid = backfill_pid();
$node->sql('DROP VIEW dropped');
$node->wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)",
	'the backfill of a dropped view to leave');
is($node->sql('SELECT count(*) FROM stream.catalog_backfills'), '0', 'and its rows are gone');
is($node->sql('SELECT count(*) FROM stream.status WHERE state <> $$running$$'), '0', 'the streams run');
fails(make_view('appended', $by_window, emit => 'append'), qr/emit "append"/, 'append');
$node->sql(q{SELECT stream.create_stream('late', columns => 'i int', server => 'kafka', topic => 'faults',
	scan_startup_mode => 'latest', paused => true)});
fails(make_view('of_late', 'SELECT count(*) FROM late'), qr/has not begun to read/, 'no offsets yet');

$node->stop;
done_testing();
