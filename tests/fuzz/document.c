/* A stream of documents from a pipe that is split anywhere. The output is read again and must be
 * the same. */
#include "document/reader.h"
#include "json/json.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    int ends[2];
    struct error error;
    if (size > 60000 || pipe(ends) != 0)
        return 0;
    if (write(ends[1], data, size) != (ssize_t)size)
        abort();
    close(ends[1]);
    struct document_reader *reader = document_reader_new(ends[0]);
    enum document_event event;
    jv document;
    while ((event = document_next(reader, &document, &error)) != DOCUMENT_END) {
        if (event == DOCUMENT_MORE)
            document_reader_fill(reader, &error);
        if (event != DOCUMENT_READY)
            continue;
        char *text = json_text(document);
        jv again;
        if (!json_parse(text, strlen(text), &again, &error) || !json_equal(document, again))
            abort();
        free(json_canonical(again, &error));
        jv_free(again);
        jv_free(document);
        free(text);
    }
    document_reader_free(reader);
    close(ends[0]);
    return 0;
}
