/* Secrets that come back in JSON (redact.h). */
#ifndef CIBA_JSON_REDACT_JSON_H
#define CIBA_JSON_REDACT_JSON_H

#include <jv.h>

/* Applies redact to each string and name in a value. Takes it. */
jv redact_json(jv value);

/* redact_know and redact_forget for the secrets in a token (a call's, or a provider's answer):
 * access_token, refresh_token, id_token. */
void redact_know_token(jv token);
void redact_forget_token(jv token);

#endif
