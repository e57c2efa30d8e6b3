/*-------------------------------------------------------------------------
 *
 * agg_state.c
 *	  Type stream.agg_state: a serialized transition state.
 *
 * Deserialization functions trust their input; that is why PostgreSQL lets
 * no one call them from SQL with bytes of his own.  A reader of a view has to
 * be able to call them, though, since functions in a view run with the
 * reader's rights.  So states are values of a type that only our own code
 * makes, and each carries the identity of its aggregate.  Its input
 * functions are for superusers, who restore dumps.
 *
 * The server's major version is kept so that a later release can convert
 * states, should PostgreSQL change a serialization.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "agg_state.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(se_sql_agg_state_in);
PG_FUNCTION_INFO_V1(se_sql_agg_state_out);
PG_FUNCTION_INFO_V1(se_sql_agg_state_recv);
PG_FUNCTION_INFO_V1(se_sql_agg_state_send);

#define HEADER_SIZE offsetof(SeAggState, data)

Oid
se_agg_state_type(void)
{
	Oid			result = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										 CStringGetDatum("agg_state"),
										 ObjectIdGetDatum(se_catalog_schema()));

	if (!OidIsValid(result))
		elog(ERROR, "type stream.agg_state is missing");
	return result;
}

SeAggState *
se_agg_state_make(const bytea *serialized, uint64 identity)
{
	Size		size = HEADER_SIZE + VARHDRSZ +
		VARSIZE_ANY_EXHDR(serialized);
	SeAggState *result = palloc0(size);

	SET_VARSIZE(result, size);
	result->format = SE_AGG_STATE_FORMAT;
	result->server_major = PG_VERSION_NUM / 10000;
	memcpy(result->identity, &identity, sizeof(identity));
	SET_VARSIZE(result->data, size - HEADER_SIZE);
	memcpy(VARDATA(result->data), VARDATA_ANY(serialized),
		   size - HEADER_SIZE - VARHDRSZ);
	return result;
}

/* Checks what does not depend on the aggregate. */
static void
check_layout(const SeAggState *state)
{
	if (VARSIZE(state) < HEADER_SIZE + VARHDRSZ ||
		state->format != SE_AGG_STATE_FORMAT ||
		VARSIZE(state->data) != VARSIZE(state) - HEADER_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state")));
}

bytea *
se_agg_state_open(Datum value, uint64 identity)
{
	SeAggState *state = (SeAggState *) PG_DETOAST_DATUM(value);

	check_layout(state);
	if (memcmp(state->identity, &identity, sizeof(identity)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the state was made by another aggregate")));
	return (bytea *) state->data;
}

static void
check_may_input(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers may enter values of type stream.agg_state"),
				 errdetail("A forged state could crash the server."),
				 errhint("Restore dumps as a superuser.")));
}

Datum
se_sql_agg_state_in(PG_FUNCTION_ARGS)
{
	Datum		result;

	check_may_input();
	result = DirectFunctionCall1(byteain, PG_GETARG_DATUM(0));
	check_layout((SeAggState *) DatumGetPointer(result));
	PG_RETURN_DATUM(result);
}

Datum
se_sql_agg_state_out(PG_FUNCTION_ARGS)
{
	struct varlena *state = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	Size		size = VARSIZE_ANY_EXHDR(state);
	char	   *result = palloc(size * 2 + 3);

	/* Always hexadecimal, whatever bytea_output says. */
	result[0] = '\\';
	result[1] = 'x';
	result[2 + hex_encode(VARDATA_ANY(state), size, result + 2)] = '\0';
	PG_RETURN_CSTRING(result);
}

Datum
se_sql_agg_state_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			size = buf->len - buf->cursor;
	SeAggState *result;

	check_may_input();
	result = palloc0(VARHDRSZ + Max(size, HEADER_SIZE));
	SET_VARSIZE(result, VARHDRSZ + size);
	pq_copymsgbytes(buf, VARDATA(result), size);
	check_layout(result);
	PG_RETURN_POINTER(result);
}

Datum
se_sql_agg_state_send(PG_FUNCTION_ARGS)
{
	struct varlena *state = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, VARDATA_ANY(state), VARSIZE_ANY_EXHDR(state));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
