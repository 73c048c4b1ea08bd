#include "document/in_words.h"

#include "base/text.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum { CALLS_NAMED = 5 };

static bool is_secret_name(const char *name) {
    return strcmp(name, "access_token") == 0 || strcmp(name, "refresh_token") == 0 ||
           strcmp(name, "id_token") == 0;
}

bool document_has_secret(jv value) {
    bool found = false;
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) {
            found = found || document_has_secret(item);
            jv_free(item);
        }
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, member) {
            found = found || document_has_secret(member) ||
                    (jv_get_kind(member) == JV_KIND_STRING && is_secret_name(jv_string_value(key)));
            jv_free(key);
            jv_free(member);
        }
    }
    return found;
}

/* What became of a call. */
static void add_call(struct text *to, jv call) {
    jv authorization = json_get(call, "authorization"), result = json_get(call, "result");
    const char *name = json_string(call, "name"), *message = json_string(authorization, "message");
    const char *state = json_string(authorization, "status"), *who = NULL;
    if (name == NULL)
        name = message != NULL ? message : json_string(authorization, "binding_message");
    if (jv_is_valid(result))
        state = json_has(result, "error") ? "failed" : "done";
    else
        who = json_string(authorization, "approved_by");
    char *words =
        must_format("%s%.60s %.30s%s%.60s", to->size > 0 ? ", " : "",
                    name != NULL ? name : "a call", state != NULL ? state : "not asked about",
                    who != NULL ? " by " : "", who != NULL ? who : "");
    text_add_string(to, words);
    free(words);
    jv_free(authorization);
    jv_free(result);
}

char *document_in_words(jv document) {
    jv calls = json_array(document, "calls");
    int count = jv_array_length(jv_copy(calls));
    struct text text = {0};
    for (int i = 0; i < count && i < CALLS_NAMED; i++) {
        jv call = jv_array_get(jv_copy(calls), i);
        add_call(&text, call);
        jv_free(call);
    }
    char *words =
        must_format("%s%s (the document holds a token and is not shown on a terminal; pipe it on, "
                    "or write it to a file)",
                    count > 0 ? text.text : "a document", count > CALLS_NAMED ? ", ..." : "");
    free(text.text);
    jv_free(calls);
    return words;
}
