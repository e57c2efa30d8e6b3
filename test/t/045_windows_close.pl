# Windows that close under workers: final rows, late rows, an idle partition,
# state_ttl, and a watermark that survives a crash.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

# Partition 4 stays empty: it holds the watermark back until it is idle.  Event times go
# up by 10 ms from record to record, over all partitions.
$kafka->create('events', 5);
$kafka->gen('events', count => 20000, partitions => 4, step => 10);
$node->sql(qq{
	BEGIN;
	SELECT stream.create_stream('events', columns => '$StreamExt::Node::columns',
		server => 'kafka', topic => 'events', event_time => 'ts', workers => 2,
		watermark_delay => '5 s', idle_timeout => '1 s');
	SELECT stream.create_view('final',
		\$\$SELECT k, window_start, window_end, count(*) AS n, sum(v) AS total, max(seq) AS last
		FROM events, stream.tumble(ts, '10 s') GROUP BY 1, 2, 3\$\$, emit => 'append');
	SELECT stream.create_view('whole',
		\$\$SELECT k, window_start, count(*) AS n, sum(v) AS total, max(seq) AS last
		FROM events, stream.tumble(ts, '10 s') GROUP BY 1, 2\$\$, emit => 'append',
		options => '{"close_on_idle": true}');
	SELECT stream.create_view('young',
		\$\$SELECT window_start, count(*) AS n FROM events, stream.hop(ts, '2 s', '10 s') GROUP BY 1\$\$,
		state_ttl => '40 s');
	SELECT stream.create_view('visits',
		\$\$SELECT k, window_start, count(*) AS n FROM events, stream.session(ts, '1 s') GROUP BY 1, 2\$\$);
	COMMIT;});

my $closed = q{SELECT stream.watermark('events')};
$node->catch_up('events');
my $last = $node->sql(q{SELECT max(ts) FROM events});
$node->wait_for(qq{SELECT stream.watermark('events') >= timestamptz '$last' - interval '6 s'},
	'the watermark to come to the end');
my $watermark = $node->sql($closed);

my $final_sql = q{SELECT k, (extract(epoch FROM window_start) * 1000)::bigint, n, total, last
	FROM final ORDER BY k COLLATE "C", window_start};
my $limit = $node->sql("SELECT (extract(epoch FROM timestamptz '$watermark') * 1000)::bigint");
my $expected = join("\n", grep { (split /\|/)[1] + 10000 <= $limit }
	  split /\n/, $kafka->fold('events', '--window', 10000));
is($node->sql($final_sql), $expected, 'closed windows, and only those, are shown');
isnt($expected, '', 'there are some');
is($node->sql('SELECT sum(n) FROM visits'), '20000', 'each record is in one session');
is($node->sql(q{SELECT count(*) FROM (SELECT k, window_start, lag(window_start) OVER (PARTITION BY k ORDER BY window_start) AS before
		FROM visits) AS v WHERE window_start - before <= '1 s'}), '0', 'sessions are a gap apart');

# When the stream is idle the last windows close, in the view that asks for it.
$node->wait_for('SELECT sum(n) = 20000 FROM whole', 'the last windows to close');
is($node->sql(q{SELECT k, (extract(epoch FROM window_start) * 1000)::bigint, n, total, last
	FROM whole ORDER BY k COLLATE "C", window_start}), $kafka->fold('events', '--window', 10000),
	'all windows, when the stream is idle');

# Only what is younger than the time to live is left, in few partitions.
$node->wait_for(qq{SELECT min(window_start) > timestamptz '$watermark' - interval '80 s' FROM young},
	'old windows to leave');
cmp_ok($node->sql(q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'young_state'::regclass}),
	'<', 12, 'their partitions are gone');

# A late record is kept and changes nothing; it has its place in Kafka with it.
my $offset = $kafka->offsets('events')->[2][1];
$kafka->produce('events', [ 2, 'late', '{"p": 2, "seq": 0, "k": "late", "v": 1, "ts": "2020-01-01T00:00:00Z"}' ]);
$node->catch_up('events');
is($node->sql($final_sql), $expected, 'a late record changes no closed window');
is($node->sql('SELECT partition, "offset", "row" ->> \'k\' FROM final_late_rows'), "2|$offset|late",
	'it is set aside');
is($node->sql(q{SELECT late_rows FROM stream.views WHERE name = 'final'::regclass}), '1', 'and counted');

# After a crash the watermark is where it was, before any record comes.
$node->stop('immediate');
$node->start;
is($node->sql("$closed >= timestamptz '$watermark'"), 't', 'the watermark survives a crash');
is($node->sql($final_sql), $expected, 'so do the closed windows');

# The partition that was idle comes to life far behind: what it brings is late.
$node->wait_for('SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = \'stream_ext worker\'', 'the workers');
$kafka->produce('events', [ 4, 'old', '{"p": 4, "seq": 0, "k": "old", "v": 1, "ts": "2020-01-01T00:00:00Z"}' ]);
$node->catch_up('events');
is($node->sql(q{SELECT count(*) FROM final_late_rows}), '2', 'rows of an idle partition obey the late rule');
is($node->sql($final_sql), $expected, 'and reopen no window');
is($node->sql("$closed >= timestamptz '$watermark'"), 't', 'the watermark does not go back');

$node->stop;
done_testing();
