/*-------------------------------------------------------------------------
 *
 * create_stream.c
 *	  stream.create_stream() and stream.drop().
 *
 * A stream is an unlogged parent table that users select from, a few
 * segments that inherit from it (staging.c), a table for dead letters and a
 * row in our catalog.  The tables are made by ordinary SQL with the caller's
 * rights, so that names, types and privileges mean what they mean in CREATE
 * TABLE.  They depend on the stream: dropping it takes them along.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../catalog/catalog.h"
#include "../compat.h"
#include "../ingest/ingest.h"
#include "../launcher/launcher.h"
#include "../security/security.h"
#include "../sql_settings.h"
#include "api.h"

PG_FUNCTION_INFO_V1(se_sql_create_stream);
PG_FUNCTION_INFO_V1(se_sql_drop);

/* Positions of the arguments of stream.create_stream(). */
enum
{
	ARG_NAME, ARG_COLUMNS, ARG_SERVER, ARG_TOPIC, ARG_FORMAT, ARG_FIELDS,
	ARG_EVENT_TIME, ARG_WATERMARK_DELAY, ARG_ALLOWED_LATENESS,
	ARG_IDLE_TIMEOUT, ARG_STARTUP_MODE, ARG_ON_ERROR, ARG_WORKERS, ARG_PAUSED,
	ARG_OPTIONS
};

static const char *const startup_modes[] = {
	"earliest", "latest", "timestamp", "specific-offsets", NULL
};
static const char *const error_modes[] = {
	"dead_letter", "fail", "skip", NULL
};

/* ---- the column list ---- */

static void
refuse_column(const char *column, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 column ?
			 errmsg("column \"%s\" of a stream cannot be %s", column, what) :
			 errmsg("columns of a stream cannot be %s", what),
			 errhint("Columns may have NOT NULL, CHECK and DEFAULT; the recent rows of a stream have no indexes.")));
}

static void
check_constraint(const char *column, Constraint *constraint)
{
	switch (constraint->contype)
	{
		case CONSTR_NULL:
		case CONSTR_NOTNULL:
		case CONSTR_DEFAULT:
		case CONSTR_CHECK:
			break;
		case CONSTR_IDENTITY:
			refuse_column(column, "an identity column");
			break;
		case CONSTR_GENERATED:
			refuse_column(column, "generated");
			break;
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
		case CONSTR_EXCLUSION:
			refuse_column(column, "unique or a key");
			break;
		case CONSTR_FOREIGN:
			refuse_column(column, "a foreign key");
			break;
		default:
			refuse_column(column, "constrained like this");
	}
}

/* A syntax error is one of this text, not of the caller's query. */
static void
point_into_columns(void *sql)
{
	int			position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(sql);
}

static List *
parse_columns(char *sql)
{
	ErrorContextCallback callback;
	List	   *statements;

	callback.callback = point_into_columns;
	callback.arg = sql;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	return statements;
}

/* The text between the parentheses must be columns and CHECKs, no more. */
static void
check_columns(const char *columns)
{
	List	   *statements = parse_columns(psprintf("CREATE TABLE x (%s\n)",
													columns));
	CreateStmt *create;
	ListCell   *lc;
	int			n = 0;

	create = list_length(statements) == 1 ?
		(CreateStmt *) linitial_node(RawStmt, statements)->stmt : NULL;
	if (create == NULL || !IsA(create, CreateStmt) || create->inhRelations ||
		create->partspec || create->options || create->ofTypename ||
		create->accessMethod || create->tablespacename)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("columns is not a list of column definitions"),
				 errhint("For example: columns => 'user_id text, price numeric NOT NULL, at timestamptz'.")));
	foreach(lc, create->tableElts)
	{
		Node	   *element = lfirst(lc);
		ColumnDef  *column;
		ListCell   *lc2;

		if (IsA(element, Constraint))
		{
			check_constraint(NULL, (Constraint *) element);
			continue;
		}
		if (!IsA(element, ColumnDef))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("LIKE is not supported in the columns of a stream"),
					 errhint("Write the columns out.")));
		column = (ColumnDef *) element;
		n++;
		foreach(lc2, column->constraints)
			check_constraint(column->colname, lfirst(lc2));
		if (column->typeName && list_length(column->typeName->names) == 1)
		{
			const char *type = strVal(linitial(column->typeName->names));

			if (strstr(type, "serial") != NULL)
				refuse_column(column->colname, "a serial");
		}
	}
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a stream needs at least one column")));
}

