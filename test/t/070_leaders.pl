# Three brokers, partitions that move: a leader dies and comes back under load.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new(brokers => 3);
my $node = StreamExt::Node->create('main', kafka => $kafka);

$kafka->create('events', 6, 3, 'min.insync.replicas=2');
my $load = $kafka->gen_start('events', rate => 1000);
$node->create_events('events', workers => 2);
$node->wait_for(q{SELECT sum(next_offset) > 1000 FROM stream.partitions}, 'the first records');

for my $round (1 .. 3)
{
	my $p = $round - 1;
	my $leader = $kafka->leader('events', $p);
	my $before = $node->sql("SELECT next_offset FROM stream.partitions WHERE partition = $p");

	$kafka->kill9($leader);
	# more than was on its way: a new leader must have taken it
	$node->wait_for(qq{SELECT next_offset > $before + 2000 FROM stream.partitions
			WHERE partition = $p},
		"records to flow from partition $p without broker $leader");
	isnt($kafka->leader('events', $p), $leader, "round $round: the leader moved");
	$node->is_exact($kafka, 'events', "round $round, a broker down");
	$kafka->restart($leader);
}

my $counts = $kafka->gen_stop($load);
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'after three moves');
is($node->sql('SELECT sum(n) FROM per_events'), $counts->{sent}, 'every record once');
is($node->sql(q{SELECT state, error IS NULL FROM stream.status}), 'running|t',
	'the trouble is over and forgotten');

$node->stop;
done_testing();
