# Views over two streams: the workers of both merge into the same groups, some of
# them are killed, and the views are the sum of what both topics hold.  Dumped and
# restored, they go on elsewhere.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka,
	conf => "restart_after_crash = on\ntimezone = 'UTC'\n");
my $union = q{(SELECT k, v, seq, ts FROM left_events UNION ALL SELECT k, v, seq, ts FROM right_events) AS u};

# Event times go up by 10 ms from record to record; right_events has 30 s more.
$kafka->create('left_events', 4);
$kafka->create('right_events', 3);
$kafka->gen('left_events', count => 15000, seed => 1, step => 10);
$kafka->gen('right_events', count => 18000, seed => 2, step => 10);
$node->sql("BEGIN;" . join('', map { qq{
	SELECT stream.create_stream('${_}_events', columns => '$StreamExt::Node::columns',
		server => 'kafka', topic => '${_}_events', event_time => 'ts', workers => 2,
		watermark_delay => '5 s', idle_timeout => '1 s', options => '{"batch_max_rows": 200, "max_rows_per_second": 1000}');
	SELECT stream.create_view('${_}_numbers', 'SELECT k, seq FROM ${_}_events GROUP BY k, seq');} } qw(left right)) . qq{
	SELECT stream.create_view('per_key',
		\$\$SELECT k, count(*) AS n, sum(v) AS total, max(seq) AS last FROM $union GROUP BY k\$\$);
	SELECT stream.create_view('numbers', \$\$SELECT k, count(DISTINCT seq) AS n FROM $union GROUP BY k\$\$);
	SELECT stream.create_view('all_rows', \$\$SELECT count(*) AS n FROM $union\$\$);
	SELECT stream.create_view('final',
		\$\$SELECT k, window_start, window_end, count(*) AS n FROM $union, stream.tumble(u.ts, '10 s') GROUP BY 1, 2, 3\$\$,
		emit => 'append');
	SELECT stream.create_view('young',
		\$\$SELECT window_start, count(*) AS n FROM $union, stream.hop(u.ts, '2 s', '10 s') GROUP BY 1\$\$, state_ttl => '40 s');
	SELECT stream.create_view('visits',
		\$\$SELECT k, window_start, count(*) AS n FROM $union, stream.session(u.ts, '1 s') GROUP BY 1, 2\$\$);
	SELECT stream.create_view('right_only', 'SELECT count(*) AS n FROM right_events');
	COMMIT;});

# What both topics hold, as lines of a fold.
sub both
{
	my (@options) = @_;
	my $keys = @options ? 2 : 1;
	my %sum;

	for my $line (map { split /\n/, $kafka->fold($_, @options) } qw(left_events right_events))
	{
		my @fields = split /\|/, $line, -1;
		my $row = $sum{ join('|', @fields[ 0 .. $keys - 1 ]) } ||= [ 0, 0, 0 ];
		my ($n, $total, $last) = @fields[ $keys .. $keys + 2 ];

		$row->[0] += $n;
		$row->[1] += $total;
		$row->[2] = $last if $last > $row->[2];
	}
	return \%sum;
}

sub is_complete
{
	my ($where, $label) = @_;
	my $sum = both();
	my $n = 0;

	$n += $_->[0] for values %$sum;
	is($where->safe_psql($where->{db} || 'postgres', q{SELECT k, n, total, last FROM per_key ORDER BY k COLLATE "C"}),
		join("\n", map { join('|', $_, @{ $sum->{$_} }) } sort keys %$sum), "$label: the view is the sum of both topics");
	is($where->safe_psql($where->{db} || 'postgres', 'SELECT n FROM all_rows'), $n, "$label: its one row, too");
	return;
}

sub add
{
	my ($topic, $n, $time) = @_;
	my ($seq) = $kafka->offsets($topic)->[0][1];

	$kafka->produce($topic, map { [ 0, 'k', qq({"p":0,"seq":@{[ $seq + $_ ]},"k":"k0000$_","v":1,"ts":"2026-01-01T$time.00${_}Z"}) ] } 0 .. $n - 1);
	return;
}

# While they read, workers of both streams are killed, and the server with them.
for my $stream (qw(left_events right_events))
{
	$node->wait_for(q{SELECT count(DISTINCT worker_pid) = 4 AND bool_and(next_offset > 0) FROM stream.partitions},
		'four workers with records');
	isnt($node->sql("SELECT lag FROM stream.status WHERE stream = '$stream'::regclass"), '0', "$stream is being read");
	my ($worker) = $node->worker_pids($stream);
	is(kill('KILL', $worker), 1, "a worker of $stream is killed");
	$node->wait_for("SELECT count(*) = 4 AND bool_and(pid <> $worker) FROM pg_stat_activity WHERE backend_type = 'stream_ext worker'",
		'the workers after the crash');
}
$node->catch_up($_) for qw(left_events right_events);
is_complete($node, 'after crashes');
is($node->sql('SELECT sum(n) FROM visits'), '33000', 'each record is in one session');
is($node->sql('SELECT n FROM right_only'), '18000', 'a view of one of them beside them');
is($node->sql(q{SELECT string_agg(k || ' ' || n, ',' ORDER BY k) FROM numbers}),
	$node->sql(q{SELECT string_agg(k || ' ' || n, ',' ORDER BY k) FROM
		(SELECT k, count(*) AS n FROM (TABLE left_numbers UNION TABLE right_numbers) AS u GROUP BY k) AS u}),
	'DISTINCT over both');

