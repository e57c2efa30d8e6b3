# Views on views under workers: minutes, hours from minutes and days from hours, while
# records come, while the feed process and then a backend are killed; in the end each
# equals the topic's records.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka,
	conf => "restart_after_crash = on\ntimezone = 'UTC'\n");

# Records 3 s of event time apart; 40000 are 33 hours.
$kafka->create('events', 4);
$node->sql(qq{
	BEGIN;
	SELECT stream.create_stream('events', columns => '$StreamExt::Node::columns',
		server => 'kafka', topic => 'events', event_time => 'ts', workers => 2,
		watermark_delay => '1 min', idle_timeout => '1 h');
	SELECT stream.create_view('per_minute',
		\$\$SELECT k, w.window_start, w.window_end, count(*) AS n, sum(v) AS total, max(seq) AS last, avg(v) AS mean
		FROM events, stream.tumble(ts, '1 min') w GROUP BY 1, 2, 3\$\$, emit => 'append');
	SELECT stream.create_view('per_hour',
		\$\$SELECT k, w.window_start, sum(n) AS n, sum(total) AS total, max(last) AS last, combine(mean) AS mean
		FROM per_minute m, stream.tumble(m.window_start, '1 hour') w GROUP BY 1, 2\$\$, emit => 'append');
	SELECT stream.create_view('per_day',
		\$\$SELECT k, w.window_start, sum(n) AS n, sum(total) AS total, max(last) AS last, combine(mean) AS mean
		FROM per_hour h, stream.tumble(h.window_start, '1 day') w GROUP BY 1, 2\$\$, emit => 'append');
	SELECT stream.create_view('inverse',
		\$\$SELECT k, sum(1 / n) AS inverse FROM per_hour GROUP BY k HAVING count(*) > 0\$\$);
	SELECT stream.create_view('rates',
		\$\$SELECT k, count(*) AS hours, sum(1 / total) AS rate FROM per_hour GROUP BY k\$\$);
	COMMIT;});

my $feeders = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'stream_ext feed'};

sub feeder { return $node->sql($feeders); }

# What a view shows is in the query over its source, in one snapshot: hours that are
# closed have all their minutes.
sub is_consistent
{
	my ($label) = @_;
	is($node->sql(q{
		SELECT count(*) FROM (SELECT k, window_start, n, total, last FROM per_hour EXCEPT ALL
			SELECT k, w.window_start, sum(n), sum(total), max(last)
			FROM per_minute m, stream.tumble(m.window_start, '1 hour') w GROUP BY 1, 2) d}), '0',
		"$label: hours from minutes");
	is($node->sql(q{
		SELECT count(*) FROM (SELECT k, window_start, n, total, last FROM per_day EXCEPT ALL
			SELECT k, w.window_start, sum(n), sum(total), max(last)
			FROM per_hour h, stream.tumble(h.window_start, '1 day') w GROUP BY 1, 2) d}), '0',
		"$label: days from hours");
	# an average of averages would be another one
	is($node->sql(q{
		SELECT count(*) FROM (SELECT n, total, mean FROM per_hour UNION ALL SELECT n, total, mean FROM per_day) d
		WHERE mean IS DISTINCT FROM total / n}), '0',
		"$label: averages from states");
	return;
}

$node->wait_for("SELECT count(*) = 1 FROM ($feeders) f", 'the feed process');
my $load = $kafka->gen_start('events', partitions => 4, step => 3000, rate => 8000);
$node->wait_for('SELECT count(*) > 0 FROM per_hour', 'the first hour');
is_consistent('while records come');

