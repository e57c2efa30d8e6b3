/*-------------------------------------------------------------------------
 *
 * find.c
 *	  The row of a group in a state table: where it was when it was last
 *	  written, or else by the unique index on the keys.
 *
 * What the locator remembers of a heap's row is the row itself, not the line
 * pointer that the index has: so there is no chain of versions to go along.  It is
 * believed if a row is there that the snapshot sees, with keys that are the same
 * byte by byte.  Such a row is the group's, since there is one per group.  Equal
 * keys of other bytes (1.0 and 1.00, or text in a collation of the user's) are left to
 * the index.
 *
 * Nothing is written; a crash leaves nothing behind.
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
#include "catalog/pg_am.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "find.h"

struct SeFinder
{
	ResultRelInfo *table;
	IndexInfo  *keys;			/* of the unique index on the groups' keys */
	IndexScanDesc scan;			/* in that index */
	ScanKeyData scan_keys[INDEX_MAX_KEYS];
	bool		is_heap;
	Size		room;			/* of two rows: with less a heap's page is pruned */
	BlockNumber blocks;			/* that the table had */
	SeLocator  *locator;
	TupleTableSlot *existing;
};

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

SeFinder *
se_finder_open(ResultRelInfo *table, TupleTableSlot *existing,
			   Snapshot snapshot, SeLocator *locator)
{
	SeFinder   *finder = palloc0(sizeof(SeFinder));
	Relation	rel = table->ri_RelationDesc;
	Relation	index = find_key_index(table, &finder->keys);
	IndexInfo  *keys = finder->keys;

	finder->table = table;
	finder->existing = existing;
	finder->locator = locator;
	finder->is_heap = rel->rd_tableam == GetHeapamTableAmRoutine();
	finder->room = 2 * MAXALIGN(SizeofHeapTupleHeader);
	finder->blocks = RelationGetNumberOfBlocks(rel);
	for (int i = 0; i < keys->ii_NumIndexKeyAttrs; i++)
		ScanKeyEntryInitialize(&finder->scan_keys[i], 0, i + 1,
							   keys->ii_UniqueStrats[i], InvalidOid,
							   index->rd_indcollation[i],
							   keys->ii_UniqueProcs[i], (Datum) 0);
	finder->scan = index_beginscan(rel, index, snapshot,
								   keys->ii_NumIndexKeyAttrs, 0);
	return finder;
}

void
se_finder_close(SeFinder *finder)
{
	index_endscan(finder->scan);
}

/* ---- rows of a heap ---- */

/* The row at this line pointer, if it is one that the snapshot sees. */
static bool
read_row(SeFinder *finder, ItemPointer tid, Buffer buffer, HeapTuple tuple)
{
	Page		page = BufferGetPage(buffer);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	ItemId		item;

	if (offset > PageGetMaxOffsetNumber(page))
		return false;
	item = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(item))
		return false;
	tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple->t_len = ItemIdGetLength(item);
	tuple->t_tableOid = RelationGetRelid(finder->table->ri_RelationDesc);
	tuple->t_self = *tid;
	return HeapTupleSatisfiesVisibility(tuple, finder->scan->xs_snapshot,
										buffer);
}

/*
 * Puts a row of this page into the slot: with all_dead that of the chain that begins
 * at this line pointer, else the very one.  The page is pinned, for the slot now.
 *
 * It does what an index scan does for a heap, but for pruning the page whenever
 * the fillfactor would have it, or a tenth of it is all that is free: that is for the
 * room which an update needs, and there is some until the page is full.
 */
static bool
fetch(SeFinder *finder, ItemPointerData tid, Buffer buffer, bool *all_dead)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) finder->existing;
	HeapTuple	tuple = &slot->base.tupdata;
	Relation	rel = finder->table->ri_RelationDesc;
	Page		page = BufferGetPage(buffer);
	bool		found;

	/* looked at without a lock, as heap_page_prune_opt() does */
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < finder->room)
		heap_page_prune_opt(rel, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = all_dead ?
		heap_hot_search_buffer(&tid, rel, buffer, finder->scan->xs_snapshot,
							   tuple, all_dead, true) :
		read_row(finder, &tid, buffer, tuple);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (found)
	{
		ExecStorePinnedBufferHeapTuple(tuple, finder->existing, buffer);
		finder->room = Max(finder->room, 2 * MAXALIGN(tuple->t_len));
	}
	else
		ReleaseBuffer(buffer);
	return found;
}

