#include "sandbox/model_api.h"

#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

jv model_openai_error(int status, const char *code, const char *text) {
    (void)status;
    jv error = json_set_string(jv_object(), "message", text);
    error = json_set_string(json_set_string(error, "type", "invalid_request_error"), "code", code);
    return json_set(jv_object(), "error", error);
}

double model_tokens(jv value) {
    char *text = json_text(value);
    double tokens = ceil((double)strlen(text) / 4);
    free(text);
    return tokens;
}

jv model_call(const char *id, const char *name, const char *arguments) {
    jv function = json_set_string(jv_object(), "name", name);
    function = json_set_string(function, "arguments", arguments);
    jv call = json_set_string(json_set_string(jv_object(), "id", id), "type", "function");
    return json_set(call, "function", function);
}

jv model_add_call(jv messages, jv call) {
    int count = jv_array_length(jv_copy(messages));
    jv last = count > 0 ? jv_array_get(jv_copy(messages), count - 1) : jv_invalid();
    if (json_is(last, "role", "assistant")) {
        jv calls = jv_array_append(json_array(last, "tool_calls"), call);
        return jv_array_set(messages, count - 1, json_set(last, "tool_calls", calls));
    }
    jv_free(last);
    jv message = json_set_string(jv_object(), "role", "assistant");
    return jv_array_append(messages, json_set(message, "tool_calls", JV_ARRAY(call)));
}

jv model_if_named(jv body, jv messages) {
    if (json_string(body, "model") != NULL)
        return messages;
    jv_free(messages);
    return jv_invalid();
}

jv model_of_type(const char *type) {
    return json_set_string(jv_object(), "type", type);
}

jv model_add_text(jv messages, const char *role, const char *text) {
    jv message = json_set_string(jv_object(), "role", role);
    return jv_array_append(messages, json_set_string(message, "content", text));
}

jv model_add_result(jv messages, const char *id, const char *text) {
    jv message = json_set_string(jv_object(), "role", "tool");
    message = json_set_string(message, "tool_call_id", id);
    return jv_array_append(messages, json_set_string(message, "content", text));
}
