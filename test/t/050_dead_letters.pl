# Poison: each bad record alone becomes a dead letter, with its position, bytes and
# reason, in the transaction that passes its offset.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

# name => [payload, sqlstate]; placed among good records
my %poison = (
	'not JSON' => ['{"p":0', '22P02'],
	'trailing input' => ['{"p":0,"seq":1,"k":"a","v":1,"ts":"2026-01-01T00:00:00Z"} x', '22P02'],
	'an overflow' => ['{"p":0,"seq":1,"k":"a","v":99999999999,"ts":"2026-01-01T00:00:00Z"}', '22003'],
	'a wrong type' => ['{"p":0,"seq":"many","k":"a","v":1,"ts":"2026-01-01T00:00:00Z"}', '22P02'],
	'a NULL event time' => ['{"p":0,"seq":1,"k":"a","v":1,"ts":null}', '22004'],
	'no event time' => ['{"p":0,"seq":1,"k":"a","v":1}', '22004'],
	'bad UTF-8' => [qq({"p":0,"seq":1,"k":"\xff\xfe","v":1,"ts":"2026-01-01T00:00:00Z"}), undef],
	'a NUL' => ['{"p":0,"seq":1,"k":"a\\u0000b","v":1,"ts":"2026-01-01T00:00:00Z"}', undef],
	'a NULL for NOT NULL' => ['{"p":0,"seq":1,"k":null,"v":1,"ts":"2026-01-01T00:00:00Z"}', '23502'],
	'a failed CHECK' => ['{"p":0,"seq":1,"k":"a","v":-1,"ts":"2026-01-01T00:00:00Z"}', '23514'],
	'an empty value' => ['', undef]);

$kafka->create('events', 2);
$kafka->gen('events', count => 10000);
my %want;
my $round = 0;
for my $name (sort keys %poison)
{
	$kafka->produce('events', [ 1, "key of $name", $poison{$name}[0] ]);
	$want{ 5000 + $round * 501 } = $name;
	$kafka->gen('events', count => 1000, seed => 10 + $round, start => 10000 + $round * 1000);
	$round++;
}

$StreamExt::Node::columns =
  'p int, seq bigint, k text NOT NULL, v int CHECK (v >= 0), ts timestamptz';
$node->create_events('events', workers => 2);
$node->catch_up('events');

is($node->sql(StreamExt::Node::per_key_sql('events')), $kafka->fold('events', '--skip-bad'),
	'the good records count, all of them');
is($node->sql('SELECT "partition", "offset" FROM events_dead_letters ORDER BY "offset"'),
	join("\n", map { "1|$_" } sort { $a <=> $b } keys %want),
	'each bad record is a dead letter, once');
for my $offset (sort { $a <=> $b } keys %want)
{
	my $name = $want{$offset};
	my ($payload, $sqlstate) = @{ $poison{$name} };
	is($node->sql(qq{SELECT topic, encode(payload, 'hex'), convert_from(key, 'UTF8'),
		length(message) > 0, "timestamp" IS NOT NULL
		FROM events_dead_letters WHERE "offset" = $offset}),
		'events|' . unpack('H*', $payload) . "|key of $name|t|t", "$name: as it came");
	is($node->sql(qq{SELECT sqlstate FROM events_dead_letters WHERE "offset" = $offset}),
		$sqlstate, "$name: sqlstate") if defined $sqlstate;
}
is($node->sql(q{SELECT dead_letters FROM stream.status WHERE stream::text = 'events'}), scalar(keys %want),
	'stream.status counts them');

# Still bad, they stay; what is not wrong any more is taken.
is($node->sql(q{SELECT stream.retry_dead_letters('events')}), '0',
	'a retry of bad records takes none');
is($node->sql('SELECT count(*) FROM events_dead_letters'), scalar(keys %want), 'and loses none');

# A record that only one view cannot take: the batch is read again, that view goes without it.
$kafka->create('ratios', 3);
$kafka->gen('ratios', count => 30000, keys => 20);
$node->sql(q{SELECT stream.create_stream('ratios', columns => 'p int, seq bigint, k text, v int, ts timestamptz',
	server => 'kafka', topic => 'ratios', event_time => 'ts', workers => 2, paused => true)});
$node->sql(q{SELECT stream.create_view('per_ratios',
	'SELECT k, count(*) AS n, sum(v) AS total, max(seq) AS last FROM ratios GROUP BY k')});
$node->sql(q{SELECT stream.create_view('inverse', 'SELECT k, count(*) AS n, sum(1000 / v) AS s FROM ratios GROUP BY k')});
$node->sql(q{SELECT stream.resume('ratios')});
$node->catch_up('ratios');
# while the worker is careful already
$kafka->gen('ratios', count => 3000, keys => 20, start => 10000, seed => 7);
$node->catch_up('ratios');
is($node->sql(StreamExt::Node::per_key_sql('ratios')), $kafka->fold('ratios'),
	'the other view has all records');
my $zeros = $node->sql('SELECT count(*) FROM ratios WHERE v = 0');
cmp_ok($zeros, '>', 10, "the view fails for $zeros of them");
is($node->sql(q{SELECT count(*), count(DISTINCT ("partition", "offset")), min(view_name), min(sqlstate)
	FROM ratios_dead_letters}), "$zeros|$zeros|public.inverse|22012",
	'these are its dead letters, each once');
is($node->sql(q{SELECT count(*) FROM (TABLE inverse EXCEPT
	SELECT k, count(*), sum(1000 / v) FROM ratios WHERE v <> 0 GROUP BY k) AS d}), '0',
	'and it has all the others');
is($node->sql(q{SELECT sum(n) FROM inverse}), 33000 - $zeros, 'in number too');

# on_error fail: stops in front of the record.
$kafka->create('strict', 1);
$kafka->produce('strict', [ 0, undef, '1' ], [ 0, undef, 'two' ], [ 0, undef, '3' ]);
$node->sql(q{SELECT stream.create_stream('strict', columns => 'n int', server => 'kafka',
	topic => 'strict', format => 'text', on_error => 'fail')});
$node->wait_for(q{SELECT state = 'failed' FROM stream.status WHERE stream::text = 'strict'},
	'on_error fail');
like($node->sql(q{SELECT error FROM stream.status WHERE stream::text = 'strict'}),
	qr/offset 1\b/, 'the error names the offset');
cmp_ok($node->stored_offsets('strict')->{0} || 0, '<=', 1, 'and it was not passed');

# on_error skip: counts on.
$node->sql(q{SELECT stream.create_stream('lenient', columns => 'n int', server => 'kafka',
	topic => 'strict', format => 'text', on_error => 'skip')});
$node->catch_up('lenient');
is($node->sql(q{SELECT string_agg(n::text, ' ' ORDER BY n) FROM lenient}), '1 3',
	'on_error skip leaves it out');
is($node->sql('SELECT count(*) FROM lenient_dead_letters'), '0', 'and writes no dead letter');

$node->stop;
done_testing();
