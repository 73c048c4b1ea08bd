/* The checks of ciba-doctor. Each prints its verdicts (verdict.h); none asks a user or buys
 * anything. */
#ifndef CIBA_DOCTOR_CHECKS_H
#define CIBA_DOCTOR_CHECKS_H

#include "oauth/client.h"

#include <stdbool.h>

/* Whether the command has given up its rights; `off` tells that it should not. Call after
 * confine. */
void check_confinement(bool off);

/* The provider: its metadata, CIBA, its keys, its clock, and whether it accepts the client. */
void check_provider(struct client *client);

/* Who would be asked for what, as far as it can be seen without asking them: the scopes by the
 * metadata of the client's issuer, if it could be read. */
void check_question(const struct client *client);

/* The model server and its key. With `tool_call`, which costs tokens, also whether the model calls
 * a tool. */
void check_model(struct http *http, bool tool_call);

/* The stock API at the URL, else STOCK_API_URL. */
void check_stock_api(struct http *http, const char *url);

#endif
