/* Asks for a lease as a command does that needs no token: ask-without-token MESSAGE SECONDS USES
 * with a document on stdin; prints its first call, and ends with the status of the decision. */
#include "ciba/authorizer.h"
#include "ciba/decision.h"
#include "document/call.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct error error;
    struct authorizer authorizer;
    if (argc != 4)
        return STATUS_USAGE;
    struct authorizer_settings settings = {
        .question.text = argv[1],
        .lease = {.seconds = atof(argv[2]), .uses = atol(argv[3]), .without_token = true},
        .no_document = true};
    int status = STATUS_DONE;
    unsigned long size;
    char *text = file_read_descriptor(STDIN_FILENO, "stdin", JSON_SIZE_LIMIT, &size, &error);
    jv document = jv_invalid();
    if (text == NULL || !json_parse(text, size, &document, &error) ||
        !authorizer_configure(&authorizer, &settings, &error)) {
        report_error(&status, NULL, &error);
        return status;
    }
    authorizer.client.without_id_token = true;
    jv calls = json_array(document, "calls");
    jv call = authorizer_call(&authorizer, jv_array_get(calls, 0), &status);
    if (status == STATUS_DONE)
        call = decision_wait(&authorizer.client, &authorizer.ledger, call, 30, &status);
    char *line = json_text(call);
    puts(line);
    free(line);
    free(text);
    jv_free(call);
    jv_free(document);
    authorizer_free(&authorizer);
    return status;
}
