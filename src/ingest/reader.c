/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  One worker's source, its positions in it, and its pace.
 *
 * Which partitions: worker i of n reads those with number % n = i.  Rows for
 * partitions are made by worker 0 alone: at the stream's first start by
 * scan_startup_mode, later, when the topic grows, from the first record on.
 * The others wait for their rows.  So a start happens once, whatever dies.
 *
 * Pace: a record that comes after a pause is taken at once.  Then the next
 * batch waits until the interval of commits_per_second is over, unless the
 * last one was cut at its bound.  A reader that is far behind lets records
 * gather a little longer: a group is then merged once for many of them.
 *
 * Group offsets are told to the broker for lag tools, and only when the
 * transaction that holds them is flushed to disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../clock.h"
#include "../guc.h"
#include "../security/security.h"
#include "../window/window.h"
#include "reader.h"

#define POLL_RECORDS 1000		/* asked of the source at a time: so few that
								 * the caches still hold them when they are
								 * decoded and let go */
#define RETRY_US 250000			/* for partitions that did not answer */
#define REPORT_INTERVAL_US 5000000
#define LONGEST_NAP_MS 10000
#define BEHIND_RECORDS 10000	/* from here on throughput counts, not latency */
#define BEHIND_INTERVAL_US 100000
#define PACE_SLACK_US 1000		/* how early a batch may start: naps are whole
								 * milliseconds, rounded up */
#define CLOSING_DELAY_US 100000	/* after the last batch, and */
#define CLOSING_INTERVAL_US 1000000 /* in any case: for idle partitions, other
									 * workers', and state_ttl */
#define GATHER_US 200000		/* a batch of a backlog waits no longer for
								 * more */
#define CAREFUL_US 60000000		/* one record at fault seldom comes alone */

SeReader *
se_reader_create(Oid relid, Oid view, int worker_no, int n_workers)
{
	SeReader   *reader = palloc0(sizeof(SeReader));

	reader->relid = relid;
	reader->view = view;
	reader->worker_no = worker_no;
	reader->n_workers = n_workers;
	reader->routine = se_source_kafka();
	reader->context = CurrentMemoryContext;
	return reader;
}

static bool
is_mine(SeReader *reader, int32 partition)
{
	return partition >= 0 &&
		partition % reader->n_workers == reader->worker_no;
}

static void
open_source(SeReader *reader, const SeStream *stream, const SeLimits *limits)
{
	SeSourceConfig config = {0};
	List	   *rows = se_catalog_list_partitions(reader->relid);
	ListCell   *lc;

	config.options = se_security_connection(stream->server, GetUserId());
	config.topic = stream->topic;
	config.client_id = OidIsValid(reader->view) ?
		psprintf("stream_ext-%s-%s", get_rel_name(reader->relid),
				 get_rel_name(reader->view)) :
		psprintf("stream_ext-%s-%d", get_rel_name(reader->relid),
				 reader->worker_no);
	config.group_id = psprintf("stream_ext-%s-%s",
							   get_database_name(MyDatabaseId),
							   get_rel_name(reader->relid));
	config.memory_kb = se_guc_fetch_memory_kb;
	config.max_record_bytes = limits->message_max_bytes;
	foreach(lc, rows)
	{
		SePartition *row = lfirst(lc);

		if (is_mine(reader, row->partition))
			config.partitions_hint++;
	}
	reader->source = reader->routine->open(&config);
}

void
se_reader_define(SeReader *reader, Oid relid)
{
	SeIngest   *old = reader->ingest;
	SeStream   *stream;
	SeLimits   *limits;

	reader->ingest = se_ingest_open(relid, reader->routine->header,
									reader->routine->headers);
	if (old)
		se_ingest_close(old);
	stream = se_ingest_stream(reader->ingest);
	limits = se_ingest_limits(reader->ingest);
	if (reader->source == NULL)
		open_source(reader, stream, limits);
	if (reader->progress == NULL)
		reader->progress = se_progress_create(stream, reader->view);
	if (reader->max_records < limits->batch_max_rows)
	{
		Size		size = sizeof(SeRecord) * limits->batch_max_rows;

		/* a batch that runs again under a new definition keeps its records */
		reader->records = reader->records ?
			repalloc_huge(reader->records, size) :
			MemoryContextAllocHuge(reader->context, size);
		reader->max_records = limits->batch_max_rows;
	}
}

