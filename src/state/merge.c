/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  The merge statement of a view, run for many groups by a shorter way.
 *
 * For each row INSERT ... ON CONFLICT DO UPDATE looks into the index whether
 * the group is there, inserts it speculatively, under a heavyweight lock of its
 * own, and looks again; or it locks the row, with a WAL record, and updates it.
 * That is for statements that run into each other.  When a worker knows that
 * nobody else merges into the state until it commits (SE_MERGE_LOCK), one look
 * per group is enough:
 *
 *		found		UPDATE with the expressions of DO UPDATE SET
 *		not found	into a buffer; table_multi_insert when that is full
 *
 * Of a view with millions of groups each row is on a page of its own, and most
 * of the time would be spent waiting for memory.  So rows are collected, thousands
 * at a time, and merged in the order of the places where their groups are
 * remembered to be (locator.c); and while some are merged, the pages and the rows of the
 * next are loaded: a block of rows at a time, one step for all of them before the next
 * step.  Loads that follow each other closely overlap, down to the look-up of their
 * addresses in page tables that no cache holds; what lies between them (locks, above all)
 * would wait for each.
 *
 * The statement is PostgreSQL's: planned and started as usual, with its checks
 * of privileges, its routing to partitions and its expressions.  Only the loop
 * of its ModifyTable node is run here.  What else that node would have to
 * do (triggers, generated columns, row level security, foreign partitions) is
 * not: then se_merge_directly() refuses.
 *
 * Users may write to a state table all the same.  If they change a row between
 * the snapshot and our update, or insert a group that we are about to insert,
 * an error ends the batch and it comes again.
 *
 * Crash: everything is in the caller's one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "catalog/pg_class.h"
#include "executor/execPartition.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partdesc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "find.h"
#include "merge.h"

#define BUFFERED 1000			/* new groups inserted at a time */
#define NUMBER_BITS 16
#define WAITING (1 << NUMBER_BITS)	/* rows that are put in order at a time */
#define DIGIT_BITS 11			/* of a block's number, by which they are sorted */
#define BLOCK 16				/* rows whose memory is loaded together */

/* The state table, or one of its partitions. */
typedef struct Target
{
	ResultRelInfo *rel;
	SeFinder   *finder;
	TupleTableSlot *existing;	/* the row that it found */
	TupleTableSlot *fresh[BUFFERED];	/* new groups, made when needed */
	uint32		fresh_hash[BUFFERED];
	int			n_fresh;
} Target;

/* A row of the plan that waits to be merged. */
typedef struct Waiting
{
	MinimalTuple row;
	Target	   *target;
	uint32		hash;			/* of its group in that table */
	SeLocation	at;				/* where the group may be */
} Waiting;

typedef struct Merge
{
	ModifyTableState *node;
	EState	   *estate;
	SeLocator  *locator;
	List	   *targets;		/* of Target */
	MemoryContext flush_context;
	MemoryContext rows_context; /* copies of rows that wait */
	Waiting    *waiting;
	uint64	   *order;			/* pages, and numbers in waiting */
	uint64	   *other_order;	/* room for sorting it */
	TupleTableSlot *taken;		/* a row of the plan, as it is copied */
	TupleTableSlot *row;		/* one that waits */
	uint64		n_located;		/* rows of groups that were where they had been */
	uint64		n_missed;		/* and of others that were there */
} Merge;

/* ---- what this file can do ---- */

static bool
is_plain_table(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		result = form->relkind == RELKIND_RELATION && !form->relhastriggers;
		ReleaseSysCache(tuple);
	}
	return result;
}

static bool
are_plain_tables(Relation rel)
{
	PartitionDesc parts;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return is_plain_table(RelationGetRelid(rel));
	if (rel->rd_rel->relhastriggers)
		return false;
	parts = RelationGetPartitionDesc(rel, true);
	for (int i = 0; i < parts->nparts; i++)
		if (!is_plain_table(parts->oids[i]))
			return false;
	return true;
}

/* Do the rows of its subplan have the columns of the table, and no others? */
static bool
yields_rows_of_table(ModifyTable *plan, TupleDesc desc)
{
	List	   *target = outerPlan(plan)->targetlist;
	ListCell   *lc;

	foreach(lc, target)
		if (lfirst_node(TargetEntry, lc)->resjunk)
			return false;
	return list_length(target) == desc->natts;
}

static bool
is_possible(ModifyTableState *node)
{
	ModifyTable *plan = (ModifyTable *) node->ps.plan;
	ResultRelInfo *root = node->rootResultRelInfo;
	Relation	rel = root->ri_RelationDesc;

	return node->operation == CMD_INSERT &&
		plan->onConflictAction == ONCONFLICT_UPDATE &&
		root->ri_WithCheckOptions == NIL && root->ri_projectReturning == NULL &&
		!(rel->rd_att->constr && rel->rd_att->constr->has_generated_stored) &&
		yields_rows_of_table(plan, rel->rd_att) && are_plain_tables(rel);
}

