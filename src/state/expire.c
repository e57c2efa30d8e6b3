/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  state_ttl: groups leave the state when the watermark has passed them.
 *
 * The state of a windowed view is partitioned by one of the window's bounds, in
 * spans of time, and a partition leaves as a whole: nothing is deleted row by row
 * and nothing is left for vacuum.  Partitions are made when a batch brings the
 * first row for them, empty and attached, which no reader waits for.  To drop one
 * needs a lock that readers and other workers are in the way of: it is only tried,
 * and tried again a second later.
 *
 * Groups of a view without a window leave when their last row is older; they are
 * deleted, some thousands at a time.
 *
 * Partitions are named after the number of their span: state_19843.  A crash
 * leaves all of it as the last transaction did.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/int.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "../clock.h"
#include "expire.h"
#include "sql_settings.h"
#include "window/window.h"

#define MOST_PARTITIONS 2000
#define DELETE_ROWS 10000		/* at a time */
#define RETRY_US 1000000
#define PASSES_PER_TTL 16
#define SPANS_NOTED 16

struct SeExpiry
{
	Oid			state;
	List	   *tables;			/* it, and those of DISTINCT values, which are
								 * partitioned as it is */
	int64		ttl;			/* all of these in microseconds */
	int64		span;			/* 0: the state is not partitioned */
	int64		reach;			/* from a bound to the end of its last window;
								 * -1: sessions, it is in the table */
	TimestampTz next;			/* a watermark with which something may leave */
	int64		retry_at_us;	/* on se_clock_us() */
};

SeExpiry *
se_expiry_create(const SeView *view)
{
	SeExpiry   *expiry;
	ListCell   *lc;

	if (view->state_ttl == NULL)
		return NULL;
	expiry = palloc0(sizeof(SeExpiry));
	expiry->state = view->state;
	expiry->tables = list_make1_oid(view->state);
	foreach(lc, view->distinct)
		expiry->tables = lappend_oid(expiry->tables,
									 ((SeDistinct *) lfirst(lc))->kept);
	expiry->ttl = se_window_duration(view->state_ttl);
	if (view->partition_span)
	{
		expiry->span = se_window_duration(view->partition_span);
		expiry->reach = view->window_reach ?
			se_window_duration(view->window_reach) : -1;
	}
	expiry->next = DT_NOBEGIN;
	return expiry;
}

/* ---- partitions ---- */

/* The column that the state is partitioned by. */
static AttrNumber
partition_column(Oid state)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(state));
	AttrNumber	result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "state table %u is not partitioned", state);
	result = ((Form_pg_partitioned_table) GETSTRUCT(tuple))->partattrs.values[0];
	ReleaseSysCache(tuple);
	return result;
}

/* A bound of a partition as a literal. */
static char *
time_literal(int64 us, Oid type)
{
	PGFunction	out = type == TIMESTAMPOID ? timestamp_out : timestamptz_out;

	return quote_literal_cstr(DatumGetCString(DirectFunctionCall1(out,
																  TimestampTzGetDatum(us))));
}

static char *
partition_name(Oid state, int64 number)
{
	return makeObjectName(get_rel_name(state),
						  psprintf(INT64_FORMAT, number), NULL);
}

static void
make_partition(const SeExpiry *expiry, Oid table, int64 number)
{
	Oid			schema = get_rel_namespace(table);
	char	   *name = partition_name(table, number);
	char	   *whole = se_sql_name(table);
	Oid			type;
	char	   *part;
	int			settings;
	int64		from;
	int64		to;

	/* another worker may be at it */
	LockDatabaseObject(RelationRelationId, expiry->state, SE_MERGE_LOCK,
					   ExclusiveLock);
	if (OidIsValid(get_relname_relid(name, schema)))
		return;
	if (pg_mul_s64_overflow(number, expiry->span, &from) ||
		pg_add_s64_overflow(from, expiry->span, &to) ||
		!IS_VALID_TIMESTAMP(from) || !IS_VALID_TIMESTAMP(to) ||
		list_length(find_inheritance_children(table, NoLock)) >= MOST_PARTITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("window is too far from the others of a view with state_ttl"),
				 errdetail("The state has a partition for each " INT64_FORMAT " s, and at most %d of them.",
						   expiry->span / USECS_PER_SEC, MOST_PARTITIONS)));
	type = get_atttype(table, partition_column(table));
	part = quote_qualified_identifier(get_namespace_name(schema), name);
	settings = se_sql_settings_begin();
	se_sql_execute(psprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL) USING heap WITH (%s)",
							part, whole, SE_STATE_OPTIONS));
	se_sql_execute(psprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)",
							whole, part, time_literal(from, type),
							time_literal(to, type)));
	se_sql_settings_end(settings);
}

/*
 * All that are missing for a span.  The lock comes before those of rows, so that
 * workers do not wait in a ring.
 */
static void
make_partitions(const SeExpiry *expiry, int64 number)
{
	ListCell   *lc;

	foreach(lc, expiry->tables)
	{
		Oid			table = lfirst_oid(lc);

		if (!OidIsValid(get_relname_relid(partition_name(table, number),
										  get_rel_namespace(table))))
			make_partition(expiry, table, number);
	}
}

static int
find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	elog(ERROR, "column \"%s\" of the state is not in the delta", name);
}

static bool
is_noted(const int64 *noted, int n, int64 number)
{
	for (int i = 0; i < Min(n, SPANS_NOTED); i++)
		if (noted[i] == number)
			return true;
	return false;
}

