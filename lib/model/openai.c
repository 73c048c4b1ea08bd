/* OpenAI's chat completions, which most servers support: the form of a document. */
#include "model/chat_api.h"

#include "model/answer_schema.h"
#include "model/chat_kept.h"
#include "model/chat_pieces.h"
#include "model/tool_calls.h"
#include "model/tool_results.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static jv tool_choice(const char *choice) {
    if (!chat_api_names_tool(choice))
        return jv_string(choice);
    jv function = json_set_string(jv_object(), "name", choice);
    return json_set(chat_api_typed("function"), "function", function);
}

/* The messages for a request: tools may return only text here. */
static jv messages_of(const struct chat_wishes *wishes, jv document) {
    jv messages = json_array(document, "messages"), sent = jv_array();
    jv_array_foreach(messages, i, message) {
        jv content = json_get(message, "content");
        if (json_is(message, "role", "tool") && !tool_result_is_text(content))
            message = json_set(message, "content", tool_result_text(content));
        jv_free(content);
        sent = jv_array_append(sent, chat_kept_message(wishes, message));
    }
    jv_free(messages);
    return (wishes->learned & CHAT_SHORT_IDS) != 0 ? tool_calls_short_ids(sent) : sent;
}

/* The messages with these words in the first one, a system message. Takes them. */
static jv tell_first(jv messages, const char *words) {
    bool any = jv_array_length(jv_copy(messages)) > 0;
    jv first = any ? jv_array_get(jv_copy(messages), 0) : jv_invalid();
    jv content = json_get(first, "content");
    const char *before = json_value_string(content);
    if (json_is(first, "role", "system") && before != NULL) {
        char *both = must_format("%s\n\n%s", before, words);
        messages = jv_array_set(messages, 0, json_set_string(jv_copy(first), "content", both));
        free(both);
    } else {
        jv told = json_set_string(jv_object(), "role", "system");
        messages = jv_array_concat(JV_ARRAY(json_set_string(told, "content", words)), messages);
    }
    jv_free(content);
    jv_free(first);
    return messages;
}

static jv add_schema(const struct chat_wishes *wishes, jv body) {
    if (!jv_is_valid(wishes->schema))
        return body;
    if ((wishes->learned & CHAT_NO_FORMAT) != 0) {
        char *words = answer_schema_words(wishes->schema);
        body = json_set(body, "messages", tell_first(json_get(body, "messages"), words));
        free(words);
        return body;
    }
    jv format = answer_schema_format(wishes->schema, (wishes->learned & CHAT_NO_STRICT) == 0);
    format = json_set(chat_api_typed("json_schema"), "json_schema", format);
    return json_set(body, "response_format", format);
}

static jv request(const struct chat_wishes *wishes, jv document, struct error *error) {
    jv body = json_set_string(jv_object(), "model", wishes->model);
    jv tools = json_array(document, "tools");
    (void)error;
    body = json_set(body, "messages", messages_of(wishes, document));
    if (jv_array_length(jv_copy(tools)) > 0) {
        body = json_set(body, "tools", jv_copy(tools));
        if (wishes->tool_choice != NULL)
            body = json_set(body, "tool_choice", tool_choice(wishes->tool_choice));
        if (wishes->no_parallel_calls)
            body = json_set(body, "parallel_tool_calls", jv_false());
    }
    body = add_schema(wishes, body);
    body = json_set_string(body, "reasoning_effort", wishes->reasoning_effort);
    body = json_set_string(body, "verbosity", wishes->verbosity);
    body = json_set_string(body, "service_tier", wishes->service_tier);
    if (wishes->temperature >= 0)
        body = json_set(body, "temperature", jv_number(wishes->temperature));
    if (wishes->cache)
        body = json_set(body, "prompt_cache_key", chat_api_cache_key(document));
    if (wishes->stream) {
        body = json_set(body, "stream", jv_true());
        body = json_set(body, "stream_options", json_set(jv_object(), "include_usage", jv_true()));
    }
    jv_free(tools);
    return body;
}

static jv first_choice(jv body) {
    jv choices = json_array(body, "choices");
    jv first =
        jv_array_length(jv_copy(choices)) > 0 ? jv_array_get(jv_copy(choices), 0) : jv_invalid();
    jv_free(choices);
    return first;
}

/* Null, an empty list, or an object with nothing but such. */
static bool is_empty(jv value) {
    bool empty = jv_get_kind(value) == JV_KIND_NULL ||
                 (jv_get_kind(value) == JV_KIND_ARRAY && jv_array_length(jv_copy(value)) == 0) ||
                 jv_get_kind(value) == JV_KIND_OBJECT;
    if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, member) {
            empty = empty && is_empty(member);
            jv_free(key);
            jv_free(member);
        }
    }
    return empty;
}

