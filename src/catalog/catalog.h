/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  The extension's own tables: streams, partitions, views.
 *
 * Rows are read and written here and nowhere else, with heap calls that ask
 * for no privilege: a worker runs as the stream's owner, who has none on
 * these tables.  Callers check privileges first (security/).
 *
 * All structs are palloc'd in CurrentMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_CATALOG_H
#define SE_CATALOG_H

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

typedef struct SeStream
{
	Oid			relid;			/* the staging table: the stream's identity */
	Oid			dead_letters;	/* name_dead_letters */
	char	   *server;			/* NULL: fed by hand only */
	char	   *topic;
	char	   *format;
	Jsonb	   *fields;			/* {"column": "path"} */
	char	   *event_time;		/* column, NULL: the record's timestamp */
	Interval   *watermark_delay;	/* NULL: no watermark */
	Interval   *allowed_lateness;
	Interval   *idle_timeout;
	char	   *startup_mode;	/* earliest, latest, timestamp, specific-offsets */
	char	   *on_error;		/* dead_letter, fail, skip */
	int			workers;
	char		state;			/* SE_STATE_... */
	Jsonb	   *options;
	char	   *error;			/* why it failed, NULL when it did not */
	TimestampTz error_at;		/* 0 when it did not */
	int64		system_id;		/* the cluster and database it was made in or */
	Oid			database;		/* resumed in: elsewhere it is paused */
} SeStream;

#define SE_STATE_RUNNING	'r'
#define SE_STATE_PAUSED		'p'
#define SE_STATE_FAILED		'f'

typedef struct SePartition
{
	Oid			relid;			/* stream */
	int32		partition;
	int64		next_offset;
	TimestampTz watermark;		/* max event time - delay; DT_NOBEGIN: none */
	TimestampTz last_record_at; /* wall clock; 0: never */
	TimestampTz closed_to;		/* the stream's watermark that the last batch
								 * went by; DT_NOBEGIN: none */
} SePartition;

/*
 * One argument of DISTINCT aggregates in a view: the values that each group has
 * seen are kept, and a batch's new ones are aggregated.
 */
typedef struct SeDistinct
{
	Oid			kept;			/* relid of name_distinct: group keys and value */
	char	   *values_sql;		/* plan/ wrote it: the batch's keys and values */
	char	   *keep_sql;		/* plan/ wrote it: INSERT ... RETURNING new ones */
	char	   *delta_sql;		/* plan/ wrote it: keys and partial aggregates of
								 * these; NULL: the view reads what is kept */
} SeDistinct;

/* A stream that a view reads, and what is run for its batches. */
typedef struct SeSource
{
	Oid			stream;
	char	   *delta_sql;		/* as in SeView */
	char	   *late_sql;
	bool		by_event_time;
	List	   *values_sql;		/* of char *, in the order of SeView.distinct */
} SeSource;

typedef struct SeView
{
	Oid			relid;			/* the view that users select from */
	Oid			stream;			/* relid of a stream that it reads: what is for
								 * its batches is here; or of the one view in
								 * the place of streams: see SeFeed */
	List	   *streams;		/* relids of all of them; belongs to the owner of
								 * all */
	List	   *sources;		/* of SeSource: those behind it in the catalog */
	Oid			state;			/* relid of the state table */
	char		kind;			/* SE_VIEW_AGGREGATE, ... */
	char	   *query;			/* as the user wrote it */
	char	   *delta_sql;		/* plan/ wrote it: keys and partial aggregates */
	char	   *merge_sql;		/* plan/ wrote it: INSERT ... ON CONFLICT */
	char	   *late_sql;		/* plan/ wrote it: the batch's rows that come late
								 * for all their windows; NULL: none can */
	bool		by_event_time;	/* the window is over the event time column */
	bool		serial;			/* merges of two workers would clash */
	Oid			late_rows;		/* name_late_rows; InvalidOid: they are counted */
	char	   *ends_sql;		/* plan/ wrote it: the end of the last window;
								 * NULL: it does not close when all is idle */
	TimestampTz idle_watermark; /* the view's own when it did; DT_NOBEGIN */
	List	   *distinct;		/* of SeDistinct */
	char	   *emit;			/* update, append */
	Interval   *state_ttl;		/* NULL: kept for ever */
	Interval   *partition_span; /* NULL: the state is not partitioned */
	Interval   *window_reach;	/* of a partition's bound to the end of its
								 * windows; NULL: sessions */
	Interval   *allowed_lateness;	/* NULL: the stream's */
	Jsonb	   *options;
	/* for views that read it: its columns that are bounds of its window, or 0 */
	AttrNumber	start_column;
	AttrNumber	end_column;
	char	   *open_sql;		/* plan/ wrote it: the start of the first window
								 * that ends after $1; NULL: sessions */
} SeView;