/* ---- partitions ---- */

bool
se_reader_partitions_due(SeReader *reader)
{
	return se_clock_us() >= reader->partitions_due_us;
}

static SeStartupMode
startup_mode(const SeStream *stream, TimestampTz *at)
{
	*at = 0;
	if (strcmp(stream->startup_mode, "latest") == 0)
		return SE_STARTUP_LATEST;
	if (strcmp(stream->startup_mode, "timestamp") == 0)
	{
		char	   *text = se_catalog_option(stream->options,
											 "scan_startup_timestamp");

		*at = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
													  CStringGetDatum(text),
													  ObjectIdGetDatum(InvalidOid),
													  Int32GetDatum(-1)));
		return SE_STARTUP_TIMESTAMP;
	}
	/* what specific-offsets does not name is read from the start */
	return SE_STARTUP_EARLIEST;
}

static bool
has_row(List *rows, int32 partition)
{
	ListCell   *lc;

	foreach(lc, rows)
	{
		if (((SePartition *) lfirst(lc))->partition == partition)
			return true;
	}
	return false;
}

/* Worker 0: rows for partitions that have none.  False: ask again later. */
static bool
add_missing_rows(SeReader *reader, List *rows, int count)
{
	SeStream   *stream = se_ingest_stream(reader->ingest);
	SePartitionOffset *missing = palloc(sizeof(SePartitionOffset) * count);
	SeStartupMode mode = SE_STARTUP_EARLIEST;
	TimestampTz at = 0;
	bool		first_start = true;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, rows)
	{
		if (((SePartition *) lfirst(lc))->partition >= 0)
			first_start = false;
	}
	for (int p = 0; p < count; p++)
		if (!has_row(rows, p))
			missing[n++].partition = p;
	if (n == 0)
		return true;
	if (first_start)
		mode = startup_mode(stream, &at);
	if (!reader->routine->resolve(reader->source, mode, at, missing, n))
		return false;
	for (int i = 0; i < n; i++)
	{
		SePartition row = {0};

		row.relid = reader->relid;
		row.partition = missing[i].partition;
		row.next_offset = missing[i].offset;
		row.watermark = DT_NOBEGIN;
		row.closed_to = DT_NOBEGIN;
		se_catalog_add_partition(&row);
	}
	ereport(LOG,
			(errmsg("stream \"%s\": %d partitions of topic \"%s\" found",
					get_rel_name(reader->relid), n, stream->topic)));
	return true;
}

/* Takes over rows that are ours and not known yet.  Returns how many. */
static int
adopt_rows(SeReader *reader, List *rows, int count)
{
	ListCell   *lc;
	int			added = 0;

	foreach(lc, rows)
	{
		SePartition *row = lfirst(lc);
		SePosition *position;

		if (!is_mine(reader, row->partition))
			continue;
		if (row->partition >= count)
			ereport(ERROR,
					(errcode(SE_ERRCODE_STOPPED),
					 errmsg("partition %d of topic \"%s\" no longer exists",
							row->partition,
							se_ingest_stream(reader->ingest)->topic),
					 errdetail("The topic has %d partitions now.", count),
					 errhint("If the topic was made anew, drop the stream and create it again.")));
		if (se_progress_find(reader->progress, row->partition))
			continue;
		position = se_progress_add(reader->progress, row);
		if (position->stats)
			position->stats->worker_pid = MyProcPid;
		added++;
	}
	return added;
}

