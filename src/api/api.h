/*-------------------------------------------------------------------------
 *
 * api.h
 *	  What the SQL entry points share; private to api/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_API_H
#define SE_API_H

#include "fmgr.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "../catalog/catalog.h"
#include "../plan/plan.h"

/* options.c: refuses keys that neither the stream nor its format knows. */
extern void se_api_check_stream_options(const Jsonb *options,
										const char *format);
extern void se_api_check_view_options(const Jsonb *options);

/* A span of time that is not negative and whose length is known. */
extern void se_api_check_interval(const char *argument, const Interval *span);

/* An option that is true or false; absent: false. */
extern bool se_api_bool_option(const Jsonb *options, const char *name);

/* One of a fixed set of words; the error names them. */
extern void se_api_check_choice(const char *argument, const char *value,
								const char *const *choices);

/* backfill.c: what a new view starts with. */
typedef enum SeBackfill
{
	SE_BACKFILL_NONE,
	SE_BACKFILL_STAGING,		/* rows in the stream's table */
	SE_BACKFILL_EARLIEST		/* all that the topic has */
} SeBackfill;

extern SeBackfill se_api_backfill_option(const Jsonb *options);

/* Under se_api_lock_stream(), as the owner. */
extern void se_api_backfill_staging(const SeView *view,
									const SeStream *stream);
extern void se_api_backfill_earliest(const SeView *view,
									 const SeStream *stream);

/* hooks.c */
extern void se_api_hooks_init(void);
/* A stream or view is being made: its counters go if it does not come to be. */
extern void se_api_note_made(Oid relid);

/* Unlogged tables are about to be made. */
extern void se_api_note_unlogged(void);

/* ddl.c */
extern void se_api_ddl_init(void);
/* A view was dropped: its state and what is beside it go when the command ends. */
extern void se_api_note_view_dropped(Oid view, Oid table);
/* The transaction ends. */
extern void se_api_forget_dropped_views(void);

/* names.c: a name as CREATE TABLE reads it. */
extern Oid	se_api_creation_schema(const char *name, char **relname);

/*
 * operate.c: next offsets from a JSON object text {"0": 1200, ...}; refuses
 * what is none.
 */
extern void se_api_set_offsets(Oid stream, const char *json);

/* create_view.c: what a view's row and its streams, SeStreams, say, for plan/. */
extern void se_api_fill_request(SeViewRequest *request, const SeView *view,
								const List *streams);

/*
 * The state needs the stream, or the view in its place: without it nothing would
 * keep it current.  Once is enough.
 */
extern void se_api_depend_on_stream(Oid state, Oid stream);

/* Locks a stream against its workers until the end of the transaction. */
extern SeStream *se_api_lock_stream(Oid relid);
/* Those of a view, which have one owner; returns SeStreams in their order. */
extern List *se_api_lock_streams(const List *relids);
/* The locks alone, in an order of their own, so that nobody waits in a ring. */
extern void se_api_lock_in_order(const List *relids);

#endif							/* SE_API_H */
