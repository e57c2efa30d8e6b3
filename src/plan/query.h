/*-------------------------------------------------------------------------
 *
 * query.h
 *	  What the files of plan/ hand to each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_PLAN_QUERY_H
#define SE_PLAN_QUERY_H

#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"

#include "aggregate/aggregate.h"
#include "plan.h"

/* The window function in FROM, and what it is called with. */
typedef struct SeWindow
{
	const char *function;		/* tumble, hop, ...; NULL: no window */
	Index		rti;			/* its place in the range table */
	Interval	size;			/* session: its gap */
	Interval	step;			/* hop's slide, cumulate's step */
	Interval	offset;
	char	   *timezone;		/* NULL: none */
	const char *panes;			/* function that gives the panes of which
								 * windows are unions; NULL: of tumble, whose
								 * windows are kept as they are */
	Interval	pane;			/* their size, if they are tumble's */
} SeWindow;

/* A place where a query reads a stream. */
typedef struct SePlace
{
	Oid			stream;
	Query	   *query;			/* has it in FROM */
	Index		index;			/* in the range table of that */
} SePlace;

/* The user's query, analysed in his search_path, not rewritten. */
typedef struct SeQuery
{
	const char *text;
	Query	   *query;
	List	   *streams;		/* relids; NIL: not looked for yet */
	SeView	   *source;			/* the view that is in their place, or NULL */
	List	   *places;			/* of SePlace: one, or those in UNION ALL */
	List	   *stream_path;	/* queries with a stream in FROM, and those
								 * around them up to query */
	Oid			stream;			/* of streams: the batch that queries are
								 * written for, at first the first's */
	SeWindow	window;
	struct SeBehind *behind;	/* of source, when its states are combined */
} SeQuery;

/* A group key: a column of the state table. */
typedef struct SeKey
{
	char	   *column;
	TargetEntry *tle;			/* its expression has no join aliases */
	SortGroupClause *clause;	/* NULL: GROUPING(), see grouping.c */
} SeKey;

/* A distinct aggregate: a column of the state table. */
typedef struct SeState
{
	char	   *column;
	Aggref	   *aggref;
	SeAggregate agg;			/* of combine(): the one whose states it merges */
	Oid			inputcollid;	/* what the aggregate compares with */
	bool		at_read;		/* the view aggregates kept values: the column
								 * that it reads holds the result */
} SeState;

/* Aggregates with DISTINCT of the same argument and FILTER, see distinct.c. */
typedef struct SeDistinctSet
{
	List	   *states;			/* of SeState */
	Query	   *values;			/* keys and values of a batch */
	char	   *column;			/* of the value */
	Oid			kept;			/* name_distinct */
} SeDistinctSet;

/* A column of the delta beside them: the number of its set, or 0. */
#define SE_DISTINCT_SET "@se_set"

typedef struct SeSplit
{
	List	   *keys;			/* of SeKey */
	List	   *states;			/* of SeState */
	List	   *distinct;		/* of SeDistinctSet */
	List	   *target;			/* the user's columns, join aliases flattened */
	Node	   *having;
	Query	   *delta;			/* keys and bare aggregates; still FROM stream */
	SeKey	   *late_after;		/* the one of lateness.c, or NULL */
	SeKey	   *partition_key;	/* of the state table, or NULL */
	SeKey	   *session_end;	/* a column behind the keys, or NULL */
} SeSplit;

/* Key column of a view without GROUP BY, whose state is one row. */
#define SE_ALL_ROWS_COLUMN "all_rows"

#define refuse(sq, location, ...) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), __VA_ARGS__, \
			 se_plan_position(sq, location)))

/* analyze.c */
extern SeQuery *se_plan_analyze(const char *text);
extern Query *se_plan_analyze_text(const char *text, const Oid *params,
								   int nparams);
extern SeQuery *se_plan_take_apart(const SeViewRequest *request,
								   SeViewPlan *plan, SeSplit **split);
/* Errors that are raised meanwhile point into this text of the user's. */
extern void se_plan_error_text(ErrorContextCallback *callback,
							   const char *text);

/* place.c: finds the streams; refuses a query where one is elsewhere or twice */
extern void se_plan_find_places(SeQuery *sq);
/* Of SePlace: the same in a copy of the query. */
extern List *se_plan_list_places(SeQuery *sq, Query *query);
extern void se_plan_refuse_hidden_streams(SeQuery *sq);