# SIGKILL of the feed process takes the server down and up, as that of any does.
sub kill_it
{
	my ($pid, $what) = @_;
	my $fed_to = $node->sql('SELECT max(fed_to) FROM stream.catalog_feeds');
	my $feeder = feeder();

	kill('KILL', $pid) == 1 or die "$what is gone";
	$node->wait_for("SELECT pid <> $feeder FROM ($feeders) f", "a feed process after $what was killed");
	is_consistent("after $what was killed");
	$node->wait_for("SELECT max(fed_to) > '$fed_to' FROM stream.catalog_feeds", 'it to go on');
	return;
}
kill_it(feeder(), 'the feed process');
my $psql = $node->background_psql('postgres', on_error_die => 0);
kill_it(scalar $psql->query('SELECT pg_backend_pid()'), 'a backend');
eval { $psql->quit };

# It follows when what it reads and writes is renamed.
my $fed_to = $node->sql('SELECT max(fed_to) FROM stream.catalog_feeds');
$node->sql('ALTER VIEW per_hour RENAME TO hours; ALTER TABLE per_hour_state RENAME TO hours_state');
$node->wait_for("SELECT min(fed_to) > '$fed_to' FROM stream.catalog_feeds", 'it to follow a new name');
$node->sql('ALTER VIEW hours RENAME TO per_hour; ALTER TABLE hours_state RENAME TO per_hour_state');
# more than a day of them, 3 s from one to the next
$node->wait_for('SELECT sum(next_offset) > 40000 FROM stream.partitions', 'a day of records');
$kafka->gen_stop($load);
is_consistent('when all records are there');

