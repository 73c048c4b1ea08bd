#include "document/together.h"

#include "document/attempt.h"
#include "jose/digest.h"
#include "jose/merkle_tree.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "sha-256:";

static struct merkle_hash leaf_of(int index, int count, const char *call_digest) {
    char *entry = must_format("[%d,%d,\"%s\"]", index, count, call_digest);
    struct merkle_hash leaf = merkle_leaf(entry, strlen(entry));
    free(entry);
    return leaf;
}

static jv hash_text(const char *before, struct merkle_hash hash) {
    char *text = base64url_encode(hash.bytes, sizeof hash.bytes);
    char *whole = must_format("%s%s", before, text);
    jv value = jv_string(whole);
    free(text);
    free(whole);
    return value;
}

/* False if it is no hash. */
static bool read_hash(const char *text, struct merkle_hash *hash) {
    size_t size = 0;
    unsigned char *bytes = text != NULL ? base64url_decode(text, strlen(text), &size) : NULL;
    bool good = bytes != NULL && size == sizeof hash->bytes;
    if (good)
        memcpy(hash->bytes, bytes, size);
    free(bytes);
    return good;
}

static jv path_of(const struct merkle_tree *tree, int index) {
    struct merkle_hash path[MERKLE_PATH_LIMIT];
    size_t size = merkle_path(tree, (size_t)index, path);
    jv all = jv_array();
    for (size_t i = 0; i < size; i++)
        all = jv_array_append(all, hash_text("", path[i]));
    return all;
}

jv together_parts(jv digests) {
    int count = jv_array_length(jv_copy(digests));
    jv parts = jv_array();
    if (count == 0)
        return parts;
    struct merkle_hash *leaves = must_alloc((size_t)count * sizeof *leaves);
    jv_array_foreach(digests, i, digest) {
        leaves[i] = leaf_of(i, count, jv_string_value(digest));
        jv_free(digest);
    }
    struct merkle_tree *tree = merkle_tree_new(leaves, (size_t)count);
    for (int i = 0; i < count; i++) {
        jv part = json_set(jv_object(), "digest", hash_text(prefix, merkle_root(tree)));
        part = json_set(json_set(part, "index", jv_number(i)), "of", jv_number(count));
        parts = jv_array_append(parts, json_set(part, "path", path_of(tree, i)));
    }
    merkle_tree_free(tree);
    free(leaves);
    return parts;
}

/* Reads a whole number from 0 to the limit. */
static bool whole(jv part, const char *name, int *number) {
    double value;
    if (!json_number(part, name, &value) ||
        !(value >= 0 && value <= TOGETHER_LIMIT && value == floor(value)))
        return false;
    *number = (int)value;
    return true;
}

/* Reads the path; its number of hashes, or -1 if it is none. */
static int read_path(jv part, struct merkle_hash path[MERKLE_PATH_LIMIT]) {
    jv all = json_get(part, "path");
    int size = jv_get_kind(all) == JV_KIND_ARRAY ? jv_array_length(jv_copy(all)) : -1;
    if (size > MERKLE_PATH_LIMIT)
        size = -1;
    for (int i = 0, count = size; i < count; i++) {
        jv hash = jv_array_get(jv_copy(all), i);
        if (!read_hash(json_value_string(hash), &path[i]))
            size = -1;
        jv_free(hash);
    }
    jv_free(all);
    return size;
}

static bool part_holds(jv part, const char *call_digest) {
    struct merkle_hash root, path[MERKLE_PATH_LIMIT];
    int index, count, size = read_path(part, path);
    const char *digest = json_string(part, "digest");
    return size >= 0 && digest != NULL && strncmp(digest, prefix, strlen(prefix)) == 0 &&
           read_hash(digest + strlen(prefix), &root) && whole(part, "index", &index) &&
           whole(part, "of", &count) && index < count &&
           merkle_path_holds(leaf_of(index, count, call_digest), (size_t)index, (size_t)count, path,
                             (size_t)size, root);
}

bool together_holds(jv authorization, const char *call_digest, struct error *error) {
    jv part = json_get(authorization, "together");
    bool holds = part_holds(part, call_digest);
    jv_free(part);
    return holds || fail(error, STATUS_INPUT,
                         "it is not what was approved: its place among the calls that were asked "
                         "about together is not proven");
}

bool together_asked(jv authorization) {
    return json_names(authorization, "together");
}

int together_index(jv authorization) {
    jv part = json_get(authorization, "together");
    int index = -1;
    whole(part, "index", &index);
    jv_free(part);
    return index;
}

int together_count(jv authorization) {
    jv part = json_get(authorization, "together");
    int count = 0;
    whole(part, "of", &count);
    jv_free(part);
    return count;
}

/* Takes the object. */
static jv without(jv object, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        object = json_delete(object, names[i]);
    return object;
}

/* The same without the members of the array. Takes the object. */
#define WITHOUT(object, names) without(object, names, sizeof(names) / sizeof *(names))

jv together_common(jv authorization) {
    static const char *const own[] = {"call_digest",  "seal",     "attempt",     "anew",
                                      "attempted_at", "interval", "next_poll_at"};
    static const char *const own_part[] = {"index", "path"};
    jv part = json_get(authorization, "together");
    jv common = WITHOUT(jv_copy(authorization), own);
    return json_set(common, "together", WITHOUT(part, own_part));
}

jv together_authorization(jv common, const char *call_digest, jv part, jv before) {
    jv authorization = json_set_string(jv_copy(common), "call_digest", call_digest);
    authorization = json_set(authorization, "together", jv_copy(part));
    return attempt_count(authorization, before);
}

jv together_decide(jv call, jv decided) {
    static const char *const decision[] = {"status", "error", "error_description", "approved_by"};
    jv own = json_get(call, "authorization"), other = json_get(decided, "authorization");
    jv question = WITHOUT(together_common(own), decision);
    jv asked = WITHOUT(together_common(other), decision);
    jv outcome = jv_invalid();
    if (json_equal(question, asked)) {
        own = json_delete(WITHOUT(own, decision), "next_poll_at");
        for (size_t i = 0; i < sizeof decision / sizeof *decision; i++)
            own = json_set(own, decision[i], json_get(other, decision[i]));
        outcome = json_set(jv_copy(call), "authorization", jv_copy(own));
        outcome = json_set(outcome, "token", json_get(decided, "token"));
    }
    jv_free(own);
    jv_free(other);
    jv_free(question);
    jv_free(asked);
    return outcome;
}

bool together_same(jv one, jv other) {
    jv first = json_get(one, "authorization"), second = json_get(other, "authorization");
    jv token = json_get(one, "token"), its_token = json_get(other, "token");
    jv common = together_common(first), its_common = together_common(second);
    bool same =
        (jv_identical(jv_copy(token), jv_copy(its_token)) || json_equal(token, its_token)) &&
        json_equal(common, its_common);
    jv_free(first);
    jv_free(second);
    jv_free(token);
    jv_free(its_token);
    jv_free(common);
    jv_free(its_common);
    return same;
}