/* batch.c: sq->stream's batch in a copy of the query */
extern void se_plan_put_batch(SeQuery *sq, Query *query);
/* Its column for the select list; NULL in rows of other streams. */
extern Node *se_plan_batch_column(SeQuery *sq, Query *query, Var *column);
/* The same of all streams: their attnos, in the order of sq->streams. */
extern Node *se_plan_batch_columns(SeQuery *sq, Query *query, Var *like,
								   List *attnos);
/* The row of the batch as jsonb, with the columns that it has then. */
extern Node *se_plan_batch_row(SeQuery *sq, Query *query);
/* Is that, in all of the batch's rows, this column and nothing else? */
extern bool se_plan_is_batch_column(SeQuery *sq, Node *expr, AttrNumber attno);
/* For place.c: the query behind an entry of FROM; see there. */
extern List *se_plan_enter(List *levels, const RangeTblEntry *rte);
/* The RangeTblRefs of a tree of set operations. */
extern List *se_plan_list_branches(Node *operation);

/* source.c: a view in the stream's place */
extern void se_plan_use_source(SeQuery *sq, SeViewPlan *plan);
/* The columns of the view that are bounds of its window. */
extern void se_plan_note_bounds(const SeQuery *sq, const SeSplit *split,
								SeViewPlan *plan);

/* behind.c: combine(), and the states that are behind the columns of a view */
typedef struct SeBehind
{
	SeView	   *view;			/* NULL: it is no continuous view */
	Query	   *query;			/* what it reads */
	Query	   *delta;			/* tells the aggregate of each state */
} SeBehind;

extern bool se_plan_is_combine(const Node *node);
extern void se_plan_refuse_inner_combine(SeQuery *sq);
/* Refuses one whose states the current user may not read. */
extern void se_plan_open_behind(Oid relid, SeBehind *behind);
/* What combine() of that column merges: where the view's query has it. */
extern Var *se_plan_state_behind(SeQuery *sq, const Aggref *combine,
								 const SeBehind *behind, AttrNumber attno,
								 SeAggregate *agg);
/* The merged state in the place of a combine(). */
extern Node *se_plan_merge_states(const Aggref *combine,
								  const SeAggregate *agg, Node *state);
/* The aggregate in a column of a delta; NULL: a key. */
extern Aggref *se_plan_delta_aggref(Expr *expr);
/* That one; where the delta merges states, the aggregate that they are of. */
extern void se_plan_load_aggregate(Aggref *aggref, SeAggregate *agg);
/* For a state of the split that is a combine(); refuses what it cannot be of. */
extern void se_plan_use_combine(SeQuery *sq, SeState *state);
/* Lets a query over the batch merge the states instead. */
extern void se_plan_put_states(SeQuery *sq, Query *query);
/* Shows the states that the delta reads behind the columns of a view's query. */
extern bool se_plan_show_states(const SeView *view, Query *query,
								const char *delta_sql);
/* Refuses another query of a view that does not show states which are combined. */
extern void se_plan_keep_shown(Oid view, Oid state, Query *had, Query *wanted);
/* An aggregate of the delta as the user wrote it. */
extern char *se_plan_combine_text(Oid source, Query *delta, Aggref *aggref);

/* refuse.c */
extern void se_plan_refuse_shape(SeQuery *sq);
extern void se_plan_refuse_sources(SeQuery *sq);
extern void se_plan_refuse_grouping(SeQuery *sq);
extern void se_plan_refuse_keys(SeQuery *sq, SeSplit *split);
extern void se_plan_refuse_emit(SeQuery *sq, const SeViewRequest *request,
								const SeSplit *split, bool windowed);
extern void se_plan_refuse_aggregate(SeQuery *sq, Aggref *aggref,
									 const SeAggregate *agg);
extern int	se_plan_position(const SeQuery *sq, int location);

/* analyze.c: is that the extension's function of this name? */
extern bool se_plan_is_ours(Oid fn, const char *name);

