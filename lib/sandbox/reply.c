#include "sandbox/reply.h"

#include "json/json.h"

void reply_json(struct sandbox_reply *reply, int status, jv body) {
    jv_free(reply->body);
    reply->status = status;
    reply->body = body;
}

void reply_error(struct sandbox_reply *reply, int status, const char *code, const char *text) {
    jv body = json_set_string(jv_object(), "error", code);
    reply_json(reply, status, json_set_string(body, "error_description", text));
}
