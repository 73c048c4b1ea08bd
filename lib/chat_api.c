/* The table, and OpenAI's chat completions, which most servers speak. */
#include "chat_api.h"

#include "conversation.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

jv chat_api_typed(const char *type) {
    return json_set_string(jv_object(), "type", type);
}

bool chat_api_names_tool(const char *choice) {
    return strcmp(choice, "auto") != 0 && strcmp(choice, "none") != 0 &&
           strcmp(choice, "required") != 0;
}

bool chat_api_data_url(const char *url, char *type, size_t room, const char **base64) {
    static const char marker[] = ";base64,";
    const char *end = strncmp(url, "data:", 5) == 0 ? strstr(url, marker) : NULL;
    if (end == NULL || (size_t)(end - url - 5) >= room)
        return false;
    snprintf(type, room, "%.*s", (int)(end - url - 5), url + 5);
    *base64 = end + strlen(marker);
    return true;
}

bool chat_api_take(struct chat_stream *stream, const char *name, const char *data, size_t size) {
    struct error ignored;
    jv value;
    if (strcmp(data, "[DONE]") == 0)
        value = jv_string(data);
    else if (!json_parse(data, size, &value, &ignored))
        return false;
    if (json_has(value, "error") || strcmp(name, "error") == 0) {
        jv_free(stream->failure);
        stream->failure = value;
    } else {
        stream->api->event(stream, name, value);
        jv_free(value);
    }
    return true;
}

void chat_api_show(struct chat_stream *stream, const char *text) {
    if (stream->show == NULL || text == NULL || *text == '\0')
        return;
    stream->show(stream->context, text, strlen(text));
    stream->shown = true;
}

jv chat_api_messages(jv document) {
    jv messages = json_array(document, "messages"), kept = jv_array();
    jv_array_foreach(messages, i, message) {
        if (json_has(message, "anthropic"))
            message = json_delete(message, "anthropic");
        if (json_has(message, "responses"))
            message = json_delete(message, "responses");
        kept = jv_array_append(kept, message);
    }
    jv_free(messages);
    return kept;
}

static jv tool_choice(const char *choice) {
    if (!chat_api_names_tool(choice))
        return jv_string(choice);
    jv function = json_set_string(jv_object(), "name", choice);
    return json_set(chat_api_typed("function"), "function", function);
}