/* ---- the tables ---- */

static Oid
make_table(const char *sql, Oid schema, const char *name)
{
	se_sql_execute(sql);
	CommandCounterIncrement();
	return get_relname_relid(name, schema);
}

/* "dependent" goes when "on" goes. */
static void
tie(Oid dependent, Oid on)
{
	ObjectAddress from,
				to;

	ObjectAddressSet(from, RelationRelationId, dependent);
	ObjectAddressSet(to, RelationRelationId, on);
	recordDependencyOn(&from, &to, DEPENDENCY_AUTO);
}

static void
make_segments(Oid schema, const char *name)
{
	const char *space = get_namespace_name(schema);

	for (int i = 1; i <= SE_STAGING_SEGMENTS; i++)
	{
		char	   *segment = makeObjectName(name, NULL,
											 psprintf("segment%d", i));

		/* emptied before vacuum could find anything to do */
		se_sql_execute(psprintf("CREATE UNLOGGED TABLE %s () INHERITS (%s) "
								"WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
								quote_qualified_identifier(space, segment),
								quote_qualified_identifier(space, name)));
	}
}

static Oid
make_dead_letters(Oid schema, const char *name)
{
	char	   *letters = makeObjectName(name, NULL, "dead_letters");

	return make_table(psprintf("CREATE TABLE %s ("
							   "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
							   "topic text, \"partition\" integer NOT NULL, "
							   "\"offset\" bigint NOT NULL, "
							   "\"timestamp\" timestamptz, key bytea, payload bytea, "
							   "sqlstate text NOT NULL, message text NOT NULL, "
							   "column_name text, view_name text, headers jsonb, "
							   "failed_at timestamptz NOT NULL)",
							   quote_qualified_identifier(get_namespace_name(schema), letters)),
					  schema, letters);
}

/* ---- checks that need the table ---- */

static void
check_event_time(Oid relid, const char *column)
{
	AttrNumber	attnum = get_attnum(relid, column);
	Oid			type;

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("event_time column \"%s\" is not among the columns",
						column)));
	type = get_atttype(relid, attnum);
	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("event_time column \"%s\" is of type %s", column,
						format_type_be(type)),
				 errhint("Event time is a timestamptz, timestamp or date; timestamps given as numbers are read by a timestamptz column, too.")));
}

/* Each key of fields must be a column. */
static void
check_fields(Oid relid, const Jsonb *fields)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(fields))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fields must be a JSON object of column and path"),
				 errhint("For example: fields => '{\"city\": \"user.address.city\", \"k\": \"@key\"}'.")));
	it = JsonbIteratorInit((JsonbContainer *) &fields->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *column;

		if (token == WJB_VALUE && value.type != jbvString &&
			value.type != jbvNumeric)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a path in fields must be a string")));
		if (token != WJB_KEY)
			continue;
		column = pnstrdup(value.val.string.val, value.val.string.len);
		if (get_attnum(relid, column) <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("fields names column \"%s\", which is not among the columns",
							column)));
	}
}

/* ---- create_stream ---- */

