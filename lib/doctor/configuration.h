/* Which settings there are, where they come from, and which are missing. */
#ifndef CIBA_DOCTOR_CONFIGURATION_H
#define CIBA_DOCTOR_CONFIGURATION_H

#include "oauth/client.h"

#include <stdbool.h>

/* A verdict on the settings without which no provider can be asked: all that are missing at once,
 * else where each of all that are set comes from. Call after settings_load. False if one is
 * missing. */
bool check_settings(const struct client_settings *client);

/* Prints a file for -e: a line for each setting that is missing, to be filled in, with what it is;
 * what is not needed by all as a comment. False and an error with status 74. */
bool print_env(const struct client_settings *client, struct error *error);

/* A remark if other users can read the file of -e, NULL for none, which may have secrets. */
void check_env_file(const char *path);

#endif
