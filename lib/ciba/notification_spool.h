/* Where notifications of a provider (CIBA Core 1.0 §10.2, §10.3) wait for the command that needs
 * them: a directory with
 *
 *   expected/NAME   a file for each token that a notification may come with: the digest of the
 *                   request's auth_req_id, once that is known; before, the notifications that came
 *                   earlier, each followed by a 0 byte
 *   new/NAME        the notification's JSON
 *
 * NAME is the base64url of the SHA-256 of the client_notification_token, so that reading the
 * directory does not let anyone send one. The modification time of each file is when the request
 * expires. An expectation is locked while it, or its notification, is changed. All files are
 * readable by their owner only. Works on one machine and one file system. */
#ifndef CIBA_CIBA_NOTIFICATION_SPOOL_H
#define CIBA_CIBA_NOTIFICATION_SPOOL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { NOTIFICATION_LIMIT = 64 * 1024 }; /* bytes */

/* Creates the directory if missing, and expects the digest ("sha-256:…") until then (seconds since
 * 1970). Occasionally also removes leftovers: expectations of expired requests, and notifications
 * not fetched within a day after expiry. False and an error with status 74. */
bool notification_spool_expect(const char *directory, const char *digest, double until,
                               struct error *error);

/* Sets the request for which the digest is expected, and until when. Of the notifications that
 * arrived earlier, moves the one for this request to `new` and drops the others. False and an error
 * with status 74. */
bool notification_spool_name(const char *directory, const char *digest, const char *auth_req_id,
                             double until, struct error *error);

/* Whether a notification with a token of this digest is expected. */
bool notification_spool_is_expected(const char *directory, const char *digest);

enum spool_answer {
    SPOOL_TAKEN,         /* it is stored durably: written aside, synced, renamed */
    SPOOL_NOT_EXPECTED,  /* not expected, or no longer */
    SPOOL_OTHER_REQUEST, /* the token was sent with another request */
    SPOOL_FULL,          /* too much arrived before the request was known */
    SPOOL_FAILED         /* it could not be written: an error with status 74 */
};

/* Stores a notification for this request that came with a token of this digest. */
enum spool_answer notification_spool_put(const char *directory, const char *digest,
                                         const char *auth_req_id, const char *text, size_t size,
                                         struct error *error);

/* Whether the notification has arrived. */
bool notification_spool_has(const char *directory, const char *digest);

/* The notification, if it has arrived; the caller frees. NULL if it has not, or the digest is
 * invalid. */
char *notification_spool_get(const char *directory, const char *digest, size_t *size);

/* Removes a useless notification; the right one may still arrive. */
void notification_spool_drop(const char *directory, const char *digest);

/* Removes everything about the digest: later notifications are refused. */
void notification_spool_forget(const char *directory, const char *digest);

/* A descriptor that becomes readable when something new has arrived, or -1 if the system has no
 * such feature. The caller closes it. */
int notification_spool_watch(const char *directory);

#endif
