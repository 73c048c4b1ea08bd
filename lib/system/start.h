/* What every command does first. */
#ifndef CIBA_SYSTEM_START_H
#define CIBA_SYSTEM_START_H

/* Must be called first in main. Sets the name for messages, keeps the standard streams open, takes
 * a stage's socket out of the environment (stage_socket.h),
 * disables core dumps (not under a sanitizer, which needs access to the process), starts OpenSSL,
 * and makes libjq end the process when out of memory. */
void program_start(const char *name);

#endif
