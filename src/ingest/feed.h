/*-------------------------------------------------------------------------
 *
 * feed.h
 *	  Views on views: the rows of closed windows, handed on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_FEED_H
#define SE_FEED_H

#include "../catalog/catalog.h"

typedef struct SeFeeds SeFeeds;

/*
 * Makes ready the views on views of a stream, in the order in which they are fed:
 * sources first.  only: that one of them alone; InvalidOid: all.  In a
 * transaction, as the stream's owner.  Lives in a context of its own below
 * CurrentMemoryContext.
 */
extern SeFeeds *se_feeds_open(Oid stream, Oid only);
extern void se_feeds_close(SeFeeds *feeds);
extern int	se_feeds_count(const SeFeeds *feeds);

/* Has anything changed that was read when they were opened? */
extern bool se_feeds_changed(const SeFeeds *feeds);

/* Is there more to take in than was?  In a transaction. */
extern bool se_feeds_due(const SeFeeds *feeds, int i);

/*
 * One step of view number i: takes in the rows of all windows of its source that
 * have closed since the last one.  In a transaction, as the stream's owner.
 * False: something changed; open them again.
 *
 * careful: as for a batch in ingest.h.  Otherwise any error is thrown.
 */
extern bool se_feeds_step(SeFeeds *feeds, int i, bool careful);

/* Lets view number i go of groups by its state_ttl; in a transaction. */
extern bool se_feeds_has_ttl(const SeFeeds *feeds, int i);
extern void se_feeds_expire(SeFeeds *feeds, int i);

/* The first step of a new view alone, carefully, in this transaction. */
extern void se_feeds_fill(Oid stream, Oid view);

/* All steps and what may leave after them, carefully, in this transaction. */
extern void se_feeds_run(Oid stream);

/*
 * The watermark by which groups may leave a view: not those that views on it
 * have yet to take in.
 */
extern TimestampTz se_feeds_leave_to(const SeView *view,
									 TimestampTz watermark);

#endif							/* SE_FEED_H */
