#include "oauth/revocation.h"

#include "http/form.h"
#include "oauth/endpoint.h"
#include "json/json.h"

static bool revoke_one(struct client *client, jv token, const char *kind, struct error *error) {
    struct http_answer answer;
    struct error why;
    char words[400];
    const char *text = json_string(token, kind);
    if (text == NULL)
        return true;
    char *form = form_add(form_add(NULL, "token", text), "token_type_hint", kind);
    if (!endpoint_post(client, "revocation_endpoint", form, false, &answer, &why))
        return fail(error, why.status, "its %s is not revoked: %s", kind, why.text);
    jv body = endpoint_object(&answer);
    endpoint_words(&answer, body, words);
    bool good = answer.status == 200 ||
                fail(error, STATUS_PROTOCOL, "its %s is not revoked: %s", kind, words);
    jv_free(body);
    http_answer_free(&answer);
    return good;
}

bool token_revoke(struct client *client, jv token, struct error *error) {
    struct error other;
    bool good = revoke_one(client, token, "refresh_token", error);
    bool access = revoke_one(client, token, "access_token", good ? error : &other);
    return good && access;
}
