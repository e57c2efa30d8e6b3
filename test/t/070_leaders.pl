# Three brokers, partitions that move: a leader dies and comes back under load.
#
# What the brokers hold in the end counts, not what the producer believes to have
# sent: whether they keep what they acknowledged is their affair, and is only told.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use List::Util qw(sum);
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
	my $partition = $round - 1;
	my $old = $kafka->leader('events', $partition);

	$kafka->kill9($old);
	my $new = $kafka->wait_for_leader('events', $partition, $old);
	my $before = $node->stored_offsets('events')->{$partition};
	$node->wait_for(qq{SELECT next_offset > $before + 500 FROM stream.partitions
		WHERE partition = $partition},
		"partition $partition to flow from broker $new instead of $old");
	$node->is_exact($kafka, 'events', "round $round, a broker down");
	$kafka->restart($old);
}

my $counts = $kafka->gen_stop($load);
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'after three moves');
my $held = sum(map { $_->[1] } @{ $kafka->offsets('events') });
is($node->sql('SELECT sum(n) FROM per_events'), $held, 'every offset once');
diag("the producer sent $counts->{sent} records, the brokers hold $held:\n"
	  . $kafka->fold('events', '--by', 'p'))
  if $counts->{sent} != $held;
is($node->sql(q{SELECT state, error IS NULL FROM stream.status}), 'running|t',
	'the trouble is over and forgotten');

$node->stop;
done_testing();