static void
read_arguments(FunctionCallInfo fcinfo, SeStream *s)
{
#define TEXT_ARG(n) (PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)))
#define NAME_ARG(n) (PG_ARGISNULL(n) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(n))))
#define INTERVAL_ARG(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_INTERVAL_P(n))
	static const int required[] = {
		ARG_NAME, ARG_COLUMNS, ARG_FORMAT, ARG_FIELDS, ARG_ALLOWED_LATENESS,
		ARG_IDLE_TIMEOUT, ARG_STARTUP_MODE, ARG_ON_ERROR, ARG_WORKERS,
		ARG_PAUSED, ARG_OPTIONS
	};
	static const char *const names[] = {
		"name", "columns", "format", "fields", "allowed_lateness",
		"idle_timeout", "scan_startup_mode", "on_error", "workers", "paused",
		"options"
	};

	for (int i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(required[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", names[i])));
	s->server = NAME_ARG(ARG_SERVER);
	s->topic = TEXT_ARG(ARG_TOPIC);
	s->format = TEXT_ARG(ARG_FORMAT);
	s->fields = PG_GETARG_JSONB_P(ARG_FIELDS);
	s->event_time = NAME_ARG(ARG_EVENT_TIME);
	s->watermark_delay = INTERVAL_ARG(ARG_WATERMARK_DELAY);
	s->allowed_lateness = INTERVAL_ARG(ARG_ALLOWED_LATENESS);
	s->idle_timeout = INTERVAL_ARG(ARG_IDLE_TIMEOUT);
	s->startup_mode = TEXT_ARG(ARG_STARTUP_MODE);
	s->on_error = TEXT_ARG(ARG_ON_ERROR);
	s->workers = PG_GETARG_INT32(ARG_WORKERS);
	s->options = PG_GETARG_JSONB_P(ARG_OPTIONS);
	s->state = PG_GETARG_BOOL(ARG_PAUSED) ? SE_STATE_PAUSED : SE_STATE_RUNNING;
}

static void
check_startup(const SeStream *s)
{
	bool		needs_time = strcmp(s->startup_mode, "timestamp") == 0;
	bool		needs_offsets = strcmp(s->startup_mode, "specific-offsets") == 0;
	char	   *at = se_catalog_option(s->options, "scan_startup_timestamp");
	char	   *offsets = se_catalog_option(s->options, "scan_startup_offsets");

	se_api_check_choice("scan_startup_mode", s->startup_mode, startup_modes);
	if (needs_time != (at != NULL) || needs_offsets != (offsets != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scan_startup_mode \"%s\" does not fit the options",
						s->startup_mode),
				 errhint("Mode timestamp takes options.scan_startup_timestamp, mode specific-offsets takes options.scan_startup_offsets, the others take neither.")));
	if (at)
		(void) DirectFunctionCall3(timestamptz_in, CStringGetDatum(at),
								   ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
}

/* Before 17 a worker cannot run as a role that may not log in. */
static void
check_owner_can_run(void)
{
	HeapTuple	tuple;
	bool		can_login;

	if (SE_WORKER_CONNECT_FLAGS != 0)
		return;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	can_login = HeapTupleIsValid(tuple) &&
		((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!can_login)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" may not log in, so no worker can run as it",
						GetUserNameFromId(GetUserId(), false)),
				 errhint("ALTER ROLE ... LOGIN, or create the stream as another role; PostgreSQL 17 does not need it.")));
}

static void
check_arguments(const SeStream *s)
{
	if (se_decode_format_options(s->format) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" is not known", s->format),
				 errhint("Valid formats are: %s.", se_decode_format_names())));
	se_api_check_choice("on_error", s->on_error, error_modes);
	se_api_check_stream_options(s->options, s->format);
	check_startup(s);
	se_api_check_interval("watermark_delay", s->watermark_delay);
	se_api_check_interval("allowed_lateness", s->allowed_lateness);
	se_api_check_interval("idle_timeout", s->idle_timeout);
	if (s->workers < 1 || s->workers > 1024)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("workers must be between 1 and 1024")));
	if ((s->server == NULL) != (s->topic == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("server and topic go together"),
				 errhint("Give both to read from Kafka, or neither for a stream that stream.ingest() feeds.")));
	if (s->server)
	{
		(void) se_security_require_server(s->server, GetUserId());
		check_owner_can_run();
	}
}

/* DROP SERVER is refused while a stream reads from it. */
static void
depend_on_server(Oid relid, const char *server)
{
	ObjectAddress from,
				to;

	ObjectAddressSet(from, RelationRelationId, relid);
	ObjectAddressSet(to, ForeignServerRelationId,
					 GetForeignServerByName(server, false)->serverid);
	recordDependencyOn(&from, &to, DEPENDENCY_NORMAL);
}

/* Opens the definition once: decoder and checks refuse what cannot work. */
static void
try_definition(Oid relid)
{
	se_ingest_close(se_ingest_open(relid, NULL, NULL));
}

