/* Google's generateContent, as Gemini CLI uses it. A call may be without an id: then the tool's
 * name is it. */
#include "sandbox/model_api.h"

#include "model/conversation.h"
#include "sandbox/events.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *id_of(jv call) {
    const char *id = json_string(call, "id");
    return id != NULL ? id : json_string(call, "name");
}

/* What a tool says: its `output` or `error` if it is that text, else the whole. The caller frees.
 */
static char *result_text(jv result) {
    jv response = json_get(result, "response");
    const char *output = json_string(response, "output"), *error = json_string(response, "error");
    char *text = output != NULL  ? must_copy(output)
                 : error != NULL ? must_copy(error)
                                 : json_text(response);
    jv_free(response);
    return text;
}

/* Takes `messages`. */
static jv add_part(jv messages, jv part) {
    jv call = json_get(part, "functionCall"), result = json_get(part, "functionResponse");
    if (jv_is_valid(call)) {
        jv input = json_get(call, "args");
        char *arguments = json_text(input);
        messages =
            model_add_call(messages, model_call(id_of(call), json_string(call, "name"), arguments));
        free(arguments);
        jv_free(input);
    }
    if (jv_is_valid(result)) {
        char *text = result_text(result);
        messages = model_add_result(messages, id_of(result), text);
        free(text);
    }
    jv_free(call);
    jv_free(result);
    return messages;
}

/* Takes `messages`. The results of calls come before what the user says. */
static jv add_content(jv messages, jv content) {
    jv parts = json_array(content, "parts");
    char *text = conversation_content_text(parts);
    bool assistant = json_is(content, "role", "model");
    if (assistant)
        messages = model_add_text(messages, "assistant", text);
    jv_array_foreach(parts, i, part) {
        messages = add_part(messages, part);
        jv_free(part);
    }
    if (!assistant && *text != '\0')
        messages = model_add_text(messages, "user", text);
    free(text);
    jv_free(parts);
    return messages;
}

static jv gemini_messages(jv body) {
    jv contents = json_array(body, "contents"), messages = jv_array();
    jv_array_foreach(contents, i, content) {
        messages = add_content(messages, content);
        jv_free(content);
    }
    jv_free(contents);
    return messages;
}

/* Takes the parts. */
static jv candidate_with(jv parts, bool last) {
    jv content = json_set(json_set_string(jv_object(), "role", "model"), "parts", parts);
    jv candidate = json_set(json_set(jv_object(), "content", content), "index", jv_number(0));
    if (last)
        candidate = json_set_string(candidate, "finishReason", "STOP");
    return json_set(jv_object(), "candidates", JV_ARRAY(candidate));
}

static jv call_part(jv tool_call) {
    jv function = json_get(tool_call, "function"), input = jv_invalid();
    const char *text = json_string(function, "arguments");
    struct error ignored;
    jv call = json_set_string(jv_object(), "name", json_string(function, "name"));
    if (text != NULL && json_parse(text, strlen(text), &input, &ignored))
        call = json_set(call, "args", jv_copy(input));
    jv_free(input);
    jv_free(function);
    return json_set(jv_object(), "functionCall", call);
}

static jv gemini_completion(jv body, jv message) {
    (void)body;
    jv parts = jv_array(), calls = json_array(message, "tool_calls");
    const char *text = json_string(message, "content");
    if (text != NULL)
        parts = jv_array_append(parts, json_set_string(jv_object(), "text", text));
    jv_array_foreach(calls, i, call) {
        parts = jv_array_append(parts, call_part(call));
        jv_free(call);
    }
    double prompt = model_tokens(message);
    jv usage = json_set(jv_object(), "promptTokenCount", jv_number(prompt));
    usage = json_set(usage, "candidatesTokenCount", jv_number(10));
    usage = json_set(usage, "totalTokenCount", jv_number(prompt + 10));
    jv_free(calls);
    jv_free(message);
    return json_set(candidate_with(parts, true), "usageMetadata", usage);
}

/* Text in pieces first; then the whole of the rest. */
static void gemini_stream(jv body, jv completion, FILE *to) {
    (void)body;
    jv candidates = json_array(completion, "candidates"), candidate = jv_array_get(candidates, 0);
    jv content = json_get(candidate, "content"), parts = json_array(content, "parts");
    jv calls = jv_array();
    jv_array_foreach(parts, i, part) {
        const char *rest = json_string(part, "text");
        while (rest != NULL && *rest != '\0') {
            jv piece = json_set(jv_object(), "text", events_piece(&rest));
            events_put(to, NULL, candidate_with(JV_ARRAY(piece), false));
        }
        if (json_has(part, "functionCall"))
            calls = jv_array_append(calls, part);
        else
            jv_free(part);
    }
    jv last = candidate_with(calls, true);
    events_put(to, NULL, json_set(last, "usageMetadata", json_get(completion, "usageMetadata")));
    jv_free(parts);
    jv_free(content);
    jv_free(candidate);
}

static jv gemini_error(int status, const char *code, const char *text) {
    (void)code;
    jv error = json_set(jv_object(), "code", jv_number(status));
    error = json_set_string(error, "message", text);
    error =
        json_set_string(error, "status", status == 401 ? "UNAUTHENTICATED" : "INVALID_ARGUMENT");
    return json_set(jv_object(), "error", error);
}

const struct model_api model_gemini = {.messages = gemini_messages,
                                       .completion = gemini_completion,
                                       .stream = gemini_stream,
                                       .error = gemini_error};
