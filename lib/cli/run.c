#include "cli/run.h"

#include "system/confine.h"

#include <stddef.h>

int command_run(const struct command_parts *parts, void *job) {
    struct error error;
    int status = STATUS_DONE;
    if (parts->configure(job, &error) && confine(parts->needs, &error))
        status = parts->work(job);
    else
        report_error(&status, NULL, &error);
    if (parts->release != NULL)
        parts->release(job);
    return status;
}
