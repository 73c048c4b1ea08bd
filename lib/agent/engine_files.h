/* How many files the engine may have open, and so how many documents at a time. */
#ifndef CIBA_AGENT_ENGINE_FILES_H
#define CIBA_AGENT_ENGINE_FILES_H

#include <stddef.h>

/* Raises the limit of this process as far as it may. What it has started already inherits less. */
void engine_files_allow(void);

/* So many documents at a time, at most `jobs`, that none waits for a descriptor that another has.
 * Fewer than `jobs` are reported. */
size_t engine_files_jobs(long jobs);

#endif
