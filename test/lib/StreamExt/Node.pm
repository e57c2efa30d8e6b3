# StreamExt::Node
#	  A PostgreSQL server with stream_ext for a test: PostgreSQL::Test::Cluster
#	  with what the tests of workers have in common.
#
# Copyright (c) 2026, the stream_ext contributors
package StreamExt::Node;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';

use Carp;
use PostgreSQL::Test::Utils;
use Test::More;

# What kafkatool gen produces, as a stream's columns.
our $columns = 'p int, seq bigint, k text, v int, ts timestamptz';

# StreamExt::Node->create('name', kafka => $kafka, conf => 'more configuration'):
# made, started, with the extension and a server "kafka".
sub create
{
	my ($class, $name, %options) = @_;
	my $node = $class->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', <<'EOC');
shared_preload_libraries = 'stream_ext'
max_worker_processes = 20
log_min_messages = info
log_line_prefix = '%m [%p] %b %q%a '
stream_ext.discovery_interval = '500ms'
fsync = off
EOC
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION stream_ext');
	$node->add_server('kafka', $options{kafka}) if $options{kafka};
	return $node;
}

sub add_server
{
	my ($node, $name, $kafka) = @_;
	my $bootstrap = $kafka->bootstrap;
	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER stream_kafka
			OPTIONS ("bootstrap.servers" '$bootstrap');
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name;});
	return;
}

# $node->sql('...'): in database postgres, unaligned, with "|"
sub sql
{
	my ($node, $sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# A stream over gen's records with two views: per_STREAM (by key) and
# windows_STREAM (by key and ten seconds).
sub create_events
{
	my ($node, $stream, %options) = @_;
	my $topic = $options{topic} || $stream;
	my $workers = $options{workers} || 1;
	$node->sql(qq{
		BEGIN;
		SELECT stream.create_stream('$stream', columns => '$columns',
			server => 'kafka', topic => '$topic', event_time => 'ts',
			workers => $workers);
		SELECT stream.create_view('per_$stream',
			\$\$SELECT k, count(*) AS n, sum(v) AS total, max(seq) AS last
			FROM $stream GROUP BY k\$\$);
		SELECT stream.create_view('windows_$stream',
			\$\$SELECT k, window_start, count(*) AS n, sum(v) AS total, max(seq) AS last
			FROM $stream, stream.tumble(ts, '10 s') GROUP BY k, window_start\$\$);
		COMMIT;});
	return;
}

# The views of create_events in the form of kafkatool fold [--window 10000].
sub per_key_sql
{
	my ($stream) = @_;
	return qq{SELECT k, n, total, last FROM per_$stream ORDER BY k COLLATE "C"};
}

sub per_window_sql
{
	my ($stream) = @_;
	return qq{SELECT k, (extract(epoch FROM window_start) * 1000)::bigint, n, total, last
		FROM windows_$stream ORDER BY k COLLATE "C", window_start};
}

# Waits until a query says true; otherwise the test ends, with the streams' state.
sub wait_for
{
	my ($node, $query, $what) = @_;
	return if $node->poll_query_until('postgres', $query);
	diag($node->sql('SELECT * FROM stream.status; SELECT * FROM stream.partitions'));
	croak "waited in vain for $what";
}

# Until everything that was in Kafka at the call is committed.
sub catch_up
{
	my ($node, $stream, $seconds) = @_;
	$seconds ||= 120;
	my $done = $node->sql("SELECT stream.wait('$stream', '$seconds s')");
	return if $done eq 't';
	diag($node->sql('SELECT * FROM stream.status; SELECT * FROM stream.partitions'));
	croak "$stream did not catch up in $seconds s";
}

sub worker_pids
{
	my ($node, $stream) = @_;
	return split /\n/, $node->sql(qq{
		SELECT DISTINCT worker_pid FROM stream.partitions
		WHERE stream::text = '$stream' AND worker_pid IS NOT NULL ORDER BY 1});
}

# Next offsets as they stand in the data, {partition => offset}.
sub stored_offsets
{
	my ($node, $stream) = @_;
	return { map { split /\|/ } split /\n/, $node->sql(stored_offsets_sql($stream)) };
}

sub stored_offsets_sql
{
	my ($stream) = @_;
	return qq{SELECT partition, next_offset FROM stream.catalog_partitions
		WHERE stream = '$stream'::regclass ORDER BY partition};
}

# The contract: what the view shows equals the topic's records below the offsets
# stored in the same snapshot.  Returns those offsets.
sub is_exact
{
	my ($node, $kafka, $stream, $label, $topic) = @_;
	my $per_key = per_key_sql($stream);
	my $offsets = stored_offsets_sql($stream);
	my $both = $node->sql(qq{
		BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		$offsets;
		SELECT '--';
		$per_key;
		COMMIT;});
	my ($stored, $rows) = split /^--\n?/m, $both, 2;
	my %stored = map { split /\|/ } split /\n/, $stored;
	my $upto = join(',', map { "$_=$stored{$_}" } sort { $a <=> $b } keys %stored);

	$rows = '' unless defined $rows;
	is($rows, $upto eq '' ? '' : $kafka->fold($topic || $stream, '--upto', $upto),
		"$label: the view is the fold of the topic below the stored offsets");
	return \%stored;
}

# Caught up, both views equal the whole topic.
sub is_complete
{
	my ($node, $kafka, $stream, $label, $topic) = @_;
	$topic ||= $stream;
	is($node->sql(per_key_sql($stream)), $kafka->fold($topic),
		"$label: the view by key is the fold of the topic");
	is($node->sql(per_window_sql($stream)), $kafka->fold($topic, '--window', 10000),
		"$label: the view by window is the fold of the topic");
	return;
}

1;
