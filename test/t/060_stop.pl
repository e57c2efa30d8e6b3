# Stopping is quick whatever the worker does, and nothing is lost by it.
#
# Copyright (c) 2026, the stream_ext contributors
use strict;
use warnings;

use IO::Socket::INET;
use StreamExt::Kafka;
use StreamExt::Node;
use Test::More;
use Time::HiRes qw(time);

my $kafka = StreamExt::Kafka->new;
my $node = StreamExt::Node->create('main', kafka => $kafka);

sub timed
{
	my ($what) = @_;
	my $start = time;
	$what->();
	return time - $start;
}

sub runs
{
	my ($stream) = @_;
	$node->wait_for(qq{SELECT rows_total > 0 FROM stream.status WHERE stream::text = '$stream'},
		"$stream to take rows");
	return;
}

# Mid-load: a backlog is being read and more comes in.
$kafka->create('events', 4);
$kafka->gen('events', count => 400000, compression => 'lz4');
my $load = $kafka->gen_start('events', rate => 2000, start => 100000, seed => 2);
$node->create_events('events', workers => 2);
runs('events');
for my $mode ('fast', 'immediate', 'fast')
{
	my $seconds = timed(sub { $node->stop($mode) });
	cmp_ok($seconds, '<', 2, "stop $mode mid-load takes less than 2 s");
	$node->start;
	$node->is_exact($kafka, 'events', "after stop $mode");
	runs('events');
}

# SIGTERM to a worker in the middle of it: it comes back by itself.
my ($pid) = $node->worker_pids('events');
is(kill('TERM', $pid), 1, 'a worker gets SIGTERM');
$node->wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)",
	'the worker to leave');
$node->wait_for(q{SELECT count(DISTINCT worker_pid) = 2 FROM stream.partitions
	WHERE worker_pid IS NOT NULL}, 'a new worker');
$kafka->gen_stop($load);
$node->catch_up('events', 180);
$node->is_complete($kafka, 'events', 'after all the stops');

# Resumed while the workers are on their way out: they come back, each time.
for my $i (1 .. 40)
{
	$node->sql(q{SELECT stream.pause('events')});
	$node->sql(q{SELECT stream.resume('events')});
	$node->wait_for(q{SELECT state = 'running' AND workers = 2 FROM stream.status}, "workers after pause $i");
}
pass('paused and resumed in quick succession');

# A broker that is not there, and one that accepts and never answers.
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5, Proto => 'tcp')
  or die "cannot listen: $!";
my $port = $silent->sockport;
my $none = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1, Proto => 'tcp')->sockport;
$node->sql(qq{
	CREATE SERVER silent FOREIGN DATA WRAPPER stream_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:$port');
	CREATE SERVER absent FOREIGN DATA WRAPPER stream_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:$none');
	SELECT stream.create_stream('mute', columns => 'n text', server => 'silent',
		topic => 't', format => 'text');
	SELECT stream.create_stream('gone', columns => 'n text', server => 'absent',
		topic => 't', format => 'text');});
$node->wait_for(q{SELECT count(*) = 1 FROM stream.status
	WHERE stream::text = 'gone' AND error IS NOT NULL}, 'the absent broker to be reported');
cmp_ok(timed(sub { $node->stop('fast') }), '<', 2, 'stop fast with brokers that do not answer');

$node->start;
$node->is_complete($kafka, 'events', 'at the end');
$node->stop;
done_testing();
