#include "document/call.h"

#include "base/program_name.h"
#include "document/together.h"
#include "jose/digest.h"
#include "oauth/errors.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <stdlib.h>
#include <string.h>

enum { LOST_LIMIT = 3 };

/* Nobody was asked, or the token was lost: the provider issued it to a run that ended before
 * recording it. For that the user is asked again at most LOST_LIMIT times. */
static bool may_be_asked_anew(jv authorization) {
    double attempt = 1;
    json_number(authorization, "attempt", &attempt);
    return !json_has(authorization, "auth_req_id") ||
           (json_is(authorization, "error", "invalid_grant") && attempt < LOST_LIMIT);
}

enum call_state call_state(jv call) {
    static const struct {
        const char *status;
        enum call_state state;
    } states[] = {{"pending", CALL_PENDING},
                  {"approved", CALL_APPROVED},
                  {"denied", CALL_DENIED},
                  {"expired", CALL_EXPIRED}};
    if (json_has(call, "result"))
        return CALL_DONE;
    if (!json_has(call, "authorization"))
        return CALL_NEW;
    jv authorization = json_get(call, "authorization");
    enum call_state state = CALL_FAILED;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (json_is(authorization, "status", states[i].status))
            state = states[i].state;
    if (json_is(authorization, "status", "failed") && may_be_asked_anew(authorization))
        state = CALL_NEW;
    jv_free(authorization);
    return state;
}

/* A status from a later version, whose meaning is unknown. */
static const char *unknown_status(jv call) {
    static const char *const known[] = {"pending", "approved", "denied", "expired", "failed"};
    jv authorization = json_get(call, "authorization");
    const char *status = json_string(authorization, "status");
    jv_free(authorization); /* the call still holds a reference */
    for (size_t i = 0; status != NULL && i < sizeof known / sizeof *known; i++)
        if (strcmp(status, known[i]) == 0)
            status = NULL;
    return status;
}

bool document_is_known(jv document, struct error *error) {
    double format;
    bool known = !json_number(document, "format", &format) || format == DOCUMENT_FORMAT ||
                 fail(error, STATUS_INPUT,
                      "the document is of format %.15g, and this command knows format %d; use the "
                      "version that wrote it",
                      format, DOCUMENT_FORMAT);
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        const char *status = known ? unknown_status(call) : NULL;
        if (status != NULL)
            known = fail(error, STATUS_INPUT,
                         "%s: its authorization has the status '%.40s', which this command does "
                         "not know; use the version that wrote it",
                         call_id(call), status);
        jv_free(call);
    }
    jv_free(calls);
    return known;
}

jv document_mark(jv document) {
    return json_names(document, "format") || !json_has(document, "calls")
               ? document
               : json_set(document, "format", jv_number(DOCUMENT_FORMAT));
}

const char *call_id(jv call) {
    const char *id = json_string(call, "id");
    return id != NULL ? id : "call";
}

static int calls_of_document;

void call_label_among(int calls) {
    calls_of_document = calls;
}

const char *call_label(jv call) {
    const char *name = json_string(call, "name");
    if (calls_of_document > 1)
        return call_id(call);
    return name != NULL && strcmp(name, program_name()) != 0 ? name : NULL;
}

/* Takes both. */
static char *make_digest(jv name, jv arguments, struct error *error) {
    jv subject = json_set(jv_object(), "name", jv_is_valid(name) ? name : jv_null());
    subject = json_set(subject, "arguments", jv_is_valid(arguments) ? arguments : jv_null());
    char *canonical = json_canonical(subject, error);
    jv_free(subject);
    char *digest = canonical == NULL ? NULL : digest_of(canonical, strlen(canonical));
    free(canonical);
    return digest;
}

/* A command needs a call's digest several times in a row. Values are immutable: as long as these
 * references are held, an identical value has the same digest. */
static struct {
    jv name, arguments;
    char *digest; /* NULL for none */
} newest;

char *call_digest(jv call, struct error *error) {
    jv name = json_get(call, "name"), arguments = json_get(call, "arguments");
    bool same = newest.digest != NULL && jv_identical(jv_copy(name), jv_copy(newest.name)) &&
                jv_identical(jv_copy(arguments), jv_copy(newest.arguments));
    if (!same) {
        free(newest.digest);
        jv_free(newest.name);
        jv_free(newest.arguments);
        newest.name = jv_copy(name);
        newest.arguments = jv_copy(arguments);
        newest.digest = make_digest(jv_copy(name), jv_copy(arguments), error);
    }
    jv_free(name);
    jv_free(arguments);
    return newest.digest != NULL ? must_copy(newest.digest) : NULL;
}

bool call_unchanged(jv call, struct error *error) {
    jv authorization = json_get(call, "authorization");
    char *digest = call_digest(call, error);
    bool same = digest != NULL && json_is(authorization, "call_digest", digest);
    if (digest != NULL && !same)
        fail(error, STATUS_INPUT, "it is not what was approved: its call_digest differs");
    if (same && together_asked(authorization))
        same = together_holds(authorization, digest, error);
    free(digest);
    jv_free(authorization);
    return same;
}

jv call_settle(jv call, const char *status, const char *error, const char *description) {
    jv authorization = json_get(call, "authorization");
    if (jv_get_kind(authorization) != JV_KIND_OBJECT) {
        jv_free(authorization);
        authorization = jv_object();
    }
    authorization = json_set_string(authorization, "status", status);
    authorization = json_delete(authorization, "next_poll_at");
    /* The provider's words; it was sent secrets. */
    authorization = json_set(authorization, "error",
                             error != NULL ? redact_json(jv_string(error)) : jv_invalid());
    authorization =
        json_set(authorization, "error_description",
                 description != NULL ? redact_json(jv_string(description)) : jv_invalid());
    return json_set(call, "authorization", authorization);
}

int call_exit_status(jv call) {
    jv authorization = json_get(call, "authorization");
    int status = STATUS_DONE;
    if (json_is(authorization, "status", "pending"))
        status = STATUS_NOT_YET;
    else if (json_is(authorization, "status", "denied") ||
             json_is(authorization, "status", "expired"))
        status = STATUS_NO;
    else if (jv_is_valid(authorization) && !json_is(authorization, "status", "approved") &&
             !json_has(call, "result"))
        status = oauth_error_status(json_string(authorization, "error"));
    jv_free(authorization);
    return status;
}
