#include "agent/spool_list.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "document/call.h"
#include "document/reader.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

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

static jv all_call_facts(jv document) {
    jv calls = json_array(document, "calls"), all = jv_array();
    jv_array_foreach(calls, i, call) {
        if (jv_get_kind(call) == JV_KIND_OBJECT)
            all = jv_array_append(all, call_facts(call));
        jv_free(call);
    }
    jv_free(calls);
    return all;
}

static bool print_line(const char *folder, const char *name, jv call, const char *what,
                       struct error *error) {
    double since = 0, until = 0;
    json_number(call, "requested_at", &since);
    json_number(call, "expires_at", &until);
    const char *user = json_string(call, "user"), *state = json_string(call, "outcome");
    user = user != NULL ? user : json_string(call, "login_hint");
    char *from = clock_text(since), *to = clock_text(until);
    char *line =
        must_format("%-6s %-29s %-9s %-16s %-19s %-19s %s", folder, name,
                    state != NULL ? state : "-", user != NULL ? user : "-", from, to, what);
    utf8_make_plain(line);
    char *ended = must_format("%s\n", line);
    bool good = output_write(ended, strlen(ended), error);
    free(from);
    free(to);
    free(line);
    free(ended);
    return good;
}

/* A line for each call, or one for a document without calls. */
static bool print_table(const char *folder, const char *name, jv document, jv facts,
                        struct error *error) {
    jv own = json_get(document, "spool"), calls = json_get(facts, "calls");
    const char *reason = json_string(own, "reason");
    bool good = true;
    jv_array_foreach(calls, i, call) {
        const char *message = json_string(call, "binding_message");
        char *what = must_format("%s%s%s", message != NULL ? message : "",
                                 reason != NULL ? "; " : "", reason != NULL ? reason : "");
        good = good && print_line(folder, name, call, what, error);
        free(what);
        jv_free(call);
    }
    if (jv_array_length(jv_copy(calls)) == 0)
        good = print_line(folder, name, facts, reason != NULL ? reason : "", error);
    jv_free(own);
    jv_free(calls);
    return good;
}

/* What is listed. */
struct listing {
    const char *folder;
    bool json;
    int status;
};

static bool list_document(void *context, const char *name, double time, jv document,
                          const struct error *problem) {
    struct listing *listing = context;
    struct error error;
    if (problem != NULL) {
        report_error(&listing->status, NULL, problem);
        return true;
    }
    const char *folder = listing->folder;
    jv facts = json_set_string(json_set_string(jv_object(), "name", name), "folder", folder);
    facts = json_set(facts, strcmp(folder, "queue") == 0 ? "due_at" : "at", jv_number(time));
    facts = json_set(facts, "calls", all_call_facts(document));
    if (json_has(document, "spool"))
        facts = json_set(facts, "spool", json_get(document, "spool"));
    bool good = listing->json ? document_write(facts, &error)
                              : print_table(folder, name, document, facts, &error);
    if (!good)
        report_error(&listing->status, "stdout", &error);
    jv_free(facts);
    return good;
}

int spool_list(struct store *store, bool json) {
    static const struct {
        enum store_place place;
        const char *name;
    } places[] = {{STORE_QUEUE, "queue"}, {STORE_FAILED, "failed"}, {STORE_DONE, "done"}};
    struct listing listing = {.json = json};
    for (size_t i = 0; i < sizeof places / sizeof *places && listing.status != STATUS_IO; i++) {
        struct error error;
        listing.folder = places[i].name;
        if (!store->kind->each(store, places[i].place, list_document, &listing, &error))
            report_error(&listing.status, NULL, &error);
    }
    return listing.status;
}
