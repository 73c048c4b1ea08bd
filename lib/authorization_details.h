/* Rich Authorization Requests, RFC 9396: what the user is asked in detail, and whether what the
 * provider granted is that. */
#ifndef CIBA_AUTHORIZATION_DETAILS_H
#define CIBA_AUTHORIZATION_DETAILS_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the details can be asked: an array of objects, each with a `type` (§2), none with a
 * character that the user could not see (utf8_visible; line breaks and tabs may be). False and an
 * error with status 65. */
bool details_sound(jv details, struct error *error);

/* Whether the provider, by its metadata's `authorization_details_types_supported` (§10), knows each
 * type; true where it has no such list. False and an error with status 78. */
bool details_known(jv details, jv metadata, struct error *error);

/* Whether all that was asked for is in what was granted, and no detail beside it. The provider may
 * add members, and fill an array that was empty, at any depth (§7.1); it may change nothing. */
bool details_agree(jv asked, jv granted);

/* Whether each detail that was granted is one that was asked for: they may be fewer. */
bool details_within(jv asked, jv granted);

#endif
