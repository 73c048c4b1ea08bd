#include "document/batch.h"

#include "document/call.h"
#include "document/reader.h"
#include "document/step.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The documents that wait for the step, by their place in the stream. */
struct batch {
    jv *documents, *before;
    char **texts; /* as they were read */
    bool *known;
    size_t count, most;
    bool writable;
    int status;
};

/* Does the step on the documents of our format; the others stay as they are. */
static void do_step(struct batch *batch, documents_step step, void *context) {
    jv *known = must_alloc((batch->count + 1) * sizeof *known);
    size_t count = 0, taken = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->known[i])
            known[count++] = batch->documents[i];
    if (count > 0)
        step(context, known, count, &batch->status);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->known[i])
            batch->documents[i] = known[taken++];
    free(known);
}

static void put_out(struct batch *batch, size_t place) {
    jv outcome = batch->documents[place];
    bool changed = !jv_identical(batch->before[place], jv_copy(outcome));
    if (batch->writable) {
        batch->writable =
            step_write(outcome, changed, changed ? NULL : batch->texts[place], &batch->status);
        batch->texts[place] = changed ? batch->texts[place] : NULL;
    } else if (changed) {
        step_report_lost(outcome, &batch->status);
    } else {
        jv_free(outcome);
    }
    free(batch->texts[place]);
}

static void finish(struct batch *batch, documents_step step, void *context) {
    do_step(batch, step, context);
    for (size_t i = 0; i < batch->count; i++)
        put_out(batch, i);
    batch->count = 0;
}

/* Takes the document. */
static void add(struct batch *batch, jv document, const struct document_reader *reader) {
    struct error error;
    size_t place = batch->count++;
    batch->documents[place] = document;
    batch->before[place] = jv_copy(document);
    batch->texts[place] = document_as_read(reader);
    batch->known[place] = document_is_known(document, &error);
    if (!batch->known[place])
        report_error(&batch->status, NULL, &error);
}

int batch_run(documents_step step, void *context, size_t most) {
    struct batch batch = {.most = most, .writable = true, .status = STATUS_DONE};
    batch.documents = must_alloc(most * sizeof *batch.documents);
    batch.before = must_alloc(most * sizeof *batch.before);
    batch.texts = must_alloc(most * sizeof *batch.texts);
    batch.known = must_alloc(most * sizeof *batch.known);
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    struct error error;
    enum document_event event;
    jv document;
    signal(SIGPIPE, SIG_IGN); /* what was done is reported if it cannot be written */
    while (batch.writable && (event = document_next(reader, &document, &error)) != DOCUMENT_END) {
        if (event == DOCUMENT_READY)
            add(&batch, document, reader);
        else if (event == DOCUMENT_BAD || !document_reader_fill(reader, &error))
            report_error(&batch.status, "stdin", &error);
        if (batch.count == batch.most)
            finish(&batch, step, context);
    }
    finish(&batch, step, context);
    document_reader_free(reader);
    free(batch.documents);
    free(batch.before);
    free(batch.texts);
    free(batch.known);
    return batch.status;
}
