/* The settings file of a host that shall start ciba-hook before a tool runs. */
#ifndef CIBA_DOCTOR_HOOK_FILE_H
#define CIBA_DOCTOR_HOOK_FILE_H

#include <stddef.h>

enum { HOOK_FILE_LIMIT = 1 << 20 /* bytes */ };

/* Prints verdicts about the file at `path`, whose content is `text`. Looks at the rights of the
 * file and of the program that it names; starts nothing. */
void check_hook_file(const char *path, const char *text, size_t size);

#endif
