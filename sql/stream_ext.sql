/* stream_ext: everything the extension consists of in SQL. */

-- complain if this script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION stream_ext" to load this file. \quit

-- whoever owns the schema could replace what is in it
DO $$
DECLARE
	owner name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'stream');
BEGIN
	IF owner <> current_user THEN
		RAISE EXCEPTION 'schema "stream" exists already and belongs to "%"', owner
			USING ERRCODE = 'duplicate_schema',
				HINT = 'The extension needs this schema for itself: rename or drop the one that is there.';
	END IF;
END $$;

/* ---------------------------------------------------------------------
 * Definitions and progress.  Written by C code only; dumped and restored.
 * ---------------------------------------------------------------------
 */

CREATE TABLE stream.catalog_streams (
	stream regclass PRIMARY KEY,
	dead_letters regclass NOT NULL,
	server text,
	topic text,
	format text NOT NULL,
	fields jsonb NOT NULL,
	event_time text,
	watermark_delay interval,
	allowed_lateness interval NOT NULL,
	idle_timeout interval NOT NULL,
	startup_mode text NOT NULL,
	on_error text NOT NULL,
	workers integer NOT NULL,
	state "char" NOT NULL,
	options jsonb NOT NULL,
	error text,
	error_at timestamptz,
	system_id bigint NOT NULL,
	database oid NOT NULL
);
COMMENT ON TABLE stream.catalog_streams IS 'definitions of streams; change them with the functions of schema stream';

