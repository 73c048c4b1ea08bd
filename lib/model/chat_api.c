#include "model/chat_api.h"

#include "http/http.h"
#include "jose/digest.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
    if (++stream->events > CHAT_EVENTS_LIMIT)
        return fail(&stream->refused, STATUS_PROTOCOL, "the model's stream has more than %d events",
                    CHAT_EVENTS_LIMIT);
    if (strcmp(data, "[DONE]") == 0)
        value = jv_string(data);
    else if (!json_parse(data, size, &value, &ignored))
        return false;
    if (json_has(value, "error") || strcmp(name, "error") == 0 || json_is(value, "type", "error")) {
        jv_free(stream->failure);
        stream->failure = value;
    } else {
        stream->api->dialect->event(stream, name, value);
        jv_free(value);
    }
    return stream->refused.status == STATUS_DONE;
}

jv chat_api_cache_key(jv document) {
    jv messages = json_array(document, "messages"), tools = json_array(document, "tools");
    bool any = jv_array_length(jv_copy(messages)) > 0;
    jv first = any ? jv_array_get(jv_copy(messages), 0) : jv_null();
    jv both = JV_ARRAY(tools, first);
    char *text = json_text(both), *digest = digest_of(text, strlen(text));
    jv key = jv_string(digest + strlen("sha-256:"));
    jv_free(both);
    jv_free(messages);
    free(text);
    free(digest);
    return key;
}

void chat_api_count(struct chat_stream *stream, jv added) {
    char *text = json_text(added);
    stream->size += strlen(text);
    if (stream->size > HTTP_ANSWER_LIMIT)
        fail(&stream->refused, STATUS_PROTOCOL, "the model's stream comes to more than %d MiB",
             HTTP_ANSWER_LIMIT >> 20);
    free(text);
    jv_free(added);
}

enum chat_end chat_api_end_of(jv object, const char *member) {
    static const struct {
        const char *word;
        enum chat_end end;
    } ends[] = {{"", CHAT_END_UNSAID},
                {"stop", CHAT_END_WHOLE},
                {"tool_calls", CHAT_END_WHOLE},
                {"length", CHAT_END_CUT},
                {"content_filter", CHAT_END_FILTERED},
                {"function_call", CHAT_END_WHOLE}, /* of OpenAI's servers and those like them */
                {"tool_call", CHAT_END_WHOLE},
                {"eos", CHAT_END_WHOLE},
                {"eos_token", CHAT_END_WHOLE},
                {"complete", CHAT_END_WHOLE},
                {"model_length", CHAT_END_CUT},
                {"safety", CHAT_END_FILTERED},
                {"end_turn", CHAT_END_WHOLE}, /* of Anthropic's */
                {"stop_sequence", CHAT_END_WHOLE},
                {"tool_use", CHAT_END_WHOLE},
                {"max_tokens", CHAT_END_CUT},
                {"model_context_window_exceeded", CHAT_END_CUT},
                {"refusal", CHAT_END_FILTERED},
                {"completed", CHAT_END_WHOLE}, /* of the Responses API */
                {"incomplete", CHAT_END_CUT}};
    const char *word = json_string(object, member);
    for (size_t i = 0; word != NULL && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(ends[i].word, word) == 0)
            return ends[i].end;
    return json_has(object, member) ? CHAT_END_UNKNOWN : CHAT_END_UNSAID;
}

void chat_api_show(struct chat_stream *stream, const char *text) {
    if (stream->show == NULL || text == NULL || *text == '\0')
        return;
    stream->show(stream->context, text, strlen(text));
    stream->shown = true;
}
