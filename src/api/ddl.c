/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  What else must happen when users change streams and views with
 *	  PostgreSQL's own commands.
 *
 *	  DROP VIEW					drops the view's state, too
 *	  ALTER TABLE ... OWNER		takes along what belongs to the stream
 *	  ALTER VIEW ... OWNER		a view is its stream's owner's: refused
 *	  ALTER ... RENAME COLUMN	of a stream: refused, because fields, views and
 *								event time go by the columns' names; of a view
 *								that views read: too
 *	  ALTER EXTENSION			of this one: its streams start, if they waited for it
 *
 * The state cannot simply depend on its view: the view depends on it, and
 * pg_dump could not order the two.
 *
 * Crash: all of it is in the command's own transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "../catalog/catalog.h"
#include "../launcher/launcher.h"
#include "../security/security.h"
#include "api.h"

static ProcessUtility_hook_type previous_hook = NULL;

/* ---- DROP VIEW ---- */

typedef struct Orphan
{
	Oid			view;
	Oid			table;
} Orphan;

/* Of the command that runs, in TopMemoryContext. */
static List *orphans = NIL;

void
se_api_note_view_dropped(Oid view, Oid table)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Orphan	   *orphan = palloc(sizeof(Orphan));

	orphan->view = view;
	orphan->table = table;
	orphans = lappend(orphans, orphan);
	MemoryContextSwitchTo(old);
}

void
se_api_forget_dropped_views(void)
{
	list_free_deep(orphans);
	orphans = NIL;
}

static bool
relation_exists(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid));
}

static void
drop_orphans(DropBehavior behavior)
{
	List	   *mine = orphans;
	ListCell   *lc;

	if (mine == NIL)
		return;
	orphans = NIL;
	CommandCounterIncrement();
	foreach(lc, mine)
	{
		Orphan	   *orphan = lfirst(lc);
		ObjectAddress address;

		/* the drop may have failed and been rolled back, or taken both */
		if (relation_exists(orphan->view) || !relation_exists(orphan->table))
			continue;
		ObjectAddressSet(address, RelationRelationId, orphan->table);
		performDeletion(&address, behavior, PERFORM_DELETION_INTERNAL);
	}
	list_free_deep(mine);
}

/* ---- RENAME COLUMN ---- */

static void
refuse_source_column(Oid view)
{
	List	   *feeds = se_catalog_list_feeds_from(view);

	if (feeds != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("columns of view \"%s\" cannot be renamed",
						get_rel_name(view)),
				 errdetail("View \"%s\" reads them by name.",
						   get_rel_name(((SeFeed *) linitial(feeds))->view)),
				 errhint("Rename the column in the query of that view.")));
}

static void
check_rename(const RenameStmt *stmt)
{
	Oid			relid;

	if (stmt->renameType != OBJECT_COLUMN || stmt->relation == NULL ||
		!se_catalog_exists())
		return;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid))
		return;
	if (se_catalog_get_stream(relid, true) == NULL)
	{
		refuse_source_column(relid);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("columns of stream \"%s\" cannot be renamed",
					get_rel_name(relid)),
			 errdetail("Fields of its records and its views refer to them by name."),
			 errhint("Rename the column in the view's query: SELECT %s AS %s ...",
					 quote_identifier(stmt->subname),
					 quote_identifier(stmt->newname))));
}

/* ---- OWNER ---- */

static void
give_to(Oid relid, Oid owner)
{
	if (OidIsValid(relid) && relation_exists(relid))
		ATExecChangeOwner(relid, owner, true, AccessExclusiveLock);
}

/* The workers of all streams of a view write to its state. */
static void
refuse_other_owner(const SeStream *stream, const SeView *view, Oid owner)
{
	ListCell   *lc;

	foreach(lc, view->streams)
		if (se_security_owner(lfirst_oid(lc)) != owner)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("stream \"%s\" cannot be given away alone",
							get_rel_name(stream->relid)),
					 errdetail("Continuous view \"%s\" reads stream \"%s\", too.",
							   get_rel_name(view->relid),
							   get_rel_name(lfirst_oid(lc))),
					 errhint("Drop the view, or give away all that its owner has with REASSIGN OWNED.")));
}

