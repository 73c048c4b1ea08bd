#include "model/request_options.h"

#include "base/utf8.h"
#include "json/json.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The wishes that are words: in the document, in the options, and in the wishes. */
static const struct word {
    const char *name;
    size_t asked, wished;
} words[] = {
    {"reasoning_effort", offsetof(struct request_options, reasoning_effort),
     offsetof(struct chat_wishes, reasoning_effort)},
    {"verbosity", offsetof(struct request_options, verbosity),
     offsetof(struct chat_wishes, verbosity)},
    {"service_tier", offsetof(struct request_options, service_tier),
     offsetof(struct chat_wishes, service_tier)},
};
enum { WORDS = sizeof words / sizeof *words };

/* Members that -o and a document must not set: they are the conversation, call tools that nobody
 * approves, change what the answer is, have the conversation stored or sent on, or use a server or
 * a key that the document of somebody else names. Compared without case, because some servers read
 * names so. */
static const struct refused {
    const char *name, *instead; /* NULL for nothing */
    bool may_be_false;
} refused[] = {
    {"model", "--model", false},
    {"messages", NULL, false},
    {"input", NULL, false},
    {"contents", NULL, false},
    {"prompt", NULL, false},
    {"system", "--system", false},
    {"instructions", "--system", false},
    {"previous_response_id", NULL, false},
    {"conversation", NULL, false},
    {"tools", "--tools-file", false},
    {"functions", "--tools-file", false},
    {"mcp_servers", NULL, false},
    {"tool_choice", "--tool-choice", false},
    {"function_call", "--tool-choice", false},
    {"parallel_tool_calls", "--no-parallel-calls", false},
    {"stream", "--stream", false},
    {"stream_options", NULL, false},
    {"background", NULL, false},
    {"include", NULL, false},
    {"n", NULL, false},
    {"store", NULL, true}, /* the conversation would stay at the server, or go to others */
    {"data_sources", NULL, false},
    {"plugins", NULL, false},
    {"web_search_options", NULL, false},
    {"search_parameters", NULL, false},
    {"enable_search", NULL, false},
    {"api_base", NULL, false},
    {"base_url", NULL, false},
    {"api_key", NULL, false},
    {"user_config", NULL, false},
    {"extra_headers", NULL, false},
    {"extra_body", NULL, false},
    {"connectors", NULL, false},
    {"mock_response", NULL, false},
    {"fallbacks", "--model", false},
    {"models", "--model", false},
};

static const struct refused *find_refused(const char *name, size_t size, bool is_false) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strlen(refused[i].name) == size && strncasecmp(refused[i].name, name, size) == 0 &&
            !(is_false && refused[i].may_be_false))
            return &refused[i];
    return NULL;
}

/* One -o, its name as an array. */
struct member {
    jv path, value;
};

static void member_free(struct member *member) {
    jv_free(member->path);
    jv_free(member->value);
}

/* The names between the dots; an empty array if one is empty, or there are too many. */
static jv path_of(const char *name, size_t size) {
    jv path = jv_array();
    for (int names = 0; names < REQUEST_DEPTH_LIMIT; names++) {
        const char *dot = memchr(name, '.', size);
        size_t used = dot != NULL ? (size_t)(dot - name) : size;
        if (used == 0)
            break;
        path = jv_array_append(path, jv_string_sized(name, (int)used));
        if (dot == NULL)
            return path;
        name += used + 1;
        size -= used + 1;
    }
    jv_free(path);
    return jv_array();
}

/* The value: JSON if it is, else a string. False for JSON that cannot be read without loss. */
static bool read_value(const char *text, jv *value, struct error *error) {
    struct error why;
    struct json_scan scan = {.unread = true};
    size_t size = strlen(text);
    if (json_parse(text, size, value, error))
        return true;
    bool is_json = size > 0 && json_scan(&scan, text, size, &why) && scan.complete &&
                   scan.at + strspn(text + scan.at, " \t\r\n") == size;
    if (!is_json)
        *value = jv_string(text);
    return !is_json;
}