-- half-empty pages keep the frequent updates of offsets on their page
CREATE TABLE stream.catalog_partitions (
	stream regclass NOT NULL,
	partition integer NOT NULL,
	next_offset bigint NOT NULL,
	watermark timestamptz,
	last_record_at timestamptz,
	closed_to timestamptz,
	PRIMARY KEY (stream, partition)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE stream.catalog_partitions IS 'next offset and watermark of each partition, committed together with the results';

CREATE TABLE stream.catalog_views (
	view regclass PRIMARY KEY,
	stream regclass NOT NULL,
	state regclass NOT NULL,
	kind "char" NOT NULL,
	query text NOT NULL,
	delta_sql text NOT NULL,
	merge_sql text NOT NULL,
	late_sql text,
	late_rows regclass,
	ends_sql text,
	idle_watermark timestamptz,
	by_event_time boolean NOT NULL,
	serial boolean NOT NULL,
	emit text NOT NULL,
	state_ttl interval,
	partition_span interval,
	window_reach interval,
	allowed_lateness interval,
	options jsonb NOT NULL,
	start_column smallint NOT NULL,
	end_column smallint NOT NULL,
	open_sql text
);
COMMENT ON TABLE stream.catalog_views IS 'definitions of continuous views; change them with the functions of schema stream';

CREATE TABLE stream.catalog_distinct (
	view regclass NOT NULL,
	number integer NOT NULL,
	kept regclass NOT NULL,
	values_sql text NOT NULL,
	keep_sql text NOT NULL,
	delta_sql text,
	PRIMARY KEY (view, number)
);
COMMENT ON TABLE stream.catalog_distinct IS 'arguments of DISTINCT aggregates in continuous views, and the tables that keep their values';

CREATE TABLE stream.catalog_sources (
	view regclass NOT NULL,
	number integer NOT NULL,
	stream regclass NOT NULL,
	delta_sql text NOT NULL,
	late_sql text,
	by_event_time boolean NOT NULL,
	values_sql text[] NOT NULL,
	PRIMARY KEY (view, number)
);
COMMENT ON TABLE stream.catalog_sources IS 'streams of continuous views that read several: those behind the first, which is in catalog_views';

CREATE TABLE stream.catalog_backfills (
	view regclass NOT NULL,
	partition integer NOT NULL,
	next_offset bigint NOT NULL,
	end_offset bigint NOT NULL,
	PRIMARY KEY (view, partition)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE stream.catalog_backfills IS 'records that new views have yet to read, committed together with the results';

CREATE TABLE stream.catalog_feeds (
	view regclass PRIMARY KEY,
	source regclass NOT NULL,
	stream regclass NOT NULL,
	time_column smallint NOT NULL,
	fed_to timestamptz NOT NULL,
	watermark timestamptz NOT NULL
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE stream.catalog_feeds IS 'how far views on views have taken in the closed windows of their sources, committed together with the results';

SELECT pg_catalog.pg_extension_config_dump('stream.catalog_streams', '');
SELECT pg_catalog.pg_extension_config_dump('stream.catalog_partitions', '');
SELECT pg_catalog.pg_extension_config_dump('stream.catalog_views', '');
SELECT pg_catalog.pg_extension_config_dump('stream.catalog_distinct', '');
SELECT pg_catalog.pg_extension_config_dump('stream.catalog_sources', '');
SELECT pg_catalog.pg_extension_config_dump('stream.catalog_backfills', '');
SELECT pg_catalog.pg_extension_config_dump('stream.catalog_feeds', '');

/* ---------------------------------------------------------------------
 * Connections
 * ---------------------------------------------------------------------
 */

CREATE FUNCTION stream.kafka_validator(options text[], catalog oid)
RETURNS void
AS 'MODULE_PATHNAME', 'se_sql_kafka_validator'
LANGUAGE C STRICT;
COMMENT ON FUNCTION stream.kafka_validator(text[], oid) IS 'checks the options of Kafka servers and their user mappings';

CREATE FOREIGN DATA WRAPPER stream_kafka VALIDATOR stream.kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER stream_kafka IS 'Kafka clusters that streams read from; options are librdkafka''s';

CREATE FUNCTION stream.test_connection(
	server name,
	OUT kind text, OUT name text, OUT id integer, OUT partitions integer,
	OUT detail text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'se_sql_test_connection'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.test_connection(name) IS 'connects to a Kafka server and lists its brokers and topics, or raises the error';

/* ---------------------------------------------------------------------
 * Define
 * ---------------------------------------------------------------------
 */

CREATE FUNCTION stream.create_stream(
	name text,
	columns text,
	server name DEFAULT NULL,
	topic text DEFAULT NULL,
	format text DEFAULT 'json',
	fields jsonb DEFAULT '{}',
	event_time name DEFAULT NULL,
	watermark_delay interval DEFAULT NULL,
	allowed_lateness interval DEFAULT '0',
	idle_timeout interval DEFAULT '30 s',
	scan_startup_mode text DEFAULT 'earliest',
	on_error text DEFAULT 'dead_letter',
	workers integer DEFAULT 1,
	paused boolean DEFAULT false,
	options jsonb DEFAULT '{}')
RETURNS regclass
AS 'MODULE_PATHNAME', 'se_sql_create_stream'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION stream.create_stream(text, text, name, text, text, jsonb, name, interval, interval, interval, text, text, integer, boolean, jsonb)
	IS 'defines a stream: its columns, where its records come from and how they are read';

CREATE FUNCTION stream.create_view(
	name text,
	query text,
	emit text DEFAULT 'update',
	state_ttl interval DEFAULT NULL,
	allowed_lateness interval DEFAULT NULL,
	options jsonb DEFAULT '{}')
RETURNS regclass
AS 'MODULE_PATHNAME', 'se_sql_create_view'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION stream.create_view(text, text, text, interval, interval, jsonb)
	IS 'defines a continuous view: an aggregate over a stream that is kept current';

CREATE FUNCTION stream.replace_view(name regclass, query text)
RETURNS void
AS 'MODULE_PATHNAME', 'se_sql_replace_view'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.replace_view(regclass, text)
	IS 'gives a continuous view another query over the state that it has: other expressions, HAVING, columns';

CREATE FUNCTION stream.create_rollup(name text, query text)
RETURNS regclass
AS 'MODULE_PATHNAME', 'se_sql_create_rollup'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.create_rollup(text, text)
	IS 'defines an ordinary view that merges the states of continuous views when it is read: combine(column)';

CREATE FUNCTION stream.drop(relation regclass, cascade boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME', 'se_sql_drop'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.drop(regclass, boolean)
	IS 'drops a stream or a continuous view; cascade drops what depends on it, too';

/* ---------------------------------------------------------------------
 * Feed by hand
 * ---------------------------------------------------------------------
 */

CREATE TYPE stream.record AS (
	partition integer,
	"offset" bigint,
	"timestamp" timestamptz,
	key bytea,
	value bytea,
	headers jsonb
);
COMMENT ON TYPE stream.record IS 'a Kafka record, for stream.ingest_records()';

CREATE FUNCTION stream.ingest(stream regclass, VARIADIC payloads text[])
RETURNS bigint
AS 'MODULE_PATHNAME', 'se_sql_ingest'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.ingest(regclass, text[])
	IS 'feeds payloads as one batch in this transaction; returns the rows accepted';

CREATE FUNCTION stream.ingest_records(stream regclass, records stream.record[])
RETURNS bigint
AS 'MODULE_PATHNAME', 'se_sql_ingest_records'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.ingest_records(regclass, stream.record[])
	IS 'feeds records as one batch in this transaction; returns the rows accepted';

/* ---------------------------------------------------------------------
 * Operate
 * ---------------------------------------------------------------------
 */

CREATE FUNCTION stream.pause(stream regclass)
RETURNS void
AS 'MODULE_PATHNAME', 'se_sql_pause'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.pause(regclass) IS 'stops reading at commit; the stream keeps its place';

CREATE FUNCTION stream.resume(stream regclass)
RETURNS void
AS 'MODULE_PATHNAME', 'se_sql_resume'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.resume(regclass) IS 'goes on reading at commit, after a pause, a failure or a restore';

CREATE FUNCTION stream.seek(stream regclass, offsets jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'se_sql_seek'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.seek(regclass, jsonb)
	IS 'moves a paused stream: {"partition": next_offset, ...}, "earliest", "latest" or a timestamp';

CREATE FUNCTION stream.wait(stream regclass, timeout interval DEFAULT '30 s')
RETURNS boolean
AS 'MODULE_PATHNAME', 'se_sql_wait'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.wait(regclass, interval)
	IS 'waits until all records that Kafka has now are committed; false when the time is over';

CREATE FUNCTION stream.retry_dead_letters(stream regclass)
RETURNS bigint
AS 'MODULE_PATHNAME', 'se_sql_retry_dead_letters'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.retry_dead_letters(regclass)
	IS 'runs all dead letters again; returns the rows accepted, the others stay';

/* ---------------------------------------------------------------------
 * Look
 * ---------------------------------------------------------------------
 */

CREATE FUNCTION stream.get_status(
	OUT stream regclass, OUT state text, OUT workers integer,
	OUT lag bigint, OUT lag_time interval,
	OUT rows_per_second double precision, OUT bytes_per_second double precision,
	OUT batch_rows bigint, OUT batch_ms double precision,
	OUT watermark timestamptz, OUT rows_total bigint, OUT dead_letters bigint,
	OUT late_rows bigint, OUT error text, OUT error_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'se_sql_get_status'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.get_status() IS 'what the view stream.status shows';

CREATE VIEW stream.status AS
	SELECT stream, state, workers, lag, lag_time,
		pg_catalog.round(rows_per_second::numeric, 1) AS rows_per_second,
		pg_catalog.round(bytes_per_second::numeric, 0) AS bytes_per_second,
		batch_rows, pg_catalog.round(batch_ms::numeric, 3) AS batch_ms,
		watermark, rows_total, dead_letters, late_rows, error, error_at
	FROM stream.get_status();
COMMENT ON VIEW stream.status IS 'one row per stream: state, lag, rates, watermark, totals since the server started, last error';

CREATE FUNCTION stream.get_partitions(
	OUT stream regclass, OUT partition integer, OUT worker_pid integer,
	OUT next_offset bigint, OUT high_watermark bigint, OUT lag bigint,
	OUT watermark timestamptz, OUT idle boolean,
	OUT last_record_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'se_sql_get_partitions'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.get_partitions() IS 'what the view stream.partitions shows';

CREATE FUNCTION stream.watermark(stream regclass)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'se_sql_watermark'
LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION stream.watermark(regclass)
	IS 'windows that end here or before take no more rows; -infinity: none does';

CREATE FUNCTION stream.watermark(stream regclass, state regclass)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'se_sql_watermark_of_view'
LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION stream.watermark(regclass, regclass)
	IS 'the same for the view with that state table, whose last windows may close when the stream is idle';

CREATE VIEW stream.partitions AS
	SELECT stream, partition, worker_pid, next_offset, high_watermark, lag,
		watermark, idle, last_record_at
	FROM stream.get_partitions();
COMMENT ON VIEW stream.partitions IS 'one row per partition of each stream: how far it has been read, by which worker';

CREATE FUNCTION stream.get_views(
	OUT name regclass, OUT kind text, OUT stream regclass, OUT state regclass,
	OUT batch_ms double precision, OUT late_rows bigint, OUT errors bigint,
	OUT query text, OUT backfill_lag bigint, OUT backfill_error text,
	OUT streams regclass[])
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'se_sql_get_views'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.get_views() IS 'what the view stream.views shows';

CREATE VIEW stream.views AS
	SELECT name, kind, stream,
		size.state_rows, size.state_bytes,
		pg_catalog.round(batch_ms::numeric, 3) AS batch_ms,
		late_rows, errors, query, backfill_lag, backfill_error, streams
	FROM stream.get_views(),
		LATERAL (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_live_tuples(t))::bigint AS state_rows,
				pg_catalog.sum(pg_catalog.pg_total_relation_size(t))::bigint AS state_bytes
			FROM (SELECT coalesce(leaf.relid, kept) FROM (SELECT state UNION ALL SELECT kept FROM stream.catalog_distinct WHERE view = name) AS of_view(kept)
				LEFT JOIN LATERAL pg_catalog.pg_partition_tree(kept) AS leaf ON isleaf) AS tables(t)) AS size;
COMMENT ON VIEW stream.views IS 'one row per continuous view: size of its state, time of its last batch, its query, what its backfill has yet to read, all of its streams';

CREATE FUNCTION stream.dashboard()
RETURNS SETOF text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%-24s %-8s %12s %12s %10s %10s %9s  %s',
		'stream', 'state', 'rows', 'rows/s', 'lag', 'batch ms', 'rejected',
		'watermark')
	UNION ALL
	(SELECT format('%-24s %-8s %12s %12s %10s %10s %9s  %s',
			stream::text, state, rows_total, round(rows_per_second),
			coalesce(lag::text, '?'), round(batch_ms, 1), dead_letters,
			coalesce(watermark::timestamptz(0)::text, '-')) ||
		coalesce(E'\n    ' || error, '')
	FROM stream.status
	ORDER BY stream::text)
	UNION ALL
	SELECT ''
	UNION ALL
	SELECT format('%-24s %-24s %10s %10s %10s', 'view', 'stream', 'groups',
		'size', 'batch ms')
	UNION ALL
	(SELECT format('%-24s %-24s %10s %10s %10s', name::text,
		array_to_string(streams, ', '), state_rows, pg_size_pretty(state_bytes), round(batch_ms, 1))
	FROM stream.views
	ORDER BY name::text)
$$;
COMMENT ON FUNCTION stream.dashboard() IS 'all streams and views as lines of text, for \watch';

CREATE FUNCTION stream.explain(name regclass)
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'se_sql_explain'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION stream.explain(regclass)
	IS 'how a continuous view comes to its rows, with the plans and the figures of its last batch; or what a stream is';

/* ---------------------------------------------------------------------
 * Windows and aggregate states
 * ---------------------------------------------------------------------
 */

/*
 * Windows.  tumble is inlined: its body must stay two bare calls, without
 * FROM, SET or STRICT, or each row pays for a function scan.  The functions
 * of timestamptz are not STRICT, as a null time zone means none.
 */
CREATE FUNCTION stream.window_start(ts timestamptz, size interval,
									"offset" interval DEFAULT '0',
									timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_window_start';
COMMENT ON FUNCTION stream.window_start(timestamptz, interval, interval, text) IS
'start of the window of this size that ts is in, aligned to 1970-01-01 UTC, or of the time zone, plus offset';

CREATE FUNCTION stream.window_start(ts timestamp, size interval,
									"offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_window_start';
COMMENT ON FUNCTION stream.window_start(timestamp, interval, interval) IS
'start of the window of this size that ts is in, aligned to 1970-01-01 plus offset';

CREATE FUNCTION stream.window_end(ts timestamptz, size interval,
								  "offset" interval DEFAULT '0',
								  timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_window_end';
COMMENT ON FUNCTION stream.window_end(timestamptz, interval, interval, text) IS
'end of the window of this size that ts is in: the next window''s start';

CREATE FUNCTION stream.window_end(ts timestamp, size interval,
								  "offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_window_end';
COMMENT ON FUNCTION stream.window_end(timestamp, interval, interval) IS
'end of the window of this size that ts is in: the next window''s start';

CREATE FUNCTION stream.tumble(ts timestamptz, size interval,
							  "offset" interval DEFAULT '0',
							  timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
	SELECT stream.window_start(tumble.ts, tumble.size,
				tumble."offset", tumble.timezone),
		   stream.window_end(tumble.ts, tumble.size,
				tumble."offset", tumble.timezone);
END;
COMMENT ON FUNCTION stream.tumble(timestamptz, interval, interval, text) IS
'the tumbling window that ts is in, for FROM: FROM events, stream.tumble(event_time, ''10 s'')';

CREATE FUNCTION stream.tumble(ts timestamp, size interval,
							  "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
	SELECT stream.window_start(tumble.ts, tumble.size, tumble."offset"),
		   stream.window_end(tumble.ts, tumble.size, tumble."offset");
END;
COMMENT ON FUNCTION stream.tumble(timestamp, interval, interval) IS
'the tumbling window that ts is in, for FROM: FROM events, stream.tumble(event_time, ''10 s'')';

CREATE FUNCTION stream.hop(ts timestamptz, slide interval, size interval,
						   "offset" interval DEFAULT '0',
						   timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 6
AS 'MODULE_PATHNAME', 'se_sql_hop';
COMMENT ON FUNCTION stream.hop(timestamptz, interval, interval, interval, text) IS
'the windows that ts is in, one starting every slide, for FROM: FROM events, stream.hop(event_time, ''10 s'', ''1 min'')';

CREATE FUNCTION stream.hop(ts timestamp, slide interval, size interval,
						   "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 6
AS 'MODULE_PATHNAME', 'se_sql_hop';
COMMENT ON FUNCTION stream.hop(timestamp, interval, interval, interval) IS
'the windows that ts is in, one starting every slide, for FROM: FROM events, stream.hop(event_time, ''10 s'', ''1 min'')';

CREATE FUNCTION stream.cumulate(ts timestamptz, step interval, size interval,
								"offset" interval DEFAULT '0',
								timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 6
AS 'MODULE_PATHNAME', 'se_sql_cumulate';
COMMENT ON FUNCTION stream.cumulate(timestamptz, interval, interval, interval, text) IS
'the windows that ts is in, growing by step up to size, for FROM: FROM events, stream.cumulate(event_time, ''1 h'', ''1 day'')';

CREATE FUNCTION stream.cumulate(ts timestamp, step interval, size interval,
								"offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 6
AS 'MODULE_PATHNAME', 'se_sql_cumulate';
COMMENT ON FUNCTION stream.cumulate(timestamp, interval, interval, interval) IS
'the windows that ts is in, growing by step up to size, for FROM: FROM events, stream.cumulate(event_time, ''1 h'', ''1 day'')';

CREATE FUNCTION stream.session(ts timestamptz, gap interval)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'se_sql_session';
COMMENT ON FUNCTION stream.session(timestamptz, interval) IS
'in continuous views: the session that ts is in, of rows no further apart than gap: FROM events, stream.session(event_time, ''30 min'')';

CREATE FUNCTION stream.session(ts timestamp, gap interval)
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'se_sql_session';
COMMENT ON FUNCTION stream.session(timestamp, interval) IS
'in continuous views: the session that ts is in, of rows no further apart than gap: FROM events, stream.session(event_time, ''30 min'')';

/* What views know of windows that are closed. */
CREATE FUNCTION stream.hop_closed(ts timestamptz, closed_to timestamptz, slide interval,
								  size interval, "offset" interval DEFAULT '0',
								  timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_hop_closed';
COMMENT ON FUNCTION stream.hop_closed(timestamptz, timestamptz, interval, interval, interval, text) IS
'end of the last window of stream.hop that ts is in and that ends at closed_to or before; -infinity: none does';

CREATE FUNCTION stream.hop_closed(ts timestamp, closed_to timestamp, slide interval,
								  size interval, "offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_hop_closed';
COMMENT ON FUNCTION stream.hop_closed(timestamp, timestamp, interval, interval, interval) IS
'end of the last window of stream.hop that ts is in and that ends at closed_to or before; -infinity: none does';

CREATE FUNCTION stream.cumulate_closed(ts timestamptz, closed_to timestamptz, step interval,
								  size interval, "offset" interval DEFAULT '0',
								  timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_cumulate_closed';
COMMENT ON FUNCTION stream.cumulate_closed(timestamptz, timestamptz, interval, interval, interval, text) IS
'end of the last window of stream.cumulate that ts is in and that ends at closed_to or before; -infinity: none does';

CREATE FUNCTION stream.cumulate_closed(ts timestamp, closed_to timestamp, step interval,
								  size interval, "offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_cumulate_closed';
COMMENT ON FUNCTION stream.cumulate_closed(timestamp, timestamp, interval, interval, interval) IS
'end of the last window of stream.cumulate that ts is in and that ends at closed_to or before; -infinity: none does';

CREATE FUNCTION stream.hop_open_from(closed_to timestamptz, slide interval, size interval,
								  "offset" interval DEFAULT '0',
								  timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_hop_open_from';
COMMENT ON FUNCTION stream.hop_open_from(timestamptz, interval, interval, interval, text) IS
'start of the first window of stream.hop that ends after closed_to';

CREATE FUNCTION stream.hop_open_from(closed_to timestamp, slide interval, size interval,
								  "offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_hop_open_from';
COMMENT ON FUNCTION stream.hop_open_from(timestamp, interval, interval, interval) IS
'start of the first window of stream.hop that ends after closed_to';

/* What views of cumulate keep where a window counts its steps anew. */
CREATE FUNCTION stream.step_start(ts timestamptz, step interval, size interval,
								  "offset" interval DEFAULT '0',
								  timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_step_start';
COMMENT ON FUNCTION stream.step_start(timestamptz, interval, interval, interval, text) IS
'start of the step of stream.cumulate that ts is in';

CREATE FUNCTION stream.step_end(ts timestamptz, step interval, size interval,
								"offset" interval DEFAULT '0',
								timezone text DEFAULT NULL)
RETURNS timestamptz LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_step_end';
COMMENT ON FUNCTION stream.step_end(timestamptz, interval, interval, interval, text) IS
'end of the step of stream.cumulate that ts is in';

CREATE FUNCTION stream.step_start(ts timestamp, step interval, size interval,
								  "offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_step_start';
COMMENT ON FUNCTION stream.step_start(timestamp, interval, interval, interval) IS
'start of the step of stream.cumulate that ts is in';

CREATE FUNCTION stream.step_end(ts timestamp, step interval, size interval,
								"offset" interval DEFAULT '0')
RETURNS timestamp LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_step_end';
COMMENT ON FUNCTION stream.step_end(timestamp, interval, interval, interval) IS
'end of the step of stream.cumulate that ts is in';

CREATE FUNCTION stream.cumulate_step(ts timestamptz, step interval, size interval,
									 "offset" interval DEFAULT '0',
									 timezone text DEFAULT NULL)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
	SELECT stream.step_start(cumulate_step.ts, cumulate_step.step, cumulate_step.size,
				cumulate_step."offset", cumulate_step.timezone),
		   stream.step_end(cumulate_step.ts, cumulate_step.step, cumulate_step.size,
				cumulate_step."offset", cumulate_step.timezone);
END;
COMMENT ON FUNCTION stream.cumulate_step(timestamptz, interval, interval, interval, text) IS
'the step of stream.cumulate that ts is in, which views keep in place of the windows that share it';

CREATE FUNCTION stream.cumulate_step(ts timestamp, step interval, size interval,
									 "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamp, window_end timestamp)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
	SELECT stream.step_start(cumulate_step.ts, cumulate_step.step, cumulate_step.size,
				cumulate_step."offset"),
		   stream.step_end(cumulate_step.ts, cumulate_step.step, cumulate_step.size,
				cumulate_step."offset");
END;
COMMENT ON FUNCTION stream.cumulate_step(timestamp, interval, interval, interval) IS
'the step of stream.cumulate that ts is in, which views keep in place of the windows that share it';

/*
 * Transition states of type internal, serialized.  Only our own code makes
 * them; the input functions refuse all but superusers.
 */
CREATE TYPE stream.agg_state;
CREATE FUNCTION stream.agg_state_in(cstring)
RETURNS stream.agg_state LANGUAGE C STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'se_sql_agg_state_in';
CREATE FUNCTION stream.agg_state_out(stream.agg_state)
RETURNS cstring LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'se_sql_agg_state_out';
CREATE FUNCTION stream.agg_state_recv(internal)
RETURNS stream.agg_state LANGUAGE C STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'se_sql_agg_state_recv';
CREATE FUNCTION stream.agg_state_send(stream.agg_state)
RETURNS bytea LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'se_sql_agg_state_send';
CREATE TYPE stream.agg_state (
	INPUT = stream.agg_state_in,
	OUTPUT = stream.agg_state_out,
	RECEIVE = stream.agg_state_recv,
	SEND = stream.agg_state_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended,
	COLLATABLE = true
);
COMMENT ON TYPE stream.agg_state IS
'transition state of an aggregate, as kept in the state table of a view';

/*
 * Called by the merge and by views.  No SET search_path: a SET clause costs
 * more than the call, and they resolve no names.
 */
CREATE FUNCTION stream.state_combine(agg regprocedure, state anyelement,
									 other anyelement,
									 VARIADIC input_types regtype[] DEFAULT '{}')
RETURNS anyelement LANGUAGE C STABLE PARALLEL RESTRICTED COST 10
AS 'MODULE_PATHNAME', 'se_sql_state_combine';
COMMENT ON FUNCTION stream.state_combine(regprocedure, anyelement, anyelement, regtype[]) IS
'merges two transition states of an aggregate with its combine function';

CREATE FUNCTION stream.state_final(agg regprocedure, state "any",
								   result anyelement,
								   VARIADIC input_types regtype[] DEFAULT '{}')
RETURNS anyelement LANGUAGE C STABLE PARALLEL RESTRICTED COST 10
AS 'MODULE_PATHNAME', 'se_sql_state_final';
COMMENT ON FUNCTION stream.state_final(regprocedure, "any", anyelement, regtype[]) IS
'result of an aggregate from its transition state; a null of the result''s type says which type that is';

/* What views of overlapping windows read: the states of several panes. */
CREATE FUNCTION stream.state_merge_step(merged anyelement, agg regprocedure,
										state anyelement)
RETURNS anyelement LANGUAGE C STABLE PARALLEL RESTRICTED COST 10
AS 'MODULE_PATHNAME', 'se_sql_state_merge_step';
COMMENT ON FUNCTION stream.state_merge_step(anyelement, regprocedure, anyelement) IS
'transition function of stream.state_merge';
CREATE FUNCTION stream.state_merge_step(merged anyelement, agg regprocedure,
										state anyelement, input_types regtype[])
RETURNS anyelement LANGUAGE C STABLE PARALLEL RESTRICTED COST 10
AS 'MODULE_PATHNAME', 'se_sql_state_merge_step';
COMMENT ON FUNCTION stream.state_merge_step(anyelement, regprocedure, anyelement, regtype[]) IS
'transition function of stream.state_merge';

CREATE AGGREGATE stream.state_merge(agg regprocedure, state anyelement) (
	SFUNC = stream.state_merge_step,
	STYPE = anyelement
);
COMMENT ON AGGREGATE stream.state_merge(regprocedure, anyelement) IS
'merges transition states of an aggregate with its combine function';
CREATE AGGREGATE stream.state_merge(agg regprocedure, state anyelement,
									input_types regtype[]) (
	SFUNC = stream.state_merge_step,
	STYPE = anyelement
);
COMMENT ON AGGREGATE stream.state_merge(regprocedure, anyelement, regtype[]) IS
'merges transition states of a polymorphic aggregate with its combine function';

/*
 * What sum() is in the query over a batch: its state is serialized to the sum,
 * a numeric in the clothes of a bytea.  PostgreSQL itself never splits it, as it
 * does for parallel queries and for partitions, since it has no combine function.
 */
CREATE FUNCTION stream.total_of_bigints(internal)
RETURNS bytea LANGUAGE internal IMMUTABLE AS 'numeric_poly_sum';
COMMENT ON FUNCTION stream.total_of_bigints(internal) IS
'what stream.total(bigint) keeps';
CREATE FUNCTION stream.total_step(internal, numeric)
RETURNS internal LANGUAGE C IMMUTABLE
AS 'MODULE_PATHNAME', 'se_sql_total_step';
COMMENT ON FUNCTION stream.total_step(internal, numeric) IS
'transition function of stream.total(numeric)';
CREATE FUNCTION stream.total_final(internal)
RETURNS numeric LANGUAGE C IMMUTABLE AS 'MODULE_PATHNAME', 'se_sql_total';
COMMENT ON FUNCTION stream.total_final(internal) IS
'final function of stream.total(numeric)';
CREATE FUNCTION stream.total_of_numerics(internal)
RETURNS bytea LANGUAGE C IMMUTABLE AS 'MODULE_PATHNAME', 'se_sql_total';
COMMENT ON FUNCTION stream.total_of_numerics(internal) IS
'what stream.total(numeric) keeps';
CREATE AGGREGATE stream.total(bigint) (
	SFUNC = int8_avg_accum,
	STYPE = internal,
	SSPACE = 48,
	FINALFUNC = numeric_poly_sum,
	SERIALFUNC = stream.total_of_bigints,
	DESERIALFUNC = int8_avg_deserialize,
	PARALLEL = UNSAFE
);
COMMENT ON AGGREGATE stream.total(bigint) IS
'sum() in the query over a batch';
CREATE AGGREGATE stream.total(numeric) (
	SFUNC = stream.total_step,
	STYPE = internal,
	SSPACE = 32,
	FINALFUNC = stream.total_final,
	SERIALFUNC = stream.total_of_numerics,
	DESERIALFUNC = numeric_avg_deserialize,
	PARALLEL = UNSAFE
);
COMMENT ON AGGREGATE stream.total(numeric) IS
'sum() in the query over a batch';

/* A name for the queries of create_view and create_rollup, which put state_merge there. */
CREATE FUNCTION stream.combine_step(combined anyelement, state anyelement)
RETURNS anyelement LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'se_sql_combine_step';
COMMENT ON FUNCTION stream.combine_step(anyelement, anyelement) IS
'transition function of stream.combine';
CREATE AGGREGATE stream.combine(anyelement) (
	SFUNC = stream.combine_step,
	STYPE = anyelement
);
COMMENT ON AGGREGATE stream.combine(anyelement) IS
'in a view on a continuous view, or in stream.create_rollup: merges the states behind a column';

/* ---------------------------------------------------------------------
 * Privileges: whoever may define or change streams is granted it.
 * ---------------------------------------------------------------------
 */

REVOKE ALL ON FUNCTION stream.test_connection(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.create_stream(text, text, name, text, text, jsonb, name, interval, interval, interval, text, text, integer, boolean, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.create_view(text, text, text, interval, interval, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.replace_view(regclass, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.create_rollup(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.drop(regclass, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.ingest(regclass, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.ingest_records(regclass, stream.record[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.pause(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.resume(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.seek(regclass, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.wait(regclass, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION stream.retry_dead_letters(regclass) FROM PUBLIC;

-- the views show each role its own streams; readers need to name them
GRANT USAGE ON SCHEMA stream TO PUBLIC;
GRANT SELECT ON stream.status, stream.partitions, stream.views TO PUBLIC;
