#include "sandbox/phone.h"

#include "base/clock.h"
#include "sandbox/approvals.h"
#include "json/json.h"

#include <math.h>
#include <string.h>

extern const unsigned char phone_page[];
extern const unsigned long phone_page_size;

void phone_show(struct sandbox *sandbox, struct sandbox_reply *reply) {
    (void)sandbox;
    reply->status = 200;
    reply->text = (const char *)phone_page;
    reply->text_size = phone_page_size;
    reply->content_type = "text/html; charset=utf-8";
    reply->headers = json_set_string(reply->headers, "Content-Security-Policy",
                                     "default-src 'none'; style-src 'unsafe-inline'; "
                                     "script-src 'unsafe-inline'; connect-src 'self'; "
                                     "frame-ancestors 'none'; base-uri 'none'");
}

static const char *state_of(const struct approval *approval) {
    switch (approval->state) {
    case APPROVED:
    case USED:
        return "approved";
    case DENIED:
        return "denied";
    case WAITING:
        break;
    }
    return clock_now() >= approval->expires_at ? "expired" : "pending";
}

void phone_requests(struct sandbox *sandbox, struct sandbox_reply *reply) {
    jv list = jv_array();
    for (struct approval *approval = sandbox->approvals; approval; approval = approval->next) {
        struct error ignored;
        const char *details = json_string(approval->asked, "authorization_details");
        jv parsed = jv_invalid();
        approval_refresh(sandbox, approval);
        jv entry = json_set_string(jv_object(), "id", approval->id);
        entry = json_set_string(entry, "state", state_of(approval));
        entry = json_set_string(entry, "message", approval_message(approval));
        entry = json_set_string(entry, "scope", json_string(approval->asked, "scope"));
        entry = json_set_string(entry, "client", sandbox->client_id);
        entry = json_set_string(entry, "user", sandbox->user);
        entry = json_set(entry, "asked_at", jv_number(floor(approval->asked_at)));
        if (details != NULL && json_parse(details, strlen(details), &parsed, &ignored))
            entry = json_set(entry, "details", parsed);
        entry = json_set(entry, "expires_in", jv_number(ceil(approval->expires_at - clock_now())));
        list = jv_array_append(list, entry);
    }
    reply_json(reply, 200, list);
}

/* JSON only: another site's page cannot send that without asking first (CORS preflight). */
void phone_decide(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply) {
    struct error error;
    jv body = jv_invalid();
    if (!body_is(request, "application/json") ||
        !json_parse(request->body, request->size, &body, &error)) {
        reply_error(reply, 415, "invalid_request",
                    "a decision is JSON: {\"id\": …, \"approve\": …}");
        return;
    }
    const char *id = json_string(body, "id");
    struct approval *approval = id == NULL ? NULL : sandbox->approvals;
    while (approval != NULL && strcmp(approval->id, id) != 0)
        approval = approval->next;
    jv decision = json_get(body, "approve");
    bool yes = jv_get_kind(decision) == JV_KIND_TRUE, no = jv_get_kind(decision) == JV_KIND_FALSE;
    jv_free(decision);
    jv_free(body);
    if (approval == NULL || (!yes && !no))
        reply_error(reply, 404, "not_found", "no such request, or no decision");
    else if (!approval_decide(sandbox, approval, yes))
        reply_error(reply, 409, "decided", "the request is decided or has expired");
    else
        reply_json(reply, 200, json_set_string(jv_object(), "state", state_of(approval)));
}