/* Reads NAME=VALUE. False and an error with status 64; then there is nothing to free. */
static bool read_member(const char *text, struct member *member, struct error *error) {
    struct error why;
    size_t size = strcspn(text, "=");
    const struct refused *no = find_refused(
        text, strcspn(text, ".="), strcmp(text + size + (text[size] != '\0'), "false") == 0);
    if (no != NULL)
        return fail(error, STATUS_USAGE, "-o: '%s' cannot be set so%s%s", no->name,
                    no->instead != NULL ? "; there is " : "",
                    no->instead != NULL ? no->instead : "");
    if (text[size] == '\0' || strlen(text) > REQUEST_MEMBERS_LIMIT ||
        !utf8_valid(text, strlen(text)))
        return fail(error, STATUS_USAGE, "-o: '%.60s' is not NAME=VALUE, in at most %d KiB", text,
                    REQUEST_MEMBERS_LIMIT >> 10);
    *member = (struct member){path_of(text, size), jv_invalid()};
    if (jv_array_length(jv_copy(member->path)) == 0) {
        member_free(member);
        return fail(error, STATUS_USAGE,
                    "-o: '%.*s' is not a name, or at most %d names with dots between them",
                    (int)(size < 60 ? size : 60), text, REQUEST_DEPTH_LIMIT);
    }
    if (!read_value(text + size + 1, &member->value, &why)) {
        member_free(member);
        return fail(error, STATUS_USAGE, "-o %.*s: %s", (int)(size < 60 ? size : 60), text,
                    why.text);
    }
    return true;
}

/* The object with the value at the path's names from `at` on; null deletes it, and what is empty
 * then. Takes object and value. */
static jv set_at(jv object, jv path, int at, jv value) {
    if (jv_get_kind(object) != JV_KIND_OBJECT) {
        jv_free(object);
        object = jv_object();
    }
    jv name = jv_array_get(jv_copy(path), at);
    bool last = at + 1 == jv_array_length(jv_copy(path));
    jv inner = last ? value : set_at(json_get(object, jv_string_value(name)), path, at + 1, value);
    bool gone =
        jv_get_kind(inner) == JV_KIND_NULL ||
        (!last && jv_get_kind(inner) == JV_KIND_OBJECT && jv_object_length(jv_copy(inner)) == 0);
    if (!gone)
        return jv_object_set(object, name, inner);
    jv_free(inner);
    return jv_object_delete(object, name);
}

static int depth_of(jv value, int most) {
    int depth = 0;
    jv_kind kind = jv_get_kind(value);
    if (most > 0 && kind == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) {
            int its = depth_of(item, most - 1);
            depth = its > depth ? its : depth;
            jv_free(item);
        }
    } else if (most > 0 && kind == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, item) {
            int its = depth_of(item, most - 1);
            depth = its > depth ? its : depth;
            jv_free(key);
            jv_free(item);
        }
    }
    return depth + (kind == JV_KIND_ARRAY || kind == JV_KIND_OBJECT);
}

/* Whether these members may be in a request; an object, or nothing. */
static bool members_hold(jv members, const char *api, int status, struct error *error) {
    if (!jv_is_valid(members))
        return true;
    if (jv_get_kind(members) != JV_KIND_OBJECT)
        return fail(error, status, "the document's request.%s is not an object", api);
    jv_object_foreach(members, key, value) {
        const char *name = jv_string_value(key);
        const struct refused *no =
            find_refused(name, strlen(name), jv_get_kind(value) == JV_KIND_FALSE);
        jv_free(value);
        jv_free(key);
        if (no != NULL)
            return fail(error, status, "the document's request.%s sets '%s', which it must not",
                        api, no->name);
    }
    char *text = json_text(members);
    bool fits = strlen(text) <= REQUEST_MEMBERS_LIMIT &&
                depth_of(members, REQUEST_DEPTH_LIMIT + 1) <= REQUEST_DEPTH_LIMIT;
    free(text);
    return fits || fail(error, status, "the members of -o have more than %d levels or %d KiB",
                        REQUEST_DEPTH_LIMIT, REQUEST_MEMBERS_LIMIT >> 10);
}

static bool is_word(const char *text) {
    return text != NULL && *text != '\0' && strlen(text) <= REQUEST_WORD_LIMIT &&
           utf8_valid(text, strlen(text));
}

static const char *word_asked(const struct request_options *asked, const struct word *word) {
    return *(const char *const *)((const char *)asked + word->asked);
}

/* Whether it is the name of a wish that all APIs have. */
static bool is_shared(const char *name) {
    static const char *const others[] = {"temperature", "cache", "max_tokens"};
    for (int i = 0; i < WORDS; i++)
        if (strcmp(words[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], name) == 0)
            return true;
    return false;
}

/* Does one -o: null also takes back a wish that all APIs have. Takes request and members. */
static jv add_member(const struct member *member, jv request, jv *members) {
    jv name = jv_array_get(jv_copy(member->path), 0);
    bool is_back = jv_get_kind(member->value) == JV_KIND_NULL &&
                   jv_array_length(jv_copy(member->path)) == 1 && is_shared(jv_string_value(name));
    *members = set_at(*members, member->path, 0, jv_copy(member->value));
    if (is_back)
        return jv_object_delete(request, name);
    jv_free(name);
    return request;
}