static void
assign(SeReader *reader)
{
	SeProgress *progress = reader->progress;
	SePartitionOffset *parts = palloc(sizeof(SePartitionOffset) *
									  Max(1, progress->n));
	int			n = 0;

	for (int i = 0; i < progress->n; i++)
	{
		SePosition *position = &progress->positions[i];

		if (position->stored.next_offset >= position->end_offset)
			continue;
		parts[n].partition = position->stored.partition;
		parts[n++].offset = position->stored.next_offset;
	}
	if (n > 0)
		reader->routine->assign(reader->source, parts, n);
	reader->assigned = true;
	reader->n_assigned = n;
	pfree(parts);
}

void
se_reader_find_partitions(SeReader *reader)
{
	int			count;
	List	   *rows;
	int			expected = 0;

	/* REVOKE stops the stream */
	(void) se_security_require_server(se_ingest_stream(reader->ingest)->server,
									  GetUserId());
	count = reader->routine->count_partitions(reader->source);

	reader->partitions_due_us = se_clock_us() + RETRY_US;
	if (count < 0)
		return;
	if (OidIsValid(reader->view))
	{
		if (!reader->assigned && !se_backfill_find(reader, count))
			return;
		if (!reader->assigned)
			assign(reader);
		reader->partitions_due_us = se_clock_us() +
			(int64) se_guc_discovery_interval_ms * 1000;
		return;
	}
	rows = se_catalog_list_partitions(reader->relid);
	if (reader->worker_no == 0)
	{
		if (!add_missing_rows(reader, rows, count))
			return;
		rows = se_catalog_list_partitions(reader->relid);
	}
	if (adopt_rows(reader, rows, count) > 0 ||
		(!reader->assigned && reader->progress->n > 0))
		assign(reader);
	for (int p = 0; p < count; p++)
		expected += is_mine(reader, p);
	if (reader->progress->n >= expected)
		reader->partitions_due_us = se_clock_us() +
			(int64) se_guc_discovery_interval_ms * 1000;
}

/* ---- windows that close ---- */

static bool
closes_windows(SeReader *reader)
{
	return !OidIsValid(reader->view) && se_ingest_has_closing(reader->ingest);
}

bool
se_reader_closing_due(SeReader *reader)
{
	return reader->assigned && se_clock_us() >= reader->closing_due_us &&
		closes_windows(reader);
}

void
se_reader_close_windows(SeReader *reader)
{
	TimestampTz watermark = se_watermark_next(se_ingest_stream(reader->ingest));

	reader->closing_due_us = se_clock_us() + CLOSING_INTERVAL_US;
	reader->closing_at_latest_us = reader->closing_due_us;
	(void) se_progress_close(reader->progress, watermark);
	se_ingest_close_idle(reader->ingest);
	se_ingest_expire(reader->ingest);
}

/* ---- pace ---- */

bool
se_reader_may_start(SeReader *reader)
{
	return reader->assigned && se_clock_us() + PACE_SLACK_US >= reader->next_start_us;
}

long
se_reader_timeout_ms(SeReader *reader, bool *on_socket)
{
	int64		now = se_clock_us();
	int64		until = Min(reader->partitions_due_us,
							now + LONGEST_NAP_MS * 1000L);

	if (closes_windows(reader))
		until = Min(until, reader->closing_due_us);
	*on_socket = false;
	if (reader->assigned && reader->next_start_us > now + PACE_SLACK_US)
		until = Min(until, reader->next_start_us - PACE_SLACK_US);
	else if (reader->assigned && reader->more)
		return 0;
	else if (reader->assigned)
	{
		*on_socket = true;
		if (reader->moved_since_report || reader->n_report > 0)
			until = Min(until, Max(reader->report_due_us, now + 1000));
	}
	return until <= now ? 0 : (until - now + 999) / 1000;
}

int
se_reader_fd(SeReader *reader)
{
	return reader->routine->event_fd(reader->source);
}

/* ---- records ---- */