/* split.c */
extern SeSplit *se_plan_split(SeQuery *sq);
/* Groups by one more column; the caller puts it into the select list. */
extern SortGroupClause *se_plan_group_by(Query *query, TargetEntry *tle);
/* Other aggregates in its select list: se_aggregate_in_delta or the way back. */
extern void se_plan_put_aggregates(Query *delta, Oid (*translate) (Oid));
/* A query like the delta, with the batch in the stream's place. */
extern char *se_plan_deparse_delta(SeQuery *sq, Query *delta);
/* The same expression seen from so many queries further inside. */
extern Node *se_plan_shift_levels(Node *node, int levels);

/* grouping.c: with grouping sets, GROUPING of all keys is a key too */
extern void se_plan_refuse_equal_sets(SeQuery *sq);
extern bool se_plan_in_every_set(const SeQuery *sq, const SeKey *key);
extern GroupingFunc *se_plan_grouping_of_keys(SeQuery *sq, const List *keys);
/* A GROUPING() of the outermost query as the state table has it. */
extern Node *se_plan_grouping_value(const GroupingFunc *grouping,
									const List *keys);

/* distinct.c: aggregates with DISTINCT */
extern void se_plan_refuse_distinct(SeQuery *sq, Aggref *aggref,
									const SeAggregate *agg);
/* Fills split->distinct; their states in the delta are initial states. */
extern void se_plan_use_distinct(const SeQuery *sq,
								 const SeViewRequest *request, SeSplit *split);
/* Makes their tables; returns the SeDistincts for the catalog. */
extern List *se_plan_make_distinct(const SeViewRequest *request, SeQuery *sq,
								   SeSplit *split, Oid state);
/* The values_sql of these for the batches of sq->stream. */
extern List *se_plan_list_values(SeQuery *sq, const SeSplit *split);
/* The number of its set in split->distinct, or 0. */
extern int	se_plan_distinct_set(const SeSplit *split, const SeState *state);
/* Is that what a delta has in the place of an aggregate with DISTINCT? */
extern bool se_plan_aggregates_nothing(const Aggref *aggref);
/* State table and kept values as one relation for a view of panes. */
extern char *se_plan_state_and_values(const SeSplit *split, Oid state);
extern char *se_plan_aggregate_values(const SeSplit *split,
									  const SeState *state);

/* relations.c */
extern Oid	se_plan_make_state(const SeViewRequest *request, const SeQuery *sq,
							  SeSplit *split);
/* A column's definition and a comma. */
extern void se_plan_append_column(StringInfo buf, const char *name, Oid type,
								  int32 typmod, Oid collation);
/* "k1, k2, more": the group keys; more may be NULL */
extern char *se_plan_key_columns(const SeSplit *split, const char *more);
/*
 * CREATE TABLE, with the columns of the group keys; then the caller's.  In the end
 * the columns that are unique, and how it is stored: partitioned if the state is.
 */
extern void se_plan_begin_table(StringInfo sql, const SeViewRequest *request,
								const char *name, const SeSplit *split);
extern Oid	se_plan_finish_table(StringInfo sql, const SeViewRequest *request,
								 const char *name, const SeSplit *split,
								 const char *unique, const char *options);
/* Lets the table of that name go with the state; returns it. */
extern Oid	se_plan_attach_table(const SeViewRequest *request,
								 const char *name, Oid state);
extern Oid	se_plan_state_type(const SeState *state);
extern Oid	se_plan_make_view(const SeViewRequest *request, SeQuery *sq,
							  SeSplit *split, Oid state);
/* What the view reads: the user's columns from the state table. */
extern char *se_plan_view_select(const SeViewRequest *request, SeQuery *sq,
								 SeSplit *split, Oid state);

/* The types that a polymorphic aggregate is called with, as regtype[]. */
extern Node *se_plan_types_const(const SeAggregate *agg);
/* stream.state_final(agg, state), or the state where that is the result */
extern Node *se_plan_final(const SeAggregate *agg, Node *state,
						   Oid resultcollid, Oid inputcollid);

/* kept.c */
extern char *se_plan_deparse(Query *query, Node *expr);

/* remake.c */
extern void se_plan_remake_view(Oid view, const char *select);

/* windows.c */
extern void se_plan_find_window(SeQuery *sq);
/* Is that group key the window's start (1) or its end (2)?  Else 0. */
extern int	se_plan_key_is_bound(const SeQuery *sq, const SeKey *key);
/* Refuses uses of an overlapping window's bounds that panes cannot answer. */
extern void se_plan_refuse_window_use(SeQuery *sq, SeSplit *split);
/* Lets the delta group by panes where the user's query groups by windows. */
extern void se_plan_use_panes(SeQuery *sq, Query *delta);
/* What the view reads as "s": the state table, or its panes as windows. */
extern char *se_plan_state_source(const SeViewRequest *request, SeQuery *sq,
								  SeSplit *split, Oid state);
