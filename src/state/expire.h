/*-------------------------------------------------------------------------
 *
 * expire.h
 *	  state_ttl of a view; private to state/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_EXPIRE_H
#define SE_STATE_EXPIRE_H

#include "access/tupdesc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog/catalog.h"

/* Sub-object of a state table that merges and DDL on it lock against others. */
#define SE_MERGE_LOCK 0x7fff

typedef struct SeExpiry SeExpiry;

/* NULL: the view has no state_ttl.  In CurrentMemoryContext. */
extern SeExpiry *se_expiry_create(const SeView *view);

/* Makes the partitions that the groups of a delta go to. */
extern void se_expiry_make_partitions(SeExpiry *expiry, TupleDesc desc,
									  Tuplestorestate *rows);

/*
 * Lets go of what the watermark has passed by more than state_ttl.  In a
 * transaction, best one that holds no other locks for long.
 */
extern void se_expiry_run(SeExpiry *expiry, TimestampTz watermark);

#endif							/* SE_STATE_EXPIRE_H */
