#include "approval/seal.h"

#include "jose/digest.h"
#include "json/json.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

bool seal_key_is_long(const char *key, const char *whose, struct error *error) {
    return key == NULL || strlen(key) >= SEAL_KEY_LEAST ||
           fail(error, STATUS_CONFIG,
                "the %s's key is shorter than %d characters; openssl rand -hex 32 makes one", whose,
                SEAL_KEY_LEAST);
}

/* The sealed text, canonical; the caller frees. NULL and an error. */
static char *sealed_text(jv call, struct error *error) {
    static const char *const parts[] = {"id", "name", "arguments", "result", "untold"};
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    authorization = json_delete(json_delete(authorization, "seal"), "interval");
    jv subject = json_set(jv_object(), "authorization", json_delete(authorization, "next_poll_at"));
    subject = json_set_string(subject, "for", "ciba-tools seal 1");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (json_has(call, parts[i]))
            subject = json_set(subject, parts[i], json_get(call, parts[i]));
    if (jv_is_valid(token)) {
        char *canonical = json_canonical(token, error);
        char *digest = canonical != NULL ? digest_of(canonical, strlen(canonical)) : NULL;
        subject = json_set_string(subject, "token_digest", digest != NULL ? digest : "");
        free(canonical);
        free(digest);
    }
    char *text = json_canonical(subject, error);
    jv_free(subject);
    jv_free(token);
    return text;
}

char *seal_of(const char *text, const char *key) {
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text, strlen(text), code,
             &size) == NULL)
        out_of_memory();
    char *encoded = base64url_encode(code, size), *seal = must_format("hmac-sha-256:%s", encoded);
    free(encoded);
    return seal;
}

/* The correct seal of the call; the caller frees. NULL and an error. */
static char *make_seal(jv call, const char *key, struct error *error) {
    char *text = sealed_text(call, error);
    char *seal = text != NULL ? seal_of(text, key) : NULL;
    free(text);
    return seal;
}

jv seal_call(jv call, const char *key) {
    struct error ignored;
    char *seal = make_seal(call, key, &ignored);
    jv authorization = json_delete(json_get(call, "authorization"), "seal");
    call = json_set(call, "authorization", json_set_string(authorization, "seal", seal));
    free(seal);
    return call;
}

bool seal_holds(jv call, const char *key, struct error *error) {
    char *seal = make_seal(call, key, error);
    if (seal == NULL)
        return false;
    jv authorization = json_get(call, "authorization");
    const char *found = json_string(authorization, "seal");
    bool holds = found != NULL && same_secret(found, seal);
    if (found == NULL)
        fail(error, STATUS_INPUT, "its authorization has no seal");
    else if (!holds)
        fail(error, STATUS_INPUT,
             "its seal is broken: the call or its authorization was changed, or was sealed with "
             "another key");
    jv_free(authorization);
    free(seal);
    return holds;
}
