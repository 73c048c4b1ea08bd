#include "mcp/message.h"

#include "json/json.h"

#include <jv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The letter for which some readers take the bytes at `at` (the long s, the Kelvin sign), else the
 * byte itself in lower case. */
static int folded(const char **at) {
    const unsigned char *bytes = (const unsigned char *)*at;
    bool is_long_s = bytes[0] == 0xC5 && bytes[1] == 0xBF;
    bool is_kelvin = bytes[0] == 0xE2 && bytes[1] == 0x84 && bytes[2] == 0xAA;
    *at += is_long_s ? 2 : is_kelvin ? 3 : 1;
    if (is_long_s || is_kelvin)
        return is_long_s ? 's' : 'k';
    return bytes[0] >= 'A' && bytes[0] <= 'Z' ? bytes[0] - 'A' + 'a' : bytes[0];
}

bool mcp_alike(const char *one, const char *other) {
    while (*one != '\0' && *other != '\0')
        if (folded(&one) != folded(&other))
            return false;
    return *one == *other;
}

char *mcp_folded(const char *name) {
    char *text = must_copy(name), *to = text;
    while (*name != '\0')
        *to++ = (char)folded(&name);
    *to = '\0';
    return text;
}

bool mcp_line_is_blank(struct json_span line) {
    size_t at = 0;
    while (at < line.size && strchr(" \t\r\n", line.text[at]) != NULL && line.text[at] != '\0')
        at++;
    return at == line.size;
}

bool mcp_line(struct json_span line, struct json_span *value, struct error *error) {
    size_t size = line.size;
    while (size > 0 && (line.text[size - 1] == '\n' || line.text[size - 1] == '\r'))
        size--;
    if (memchr(line.text, '\r', size) != NULL)
        return fail(error, STATUS_INPUT, "it has a carriage return in it");
    return json_span(line.text, size, value, error);
}

/* Whether a name is another one of the known but for the case of letters. */
static bool is_disguised(const char *key, const char *const *names, struct error *error) {
    for (const char *const *name = names; *name != NULL; name++)
        if (mcp_alike(key, *name) && strcmp(key, *name) != 0)
            return !fail(error, STATUS_INPUT, "it has '%.100s' where '%s' may be meant", key,
                         *name);
    return false;
}

static int by_text(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Whether no two are the same; sorts them if there are many. */
static bool are_different(char **keys, size_t count, struct error *error) {
    enum { FEW = 8 };
    if (count > FEW)
        qsort(keys, count, sizeof *keys, by_text);
    for (size_t i = 1; i < count; i++)
        for (size_t j = count > FEW ? i - 1 : 0; j < i; j++)
            if (strcmp(keys[j], keys[i]) == 0)
                return fail(error, STATUS_INPUT, "it has '%.100s' twice", keys[i]);
    return true;
}

bool mcp_members_are_clear(struct json_span object, const char *const *names, struct error *error) {
    struct json_walk walk = json_walk(object);
    size_t count = 0, room = 8;
    char **keys = must_alloc(room * sizeof *keys);
    bool good = true;
    while (good && json_walk_next(&walk)) {
        if (count == room)
            keys = must_grow(keys, (room *= 2) * sizeof *keys);
        keys[count] = json_span_string(walk.key);
        if (keys[count] == NULL)
            good = fail(error, STATUS_INPUT, "the name of a member has a NUL in it");
        else
            good = !is_disguised(keys[count++], names, error);
    }
    good = good && are_different(keys, count, error);
    while (count > 0)
        free(keys[--count]);
    free(keys);
    return good;
}

static bool is_number(struct json_span value) {
    return value.text != NULL && strchr("-0123456789", *value.text) != NULL;
}

bool mcp_message_read(struct json_span object, struct mcp_message *message, struct error *error) {
    static const char *const members[] = {"jsonrpc", "id",    "method", "params",
                                          "result",  "error", NULL};
    *message = (struct mcp_message){.id = {NULL, 0}};
    if (!json_span_is_object(object))
        return fail(error, STATUS_INPUT, "it is not a JSON object");
    if (!mcp_members_are_clear(object, members, error))
        return false;
    struct json_span method = {NULL, 0};
    const struct {
        const char *name;
        struct json_span *value;
    } parts[] = {{"id", &message->id},
                 {"method", &method},
                 {"params", &message->params},
                 {"result", &message->result},
                 {"error", &message->error}};
    struct json_walk walk = json_walk(object);
    while (json_walk_next(&walk))
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (json_span_names(walk.key, parts[i].name))
                *parts[i].value = walk.value;
    if (method.text != NULL && (message->method = json_span_string(method)) == NULL)
        return fail(error, STATUS_INPUT, "its method is no text");
    if (json_span_is(message->id, "null") && message->method != NULL)
        message->id = (struct json_span){NULL, 0}; /* a notification, of those that write nulls */
    return message->id.text == NULL || *message->id.text == '"' || is_number(message->id) ||
           (json_span_is(message->id, "null") && message->method == NULL) ||
           fail(error, STATUS_INPUT, "its id is neither text nor number");
}

void mcp_message_free(struct mcp_message *message) {
    free(message->method);
    message->method = NULL;
}

/* As a double, which is what many readers take it for. */
static char *number_key(const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (text[digits] == '\0' && digits <= 15) /* as it would be written below */
        return must_copy(text);
    double number = strtod(text, NULL);
    if (!isfinite(number))
        return must_copy(text);
    return number == 0 ? must_copy("0") : must_format("%.17g", number);
}

char *mcp_id_key(struct json_span id) {
    char *text = json_span_copy(id), *key;
    if (is_number(id)) {
        key = number_key(text);
    } else if (memchr(id.text, '\\', id.size) != NULL) {
        jv string = jv_parse_sized(id.text, (int)id.size);
        key = json_text(string);
        jv_free(string);
    } else {
        return text;
    }
    free(text);
    return key;
}

bool mcp_is_stateless(struct json_span params) {
    struct json_span meta = json_span_member(params, "_meta");
    return json_span_member(meta, "io.modelcontextprotocol/protocolVersion").text != NULL;
}

static void begin_answer(struct text *to, struct json_span id) {
    text_add_string(to, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (id.text != NULL)
        text_add(to, id.text, id.size);
    else
        text_add_string(to, "null");
}

void mcp_add_result(struct text *to, struct json_span id, const char *result) {
    begin_answer(to, id);
    text_add_string(to, ",\"result\":");
    text_add_string(to, result);
    text_add_string(to, "}\n");
}

void mcp_add_error(struct text *to, struct json_span id, int code, const char *words) {
    char *string = mcp_string(words);
    char *error = must_format(",\"error\":{\"code\":%d,\"message\":%s}}\n", code, string);
    begin_answer(to, id);
    text_add_string(to, error);
    free(error);
    free(string);
}

char *mcp_string(const char *text) {
    jv string = jv_string(text); /* replaces what is no UTF-8 */
    char *json = json_text(string);
    jv_free(string);
    return json;
}

char *mcp_refusal(const char *words, bool stateless) {
    char *string = mcp_string(words);
    char *result = must_format("{%s\"content\":[{\"type\":\"text\",\"text\":%s}],\"isError\":true}",
                               stateless ? "\"resultType\":\"complete\"," : "", string);
    free(string);
    return result;
}
