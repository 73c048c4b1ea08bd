/* The stages of a pipeline, from the words of a command line. */
#ifndef CIBA_AGENT_STAGES_H
#define CIBA_AGENT_STAGES_H

#include "base/error.h"
#include "system/process.h"

#include <stdbool.h>
#include <stddef.h>

struct stages {
    struct program *programs; /* their argv point into the words given to stages_parse */
    size_t count;
};

/* Parses words up to a NULL, with a lone `|` between stages. The words stay the caller's and are
 * changed. False if a stage is empty. */
bool stages_parse(struct stages *stages, char **words);

/* Whether each program exists and can be executed. False and an error with status 69. */
bool stages_can_start(const struct stages *stages, struct error *error);
void stages_free(struct stages *stages);

#endif
