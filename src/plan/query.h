/*-------------------------------------------------------------------------
 *
 * query.h
 *	  What the files of plan/ hand to each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_PLAN_QUERY_H
#define SE_PLAN_QUERY_H

#include "nodes/parsenodes.h"

#include "aggregate/aggregate.h"
#include "plan.h"

/* The user's query, analysed in his search_path, not rewritten. */
typedef struct SeQuery
{
	const char *text;
	Query	   *query;
	Oid			stream;			/* InvalidOid: not looked for yet */
	Index		stream_rti;		/* its place in the range table */
} SeQuery;

/* A group key: a column of the state table. */
typedef struct SeKey
{
	char	   *column;
	TargetEntry *tle;			/* its expression has no join aliases */
	SortGroupClause *clause;
} SeKey;

/* A distinct aggregate: a column of the state table. */
typedef struct SeState
{
	char	   *column;
	Aggref	   *aggref;
	SeAggregate agg;
} SeState;

typedef struct SeSplit
{
	List	   *keys;			/* of SeKey */
	List	   *states;			/* of SeState */
	List	   *target;			/* the user's columns, join aliases flattened */
	Node	   *having;
	Query	   *delta;			/* keys and bare aggregates; still FROM stream */
} SeSplit;

/* Key column of a view without GROUP BY, whose state is one row. */
#define SE_ALL_ROWS_COLUMN "all_rows"

/* analyze.c */
extern SeQuery *se_plan_analyze(const char *text);
extern void se_plan_find_in_from(SeQuery *sq);

/* refuse.c */
extern void se_plan_refuse_shape(SeQuery *sq);
extern void se_plan_refuse_hidden_streams(SeQuery *sq);
extern void se_plan_refuse_sources(SeQuery *sq);
extern void se_plan_refuse_grouping(SeQuery *sq);
extern void se_plan_refuse_keys(SeQuery *sq, SeSplit *split);
extern void se_plan_refuse_aggregate(SeQuery *sq, Aggref *aggref,
									 const SeAggregate *agg);
extern int	se_plan_position(const SeQuery *sq, int location);

/* split.c */
extern SeSplit *se_plan_split(SeQuery *sq);
extern char *se_plan_delta_sql(SeQuery *sq, SeSplit *split);

/* relations.c */
extern Oid	se_plan_make_state(const SeViewRequest *request, SeSplit *split);
extern Oid	se_plan_make_view(const SeViewRequest *request, SeSplit *split,
							  Oid state);

/* merge.c */
extern char *se_plan_merge_sql(SeSplit *split, Oid state);

#endif							/* SE_PLAN_QUERY_H */
