#include "approval/lease_audit.h"

#include "approval/audit.h"
#include "approval/audit_facts.h"
#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum { END = -1 };

/* The id of the event that this many uses of a lease were left, or of its END: the same each time.
 * The caller frees. */
static char *event_id(const char *lease, double uses_left) {
    char *name = must_format("lease\n%s\n%.0f", lease, uses_left);
    char *digest = digest_of(name, strlen(name)), *id = must_copy(digest + strlen("sha-256:"));
    free(name);
    free(digest);
    return id;
}

jv lease_audit_facts(jv call) {
    jv authorization = json_get(call, "authorization"), lease = json_get(authorization, "lease");
    double left = 0;
    json_number(lease, "uses_left", &left);
    char *use = event_id(json_string(lease, "id"), left);
    jv facts = json_set_string(audit_facts(call, "leased"), "id", use);
    jv_free(authorization);
    jv_free(lease);
    free(use);
    return facts;
}

bool lease_audit_use(const char *log, jv call, jv facts, bool *stale, struct error *error) {
    jv authorization = json_get(call, "authorization"), lease = json_get(authorization, "lease");
    char *end = event_id(json_string(lease, "id"), END);
    const char *ids[] = {json_string(facts, "id"), end, NULL};
    bool good = audit_append_unless(log, jv_copy(facts), ids, stale, error);
    if (good && *stale)
        good = fail(error, STATUS_INPUT,
                    "the audit log has this use already, or its end: an older copy of its file was "
                    "put back");
    jv_free(authorization);
    jv_free(lease);
    jv_free(facts);
    free(end);
    return good;
}

/* The lease's facts as those of an event. */
static jv end_facts(jv lease, const char *why) {
    static const char *const own[] = {"id", "tool", "filter", "uses", "uses_left", "ends_at"};
    jv facts = jv_copy(lease), itself = jv_object();
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (json_has(lease, own[i]))
            itself = json_set(itself, own[i], json_get(lease, own[i]));
        facts = json_delete(facts, own[i]);
    }
    char *id = event_id(json_string(lease, "id"), END);
    facts = json_set_string(json_set(facts, "lease", itself), "event", "lease_ended");
    facts = json_set_string(json_set_string(facts, "id", id), "error", why);
    free(id);
    return facts;
}

bool lease_audit_end(const char *log, jv ended, const char *why, struct error *error) {
    bool good = true;
    jv_array_foreach(ended, i, lease) {
        good = good && audit_append(log, JV_ARRAY(end_facts(lease, why)), false, error);
        jv_free(lease);
    }
    return good;
}
