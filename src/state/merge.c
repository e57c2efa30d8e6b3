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

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "executor/execPartition.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "merge.h"

#define BUFFERED 1000			/* new groups inserted at a time */

/* The state table, or one of its partitions. */
typedef struct Target
{
	ResultRelInfo *rel;
	IndexInfo  *keys;			/* of the unique index on the groups' keys */
	IndexScanDesc scan;			/* in that index */
	ScanKeyData scan_keys[INDEX_MAX_KEYS];
	bool		is_heap;
	Size		room;			/* free bytes below which a heap's page is pruned */
	TupleTableSlot *existing;
	TupleTableSlot *fresh[BUFFERED];	/* new groups, made when needed */
	int			n_fresh;
} Target;

typedef struct Merge
{
	ModifyTableState *node;
	EState	   *estate;
	List	   *targets;		/* of Target */
	MemoryContext flush_context;
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

/* ---- looking for a group ---- */

static Relation
find_key_index(ResultRelInfo *rel, IndexInfo **info)
{
	Oid			arbiter = linitial_oid(rel->ri_onConflictArbiterIndexes);

	for (int i = 0; i < rel->ri_NumIndices; i++)
	{
		Relation	index = rel->ri_IndexRelationDescs[i];

		if (RelationGetRelid(index) != arbiter)
			continue;
		*info = rel->ri_IndexRelationInfo[i];
		if (index->rd_rel->relam == BTREE_AM_OID &&
			(*info)->ii_Expressions == NIL && (*info)->ii_Predicate == NIL)
			return index;
	}
	elog(ERROR, "relation \"%s\" has no unique index on a view's keys",
		 RelationGetRelationName(rel->ri_RelationDesc));
}

static void
begin_scan(Merge *merge, Target *target, Relation index)
{
	IndexInfo  *keys = target->keys;

	for (int i = 0; i < keys->ii_NumIndexKeyAttrs; i++)
		ScanKeyEntryInitialize(&target->scan_keys[i], 0, i + 1,
							   keys->ii_UniqueStrats[i], InvalidOid,
							   index->rd_indcollation[i],
							   keys->ii_UniqueProcs[i], (Datum) 0);
	target->scan = index_beginscan(target->rel->ri_RelationDesc, index,
								   merge->estate->es_snapshot,
								   keys->ii_NumIndexKeyAttrs, 0);
}

/*
 * What an index scan does for a heap, but for pruning the page whenever the
 * fillfactor would have it: that is for the room which an update needs, and there is
 * some until the page is nearly full.
 */
static bool
next_in_heap(Target *target)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) target->existing;
	HeapTuple	tuple = &slot->base.tupdata;
	Relation	rel = target->rel->ri_RelationDesc;
	IndexScanDesc scan = target->scan;
	ItemPointer tid;

	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		Page		page = BufferGetPage(buffer);
		bool		all_dead = false;
		bool		found;

		/* looked at without a lock, as heap_page_prune_opt() does */
		if (PageIsFull(page) || PageGetHeapFreeSpace(page) < target->room)
			heap_page_prune_opt(rel, buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = heap_hot_search_buffer(tid, rel, buffer, scan->xs_snapshot,
									   tuple, &all_dead, true);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (found)
		{
			ExecStorePinnedBufferHeapTuple(tuple, target->existing, buffer);
			target->room = Max(target->room, 2 * MAXALIGN(tuple->t_len));
			return true;
		}
		ReleaseBuffer(buffer);
		scan->kill_prior_tuple = all_dead;
	}
	return false;
}

/* Puts the group's row into target->existing, if there is one. */
static bool
find_group(Target *target, TupleTableSlot *row)
{
	for (int i = 0; i < target->keys->ii_NumIndexKeyAttrs; i++)
	{
		ScanKey		key = &target->scan_keys[i];
		bool		isnull;

		key->sk_argument = slot_getattr(row,
										target->keys->ii_IndexAttrNumbers[i],
										&isnull);
		/* NULLs are equal, as in GROUP BY */
		key->sk_flags = isnull ? SK_ISNULL | SK_SEARCHNULL : 0;
	}
	index_rescan(target->scan, target->scan_keys,
				 target->keys->ii_NumIndexKeyAttrs, NULL, 0);
	return target->is_heap ? next_in_heap(target) :
		index_getnext_slot(target->scan, ForwardScanDirection,
						   target->existing);
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
	target->is_heap =
		rel->ri_RelationDesc->rd_tableam == GetHeapamTableAmRoutine();
	target->room = BLCKSZ / 10;
	begin_scan(merge, target, find_key_index(rel, &target->keys));
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
		ExecClearTuple(target->fresh[i]);
	}
	target->n_fresh = 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(merge->flush_context);
}

static void
insert_group(Merge *merge, Target *target, TupleTableSlot *row)
{
	TupleTableSlot **fresh = &target->fresh[target->n_fresh];

	if (*fresh == NULL)
		*fresh = table_slot_create(target->rel->ri_RelationDesc,
								   &merge->estate->es_tupleTable);
	ExecCopySlot(*fresh, row);
	check_row(merge, target, *fresh);
	if (++target->n_fresh == BUFFERED)
		flush(merge, target);
}

/* DO UPDATE SET ... WHERE ... of the row found. */
static void
update_group(Merge *merge, Target *target, TupleTableSlot *row)
{
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
}

static void
merge_row(Merge *merge, TupleTableSlot *row)
{
	Target	   *target = route(merge, &row);

	if (find_group(target, row))
	{
		update_group(merge, target, row);
		ExecClearTuple(target->existing);
	}
	else
		insert_group(merge, target, row);
}

bool
se_merge_directly(QueryDesc *query)
{
	Merge		merge = {(ModifyTableState *) query->planstate, query->estate};
	MemoryContext old;
	ListCell   *lc;

	if (!IsA(query->planstate, ModifyTableState) || !is_possible(merge.node))
		return false;
	old = MemoryContextSwitchTo(query->estate->es_query_cxt);
	merge.flush_context = AllocSetContextCreate(CurrentMemoryContext,
												"stream_ext merge",
												ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		TupleTableSlot *row;

		CHECK_FOR_INTERRUPTS();
		ResetPerTupleExprContext(query->estate);
		row = ExecProcNode(outerPlanState(merge.node));
		if (TupIsNull(row))
			break;
		merge_row(&merge, row);
		query->estate->es_processed++;
	}
	foreach(lc, merge.targets)
	{
		Target	   *target = lfirst(lc);

		if (target->n_fresh > 0)
			flush(&merge, target);
		index_endscan(target->scan);
	}
	MemoryContextSwitchTo(old);
	return true;
}
