#include "jose/merkle_tree.h"

#include "base/memory.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct merkle_tree {
    /* All hashes, level after level; the leaves first, the root last. */
    struct merkle_hash *hashes;
    size_t count; /* of the leaves */
};

static struct merkle_hash hash_of(const void *bytes, size_t size) {
    struct merkle_hash hash;
    if (!EVP_Digest(bytes, size, hash.bytes, NULL, EVP_sha256(), NULL))
        out_of_memory();
    return hash;
}

struct merkle_hash merkle_leaf(const void *entry, size_t size) {
    unsigned char *text = must_alloc(size + 1);
    text[0] = 0;
    memcpy(text + 1, entry, size);
    struct merkle_hash hash = hash_of(text, size + 1);
    free(text);
    return hash;
}

static struct merkle_hash node_of(struct merkle_hash left, struct merkle_hash right) {
    unsigned char text[1 + 2 * sizeof left.bytes] = {1};
    memcpy(text + 1, left.bytes, sizeof left.bytes);
    memcpy(text + 1 + sizeof left.bytes, right.bytes, sizeof right.bytes);
    return hash_of(text, sizeof text);
}

/* How many hashes the level above one with so many has: the last without a neighbour goes up
 * unchanged, which is the tree of §2.1.1, split at the largest power of two. */
static size_t level_above(size_t count) {
    return (count + 1) / 2;
}

struct merkle_tree *merkle_tree_new(const struct merkle_hash *leaves, size_t count) {
    struct merkle_tree *tree = must_alloc(sizeof *tree);
    size_t all = count;
    for (size_t level = count; level > 1;)
        all += level = level_above(level);
    tree->count = count;
    tree->hashes = must_alloc(all * sizeof *tree->hashes);
    memcpy(tree->hashes, leaves, count * sizeof *leaves);
    struct merkle_hash *below = tree->hashes;
    for (size_t level = count; level > 1; level = level_above(level)) {
        struct merkle_hash *above = below + level;
        for (size_t i = 0; i < level; i += 2)
            above[i / 2] = i + 1 < level ? node_of(below[i], below[i + 1]) : below[i];
        below = above;
    }
    return tree;
}

void merkle_tree_free(struct merkle_tree *tree) {
    free(tree->hashes);
    free(tree);
}

struct merkle_hash merkle_root(const struct merkle_tree *tree) {
    const struct merkle_hash *hashes = tree->hashes;
    for (size_t level = tree->count; level > 1; level = level_above(level))
        hashes += level;
    return *hashes;
}

size_t merkle_path(const struct merkle_tree *tree, size_t place,
                   struct merkle_hash path[MERKLE_PATH_LIMIT]) {
    const struct merkle_hash *hashes = tree->hashes;
    size_t size = 0;
    for (size_t level = tree->count; level > 1; level = level_above(level), place /= 2) {
        if ((place ^ 1) < level)
            path[size++] = hashes[place ^ 1];
        hashes += level;
    }
    return size;
}

bool merkle_path_holds(struct merkle_hash leaf, size_t place, size_t count,
                       const struct merkle_hash *path, size_t size, struct merkle_hash root) {
    if (place >= count)
        return false;
    size_t last = count - 1;
    for (size_t i = 0; i < size; i++) {
        if (last == 0)
            return false;
        if (place % 2 == 1 || place == last) {
            leaf = node_of(path[i], leaf);
            while (place % 2 == 0 && place != 0) {
                place /= 2;
                last /= 2;
            }
        } else {
            leaf = node_of(leaf, path[i]);
        }
        place /= 2;
        last /= 2;
    }
    return last == 0 && memcmp(leaf.bytes, root.bytes, sizeof root.bytes) == 0;
}
