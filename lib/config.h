/* Settings: flag, then environment, then the file of -e, then default. The one module that reads
 * the environment, and the one that reads secrets. */
#ifndef CIBA_CONFIG_H
#define CIBA_CONFIG_H

#include "error.h"

#include <stdbool.h>

/* Reads the dotenv file that -e names (lines `NAME=value`, `export NAME=value`, '#' comments,
 * values bare, in '…' or in "…" with \n \" \\ \$), at most 1 MiB. NULL for no file. */
bool config_load(const char *env_file, struct error *error);

/* The value of the flag if it was given, else of the first of the names (up to a NULL) that is set
 * and not empty in the environment, else in the file. NULL where none is. The text lives as long as
 * the process. */
const char *config_get(const char *flag, ...) __attribute__((sentinel));

/* A secret: from `file` if not NULL, else from a file with one of the names in
 * $CREDENTIALS_DIRECTORY (systemd), else as config_get. A file's last newline is not part of it. A
 * secret is at most 64 KiB. *secret is NULL where none is set; it lives as long as the process, in
 * memory that is locked and in no core dump, and is wiped in the environment, so that config_get
 * finds it no more. The names must be literals. A file that is not config_is_private is refused. */
bool config_secret(const char **secret, struct error *error, const char *file, ...)
    __attribute__((sentinel));

/* Whether a file with a secret is kept from other users: a regular file that everybody can read or
 * write is not. True for what is no file. False and an error with status 78. */
bool config_is_private(const char *path, struct error *error);

/* Keeps an allocated text as long as the process, for settings that are made here. Returns it. */
const char *config_keep(char *text);

/* Reads a whole file, at most `limit` bytes, of which *size is set if not NULL; a 0 byte is put
 * after the last. The caller frees. NULL and an error with status 66 if it cannot. */
char *config_read_file(const char *path, unsigned long limit, unsigned long *size,
                       struct error *error);

/* The same from a descriptor, which stays open; `path` is what messages call it. */
char *config_read_descriptor(int fd, const char *path, unsigned long limit, unsigned long *size,
                             struct error *error);

/* Their names, up to a NULL. */
extern const char *const config_secret_names[];

#endif
