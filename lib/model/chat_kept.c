#include "model/chat_kept.h"

#include "model/conversation.h"
#include "json/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What OpenAI's form has. */
static const char *const of_messages[] = {"role",       "content",       "name",  "refusal",
                                          "tool_calls", "function_call", "audio", NULL};
static const char *const of_calls[] = {"id", "type", "function", "custom", NULL};

static bool lists(const char *const *names, const char *name) {
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* The object with these members alone. Takes it. */
static jv only(jv object, const char *const *names) {
    jv kept = jv_object();
    jv_object_foreach(object, key, value) {
        if (lists(names, jv_string_value(key)))
            kept = jv_object_set(kept, jv_copy(key), jv_copy(value));
        jv_free(key);
        jv_free(value);
    }
    jv_free(object);
    return kept;
}

static bool is_plain_part(jv part) {
    return json_is(part, "type", "text") || json_is(part, "type", "refusal");
}

static bool has_other_parts(jv content) {
    bool others = false;
    if (jv_get_kind(content) == JV_KIND_ARRAY) {
        jv_array_foreach(content, i, part) {
            others = others || !is_plain_part(part);
            jv_free(part);
        }
    }
    return others;
}

/* The message as OpenAI's form has it. Takes it. */
static jv plain(jv message) {
    jv content = json_get(message, "content"), calls = json_get(message, "tool_calls");
    message = only(message, of_messages);
    if (has_other_parts(content)) {
        char *text = conversation_content_text(content);
        message = json_set_string(message, "content", text);
        free(text);
    }
    if (jv_get_kind(calls) == JV_KIND_ARRAY) {
        jv bare = jv_array();
        jv_array_foreach(calls, i, call) {
            bare = jv_array_append(bare, jv_get_kind(call) == JV_KIND_OBJECT ? only(call, of_calls)
                                                                             : call);
        }
        message = json_set(message, "tool_calls", bare);
    }
    jv_free(content);
    jv_free(calls);
    return message;
}

jv chat_kept_mark(const struct chat_wishes *wishes, jv message) {
    jv bare = plain(jv_copy(message));
    bool more = !json_equal(bare, message);
    jv_free(bare);
    if (!more)
        return message;
    jv origin = json_set_string(jv_object(), "server", wishes->server);
    return json_set(message, "origin", json_set_string(origin, "model", wishes->model));
}

/* Whether an origin is where this request goes. */
static bool is_here(const struct chat_wishes *wishes, jv origin) {
    return wishes->server != NULL && json_is(origin, "server", wishes->server) &&
           json_is(origin, "model", wishes->model);
}

jv chat_kept_refuse(const struct chat_wishes *wishes, jv document) {
    jv messages = json_array(document, "messages"), marked = jv_array();
    if ((wishes->learned & CHAT_NO_KEPT) == 0) {
        jv_free(messages);
        jv_free(marked);
        return document;
    }
    jv_array_foreach(messages, i, message) {
        jv origin = json_get(message, "origin");
        if (is_here(wishes, origin))
            message = json_set(message, "origin", json_set(jv_copy(origin), "refused", jv_true()));
        jv_free(origin);
        marked = jv_array_append(marked, message);
    }
    jv_free(messages);
    return json_set(document, "messages", marked);
}

bool chat_kept_was_refused(const struct chat_wishes *wishes, jv document) {
    jv messages = json_array(document, "messages");
    bool refused = false;
    jv_array_foreach(messages, i, message) {
        jv origin = json_get(message, "origin");
        refused = refused || (is_here(wishes, origin) && json_has(origin, "refused"));
        jv_free(origin);
        jv_free(message);
    }
    jv_free(messages);
    return refused;
}

bool chat_kept_fits(const struct chat_wishes *wishes, jv message) {
    jv origin = json_get(message, "origin");
    bool fits = (wishes->learned & CHAT_NO_KEPT) == 0 &&
                (jv_get_kind(origin) != JV_KIND_OBJECT ||
                 (is_here(wishes, origin) && !json_has(origin, "refused")));
    jv_free(origin);
    return fits;
}

jv chat_kept_own(const struct chat_wishes *wishes, jv message, const char *own_member) {
    return chat_kept_fits(wishes, message) ? json_get(message, own_member) : jv_invalid();
}

/* What two servers want in each answer with calls, also in those of other models. The signature is
 * the one that Google documents for answers that have none. */
static jv fill(const struct chat_wishes *wishes, jv message) {
    jv calls = json_array(message, "tool_calls");
    bool any = jv_array_length(jv_copy(calls)) > 0;
    jv first = any ? jv_array_get(jv_copy(calls), 0) : jv_invalid();
    if (any && (wishes->learned & CHAT_FILL_REASONING) != 0 &&
        !json_has(message, "reasoning_content"))
        message = json_set(message, "reasoning_content", jv_string(""));
    if (any && (wishes->learned & CHAT_FILL_SIGNATURES) != 0 && !json_has(first, "extra_content")) {
        jv google =
            json_set_string(jv_object(), "thought_signature", "skip_thought_signature_validator");
        first = json_set(first, "extra_content", json_set(jv_object(), "google", google));
        message = json_set(message, "tool_calls", jv_array_set(jv_copy(calls), 0, jv_copy(first)));
    }
    jv_free(first);
    jv_free(calls);
    return message;
}

jv chat_kept_message(const struct chat_wishes *wishes, jv message) {
    if (!json_is(message, "role", "assistant"))
        return chat_api_bare(message);
    bool fits = chat_kept_fits(wishes, message);
    message = chat_api_bare(message);
    return fill(wishes, fits ? message : plain(message));
}

/* Whether the words have that name, not as a part of a longer one. */
static bool has_name(const char *words, const char *name) {
    size_t size = strlen(name);
    for (const char *at = words; size > 0 && (at = strstr(at, name)) != NULL; at++) {
        bool begins = at == words || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');
        if (begins && !isalnum((unsigned char)at[size]) && at[size] != '_')
            return true;
    }
    return false;
}

static bool other_member_named(jv object, const char *const *known, const char *words) {
    bool named = false;
    if (jv_get_kind(object) != JV_KIND_OBJECT)
        return false;
    jv_object_foreach(object, key, value) {
        const char *name = jv_string_value(key);
        named = named || (!lists(known, name) && has_name(words, name));
        jv_free(key);
        jv_free(value);
    }
    return named;
}

static bool named_in(jv message, const char *words) {
    jv calls = json_array(message, "tool_calls"), parts = json_array(message, "content");
    jv bare = chat_api_bare(jv_copy(message));
    bool named = other_member_named(bare, of_messages, words);
    jv_free(bare);
    jv_array_foreach(calls, i, call) {
        named = named || other_member_named(call, of_calls, words);
        jv_free(call);
    }
    jv_array_foreach(parts, i, part) {
        const char *type = json_string(part, "type");
        named = named || (type != NULL && !is_plain_part(part) && has_name(words, type));
        jv_free(part);
    }
    jv_free(calls);
    jv_free(parts);
    return named;
}

bool chat_kept_named(jv messages, const char *words) {
    bool named = false;
    jv_array_foreach(messages, i, message) {
        named = named || (json_is(message, "role", "assistant") && named_in(message, words));
        jv_free(message);
    }
    return named;
}
