/* Settings: flag, then environment, then the -e file, then default. The only module that reads the
 * environment (except OpenSSL's own variables) and secrets. Every name must be in its table of
 * settings; any other ends the process with status 70. */
#ifndef CIBA_SYSTEM_SETTINGS_H
#define CIBA_SYSTEM_SETTINGS_H

#include "base/error.h"

#include <stdbool.h>

/* Reads the dotenv file that -e names (lines `NAME=value`, `export NAME=value`, '#' comments,
 * values bare, in '…' or in "…" with \n \" \\ \$; the last line for a name counts), at most 1 MiB.
 * NULL for no file. False and an error with status 66, or 78 that names the line. */
bool settings_load(const char *env_file, struct error *error);

/* The flag's value if given, else the value of the first of the names (up to a NULL) that is set
 * and not empty in the environment, else in the -e file. NULL if none is. The text lives as long as
 * the process. */
const char *settings_get(const char *flag, ...) __attribute__((sentinel));

/* A secret: from `file` if not NULL, else from a file with one of the names in
 * $CREDENTIALS_DIRECTORY (systemd), else as settings_get. A final newline of the file is dropped.
 * At most 64 KiB. *secret is NULL if none is set. It lives as long as the process, in locked memory
 * that is in no core dump; it is wiped from the environment, so settings_get no longer finds it.
 * The names must be literals. A file that is not file_is_private is refused. */
bool settings_secret(const char **secret, struct error *error, const char *file, ...)
    __attribute__((sentinel));

/* A secret in a file that others replace while the process lives, as it is now: as settings_secret
 * reads a file, but the caller's, who gives it to settings_secret_free. NULL and an error with
 * status 66 or 78. */
char *settings_secret_read(const char *file, struct error *error);
void settings_secret_free(char *secret);

/* Whether a file with a secret is closed to other users: false for a regular file that everybody
 * can read or write; true if it is no file. False and an error with status 78. */
bool file_is_private(const char *path, struct error *error);

/* Where the setting of this name is: "the environment", the name of the -e file, or
 * "CREDENTIALS_DIRECTORY"; also after settings_secret has taken it. NULL if it is not set. Lives as
 * long as the process. */
const char *settings_place(const char *name);

/* What the setting of this name is, in a few words; "" if there is none of this name. */
const char *settings_meaning(const char *name);

/* Keeps an allocated text until the process ends, for settings that are computed. Returns it. */
const char *settings_keep(char *text);

/* Reads a whole file of at most `limit` bytes and adds a 0 byte. Sets *size if not NULL. The caller
 * frees. NULL and an error with status 66. */
char *file_read(const char *path, unsigned long limit, unsigned long *size, struct error *error);

/* The same from a descriptor, which stays open; `path` is its name in messages. */
char *file_read_descriptor(int fd, const char *path, unsigned long limit, unsigned long *size,
                           struct error *error);

/* Prints to stdout the settings that a command reads, with a description of each. */
void settings_print(const char *command);

/* Wipes and removes from the environment what started programs must not get: the secrets and the
 * settings that lead to them. */
void settings_forget_secrets(void);

/* Wipes and removes from the environment what a web server has set for a request: its headers and
 * addresses may hold what a program that is started must not get. */
void settings_forget_request(void);

#endif
