/*-------------------------------------------------------------------------
 *
 * json_shim.cc
 *	  simdjson On-Demand behind the C interface of json_shim.h.
 *
 * simdjson's first stage finds all structural characters and checks UTF-8
 * and string ends at memory speed.  On-Demand then walks them in document order; we
 * descend along the tree of wanted keys and note where wanted values lie.
 * On-Demand by itself skips what is not asked for with hardly a look, so
 * unwanted values are walked too: every token is checked against the
 * grammar.  That costs a few ns per token and is what makes "valid" mean the
 * whole document.
 *
 * Values are only noted here and made into Datums when the whole document
 * has been seen.  So a duplicate key costs nothing (the last one overwrites)
 * and a document that breaks off yields no value at all.
 *
 * No C++ exception can arise: simdjson is built without them, nothing here
 * throws, and memory comes from malloc or nothrow new.
 *
 *-------------------------------------------------------------------------
 */
#define SIMDJSON_EXCEPTIONS 0
#ifndef NDEBUG
#define NDEBUG					/* simdjson's assertions cost 15 % */
#endif
#include <simdjson.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "json_shim.h"
#include "json_text.h"
#include "json_tree.h"

using simdjson::SUCCESS;
namespace od = simdjson::ondemand;

/* The scratch buffer starts here and goes back to here after a giant. */
static const size_t USUAL_CAPACITY = 64 * 1024;
static const size_t GIANT_CAPACITY = 4 * 1024 * 1024;

/* What may be read behind the document: by simdjson, and by our callers. */
static const size_t PADDING = simdjson::SIMDJSON_PADDING > SE_JSON_READABLE ?
	simdjson::SIMDJSON_PADDING : SE_JSON_READABLE;

struct SeJson
{
	od::parser	parser;
	SeJsonNode *root = nullptr;
	SeJsonValue *values = nullptr;
	int			nvalues = 0;
	char	   *buffer = nullptr;	/* capacity + PADDING bytes */
	size_t		capacity = 0;
	uint64_t	document = 0;		/* counts documents, see SeJsonNode.seen */
	char		error[160] = "";
};

static bool walk_container(SeJson *json, od::document &doc, od::value &value,
						   SeJsonNode *node, int depth);

SeJson *
se_json_open(void)
{
	SeJson	   *json = new (std::nothrow) SeJson();

	if (json != nullptr)
		json->root = se_json_tree_create();
	if (json == nullptr || json->root == nullptr)
	{
		delete json;
		return nullptr;
	}
	return json;
}

void
se_json_close(SeJson *json)
{
	if (json == nullptr)
		return;
	se_json_tree_free(json->root);
	free(json->values);
	free(json->buffer);
	delete json;
}

int
se_json_want(SeJson *json, const char *path, bool literal,
			 const char **reason)
{
	SeJsonNode *node = se_json_tree_add(json->root, path, literal, reason);

	if (node == nullptr)
		return -1;
	if (node->slot < 0)
	{
		void	   *values = realloc(json->values,
									 (json->nvalues + 1) * sizeof(SeJsonValue));

		if (values == nullptr)
		{
			*reason = "out of memory";
			return -1;
		}
		json->values = (SeJsonValue *) values;
		node->slot = json->nvalues++;
	}
	return node->slot;
}

const char *
se_json_error(const SeJson *json)
{
	return json->error;
}

/* A key came again: what its first value had below it does not count. */
static void
forget_below(SeJson *json, SeJsonNode *node)
{
	for (SeJsonNode *child = node->first_child; child; child = child->next)
	{
		if (child->slot >= 0)
			json->values[child->slot].kind = SE_JSON_MISSING;
		forget_below(json, child);
	}
}

/*
 * Offset of the first quote or backslash at or after p.  There always is
 * one: the first stage has seen all strings closed.
 */
static inline size_t
special_offset(const char *p)
{
#if defined(__SSE2__)
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');

	for (size_t i = 0;; i += 16)
	{
		__m128i		chunk = _mm_loadu_si128((const __m128i *) (p + i));
		int			mask = _mm_movemask_epi8(
			_mm_or_si128(_mm_cmpeq_epi8(chunk, quote),
						 _mm_cmpeq_epi8(chunk, backslash)));

		if (mask != 0)
			return i + __builtin_ctz(mask);
	}
#else
	size_t		i = 0;

	while (p[i] != '"' && p[i] != '\\')
		i++;
	return i;
#endif
}

