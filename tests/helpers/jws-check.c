/* jws-check: for each {"id", "jws", "keys"} on stdin, a JSON object a line, prints the id, "valid"
 * or "invalid", and why. The keys are a JWKS. */
#include "documents.h"
#include "json.h"
#include "jws.h"

#include <stdio.h>
#include <unistd.h>

static void check(jv line) {
    struct error error = {0, ""};
    struct jws jws;
    const char *text = json_string(line, "jws"), *id = json_string(line, "id");
    jv keys = json_get(line, "keys");
    bool valid = false;
    if (text != NULL && jws_parse(text, &jws, &error)) {
        valid = jws_verify(&jws, keys, &error) == JWS_VALID;
        jws_free(&jws);
    }
    printf("%s %s %s\n", id, valid ? "valid" : "invalid", valid ? "" : error.text);
    jv_free(keys);
}

int main(void) {
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    struct error error;
    enum document_event event;
    jv line;
    program_start("jws-check");
    while ((event = document_next(reader, &line, &error)) != DOCUMENT_END) {
        if (event == DOCUMENT_READY) {
            check(line);
            jv_free(line);
        } else if (event == DOCUMENT_BAD || !document_reader_fill(reader, &error)) {
            complain(NULL, "%s", error.text);
        }
    }
    document_reader_free(reader);
    return 0;
}