/* ---- tables ---- */

static Target *
find_target(Merge *merge, ResultRelInfo *rel)
{
	Target	   *target;
	ListCell   *lc;

	foreach(lc, merge->targets)
	{
		target = lfirst(lc);
		if (target->rel == rel)
			return target;
	}
	/* those of partitions are open */
	if (rel->ri_IndexRelationDescs == NULL)
		ExecOpenIndices(rel, true);
	target = palloc0(sizeof(Target));
	target->rel = rel;
	target->existing = rel->ri_onConflict->oc_Existing;
	target->finder = se_finder_open(rel, target->existing,
									merge->estate->es_snapshot, merge->locator);
	merge->targets = lcons(target, merge->targets);
	return target;
}

/* The table that the row belongs to; *row gets that table's row type. */
static Target *
route(Merge *merge, TupleTableSlot **row)
{
	ModifyTableState *node = merge->node;
	ResultRelInfo *rel = node->resultRelInfo;
	TupleConversionMap *map;

	if (node->mt_partition_tuple_routing)
	{
		rel = ExecFindPartition(node, node->rootResultRelInfo,
								node->mt_partition_tuple_routing, *row,
								merge->estate);
		map = se_root_to_child_map(rel, merge->estate);
		if (map != NULL)
			*row = execute_attr_map_slot(map->attrMap, *row,
										 rel->ri_PartitionTupleSlot);
	}
	return find_target(merge, rel);
}

/* ---- writing ---- */

static void
check_row(Merge *merge, Target *target, TupleTableSlot *row)
{
	Relation	rel = target->rel->ri_RelationDesc;

	row->tts_tableOid = RelationGetRelid(rel);
	if (rel->rd_att->constr)
		ExecConstraints(target->rel, row, merge->estate);
}

static void
flush(Merge *merge, Target *target)
{
	MemoryContext old = MemoryContextSwitchTo(merge->flush_context);

	table_multi_insert(target->rel->ri_RelationDesc, target->fresh,
					   target->n_fresh, merge->estate->es_output_cid, 0, NULL);
	for (int i = 0; i < target->n_fresh; i++)
	{
		ResetPerTupleExprContext(merge->estate);
		se_insert_index_tuples(target->rel, target->fresh[i], merge->estate,
							   false, SE_ALL_INDEXES);
		se_finder_remember(target->finder, target->fresh_hash[i], NULL,
						   &target->fresh[i]->tts_tid);
		ExecClearTuple(target->fresh[i]);
	}
	target->n_fresh = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(merge->flush_context);
}

static void
insert_group(Merge *merge, Target *target, TupleTableSlot *row, uint32 hash)
{
	TupleTableSlot **fresh = &target->fresh[target->n_fresh];

	if (*fresh == NULL)
		*fresh = table_slot_create(target->rel->ri_RelationDesc,
								   &merge->estate->es_tupleTable);
	ExecCopySlot(*fresh, row);
	check_row(merge, target, *fresh);
	target->fresh_hash[target->n_fresh] = hash;
	if (++target->n_fresh == BUFFERED)
		flush(merge, target);
}

/* DO UPDATE SET ... WHERE ... of the row found. */
static void
update_group(Merge *merge, const Waiting *it, TupleTableSlot *row)
{
	Target	   *target = it->target;
	OnConflictSetState *set = target->rel->ri_onConflict;
	ExprContext *econtext = merge->node->ps.ps_ExprContext;
	ItemPointerData tid = target->existing->tts_tid;
	TM_FailureData failure;
	LockTupleMode mode;
	SeUpdateIndexes indexes;

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = target->existing;
	econtext->ecxt_innertuple = row;
	econtext->ecxt_outertuple = NULL;
	if (!ExecQual(set->oc_WhereClause, econtext))
		return;
	ExecProject(set->oc_ProjInfo);
	check_row(merge, target, set->oc_ProjSlot);
	if (table_tuple_update(target->rel->ri_RelationDesc, &tid, set->oc_ProjSlot,
						   merge->estate->es_output_cid,
						   merge->estate->es_snapshot, InvalidSnapshot, true,
						   &failure, &mode, &indexes) != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a group of \"%s\" was changed by someone else",
						RelationGetRelationName(target->rel->ri_RelationDesc)),
				 errdetail("The batch comes again.")));
	if (indexes != SE_NO_INDEXES)
	{
		ResetPerTupleExprContext(merge->estate);
		se_insert_index_tuples(target->rel, set->oc_ProjSlot, merge->estate,
							   true, indexes);
	}
	se_finder_remember(target->finder, it->hash, &it->at,
					   &set->oc_ProjSlot->tts_tid);
}

