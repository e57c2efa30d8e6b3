/*-------------------------------------------------------------------------
 *
 * locator.c
 *	  Where the rows of a state table were last seen.
 *
 * Batches of a view with millions of groups touch a row here and a row there.
 * Most of the time then goes into waiting for memory: for a page of the index,
 * for the page of the table, for the row.  Here a worker remembers where the row
 * of a group was, in 8 bytes; with that it finds the row without the index, and
 * it can have the page loaded before it is needed, from memory or from disk.
 *
 *		hash of the group's key -> bucket of 16 entries, two cache lines
 *		entry:	23 bits of the hash | 32 of the block | 9 of the line pointer
 *
 * An entry may be wrong: the row was moved, the line pointer was used again, or two
 * groups look alike.  So the caller compares the row's key and asks the index
 * when it is another.  Nothing here has to be told of vacuum, rollbacks or DDL.
 *
 * A bucket is filled from its first entry on.  What a full one has no room for goes
 * to its partner, the bucket whose number differs in the highest bit: without that
 * one group in a hundred would be looked for in the index, at several times the cost
 * of any other, when six entries in ten are in use.
 *
 * Buckets are the low bits of the hash, entries have the others and the highest of
 * those: so the buckets can be doubled where they are, each into itself and one
 * new; entries that were a partner's guests are forgotten then.  They are when
 * most entries are in use, as long as stream_ext.locator_memory allows; if groups
 * come for some time only, of windows that close, not before some come that had
 * been forgotten.  Otherwise later entries take the place of earlier ones.
 *
 * All of it is the process's own memory: after a crash it is empty.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>

#include "access/htup_details.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/memutils.h"

#include "compat.h"
#include "guc.h"
#include "locator.h"

#define WAY_BITS 4
#define WAYS (1 << WAY_BITS)	/* entries of a bucket */
#define LINE_POINTER_BITS (BLCKSZ > 8192 ? 11 : 9)	/* enough for MaxHeapTuplesPerPage */
#define FEWEST_BITS LINE_POINTER_BITS	/* of the hash that choose a bucket; entries
										 * do not have them */
#define FEWEST (1 << (FEWEST_BITS + 1)) /* buckets: entries have one of their bits */
#define TAG_SHIFT (32 + LINE_POINTER_BITS)
#define FULL 0.7				/* entries in use, from which on more are made */
#define MISSED 0.1				/* forgotten groups that were asked for meanwhile */
#define WARM 0.7				/* rows found at once */
#define CACHE_LINE 64
#define SIZE_HUGE (2 * 1024 * 1024)	/* of a huge page */
#define POINTER_LINES 10		/* where a free line pointer mostly is found */

typedef struct Bucket
{
	uint64		entries[WAYS];	/* 0: empty, like all that follow */
} Bucket;

StaticAssertDecl(sizeof(Bucket) == 2 * CACHE_LINE, "a bucket is two cache lines");
StaticAssertDecl(MaxHeapTuplesPerPage < 1 << LINE_POINTER_BITS,
				 "an entry has room for any line pointer");

struct SeLocator
{
	MemoryContext context;
	MemoryContextCallback callback;
	char	   *memory;			/* of the buckets, which are aligned in it */
	Bucket	   *buckets;		/* NULL: none yet */
	uint32		n;				/* a power of two */
	uint64		in_use;			/* entries */
	bool		passing;		/* groups come for some time only */
	uint64		missed;			/* forgotten groups since the last growth */
	bool		warm;
	Size		counted;		/* bytes that are in the process's sum */
};

/* Bytes of all locators of this process. */
static Size used = 0;

static void
forget_memory(void *arg)
{
	SeLocator  *locator = arg;

	used -= locator->counted;
}

SeLocator *
se_locator_create(bool passing)
{
	SeLocator  *locator = palloc0(sizeof(SeLocator));

	locator->context = CurrentMemoryContext;
	locator->passing = passing;
	locator->callback.func = forget_memory;
	locator->callback.arg = locator;
	MemoryContextRegisterResetCallback(locator->context, &locator->callback);
	return locator;
}

/* ---- rows ---- */

/* The part of an entry that says whose it is. */
static uint64
tag_of(uint32 hash)
{
	return (uint64) (hash >> FEWEST_BITS) << TAG_SHIFT;
}

static bool
has_tag(uint64 entry, uint64 tag)
{
	return (entry ^ tag) >> TAG_SHIFT == 0;
}

static Bucket *
bucket_of(const SeLocator *locator, uint32 hash)
{
	return &locator->buckets[hash & (locator->n - 1)];
}

/* By its number among those of all buckets. */
static uint64 *
entry_at(const SeLocator *locator, uint64 number)
{
	return &locator->buckets[number >> WAY_BITS].entries[number & (WAYS - 1)];
}

