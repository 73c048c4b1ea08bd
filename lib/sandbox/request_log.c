#include "sandbox/request_log.h"

#include "base/clock.h"
#include "base/error.h"
#include "jose/digest.h"
#include "sandbox/form.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { UNGUESSABLE = 22 /* characters */ };

/* Whether a parameter of this name contains a secret. */
static bool is_secret(const char *name) {
    static const char *const names[] = {
        "access_token",     "actor_token",      "api_key",
        "assertion",        "client_assertion", "client_notification_token",
        "client_secret",    "id_token",         "id_token_hint",
        "login_hint_token", "password",         "refresh_token",
        "request",          "subject_token",    "token",
        "user_code"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The client's authentication scheme: an unknown one may be its secret. */
static const char *scheme_of(const struct sandbox_request *request) {
    static const char *const schemes[] = {"Basic", "Bearer", "DPoP"};
    if (request->authorization == NULL)
        return NULL;
    size_t size = strcspn(request->authorization, " ");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i]) == size &&
            strncasecmp(request->authorization, schemes[i], size) == 0)
            return schemes[i];
    return "(not known)";
}

static jv without_secrets(jv value);

/* The JSON object in a part of a JWT; invalid if there is none. */
static jv jwt_part(const char *from, size_t text_size) {
    size_t size = 0;
    struct error ignored;
    jv part = jv_invalid();
    unsigned char *bytes = base64url_decode(from, text_size, &size);
    if (bytes != NULL && json_parse((char *)bytes, size, &part, &ignored) &&
        jv_get_kind(part) != JV_KIND_OBJECT) {
        jv_free(part);
        part = jv_invalid();
    }
    free(bytes);
    return part;
}

/* A JWT without its signature, which makes it useless; invalid if it is no JWT. */
static jv show_jwt(const char *text) {
    size_t first = strcspn(text, ".");
    size_t second = text[first] != '\0' ? strcspn(text + first + 1, ".") : 0;
    jv header = jwt_part(text, first), claims = jv_invalid();
    if (second > 0 && text[first + 1 + second] == '.')
        claims = jwt_part(text + first + 1, second);
    jv shown = jv_invalid();
    if (jv_is_valid(header) && jv_is_valid(claims)) {
        shown = json_set(jv_object(), "header", jv_copy(header));
        shown = json_set(shown, "claims", without_secrets(jv_copy(claims)));
    }
    jv_free(header);
    jv_free(claims);
    return shown;
}

/* What the log shows of a secret: a JWT without its signature; else its digest, for comparing
 * secrets; nothing for secrets that could be guessed from their digest. Takes it. */
static jv hide(jv secret) {
    const char *text = json_value_string(secret);
    jv shown = text != NULL ? show_jwt(text) : jv_invalid();
    if (text != NULL && !jv_is_valid(shown) && strlen(text) >= UNGUESSABLE) {
        char *digest = digest_of(text, strlen(text));
        shown = jv_string(digest);
        free(digest);
    }
    jv_free(secret);
    return jv_is_valid(shown) ? shown : jv_string("(not shown)");
}

/* The value without the secrets in it. Takes it. */
static jv without_secrets(jv value) {
    jv shown = jv_copy(value);
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) {
            shown = jv_array_set(shown, i, without_secrets(item));
        }
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, member) {
            member = is_secret(jv_string_value(key)) ? hide(member) : without_secrets(member);
            shown = jv_object_set(shown, key, member);
        }
    }
    jv_free(value);
    return shown;
}

void request_log(struct sandbox *sandbox, const struct sandbox_request *request,
                 const struct sandbox_reply *reply) {
    struct error ignored;
    jv form, body;
    if (sandbox->log < 0)
        return;
    jv line = json_set(jv_object(), "at", jv_number(clock_now()));
    line = json_set_string(json_set_string(line, "method", request->method), "path", request->path);
    if (sandbox_form(request, &form))
        line = json_set(line, "form", without_secrets(json_delete(form, "client_secret")));
    else if (json_parse(request->body, request->size, &body, &ignored))
        line = json_set(line, "body", without_secrets(body));
    line = json_set_string(line, "content_type", request->content_type);
    line = json_set_string(line, "idempotency_key", request->idempotency_key);
    line = json_set_string(line, "accept", request->accept);
    line = json_set_string(line, "accept_encoding", request->accept_encoding);
    if (request->dpop != NULL)
        line = json_set(line, "dpop", hide(jv_string(request->dpop)));
    line = json_set_string(line, "authorization", scheme_of(request));
    line = json_set(line, "status", jv_number(reply->drop ? 0 : reply->status));
    char *text = json_text(line), *with_newline = must_format("%s\n", text);
    if (write(sandbox->log, with_newline, strlen(with_newline)) < 0)
        report("log", "cannot be written");
    jv_free(line);
    free(text);
    free(with_newline);
}
