/*-------------------------------------------------------------------------
 *
 * fuzz_path.c
 *	  Any text as the path of a wanted JSON field.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/json_tree.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines of paths go into one tree; each must be found again. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SeJsonNode *root = se_json_tree_create();
	char	   *paths = malloc(size + 1);
	char	   *path;
	char	   *next;

	memcpy(paths, data, size);
	paths[size] = '\0';
	for (path = paths; path != NULL; path = next)
	{
		const char *reason;
		SeJsonNode *node;
		bool		literal = *path == '=';

		next = strchr(path, '\n');
		if (next != NULL)
			*next++ = '\0';
		node = se_json_tree_add(root, path + literal, literal, &reason);
		if ((node == NULL) != (reason != NULL))
			abort();
		if (node != NULL &&
			se_json_tree_add(root, path + literal, literal, &reason) != node)
			abort();
		if (node != NULL && literal &&
			se_json_tree_child(root, path + 1, strlen(path + 1)) != node)
			abort();
		if (node != NULL && node->index > 1000000 && node->has_index)
			abort();
	}
	se_json_tree_free(root);
	free(paths);
	return 0;
}
