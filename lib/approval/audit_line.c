#include "approval/audit_line.h"

#include "base/utf8.h"
#include "json/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAME(text)                                                                                 \
    { text, sizeof text - 1 }
static const struct json_span names[AUDIT_MEMBERS] = {
    [AUDIT_FORMAT] = NAME("format"),
    [AUDIT_N] = NAME("n"),
    [AUDIT_PREVIOUS] = NAME("previous"),
    [AUDIT_DIGEST] = NAME("digest"),
    [AUDIT_TIME] = NAME("time"),
    [AUDIT_EVENT] = NAME("event"),
    [AUDIT_COMMAND] = NAME("command"),
    [AUDIT_AGENT] = NAME("agent"),
    [AUDIT_CLIENT_ID] = NAME("client_id"),
    [AUDIT_OS_USER] = NAME("os_user"),
    [AUDIT_HOST] = NAME("host"),
    [AUDIT_SPOOL] = NAME("spool"),
    [AUDIT_DOCUMENT] = NAME("document"),
    [AUDIT_CALL] = NAME("call"),
    [AUDIT_CALL_DIGEST] = NAME("call_digest"),
    [AUDIT_TOOL] = NAME("tool"),
    [AUDIT_USER] = NAME("user"),
    [AUDIT_APPROVED_BY] = NAME("approved_by"),
    [AUDIT_LOGIN_HINT] = NAME("login_hint"),
    [AUDIT_BINDING_MESSAGE] = NAME("binding_message"),
    [AUDIT_MESSAGE] = NAME("message"),
    [AUDIT_REQUEST_DIGEST] = NAME("request_digest"),
    [AUDIT_SECONDS] = NAME("seconds"),
    [AUDIT_STATUS] = NAME("status"),
    [AUDIT_ORDER] = NAME("order"),
    [AUDIT_ERROR] = NAME("error"),
    [AUDIT_QUESTION] = NAME("question"),
    [AUDIT_ANSWER] = NAME("answer"),
    [AUDIT_CLIENT] = NAME("client"),
};

enum {
    KEYS_LIMIT = 64, /* members; a line with more is left to libjq */
    SAFE_DIGITS = 15 /* so many a double holds */
};

/* The place after a string that begins at `at`; NULL if it is none, or libjq must look at it. */
static const char *after_string(const char *at, const char *end) {
    uint32_t character;
    if (at == end || *at++ != '"')
        return NULL;
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        if (c == '"')
            return at + 1;
        if (c < 0x20 || c == '\\')
            return NULL;
        size_t size = c < 0x80 ? 1 : utf8_decode(at, (size_t)(end - at), &character);
        if (size == 0)
            return NULL;
        at += size;
    }
    return NULL;
}

/* The same for a whole number. */
static const char *after_number(const char *at, const char *end) {
    const char *from = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    bool plain = at > from && at - from <= SAFE_DIGITS && (*from != '0' || at - from == 1);
    return plain && at < end && (*at == ',' || *at == '}') ? at : NULL;
}

/* The place after a string that libjq has written. */
static const char *skip_string(const char *at, const char *end) {
    if (at == end || *at++ != '"')
        return NULL;
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < end ? at + 1 : NULL;
}

/* Where a value ends that libjq must look at: the comma or brace behind it; NULL if it does not. */
static const char *skip_value(const char *at, const char *end) {
    size_t depth = 0;
    for (bool in_string = false; at < end; at++) {
        if (in_string && *at == '\\') {
            at++;
        } else if (in_string) {
            in_string = *at != '"';
        } else if (*at == '"') {
            in_string = true;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']' || *at == ',') {
            if (depth == 0)
                return at;
            depth -= *at != ',';
        }
    }
    return NULL;
}

/* The place after a value that libjq accepts. */
static const char *after_other(const char *at, const char *end) {
    struct error ignored;
    jv value;
    bool begins = at < end && strchr("\"-0123456789tfn{[", *at) != NULL && *at != '\0';
    const char *after = begins ? skip_value(at, end) : NULL;
    if (after == NULL || after[-1] == ' ' ||
        !json_parse(at, (size_t)(after - at), &value, &ignored))
        return NULL;
    jv_free(value);
    return after;
}