/* Is there more in Kafka than a few batches of a trickle? */
static bool
is_behind(SeReader *reader)
{
	int64		behind = 0;

	for (int i = 0; i < reader->progress->n; i++)
	{
		SePosition *position = &reader->progress->positions[i];
		SePartitionInfo info;

		reader->routine->partition_info(reader->source,
										position->stored.partition, &info);
		behind += Max(0, info.high - position->next_offset);
	}
	return behind > BEHIND_RECORDS;
}

static void
poll_source(SeReader *reader)
{
	SeLimits   *limits = se_ingest_limits(reader->ingest);
	int			room = Min(limits->batch_max_rows, reader->max_records) -
		reader->batch_records;
	int			max = Min(room, POLL_RECORDS);
	SeRecord   *next = &reader->records[reader->n_records];
	int			got = reader->routine->poll(reader->source, next, max);

	for (int i = 0; i < got; i++)
		reader->batch_bytes += next[i].value_len + next[i].key_len;
	reader->n_records += got;
	reader->batch_records += got;
	reader->drained = (got < max);
	reader->more = (got > 0 && got == room) ||
		reader->batch_bytes >= limits->batch_max_bytes;
}

void
se_reader_poll(SeReader *reader)
{
	reader->n_records = 0;
	reader->batch_records = 0;
	reader->batch_bytes = 0;
	reader->careful = se_clock_us() < reader->careful_until_us;
	poll_source(reader);
}

bool
se_reader_poll_more(SeReader *reader, int64 start_us)
{
	int			before;

	if (!reader->careful)
	{
		reader->routine->release(reader->source);
		reader->n_records = 0;
	}
	if (reader->more)
		return false;
	/* a backlog's batch takes in what comes while it is decoded */
	if (reader->drained &&
		(se_clock_us() - start_us > GATHER_US || !is_behind(reader)))
		return false;
	before = reader->n_records;
	poll_source(reader);
	return reader->n_records > before;
}

void
se_reader_rewind(SeReader *reader)
{
	reader->routine->release(reader->source);
	reader->n_records = 0;
	reader->more = false;
	se_progress_reset(reader->progress);
	reader->careful_until_us = se_clock_us() + CAREFUL_US;
	assign(reader);
}

/* The end behind control records, when it lies ahead of what we read. */
static int64
end_ahead(SeReader *reader, SePosition *position)
{
	SePartitionInfo info;
	int64		end;

	reader->routine->partition_info(reader->source,
									position->stored.partition, &info);
	end = Min(info.end_offset, position->end_offset);
	return info.at_end && end > position->next_offset ? end : -1;
}

bool
se_reader_ends_moved(SeReader *reader)
{
	for (int i = 0; i < reader->progress->n; i++)
		if (end_ahead(reader, &reader->progress->positions[i]) >= 0)
			return true;
	return false;
}

void
se_reader_pass_ends(SeReader *reader)
{
	for (int i = 0; i < reader->progress->n; i++)
	{
		SePosition *position = &reader->progress->positions[i];
		int64		end = end_ahead(reader, position);

		if (end >= 0)
			position->next_offset = end;
	}
}

void
se_reader_committed(SeReader *reader, int64 start_us, int64 rows)
{
	SeLimits   *limits = se_ingest_limits(reader->ingest);
	int64		interval = limits->batch_interval_us > 0 ?
		limits->batch_interval_us : 1000000 / se_guc_commits_per_second;

	reader->routine->release(reader->source);
	reader->n_records = 0;
	reader->last_commit_lsn = XactLastCommitEnd;
	reader->moved_since_report = !OidIsValid(reader->view);
	/* partitions whose end is reached are not fetched on */
	if (OidIsValid(reader->view) &&
		se_backfill_unfinished(reader) < reader->n_assigned)
		assign(reader);
	reader->closing_due_us = Min(reader->closing_at_latest_us,
								 se_clock_us() + CLOSING_DELAY_US);
	if (is_behind(reader))
		interval = Max(interval, BEHIND_INTERVAL_US);
	/* from when it was due: what it started early, the next one waits longer */
	reader->next_start_us = reader->more ? 0 :
		Max(start_us, reader->next_start_us) + interval;
	if (limits->max_rows_per_second > 0)
		reader->next_start_us = Max(reader->next_start_us, start_us +
									(int64) (rows * 1e6 / limits->max_rows_per_second));
}

