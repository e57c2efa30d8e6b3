/*-------------------------------------------------------------------------
 *
 * locator.h
 *	  Where the rows of a state table were last seen; private to state/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_LOCATOR_H
#define SE_STATE_LOCATOR_H

#include "storage/block.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

/*
 * By the hash of their group.  What is remembered is a hint: another row may be
 * there now, or none, and the caller looks before it believes.
 */
typedef struct SeLocator SeLocator;

/*
 * In CurrentMemoryContext; its memory is counted until that is reset.  passing:
 * groups come for some time only, and are not worth much memory then.
 */
extern SeLocator *se_locator_create(bool passing);

/* Where a row may be, and what is being done to load it. */
typedef struct SeLocation
{
	ItemPointerData tid;
	Buffer		buffer;			/* that held the page a moment ago, or invalid */
	uint64		entry;			/* of the locator, by number, if tid is valid */
} SeLocation;

/* Loads the cache lines in which se_locator_find() will look. */
extern void se_locator_prefetch(const SeLocator *locator, uint32 hash);

/* Sets at->tid and at->entry, if it is known. */
extern bool se_locator_find(const SeLocator *locator, uint32 hash,
							SeLocation *at);

/* Loads the cache lines in which se_locator_store() will look. */
extern void se_locator_prefetch_entry(const SeLocator *locator, uint32 hash,
									  const SeLocation *at);

/* The row is at tid now; it was where was tells, if that is not NULL. */
extern void se_locator_store(SeLocator *locator, uint32 hash,
							 const SeLocation *was, const ItemPointerData *tid);

/* Loads what begins here, as much as a row mostly has. */
extern void se_prefetch_memory(const void *memory);

/*
 * Of the rows of a merge so many were of groups found where they had been, and so
 * many of groups that were somewhere, but not known to be.
 */
extern void se_locator_note(SeLocator *locator, uint64 located, uint64 missed,
							uint64 rows);
/* Most of the last merge were of the first kind. */
extern bool se_locator_is_warm(const SeLocator *locator);

/*
 * The steps to a page, of which each takes memory that the one before has loaded.
 * First: in which buffer it is; if in none, it begins to be read.
 */
extern void se_locator_find_page(Relation rel, SeLocation *at);
/* Then: loads the header of the page and the row's line pointer. */
extern void se_locator_prefetch_page(const SeLocation *at);
/* Some steps later: loads the row, and where the page will take the next. */
extern void se_locator_prefetch_row(const SeLocation *at);
/* And then: the page itself, pinned.  at->tid is valid. */
extern Buffer se_locator_read_page(Relation rel, const SeLocation *at);

#endif							/* SE_STATE_LOCATOR_H */
