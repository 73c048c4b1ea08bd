/* What ciba-doctor can see on this machine: the versions of what is linked, and whether the places
 * in which the commands keep something can be used. */
#ifndef CIBA_DOCTOR_MACHINE_H
#define CIBA_DOCTOR_MACHINE_H

#include "http/http.h"
#include "system/confinement.h"

#include <stdbool.h>

/* The versions of this program and its libraries. */
void check_versions(void);

/* Adds to `needs` what check_places opens. */
void places_need(struct confinement *needs, const char *spool);

/* The audit log, the store, the spent approvals, the notifications and the spool (NULL for none):
 * whose they are, their modes, and whether they can be written. */
void check_places(const char *spool);

/* ciba-channel, if it is configured: its folder, its secret, and its page, which is fetched as by
 * somebody who has not logged in. `http` may be NULL: then it is not. */
void check_channel(struct http *http);

#endif
