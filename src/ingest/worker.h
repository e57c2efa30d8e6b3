/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  What a worker process is made of, whatever it does.  Private to ingest/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_WORKER_H
#define SE_WORKER_H

#include "reader.h"

/* A transaction, shown as this in pg_stat_activity. */
extern void se_worker_begin(const char *activity);
extern void se_worker_commit(void);

/* Leaves when the process is not wanted any more; reader may be NULL. */
extern void se_worker_serve_interrupts(SeReader *reader);

/*
 * The definition of the stream, locked against being dropped.  In a transaction.
 * Leaves when this process is not to run for it any more; reader may be NULL.
 */
extern SeStream *se_worker_definition(SeReader *reader);

/* In stream.status or stream.views; NULL: all is well. */
extern void se_worker_show_problem(const char *reason);

/* There is nothing to do any more: nobody need come again. */
extern void se_worker_end(void) pg_attribute_noreturn();

/* feeder.c: the loop of the process that feeds the views on views of a stream. */
extern void se_feeder_run(Oid stream);

#endif							/* SE_WORKER_H */
