/* What a stranger who knows the address, or a user's browser, sends to ciba-channel: a question of
 * Keycloak's with any body, or any token, the page that it becomes, and the form of an answer. */
#include "base/clock.h"
#include "channel/page.h"
#include "channel/question.h"
#include "http/form.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "json/json.h"

#include <math.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>

static const char realm[] = "https://id.example/realms/r";

static EVP_PKEY *realm_key(void) {
    static EVP_PKEY *key;
    if (key == NULL)
        key = EVP_EC_gen("P-256");
    return key;
}

/* The realm, whose metadata name no address to fetch other keys from. */
static struct issuer its_issuer(void) {
    struct error error;
    jv keys = jv_array_append(jv_array(), jwk_of_key(realm_key(), &error));
    return (struct issuer){
        .url = realm, .metadata = jv_object(), .jwks = json_set(jv_object(), "keys", keys)};
}

/* The Authorization header with a token that passes, made once. */
static const char *good_token(void) {
    static char *header;
    struct error error;
    if (header != NULL)
        return header;
    jv claims = json_set_string(json_set_string(jv_object(), "iss", realm), "aud", realm);
    claims = json_set_string(json_set_string(claims, "azp", "agent"), "typ", "Bearer");
    claims = json_set_string(claims, "jti", "one");
    claims = json_set(claims, "exp", jv_number(floor(clock_now()) + 86400));
    char *token = jws_sign(jv_object(), claims, "ES256", realm_key(), &error);
    header = must_format("Bearer %s", token);
    free(token);
    jv_free(claims);
    return header;
}

static void show(jv question) {
    struct text page = {0};
    page_questions(&page, "alice", jv_array_append(jv_array(), jv_copy(question)), "nonce");
    /* two forms, or a script, would be markup of others */
    if (strstr(page.text, "<script") != NULL || strstr(strstr(page.text, "<form") + 1, "<form"))
        abort();
    free(page.text);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct error error;
    jv question, form;
    if (size == 0 || size > SERVER_REQUEST_LIMIT)
        return 0;
    char *text = must_alloc(size); /* ends with a 0 byte */
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct channel channel = {.issuer = its_issuer()};
    char *other = must_format("Bearer %s", text);
    const struct server_request request = {.method = "POST",
                                           .content_type = "application/json",
                                           .authorization = data[0] % 2 ? good_token() : other,
                                           .body =
                                               data[0] % 2 ? text : "{\"login_hint\":\"alice\"}",
                                           .size = data[0] % 2 ? size - 1 : 22};
    if (question_of_request(&channel, &request, &question, &error) == 0)
        show(question);
    jv_free(question);
    form_parse(text, size - 1, &form);
    jv_free(form);
    jv_free(channel.issuer.metadata);
    jv_free(channel.issuer.jwks);
    free(other);
    free(text);
    return 0;
}