/* ---- by the index ---- */

static bool
next_in_heap(SeFinder *finder)
{
	IndexScanDesc scan = finder->scan;
	ItemPointer tid;

	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		bool		all_dead = false;
		Buffer		buffer = ReadBuffer(finder->table->ri_RelationDesc,
										ItemPointerGetBlockNumber(tid));

		if (fetch(finder, *tid, buffer, &all_dead))
			return true;
		scan->kill_prior_tuple = all_dead;
	}
	return false;
}

static bool
find_in_index(SeFinder *finder, TupleTableSlot *row)
{
	IndexInfo  *keys = finder->keys;

	for (int i = 0; i < keys->ii_NumIndexKeyAttrs; i++)
	{
		ScanKey		key = &finder->scan_keys[i];
		bool		isnull;

		key->sk_argument = slot_getattr(row, keys->ii_IndexAttrNumbers[i],
										&isnull);
		/* NULLs are equal, as in GROUP BY */
		key->sk_flags = isnull ? SK_ISNULL | SK_SEARCHNULL : 0;
	}
	index_rescan(finder->scan, finder->scan_keys, keys->ii_NumIndexKeyAttrs,
				 NULL, 0);
	return finder->is_heap ? next_in_heap(finder) :
		index_getnext_slot(finder->scan, ForwardScanDirection,
						   finder->existing);
}

/* ---- by its place ---- */

uint32
se_finder_hash(SeFinder *finder, TupleTableSlot *row)
{
	TupleDesc	desc = row->tts_tupleDescriptor;
	uint32		result = RelationGetRelid(finder->table->ri_RelationDesc);

	for (int i = 0; i < finder->keys->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber	attno = finder->keys->ii_IndexAttrNumbers[i];
		Form_pg_attribute att = TupleDescAttr(desc, attno - 1);
		bool		isnull;
		Datum		value = slot_getattr(row, attno, &isnull);
		uint32		hash = isnull ? 0 :
			datum_image_hash(value, att->attbyval, att->attlen);

		result = murmurhash32(hash_combine(result, hash));
	}
	return result;
}

void
se_finder_locate(SeFinder *finder, uint32 hash, SeLocation *at)
{
	if (!finder->is_heap || !se_locator_find(finder->locator, hash, at) ||
		ItemPointerGetBlockNumberNoCheck(&at->tid) >= finder->blocks)
		ItemPointerSetInvalid(&at->tid);
	at->buffer = InvalidBuffer;
}

/* Is the row that was found where the group had been that of the group? */
static bool
is_same_group(SeFinder *finder, TupleTableSlot *row)
{
	TupleDesc	desc = row->tts_tupleDescriptor;

	for (int i = 0; i < finder->keys->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber	attno = finder->keys->ii_IndexAttrNumbers[i];
		Form_pg_attribute att = TupleDescAttr(desc, attno - 1);
		bool		null1;
		bool		null2;
		Datum		value1 = slot_getattr(row, attno, &null1);
		Datum		value2 = slot_getattr(finder->existing, attno, &null2);

		if (null1 != null2 ||
			(!null1 && !datum_image_eq(value1, value2, att->attbyval,
									   att->attlen)))
			return false;
	}
	return true;
}

bool
se_finder_find(SeFinder *finder, TupleTableSlot *row, const SeLocation *at,
			   bool *located)
{
	*located = false;
	if (ItemPointerIsValid(&at->tid) &&
		fetch(finder, at->tid,
			  se_locator_read_page(finder->table->ri_RelationDesc, at), NULL))
	{
		*located = is_same_group(finder, row);
		if (*located)
			return true;
		ExecClearTuple(finder->existing);
	}
	return find_in_index(finder, row);
}

void
se_finder_remember(SeFinder *finder, uint32 hash, const SeLocation *was,
				   const ItemPointerData *tid)
{
	if (finder->is_heap)
		se_locator_store(finder->locator, hash, was, tid);
}