# Windows close by the stream that is behind.
my $left = $node->sql('SELECT max(ts) FROM left_events');
my $right = $node->sql('SELECT max(ts) FROM right_events');
$node->wait_for("SELECT stream.watermark('left_events') >= timestamptz '$left' - interval '6 s'
	AND stream.watermark('right_events') >= timestamptz '$right' - interval '6 s'", 'the watermarks');
my $closed = $node->sql("SELECT (extract(epoch FROM stream.watermark('left_events')) * 1000)::bigint");
my $windows = both('--window', 10000);
my $final_sql = q{SELECT k, (extract(epoch FROM window_start) * 1000)::bigint, n FROM final ORDER BY k COLLATE "C", window_start};
my $final = join("\n", map { "$_->[0]|$_->[1]|" . $windows->{"$_->[0]|$_->[1]"}[0] }
	sort { $a->[0] cmp $b->[0] || $a->[1] <=> $b->[1] }
	grep { $_->[1] + 10000 <= $closed } map { [ split /\|/ ] } keys %$windows);
is($node->sql($final_sql), $final, 'windows that both have passed, and only those');
isnt($final, '', 'there are some');
is($node->sql('SELECT count(*) FROM final_late_rows'), '0', 'no row was late');

# Partitions of the state leave by the one that is behind, then are gone.
$node->wait_for("SELECT min(window_start) > timestamptz '$left' - interval '80 s' FROM young", 'old windows to leave');
is($node->sql(qq{SELECT min(window_start) < timestamptz '$left' - interval '40 s' FROM young}), 't', 'those of state_ttl stay');

# A row is late by its own stream: at 2:28 left_events waits for it no more.
add('right_events', 1, '00:00:01');
add('left_events', 1, '00:02:28');
$node->catch_up($_) for qw(left_events right_events);
is($node->sql('SELECT stream, event_time FROM final_late_rows'), 'right_events|2026-01-01 00:00:01+00', 'a late row, and whose');
is($node->sql($final_sql), $final, 'it changes nothing');

# Made while all of them run, a view counts what comes from then on.
$node->sql(qq{SELECT stream.create_view('later', \$\$SELECT count(*) AS n, max(ts) AS last FROM $union\$\$)});
add('right_events', 2, '00:03:10');
add('left_events', 3, '00:03:11');
$node->catch_up($_) for qw(left_events right_events);
is($node->sql('TABLE later'), '5|2026-01-01 00:03:11.002+00', 'a view that is made later');

# The same in another database, from where it was when it was dumped.
$node->sql(q{SELECT stream.pause(s) FROM unnest('{left_events,right_events}'::regclass[]) AS s});
$node->wait_for(q{SELECT count(*) = 2 FROM stream.status WHERE state = 'paused' AND workers = 0}, 'the pause');
my $dump = PostgreSQL::Test::Utils::tempdir('dump') . '/sql';
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'restored');
is($node->safe_psql('copy', q{SELECT streams FROM stream.views WHERE name = 'per_key'::regclass}),
	'{left_events,right_events}', 'the view has both streams');
add('left_events', 9, '00:03:20');
add('right_events', 8, '00:03:21');
for my $db (qw(postgres copy))
{
	$node->safe_psql($db, q{SELECT stream.resume(s) FROM unnest('{left_events,right_events}'::regclass[]) AS s});
	is($node->safe_psql($db, "SELECT stream.wait('$_', '120 s')"), 't', "$db: $_") for qw(left_events right_events);
	local $node->{db} = $db;
	is_complete($node, $db);
}

# One of the streams is dropped, and the views with it; the other goes on.
like(($node->psql('copy', q{SELECT stream.drop('left_events')}))[2], qr/cascade/, 'cascade is asked for');
$node->safe_psql('copy', 'DROP TABLE right_events CASCADE');
is($node->safe_psql('copy', q{SELECT string_agg(name::text, ' ') FROM stream.views}), 'left_numbers', 'the views of both are gone');
is($node->safe_psql('copy', q{SELECT to_regclass('per_key'), to_regclass('per_key_state')}), '|', 'with what they kept');
add('left_events', 1, '00:03:22');
is($node->safe_psql('copy', q{SELECT stream.wait('left_events', '120 s')}), 't', 'the other stream goes on');

unlike(slurp_file($node->logfile), qr/deadlock detected/, 'nobody waited in a ring');

$node->stop;
done_testing();
