#include "agent/spool_add.h"

#include "base/text.h"
#include "document/reader.h"
#include "json/json.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Adds the documents from `from` on, before `to`, and tells their names when they are durable.
 * False and an error if they are refused, and can be added again. */
static bool add_some(struct store *store, jv documents, int from, int to, int *status,
                     struct error *error) {
    struct text names = {0};
    text_add_string(&names, "");
    for (int i = from; i < to; i++) {
        char *name = store->kind->add(store, jv_array_get(jv_copy(documents), i), error);
        if (name != NULL)
            text_add_format(&names, "%s\n", name);
        else
            report_error(status, NULL, error);
        free(name);
    }
    enum commit came = names.size > 0 ? store->kind->commit(store, error) : COMMITTED;
    if (came == COMMIT_LOST || (came == COMMITTED && !output_write(names.text, names.size, error)))
        report_error(status, NULL, error);
    free(names.text);
    return came != COMMIT_REFUSED;
}

/* The same for all of them; if they are refused together, each by itself. Takes them. */
static void add_all(struct store *store, jv documents, int *status) {
    struct error error;
    int count = jv_array_length(jv_copy(documents));
    bool good = count == 0 || add_some(store, documents, 0, count, status, &error);
    for (int i = 0; !good && count > 1 && i < count; i++)
        if (!add_some(store, documents, i, i + 1, status, &error))
            report_error(status, NULL, &error);
    if (!good && count == 1)
        report_error(status, NULL, &error);
    jv_free(documents);
}

int spool_add(struct store *store) {
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    int status = STATUS_DONE;
    struct error error;
    enum document_event event = DOCUMENT_MORE;
    jv come = jv_array(), document;
    signal(SIGPIPE, SIG_IGN); /* what was done is reported if it cannot be written */
    while (event != DOCUMENT_END) {
        event = document_next(reader, &document, &error);
        if (event == DOCUMENT_READY) {
            come = jv_array_append(come, document);
            continue;
        }
        add_all(store, come, &status);
        come = jv_array();
        if (event == DOCUMENT_BAD ||
            (event == DOCUMENT_MORE && !document_reader_fill(reader, &error)))
            report_error(&status, "stdin", &error);
    }
    jv_free(come);
    document_reader_free(reader);
    return status;
}
