#include "ciba/pending_request.h"

#include "base/clock.h"
#include "base/error.h"
#include "ciba/interval.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double number_of(jv authorization, const char *name) {
    double number = 0;
    json_number(authorization, name, &number);
    return number;
}

static double within(double value, double least, double most) {
    return fmin(fmax(value, least), most);
}

/* The document has times of day; from here on only elapsed time counts. In case the time of day was
 * set meanwhile, waits are limited to plausible values: a request's lifetime, a poll's interval. */
static void set_times(struct pending_request *request, jv authorization) {
    double now = clock_now(), elapsed = clock_elapsed();
    double expires_at = number_of(authorization, "expires_at");
    double asked_at = number_of(authorization, "requested_at");
    request->lifetime = fmax(expires_at - (asked_at > 0 ? asked_at : now), 0);
    double left = within(expires_at - now, 0, request->lifetime);
    request->deadline = elapsed + left;
    double pause = fmax(number_of(authorization, "next_poll_at") - now, 0);
    if (pause > fmax(request->interval, LONGEST_WAIT))
        pause = request->interval;
    request->when.due = elapsed + fmin(pause, left);
}

struct pending_request *pending_request_new(jv call, bool expects) {
    struct pending_request *request = must_alloc(sizeof *request);
    jv authorization = json_get(call, "authorization");
    const char *digest = json_string(authorization, "notification_digest");
    request->auth_req_id = must_copy(json_string(authorization, "auth_req_id"));
    request->digest = expects && digest != NULL ? must_copy(digest) : NULL;
    request->expects = request->digest != NULL;
    request->interval = ciba_interval(call);
    set_times(request, authorization);
    jv_free(authorization);
    return request;
}

void pending_request_free(struct pending_request *request) {
    free(request->calls);
    free(request->auth_req_id);
    free(request->digest);
    free(request);
}

void pending_request_add(struct pending_request *request, struct waiting_document *owner,
                         int index) {
    if (request->count == request->room) {
        request->room = request->room > 0 ? 2 * request->room : 1;
        request->calls = must_grow(request->calls, request->room * sizeof *request->calls);
    }
    request->calls[request->count++] = (struct pending_call){owner, index};
    owner->pending++;
}

jv pending_request_call(const struct pending_request *request, size_t place) {
    const struct pending_call *call = &request->calls[place];
    return waiting_document_call(call->owner, call->index);
}

const char *pending_request_label(const struct pending_request *request, jv call) {
    static char text[40];
    if (request->count == 1)
        return call_label(call);
    snprintf(text, sizeof text, "%zu calls", request->count);
    return text;
}

jv pending_request_put_times(const struct pending_request *request, jv call) {
    if (!request->polled)
        return call;
    jv authorization = json_get(call, "authorization");
    authorization = json_set(authorization, "next_poll_at", jv_number(request->next_poll_at));
    if (request->interval > ciba_interval(call))
        authorization = json_set(authorization, "interval", jv_number(request->interval));
    return json_set(call, "authorization", authorization);
}

void pending_request_worsen(const struct pending_request *request, int status) {
    for (size_t i = 0; i < request->count; i++)
        request->calls[i].owner->status = status_worse(request->calls[i].owner->status, status);
}
