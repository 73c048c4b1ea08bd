#include "document/answer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "document/reader.h"
#include "model/conversation.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void answer_show(void *shown, const char *text, size_t size) {
    struct answer *answer = shown;
    struct error ignored;
    char *copy = must_format("%.*s", (int)size, text);
    if (isatty(STDOUT_FILENO))
        utf8_make_plain_text(copy);
    answer->shown = true;
    answer->inside = copy[strlen(copy) - 1] != '\n';
    output_write(copy, strlen(copy), &ignored);
    free(copy);
}

/* Reports that there is no answer yet; to who is not used to it, what the model wants, and how it
 * goes on. */
static void report_unfinished(const char *unfinished, jv document, bool explain, int *status) {
    jv calls = json_array(document, "calls");
    int count = jv_array_length(jv_copy(calls));
    jv call = count > 0 ? jv_array_get(jv_copy(calls), count - 1) : jv_invalid();
    jv arguments = json_get(call, "arguments");
    const char *name = json_string(call, "name");
    char *text = json_text(arguments);
    if (explain && name != NULL)
        report_failure(status, STATUS_NOT_YET, "model",
                       "it calls %.100s with %.1000s; nothing is done without approval: "
                       "llm-chat ... | ciba-authorize ...",
                       name, text);
    else
        report_failure(status, STATUS_NOT_YET, unfinished,
                       "has no result yet, so there is no answer to print");
    free(text);
    jv_free(arguments);
    jv_free(call);
    jv_free(calls);
}

void answer_print(struct answer *answer, jv document, bool explain, int *status) {
    struct error error;
    const char *unfinished = conversation_unfinished_call(document);
    char *text = conversation_text(document), *line = NULL;
    if (answer->inside)
        line = must_copy("\n");
    else if (unfinished == NULL && text != NULL && !answer->shown)
        line = must_format("%s\n", text);
    if (unfinished != NULL)
        report_unfinished(unfinished, document, explain, status);
    if (line != NULL && isatty(STDOUT_FILENO))
        utf8_make_plain_text(line);
    if (line != NULL && !output_write(line, strlen(line), &error))
        report_error(status, "stdout", &error);
    *answer = (struct answer){false, false};
    free(line);
    free(text);
}
