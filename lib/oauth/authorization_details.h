/* Rich Authorization Requests, RFC 9396: details of the question to the user, and whether the
 * provider granted just these. */
#ifndef CIBA_OAUTH_AUTHORIZATION_DETAILS_H
#define CIBA_OAUTH_AUTHORIZATION_DETAILS_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the details can be asked: an array of objects, each with a `type` (§2), without
 * characters that the user could not see (utf8_visible; line breaks and tabs are allowed). False
 * and an error with status 65. */
bool details_sound(jv details, struct error *error);

/* Whether the provider's metadata list each type in `authorization_details_types_supported` (§10);
 * true if there is no such list. False and an error with status 78. */
bool details_known(jv details, jv metadata, struct error *error);

/* Whether what was granted is all that was asked for and no further detail. At any depth the
 * provider may add members and fill empty arrays (§7.1), but change nothing. */
bool details_agree(jv asked, jv granted);

/* Whether each detail granted is one that was asked for; there may be fewer. */
bool details_within(jv asked, jv granted);

#endif
