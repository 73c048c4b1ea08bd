#include "sandbox/model.h"

#include "jose/digest.h"
#include "sandbox/script.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool key_matches(const struct sandbox *sandbox, const struct sandbox_request *request) {
    const char *key = request->api_key, *header = request->authorization;
    if (key == NULL && header != NULL && strncasecmp(header, "Bearer ", 7) == 0)
        key = header + 7;
    return key != NULL && same_secret(key, sandbox->api_key);
}

/* Whether the answer shall be a stream. */
static bool wants_stream(const struct sandbox_request *request, jv body) {
    jv value = json_get(body, "stream");
    bool wanted = jv_get_kind(value) == JV_KIND_TRUE;
    jv_free(value);
    return wanted || strstr(request->path, ":streamGenerateContent") != NULL;
}

void model_list(struct sandbox *sandbox, const struct sandbox_request *request,
                struct sandbox_reply *reply) {
    if (!key_matches(sandbox, request)) {
        reply_json(reply, 401,
                   model_openai_error(401, "invalid_api_key", "Incorrect API key provided."));
        return;
    }
    jv model =
        json_set_string(json_set_string(jv_object(), "id", "sandbox-model"), "object", "model");
    reply_json(reply, 200,
               json_set(json_set_string(jv_object(), "object", "list"), "data", JV_ARRAY(model)));
}

static void reply_stream(const struct model_api *api, jv body, jv completion,
                         struct sandbox_reply *reply) {
    FILE *to = open_memstream(&reply->made, &reply->text_size);
    if (to == NULL)
        out_of_memory();
    api->stream(body, completion, to);
    fclose(to);
    reply->status = 200;
    reply->text = reply->made;
    reply->content_type = "text/event-stream";
}

void model_answer(struct sandbox *sandbox, const struct model_api *api,
                  const struct sandbox_request *request, struct sandbox_reply *reply) {
    struct error error;
    jv body, message;
    if (!key_matches(sandbox, request)) {
        reply_json(reply, 401, api->error(401, "invalid_api_key", "Incorrect API key provided."));
        return;
    }
    if (!json_parse(request->body, request->size, &body, &error)) {
        reply_json(reply, 400, api->error(400, "invalid_json", error.text));
        return;
    }
    jv messages = api->messages(body);
    if (!jv_is_valid(messages) || !script_answer(messages, json_has(body, "tools"), &message)) {
        reply_json(reply, 400,
                   api->error(400, "invalid_request",
                              "model and messages are needed, and a result for every call."));
    } else {
        jv completion = api->completion(body, message);
        if (wants_stream(request, body))
            reply_stream(api, body, completion, reply);
        else
            reply_json(reply, 200, jv_copy(completion));
        jv_free(completion);
    }
    jv_free(messages);
    jv_free(body);
}
