/*-------------------------------------------------------------------------
 *
 * json_shim.h
 *	  Picks wanted fields from a JSON object; simdjson behind a C interface.
 *
 * Pure: no PostgreSQL headers, no exceptions across the boundary, so that
 * the scan can be fuzzed alone.  The whole document is checked, what nobody
 * wants included: values come out only when all of it is valid JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_JSON_SHIM_H
#define SE_JSON_SHIM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C"
{
#endif

typedef enum SeJsonKind
{
	SE_JSON_MISSING,			/* the document has no such field */
	SE_JSON_NULL,
	SE_JSON_FALSE,
	SE_JSON_TRUE,
	SE_JSON_NUMBER,
	SE_JSON_STRING,
	SE_JSON_ARRAY,
	SE_JSON_OBJECT
} SeJsonKind;

/*
 * One wanted value.  "text" is the value as it stands in the document,
 * strings without their quotes and with their escapes.  It points into the
 * shim's copy of the payload, valid until the next se_json_parse, and
 * SE_JSON_READABLE bytes from there on can be read whatever the length.
 */
#define SE_JSON_READABLE 48

typedef struct SeJsonValue
{
	SeJsonKind	kind;
	bool		escaped;		/* a string with backslashes in it */
	const char *text;
	size_t		len;
} SeJsonValue;

typedef struct SeJson SeJson;

/* NULL: out of memory. */
extern SeJson *se_json_open(void);
extern void se_json_close(SeJson *json);

/*
 * Want the field at "path" (see json_tree.h; literal: one key, as it is).
 * Returns the index of its value in what se_json_parse returns, or -1 with
 * *reason set.
 */
extern int	se_json_want(SeJson *json, const char *path, bool literal,
						 const char **reason);

/*
 * Scan one document, whose root must be an object.  Of a key that comes
 * twice the last one counts.  NULL: not a valid document, see se_json_error.
 */
extern const SeJsonValue *se_json_parse(SeJson *json, const char *payload,
										size_t len);

/* What is wrong with the last document, with the position when known. */
extern const char *se_json_error(const SeJson *json);

#ifdef __cplusplus
}
#endif

#endif							/* SE_JSON_SHIM_H */
