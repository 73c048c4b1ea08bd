/* The name of this command in all that it prints. */
#ifndef CIBA_BASE_PROGRAM_NAME_H
#define CIBA_BASE_PROGRAM_NAME_H

/* The name stays the caller's and must live as long as the process. */
void program_name_set(const char *name);

/* "ciba-tools" until it is set. */
const char *program_name(void);

#endif
