#include "ciba/waiting_document.h"

#include "base/error.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct waiting_document *waiting_document_new(void) {
    struct waiting_document *waiting = must_alloc(sizeof *waiting);
    waiting->tree = jv_invalid();
    waiting->deadline = INFINITY;
    return waiting;
}

void waiting_document_free(struct waiting_document *waiting) {
    journal_close(waiting->journal);
    free(waiting->text);
    jv_free(waiting->tree);
    free(waiting);
}

static jv parse(const char *text) {
    struct error ignored;
    jv document;
    json_parse(text, strlen(text), &document, &ignored); /* our own text */
    return document;
}

jv waiting_document_take(struct waiting_document *waiting) {
    jv document = waiting->text != NULL ? parse(waiting->text) : waiting->tree;
    waiting->tree = jv_invalid();
    free(waiting->text);
    waiting->text = NULL;
    return document;
}

jv waiting_document_call(const struct waiting_document *waiting, int index) {
    call_label_among(waiting->calls);
    jv document = waiting->text != NULL ? parse(waiting->text) : jv_copy(waiting->tree);
    jv calls = json_get(document, "calls");
    jv call = jv_array_get(jv_copy(calls), index);
    jv_free(calls);
    jv_free(document);
    return call;
}

jv document_put_call(int index, jv document, jv call) {
    jv calls = json_get(document, "calls");
    document = json_set(document, "calls", jv_null()); /* otherwise the array would be copied */
    return json_set(document, "calls", jv_array_set(calls, index, call));
}

void waiting_document_keep(struct waiting_document *waiting, jv document, char *text) {
    enum { MANY = 16 /* calls */ };
    waiting->calls = jv_array_length(json_array(document, "calls"));
    bool as_tree = waiting->calls > MANY, is_first = waiting->size == 0;
    if (text == NULL && (is_first || !as_tree))
        text = json_text(document);
    if (is_first)
        waiting->size = strlen(text);
    if (as_tree) {
        waiting->tree = document;
    } else {
        jv_free(document);
        waiting->text = must_copy(text); /* reuses the tree's memory */
    }
    free(text);
}
