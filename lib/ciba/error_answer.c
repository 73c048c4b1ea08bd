#include "ciba/error_answer.h"

#include "document/call.h"
#include "oauth/errors.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <stdio.h>
#include <string.h>

jv settle_by_error(jv call, jv body, const struct http_answer *answer, struct error *error) {
    body = redact_json(jv_copy(body)); /* an error may contain everything that was sent */
    const char *code = json_string(body, "error");
    const char *words = json_string(body, "error_description");
    char status_code[40] = "";
    if (code == NULL && (answer->status == 401 || answer->status == 403))
        code = "invalid_client";
    if (code == NULL)
        snprintf(status_code, sizeof status_code, "http_%ld", answer->status);
    code = code != NULL ? code : status_code;
    const char *advice = oauth_error_advice(code, words);
    fail(error, oauth_error_status(code), "%.100s%s%.400s%s%s", code, words ? ": " : "",
         words ? words : "", *advice ? "; " : "", advice);
    const char *status = strcmp(code, "access_denied") == 0   ? "denied"
                         : strcmp(code, "expired_token") == 0 ? "expired"
                                                              : "failed";
    call = call_settle(call, status, code, words);
    jv_free(body);
    return call;
}
