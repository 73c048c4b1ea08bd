#include "approval/approval_store.h"

#include "approval/encrypted_file.h"
#include "base/clock.h"
#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAST_SECONDS = 30 };

/* The file name for a question; the caller frees. NULL if no double holds one of its numbers. */
static char *slot_of(const struct approval_store *store, jv authorization) {
    static const char *const same[] = {
        "issuer",   "user",  "login_hint", "login_hint_token_digest", "audience",
        "resource", "scope", "acr_values", "authorization_details"};
    struct error ignored;
    jv reuse = json_get(authorization, "reuse");
    jv question = json_set(jv_object(), "reuse", jv_copy(reuse));
    question = json_set_string(question, "client_id", store->client_id);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_has(authorization, same[i]))
            question = json_set(question, same[i], json_get(authorization, same[i]));
    if (json_is(reuse, "for", "call")) {
        /* The user must also have read the same message, however it was made to fit. */
        const char *whole = json_string(authorization, "message");
        question =
            json_set_string(question, "call_digest", json_string(authorization, "call_digest"));
        question =
            json_set_string(question, "binding_message",
                            whole != NULL ? whole : json_string(authorization, "binding_message"));
    }
    char *text = json_canonical(question, &ignored), *slot = NULL;
    if (text != NULL) {
        char *digest = digest_of(text, strlen(text));
        slot = must_copy(digest + strlen("sha-256:"));
        free(digest);
    }
    free(text);
    jv_free(reuse);
    jv_free(question);
    return slot;
}

bool approval_store_put(const struct approval_store *store, jv authorization, jv token,
                        struct error *error) {
    double expires_at;
    char *slot = slot_of(store, authorization);
    if (slot == NULL || !json_number(token, "expires_at", &expires_at)) {
        free(slot);
        return true;
    }
    jv kept = json_set(json_set(jv_object(), "authorization", jv_copy(authorization)), "token",
                       jv_copy(token));
    bool good = encrypted_file_write(store->folder, store->key, slot, kept, error);
    jv_free(kept);
    free(slot);
    return good;
}

/* Whether the token remains valid for a while. */
static bool is_fresh(jv kept) {
    double expires_at = 0;
    jv token = json_get(kept, "token");
    bool fresh =
        json_number(token, "expires_at", &expires_at) && expires_at > clock_now() + LEAST_SECONDS;
    jv_free(token);
    return fresh;
}

jv approval_store_get(const struct approval_store *store, jv authorization) {
    char *slot = slot_of(store, authorization);
    if (slot == NULL)
        return jv_invalid();
    jv kept = encrypted_file_read(store->folder, store->key, slot);
    if (jv_is_valid(kept) && !is_fresh(kept)) {
        char *path = must_format("%s/%s", store->folder, slot);
        unlink(path);
        free(path);
        jv_free(kept);
        kept = jv_invalid();
    }
    free(slot);
    return kept;
}
