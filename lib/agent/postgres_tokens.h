/* The secrets in what a spool in PostgreSQL keeps: tokens, and the auth_req_id that one gets a
 * token with. Each member of that name, wherever it is in a document or a journal entry, is
 * encrypted (encrypted_file.h): so the rest can be read by SQL, and a copy of the database has no
 * tokens. */
#ifndef CIBA_AGENT_POSTGRES_TOKENS_H
#define CIBA_AGENT_POSTGRES_TOKENS_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* The value with its secrets encrypted, each for its place in `name`. Takes the value. Invalid and
 * an error with status 78 if it has one and there is no key (NULL). */
jv postgres_tokens_hide(const char *key, const char *name, jv value, struct error *error);

/* The same in the text of an object or array, whose other bytes stay as they are. The caller frees
 * what is returned; NULL and an error: 78, or 65 if the text is not one. */
char *postgres_tokens_hide_text(const char *key, const char *name, const char *text,
                                struct error *error);

/* The reverse. Without a key, what is encrypted stays so. Takes the value. Invalid and an error
 * with status 65 if something cannot be decrypted: it was changed, or moved from another document.
 */
jv postgres_tokens_show(const char *key, const char *name, jv value, struct error *error);

/* A text by which a key is recognised; the caller frees. */
char *postgres_key_check_make(const char *key, const char *name);
bool postgres_key_check_fits(const char *key, const char *name, const char *check);

#endif