/* The message in the same form whether streamed or not: without empty members, and without the
 * stream's index in tool calls. Takes it. */
static jv plain_message(jv message) {
    if (jv_get_kind(message) != JV_KIND_OBJECT)
        return message;
    jv plain = jv_object(), calls = json_array(message, "tool_calls"), bare = jv_array();
    jv_object_foreach(message, key, value) {
        const char *name = jv_string_value(key);
        if (strcmp(name, "content") == 0 || !is_empty(value))
            plain = json_set(plain, name, jv_copy(value));
        jv_free(key);
        jv_free(value);
    }
    jv_array_foreach(calls, i, call) {
        bare = jv_array_append(bare, json_delete(call, "index"));
    }
    if (!is_empty(bare))
        plain = json_set(plain, "tool_calls", jv_copy(bare));
    jv_free(bare);
    jv_free(calls);
    jv_free(message);
    return plain;
}

static bool read_answer(jv body, struct chat_reply *reply, struct error *error) {
    jv choice = first_choice(body);
    reply->message = plain_message(json_get(choice, "message"));
    reply->usage = json_get(body, "usage");
    reply->end = chat_api_end_of(choice, "finish_reason");
    jv_free(choice);
    return jv_get_kind(reply->message) == JV_KIND_OBJECT ||
           fail(error, STATUS_PROTOCOL,
                "the model's answer has no choices; is OPENAI_BASE_URL an OpenAI-compatible "
                "server?");
}

/* The index of the tool call that a delta belongs to: by its index, except that a new id on a used
 * index begins a new call (some servers always send 0); without an index by its id, or else the
 * last call. The number of calls for a new one. */
static int call_of_delta(jv calls, jv delta) {
    int count = jv_array_length(jv_copy(calls));
    jv id = json_get(delta, "id");
    double index = -1;
    bool has_index = json_number(delta, "index", &index);
    bool has_id = jv_get_kind(id) == JV_KIND_STRING && jv_string_length_bytes(jv_copy(id)) > 0;
    int found = has_index || has_id ? count : count - 1;
    for (int i = count - 1; i >= 0 && found == count; i--) {
        jv call = jv_array_get(jv_copy(calls), i);
        double its = -1;
        bool same = has_index && json_number(call, "index", &its) && its == index;
        if (has_id) {
            jv its_id = json_get(call, "id"); /* compared as a value: it can be of any length */
            bool same_id = json_equal(its_id, id);
            same = same_id || (same && !(json_has(call, "id") && !same_id));
            jv_free(its_id);
        }
        if (same)
            found = i;
        jv_free(call);
    }
    jv_free(id);
    return found < 0 ? count : found;
}

/* Adds text to a member. Takes the object. */
static jv add_text(jv object, const char *key, jv more) {
    if (jv_get_kind(more) != JV_KIND_STRING)
        return object;
    jv text = json_take(&object, key);
    return json_set(object, key,
                    jv_get_kind(text) == JV_KIND_STRING ? jv_string_concat(text, jv_copy(more))
                                                        : (jv_free(text), jv_copy(more)));
}

static jv merge_call(jv call, jv delta) {
    jv function = json_take(&call, "function"), more = json_get(delta, "function");
    if (jv_get_kind(function) != JV_KIND_OBJECT) {
        jv_free(function);
        function = jv_object();
    }
    if (jv_get_kind(more) == JV_KIND_OBJECT) {
        jv_object_foreach(more, key, value) {
            const char *name = jv_string_value(key);
            if (strcmp(name, "arguments") == 0 && jv_get_kind(value) == JV_KIND_STRING)
                function = add_text(function, name, value);
            else if (jv_get_kind(value) != JV_KIND_NULL)
                function = json_set(function, name, jv_copy(value));
            jv_free(key);
            jv_free(value);
        }
    }
    jv_free(more);
    jv_object_foreach(delta, key, value) {
        const char *name = jv_string_value(key);
        bool empty = jv_get_kind(value) == JV_KIND_NULL ||
                     (jv_get_kind(value) == JV_KIND_STRING && *jv_string_value(value) == '\0');
        if (strcmp(name, "function") != 0 && !empty)
            call = json_set(call, name, jv_copy(value));
        jv_free(key);
        jv_free(value);
    }
    return json_set(call, "function", function);
}

