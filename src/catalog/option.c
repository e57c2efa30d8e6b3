/*-------------------------------------------------------------------------
 *
 * option.c
 *	  Options kept as jsonb objects, read as text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "catalog.h"

static char *
scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			{
				StringInfoData buf;

				initStringInfo(&buf);
				JsonbToCString(&buf, value->val.binary.data,
							   value->val.binary.len);
				return buf.data;
			}
	}
}

char *
se_catalog_option(const Jsonb *options, const char *key)
{
	JsonbValue	value;

	if (options == NULL || !JB_ROOT_IS_OBJECT(options))
		return NULL;
	if (!getKeyJsonValueFromContainer((JsonbContainer *) &options->root,
									  key, strlen(key), &value))
		return NULL;
	return scalar_text(&value);
}

List *
se_catalog_options_list(const Jsonb *options)
{
	List	   *list = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;

	if (options == NULL || !JB_ROOT_IS_OBJECT(options))
		return NIL;
	it = JsonbIteratorInit((JsonbContainer *) &options->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *text;

		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && (text = scalar_text(&value)) != NULL)
			list = lappend(list,
						   makeDefElem(key, (Node *) makeString(text), -1));
	}
	return list;
}
