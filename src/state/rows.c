/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  The decoded rows of one batch.
 *
 * Values lie in one array, row after row; what they refer to lies in blocks
 * that are filled from one end.  Both are kept for the next batch, so that a
 * steady stream allocates nothing.  A block is never moved: Datums point into
 * it.
 *
 * Crash: nothing here outlives the process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "executor/tuptable.h"
#include "utils/memutils.h"

#include "compat.h"
#include "rows.h"

#define BLOCK_SIZE (256 * 1024)
#define KEPT_BYTES (32 * 1024 * 1024)	/* of blocks, from batch to batch */
#define FIRST_ROOM 1024			/* rows */

typedef struct RowBlock
{
	struct RowBlock *next;
	Size		size;			/* of data */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} RowBlock;

struct SeRows
{
	MemoryContext context;
	int			natts;
	int16	   *attlen;
	bool	   *attbyval;
	int			n;
	int			room;
	Datum	   *values;			/* [room][natts] */
	bool	   *isnull;			/* [room][natts] */
	RowBlock	   *first;
	RowBlock	   *current;
	Size		used;			/* of current->data */
};

static RowBlock *
make_block(SeRows *rows, Size size)
{
	RowBlock	   *block = MemoryContextAllocHuge(rows->context,
											   offsetof(RowBlock, data) + size);

	block->next = NULL;
	block->size = size;
	return block;
}

static void
make_room(SeRows *rows, int room)
{
	Size		cells = (Size) room * Max(1, rows->natts);

	rows->values = rows->values ?
		repalloc_huge(rows->values, cells * sizeof(Datum)) :
		MemoryContextAllocHuge(rows->context, cells * sizeof(Datum));
	rows->isnull = rows->isnull ?
		repalloc_huge(rows->isnull, cells * sizeof(bool)) :
		MemoryContextAllocHuge(rows->context, cells * sizeof(bool));
	rows->room = room;
}

SeRows *
se_rows_create(TupleDesc desc)
{
	SeRows	   *rows = palloc0(sizeof(SeRows));

	rows->context = CurrentMemoryContext;
	rows->natts = desc->natts;
	rows->attlen = palloc(sizeof(int16) * Max(1, desc->natts));
	rows->attbyval = palloc(sizeof(bool) * Max(1, desc->natts));
	for (int i = 0; i < desc->natts; i++)
	{
		rows->attlen[i] = TupleDescAttr(desc, i)->attlen;
		rows->attbyval[i] = TupleDescAttr(desc, i)->attbyval;
	}
	make_room(rows, FIRST_ROOM);
	rows->first = rows->current = make_block(rows, BLOCK_SIZE);
	return rows;
}

void
se_rows_clear(SeRows *rows)
{
	Size		kept = 0;
	RowBlock	   *block = rows->first;

	while (block->next != NULL)
	{
		RowBlock	   *next = block->next;

		if (kept + next->size > KEPT_BYTES)
		{
			block->next = next->next;
			pfree(next);
			continue;
		}
		kept += next->size;
		block = next;
	}
	rows->n = 0;
	rows->current = rows->first;
	rows->used = 0;
}

/* The next block with enough room, a kept one or a new one. */
static void
next_block(SeRows *rows, Size size)
{
	RowBlock	   *block = rows->current;

	if (block->next == NULL || block->next->size < size)
	{
		RowBlock	   *new = make_block(rows, Max(size, BLOCK_SIZE));

		new->next = block->next;
		block->next = new;
	}
	rows->current = block->next;
	rows->used = 0;
}

static char *
reserve(SeRows *rows, Size size)
{
	char	   *p;

	size = MAXALIGN(size);
	if (unlikely(rows->used + size > rows->current->size))
		next_block(rows, size);
	p = rows->current->data + rows->used;
	rows->used += size;
	return p;
}

static Datum
copy_value(SeRows *rows, Datum value, int attlen)
{
	void	   *source = DatumGetPointer(value);
	Size		size;
	char	   *copy;

	if (attlen == -1)
	{
		/* a column's default may be an expanded object */
		if (unlikely(VARATT_IS_EXTERNAL(source)))
			source = detoast_external_attr(source);
		size = VARSIZE_ANY(source);
	}
	else
		size = attlen == -2 ? strlen(source) + 1 : (Size) attlen;
	copy = reserve(rows, size);
	memcpy(copy, source, size);
	return PointerGetDatum(copy);
}

void
se_rows_add(SeRows *rows, const Datum *values, const bool *isnull,
			int32 partition, int64 offset)
{
	int			natts = rows->natts - 2;
	Datum	   *to;
	bool	   *to_null;

	if (rows->n == rows->room)
		make_room(rows, rows->room * 2);
	to = rows->values + (Size) rows->n * rows->natts;
	to_null = rows->isnull + (Size) rows->n * rows->natts;
	for (int i = 0; i < natts; i++)
	{
		to_null[i] = isnull[i];
		if (isnull[i])
			to[i] = (Datum) 0;
		else if (rows->attbyval[i])
			to[i] = values[i];
		else
			to[i] = copy_value(rows, values[i], rows->attlen[i]);
	}
	to[natts] = Int32GetDatum(partition);
	to[natts + 1] = Int64GetDatum(offset);
	to_null[natts] = to_null[natts + 1] = false;
	rows->n++;
}

void
se_rows_show(const SeRows *rows, int i, TupleTableSlot *slot)
{
	Assert(i >= 0 && i < rows->n && TTS_IS_VIRTUAL(slot));
	ExecClearTuple(slot);
	slot->tts_values = rows->values + (Size) i * rows->natts;
	slot->tts_isnull = rows->isnull + (Size) i * rows->natts;
	ExecStoreVirtualTuple(slot);
}
