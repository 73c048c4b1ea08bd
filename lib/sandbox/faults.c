#include "sandbox/faults.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

bool faults_set(struct sandbox *sandbox, const char *text, size_t size) {
    struct error why;
    jv faults = jv_invalid();
    if (!json_parse(text, size, &faults, &why) || jv_get_kind(faults) != JV_KIND_ARRAY) {
        jv_free(faults);
        return false;
    }
    jv_free(sandbox->faults);
    sandbox->faults = faults;
    return true;
}

void faults_post(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply) {
    if (!body_is(request, "application/json") || !faults_set(sandbox, request->body, request->size))
        reply_error(reply, 415, "invalid_request", "faults are a JSON array");
    else
        reply_json(reply, 200, jv_copy(sandbox->faults));
}

static double number_or(jv object, const char *key, double otherwise) {
    double number;
    return json_number(object, key, &number) ? number : otherwise;
}

static bool is_true(jv object, const char *key) {
    jv value = json_get(object, key);
    bool truth = jv_get_kind(value) == JV_KIND_TRUE;
    jv_free(value);
    return truth;
}

static void apply(jv fault, struct sandbox_reply *reply) {
    jv body = json_get(fault, "body"), headers = json_get(fault, "headers");
    reply_json(reply, (int)number_or(fault, "status", 200),
               jv_is_valid(body) ? jv_copy(body) : jv_object());
    if (jv_get_kind(body) == JV_KIND_STRING) {
        /* The text belongs to the faults, which only a later request can replace. */
        reply->text = jv_string_value(body);
        reply->text_size = (size_t)jv_string_length_bytes(jv_copy(body));
        const char *type = json_string(fault, "type");
        reply->content_type = type != NULL ? type : "text/html";
    }
    if (jv_get_kind(headers) == JV_KIND_OBJECT)
        reply->headers = jv_object_merge(reply->headers, jv_copy(headers));
    reply->drop = is_true(fault, "drop");
    jv_free(headers);
    jv_free(body);
}

bool fault_due(struct sandbox *sandbox, const char *path, bool after, struct sandbox_reply *reply) {
    int count = jv_array_length(jv_copy(sandbox->faults));
    for (int i = 0; i < count; i++) {
        jv fault = jv_array_get(jv_copy(sandbox->faults), i);
        double skip = number_or(fault, "skip", 0), times = number_or(fault, "times", 1);
        bool matches =
            json_is(fault, "path", path) && is_true(fault, "after") == after && times > 0;
        if (matches && skip > 0)
            fault = json_set(fault, "skip", jv_number(skip - 1));
        bool due = matches && skip <= 0;
        if (due) {
            apply(fault, reply);
            fault = json_set(fault, "times", jv_number(times - 1));
        }
        sandbox->faults = jv_array_set(sandbox->faults, i, fault);
        if (due)
            return true;
    }
    return false;
}
