/* A model's stream, read whole and in three pieces: both must give the same. The first byte selects
 * the API, the second and third the cuts. */
#include "http/sse.h"
#include "model/chat_api.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static const struct chat_api *api;

static void show(void *context, const char *text, size_t size) {
    *(size_t *)context += size + (unsigned char)text[0];
}

static bool take(void *context, const char *name, const char *data, size_t size) {
    return chat_api_take(context, name, data, size);
}

static char *assemble(const char *bytes, size_t size, size_t first, size_t second) {
    size_t shown = 0;
    struct chat_stream stream = {
        .api = api, .body = jv_object(), .failure = jv_invalid(), .show = show, .context = &shown};
    struct sse events = {.take = take, .context = &stream};
    bool good = sse_push(&events, bytes, first) &&
                sse_push(&events, bytes + first, second - first) &&
                sse_push(&events, bytes + second, size - second);
    good = sse_end(&events) && good;
    struct chat_reply reply = {.message = jv_invalid(), .usage = jv_invalid()};
    struct error error;
    bool read = good && api->dialect->read(stream.body, &reply, &error);
    char *message = json_text(reply.message), *body = json_text(stream.body);
    char *all =
        must_format("%d %d %d %zu %s %s", good, stream.finished, read, shown, message, body);
    jv_free(stream.body);
    jv_free(stream.failure);
    jv_free(reply.message);
    jv_free(reply.usage);
    free(message);
    free(body);
    return all;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const char *const apis[] = {"openai", "anthropic", "responses"};
    if (size < 3)
        return 0;
    api = chat_api_named(apis[data[0] % 3]);
    const char *bytes = (const char *)data + 3;
    size -= 3;
    size_t first = size == 0 ? 0 : data[1] % (size + 1), second = first + data[2];
    second = second > size ? size : second;
    char *whole = assemble(bytes, size, size, size), *cut = assemble(bytes, size, first, second);
    if (strcmp(whole, cut) != 0)
        abort();
    free(whole);
    free(cut);
    return 0;
}
