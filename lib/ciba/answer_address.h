/* An address, named in a provider's answer, at which the user can answer. */
#ifndef CIBA_CIBA_ANSWER_ADDRESS_H
#define CIBA_CIBA_ANSWER_ADDRESS_H

#include "base/error.h"

#include <jv.h>

enum { ANSWER_ADDRESS_LIMIT = 2000 /* bytes */ };

/* The address in the body of an acknowledgement (CIBA Core 1.0 §7.3). No part of CIBA:
 * verification_uri_complete as in RFC 8628, or WSO2's auth_url, which the client must bring to the
 * user. It is shown on terminals and sent to users, so it must be a URL of a host that
 * http_url_host accepts, of visible ASCII characters, at most ANSWER_ADDRESS_LIMIT. NULL for none;
 * then the error, which must be zeroed, has a text if there was one that is not used. Valid while
 * the body lives unchanged. */
const char *answer_address(jv body, struct error *error);

#endif
