#include "conversation.h"

#include "digest.h"
#include "json.h"
#include "schema.h"

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

/* The tool of that name; invalid if there is none. */
static jv find_tool(jv tools, const char *name) {
    jv found = jv_invalid();
    jv_array_foreach(tools, i, tool) {
        const char *its_name = tool_name(tool);
        if (its_name != NULL && strcmp(its_name, name) == 0) {
            jv_free(found);
            found = jv_copy(tool);
        }
        jv_free(tool);
    }
    return found;
}

/* The tools without the one of that name. Takes the tools. */
static jv without_tool(jv tools, const char *name) {
    jv kept = jv_array();
    jv_array_foreach(tools, i, tool) {
        const char *its_name = tool_name(tool);
        if (its_name != NULL && strcmp(its_name, name) == 0)
            jv_free(tool);
        else
            kept = jv_array_append(kept, tool);
    }
    jv_free(tools);
    return kept;
}

/* The list of definitions in what a -t file holds: itself, the one in it, or those of an answer to
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

/* A definition in OpenAI's form: of a bare function, of an MCP tool (inputSchema) or one of
 * Anthropic's (input_schema). Takes it. */
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
            tools = without_tool(tools, name);
        tools = jv_array_append(tools, definition);
    }
    jv_free(list);
    if (!good) {
        jv_free(tools);
        return fail(error, STATUS_INPUT, "a tool definition has no function with a name");
    }
    *document = json_set(*document, "tools", tools);
    return true;
}

/* Where the model's last answer with tool calls stands among the messages, or -1. */
static int last_request(jv messages) {
    int found = -1;
    jv_array_foreach(messages, i, message) {
        if (json_is(message, "role", "assistant"))
            found = json_has(message, "tool_calls") ? i : -1;
        jv_free(message);
    }
    return found;
}

/* Whether a tool message behind `from` answers that call. */
static bool is_answered(jv messages, int from, const char *id) {
    bool found = false;
    jv_array_foreach(messages, i, message) {
        found = found || (i > from && json_is(message, "role", "tool") &&
                          json_is(message, "tool_call_id", id));
        jv_free(message);
    }
    return found;
}

/* The result of the last call of that id; invalid if it has none. */
static jv result_of(jv calls, const char *id) {
    jv result = jv_invalid();
    jv_array_foreach(calls, i, call) {
        if (json_is(call, "id", id)) {
            jv_free(result);
            result = json_get(call, "result");
        }
        jv_free(call);
    }
    return result;
}

static jv tool_message(const char *id, jv result) {
    jv content = json_get(result, "content");
    const char *words = json_value_string(content);
    char *text =
        words != NULL ? must_copy(words) : json_text(jv_is_valid(content) ? content : result);
    jv message = json_set_string(jv_object(), "role", "tool");
    message = json_set_string(json_set_string(message, "tool_call_id", id), "content", text);
    free(text);
    jv_free(content);
    return message;
}

/* The tool messages that the last answer waits for, in its order; *unfinished is set to the id of
 * the first call without a result, if any. */