/* Where a view merges panes to windows. */
typedef struct SePanes
{
	Query	   *query;			/* the one that has them in its FROM; or NULL */
	FuncExpr   *windows;		/* stream.hop or stream.cumulate of a moment in
								 * the pane */
} SePanes;

/* In a view's query; false: it has none. */
extern bool se_plan_find_panes(Query *query, SePanes *panes);
/* SELECT the end of the last window that the state has. */
extern char *se_plan_ends_sql(const SeQuery *sq, const SeSplit *split);
/* The window's end from the columns of the state table "s". */
extern char *se_plan_window_end(const SeQuery *sq, const SeSplit *split);
extern Const *se_plan_interval_const(const Interval *value);
extern char *se_plan_interval_literal(const Interval *value);
/* What a window function gets behind its time, as text. */
extern char *se_plan_window_arguments(const SeWindow *window);

/* sessions.c */
extern Node *se_plan_min_or_max(const char *name, Node *ts);
extern bool se_plan_has_sessions(const SeQuery *sq);
/* Makes the start of the session the last key, and its end a column. */
extern void se_plan_name_sessions(const SeQuery *sq, SeSplit *split);
/* Lets the delta yield pieces of sessions; what tells them is in its last columns. */
#define SE_PIECE_COLUMNS 3
extern void se_plan_use_sessions(const SeQuery *sq, SeSplit *split);
extern char *se_plan_merge_sessions_sql(const SeQuery *sq,
										const SeSplit *split);
/* True in SQL when no open session of the group in "row" has ts in it. */
extern char *se_plan_in_no_session(const SeQuery *sq, const SeSplit *split,
								   const char *row, const char *ts);

/* ttl.c */
/* At least as long as a window of that size, in microseconds. */
extern int64 se_plan_longest(const Interval *size);
extern void se_plan_use_ttl(SeQuery *sq, const SeViewRequest *request,
							SeSplit *split, SeViewPlan *plan);

/* lateness.c */
/* The time that the window function was given. */
extern Node *se_plan_window_time(const SeQuery *sq);
/* $1 of the delta, the moment up to which windows are closed, in this type. */
extern const char *se_plan_closed_to_text(Oid type);
extern Node *se_plan_closed_to_expr(Oid type);
/* Any parameter that is a timestamptz, in this type. */
extern Node *se_plan_moment_expr(int number, Oid type);
/* SELECT the start of the first window that ends after $1, as timestamptz. */
extern char *se_plan_open_from_text(const SeQuery *sq);
/* Is this time in an open window, or in one of its own?  Contains a sub-select. */
extern Node *se_plan_in_time_expr(const SeQuery *sq, Node *ts);
/* Is one of the window's bounds a group key? */
extern bool se_plan_is_windowed(const SeQuery *sq, const SeSplit *split);
/* Lets the delta leave rows out that come late; fills the sources' late_sql. */
extern void se_plan_drop_late(SeQuery *sq, SeSplit *split, SeViewPlan *plan);
/* One of the streams that has none, or InvalidOid. */
extern Oid	se_plan_without_watermark(const SeViewRequest *request);
/* True in SQL when the window that ends there is closed. */
extern char *se_plan_closed_condition(const SeQuery *sq,
									  const SeViewRequest *request,
									  Oid state, const char *window_end);
/*
 * True in SQL until state_ttl lets the window go: its first panes may leave before
 * the last ones.
 */
extern char *se_plan_stays_condition(const SeQuery *sq,
									 const SeViewRequest *request, Oid state,
									 const char *window_end);
extern Oid	se_plan_make_late_rows(const SeViewRequest *request,
								   const SeQuery *sq, Oid state);

/* merge.c */
extern char *se_plan_aggregate_literal(const SeAggregate *agg);
extern char *se_plan_types_array(const SeAggregate *agg);
extern char *se_plan_merge_sql(const SeQuery *sq, const SeSplit *split);

#endif							/* SE_PLAN_QUERY_H */