/* ---- rows that wait ---- */

/*
 * Is the row one of the delta, as it lies in the memory of its tuplestore?  There it
 * stays.
 */
static bool
stays(PlanState *plan, TupleTableSlot *row)
{
	return IsA(plan, NamedTuplestoreScanState) &&
		TTS_IS_MINIMALTUPLE(row) && !TTS_SHOULDFREE(row);
}

/* A copy of a row, which may have columns more than the table. */
static MinimalTuple
copy_row(Merge *merge, TupleTableSlot *from)
{
	TupleTableSlot *row = merge->taken;
	int			n = row->tts_tupleDescriptor->natts;
	MinimalTuple copy;
	MemoryContext old;

	slot_getsomeattrs(from, n);
	ExecClearTuple(row);
	memcpy(row->tts_values, from->tts_values, n * sizeof(Datum));
	memcpy(row->tts_isnull, from->tts_isnull, n * sizeof(bool));
	ExecStoreVirtualTuple(row);
	old = MemoryContextSwitchTo(merge->rows_context);
	copy = ExecCopySlotMinimalTuple(row);
	MemoryContextSwitchTo(old);
	return copy;
}

static void
take_row(Merge *merge, Waiting *it, PlanState *plan, TupleTableSlot *from)
{
	TupleTableSlot *row = merge->row;

	it->row = stays(plan, from) ? ExecFetchSlotMinimalTuple(from, NULL) :
		copy_row(merge, from);
	ExecStoreMinimalTuple(it->row, row, false);
	it->target = route(merge, &row);
	it->hash = se_finder_hash(it->target->finder, row);
}

/* Looks up where the rows from first on may be; those from next on are loaded for it. */
static void
locate(Merge *merge, int first, int next, int n)
{
	for (int i = next; i < n; i++)
		se_locator_prefetch(merge->locator, merge->waiting[i].hash);
	for (int i = first; i < next; i++)
	{
		Waiting    *it = &merge->waiting[i];

		se_finder_locate(it->target->finder, it->hash, &it->at);
	}
}

/* Returns how many; *more: there are others behind them. */
static int
take_rows(Merge *merge, PlanState *plan, bool *more)
{
	Size		room = work_mem * (Size) 1024;
	int			n = 0;
	int			located = 0;

	*more = true;
	while (*more && n < WAITING && room > 0)
	{
		TupleTableSlot *row;

		CHECK_FOR_INTERRUPTS();
		ResetPerTupleExprContext(merge->estate);
		row = ExecProcNode(plan);
		*more = !TupIsNull(row);
		if (!*more)
			break;
		take_row(merge, &merge->waiting[n], plan, row);
		room -= Min(room, merge->waiting[n].row->t_len);
		if (++n % BLOCK == 0)
		{
			locate(merge, located, n - BLOCK, n);
			located = n - BLOCK;
		}
	}
	locate(merge, located, n, n);
	return n;
}

/* One pass of a radix sort, which keeps the order of equal digits. */
static void
sort_by_digit(const uint64 *from, uint64 *to, int n, int shift)
{
	uint32		ends[1 << DIGIT_BITS] = {0};
	uint32		sum = 0;

	for (int i = 0; i < n; i++)
		ends[(from[i] >> shift) & ((1 << DIGIT_BITS) - 1)]++;
	for (int d = 0; d < 1 << DIGIT_BITS; d++)
	{
		sum += ends[d];
		ends[d] = sum;
	}
	for (int i = n - 1; i >= 0; i--)
		to[--ends[(from[i] >> shift) & ((1 << DIGIT_BITS) - 1)]] = from[i];
}

/* By their pages, and those behind them that have none, as they came. */
static void
put_in_order(Merge *merge, int n)
{
	for (int i = 0; i < n; i++)
	{
		const ItemPointerData *tid = &merge->waiting[i].at.tid;
		BlockNumber block = ItemPointerIsValid(tid) ?
			ItemPointerGetBlockNumber(tid) : InvalidBlockNumber;

		merge->order[i] = (uint64) block << NUMBER_BITS | i;
	}
	for (int shift = NUMBER_BITS; shift < NUMBER_BITS + 32; shift += DIGIT_BITS)
	{
		uint64	   *from = merge->order;

		sort_by_digit(from, merge->other_order, n, shift);
		merge->order = merge->other_order;
		merge->other_order = from;
	}
}

/* ---- merging them ---- */

static void
load_waiting(Merge *merge, Waiting *it)
{
	se_prefetch_memory(it);
}

static void
find_page(Merge *merge, Waiting *it)
{
	if (ItemPointerIsValid(&it->at.tid))
		se_locator_find_page(it->target->rel->ri_RelationDesc, &it->at);
}