/* All relations that were made for a stream. */
static void
follow_stream_owner(const SeStream *stream)
{
	Oid			owner = se_security_owner(stream->relid);
	List	   *segments = find_inheritance_children(stream->relid,
													 AccessExclusiveLock);
	List	   *views = se_catalog_list_views(stream->relid);
	List	   *feeds = se_catalog_list_feeds(stream->relid);
	ListCell   *lc;

	give_to(stream->dead_letters, owner);
	foreach(lc, segments)
		give_to(lfirst_oid(lc), owner);
	foreach(lc, feeds)
		views = lappend(views,
						se_catalog_get_view(((SeFeed *) lfirst(lc))->view, false));
	foreach(lc, views)
	{
		SeView	   *view = lfirst(lc);
		ListCell   *lc2;

		CommandCounterIncrement();
		refuse_other_owner(stream, view, owner);
		foreach(lc2, view->distinct)
			give_to(((SeDistinct *) lfirst(lc2))->kept, owner);
		give_to(view->state, owner);
		give_to(view->late_rows, owner);
		give_to(view->relid, owner);
	}
}

static void
check_view_owner(const SeView *view)
{
	Oid			stream = se_catalog_stream_of(view->stream);
	Oid			owner = se_security_owner(stream);

	if (se_security_owner(view->relid) == owner)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("continuous view \"%s\" belongs to the owner of its stream, \"%s\"",
					get_rel_name(view->relid),
					GetUserNameFromId(owner, false)),
			 errhint("Use ALTER TABLE %s OWNER TO ... to give the stream and its views away, or GRANT to let others read the view.",
					 quote_identifier(get_rel_name(stream)))));
}

static void
follow_owner(const AlterTableStmt *stmt)
{
	bool		changes = false;
	Oid			relid;
	SeStream   *stream;
	SeView	   *view;
	ListCell   *lc;

	foreach(lc, stmt->cmds)
		changes |= (lfirst_node(AlterTableCmd, lc)->subtype == AT_ChangeOwner);
	if (!changes || !se_catalog_exists())
		return;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid))
		return;
	CommandCounterIncrement();
	stream = se_catalog_get_stream(relid, true);
	if (stream != NULL)
		follow_stream_owner(stream);
	view = se_catalog_get_view(relid, true);
	if (view != NULL)
		check_view_owner(view);
}

/* ---- ALTER EXTENSION ... UPDATE ---- */

/* Tables that the library could not read may be its own now: look again. */
static void
follow_update(const AlterExtensionStmt *stmt)
{
	if (strcmp(stmt->extname, "stream_ext") == 0)
		se_launcher_announce(InvalidOid);
}

/* ---- the hook ---- */

static void
follow_utility(PlannedStmt *pstmt, const char *sql, bool read_only,
			   ProcessUtilityContext context, ParamListInfo params,
			   QueryEnvironment *env, DestReceiver *dest,
			   QueryCompletion *completion)
{
	Node	   *stmt = pstmt->utilityStmt;

	if (IsA(stmt, RenameStmt))
		check_rename((RenameStmt *) stmt);
	if (previous_hook)
		previous_hook(pstmt, sql, read_only, context, params, env, dest,
					  completion);
	else
		standard_ProcessUtility(pstmt, sql, read_only, context, params, env,
								dest, completion);
	if (IsA(stmt, DropStmt))
		drop_orphans(((DropStmt *) stmt)->behavior);
	else if (IsA(stmt, DropOwnedStmt))
		drop_orphans(((DropOwnedStmt *) stmt)->behavior);
	else if (IsA(stmt, AlterTableStmt))
		follow_owner((AlterTableStmt *) stmt);
	else if (IsA(stmt, AlterExtensionStmt))
		follow_update((AlterExtensionStmt *) stmt);
}

void
se_api_ddl_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = follow_utility;
}
