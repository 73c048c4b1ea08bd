/* What the engine (engine.h) is told. */
#ifndef CIBA_AGENT_ENGINE_SETTINGS_H
#define CIBA_AGENT_ENGINE_SETTINGS_H

#include "agent/work.h"
#include "system/program_helper.h"

#include <stdbool.h>
#include <stddef.h>

struct engine_settings {
    const struct program_helper *helper; /* started with the programs of the stages */
    struct work_rules rules;
    /* Is given each decision before it is saved, and so again after a crash: an object, which it
     * takes (decision_notice.h) with the document's name as `document`; NULL for nothing. */
    void (*decided)(void *context, jv decision);
    void *context;        /* of that */
    const char *spool;    /* its name in the audit log, NULL for none */
    size_t jobs;          /* documents that are worked on at a time, at least 1 */
    double stage_timeout; /* seconds that a stage may have a document; 0 for any */
    bool waits;           /* goes on until the queue is empty */
};

#endif
