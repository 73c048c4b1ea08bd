#include "model/chat_adapt.h"

#include "base/memory.h"
#include "model/chat_kept.h"
#include "json/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_LIMIT = 16384, OLD_MOST_TOKENS = 4096 };

/* The error as text; the caller frees. */
static char *words_of(jv failure) {
    char *text = json_text(failure);
    if (strlen(text) > WORDS_LIMIT)
        text[WORDS_LIMIT] = '\0';
    return text;
}

/* Whether the words have that name as one: quoted, or with a colon behind it. */
static bool names_member(const char *words, const char *name) {
    for (const char *at = words; (at = strstr(at, name)) != NULL; at++)
        if (at[strlen(name)] != '\0' && strchr("'\"`:\\", at[strlen(name)]) != NULL)
            return true;
    return false;
}

/* Members that some servers do not know, or know by another name. */
static bool learn_member(const struct chat_api *api, jv *changes, jv body, const char *words) {
    static const struct {
        const char *name, *other;
        bool in_all; /* else only in OpenAI's chat completions */
    } members[] = {{"max_completion_tokens", "max_tokens", false},
                   {"max_tokens", "max_completion_tokens", false},
                   {"stream_options", NULL, false},
                   {"parallel_tool_calls", NULL, true},
                   {"include", NULL, true},
                   {"prompt_cache_key", NULL, true},
                   {"cache_control", NULL, true}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *name = members[i].name, *other = members[i].other;
        bool ours = members[i].in_all || api->dialect->own_member == NULL;
        if (ours && json_has(body, name) && !json_names(*changes, name) &&
            (strcmp(name, "include") == 0 ? names_member(words, name) /* it is a word, too */
                                          : strstr(words, name) != NULL)) {
            *changes = json_set(*changes, name, other != NULL ? jv_string(other) : jv_null());
            return true;
        }
    }
    return false;
}

jv chat_adapt_body(jv changes, jv body) {
    jv_object_foreach(changes, key, other) {
        const char *name = jv_string_value(key);
        jv value = json_get(body, name);
        if (jv_is_valid(value)) {
            body = json_delete(body, name);
            if (json_value_string(other) != NULL)
                body = json_set(body, json_value_string(other), jv_copy(value));
        }
        jv_free(value);
        jv_free(key);
        jv_free(other);
    }
    return body;
}

/* What an error can be about. */
struct complaint {
    const struct chat_wishes *wishes;
    const struct chat_api *api;
    jv body, document;
    const char *words;
};

static bool has(const struct complaint *complaint, const char *words) {
    return strstr(complaint->words, words) != NULL;
}

static bool is_of(const struct complaint *complaint, const char *own_member) {
    const char *own = complaint->api->dialect->own_member;
    return own != NULL && strcmp(own, own_member) == 0;
}

static bool wants_reasoning(const struct complaint *complaint) {
    return has(complaint, "reasoning_content") && has(complaint, "passed back");
}

static bool wants_signatures(const struct complaint *complaint) {
    return has(complaint, "thought_signature") && has(complaint, "missing");
}

static bool wants_short_ids(const struct complaint *complaint) {
    return has(complaint, "ool call id") && has(complaint, "length of 9");
}

static bool about_strict(const struct complaint *complaint) {
    jv outer = json_get(complaint->body, "response_format"),
       text = json_get(complaint->body, "text");
    jv inner = json_get(outer, "json_schema"), format = json_get(text, "format");
    jv strict = json_get(jv_is_valid(inner) ? inner : format, "strict");
    bool is = jv_get_kind(strict) == JV_KIND_TRUE && has(complaint, "schema");
    jv_free(strict);
    jv_free(format);
    jv_free(inner);
    jv_free(text);
    jv_free(outer);
    return is;
}

static bool about_format(const struct complaint *complaint) {
    static const char *const names[] = {"response_format", "text.format",   "json_schema",
                                        "output_config",   "output_format", "output format",
                                        "schema"};
    bool about = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        about = about || has(complaint, names[i]);
    return about && jv_is_valid(complaint->wishes->schema);
}

static bool about_forced_tool(const struct complaint *complaint) {
    return is_of(complaint, "anthropic") && jv_is_valid(complaint->wishes->schema) &&
           (complaint->wishes->learned & CHAT_NO_FORMAT) != 0 && has(complaint, "tool_choice");
}

static bool about_system_turns(const struct complaint *complaint) {
    return is_of(complaint, "anthropic") && has(complaint, "role") && has(complaint, "system");
}

