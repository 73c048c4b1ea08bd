/* Merkle trees with SHA-256, RFC 9162 §2.1: one hash for a list of entries, and for each entry a
 * short path that proves its place in the list. */
#ifndef CIBA_JOSE_MERKLE_TREE_H
#define CIBA_JOSE_MERKLE_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum { MERKLE_PATH_LIMIT = 32 }; /* hashes: enough for 2^32 entries */

struct merkle_hash {
    unsigned char bytes[32];
};

struct merkle_tree;

/* The hash of an entry (§2.1.1). */
struct merkle_hash merkle_leaf(const void *entry, size_t size);

/* The tree over the leaves, at least one, at most 2^32; freed by merkle_tree_free. */
struct merkle_tree *merkle_tree_new(const struct merkle_hash *leaves, size_t count);
void merkle_tree_free(struct merkle_tree *tree);

/* The hash of the whole list (§2.1.1). */
struct merkle_hash merkle_root(const struct merkle_tree *tree);

/* The inclusion proof of the leaf at this place, from 0 (§2.1.3.1): puts its hashes into `path` and
 * returns their number. */
size_t merkle_path(const struct merkle_tree *tree, size_t place,
                   struct merkle_hash path[MERKLE_PATH_LIMIT]);

/* Whether the path proves that the leaf has this place in a list of `count` entries with this root
 * (§2.1.3.2). A path alone may fit two counts: who trusts only the root puts place and count into
 * the entries. */
bool merkle_path_holds(struct merkle_hash leaf, size_t place, size_t count,
                       const struct merkle_hash *path, size_t size, struct merkle_hash root);

#endif