void
se_expiry_make_partitions(SeExpiry *expiry, TupleDesc desc,
						  Tuplestorestate *rows)
{
	TupleTableSlot *slot;
	int			attno;
	int64		noted[SPANS_NOTED]; /* groups of few spans come in any order */
	int			n_noted = 0;

	if (expiry->span == 0)
		return;
	attno = find_column(desc, expiry->reach < 0 ? SE_SESSION_FIRST :
						get_attname(expiry->state,
									partition_column(expiry->state), false));
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool		isnull;
		TimestampTz bound = DatumGetTimestampTz(slot_getattr(slot, attno,
															 &isnull));
		int64		number;

		/* those have no partition: the record is set aside */
		if (isnull || TIMESTAMP_NOT_FINITE(bound))
			continue;
		number = se_window_floor_division(bound, expiry->span);
		if (is_noted(noted, n_noted, number))
			continue;
		noted[n_noted++ % SPANS_NOTED] = number;
		make_partitions(expiry, number);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_rescan(rows);
}

/* The number of the span, from the partition's name. */
static bool
partition_number(Oid partition, int64 *number)
{
	const char *name = get_rel_name(partition);
	const char *digits = name ? strrchr(name, '_') : NULL;
	char	   *end;

	if (digits == NULL)
		return false;
	errno = 0;
	*number = strtoll(digits + 1, &end, 10);
	return errno == 0 && end > digits + 1 && *end == '\0';
}

/* Is there a session in it that ends after this? */
static bool
has_later_session(const SeExpiry *expiry, Oid partition, TimestampTz cutoff)
{
	AttrNumber	start = partition_column(expiry->state);
	char	   *end = get_attname(expiry->state, start + 1, false);
	Oid			type = get_atttype(expiry->state, start);
	char	   *sql;
	bool		result;

	sql = psprintf("SELECT FROM %s WHERE %s > %s LIMIT 1",
				   se_sql_name(partition),
				   quote_identifier(end), time_literal(cutoff, type));
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", sql);
	result = SPI_processed > 0;
	SPI_finish();
	return result;
}

/*
 * Drops the state's partition, with those of the values that the same groups have
 * seen.  False: somebody is in the way of one of them.
 */
static bool
drop_partition(const SeExpiry *expiry, Oid partition, int64 number)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, expiry->tables)
	{
		Oid			table = lfirst_oid(lc);
		Oid			part = table == expiry->state ? partition :
			get_relname_relid(partition_name(table, number),
							  get_rel_namespace(table));

		if (!OidIsValid(part))
			continue;			/* dropped by hand */
		if (!ConditionalLockRelationOid(table, AccessExclusiveLock) ||
			!ConditionalLockRelationOid(part, AccessExclusiveLock))
			return false;
		found = lappend_oid(found, part);
	}
	foreach(lc, found)
	{
		ObjectAddress address;

		ObjectAddressSet(address, RelationRelationId, lfirst_oid(lc));
		performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	}
	CommandCounterIncrement();
	return true;
}

static void
drop_partitions(SeExpiry *expiry, TimestampTz cutoff)
{
	TimestampTz next = DT_NOEND;
	ListCell   *lc;

	foreach(lc, find_inheritance_children(expiry->state, NoLock))
	{
		Oid			partition = lfirst_oid(lc);
		int64		number;
		TimestampTz end;

		if (!partition_number(partition, &number))
			continue;			/* the user's own */
		end = (number + 1) * expiry->span + Max(expiry->reach, 0);
		if (end > cutoff)
			next = Min(next, end);
		else if (expiry->reach < 0 &&
				 has_later_session(expiry, partition, cutoff))
			next = cutoff + 1;
		else if (!drop_partition(expiry, partition, number))
		{
			expiry->retry_at_us = se_clock_us() + RETRY_US;
			return;
		}
	}
	/* unless a batch makes one that is older */
	expiry->next = Min(next, cutoff + expiry->span);
}

/* ---- groups without a window ---- */

static void
delete_groups(SeExpiry *expiry, TimestampTz cutoff)
{
	Oid			type = get_atttype(expiry->state,
								   get_attnum(expiry->state,
											  SE_UPDATED_COLUMN));
	char	   *state = se_sql_name(expiry->state);
	char	   *sql;
	uint64		deleted;

	if (!OidIsValid(type))
		elog(ERROR, "the state has no column \"%s\"", SE_UPDATED_COLUMN);
	sql = psprintf("DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %s WHERE %s <= %s LIMIT %d))",
				   state, state, SE_UPDATED_COLUMN, time_literal(cutoff, type),
				   DELETE_ROWS);
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute(sql, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not execute \"%s\"", sql);
	deleted = SPI_processed;
	SPI_finish();
	if (deleted < DELETE_ROWS)
		expiry->next = cutoff + Max(1, expiry->ttl / PASSES_PER_TTL);
}

void
se_expiry_run(SeExpiry *expiry, TimestampTz watermark)
{
	TimestampTz cutoff;
	int			settings;

	if (TIMESTAMP_NOT_FINITE(watermark) ||
		pg_sub_s64_overflow(watermark, expiry->ttl, &cutoff) ||
		!IS_VALID_TIMESTAMP(cutoff) || cutoff < expiry->next ||
		se_clock_us() < expiry->retry_at_us)
		return;
	settings = se_sql_settings_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (expiry->span > 0)
		drop_partitions(expiry, cutoff);
	else
		delete_groups(expiry, cutoff);
	PopActiveSnapshot();
	se_sql_settings_end(settings);
}