Datum
se_sql_create_stream(PG_FUNCTION_ARGS)
{
	SeStream	stream = {0};
	SeLimits	limits;
	char	   *name;
	char	   *columns;
	char	   *relname;
	char	   *qualified;
	Oid			schema;

	se_stats_require();
	read_arguments(fcinfo, &stream);
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME));
	columns = text_to_cstring(PG_GETARG_TEXT_PP(ARG_COLUMNS));
	check_columns(columns);
	check_arguments(&stream);
	se_limits_read(stream.options, &limits);

	schema = se_api_creation_schema(name, &relname);
	qualified = quote_qualified_identifier(get_namespace_name(schema),
										   relname);
	se_api_note_unlogged();
	stream.relid = make_table(psprintf("CREATE UNLOGGED TABLE %s (%s\n)",
									   qualified, columns),
							  schema, relname);
	if (limits.staging_max_rows > 0)
		make_segments(schema, relname);
	stream.dead_letters = make_dead_letters(schema, relname);
	tie(stream.dead_letters, stream.relid);
	check_fields(stream.relid, stream.fields);
	if (stream.event_time)
		check_event_time(stream.relid, stream.event_time);

	se_catalog_add_stream(&stream);
	if (stream.server)
		depend_on_server(stream.relid, stream.server);
	se_api_note_made(stream.relid);
	if (strcmp(stream.startup_mode, "specific-offsets") == 0)
		se_api_set_offsets(stream.relid,
						   se_catalog_option(stream.options,
											 "scan_startup_offsets"));
	try_definition(stream.relid);
	se_launcher_announce(stream.relid);
	PG_RETURN_OID(stream.relid);
}

/* ---- drop ---- */

static void
add_relation(ObjectAddresses *objects, Oid relid)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, relid);
	add_exact_object_address(&address, objects);
}

/* performMultipleDeletions() with a hint that fits stream.drop(). */
static void
delete_all(ObjectAddresses *objects, DropBehavior behavior)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		performMultipleDeletions(objects, behavior, 0);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() != ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		error->hint = pstrdup("Use stream.drop(..., cascade => true) to drop the dependent objects too.");
		ReThrowError(error);
	}
	PG_END_TRY();
}

static void
drop_stream(Oid relid, DropBehavior behavior)
{
	ObjectAddresses *objects = new_object_addresses();
	List	   *segments;
	ListCell   *lc;

	se_launcher_announce(relid);
	segments = find_inheritance_children(relid, AccessExclusiveLock);
	foreach(lc, segments)
		add_relation(objects, lfirst_oid(lc));
	add_relation(objects, relid);
	delete_all(objects, behavior);
}

static void
drop_view(const SeView *view, DropBehavior behavior)
{
	ObjectAddresses *objects = new_object_addresses();
	List	   *streams = se_catalog_streams_of(view->streams);
	ListCell   *lc;

	/* between two batches */
	se_api_lock_in_order(streams);
	foreach(lc, streams)
		se_launcher_announce(lfirst_oid(lc));
	add_relation(objects, view->relid);
	add_relation(objects, view->state);
	if (OidIsValid(view->late_rows))
		add_relation(objects, view->late_rows);
	foreach(lc, view->distinct)
		add_relation(objects, ((SeDistinct *) lfirst(lc))->kept);
	delete_all(objects, behavior);
}

/* Its views go: between two batches of the other streams that they read, too. */
static void
lock_sharing(Oid relid)
{
	List	   *views = se_catalog_list_views(relid);
	List	   *streams = NIL;
	ListCell   *lc;

	foreach(lc, views)
		streams = list_concat_unique_oid(streams,
										 ((SeView *) lfirst(lc))->streams);
	se_api_lock_in_order(streams);
}

Datum
se_sql_drop(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	DropBehavior behavior = PG_GETARG_BOOL(1) ? DROP_CASCADE : DROP_RESTRICT;
	SeView	   *view = se_catalog_get_view(relid, true);

	se_security_require_owner(relid);
	if (view)
		drop_view(view, behavior);
	else
	{
		/* first the parent, as workers do, so that nobody waits in a ring */
		if (behavior == DROP_CASCADE)
			lock_sharing(relid);
		LockRelationOid(relid, AccessExclusiveLock);
		(void) se_catalog_get_stream(relid, false);
		drop_stream(relid, behavior);
	}
	PG_RETURN_VOID();
}
