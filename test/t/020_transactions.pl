# Kafka transactions: what was aborted is not there, and holds nothing up.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

# Every third transaction is aborted.
$kafka->create('events', 2);
my $sent = $kafka->gen('events', count => 6000, txn => 'gen', 'txn-size' => 100,
	'abort-every' => 3);
is($sent->{aborted}, 2000, 'a third was aborted');
$node->create_events('events');
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'with aborted transactions');
is($node->sql('SELECT sum(n) FROM per_events'), '4000', 'only committed records count');

# Nothing but aborted records: the offsets move past them all the same.
$kafka->create('aborted', 1);
$kafka->produce([ 'aborted', '--txn', 'a' ],
	map { ('\begin', (map { [ 0, undef, "n$_" ] } 1 .. 500), '\abort') } 1 .. 4);
$node->sql(q{SELECT stream.create_stream('aborted', columns => 'n text', server => 'kafka',
	topic => 'aborted', format => 'text')});
$node->catch_up('aborted');
is($node->sql('SELECT count(*) FROM aborted'), '0', 'aborted records are no rows');
my $end = $kafka->offsets('aborted')->[0][1];
$node->wait_for(qq{SELECT next_offset = $end FROM stream.partitions
	WHERE stream::text = 'aborted'}, 'the offset to reach the end of aborted records');
is($node->sql(q{SELECT lag FROM stream.status WHERE stream::text = 'aborted'}), '0', 'no lag');

# Records of an open transaction wait for its end, and what stands behind them;
# the broker aborts it after its timeout.
$kafka->produce([ 'aborted', '--txn', 'b' ], '\begin', [ 0, undef, 'open' ], '\flush');
$kafka->produce('aborted', [ 0, undef, 'behind' ]);
is($node->sql(q{SELECT stream.wait('aborted')}), 't',
	'wait asks for what a committed reader can see');
is($node->sql('SELECT count(*) FROM aborted'), '0', 'nothing passes an open transaction');
$kafka->produce([ 'aborted', '--txn', 'b' ], '\begin', [ 0, undef, 'committed' ], '\commit');
$node->wait_for('SELECT count(*) = 2 FROM aborted', 'the records behind the transaction');
is($node->sql('SELECT string_agg(n, \' \') FROM aborted'), 'behind committed',
	'fenced, the open transaction was aborted');

$node->stop;
done_testing();