static void
load_page(Merge *merge, Waiting *it)
{
	se_prefetch_memory(it->row);
	se_locator_prefetch_page(&it->at);
}

static void
load_row(Merge *merge, Waiting *it)
{
	se_locator_prefetch_row(&it->at);
}

static void
load_place(Merge *merge, Waiting *it)
{
	se_locator_prefetch_entry(merge->locator, it->hash, &it->at);
}

static void
merge_row(Merge *merge, Waiting *it)
{
	TupleTableSlot *row = merge->row;
	bool		located;

	ResetPerTupleExprContext(merge->estate);
	ExecStoreMinimalTuple(it->row, row, false);
	(void) route(merge, &row);
	if (se_finder_find(it->target->finder, row, &it->at, &located))
	{
		merge->n_missed += !located;
		update_group(merge, it, row);
		ExecClearTuple(it->target->existing);
	}
	else
		insert_group(merge, it->target, row, it->hash);
	merge->n_located += located;
	merge->estate->es_processed++;
}

/* The rows of this block, as they are put in order, take a step. */
static void
step(Merge *merge, int block, int n, void (*take) (Merge *, Waiting *))
{
	int			end = Min(n, (block + 1) * BLOCK);

	for (int i = Max(0, block * BLOCK); i < end; i++)
		take(merge, &merge->waiting[merge->order[i] & (WAITING - 1)]);
}

static void
merge_waiting(Merge *merge, int n)
{
	for (int block = -3; block * BLOCK < n; block++)
	{
		CHECK_FOR_INTERRUPTS();
		step(merge, block + 3, n, load_waiting);
		step(merge, block + 2, n, find_page);
		step(merge, block + 2, n, load_page);
		step(merge, block + 1, n, load_row);
		step(merge, block + 1, n, load_place);
		step(merge, block, n, merge_row);
	}
	ExecClearTuple(merge->row);
	MemoryContextReset(merge->rows_context);
}

/*
 * The statement sorts its rows so that writers who wait for each other do it in
 * the same order, and to go through the index.  Nobody else writes now; if the index
 * is hardly asked either, the rows are taken as they are.
 */
static PlanState *
without_sort(PlanState *plan)
{
	PlanState  *below = plan;
	ListCell   *lc;

	/* drops columns by which rows are sorted, which come last */
	if (IsA(plan, SubqueryScanState) && plan->qual == NULL)
	{
		foreach(lc, plan->plan->targetlist)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, lc);

			if (!IsA(tle->expr, Var) ||
				((Var *) tle->expr)->varattno != tle->resno)
				return plan;
		}
		below = ((SubqueryScanState *) plan)->subplan;
	}
	return IsA(below, SortState) ? outerPlanState(below) : plan;
}

static void
merge_rows(Merge *merge)
{
	PlanState  *plan = outerPlanState(merge->node);
	bool		more = true;

	if (se_locator_is_warm(merge->locator))
		plan = without_sort(plan);
	while (more)
	{
		int			n = take_rows(merge, plan, &more);

		put_in_order(merge, n);
		merge_waiting(merge, n);
	}
	se_locator_note(merge->locator, merge->n_located, merge->n_missed,
					merge->estate->es_processed);
}

static void
start(Merge *merge)
{
	TupleDesc	desc =
		RelationGetDescr(merge->node->rootResultRelInfo->ri_RelationDesc);

	merge->flush_context = AllocSetContextCreate(CurrentMemoryContext,
												 "stream_ext merge",
												 ALLOCSET_DEFAULT_SIZES);
	merge->rows_context = AllocSetContextCreate(CurrentMemoryContext,
												"stream_ext rows to merge",
												ALLOCSET_DEFAULT_SIZES);
	merge->waiting = palloc(sizeof(Waiting) * WAITING);
	merge->order = palloc(sizeof(uint64) * WAITING);
	merge->other_order = palloc(sizeof(uint64) * WAITING);
	merge->taken = ExecInitExtraTupleSlot(merge->estate, desc, &TTSOpsVirtual);
	merge->row = ExecInitExtraTupleSlot(merge->estate, desc,
										&TTSOpsMinimalTuple);
}

bool
se_merge_directly(QueryDesc *query, SeLocator *locator)
{
	Merge		merge = {.node = (ModifyTableState *) query->planstate,
		.estate = query->estate,.locator = locator};
	MemoryContext old;
	ListCell   *lc;

	if (!IsA(query->planstate, ModifyTableState) || !is_possible(merge.node))
		return false;
	old = MemoryContextSwitchTo(query->estate->es_query_cxt);
	start(&merge);
	merge_rows(&merge);
	foreach(lc, merge.targets)
	{
		Target	   *target = lfirst(lc);

		if (target->n_fresh > 0)
			flush(&merge, target);
		se_finder_close(target->finder);
	}
	MemoryContextSwitchTo(old);
	return true;
}
