/* The files of the store: JSON text, encrypted (AES-256-GCM) with a key that only the commands
 * have. A file's name is authenticated with it: in another's place it cannot be read. */
#ifndef CIBA_APPROVAL_ENCRYPTED_FILE_H
#define CIBA_APPROVAL_ENCRYPTED_FILE_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Writes the value to the file `name` in the folder, which it creates, durably and at once in place
 * of an older one (durable_write). The key can be any text. False and an error: 74, or 78 if the
 * folder is not ours. */
bool encrypted_file_write(const char *folder, const char *key, const char *name, jv value,
                          struct error *error);

/* The value in the file; invalid if there is none or it cannot be decrypted. */
jv encrypted_file_read(const char *folder, const char *key, const char *name);

/* The same as a text in base64url, to be kept elsewhere; the caller frees. NULL if it cannot be
 * encrypted. */
char *encrypted_text(const char *key, const char *name, jv value);

/* The value in such a text; invalid if it cannot be decrypted with this key and for this name. */
jv encrypted_text_read(const char *key, const char *name, const char *text);

#endif