#if defined(__SSE2__)
/* se_json_tree_child for a key of up to 16 bytes, with its bytes at hand. */
static inline SeJsonNode *
short_key_child(const SeJsonNode *node, const char *key, size_t len)
{
	const __m128i chunk = _mm_loadu_si128((const __m128i *) key);
	const int	bytes = (1 << len) - 1;

	if (node->table == nullptr || len == 0)
		return nullptr;
	for (uint32_t i = se_json_key_hash(key, len);; i++)
	{
		SeJsonNode *child = node->table[i & node->table_mask];

		if (child == nullptr)
			return nullptr;
		if (child->key_len == len &&
			(_mm_movemask_epi8(_mm_cmpeq_epi8(
				chunk, _mm_loadu_si128((const __m128i *) child->key))) &
			 bytes) == bytes)
			return child;
	}
}
#endif

/*
 * The child that a key with escapes leads to; false: the key has a bad one.
 * Out of line, so that the buffer does not weigh on the recursion.
 */
static bool __attribute__((noinline))
find_escaped_child(SeJsonNode *node, const char *key, SeJsonNode **child)
{
	char		plain[6 * SE_JSON_MAX_KEY];
	size_t		len = 0;
	size_t		plain_len;
	size_t		fault;

	while (key[len] != '"')
		len += key[len] == '\\' ? 2 : 1;
	*child = nullptr;
	if (node != nullptr && len <= sizeof(plain) &&
		se_json_unescape(key, len, plain, &plain_len, &fault) == SE_JSON_TEXT_OK)
		*child = se_json_tree_child(node, plain, plain_len);
	return se_json_escapes_valid(key, len);
}