static void check_call(struct chat_stream *stream, jv call) {
    jv function = json_get(call, "function");
    chat_pieces_check(stream, function);
    chat_pieces_check(stream, call);
    jv_free(function);
}

static jv merge_calls(struct chat_stream *stream, jv message, jv delta_of_message) {
    jv calls = json_take_array(&message, "tool_calls");
    jv deltas = json_array(delta_of_message, "tool_calls");
    if (jv_array_length(jv_copy(deltas)) > TOOL_CALLS_LIMIT)
        tool_calls_too_many(&stream->refused);
    jv_array_foreach(deltas, i, delta) {
        bool taken = stream->refused.status == STATUS_DONE;
        if (taken && jv_get_kind(delta) == JV_KIND_OBJECT) {
            int at = call_of_delta(calls, delta);
            jv call = at < jv_array_length(jv_copy(calls)) ? jv_array_get(jv_copy(calls), at)
                                                           : jv_object();
            calls = jv_array_set(calls, at, jv_null()); /* so that this is the only reference */
            call = merge_call(call, delta);
            check_call(stream, call);
            calls = jv_array_set(calls, at, call);
            if (at >= TOOL_CALLS_LIMIT)
                tool_calls_too_many(&stream->refused);
        }
        jv_free(delta);
    }
    jv_free(deltas);
    return json_set(message, "tool_calls", calls);
}

/* Merges a delta into the message: appends text and lists, merges tool calls, sets the rest. */
static jv merge_delta(struct chat_stream *stream, jv message, jv delta) {
    if (jv_get_kind(delta) != JV_KIND_OBJECT)
        return message;
    jv_object_foreach(delta, key, value) {
        const char *name = jv_string_value(key);
        if (strcmp(name, "tool_calls") == 0)
            message = merge_calls(stream, message, delta);
        else if (strcmp(name, "content") == 0)
            message = json_set(message, name,
                               chat_pieces_content(stream, json_take(&message, name), value));
        else if (jv_get_kind(value) == JV_KIND_ARRAY)
            message = json_set(message, name,
                               chat_pieces_add(stream, json_take_array(&message, name), value));
        else if (strcmp(name, "role") != 0 && jv_get_kind(value) == JV_KIND_STRING)
            message = add_text(message, name, value);
        else if (jv_get_kind(value) != JV_KIND_NULL || !json_has(message, name))
            message = json_set(message, name, jv_copy(value));
        jv_free(key);
        jv_free(value);
    }
    return message;
}

static void show_content(struct chat_stream *stream, jv content) {
    chat_api_show(stream, json_value_string(content));
    if (jv_get_kind(content) != JV_KIND_ARRAY)
        return;
    jv_array_foreach(content, i, part) {
        chat_api_show(stream, json_string(part, "text"));
        jv_free(part);
    }
}

static jv take_first_choice(jv *body) {
    jv first = first_choice(*body);
    jv_free(json_take(body, "choices"));
    return first;
}

static void take_choice(struct chat_stream *stream, jv choice) {
    jv first = take_first_choice(&stream->body);
    if (jv_get_kind(first) != JV_KIND_OBJECT) {
        jv_free(first);
        first = json_set(jv_object(), "message", jv_object());
    }
    jv delta = json_get(choice, "delta"), message = json_take(&first, "message");
    chat_api_count(stream, jv_copy(delta));
    jv content = json_get(delta, "content");
    show_content(stream, content);
    jv_free(content);
    message = merge_delta(stream, message, delta);
    chat_pieces_check(stream, message);
    first = json_set(first, "message", message);
    if (json_has(choice, "finish_reason")) {
        first = json_set(first, "finish_reason", json_get(choice, "finish_reason"));
        stream->finished = true;
    }
    stream->body = json_set(stream->body, "choices", JV_ARRAY(first));
    jv_free(delta);
}

static void take_event(struct chat_stream *stream, const char *name, jv data) {
    (void)name;
    if (jv_get_kind(data) == JV_KIND_STRING) { /* [DONE] */
        stream->finished = true;
        return;
    }
    static const char *const kept[] = {"id", "model", "usage"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_has(data, kept[i]))
            stream->body = json_set(stream->body, kept[i], json_get(data, kept[i]));
    jv choice = first_choice(data);
    double index = 0;
    if (jv_get_kind(choice) == JV_KIND_OBJECT &&
        (!json_number(choice, "index", &index) || index == 0))
        take_choice(stream, choice);
    jv_free(choice);
}

const struct chat_dialect chat_dialect_openai = {
    .request = request,
    .read = read_answer,
    .event = take_event,
};
