/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  Many groups into a state table at a time; private to state/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_STATE_MERGE_H
#define SE_STATE_MERGE_H

#include "executor/execdesc.h"

#include "locator.h"

/*
 * Runs the started INSERT ... ON CONFLICT DO UPDATE of a view.  The caller has
 * made sure that nobody else merges into the state until the transaction ends,
 * and took the query's snapshot after that.  False: the state table has what is
 * the executor's business (triggers, ...), nothing was done.
 */
extern bool se_merge_directly(QueryDesc *query, SeLocator *locator);

#endif							/* SE_STATE_MERGE_H */
