/*-------------------------------------------------------------------------
 *
 * json_tree.h
 *	  The fields a stream wants from its JSON, as a tree of keys.
 *
 * Paths that share a parent share a node, so that the scan descends once.
 * Every node finds a child by key with one probe of a small table.  A node
 * that some column wants has a slot, the index of its value in the scan's
 * result; columns with the same path share the slot.
 *
 * Pure C on malloc'd memory, no PostgreSQL headers: the scan that walks this
 * tree is fuzzed on its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_JSON_TREE_H
#define SE_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C"
{
#endif

/* The longest key that can be wanted, in bytes. */
#define SE_JSON_MAX_KEY 600

typedef struct SeJsonNode SeJsonNode;

struct SeJsonNode
{
	char	   *key;			/* padded with zeros to 16 bytes or more */
	uint32_t	key_len;
	int			index;			/* element when in an array, -1: key only */
	bool		has_index;		/* some child can be an array element */
	int			slot;			/* -1: no column wants this node itself */
	uint64_t	seen;			/* document in which it was last met */
	SeJsonNode *first_child;
	SeJsonNode *next;			/* sibling */
	SeJsonNode **table;			/* children by key, table_mask + 1 entries */
	uint32_t	table_mask;
};

extern SeJsonNode *se_json_tree_create(void);
extern void se_json_tree_free(SeJsonNode *root);

/*
 * Add a path such as user.address.city, tags[0], tags.0 or "a.b".c and
 * return its node, or NULL with *reason set.  When literal, the whole of the
 * path is one key.
 */
extern SeJsonNode *se_json_tree_add(SeJsonNode *root, const char *path,
									bool literal, const char **reason);

/* Element "index" of an array at this node, or NULL. */
extern SeJsonNode *se_json_tree_element(const SeJsonNode *node, size_t index);

static inline uint32_t
se_json_key_hash(const char *key, size_t len)
{
	return (uint32_t) len * 31 + (unsigned char) key[0] * 7 +
		(unsigned char) key[len - 1] * 131 + (unsigned char) key[len / 2];
}

static inline SeJsonNode *
se_json_tree_child(const SeJsonNode *node, const char *key, size_t len)
{
	uint32_t	i;

	if (node->table == NULL || len == 0)
		return NULL;
	for (i = se_json_key_hash(key, len);; i++)
	{
		SeJsonNode *child = node->table[i & node->table_mask];

		if (child == NULL)
			return NULL;
		if (child->key_len == len && memcmp(child->key, key, len) == 0)
			return child;
	}
}

#ifdef __cplusplus
}
#endif

#endif							/* SE_JSON_TREE_H */