static jv openai_request(const struct chat_wishes *wishes, jv document, struct error *error) {
    jv body = json_set_string(jv_object(), "model", wishes->model);
    jv tools = json_array(document, "tools");
    (void)error;
    body = json_set(body, "messages", chat_api_messages(document));
    if (jv_array_length(jv_copy(tools)) > 0) {
        body = json_set(body, "tools", jv_copy(tools));
        if (wishes->tool_choice != NULL)
            body = json_set(body, "tool_choice", tool_choice(wishes->tool_choice));
        if (wishes->one_call)
            body = json_set(body, "parallel_tool_calls", jv_false());
    }
    if (jv_is_valid(wishes->schema)) {
        jv format = json_set_string(jv_object(), "name", "answer");
        format = json_set(json_set(format, "schema", jv_copy(wishes->schema)), "strict", jv_true());
        format =
            json_set(json_set_string(jv_object(), "type", "json_schema"), "json_schema", format);
        body = json_set(body, "response_format", format);
    }
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

static bool is_empty(jv value) {
    return jv_get_kind(value) == JV_KIND_NULL ||
           (jv_get_kind(value) == JV_KIND_ARRAY && jv_array_length(jv_copy(value)) == 0);
}

/* The message, the same whether it came as a stream or whole: without members that say nothing, and
 * the index that tool calls have in a stream. Takes it. */
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

static bool openai_read(jv body, struct chat_reply *reply, struct error *error) {
    static const char *const finishes[] = {"stop", "length", "tool_calls", "content_filter"};
    jv choice = first_choice(body);
    reply->message = plain_message(json_get(choice, "message"));
    reply->usage = json_get(body, "usage");
    for (size_t i = 0; i < sizeof finishes / sizeof *finishes; i++)
        if (json_is(choice, "finish_reason", finishes[i]))
            reply->finish = finishes[i];
    jv_free(choice);
    return jv_get_kind(reply->message) == JV_KIND_OBJECT ||
           fail(error, STATUS_PROTOCOL,
                "the model's answer has no choices; is OPENAI_BASE_URL an OpenAI-compatible "
                "server?");
}

/* Which of the tool calls so far a delta is of: its index, except that a new id on an index that is
 * taken begins a new call (there are servers that always say 0), and where there is no index its id
 * or the last call. Their count for a new one. */
static int call_of_delta(jv calls, jv delta) {
    int count = jv_array_length(jv_copy(calls));
    const char *id = json_string(delta, "id");
    double index = -1;
    bool has_index = json_number(delta, "index", &index);
    bool has_id = id != NULL && *id != '\0';
    int found = has_index || has_id ? count : count - 1;
    jv_array_foreach(calls, i, call) {
        double its = -1;
        json_number(call, "index", &its);
        bool same_id = has_id && json_is(call, "id", id);
        bool other_id = has_id && json_has(call, "id") && !same_id;
        if (same_id || (has_index && its == index && !other_id))
            found = i;
        jv_free(call);
    }
    return found < 0 ? count : found;
}

/* Adds text to a member. Takes the object. */
static jv add_text(jv object, const char *key, jv more) {
    jv text = json_get(object, key);
    if (jv_get_kind(more) != JV_KIND_STRING) {
        jv_free(text);
        return object;
    }
    return json_set(object, key,
                    jv_get_kind(text) == JV_KIND_STRING ? jv_string_concat(text, jv_copy(more))
                                                        : (jv_free(text), jv_copy(more)));
}

static jv merge_call(jv call, jv delta) {
    jv function = json_get(call, "function"), more = json_get(delta, "function");
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

static jv merge_calls(jv message, jv delta_of_message) {
    jv calls = json_array(message, "tool_calls");
    jv deltas = json_array(delta_of_message, "tool_calls");
    jv_array_foreach(deltas, i, delta) {
        if (jv_get_kind(delta) == JV_KIND_OBJECT) {
            int at = call_of_delta(calls, delta);
            jv call = at < jv_array_length(jv_copy(calls)) ? jv_array_get(jv_copy(calls), at)
                                                           : jv_object();
            calls = jv_array_set(calls, at, merge_call(call, delta));
        }
        jv_free(delta);
    }
    jv_free(deltas);
    return json_set(message, "tool_calls", calls);
}

/* A delta into the message: text is added to text, tool calls are merged, the rest is set. */
static jv merge_delta(jv message, jv delta) {
    if (jv_get_kind(delta) != JV_KIND_OBJECT)
        return message;
    jv_object_foreach(delta, key, value) {
        const char *name = jv_string_value(key);
        if (strcmp(name, "tool_calls") == 0)
            message = merge_calls(message, delta);
        else if (strcmp(name, "role") != 0 && jv_get_kind(value) == JV_KIND_STRING)
            message = add_text(message, name, value);
        else if (jv_get_kind(value) != JV_KIND_NULL || !json_has(message, name))
            message = json_set(message, name, jv_copy(value));
        jv_free(key);
        jv_free(value);
    }
    return message;
}

static void take_choice(struct chat_stream *stream, jv choice) {
    jv first = first_choice(stream->body);
    if (jv_get_kind(first) != JV_KIND_OBJECT) {
        jv_free(first);
        first = json_set(jv_object(), "message", jv_object());
    }
    jv delta = json_get(choice, "delta"), message = json_get(first, "message");
    chat_api_show(stream, json_string(delta, "content"));
    first = json_set(first, "message", merge_delta(message, delta));
    if (json_has(choice, "finish_reason")) {
        first = json_set(first, "finish_reason", json_get(choice, "finish_reason"));
        stream->finished = true;
    }
    stream->body = json_set(stream->body, "choices", JV_ARRAY(first));
    jv_free(delta);
}

static void openai_event(struct chat_stream *stream, const char *name, jv data) {
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

static const struct chat_api openai = {
    .name = "openai",
    .base_url = "https://api.openai.com/v1",
    .base_name = "OPENAI_BASE_URL",
    .key_name = "OPENAI_API_KEY",
    .model_name = "OPENAI_MODEL",
    .default_model = "gpt-4o-mini",
    .path = "/chat/completions",
    .key_header = "Authorization: Bearer ",
    .max_tokens_name = "max_completion_tokens",
    .other_name = "max_tokens",
    .request = openai_request,
    .read = openai_read,
    .event = openai_event,
};

/* The model is a deployment, and part of the address. */
static const struct chat_api azure = {
    .name = "azure",
    .base_name = "AZURE_OPENAI_ENDPOINT",
    .key_name = "AZURE_OPENAI_API_KEY",
    .model_name = "AZURE_OPENAI_DEPLOYMENT",
    .path = "/openai/deployments/{model}/chat/completions?api-version={version}",
    .version_name = "AZURE_OPENAI_API_VERSION",
    .default_version = "2024-10-21",
    .key_header = "api-key: ",
    .max_tokens_name = "max_completion_tokens",
    .other_name = "max_completion_tokens",
    .request = openai_request,
    .read = openai_read,
    .event = openai_event,
};

const struct chat_api *chat_api_named(const char *name) {
    static const struct chat_api *const all[] = {&openai, &azure, &chat_api_anthropic,
                                                 &chat_api_responses};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