static jv pending_messages(jv document, const char **unfinished) {
    jv messages = messages_of(document), calls = json_array(document, "calls"), found = jv_array();
    int from = last_request(messages);
    *unfinished = NULL;
    jv request = from >= 0 ? jv_array_get(jv_copy(messages), from) : jv_object();
    jv tool_calls = json_array(request, "tool_calls");
    jv_array_foreach(tool_calls, i, tool_call) {
        const char *id = json_string(tool_call, "id");
        if (id != NULL && !is_answered(messages, from, id)) {
            jv result = result_of(calls, id);
            if (jv_is_valid(result))
                found = jv_array_append(found, tool_message(id, result));
            else if (*unfinished == NULL)
                *unfinished = id;
            jv_free(result);
        }
        jv_free(tool_call);
    }
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

static jv refused_call(jv call, const char *why) {
    jv result = json_set_string(jv_object(), "error", "invalid_arguments");
    char *words = must_format("The tool was not called: %s. Nothing was done.", why);
    result = json_set_string(result, "content", words);
    free(words);
    return json_set(call, "result", result);
}

/* The arguments of a tool call: JSON in a string; "" means {}; some servers send the object itself.
 */
static bool parse_arguments(jv function, jv *arguments, struct error *error) {
    jv given = json_get(function, "arguments");
    bool good = true;
    if (jv_get_kind(given) == JV_KIND_STRING) {
        int size = jv_string_length_bytes(jv_copy(given));
        *arguments = jv_object();
        if (size > 0) {
            jv_free(*arguments);
            good = json_parse(jv_string_value(given), (size_t)size, arguments, error);
        }
    } else {
        *arguments = jv_is_valid(given) ? jv_copy(given) : jv_object();
    }
    if (!good)
        *arguments = jv_copy(given);
    else if (jv_get_kind(*arguments) != JV_KIND_OBJECT)
        good = fail(error, STATUS_INPUT, "they are not a JSON object");
    jv_free(given);
    return good;
}

/* The call for one tool call of the model's. */
static jv make_call(jv tools, jv tool_call, const char *id) {
    jv function = json_get(tool_call, "function"), arguments;
    const char *name = json_string(function, "name");
    struct error error;
    bool parsed = parse_arguments(function, &arguments, &error);
    jv call = json_set_string(jv_object(), "id", id);
    call = json_set_string(call, "name", name != NULL ? name : "");
    call = json_set(call, "arguments", jv_copy(arguments));
    jv tool = find_tool(tools, name != NULL ? name : "");
    jv definition = json_get(tool, "function"), schema = json_get(definition, "parameters");
    char *why = NULL;
    if (!jv_is_valid(tool))
        why = must_format("there is no tool '%.60s'", name != NULL ? name : "");
    else if (!parsed || !schema_allows(schema, arguments, &error))
        why = must_format("its arguments are not valid: %s", error.text);
    if (why != NULL) {
        complain(id, "%s", why);
        call = refused_call(call, why);
    }
    free(why);
    jv_free(schema);
    jv_free(definition);
    jv_free(tool);
    jv_free(arguments);
    jv_free(function);
    return call;
}

/* The tool call as it goes back to the server: with an id that no other call has, and its arguments
 * as text. Takes the tool call. */
static jv normal_tool_call(jv tool_call, jv calls) {
    const char *id = json_string(tool_call, "id");
    bool used = id == NULL || *id == '\0';
    jv_array_foreach(calls, i, call) {
        used = used || json_is(call, "id", id);
        jv_free(call);
    }
    if (used) {
        char *noise = random_name(12), *fresh = must_format("call_%s", noise);
        tool_call = json_set_string(tool_call, "id", fresh);
        free(noise);
        free(fresh);
    }
    jv function = json_get(tool_call, "function"), arguments = json_get(function, "arguments");
    if (jv_get_kind(function) == JV_KIND_OBJECT && jv_get_kind(arguments) != JV_KIND_STRING) {
        char *text = jv_is_valid(arguments) ? json_text(arguments) : must_copy("{}");
        function = json_set_string(function, "arguments", text);
        tool_call = json_set(tool_call, "function", jv_copy(function));
        free(text);
    }
    jv_free(arguments);
    jv_free(function);
    return json_has(tool_call, "type") ? tool_call : json_set_string(tool_call, "type", "function");
}

jv conversation_take_message(jv document, jv message) {
    jv tool_calls = json_array(message, "tool_calls"), tools = json_array(document, "tools");
    jv calls = json_array(document, "calls"), normal = jv_array();
    int count = jv_array_length(jv_copy(tool_calls));
    for (int i = 0; i < count; i++) {
        jv tool_call = jv_array_get(jv_copy(tool_calls), i);
        if (jv_get_kind(tool_call) != JV_KIND_OBJECT) {
            jv_free(tool_call);
            continue;
        }
        tool_call = normal_tool_call(tool_call, calls);
        calls = jv_array_append(calls, make_call(tools, tool_call, json_string(tool_call, "id")));
        normal = jv_array_append(normal, tool_call);
    }
    message = json_set_string(message, "role", "assistant");
    message = count > 0 ? json_set(message, "tool_calls", jv_copy(normal))
                        : json_delete(message, "tool_calls");
    jv_free(normal);
    jv_free(tool_calls);
    jv_free(tools);
    if (count > 0)
        document = json_set(document, "calls", calls);
    else
        jv_free(calls);
    return append_message(document, message);
}
