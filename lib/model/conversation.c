#include "model/conversation.h"

#include "model/tool_calls.h"
#include "model/tool_results.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static jv messages_of(jv document) {
    jv messages = json_get(document, "messages");
    if (jv_get_kind(messages) == JV_KIND_ARRAY)
        return messages;
    jv_free(messages);
    return jv_array();
}

static jv last_of(jv array) {
    int count = jv_array_length(jv_copy(array));
    return count > 0 ? jv_array_get(jv_copy(array), count - 1) : jv_invalid();
}

static jv append_message(jv document, jv message) {
    return json_set(document, "messages", jv_array_append(messages_of(document), message));
}

jv conversation_add_message(jv document, const char *role, const char *content) {
    jv message = json_set_string(jv_object(), "role", role);
    return append_message(document, json_set_string(message, "content", content));
}

static const char *tool_name(jv tool) {
    jv function = json_get(tool, "function");
    const char *name = json_string(function, "name");
    jv_free(function);
    return name;
}

/* The tools with that one: in the place of the one of its name, because servers cache, and sign,
 * what a request begins with; else at the end. Takes the tools and the one. */
static jv with_tool(jv tools, jv added) {
    const char *name = tool_name(added);
    bool placed = false;
    jv kept = jv_array();
    jv_array_foreach(tools, i, tool) {
        const char *its_name = tool_name(tool);
        bool same = its_name != NULL && strcmp(its_name, name) == 0;
        if (!same || !placed)
            kept = jv_array_append(kept, jv_copy(same ? added : tool));
        placed = placed || same;
        jv_free(tool);
    }
    jv_free(tools);
    return placed ? (jv_free(added), kept) : jv_array_append(kept, added);
}

/* The list of definitions in a -t file: the value itself, a single definition, or an answer of
 * MCP's tools/list. Takes it. */
static jv definition_list(jv definitions) {
    jv result = json_get(definitions, "result");
    if (jv_get_kind(result) == JV_KIND_OBJECT) {
        jv_free(definitions);
        definitions = result;
    } else {
        jv_free(result);
    }
    jv tools = json_get(definitions, "tools");
    if (jv_get_kind(tools) == JV_KIND_ARRAY) {
        jv_free(definitions);
        return tools;
    }
    jv_free(tools);
    return jv_get_kind(definitions) == JV_KIND_ARRAY ? definitions : JV_ARRAY(definitions);
}

/* Converts a definition to OpenAI's form: a bare function, an MCP tool (inputSchema) or Anthropic's
 * (input_schema). Takes it. */
static jv normal_definition(jv definition) {
    static const char *const schemas[] = {"inputSchema", "input_schema"};
    jv function = jv_object();
    if (json_has(definition, "function") || !json_has(definition, "name")) {
        jv_free(function);
        return definition;
    }
    bool foreign = false;
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        if (json_has(definition, schemas[i])) {
            function = json_set(function, "parameters", json_get(definition, schemas[i]));
            foreign = true;
        }
    }
    if (foreign) {
        function = json_set_string(function, "name", json_string(definition, "name"));
        function = json_set_string(function, "description", json_string(definition, "description"));
        jv_free(definition);
    } else {
        jv_free(function);
        function = json_delete(definition, "type"); /* as in the Responses API, which is flat */
    }
    return json_set(json_set_string(jv_object(), "type", "function"), "function", function);
}

bool conversation_add_tools(jv *document, jv definitions, struct error *error) {
    bool good = true;
    jv list = definition_list(jv_copy(definitions));
    jv tools = json_array(*document, "tools");
    jv_array_foreach(list, i, definition) {
        definition = normal_definition(definition);
        const char *name = tool_name(definition);
        good = good && name != NULL;
        if (good)
            tools = with_tool(tools, definition);
        else
            jv_free(definition);
    }
    jv_free(list);
    if (!good) {
        jv_free(tools);
        return fail(error, STATUS_INPUT, "a tool definition has no function with a name");
    }
    *document = json_set(*document, "tools", tools);
    return true;
}

/* The index of the model's last answer with tool calls among the messages, or -1. */
static int last_request(jv messages) {
    int found = -1;
    jv_array_foreach(messages, i, message) {
        if (json_is(message, "role", "assistant"))
            found = json_has(message, "tool_calls") ? i : -1;
        jv_free(message);
    }
    return found;
}

/* An object whose members are the ids of the calls that tool messages after `from` answer. */
static jv answered_ids(jv messages, int from) {
    jv ids = jv_object();
    jv_array_foreach(messages, i, message) {
        const char *id = json_string(message, "tool_call_id");
        if (i > from && id != NULL && json_is(message, "role", "tool"))
            ids = json_set(ids, id, jv_true());
        jv_free(message);
    }
    return ids;
}