/*
 * The ephemeral relations of a batch: delta_sql reads the stream's rows as
 * se_batch, merge_sql reads delta_sql's result as se_delta.  So a view neither
 * locks its stream nor minds it being renamed.  The same for what is DISTINCT:
 * values_sql reads se_batch, keep_sql its result as se_values; to delta_sql the
 * new values are se_batch.
 */
#define SE_BATCH_NAME "se_batch"
#define SE_DELTA_NAME "se_delta"
#define SE_LATE_NAME "se_late"
#define SE_VALUES_NAME "se_values"

/*
 * Stands for the state table in merge_sql and late_sql, and for name_distinct in
 * keep_sql.  Their names are put there when a batch is applied: tables and schemas
 * may be renamed.
 */
#define SE_STATE_TOKEN "\"@se_state\""

/* Columns of deltas and states that are known by name. */
#define SE_SESSION_FIRST "se_first"
#define SE_UPDATED_COLUMN "updated_at"

/*
 * How state tables, or their partitions, are stored: see plan/relations.c.
 * Groups without a window may all be updated by each batch: a page has room for
 * two versions of each row, so that all updates are HOT.
 */
#define SE_STATE_VACUUM \
	"autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05"
#define SE_STATE_OPTIONS "fillfactor = 70, " SE_STATE_VACUUM
#define SE_STATE_OPTIONS_UNWINDOWED "fillfactor = 45, " SE_STATE_VACUUM

/*
 * The row type of se_batch: the stream's columns, then the record's partition
 * (integer) and offset (bigint) under names that no one gives to columns.
 */
extern TupleDesc se_catalog_batch_type(Oid stream);
/*
 * The same of a view in the stream's place whose states are merged by the view
 * on it: between them all columns of its state table, by their numbers there.
 */
extern TupleDesc se_catalog_batch_type_with_states(Oid view);
/* The one that this query of a view reads: its text names the states. */
extern TupleDesc se_catalog_batch_type_for(Oid stream, const char *sql);
/* Does it name one of the view's states, or the one in that column? */
extern bool se_catalog_reads_states(const char *sql, const SeView *view);
extern bool se_catalog_reads_state(const char *sql, AttrNumber attno);
extern char *se_catalog_state_name(AttrNumber attno);
/* How many columns a relation has, dropped ones counted. */
extern int	se_catalog_natts(Oid relid);
#define SE_BATCH_STATE		"@se_behind_"
#define SE_BATCH_PARTITION	"@se_partition"
#define SE_BATCH_OFFSET		"@se_offset"
#define SE_BATCH_DROPPED	"@se_dropped"	/* in a row as a whole: NULL */

#define SE_VIEW_AGGREGATE	'a'

/* True when the extension exists in this database. */
extern bool se_catalog_exists(void);

extern void se_catalog_add_stream(const SeStream *stream);
extern SeStream *se_catalog_get_stream(Oid relid, bool missing_ok);
extern List *se_catalog_list_streams(void); /* of SeStream */
extern void se_catalog_set_stream_state(Oid relid, char state,
										const char *error);
/* Marks this cluster and database as the stream's home (resume). */
extern void se_catalog_adopt_stream(Oid relid);
extern bool se_catalog_stream_is_home(const SeStream *stream);
extern void se_catalog_set_startup_mode(Oid relid, const char *mode,
										Jsonb *options);
extern bool se_catalog_delete_stream(Oid relid);

/* Of SePartition, in order; snapshot NULL: what is committed now. */
extern List *se_catalog_list_partitions(Oid stream);
extern List *se_catalog_list_partitions_at(Oid stream, Snapshot snapshot);
extern void se_catalog_add_partition(const SePartition *partition);
extern void se_catalog_delete_partitions(Oid stream);

