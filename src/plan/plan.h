/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  A view's query, split into what runs per batch, what is kept, and what
 *	  users read.
 *
 * plan/ refuses, with reason and hint, everything that cannot be kept
 * incrementally.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_PLAN_H
#define SE_PLAN_H

#include "nodes/parsenodes.h"

#include "catalog/catalog.h"

/* What a view goes by of a stream, or of the view in its place, that it reads. */
typedef struct SeRequestStream
{
	Oid			relid;
	bool		watermark;		/* it has one */
	int64		lateness_us;	/* how long windows stay open for its rows */
} SeRequestStream;

typedef struct SeViewRequest
{
	const char *schema;			/* where the view and its state go */
	const char *name;
	const char *query;			/* the user's text */
	bool		append;			/* show windows when they are closed */
	bool		close_on_idle;	/* the last windows, too */
	bool		keep_late;		/* late rows, else they are counted */
	List	   *streams;		/* of SeRequestStream, as se_plan_find_streams
								 * has them */
	bool		watermark;		/* all of them have one */
	int64		lateness_us;	/* how long the last windows stay open */
	int64		ttl_us;			/* how long groups stay; -1: for ever */
} SeViewRequest;

typedef struct SeViewPlan
{
	List	   *sources;		/* of SeSource: its streams */
	Oid			state;			/* relid of the state table made */
	Oid			view;			/* relid of the view made */
	Interval   *partition_span; /* as in SeView */
	Interval   *window_reach;
	bool		serial;			/* merges of two workers would clash */
	Oid			late_rows;		/* relid of the table of late rows, or none */
	char	   *ends_sql;		/* the end of the last window; or NULL */
	char	   *merge_sql;		/* reads SE_DELTA_NAME */
	List	   *distinct;		/* of SeDistinct, of the first source */
	AttrNumber	start_column;	/* as in SeView */
	AttrNumber	end_column;
	char	   *open_sql;
	AttrNumber	time_column;	/* as in SeFeed */
} SeViewPlan;

/*
 * The streams that a query reads, or the one view in their place; refuses a query
 * that has none.
 */
extern List *se_plan_find_streams(const char *query);

/*
 * Analyses, refuses or creates: state table, its unique index and the view.
 * Runs as the current user, who will own them, in the current transaction.
 * A view without GROUP BY has its one row only after se_state_apply with an
 * empty batch.
 */
extern SeViewPlan *se_plan_create_view(const SeViewRequest *request);

/* source.c: lets rows of the source be found by their window. */
extern void se_plan_index_source(const SeView *source);
/*
 * The rows of a source for FROM, where the view itself does not do: the view's
 * query.  Where windows share panes it reads panes in [$5, $2) alone; rows of
 * windows that end there are whole when $5 is earlier than any of their ends by
 * reach (microseconds).  Where the delta reads states it has all columns of the
 * state behind its own, those that the delta does not read as NULL.
 */
extern char *se_plan_rows_of_source(const SeView *source,
									const char *delta_sql, int64 *reach);

/*
 * replace.c: the view's expressions made anew over the state that it has;
 * refuses a query that needs another state.  Of old, sources, state, view,
 * serial and distinct are read.  Runs as the current user, who owns the view and
 * has locked it.  Its OID stays.  Fills the columns that are bounds in new.
 */
extern void se_plan_replace_view(const SeViewRequest *request,
								 const SeViewPlan *old, SeViewPlan *new);

/*
 * rollup.c: an ordinary view over continuous views whose query merges states
 * with combine(column).  Runs as the current user.  Returns its relid.
 */
extern Oid	se_plan_create_rollup(const char *schema, const char *name,
								  const char *query);

/* kept.c: a column of a state table, and what is behind it. */
typedef struct SeKeptColumn
{
	char	   *column;
	bool		is_key;			/* else an aggregate */
	Node	   *expr;			/* in SeKept.delta */
	char	   *text;			/* expr, as EXPLAIN would write it */
} SeKeptColumn;

typedef struct SeKept
{
	Query	   *delta;			/* analysed, not rewritten */
	List	   *columns;		/* of SeKeptColumn, in the state table's order */
} SeKept;

extern SeKept *se_plan_read_kept(Oid stream, const char *delta_sql);

#endif							/* SE_PLAN_H */
