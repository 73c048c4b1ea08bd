#include "waiting.h"

#include "ciba.h"
#include "clock.h"
#include "error.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number_of(jv authorization, const char *name) {
    double number = 0;
    json_number(authorization, name, &number);
    return number;
}

static double within(double value, double least, double most) {
    return fmin(fmax(value, least), most);
}

/* The document has times of day. From here on only the time that passes counts; and where the time
 * of day was set meanwhile, no wait is longer than it can have been meant: a request has its
 * lifetime, a poll its interval. */
static void set_times(struct wait *wait, jv authorization) {
    double now = clock_now(), elapsed = clock_elapsed();
    double expires_at = number_of(authorization, "expires_at");
    double asked_at = number_of(authorization, "requested_at");
    wait->lifetime = fmax(expires_at - (asked_at > 0 ? asked_at : now), 0);
    double left = within(expires_at - now, 0, wait->lifetime);
    wait->deadline = elapsed + left;
    double pause = fmax(number_of(authorization, "next_poll_at") - now, 0);
    if (pause > fmax(wait->interval, LONGEST_WAIT))
        pause = wait->interval;
    wait->when.due = elapsed + fmin(pause, left);
}

struct wait *wait_new(struct waiting_document *owner, int index, jv call, bool expects) {
    struct wait *wait = must_alloc(sizeof *wait);
    jv authorization = json_get(call, "authorization");
    const char *digest = json_string(authorization, "notification_digest");
    wait->owner = owner;
    wait->index = index;
    wait->auth_req_id = must_copy(json_string(authorization, "auth_req_id"));
    wait->digest = expects && digest != NULL ? must_copy(digest) : NULL;
    wait->expects = wait->digest != NULL;
    wait->interval = ciba_interval(call);
    set_times(wait, authorization);
    owner->pending++;
    jv_free(authorization);
    return wait;
}

void wait_free(struct wait *wait) {
    wait->owner->pending--;
    free(wait->auth_req_id);
    free(wait->digest);
    free(wait);
}

jv waiting_document_read(const struct waiting_document *waiting) {
    struct error ignored;
    jv document;
    json_parse(waiting->text, strlen(waiting->text), &document, &ignored); /* it is ours */
    return document;
}

jv wait_call(const struct wait *wait) {
    jv document = waiting_document_read(wait->owner), calls = json_get(document, "calls");
    jv call = jv_array_get(jv_copy(calls), wait->index);
    jv_free(calls);
    jv_free(document);
    return call;
}

jv wait_put_call(int index, jv document, jv call) {
    jv calls = json_get(document, "calls");
    return json_set(document, "calls", jv_array_set(calls, index, call));
}

jv wait_put_times(const struct wait *wait, jv document) {
    if (!wait->polled)
        return document;
    jv calls = json_get(document, "calls"), call = jv_array_get(jv_copy(calls), wait->index);
    jv authorization = json_get(call, "authorization");
    authorization = json_set(authorization, "next_poll_at",
                             jv_number(clock_now() + wait->when.due - clock_elapsed()));
    if (wait->interval > ciba_interval(call))
        authorization = json_set(authorization, "interval", jv_number(wait->interval));
    jv_free(calls);
    return wait_put_call(wait->index, document, json_set(call, "authorization", authorization));
}

void waiting_document_write(struct waiting_document *waiting, jv document) {
    char *text = json_text(document);
    jv_free(document);
    free(waiting->text);
    waiting->text = must_copy(text); /* into the room that the tree had */
    free(text);
}
