# Partitions: new ones while the stream runs, many on one worker, workers that are
# more or fewer than before.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

# A partition added while running is read from its beginning.
$kafka->create('events', 1);
$node->create_events('events', workers => 2);
$kafka->gen('events', count => 1000);
$node->catch_up('events');
$kafka->tool('add-partitions', 'events', 4);
$kafka->gen('events', count => 4000, start => 1000, seed => 2);
$node->wait_for('SELECT count(*) = 4 FROM stream.partitions', 'the new partitions');
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'partitions added while running');
is($node->sql(q{SELECT count(DISTINCT worker_pid) FROM stream.partitions}), '2',
	'both workers have some');

# The same while the stream is paused.
$node->sql(q{SELECT stream.pause('events')});
$node->wait_for(q{SELECT workers = 0 FROM stream.status}, 'the pause');
$kafka->tool('add-partitions', 'events', 5);
$kafka->gen('events', count => 5000, start => 2000, seed => 3);
$node->sql(q{SELECT stream.resume('events')});
$node->wait_for('SELECT count(*) = 5 FROM stream.partitions', 'the new partition');
$node->catch_up('events');
$node->is_complete($kafka, 'events', 'a partition added while paused');

# Forty-eight partitions on one worker.
$kafka->create('wide', 48);
$kafka->gen('wide', count => 48000);
$node->create_events('wide');
$node->catch_up('wide');
$node->is_complete($kafka, 'wide', '48 partitions');
is(scalar($node->worker_pids('wide')), 1, 'one worker reads all of them');

$node->stop;
done_testing();
