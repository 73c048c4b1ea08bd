#include "approval/audit_facts.h"

#include "base/clock.h"
#include "document/call.h"
#include "document/together.h"
#include "jose/digest.h"
#include "jose/jwt.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_LIMIT = 200 /* bytes of an order's id */ };

jv audit_event_id(const char *event, const char *auth_req_id, jv call) {
    jv authorization = json_get(call, "authorization");
    char *place = together_asked(authorization) ? must_format("\n%d", together_index(authorization))
                                                : must_copy("");
    char *name = auth_req_id != NULL
                     ? must_format("%s\n%s\n%s%s", event, auth_req_id, call_id(call), place)
                     : NULL;
    char *digest = name != NULL ? digest_of(name, strlen(name)) : random_name(32);
    jv id = jv_string(name != NULL ? digest + strlen("sha-256:") : digest);
    jv_free(authorization);
    free(place);
    free(name);
    free(digest);
    return id;
}

jv audit_facts(jv call, const char *event) {
    static const char *const told[] = {"issuer",
                                       "user",
                                       "approved_by",
                                       "login_hint",
                                       "scope",
                                       "audience",
                                       "binding_message",
                                       "message",
                                       "message_code",
                                       "message_salt",
                                       "call_digest",
                                       "requested_at",
                                       "expires_at",
                                       "reused",
                                       "lease",
                                       "error",
                                       "error_description",
                                       "authorization_details"};
    jv facts = json_set_string(jv_object(), "event", event);
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    facts = json_set(facts, "id", audit_event_id(event, auth_req_id, call));
    facts = json_set_string(facts, "call", call_id(call));
    facts = json_set_string(facts, "tool", json_string(call, "name"));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_has(authorization, told[i]))
            facts = json_set(facts, told[i], json_get(authorization, told[i]));
    if (together_asked(authorization)) {
        facts =
            json_set(facts, "together", json_delete(json_get(authorization, "together"), "path"));
        if (together_index(authorization) > 0) /* they are in the first call's line */
            facts = json_delete(facts, "authorization_details");
    }
    if (auth_req_id != NULL) {
        char *digest = digest_of(auth_req_id, strlen(auth_req_id));
        facts = json_set_string(facts, "request_digest", digest);
        free(digest);
    }
    if (!json_has(facts, "call_digest")) {
        struct error ignored;
        char *digest = call_digest(call, &ignored);
        facts = json_set_string(facts, "call_digest", digest);
        free(digest);
    }
    jv_free(authorization);
    return facts;
}

/* How long the answer took, until this command learnt of it. What is told late does not say it. */
static jv add_seconds(jv facts, jv call) {
    double asked_at, now = floor(clock_now());
    if (!json_number(facts, "requested_at", &asked_at) || json_has(call, "untold") ||
        json_has(facts, "reused") || now < asked_at)
        return facts;
    return json_set(facts, "seconds", jv_number(now - asked_at));
}

/* The id that a broker gave the order, in the call's result; invalid if it gave none that is short.
 */
static jv order_of(jv result) {
    static const char *const places[] = {"body", "order"}, *const names[] = {"order_id", "id"};
    jv content = json_get(result, "content"), found = jv_invalid();
    for (size_t i = 0; i < 2 * sizeof places / sizeof *places && !jv_is_valid(found); i++) {
        jv order = json_get(content, places[i / 2]);
        const char *id = json_string(order, names[i % 2]);
        if (id != NULL && strlen(id) <= ORDER_LIMIT)
            found = redact_json(jv_string(id));
        jv_free(order);
    }
    jv_free(content);
    return found;
}

jv audit_newest_facts(jv call) {
    jv authorization = json_get(call, "authorization"), result = json_get(call, "result");
    const char *state = json_string(authorization, "status");
    /* the result of a call that was not allowed says so, and is no execution */
    bool executed = jv_is_valid(result) && (state == NULL || strcmp(state, "approved") == 0);
    bool asked = state != NULL && strcmp(state, "pending") == 0;
    bool nobody = state != NULL && !json_has(authorization, "auth_req_id");
    const char *event = executed ? "executed" : asked ? "asked" : nobody ? "not_asked" : state;
    jv facts = audit_facts(call, event != NULL ? event : "failed");
    double code;
    if (!executed && !asked && !nobody)
        facts = add_seconds(facts, call);
    if (executed) {
        facts = json_set(facts, "order", order_of(result));
        facts = json_delete(json_delete(facts, "error"), "error_description");
        facts = json_set_string(facts, "error", json_string(result, "error"));
    }
    if (json_number(result, "status", &code))
        facts = json_set(facts, "status", jv_number(code));
    jv_free(authorization);
    jv_free(result);
    return facts;
}

jv audit_actor(jv call) {
    enum { ACTOR_LIMIT = 4096 };
    jv token = json_get(call, "token"), claims = jv_invalid();
    const char *access_token = json_string(token, "access_token");
    if (access_token != NULL)
        jwt_unverified_claims(access_token, &claims);
    jv actor = json_get(claims, "act");
    jv_free(token);
    jv_free(claims);
    if (jv_get_kind(actor) != JV_KIND_OBJECT) {
        jv_free(actor);
        return jv_invalid();
    }
    char *text = json_text(actor);
    bool fits = strlen(text) <= ACTOR_LIMIT;
    free(text);
    if (fits)
        return actor;
    jv_free(actor);
    return jv_string("(too large)");
}
