/* The settings of a host that make it start ciba-hook. */
#ifndef CIBA_HOOK_PRINT_SETTINGS_H
#define CIBA_HOOK_PRINT_SETTINGS_H

#include "base/error.h"
#include "cli/command.h"
#include "hook/hosts.h"

#include <stdbool.h>

/* Prints them to stdout, with this program's path and the options that are set in the table, and
 * with a time limit that is later than `deadline`, in seconds. Files are named by their absolute
 * path. False and an error with status 69 or 74. */
bool print_settings(const struct hook_host *host, const char *program,
                    const struct option_spec *options, double deadline, struct error *error);

#endif
