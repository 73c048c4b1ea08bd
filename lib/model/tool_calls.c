#include "model/tool_calls.h"

#include "jose/digest.h"
#include "json/json.h"
#include "json/schema.h"

#include <stdlib.h>
#include <string.h>

enum { REPORTS_LIMIT = 3 }; /* of the calls of one answer */

/* The tool of that name; invalid if there is none. */
static jv find_tool(jv tools, const char *name) {
    jv found = jv_invalid();
    jv_array_foreach(tools, i, tool) {
        jv function = json_get(tool, "function");
        if (json_is(function, "name", name)) {
            jv_free(found);
            found = jv_copy(tool);
        }
        jv_free(function);
        jv_free(tool);
    }
    return found;
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

/* The call for one tool call of the model's. *refused counts those that are not made. */
static jv make_call(jv tools, jv tool_call, bool is_only, double deadline, int *refused) {
    const char *id = json_string(tool_call, "id");
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
    else if (!parsed || !schema_allows(schema, arguments, deadline, &error))
        why = must_format("its arguments are not valid: %s", error.text);
    if (why != NULL) {
        if (++*refused <= REPORTS_LIMIT)
            report(is_only ? name : id, "%s", why);
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
        char *fresh = random_call_id();
        tool_call = json_set_string(tool_call, "id", fresh);
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

bool tool_calls_too_many(struct error *error) {
    return fail(error, STATUS_PROTOCOL,
                "the model's answer has more than %d tool calls, and none is taken",
                TOOL_CALLS_LIMIT);
}

jv tool_calls_take(jv tools, jv message, double deadline, jv *calls) {
    jv tool_calls = json_array(message, "tool_calls"), normal = jv_array();
    int count = jv_array_length(jv_copy(tool_calls)), refused = 0;
    for (int i = 0; i < count; i++) {
        jv tool_call = jv_array_get(jv_copy(tool_calls), i);
        if (jv_get_kind(tool_call) != JV_KIND_OBJECT) {
            jv_free(tool_call);
            continue;
        }
        tool_call = normal_tool_call(tool_call, *calls);
        *calls =
            jv_array_append(*calls, make_call(tools, tool_call, count == 1, deadline, &refused));
        normal = jv_array_append(normal, tool_call);
    }
    if (refused > REPORTS_LIMIT)
        report("model", "%d more of its calls are not valid", refused - REPORTS_LIMIT);
    jv_free(tool_calls);
    return normal;
}

/* Takes the id. */
static jv short_id(jv id) {
    const char *text = json_value_string(id);
    char made[10];
    size_t size = 0;
    if (text == NULL)
        return id;
    char *digest = digest_of(text, strlen(text));
    for (const char *at = digest + strlen("sha-256:"); *at != '\0' && size < 9; at++)
        if (*at != '-' && *at != '_')
            made[size++] = *at;
    made[size] = '\0';
    free(digest);
    jv_free(id);
    return jv_string(made);
}

jv tool_calls_short_ids(jv messages) {
    jv made = jv_array();
    jv_array_foreach(messages, i, message) {
        jv calls = json_array(message, "tool_calls"), shortened = jv_array();
        jv_array_foreach(calls, j, call) {
            shortened =
                jv_array_append(shortened, json_set(call, "id", short_id(json_get(call, "id"))));
        }
        if (json_has(message, "tool_calls"))
            message = json_set(message, "tool_calls", jv_copy(shortened));
        if (json_has(message, "tool_call_id"))
            message =
                json_set(message, "tool_call_id", short_id(json_get(message, "tool_call_id")));
        jv_free(shortened);
        jv_free(calls);
        made = jv_array_append(made, message);
    }
    jv_free(messages);
    return made;
}

jv tool_calls_set_ids(jv message, jv items, const char *type, const char *member) {
    jv calls = json_array(message, "tool_calls"), made = jv_array();
    int count = jv_array_length(jv_copy(calls)), at = 0;
    jv_array_foreach(items, i, item) {
        if (json_is(item, "type", type)) {
            jv call = at < count ? jv_array_get(jv_copy(calls), at) : jv_invalid();
            item = json_set(item, member, json_get(call, "id"));
            jv_free(call);
            at++;
        }
        made = jv_array_append(made, item);
    }
    jv_free(calls);
    jv_free(at == count ? items : made);
    return at == count ? made : items;
}