# An hour of key "zero" that one view cannot take, and a record of each partition
# that closes all that was before.
my %expected = map { ($_ => $kafka->fold('events', '--window', $_ * 1000)) } 60, 3600, 86400;
$node->catch_up('events');
my $end = $node->sql(q{SELECT to_char(date_trunc('day', max(watermark)) + interval '3 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
	FROM stream.partitions});
my $zero = $node->sql(q{SELECT to_char(max(watermark) + interval '2 hours', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM stream.partitions});
$kafka->produce('events', [ 0, 'zero', qq{{"p": 0, "seq": 0, "k": "zero", "v": 0, "ts": "$zero"}} ]);
$kafka->produce('events', map { [ $_, 'end', qq{{"p": $_, "seq": 0, "k": "end", "v": 1, "ts": "$end"}} ] } 0 .. 3);
$node->wait_for(qq{SELECT stream.watermark('per_hour', 'per_day_state') >= timestamptz '$end' - interval '1 day'},
	'the days to close');
$node->wait_for(q{SELECT count(DISTINCT fed_to) = 1 FROM stream.catalog_feeds WHERE source = 'per_hour'::regclass},
	'all views on hours to be fed');
is_consistent('in the end');

sub shown
{
	my ($view) = @_;
	return $node->sql(qq{SELECT k, (extract(epoch FROM window_start) * 1000)::bigint, n, total, last
		FROM $view WHERE k NOT IN ('zero', 'end') ORDER BY k COLLATE "C", window_start});
}
like($expected{86400}, qr/\n.*\|/, 'there are days');
is(shown('per_minute'), $expected{60}, 'minutes equal the records');
is(shown('per_hour'), $expected{3600}, 'hours equal the records');
is(shown('per_day'), $expected{86400}, 'days equal the records');
is($node->sql('SELECT count(*) FROM per_minute_late_rows'), '0', 'no record was late');
is($node->sql('SELECT view_name, sqlstate, convert_from(payload, \'UTF8\')::jsonb ->> \'k\' FROM events_dead_letters'),
	'public.rates|22012|zero', 'the row that a view cannot take is a dead letter');
is($node->sql(q{SELECT k, hours, rate FROM rates EXCEPT ALL
	SELECT k, count(*), sum(1 / total) FROM per_hour WHERE k <> 'zero' GROUP BY k}), '', 'the view has the others');
is($node->sql(q{SELECT state, error FROM stream.status}), 'running|', 'the stream runs');

# It pauses and goes with the stream, and with the views.
$node->sql(q{SELECT stream.pause('events')});
$node->wait_for("SELECT count(*) = 0 FROM ($feeders) f", 'the feed process to end');
$node->sql(q{SELECT stream.resume('events')});
$node->wait_for("SELECT count(*) = 1 FROM ($feeders) f", 'the feed process to come back');
$node->sql(qq{SELECT stream.drop(v) FROM unnest('{inverse,rates,per_day,per_hour}'::regclass[]) v});
$node->wait_for("SELECT count(*) = 0 FROM ($feeders) f", 'the feed process to end without views');

# Groups of the source stay until the views on it have them: while one of two is not
# fed, its source keeps what the other loses.
$kafka->create('short', 1);
$node->sql(qq{
	BEGIN;
	SELECT stream.create_stream('short', columns => '$StreamExt::Node::columns',
		server => 'kafka', topic => 'short', event_time => 'ts', watermark_delay => '0');
	SELECT stream.create_view(name, 'SELECT window_start, window_end, count(*) AS n FROM short, stream.tumble(ts, ''1 min'') GROUP BY 1, 2',
		emit => 'append', state_ttl => '10 min') FROM unnest('{kept,lost}'::text[]) AS name;
	SELECT stream.create_view('of_kept', 'SELECT count(*) AS minutes, sum(n) AS n FROM kept');
	COMMIT;});
sub minutes { return map { [ 0, 'k', sprintf('{"k": "k", "v": 1, "ts": "2026-01-01T%02d:%02d:00Z"}', int($_ / 60), $_ % 60) ] } @_; }
$kafka->produce('short', minutes(0 .. 4));
$node->wait_for('SELECT minutes = 4 FROM of_kept', 'the first minutes');
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE of_kept IN SHARE UPDATE EXCLUSIVE MODE');
$kafka->produce('short', minutes(5 .. 180));
$node->wait_for('SELECT min(window_start) > timestamptz \'2026-01-01 02:00Z\' FROM lost', 'old minutes to leave');
is($node->sql('SELECT count(*) FROM kept WHERE window_end > (SELECT fed_to FROM stream.catalog_feeds WHERE view = \'of_kept\'::regclass)'),
	'176', 'the source has the minutes that were not fed');
$blocker->query_safe('ROLLBACK');
$blocker->quit;
$node->wait_for('SELECT minutes = 180 AND n = 180 FROM of_kept', 'all minutes to be fed');
$node->wait_for('SELECT min(window_start) > timestamptz \'2026-01-01 02:00Z\' FROM kept', 'then they leave');

# With on_error fail it stops in front of such a row.
$kafka->create('strict', 1);
$node->sql(qq{
	BEGIN;
	SELECT stream.create_stream('strict', columns => '$StreamExt::Node::columns',
		server => 'kafka', topic => 'strict', event_time => 'ts', watermark_delay => '0', on_error => 'fail');
	SELECT stream.create_view('strict_minute',
		\$\$SELECT k, window_end, sum(v) AS total FROM strict, stream.tumble(ts, '1 min') GROUP BY 1, 2\$\$, emit => 'append');
	SELECT stream.create_view('strict_rate', 'SELECT count(*) AS n, sum(1 / total) AS rate FROM strict_minute');
	COMMIT;});
$kafka->produce('strict', map { [ 0, 'k', qq{{"k": "k", "v": $_->[1], "ts": "2026-01-01T00:0$_->[0]:00Z"}} ] }
	  [ 0, 1 ], [ 1, 1 ], [ 2, 0 ], [ 3, 1 ]);
$node->wait_for(q{SELECT state = 'failed' FROM stream.status WHERE stream = 'strict'::regclass}, 'the stream to fail');
like($node->sql(q{SELECT error FROM stream.status WHERE stream = 'strict'::regclass}),
	qr/division by zero.*feeding view.*strict_rate.*strict_minute/, 'the reason names the view');
is($node->sql('SELECT n FROM strict_rate'), $node->sql(
	q{SELECT count(*) FROM strict_minute, stream.catalog_feeds WHERE view = 'strict_rate'::regclass AND window_end <= fed_to}),
	'nothing of the step is left');

$node->stop;
done_testing();
