# Records that Kafka has removed before they were read stop the stream, say why,
# and move nothing: neither its offsets nor another stream.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

sub status
{
	my ($stream, $columns) = @_;
	return $node->sql("SELECT $columns FROM stream.status WHERE stream::text = '$stream'");
}

sub wait_for_state
{
	my ($stream, $state) = @_;
	$node->wait_for(qq{SELECT state = '$state' FROM stream.status
		WHERE stream::text = '$stream'}, "$stream to be $state");
	return;
}

$kafka->create($_, 2) for 'events', 'other';
$kafka->gen($_, count => 2000) for 'events', 'other';
$node->create_events($_) for 'events', 'other';
$node->catch_up($_) for 'events', 'other';

# Retention passes the stored offset of partition 1.
$node->sql(q{SELECT stream.pause('events')});
wait_for_state('events', 'paused');
my $before = $node->stored_offsets('events');
$kafka->gen('events', count => 2000, start => 1000, seed => 2);
$kafka->tool('delete-records', 'events', 1, 1500);
$node->sql(q{SELECT stream.resume('events')});
wait_for_state('events', 'failed');
like(status('events', 'error'), qr/partition 1\b/, 'the error names the partition');
like(status('events', 'error'), qr/\b1000\b/, 'and the offset');
is(status('events', 'error_at IS NOT NULL'), 't', 'and when');
my $after = $node->stored_offsets('events');
is($after->{1}, $before->{1}, 'the offset has not moved');
$node->is_exact($kafka, 'other', 'the other stream', 'other');
is(status('other', 'state'), 'running', 'the other stream runs');
$kafka->gen('other', count => 200, start => 1000, seed => 2);
$node->catch_up('other');
$node->is_complete($kafka, 'other', 'the other stream goes on');

# It stays so after a restart, until someone decides.
$node->restart;
wait_for_state('events', 'failed');
is($node->stored_offsets('events')->{1}, $before->{1}, 'nor after a restart');
$node->sql(q{SELECT stream.pause('events')});
$node->sql(q{SELECT stream.seek('events', '{"1": 1500}')});
$node->sql(q{SELECT stream.resume('events')});
$node->catch_up('events');
is($node->sql('SELECT sum(n) FROM per_events'), '3500',
	'moved past the gap, all but the 500 lost records is there');

# The topic goes away; then it comes back with fewer records.
$kafka->create('brief', 1);
$kafka->gen('brief', count => 1000);
$node->create_events('brief');
$node->catch_up('brief');
$kafka->tool('delete-topic', 'brief');
wait_for_state('brief', 'failed');
like(status('brief', 'error'), qr/brief/, 'a topic that is gone is named');
$kafka->create('brief', 1);
$kafka->gen('brief', count => 10);
$node->sql(q{SELECT stream.resume('brief')});
wait_for_state('brief', 'failed');
is($node->stored_offsets('brief')->{0}, 1000,
	'a topic made anew with fewer records is not mistaken for the old one');

$node->stop;
done_testing();