/* The child that a key leads to; false: the key has a bad escape. */
static inline bool
find_child(SeJsonNode *node, const char *key, SeJsonNode **child)
{
	size_t		len = special_offset(key);

	if (key[len] != '"')
		return find_escaped_child(node, key, child);
#if defined(__SSE2__)
	if (node != nullptr && len <= 16)
	{
		*child = short_key_child(node, key, len);
		return true;
	}
#endif
	*child = node ? se_json_tree_child(node, key, len) : nullptr;
	return true;
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/*
 * Check a string, number or literal, all of the bytes up to the next
 * structural character, and say what it is.
 */
static inline bool
read_scalar(std::string_view token, SeJsonValue *result)
{
	const char *start = token.data();
	size_t		len = token.size();

	/* A value is followed by the next value or the end of its parent. */
	if (start[len] != ',' && start[len] != '}' && start[len] != ']')
		return false;
	while (len > 0 && is_space(start[len - 1]))
		len--;
	if (len == 0)
		return false;

	result->text = start;
	result->len = len;
	result->escaped = false;
	switch (*start)
	{
		case '"':
			if (len < 2 || start[len - 1] != '"')
				return false;
			result->kind = SE_JSON_STRING;
			result->text = start + 1;
			result->len = len - 2;
			if (special_offset(start + 1) != len - 2)
			{
				result->escaped = true;
				return se_json_escapes_valid(start + 1, len - 2);
			}
			return true;
		case 't':
			result->kind = SE_JSON_TRUE;
			return len == 4 && memcmp(start, "true", 4) == 0;
		case 'f':
			result->kind = SE_JSON_FALSE;
			return len == 5 && memcmp(start, "false", 5) == 0;
		case 'n':
			result->kind = SE_JSON_NULL;
			return len == 4 && memcmp(start, "null", 4) == 0;
		default:
			result->kind = SE_JSON_NUMBER;
			return se_json_number_valid(start, len);
	}
}

/* One value, of which scalars are all there is on the fast path. */
static inline bool
walk_value(SeJson *json, od::document &doc, od::value &value,
		   SeJsonNode *node, int depth)
{
	std::string_view token = value.raw_json_token();
	SeJsonValue unwanted;

	if (token[0] == '{' || token[0] == '[')
		return walk_container(json, doc, value, node, depth);
	if (node == nullptr)
		return read_scalar(token, &unwanted);
	if (node->first_child != nullptr && node->seen == json->document)
		forget_below(json, node);
	return read_scalar(token, node->slot < 0 ? &unwanted :
					   &json->values[node->slot]);
}

static bool
walk_object(SeJson *json, od::document &doc, od::object object,
			SeJsonNode *node, int depth)
{
	for (auto item : object)
	{
		SeJsonNode *child;

		if (item.error() != SUCCESS)
			return false;

		/* By reference: copying a field just stored stalls the processor. */
		od::field && field = std::move(item).value_unsafe();
		if (!find_child(node, field.key().raw(), &child) ||
			!walk_value(json, doc, field.value(), child, depth))
			return false;
	}
	return true;
}

static bool
walk_array(SeJson *json, od::document &doc, od::array array,
		   SeJsonNode *node, int depth)
{
	size_t		index = 0;

	if (node != nullptr && !node->has_index)
		node = nullptr;
	for (auto item : array)
	{
		SeJsonNode *child = nullptr;

		if (item.error() != SUCCESS)
			return false;
		od::value && element = std::move(item).value_unsafe();
		if (node != nullptr)
			child = se_json_tree_element(node, index++);
		if (!walk_value(json, doc, element, child, depth))
			return false;
	}
	return true;
}

/*
 * Object or array.  If somebody wants it, its text is all from its opening
 * bracket to the closing one.
 */
static bool
walk_container(SeJson *json, od::document &doc, od::value &value,
			   SeJsonNode *node, int depth)
{
	const char *start = value.raw_json_token().data();
	const char *end;

	if (depth >= SE_JSON_MAX_DEPTH)
		return false;
	if (node != nullptr && node->first_child != nullptr)
	{
		if (node->seen == json->document)
			forget_below(json, node);
		node->seen = json->document;
	}
	if (*start == '{')
	{
		od::object	object;

		if (value.get_object().get(object) != SUCCESS ||
			!walk_object(json, doc, object, node, depth + 1))
			return false;
	}
	else
	{
		od::array	array;

		if (value.get_array().get(array) != SUCCESS ||
			!walk_array(json, doc, array, node, depth + 1))
			return false;
	}

	if (node != nullptr && node->slot >= 0)
	{
		SeJsonValue *result = &json->values[node->slot];

		/* The next token is behind it; it is not the last, for the root is open. */
		if (doc.current_location().get(end) != SUCCESS)
			return false;
		while (end[-1] != '}' && end[-1] != ']')
			end--;
		result->kind = *start == '{' ? SE_JSON_OBJECT : SE_JSON_ARRAY;
		result->escaped = false;
		result->text = start;
		result->len = end - start;
	}
	return true;
}

/* Room for len bytes and padding; a giant's room is given back later. */
static bool
reserve(SeJson *json, size_t len)
{
	size_t		capacity = USUAL_CAPACITY;

	if (json->buffer != nullptr && len <= json->capacity &&
		(json->capacity < GIANT_CAPACITY || len > json->capacity / 8))
		return true;
	while (capacity < len)
		capacity *= 2;

	free(json->buffer);
	json->capacity = 0;
	json->buffer = (char *) malloc(capacity + PADDING);
	if (json->buffer == nullptr ||
		json->parser.allocate(capacity) != SUCCESS)
		return false;
	json->capacity = capacity;
	return true;
}

static bool
walk_document(SeJson *json, size_t len)
{
	od::document doc;
	od::object	root;

	/* Out of bounds is what On-Demand says of the place behind the last token. */
	return json->parser.iterate(json->buffer, len, len + PADDING).get(doc) ==
		SUCCESS &&
		doc.get_object().get(root) == SUCCESS &&
		walk_object(json, doc, root, json->root, 1) &&
		doc.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

const SeJsonValue *
se_json_parse(SeJson *json, const char *payload, size_t len)
{
	const char *reason;
	size_t		position;

	/* A byte order mark some producers put in front means nothing. */
	if (len >= 3 && memcmp(payload, "\xEF\xBB\xBF", 3) == 0)
	{
		payload += 3;
		len -= 3;
	}
	if (!reserve(json, len))
	{
		snprintf(json->error, sizeof(json->error), "out of memory");
		return nullptr;
	}
	memcpy(json->buffer, payload, len);
	memset(json->buffer + len, 0, PADDING);

	json->document++;
	for (int i = 0; i < json->nvalues; i++)
		json->values[i].kind = SE_JSON_MISSING;
	if (walk_document(json, len))
		return json->values;

	reason = se_json_diagnose(payload, len, &position);
	if (reason == nullptr)
		snprintf(json->error, sizeof(json->error), "invalid JSON");
	else
		snprintf(json->error, sizeof(json->error), "%s at byte %zu",
				 reason, position);
	return nullptr;
}
