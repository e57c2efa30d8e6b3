/*-------------------------------------------------------------------------
 *
 * fuzz_json.c
 *	  Any bytes as a JSON document.
 *
 * Beside memory errors this looks for wrong answers: the scan must accept
 * just what the plain checker (se_json_diagnose) accepts, and find for each
 * path the value that a plain search finds.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/json_shim.h"
#include "decode/json_text.h"
#include "check.h"

#define MAX_STEPS 3

static const struct
{
	const char *path;
	const char *steps[MAX_STEPS];
}			wanted[] = {
	{"a", {"a"}},
	{"b", {"b"}},
	{"b.c", {"b", "c"}},
	{"b.c.d", {"b", "c", "d"}},
	{"tags[0]", {"tags", "0"}},
	{"tags.1", {"tags", "1"}},
	{"\"x.y\"", {"x.y"}},
	{"a_key_longer_than_sixteen", {"a_key_longer_than_sixteen"}},
	{"b.e", {"b", "e"}}
};

#define NWANTED ((int) (sizeof(wanted) / sizeof(wanted[0])))

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* Where the value at p of a valid document ends. */
static const char *
skip_value(const char *p)
{
	int			depth = 0;

	for (;; p++)
	{
		if (*p == '"')
		{
			for (p++; *p != '"'; p++)
				p += *p == '\\';
		}
		else if (*p == '{' || *p == '[')
			depth++;
		else if (depth > 0 && (*p == '}' || *p == ']'))
			depth--;
		else if (depth == 0)
		{
			while (strchr(",]} \t\r\n", *p) == NULL)
				p++;
			return p;
		}
		if (depth == 0)
			return p + 1;
	}
}

/* Does the raw key, between quotes, spell this step? */
static bool
key_is(const char *raw, size_t len, const char *step)
{
	char	   *plain = malloc(len + 1);
	size_t		plain_len;
	size_t		fault;
	bool		same;

	same = se_json_unescape(raw, len, plain, &plain_len, &fault) ==
		SE_JSON_TEXT_OK && plain_len == strlen(step) &&
		memcmp(plain, step, plain_len) == 0;
	free(plain);
	return same;
}

/* The value of the last such field or element, or NULL. */
static const char *
find_step(const char *p, const char *step)
{
	const char *found = NULL;
	bool		object = *p == '{';
	char		number[24];
	int			index;

	if (*p != '{' && *p != '[')
		return NULL;
	p = skip_space(p + 1);
	for (index = 0; *p != '}' && *p != ']'; index++)
	{
		bool		hit;

		snprintf(number, sizeof(number), "%d", index);
		hit = strcmp(number, step) == 0;
		if (object)
		{
			const char *key = p + 1;

			p = skip_value(p);
			hit = key_is(key, p - key - 1, step);
			p = skip_space(skip_space(p) + 1);
		}
		if (hit)
			found = p;
		p = skip_space(skip_value(p));
		if (*p == ',')
			p = skip_space(p + 1);
	}
	return found;
}

static void
check_value(const char *document, int which, const SeJsonValue *value)
{
	const char *p = document;
	const char *text = value->text;
	size_t		len = value->len;
	int			i;

	for (i = 0; i < MAX_STEPS && p != NULL && wanted[which].steps[i]; i++)
		p = find_step(p, wanted[which].steps[i]);
	if (p == NULL)
	{
		CHECK(value->kind == SE_JSON_MISSING);
		return;
	}
	CHECK(value->kind != SE_JSON_MISSING);
	if (value->kind == SE_JSON_STRING)
	{
		text--;
		len += 2;
	}
	CHECK(len == (size_t) (skip_value(p) - p));
	CHECK(memcmp(text, p, len) == 0);
}

/* The pieces that turn a value into text, in memory of just their size. */
static void
use_value(const SeJsonValue *value)
{
	size_t		room = value->kind == SE_JSON_ARRAY ? 4 * value->len + 8 :
		value->len;
	char	   *dst = malloc(room);
	char		ahead[SE_JSON_READABLE];
	size_t		len = 0;
	size_t		fault;

	memcpy(ahead, value->text, sizeof(ahead));
	if (value->kind == SE_JSON_STRING)
	{
		SeJsonTextStatus status;

		status = se_json_unescape(value->text, value->len, dst, &len, &fault);
		CHECK(status != SE_JSON_TEXT_ESCAPE);
		CHECK(value->escaped == (memchr(value->text, '\\', value->len) != NULL));
		CHECK(value->escaped || len == value->len);
	}
	else if (value->kind == SE_JSON_NUMBER)
		CHECK(se_json_number_valid(value->text, value->len));
	else if (value->kind == SE_JSON_ARRAY &&
			 se_json_array_literal(value->text, value->len, dst, &len) ==
			 SE_JSON_TEXT_OK)
		CHECK(len >= 2 && dst[0] == '{' && dst[len - 1] == '}');
	CHECK(value->len > sizeof(ahead) ||
		  memcmp(ahead, value->text, value->len) == 0);
	free(dst);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static SeJson *json = NULL;
	const SeJsonValue *values;
	size_t		bom = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
	const char *reason;
	size_t		position;
	char	   *document;
	int			i;

	if (json == NULL)
	{
		json = se_json_open();
		for (i = 0; i < NWANTED; i++)
			CHECK(se_json_want(json, wanted[i].path, false, &reason) == i);
	}

	/* A copy that ends where the document ends, for the checker to run into. */
	document = malloc(size - bom);
	memcpy(document, data + bom, size - bom);
	values = se_json_parse(json, (const char *) data, size);
	reason = se_json_diagnose(document, size - bom, &position);
	CHECK((values == NULL) == (reason != NULL));
	CHECK(position <= size - bom);
	for (i = 0; values != NULL && i < NWANTED; i++)
	{
		check_value(skip_space(document), i, &values[i]);
		if (values[i].kind != SE_JSON_MISSING)
			use_value(&values[i]);
	}
	free(document);
	return 0;
}
