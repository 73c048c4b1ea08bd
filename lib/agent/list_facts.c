#include "agent/list_facts.h"

#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <string.h>

const char *const list_states[LIST_STATES] = {"pending", "queued", "failed", "done"};

/* The state of a call in one word. */
static const char *outcome(jv call) {
    static const char *const words[] = {
        [CALL_DONE] = "done",         [CALL_NEW] = "new",       [CALL_PENDING] = "pending",
        [CALL_APPROVED] = "approved", [CALL_DENIED] = "denied", [CALL_EXPIRED] = "expired",
        [CALL_FAILED] = "failed"};
    jv result = json_get(call, "result");
    const char *error = json_string(result, "error");
    jv_free(result); /* the call still holds a reference */
    return error != NULL ? error : words[call_state(call)];
}

static jv call_facts(jv call) {
    static const char *const shown[] = {
        "user",         "login_hint",        "binding_message", "message",
        "message_code", "expires_at",        "requested_at",    "status",
        "error",        "error_description", "reused",          "lease"};
    jv facts = json_set_string(jv_object(), "id", call_id(call));
    jv authorization = json_get(call, "authorization");
    facts = json_set_string(facts, "name", json_string(call, "name"));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (json_has(authorization, shown[i]))
            facts = json_set(facts, shown[i], json_get(authorization, shown[i]));
    jv_free(authorization);
    facts = json_set_string(facts, "outcome", outcome(call));
    return json_has(call, "result") ? json_set(facts, "result", json_get(call, "result")) : facts;
}

/* Sets *pending to whether a user has not decided about one. */
static jv all_call_facts(jv document, bool *pending) {
    jv calls = json_array(document, "calls"), all = jv_array();
    *pending = false;
    jv_array_foreach(calls, i, call) {
        if (jv_get_kind(call) == JV_KIND_OBJECT) {
            *pending = *pending || call_state(call) == CALL_PENDING;
            all = jv_array_append(all, call_facts(call));
        }
        jv_free(call);
    }
    jv_free(calls);
    return all;
}

jv list_facts(const char *store, enum store_place place, const char *name, double time,
              jv document) {
    static const char *const folders[] = {
        [STORE_QUEUE] = "queue", [STORE_DONE] = "done", [STORE_FAILED] = "failed"};
    bool pending;
    jv calls = all_call_facts(document, &pending);
    enum list_state state = place == STORE_DONE     ? LIST_DONE
                            : place == STORE_FAILED ? LIST_FAILED
                            : pending               ? LIST_PENDING
                                                    : LIST_QUEUED;
    jv facts = json_set_string(json_set_string(jv_object(), "store", store), "name", name);
    facts = json_set_string(facts, "folder", folders[place]);
    facts = json_set_string(facts, "state", list_states[state]);
    facts = json_set(facts, place == STORE_QUEUE ? "due_at" : "at", jv_number(time));
    facts = json_set(facts, "calls", calls);
    return json_has(document, "spool") ? json_set(facts, "spool", json_get(document, "spool"))
                                       : facts;
}

enum list_state list_state(jv facts) {
    const char *name = json_string(facts, "state");
    int state = LIST_PENDING;
    while (state < LIST_DONE && strcmp(list_states[state], name) != 0)
        state++;
    return (enum list_state)state;
}

double list_news(jv facts) {
    double news = 0, time;
    jv own = json_get(facts, "spool"), calls = json_get(facts, "calls");
    if (json_number(facts, "at", &time) || json_number(own, "added_at", &time))
        news = time;
    jv_array_foreach(calls, i, call) {
        if (json_number(call, "requested_at", &time))
            news = fmax(news, time);
        jv_free(call);
    }
    jv_free(own);
    jv_free(calls);
    return news;
}