/*
 * Moves a partition forward.  Fails with SE_ERRCODE_FENCED when the stored
 * offset is not expected_offset: somebody else has moved it.
 */
extern void se_catalog_advance_partition(const SePartition *partition,
										 int64 expected_offset);

/* Records of a partition that a new view has yet to read. */
typedef struct SeBackfillPart
{
	Oid			view;
	int32		partition;
	int64		next_offset;
	int64		end_offset;		/* from here on the stream's batches count */
} SeBackfillPart;

extern void se_catalog_add_backfill(const SeBackfillPart *part);
/* Of SeBackfillPart, in order. */
extern List *se_catalog_list_backfill(Oid view);
/* OIDs of the stream's views that have some. */
extern List *se_catalog_list_backfilled(Oid stream);
/* Moves it forward, or off when it is done; fails as above. */
extern void se_catalog_advance_backfill(const SeBackfillPart *part,
										int64 expected_offset);
extern void se_catalog_delete_backfill(Oid view);

extern void se_catalog_add_view(const SeView *view);
/* Of its first stream. */
extern SeView *se_catalog_get_view(Oid relid, bool missing_ok);
/* The same view as another stream of it has it. */
extern SeView *se_catalog_view_of(const SeView *view, Oid stream);
/* Writes the query and the columns that are bounds. */
extern void se_catalog_set_view_query(const SeView *view);
/* Without news for those who keep the view open. */
extern void se_catalog_set_idle_watermark(Oid relid, TimestampTz watermark);
/* As of a snapshot; NULL: what is committed. */
extern TimestampTz se_catalog_idle_watermark(Oid relid, Snapshot snapshot);
/* Of SeView, as the stream has them, in order; InvalidOid: all. */
extern List *se_catalog_list_views(Oid stream);

/* A view whose stream is another view, and what it has of that. */
typedef struct SeFeed
{
	Oid			view;
	Oid			source;			/* the view that it reads */
	Oid			stream;			/* at the bottom */
	AttrNumber	time_column;	/* of the source: the view's event time */
	TimestampTz fed_to;			/* rows whose windows end here or before are in
								 * it; DT_NOBEGIN: none */
	TimestampTz watermark;		/* of the view, on its event time */
} SeFeed;

extern void se_catalog_add_feed(const SeFeed *feed);
/* As of a snapshot; NULL: what is committed.  NULL: the view reads a stream. */
extern SeFeed *se_catalog_get_feed(Oid view, Snapshot snapshot);
/* The stream at the bottom of a view; that of a stream is itself. */
extern Oid	se_catalog_stream_of(Oid source);
extern List *se_catalog_streams_of(const List *sources);
/* Of SeFeed: those below a stream, sources first; those of one source. */
extern List *se_catalog_list_feeds(Oid stream);
extern List *se_catalog_list_feeds_from(Oid source);
/* Writes fed_to and watermark; fails as above unless fed_to was expected. */
extern void se_catalog_move_feed(const SeFeed *feed, TimestampTz expected);
extern void se_catalog_delete_feed(Oid view);
/*
 * Of the view with that state table, by which its own query knows it; InvalidOid:
 * there is none.
 */
extern Oid	se_catalog_view_of_state(Oid state);

/*
 * A relation is being dropped: forget the stream, view or state it was.
 * Returns true when it was one of ours.
 */
extern bool se_catalog_forget_relation(Oid relid);

/* Oid of schema "stream". */
extern Oid	se_catalog_schema(void);
/* A function or aggregate in it, by its name and the types that it is declared with. */
extern Oid	se_catalog_function(const char *name, int nargs, const Oid *types);

/* Options kept as jsonb: the text of one key, NULL when absent. */
extern char *se_catalog_option(const Jsonb *options, const char *key);

/* The same as a list of DefElem with String values. */
extern List *se_catalog_options_list(const Jsonb *options);

/* Somebody else moved our partition. */
#define SE_ERRCODE_FENCED	MAKE_SQLSTATE('S', 'E', '0', '0', '1')
/* The stream must not go on: it is marked failed. */
#define SE_ERRCODE_STOPPED	MAKE_SQLSTATE('S', 'E', '0', '0', '2')

#endif							/* SE_CATALOG_H */
