/* Where notifications of a provider (CIBA Core 1.0 §10.2, §10.3) wait for the command that wants
 * them: a directory with
 *
 *   expected/NAME   an empty file for each token that a notification may come with
 *   new/NAME        the notification's JSON
 *
 * NAME is the base64url of the SHA-256 of the client_notification_token, so that nobody who reads
 * the directory can send one. All is readable by its owner only. One machine, one file system. */
#ifndef CIBA_SPOOL_H
#define CIBA_SPOOL_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum { NOTIFICATION_LIMIT = 64 * 1024 }; /* bytes */

/* Makes the directory if it is not there, and the digest ("sha-256:…") expected. False and an error
 * with status 74. */
bool spool_expect(const char *directory, const char *digest, struct error *error);

/* Whether a notification with a token of this digest is expected. */
bool spool_is_expected(const char *directory, const char *digest);

/* Puts the notification there, whole or not at all: written aside, synced, renamed. False and an
 * error with status 74. */
bool spool_put(const char *directory, const char *digest, const char *text, size_t size,
               struct error *error);

/* Whether the notification has come. */
bool spool_has(const char *directory, const char *digest);

/* The notification, if it has come; the caller frees. NULL if it has not, or the digest is not one.
 */
char *spool_get(const char *directory, const char *digest, size_t *size);

/* Removes what there is of the digest. */
void spool_forget(const char *directory, const char *digest);

/* A descriptor that can be read when something new has come, or -1 where the system has no such
 * thing. The caller closes it. */
int spool_watch(const char *directory);

#endif