/* Maps each id to the result of the last call with that id, if it has one. */
static jv results_by_id(jv calls) {
    jv results = jv_object();
    jv_array_foreach(calls, i, call) {
        const char *id = json_string(call, "id");
        jv result = json_get(call, "result");
        if (id != NULL && jv_is_valid(result))
            results = json_set(results, id, result);
        else if (id != NULL)
            results = json_delete(results, id);
        else
            jv_free(result);
        jv_free(call);
    }
    return results;
}

/* The tool messages that the last answer waits for, in its order; sets *unfinished to the id of the
 * first call without a result, if any. */
static jv pending_messages(jv document, const char **unfinished) {
    jv messages = messages_of(document), calls = json_array(document, "calls"), found = jv_array();
    int from = last_request(messages);
    *unfinished = NULL;
    jv request = from >= 0 ? jv_array_get(jv_copy(messages), from) : jv_object();
    jv tool_calls = json_array(request, "tool_calls");
    jv answered = answered_ids(messages, from), results = results_by_id(calls);
    jv_array_foreach(tool_calls, i, tool_call) {
        const char *id = json_string(tool_call, "id");
        if (id != NULL && !json_names(answered, id)) {
            jv result = json_get(results, id);
            if (jv_is_valid(result))
                found = jv_array_append(found, tool_result_message(id, result));
            else if (*unfinished == NULL)
                *unfinished = id;
            jv_free(result);
        }
        jv_free(tool_call);
    }
    jv_free(answered);
    jv_free(results);
    jv_free(tool_calls);
    jv_free(request);
    jv_free(calls);
    jv_free(messages);
    return found;
}

const char *conversation_unfinished_call(jv document) {
    const char *unfinished;
    jv_free(pending_messages(document, &unfinished));
    return unfinished;
}

jv conversation_fold_results(jv document) {
    const char *unfinished;
    jv found = pending_messages(document, &unfinished);
    if (unfinished != NULL || jv_array_length(jv_copy(found)) == 0) {
        jv_free(found);
        return document;
    }
    return json_set(document, "messages", jv_array_concat(messages_of(document), found));
}

bool conversation_is_models_turn(jv document) {
    jv messages = messages_of(document), last = last_of(messages);
    bool turn = json_is(last, "role", "user") || json_is(last, "role", "tool");
    jv_free(last);
    jv_free(messages);
    return turn && conversation_unfinished_call(document) == NULL;
}

char *conversation_content_text(jv content) {
    const char *words = json_value_string(content);
    if (words != NULL)
        return must_copy(words);
    jv joined = jv_string("");
    if (jv_get_kind(content) == JV_KIND_ARRAY) {
        jv_array_foreach(content, i, part) {
            const char *text = json_string(part, "text");
            joined = jv_string_append_str(joined, text != NULL ? text : "");
            jv_free(part);
        }
    }
    char *text = must_copy(jv_string_value(joined));
    jv_free(joined);
    return text;
}

char *conversation_text(jv document) {
    jv messages = messages_of(document), last = last_of(messages);
    jv content = json_get(last, "content");
    char *text = NULL;
    if (json_is(last, "role", "assistant")) {
        const char *refusal = json_string(last, "refusal");
        bool in_parts = jv_get_kind(content) == JV_KIND_ARRAY;
        char *words = conversation_content_text(content);
        if (in_parts || *words != '\0')
            text = must_copy(words);
        else if (refusal != NULL)
            text = must_copy(refusal);
        free(words);
    }
    jv_free(content);
    jv_free(last);
    jv_free(messages);
    return text;
}

/* The message with an empty content in one form, as servers have several, streamed and not: null
 * beside calls or a refusal, else "". Takes it. */
static jv plain_content(jv message) {
    jv content = json_get(message, "content");
    jv_kind kind = jv_get_kind(content);
    bool empty = kind == JV_KIND_INVALID || kind == JV_KIND_NULL ||
                 (kind == JV_KIND_STRING && jv_string_length_bytes(jv_copy(content)) == 0) ||
                 (kind == JV_KIND_ARRAY && jv_array_length(jv_copy(content)) == 0);
    jv_free(content);
    if (!empty)
        return message;
    bool instead = json_has(message, "tool_calls") || json_has(message, "refusal");
    return json_set(message, "content", instead ? jv_null() : jv_string(""));
}

jv conversation_take_message(jv document, jv message, double deadline) {
    jv tools = json_array(document, "tools"), calls = json_array(document, "calls");
    jv tool_calls = tool_calls_take(tools, message, deadline, &calls);
    bool any = jv_array_length(json_array(message, "tool_calls")) > 0;
    message = json_set_string(message, "role", "assistant");
    if (any) {
        message = json_set(message, "tool_calls", tool_calls);
        document = json_set(document, "calls", calls);
    } else {
        message = json_delete(message, "tool_calls");
        jv_free(tool_calls);
        jv_free(calls);
    }
    jv_free(tools);
    return append_message(document, plain_content(message));
}