/* ---- figures ---- */

/* Group offsets: noted, then told once their commit is on disk. */
static void
report_group_offsets(SeReader *reader)
{
	SeProgress *progress = reader->progress;
	int64		now = se_clock_us();

	if (reader->n_report > 0 && GetFlushRecPtr(NULL) >= reader->report_lsn)
	{
		reader->routine->report(reader->source, reader->report,
								reader->n_report);
		reader->n_report = 0;
	}
	if (!reader->moved_since_report || now < reader->report_due_us ||
		reader->n_report > 0)
		return;
	if (reader->report)
		pfree(reader->report);
	reader->report = MemoryContextAlloc(reader->context,
										sizeof(SePartitionOffset) * progress->n);
	for (int i = 0; i < progress->n; i++)
	{
		reader->report[i].partition = progress->positions[i].stored.partition;
		reader->report[i].offset = progress->positions[i].stored.next_offset;
	}
	reader->n_report = progress->n;
	reader->report_lsn = reader->last_commit_lsn;
	reader->moved_since_report = false;
	reader->report_due_us = now + REPORT_INTERVAL_US;
}

static void
watch_partitions(SeReader *reader)
{
	SeStream   *stream = se_ingest_stream(reader->ingest);
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < reader->progress->n; i++)
	{
		SePosition *position = &reader->progress->positions[i];
		SePartitionInfo info;

		if (position->stats == NULL)
			continue;
		reader->routine->partition_info(reader->source,
										position->stored.partition, &info);
		pg_atomic_write_u64(&position->stats->high_watermark,
							(uint64) info.high);
		/* a partition that we have just begun to read is not idle yet */
		if (!info.at_end)
			position->silent_since = now;
		position->silent_since = Max(position->silent_since,
									 position->stored.last_record_at);
		pg_atomic_write_u32(&position->stats->idle,
							info.at_end && position->silent_since <
							now - se_window_duration(stream->idle_timeout));
	}
}

/* In stream.status, like an error that stopped the stream. */
static void
show_problem(SeStreamStats *stats, const SeProblem *problem)
{
	char		text[sizeof(problem->message) + sizeof(problem->hint) + 8];

	snprintf(text, sizeof(text), "%s%s%s", problem->message,
			 problem->hint[0] ? " HINT: " : "", problem->hint);
	se_stats_set_problem(stats, text);
}

void
se_reader_watch(SeReader *reader)
{
	SeStreamStats *stats = se_ingest_stats(reader->ingest);
	SeProblem	problem;

	reader->routine->problem(reader->source, &problem);
	if (problem.kind == SE_PROBLEM_FATAL)
		ereport(ERROR,
				(errcode(SE_ERRCODE_STOPPED),
				 errmsg("%s", problem.message),
				 problem.hint[0] ? errhint("%s", problem.hint) : 0));
	/* the rest is for the stream's own workers to show */
	if (OidIsValid(reader->view))
		return;
	if (problem.kind == SE_PROBLEM_TRANSIENT)
		show_problem(stats, &problem);
	else if (reader->assigned)
		se_stats_set_problem(stats, NULL);
	watch_partitions(reader);
	report_group_offsets(reader);
}

bool
se_reader_is_done(const SeReader *reader)
{
	return OidIsValid(reader->view) && reader->assigned &&
		se_backfill_unfinished(reader) == 0;
}

void
se_reader_close(SeReader *reader, bool clean)
{
	if (reader->source == NULL)
		return;
	if (clean)
		reader->routine->release(reader->source);
	reader->routine->close(reader->source, clean);
	reader->source = NULL;
}
