/* sse-check API FILE: reads the model server's stream in FILE whole, then cut in two at every
 * offset, and byte by byte. Prints the answer and the shown text, each as JSON, and fails (status
 * 1) if a cut changes them. Status 2: the stream is not understood; 3: it is not complete; 4: it
 * reports an error. */
#include "http/sse.h"
#include "model/chat_api.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct chat_api *api;
static jv shown;

static void show(void *context, const char *text, size_t size) {
    (void)context;
    shown = jv_string_append_buf(shown, text, (int)size);
}

static bool take(void *context, const char *name, const char *data, size_t size) {
    return chat_api_take(context, name, data, size);
}

/* The result of the stream in pieces of that many bytes, the first one of `first`. */
static char *assemble(const char *bytes, size_t size, size_t first, size_t piece, int *status) {
    struct chat_stream stream = {
        .api = api, .body = jv_object(), .failure = jv_invalid(), .show = show};
    struct sse events = {.take = take, .context = &stream};
    bool good = true;
    shown = jv_string("");
    for (size_t at = 0, length = first; good && at < size; at += length, length = piece) {
        length = length < size - at ? length : size - at;
        good = sse_push(&events, bytes + at, length);
    }
    good = sse_end(&events) && good;
    *status = !good ? 2 : jv_is_valid(stream.failure) ? 4 : !stream.finished ? 3 : 0;
    char *body = json_text(*status == 4 ? stream.failure : stream.body), *words = json_text(shown);
    char *all = must_format("%s\n%s\n", body, words);
    jv_free(stream.body);
    jv_free(stream.failure);
    jv_free(shown);
    free(body);
    free(words);
    return all;
}

int main(int argc, char **argv) {
    static char bytes[1 << 20];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    api = argc == 3 ? chat_api_named(argv[1]) : NULL;
    if (file == NULL || api == NULL)
        return 64;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    int status, other, result = 0;
    fclose(file);
    char *whole = assemble(bytes, size, size, size, &status);
    for (size_t cut = 0; cut <= size; cut++) {
        /* The last round goes byte by byte. */
        char *again = assemble(bytes, size, cut < size ? cut : 1, cut < size ? size : 1, &other);
        if (strcmp(whole, again) != 0 || status != other) {
            fprintf(stderr, "cut at %zu it is different: %s", cut, again);
            result = 1;
        }
        free(again);
    }
    fputs(whole, stdout);
    free(whole);
    return result != 0 ? result : status;
}