/* Whether something is sent back that the error may be about. */
static bool about_kept(const struct complaint *complaint) {
    const char *own = complaint->api->dialect->own_member;
    jv messages = json_array(complaint->document, "messages");
    bool about = own == NULL && chat_kept_named(messages, complaint->words), any = false;
    jv_array_foreach(messages, i, message) {
        any = any || (own != NULL && json_is(message, "role", "assistant") &&
                      json_has(message, own) && chat_kept_fits(complaint->wishes, message));
        jv_free(message);
    }
    jv_free(messages);
    return about || (any && (has(complaint, "thinking") || has(complaint, "signature") ||
                             has(complaint, "reasoning") || has(complaint, "encrypted")));
}

/* In this order. */
static const struct lesson {
    enum chat_learned flag;
    bool (*applies)(const struct complaint *complaint);
} lessons[] = {
    {CHAT_FILL_REASONING, wants_reasoning},
    {CHAT_FILL_SIGNATURES, wants_signatures},
    {CHAT_SHORT_IDS, wants_short_ids},
    {CHAT_NO_STRICT, about_strict},
    {CHAT_NO_FORMAT, about_format},
    {CHAT_NO_FORCED_TOOL, about_forced_tool},
    {CHAT_NO_SYSTEM_TURNS, about_system_turns},
    {CHAT_NO_KEPT, about_kept},
};

/* Older models of Anthropic's allow fewer tokens than we ask for, and say how many. */
static bool learn_most_tokens(const struct complaint *complaint, struct chat_wishes *wishes) {
    const char *at = strstr(complaint->words, "max_tokens");
    double sent = 0;
    if (at == NULL || !is_of(complaint, "anthropic") || wishes->max_tokens != 0 ||
        !json_number(complaint->body, "max_tokens", &sent))
        return false;
    const char *limit = strchr(at, '>');
    long allowed = limit != NULL ? strtol(limit + 1, NULL, 10) : 0;
    wishes->max_tokens = allowed > 0 && (double)allowed < sent ? allowed : OLD_MOST_TOKENS;
    return true;
}

/* Older models know no adaptive thinking, which an effort asks for. */
static bool learn_thinking(const struct complaint *complaint, jv *changes) {
    jv thinking = json_get(complaint->body, "thinking");
    bool applies = json_is(thinking, "type", "adaptive") && has(complaint, "adaptive") &&
                   !json_names(*changes, "thinking");
    jv_free(thinking);
    if (applies)
        *changes = json_set(*changes, "thinking", jv_null());
    return applies;
}

bool chat_adapt(const struct chat_api *api, struct chat_wishes *wishes, jv *changes, jv body,
                jv document, jv failure) {
    char *words = words_of(failure);
    struct complaint complaint = {wishes, api, body, document, words};
    bool learned = learn_member(api, changes, body, words) ||
                   learn_most_tokens(&complaint, wishes) || learn_thinking(&complaint, changes);
    for (size_t i = 0; !learned && i < sizeof lessons / sizeof *lessons; i++) {
        if ((wishes->learned & lessons[i].flag) == 0 && lessons[i].applies(&complaint)) {
            wishes->learned |= lessons[i].flag;
            learned = true;
        }
    }
    free(words);
    return learned;
}

/* Whether the words quote that name, or a path that begins with it. */
static bool quotes(const char *words, const char *name) {
    size_t size = strlen(name);
    for (const char *at = words; size > 0 && (at = strstr(at, name)) != NULL; at++)
        if (at > words && strchr("'\"`", at[-1]) != NULL && !isalnum((unsigned char)at[size]) &&
            at[size] != '_')
            return true;
    return false;
}

char *chat_adapt_blames(jv members, jv failure) {
    char *words = words_of(failure), *found = NULL;
    if (jv_get_kind(members) == JV_KIND_OBJECT && jv_is_valid(failure)) {
        jv_object_foreach(members, key, value) {
            const char *name = jv_string_value(key);
            if (found == NULL && quotes(words, name))
                found = must_copy(name);
            jv_free(key);
            jv_free(value);
        }
    }
    free(words);
    return found;
}

bool chat_adapt_wants_responses(jv failure) {
    char *words = words_of(failure);
    bool wants = strstr(words, "v1/responses") != NULL;
    free(words);
    return wants;
}

bool chat_adapt_wants_no_reasoning(jv failure) {
    char *words = words_of(failure);
    bool wants = strstr(words, "reasoning_effort to 'none'") != NULL;
    free(words);
    return wants;
}
