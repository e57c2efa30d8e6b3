/*-------------------------------------------------------------------------
 *
 * kafka_header.c
 *	  Headers of a Kafka record: one by name, or all of them as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

#include "kafka_common.h"

bool
se_kafka_header(const SeRecord *record, const char *name,
				const char **value, size_t *len)
{
	rd_kafka_headers_t *headers;
	const void *found;

	if (record->origin == NULL ||
		rd_kafka_message_headers(record->origin, &headers) !=
		RD_KAFKA_RESP_ERR_NO_ERROR ||
		rd_kafka_header_get_last(headers, name, &found, len) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	*value = found;
	return true;
}

/* As a jsonb string; bytes that are no text become \\x and hex digits. */
static void
put_string(JsonbValue *out, const char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char	   *text;

	out->type = jbvString;
	if (memchr(bytes, 0, len) == NULL &&
		pg_verify_mbstr(PG_UTF8, bytes, len, true))
	{
		text = GetDatabaseEncoding() == PG_UTF8 ? pnstrdup(bytes, len) :
			pstrdup(pg_any_to_server(pnstrdup(bytes, len), len, PG_UTF8));
		out->val.string.val = text;
		out->val.string.len = strlen(text);
		return;
	}
	text = palloc(2 + len * 2);
	text[0] = '\\';
	text[1] = 'x';
	for (size_t i = 0; i < len; i++)
	{
		text[2 + i * 2] = digits[((unsigned char) bytes[i]) >> 4];
		text[3 + i * 2] = digits[((unsigned char) bytes[i]) & 15];
	}
	out->val.string.val = text;
	out->val.string.len = 2 + len * 2;
}

/* The last of several headers of one name wins, as in se_kafka_header(). */
Jsonb *
se_kafka_headers(const SeRecord *record)
{
	rd_kafka_headers_t *headers;
	JsonbParseState *state = NULL;
	JsonbValue *object;
	const char *name;
	const void *value;
	size_t		len;

	if (record->origin == NULL ||
		rd_kafka_message_headers(record->origin, &headers) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (size_t i = 0;
		 rd_kafka_header_get_all(headers, i, &name, &value, &len) ==
		 RD_KAFKA_RESP_ERR_NO_ERROR;
		 i++)
	{
		JsonbValue	v;

		put_string(&v, name, strlen(name));
		pushJsonbValue(&state, WJB_KEY, &v);
		if (value)
			put_string(&v, value, len);
		else
			v.type = jbvNull;
		pushJsonbValue(&state, WJB_VALUE, &v);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}