/* The request with what the options, which hold, ask for. Takes it. */
static jv add_asked(const struct request_options *asked, const char *api, jv request) {
    jv members = json_get(request, api);
    struct error ignored;
    struct member member = {jv_invalid(), jv_invalid()};
    for (int i = 0; i < WORDS; i++)
        request = json_set_string(request, words[i].name, word_asked(asked, &words[i]));
    if (asked->temperature >= 0)
        request = json_set(request, "temperature", jv_number(asked->temperature));
    if (asked->cache)
        request = json_set(request, "cache", jv_true());
    if (asked->max_tokens > 0)
        request = json_set(request, "max_tokens", jv_number((double)asked->max_tokens));
    for (size_t i = 0; i < asked->members.count; i++) {
        if (read_member(asked->members.items[i], &member, &ignored)) {
            request = add_member(&member, request, &members);
            member_free(&member);
        }
    }
    if (jv_get_kind(members) != JV_KIND_OBJECT || jv_object_length(jv_copy(members)) > 0)
        return json_set(request, api, members);
    jv_free(members);
    return json_delete(request, api);
}

bool request_options_hold(const struct request_options *asked, struct error *error) {
    for (int i = 0; i < WORDS; i++) {
        const char *word = word_asked(asked, &words[i]);
        if (word != NULL && !is_word(word))
            return fail(error, STATUS_USAGE,
                        "%s must be a word of at most %d bytes; -o %s=null takes the document's "
                        "back",
                        words[i].name, REQUEST_WORD_LIMIT, words[i].name);
    }
    for (size_t i = 0; i < asked->members.count; i++) {
        struct member member = {jv_invalid(), jv_invalid()};
        if (!read_member(asked->members.items[i], &member, error))
            return false;
        member_free(&member);
    }
    jv all = add_asked(asked, "members", jv_object()), members = json_get(all, "members");
    bool good = members_hold(members, "members", STATUS_USAGE, error);
    jv_free(members);
    jv_free(all);
    return good;
}

/* Sets a number between the limits, unless it is missing or null. */
static bool wish_number(jv request, const char *name, double least, double *number,
                        struct error *error) {
    return !json_has(request, name) ||
           (json_number(request, name, number) && *number >= least && *number <= 1e9) ||
           fail(error, STATUS_INPUT, "the document's request.%s is not a number from %.0f to 10^9",
                name, least);
}

static bool set_wishes(jv request, struct chat_wishes *wishes, struct error *error) {
    for (int i = 0; i < WORDS; i++) {
        const char *word = json_string(request, words[i].name);
        if (json_has(request, words[i].name) && !is_word(word))
            return fail(error, STATUS_INPUT, "the document's request.%s is not a word",
                        words[i].name);
        *(const char **)((char *)wishes + words[i].wished) = word;
    }
    double tokens = 0;
    wishes->temperature = -1;
    if (!wish_number(request, "temperature", 0, &wishes->temperature, error) ||
        !wish_number(request, "max_tokens", 1, &tokens, error))
        return false;
    wishes->max_tokens = (long)tokens;
    if (floor(tokens) != tokens)
        return fail(error, STATUS_INPUT, "the document's request.max_tokens is not whole");
    jv cache = json_get(request, "cache");
    jv_kind kind = jv_get_kind(cache);
    jv_free(cache);
    wishes->cache = kind == JV_KIND_TRUE;
    return kind == JV_KIND_TRUE || !json_has(request, "cache") || kind == JV_KIND_FALSE ||
           fail(error, STATUS_INPUT, "the document's request.cache is neither true nor false");
}

/* Whether what the document's request has for the API may be in a request. */
static bool own_members_hold(jv request, const char *api, struct error *error) {
    jv members = json_get(request, api);
    bool good = members_hold(members, api, STATUS_INPUT, error);
    jv_free(members);
    return good;
}

bool request_options_merge(const struct request_options *asked, const char *api, jv *document,
                           jv *request, struct chat_wishes *wishes, struct error *error) {
    bool is_none = !json_has(*document, "request");
    *request = is_none ? jv_object() : json_get(*document, "request");
    if (jv_get_kind(*request) != JV_KIND_OBJECT)
        return fail(error, STATUS_INPUT, "the document's request is not an object");
    if (!own_members_hold(*request, api, error))
        return false;
    *request = add_asked(asked, api, *request);
    if (!own_members_hold(*request, api, error) || !set_wishes(*request, wishes, error))
        return false;
    wishes->members = json_get(*request, api);
    jv_free(wishes->members); /* lives as long as the request */
    if (jv_object_length(jv_copy(*request)) > 0)
        *document = json_set(*document, "request", jv_copy(*request));
    else if (!is_none)
        *document = json_delete(*document, "request");
    return true;
}
