/*-------------------------------------------------------------------------
 *
 * json_text.h
 *	  Small pieces of JSON text, without PostgreSQL headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_JSON_TEXT_H
#define SE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C"
{
#endif

typedef enum SeJsonTextStatus
{
	SE_JSON_TEXT_OK,
	SE_JSON_TEXT_ESCAPE,		/* a backslash with something unknown */
	SE_JSON_TEXT_SURROGATE,		/* half a surrogate pair */
	SE_JSON_TEXT_NUL			/* \u0000 */
} SeJsonTextStatus;

/*
 * Resolve the escapes of a string's inside.  dst needs room for len bytes;
 * *fault is the offset of the escape at fault.
 */
extern SeJsonTextStatus se_json_unescape(const char *src, size_t len,
										 char *dst, size_t *dst_len,
										 size_t *fault);

/* True when all escapes are of a known form (surrogates not looked at). */
extern bool se_json_escapes_valid(const char *src, size_t len);

/* True when the bytes are one JSON number, nothing before or after. */
extern bool se_json_number_valid(const char *src, size_t len);

/*
 * A valid JSON array as a PostgreSQL array literal: [1,"a",null] becomes
 * {1,"a",NULL}.  Objects become quoted elements.  dst needs room for
 * 4 * len + 8 bytes, part of which is scratch.
 */
extern SeJsonTextStatus se_json_array_literal(const char *src, size_t len,
											  char *dst, size_t *dst_len);

/*
 * Slow check of a whole document, to say what is wrong with one that
 * was refused: returns NULL for a valid one, else the reason, and sets *position.
 */
extern const char *se_json_diagnose(const char *src, size_t len,
									size_t *position);

/* How deep values may be nested. */
#define SE_JSON_MAX_DEPTH	500

#ifdef __cplusplus
}
#endif

#endif							/* SE_JSON_TEXT_H */