void
se_locator_prefetch(const SeLocator *locator, uint32 hash)
{
	Bucket	   *bucket;

	if (locator->buckets == NULL)
		return;
	bucket = bucket_of(locator, hash);
	__builtin_prefetch(bucket, 1);
	__builtin_prefetch((char *) bucket + CACHE_LINE, 1);
}

/* The entry with this tag, or else the first empty one; NULL if the bucket is full. */
static uint64 *
look_into(Bucket *bucket, uint64 tag)
{
	for (int i = 0; i < WAYS; i++)
	{
		uint64	   *entry = &bucket->entries[i];

		if (*entry == 0 || has_tag(*entry, tag))
			return entry;
	}
	return NULL;
}

static uint64 *
find_entry(const SeLocator *locator, uint32 hash, uint64 tag)
{
	uint64	   *entry = look_into(bucket_of(locator, hash), tag);

	return entry ? entry :
		look_into(bucket_of(locator, hash ^ (locator->n >> 1)), tag);
}

bool
se_locator_find(const SeLocator *locator, uint32 hash, SeLocation *at)
{
	uint64	   *entry;

	if (locator->buckets == NULL)
		return false;
	entry = find_entry(locator, hash, tag_of(hash));
	if (entry == NULL || *entry == 0)
		return false;
	ItemPointerSet(&at->tid, (BlockNumber) (*entry >> LINE_POINTER_BITS),
				   (OffsetNumber) (*entry & ((1 << LINE_POINTER_BITS) - 1)));
	at->entry = entry - (uint64 *) locator->buckets;
	return true;
}

void
se_locator_prefetch_entry(const SeLocator *locator, uint32 hash,
						  const SeLocation *at)
{
	if (ItemPointerIsValid(&at->tid))
		__builtin_prefetch(entry_at(locator, at->entry), 1);
	else
		se_locator_prefetch(locator, hash);
}

/* Random reads of small pages would wait for their addresses, too. */
static void
use_huge_pages(char *memory, Size size)
{
#ifdef MADV_HUGEPAGE
	uintptr_t	start = TYPEALIGN(SIZE_HUGE, memory);
	uintptr_t	end = TYPEALIGN_DOWN(SIZE_HUGE, memory + size);

	if (end > start)
		(void) madvise((void *) start, end - start, MADV_HUGEPAGE);
#endif
}

/* Room for n buckets, of which those that are there stay. */
static bool
allocate(SeLocator *locator, uint32 n)
{
	Size		size = n * sizeof(Bucket);
	Size		old_size = locator->n * sizeof(Bucket);
	Size		shift = (char *) locator->buckets - locator->memory;
	Bucket	   *aligned;

	if (used - locator->counted + size > (Size) se_guc_locator_memory_kb * 1024)
		return false;
	if (locator->memory == NULL)
		locator->memory = MemoryContextAllocHuge(locator->context,
												 size + sizeof(Bucket));
	else
		locator->memory = repalloc_huge(locator->memory, size + sizeof(Bucket));
	used += size - locator->counted;
	locator->counted = size;
	aligned = (Bucket *) TYPEALIGN(sizeof(Bucket), locator->memory);
	if (old_size > 0 && (char *) aligned != locator->memory + shift)
		memmove(aligned, locator->memory + shift, old_size);
	locator->buckets = aligned;
	locator->n = n;
	use_huge_pages((char *) aligned, size);
	memset((char *) aligned + old_size, 0, size - old_size);
	return true;
}

/* Of the first n buckets each goes into itself and the one n behind it. */
static void
split(SeLocator *locator, uint32 b, uint32 n)
{
	Bucket	   *bucket = &locator->buckets[b];
	uint64	   *stays = bucket->entries;
	uint64	   *moves = locator->buckets[n + b].entries;

	for (int i = 0; i < WAYS && bucket->entries[i] != 0; i++)
	{
		uint64		entry = bucket->entries[i];
		uint32		hash = (uint32) (entry >> TAG_SHIFT) << FEWEST_BITS;

		bucket->entries[i] = 0;
		if (((hash ^ b) & (n >> 1)) != 0)
			locator->in_use--;	/* a guest */
		else if (hash & n)
			*moves++ = entry;
		else
			*stays++ = entry;
	}
}

static void
grow(SeLocator *locator)
{
	uint32		n = locator->n;

	locator->missed = 0;
	if (n >= PG_UINT32_MAX / 2 || !allocate(locator, n * 2))
		return;
	for (uint32 b = 0; b < n; b++)
		split(locator, b, n);
}

/*
 * The one that told where the row was, if it is still there.  The tag is enough: what
 * it lacks of the hash are bits of the bucket's number that do not change when entries
 * move, be it to a partner or when buckets are doubled.
 */
