#include "agent/spool_run.h"

#include "base/clock.h"

#include <math.h>

/* An entry saved in the future means that the time of day was set back: how long it has waited is
 * unknown, so it is due. */
static bool is_due(const struct agent_spool_entry *entry) {
    return entry->due <= clock_now() || clock_went_back(entry->saved);
}

/* Processes what is due. Sets *next to when the first of the rest is due. */
static int run_once(const struct agent_spool *spool, const struct stages *stages, double *next) {
    struct error error = {STATUS_DONE, ""};
    size_t count;
    int status = STATUS_DONE;
    struct agent_spool_entry *entries = agent_spool_entries("queue", &count, &error);
    *next = INFINITY;
    if (error.status != STATUS_DONE)
        report_error(&status, NULL, &error);
    for (size_t i = 0; i < count; i++) {
        double due = entries[i].due;
        int came = STATUS_NOT_YET;
        if (is_due(&entries[i]))
            came = stages_advance(stages, spool, entries[i].name, &due);
        if ((came == STATUS_NOT_YET || due > clock_now()) && due < *next)
            *next = due;
        status = status_worse(status, came);
    }
    agent_spool_free_entries(entries, count);
    return status;
}

int spool_run(const struct agent_spool *spool, const struct stages *stages, bool wait) {
    double next;
    int status = run_once(spool, stages, &next), earlier = STATUS_DONE;
    while (wait && next < INFINITY) {
        if (status != STATUS_NOT_YET)
            earlier = status_worse(earlier, status);
        clock_sleep(fmin(fmax(next - clock_now(), 0.01), 1));
        status = run_once(spool, stages, &next);
    }
    return status_worse(earlier, status);
}
