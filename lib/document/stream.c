#include "document/stream.h"

#include "document/reader.h"
#include "document/stage.h"

#include <signal.h>
#include <unistd.h>

/* What was done is reported if it cannot be written (step.c). */
static void survive_broken_pipe(void) {
    signal(SIGPIPE, SIG_IGN);
}

int stream_run_one(document_step step, void *context, jv document) {
    int status = STATUS_DONE;
    survive_broken_pipe();
    step_do(step, context, document, NULL, false, &status);
    return status;
}

/* As a stage of agent-spool: one after the other, whatever -j says. The status of each document
 * goes back with it; the stream's own is of the connection. */
static int run_stage(document_step step, void *context, const struct stream_jobs *jobs) {
    struct stage_document *stage = NULL;
    struct error error;
    int status = STATUS_DONE;
    bool good = stage_open(false, &error), changed;
    while (good && !stage_is_leaving() && (stage = stage_next(&error)) != NULL) {
        int came = STATUS_DONE;
        jv document = stage->document;
        stage->document = jv_invalid();
        stage_work_on(stage);
        document =
            step_outcome(step, context, document, jobs != NULL && jobs->consumes, &changed, &came);
        if (!step_give_back(stage, document, changed, &came))
            return came;
    }
    if (!good || (stage == NULL && error.status != STATUS_DONE))
        report_error(&status, NULL, &error);
    return status;
}

int stream_run(document_step step, void *context, const struct stream_jobs *jobs) {
    survive_broken_pipe();
    if (stage_role() == STAGE_OWN)
        return run_stage(step, context, jobs);
    if (jobs != NULL && jobs->count > 1)
        return workers_run(step, context, jobs);
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    int status = STATUS_DONE;
    struct error error;
    enum document_event event;
    bool writable = true;
    jv document;
    while (writable && (event = document_next(reader, &document, &error)) != DOCUMENT_END) {
        bool good = true;
        if (event == DOCUMENT_READY)
            writable =
                step_do(step, context, document, reader, jobs != NULL && jobs->consumes, &status);
        else if (event == DOCUMENT_MORE)
            good = document_reader_fill(reader, &error);
        else
            good = false;
        if (!good)
            report_error(&status, "stdin", &error);
    }
    document_reader_free(reader);
    return status;
}
