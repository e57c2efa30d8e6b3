/*-------------------------------------------------------------------------
 *
 * replace_view.c
 *	  stream.replace_view(): another query over the state that a view has.
 *
 * It happens between two batches of the stream, as create_view does, and as
 * the stream's owner.  Workers need not be told: what they run stays.
 *
 * Crash: all of it is in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "../catalog/catalog.h"
#include "../plan/plan.h"
#include "../security/security.h"
#include "../window/window.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_replace_view);

static SeView *
get_view(Oid relid)
{
	SeView	   *view = se_catalog_get_view(relid, true);
	const char *name;

	if (view != NULL)
		return view;
	name = get_rel_name(relid);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a continuous view", name),
			 get_rel_relkind(relid) == RELKIND_VIEW ?
			 errhint("Use CREATE OR REPLACE VIEW.") :
			 errhint("Continuous views are listed in stream.views.")));
}

/* Views that read this one go by the bounds that it shows. */
static void
check_bounds(const SeView *view, const SeViewPlan *new)
{
	List	   *feeds;

	if (new->start_column == view->start_column &&
		new->end_column == view->end_column)
		return;
	feeds = se_catalog_list_feeds_from(view->relid);
	if (feeds != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("the window's bounds must stay columns of view \"%s\"",
						get_rel_name(view->relid)),
				 errdetail("View \"%s\" takes in its rows by them.",
						   get_rel_name(((SeFeed *) linitial(feeds))->view)),
				 errhint("Keep the bounds where they are, or drop that view.")));
}

Datum
se_sql_replace_view(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	SeView	   *view = get_view(relid);
	const char *name = get_rel_name(relid);
	SeViewRequest request = {0};
	SeViewPlan	old = {0};
	SeViewPlan	new = {0};
	SeSource	first = {0};
	List	   *streams;
	SeIdentity	saved;

	streams = se_api_lock_streams(se_catalog_streams_of(view->streams));
	LockRelationOid(relid, AccessExclusiveLock);
	/* as it is now; it may have been replaced or dropped meanwhile */
	view = se_catalog_get_view(relid, true);
	if (view == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("continuous view \"%s\" was dropped", name)));
	view->query = query;
	first.stream = view->stream;
	first.delta_sql = view->delta_sql;
	se_api_fill_request(&request, view, streams);
	old.view = relid;
	old.sources = lcons(&first, view->sources);
	old.state = view->state;
	old.serial = view->serial;
	old.distinct = view->distinct;
	se_security_become(se_security_owner(view->stream), &saved);
	se_plan_replace_view(&request, &old, &new);
	se_security_restore(&saved);
	check_bounds(view, &new);
	view->start_column = new.start_column;
	view->end_column = new.end_column;
	se_catalog_set_view_query(view);
	PG_RETURN_VOID();
}
