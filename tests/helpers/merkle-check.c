/* merkle-check: for the tests of lib/jose/merkle_tree.c. For each JSON object on stdin:
 * {"entries"}, an array of hexadecimal texts: prints the root, and the path of each entry, in hex;
 * {"entry", "place", "count", "path", "root"}: prints "valid" or "invalid";
 * {"most"}: tries each place of each list of up to so many entries, with the right path and with
 * wrong ones, and prints how many were right and how many wrong ones were accepted. */
#include "document/reader.h"
#include "jose/merkle_tree.h"
#include "system/start.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 300 };

static size_t read_hex(jv text, unsigned char *bytes, size_t room) {
    const char *hex = json_value_string(text);
    size_t size = 0;
    unsigned byte;
    for (; hex != NULL && size < room && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[size++] = (unsigned char)byte;
    jv_free(text);
    return size;
}

static struct merkle_hash read_hash(jv text) {
    struct merkle_hash hash = {{0}};
    read_hex(text, hash.bytes, sizeof hash.bytes);
    return hash;
}

static struct merkle_hash read_leaf(jv text) {
    unsigned char bytes[100];
    return merkle_leaf(bytes, read_hex(text, bytes, sizeof bytes));
}

static void print_hash(struct merkle_hash hash, const char *after) {
    for (size_t i = 0; i < sizeof hash.bytes; i++)
        printf("%02x", hash.bytes[i]);
    printf("%s", after);
}

static void print_tree(jv entries) {
    struct merkle_hash leaves[MOST], path[MERKLE_PATH_LIMIT];
    size_t count = (size_t)jv_array_length(jv_copy(entries));
    for (size_t i = 0; i < count && i < MOST; i++)
        leaves[i] = read_leaf(jv_array_get(jv_copy(entries), (int)i));
    struct merkle_tree *tree = merkle_tree_new(leaves, count);
    print_hash(merkle_root(tree), "\n");
    for (size_t i = 0; i < count; i++) {
        size_t size = merkle_path(tree, i, path);
        printf("%zu:", i);
        for (size_t k = 0; k < size; k++) {
            printf(" ");
            print_hash(path[k], "");
        }
        printf("\n");
    }
    merkle_tree_free(tree);
}

static void check(jv line) {
    struct merkle_hash path[MERKLE_PATH_LIMIT];
    double place = 0, count = 0;
    jv all = json_array(line, "path");
    size_t size = (size_t)jv_array_length(jv_copy(all));
    for (size_t i = 0; i < size && i < MERKLE_PATH_LIMIT; i++)
        path[i] = read_hash(jv_array_get(jv_copy(all), (int)i));
    json_number(line, "place", &place);
    json_number(line, "count", &count);
    bool holds = merkle_path_holds(read_leaf(json_get(line, "entry")), (size_t)place, (size_t)count,
                                   path, size, read_hash(json_get(line, "root")));
    puts(holds ? "valid" : "invalid");
    jv_free(all);
}

/* The wrong proofs of a leaf's place that are accepted. */
static unsigned wrong(const struct merkle_hash *leaves, size_t place, size_t count,
                      struct merkle_hash *path, size_t size, struct merkle_hash root) {
    unsigned accepted = 0;
    for (size_t i = 0; i < count; i++) /* another place, another leaf */
        if (i != place)
            accepted += merkle_path_holds(leaves[place], i, count, path, size, root) +
                        merkle_path_holds(leaves[i], place, count, path, size, root);
    for (size_t i = 0; i < size; i++) { /* a hash changed, or the path cut there */
        path[i].bytes[i] ^= 1;
        accepted += merkle_path_holds(leaves[place], place, count, path, size, root);
        path[i].bytes[i] ^= 1;
        accepted += merkle_path_holds(leaves[place], place, count, path, i, root);
    }
    path[size] = root; /* and one too many */
    accepted += merkle_path_holds(leaves[place], place, count, path, size + 1, root);
    accepted += merkle_path_holds(leaves[place], count, count, path, size, root);
    return accepted;
}

static void try_all(size_t most) {
    struct merkle_hash leaves[MOST], path[MERKLE_PATH_LIMIT + 1];
    unsigned right = 0, accepted = 0;
    for (size_t count = 1; count <= most; count++) {
        leaves[count - 1] = merkle_leaf(&count, sizeof count);
        struct merkle_tree *tree = merkle_tree_new(leaves, count);
        for (size_t place = 0; place < count; place++) {
            size_t size = merkle_path(tree, place, path);
            struct merkle_hash root = merkle_root(tree);
            right += merkle_path_holds(leaves[place], place, count, path, size, root);
            accepted += wrong(leaves, place, count, path, size, root);
        }
        merkle_tree_free(tree);
    }
    printf("%u right, %u wrong\n", right, accepted);
}

int main(void) {
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    struct error error;
    enum document_event event;
    double most;
    jv line;
    program_start("merkle-check");
    while ((event = document_next(reader, &line, &error)) != DOCUMENT_END) {
        if (event == DOCUMENT_READY) {
            jv entries = json_array(line, "entries");
            if (json_has(line, "entries"))
                print_tree(entries);
            else if (json_number(line, "most", &most) && most <= MOST)
                try_all((size_t)most);
            else
                check(line);
            jv_free(entries);
            jv_free(line);
        } else if (event == DOCUMENT_MORE && !document_reader_fill(reader, &error)) {
            return error.status;
        }
    }
    document_reader_free(reader);
    return 0;
}
