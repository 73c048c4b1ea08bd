#include "document/answer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "document/call.h"
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

/* Why a call has no result yet. */
static const char *why_unfinished(jv call) {
    enum call_state state = call_state(call);
    if (state == CALL_PENDING)
        return "the user has not decided";
    if (state == CALL_APPROVED)
        return "it is approved, but no command has executed it; is the one for its tool missing, "
               "or the tool's name mistyped there?";
    return "no command has executed it";
}

/* The last call of that id; invalid if there is none. */
static jv find_call(jv document, const char *id) {
    jv calls = json_array(document, "calls"), found = jv_invalid();
    jv_array_foreach(calls, i, call) {
        if (json_is(call, "id", id)) {
            jv_free(found);
            found = jv_copy(call);
        }
        jv_free(call);
    }
    jv_free(calls);
    return found;
}

/* Reports that there is no answer yet; to who is not used to it, what the model wants, and how it
 * goes on. */
static void report_unfinished(const char *id, jv document, bool explain, int *status) {
    jv call = find_call(document, id), arguments = json_get(call, "arguments");
    const char *name = json_string(call, "name");
    char *text = json_text(arguments);
    if (explain && name != NULL)
        report_failure(status, STATUS_NOT_YET, "model",
                       "it calls %.100s with %.1000s; nothing is done without approval: "
                       "llm-chat ... | ciba-authorize ...",
                       name, text);
    else
        report_failure(status, STATUS_NOT_YET, name != NULL ? name : id,
                       "has no result yet, so there is no answer to print: %s",
                       why_unfinished(call));
    free(text);
    jv_free(arguments);
    jv_free(call);
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