static const char *after_value(const char *at, const char *end) {
    const char *after = at == end    ? NULL
                        : *at == '"' ? after_string(at, end)
                                     : after_number(at, end);
    return after != NULL ? after : after_other(at, end);
}

static void keep(struct audit_line *line, struct json_span key, struct json_span value) {
    for (int i = 0; i < AUDIT_MEMBERS; i++)
        if (names[i].size == key.size && memcmp(names[i].text, key.text, key.size) == 0)
            line->member[i] = value;
}

/* Whether none of the keys is there twice. */
static bool is_new(const struct json_span *keys, size_t count) {
    struct json_span last = keys[count - 1];
    for (size_t i = 0; i + 1 < count; i++)
        if (keys[i].size == last.size && memcmp(keys[i].text, last.text, last.size) == 0)
            return false;
    return true;
}

/* The place after a member, which begins at `at`; NULL if libjq must look at it, or has: `trusted`
 * is what it has written. */
static const char *after_member(struct audit_line *line, const char *at, const char *end,
                                bool trusted, struct json_span *key) {
    const char *after = trusted ? skip_string(at, end) : after_string(at, end);
    if (after == NULL || after == end || *after != ':')
        return NULL;
    const char *value = after + 1;
    *key = (struct json_span){at + 1, (size_t)(after - at - 2)};
    after = trusted ? skip_value(value, end) : after_value(value, end);
    if (after != NULL)
        keep(line, *key, (struct json_span){value, (size_t)(after - value)});
    return after;
}

/* Reads an object without white space. */
static bool read_plain(struct audit_line *line, const char *text, size_t size, bool trusted) {
    struct json_span keys[KEYS_LIMIT];
    const char *at = text, *end = text + size;
    for (int i = 0; i < AUDIT_MEMBERS; i++)
        line->member[i] = (struct json_span){NULL, 0};
    if (size < 2 || *at != '{')
        return false;
    for (size_t count = 0; trusted || count < KEYS_LIMIT; count++) {
        struct json_span *key = &keys[trusted ? 0 : count];
        at = after_member(line, at + 1, end, trusted, key);
        if (at == NULL || at == end || (!trusted && !is_new(keys, count + 1)))
            return false;
        if (*at == '}')
            return at + 1 == end;
        if (*at != ',')
            return false;
    }
    return false;
}

bool audit_line_read(struct audit_line *line, const char *text, size_t size) {
    struct error ignored;
    jv record;
    if (read_plain(line, text, size, false))
        return true;
    if (!json_parse(text, size, &record, &ignored))
        return false;
    free(line->other);
    line->other = jv_get_kind(record) == JV_KIND_OBJECT ? json_visible(record) : NULL;
    jv_free(record);
    return line->other != NULL && read_plain(line, line->other, strlen(line->other), true);
}

char *audit_line_text(const struct audit_line *line, enum audit_member member) {
    struct json_span value = line->member[member];
    struct error ignored;
    jv text;
    if (value.size < 2 || *value.text != '"')
        return NULL;
    if (memchr(value.text, '\\', value.size) == NULL)
        return must_format("%.*s", (int)value.size - 2, value.text + 1);
    if (!json_parse(value.text, value.size, &text, &ignored))
        return NULL;
    const char *decoded = json_value_string(text);
    char *copy = decoded != NULL ? must_copy(decoded) : NULL;
    jv_free(text);
    return copy;
}

bool audit_line_number(const struct audit_line *line, enum audit_member member, double *number) {
    struct json_span value = line->member[member];
    if (value.size == 0 || !(*value.text == '-' || (*value.text >= '0' && *value.text <= '9')))
        return false;
    *number = strtod(value.text, NULL); /* a comma or a brace follows it */
    return true;
}

bool audit_line_is(const struct audit_line *line, enum audit_member member, const char *text) {
    struct json_span value = line->member[member];
    size_t size = strlen(text);
    return value.size == size + 2 && *value.text == '"' && memcmp(value.text + 1, text, size) == 0;
}

bool audit_line_has(const struct audit_line *line, enum audit_member member) {
    struct json_span value = line->member[member];
    return value.size > 0 && *value.text != 'n';
}