static uint64 *
known_entry(const SeLocator *locator, const SeLocation *at, uint64 tag)
{
	uint64	   *entry;

	if (at == NULL || !ItemPointerIsValid(&at->tid))
		return NULL;
	entry = entry_at(locator, at->entry);
	return *entry != 0 && has_tag(*entry, tag) ? entry : NULL;
}

void
se_locator_store(SeLocator *locator, uint32 hash, const SeLocation *was,
				 const ItemPointerData *tid)
{
	uint64		tag = tag_of(hash);
	uint64	   *entry;

	if (locator->buckets == NULL && !allocate(locator, FEWEST))
		return;
	entry = known_entry(locator, was, tag);
	if (entry == NULL)
		entry = find_entry(locator, hash, tag);
	if (entry == NULL)
		entry = &bucket_of(locator, hash)->entries[hash >> (32 - WAY_BITS)];
	if (*entry == 0)
		locator->in_use++;
	*entry = tag |
		(uint64) ItemPointerGetBlockNumber(tid) << LINE_POINTER_BITS |
		ItemPointerGetOffsetNumber(tid);
	if (locator->in_use > locator->n * (WAYS * FULL) &&
		(!locator->passing || locator->missed > locator->n * (WAYS * MISSED)))
		grow(locator);
}

void
se_locator_note(SeLocator *locator, uint64 located, uint64 missed, uint64 rows)
{
	locator->warm = located >= rows * WARM;
	locator->missed += missed;
}

bool
se_locator_is_warm(const SeLocator *locator)
{
	return locator->warm;
}

/* ---- loading ---- */

void
se_prefetch_memory(const void *memory)
{
	__builtin_prefetch(memory);
	__builtin_prefetch((const char *) memory + CACHE_LINE);
}

void
se_locator_find_page(Relation rel, SeLocation *at)
{
	OffsetNumber line = ItemPointerGetOffsetNumberNoCheck(&at->tid);

	at->buffer = InvalidBuffer;
	if (line == InvalidOffsetNumber || line > MaxHeapTuplesPerPage)
		return;
	at->buffer = PrefetchBuffer(rel, MAIN_FORKNUM,
								ItemPointerGetBlockNumberNoCheck(&at->tid)).recent_buffer;
}

void
se_locator_prefetch_page(const SeLocation *at)
{
	char	   *page;

	if (at->buffer <= 0)
		return;
	page = (char *) BufferGetBlock(at->buffer);
	__builtin_prefetch(GetBufferDescriptor(at->buffer - 1), 1);
	__builtin_prefetch(page, 1);
	__builtin_prefetch(PageGetItemId((Page) page,
									 ItemPointerGetOffsetNumberNoCheck(&at->tid)));
}

/*
 * The page is neither pinned nor locked, so what is read here may be anything;
 * it only serves to load something.
 */
void
se_locator_prefetch_row(const SeLocation *at)
{
	char	   *page;
	ItemId		item;
	Size		pointers_end;
	Size		row;
	Size		last;			/* byte of the row, from its first */
	Size		free_end;

	if (at->buffer <= 0)
		return;
	page = (char *) BufferGetBlock(at->buffer);
	/* a free line pointer will be looked for from the first on, or made behind all */
	pointers_end = ((PageHeader) page)->pd_lower % BLCKSZ;
	if (PageHasFreeLinePointers((Page) page))
		for (Size i = CACHE_LINE;
			 i < Min(pointers_end, POINTER_LINES * CACHE_LINE); i += CACHE_LINE)
			__builtin_prefetch(page + i, 1);
	else
		__builtin_prefetch(page + pointers_end, 1);
	item = PageGetItemId((Page) page,
						 ItemPointerGetOffsetNumberNoCheck(&at->tid));
	row = ItemIdGetOffset(item);
	last = ItemIdGetLength(item) - 1;
	__builtin_prefetch(page + row % BLCKSZ);
	__builtin_prefetch(page + (row + last) % BLCKSZ);
	/* the next row will end where free space does */
	free_end = ((PageHeader) page)->pd_upper - 1;
	__builtin_prefetch(page + free_end % BLCKSZ, 1);
	__builtin_prefetch(page + (free_end - last) % BLCKSZ, 1);
}

/*
 * A page that was in memory a moment ago mostly still is, in the same buffer: then
 * it need not be looked up again.  ReadRecentBuffer() does not count the use,
 * though: a page that may be evicted soon is read as usual.
 */
Buffer
se_locator_read_page(Relation rel, const SeLocation *at)
{
	BlockNumber block = ItemPointerGetBlockNumber(&at->tid);

	if (at->buffer > 0)
	{
		BufferDesc *desc = GetBufferDescriptor(at->buffer - 1);

		if (BUF_STATE_GET_USAGECOUNT(pg_atomic_read_u32(&desc->state)) > 1 &&
			ReadRecentBuffer(se_file_of(rel), MAIN_FORKNUM, block, at->buffer))
			return at->buffer;
	}
	return ReadBuffer(rel, block);
}
