/*-------------------------------------------------------------------------
 *
 * json_tree.c
 *	  Builds the tree of wanted fields from paths.
 *
 * A path is a list of steps: keys separated by dots and array elements in
 * brackets.  As in PostgreSQL's #> both are the same thing: a step of digits
 * is an element when the value turns out to be an array, else a key.  A key
 * with dots or brackets in it is put in double quotes, a double quote in
 * it is doubled.
 *
 * Runs when a decoder is made, never per record.
 *
 *-------------------------------------------------------------------------
 */
#include "json_tree.h"

#include <stdlib.h>

#define SE_JSON_MAX_INDEX	1000000
#define SE_JSON_MAX_STEPS	100

static const char *const out_of_memory = "out of memory";

SeJsonNode *
se_json_tree_create(void)
{
	SeJsonNode *root = calloc(1, sizeof(SeJsonNode));

	if (root != NULL)
	{
		root->index = -1;
		root->slot = -1;
	}
	return root;
}

void
se_json_tree_free(SeJsonNode *node)
{
	while (node != NULL)
	{
		SeJsonNode *next = node->next;

		se_json_tree_free(node->first_child);
		free(node->table);
		free(node->key);
		free(node);
		node = next;
	}
}

SeJsonNode *
se_json_tree_element(const SeJsonNode *node, size_t index)
{
	SeJsonNode *child;

	for (child = node->first_child; child != NULL; child = child->next)
	{
		if (child->index >= 0 && (size_t) child->index == index)
			return child;
	}
	return NULL;
}

/* Make the lookup table of a node anew, at most half full. */
static bool
rebuild_table(SeJsonNode *node)
{
	SeJsonNode *child;
	SeJsonNode **table;
	uint32_t	size = 8;
	uint32_t	count = 0;

	for (child = node->first_child; child != NULL; child = child->next)
		count++;
	while (size < count * 2)
		size *= 2;
	table = calloc(size, sizeof(SeJsonNode *));
	if (table == NULL)
		return false;

	for (child = node->first_child; child != NULL; child = child->next)
	{
		uint32_t	i;

		i = se_json_key_hash(child->key, child->key_len);
		while (table[i & (size - 1)] != NULL)
			i++;
		table[i & (size - 1)] = child;
	}
	free(node->table);
	node->table = table;
	node->table_mask = size - 1;
	return true;
}

/* The child for one step, made when it is not there. */
static SeJsonNode *
child_for_step(SeJsonNode *node, const char *key, size_t len, bool element,
			   const char **reason)
{
	SeJsonNode *child;
	int			index = -1;
	size_t		i;

	if (len > SE_JSON_MAX_KEY)
	{
		*reason = "a key is longer than 600 bytes";
		return NULL;
	}
	if (len > 0 && len <= 7 && (key[0] != '0' || len == 1))
	{
		for (i = 0, index = 0; i < len && index >= 0; i++)
			index = (key[i] >= '0' && key[i] <= '9') ?
				index * 10 + (key[i] - '0') : -1;
		if (!element && index > SE_JSON_MAX_INDEX)
			index = -1;			/* a key and nothing else */
	}
	if (element && (index < 0 || index > SE_JSON_MAX_INDEX))
	{
		*reason = "an array element is a number from 0 to 1000000";
		return NULL;
	}

	for (child = node->first_child; child != NULL; child = child->next)
	{
		if (child->key_len == len && memcmp(child->key, key, len) == 0)
			return child;
	}

	child = calloc(1, sizeof(SeJsonNode));
	if (child != NULL)
		child->key = calloc(1, len < 16 ? 16 : len);
	if (child == NULL || child->key == NULL)
	{
		free(child);
		*reason = out_of_memory;
		return NULL;
	}
	memcpy(child->key, key, len);
	child->key_len = (uint32_t) len;
	child->index = index;
	child->slot = -1;
	child->next = node->first_child;
	node->first_child = child;
	if (index >= 0)
		node->has_index = true;
	if (!rebuild_table(node))
	{
		*reason = out_of_memory;
		return NULL;
	}
	return child;
}

/*
 * Read a key in double quotes, *p being behind the opening one, into buf.
 * Returns its length, or 0 when it is empty or not closed.
 */
static size_t
read_quoted_key(const char **p, char *buf)
{
	size_t		len = 0;

	for (; **p != '\0'; (*p)++)
	{
		if (**p == '"')
		{
			(*p)++;
			if (**p != '"')
				return len;
		}
		buf[len++] = **p;
	}
	return 0;
}

/* One step of a path, *p at its first character; moves *p behind it. */
static SeJsonNode *
add_step(SeJsonNode *node, const char **p, char *buf, const char **reason)
{
	const char *start = *p;
	size_t		len;

	if (*start == '[')
	{
		len = strcspn(start, "]");
		if (start[len] != ']')
		{
			*reason = "a bracket is not closed";
			return NULL;
		}
		*p = start + len + 1;
		return child_for_step(node, start + 1, len - 1, true, reason);
	}
	if (*start == '"')
	{
		(*p)++;
		len = read_quoted_key(p, buf);
		if (len == 0)
		{
			*reason = "a quoted key is empty or not closed";
			return NULL;
		}
		return child_for_step(node, buf, len, false, reason);
	}
	len = strcspn(start, ".[\"]");
	if (len == 0)
	{
		*reason = "a key is empty";
		return NULL;
	}
	*p = start + len;
	return child_for_step(node, start, len, false, reason);
}

SeJsonNode *
se_json_tree_add(SeJsonNode *root, const char *path, bool literal,
				 const char **reason)
{
	SeJsonNode *node = root;
	const char *p = path;
	char	   *buf;
	int			steps = 0;

	*reason = NULL;
	if (literal && *path != '\0')
		return child_for_step(root, path, strlen(path), false, reason);

	buf = malloc(strlen(path) + 1);
	if (buf == NULL)
	{
		*reason = out_of_memory;
		return NULL;
	}
	do
	{
		if (++steps > SE_JSON_MAX_STEPS)
		{
			*reason = "it has more than 100 steps";
			node = NULL;
			break;
		}
		node = add_step(node, &p, buf, reason);
		if (node == NULL || *p == '\0')
			break;
		if (*p == '.')
			p++;
		else if (*p != '[')
		{
			*reason = "a dot is missing between two keys";
			node = NULL;
		}
	} while (node != NULL);
	free(buf);
	return node;
}
