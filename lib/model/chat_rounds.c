#include "model/chat_rounds.h"

#include "base/clock.h"
#include "model/conversation.h"
#include "json/json.h"
#include "json/schema.h"

#include <stdlib.h>
#include <string.h>

static jv last_message(jv document) {
    jv messages = json_array(document, "messages");
    int count = jv_array_length(jv_copy(messages));
    jv last = count > 0 ? jv_array_get(jv_copy(messages), count - 1) : jv_invalid();
    jv_free(messages);
    return last;
}

/* The text that must match a schema, NULL if the model calls tools; the caller frees. */
static char *answer_text(jv document) {
    jv last = last_message(document);
    bool calls = !json_is(last, "role", "assistant") || json_has(last, "tool_calls");
    char *text = conversation_text(document);
    jv_free(last);
    return text == NULL && !calls ? must_copy("") : text;
}

/* Whether the answer's text, if any, matches the schema. The caller frees *why, which is for the
 * model. A text that does not begin as JSON is of a server that does not heed a schema: then the
 * next request asks for it in another way. */
static bool answer_fits(struct chat_wishes *wishes, jv document, double until, char **why) {
    struct error error;
    char *text = answer_text(document);
    jv schema = wishes->schema, value = jv_invalid();
    bool is_free = text == NULL || !jv_is_valid(schema);
    bool is_json = is_free || json_parse(text, strlen(text), &value, &error);
    bool good = is_free || (is_json && schema_allows(schema, value, until, &error));
    if (!is_json && strchr("{[\"", text[strspn(text, " \t\r\n")]) == NULL)
        wishes->learned |= CHAT_NO_FORMAT;
    *why = good ? NULL
                : must_format("That is not as the schema says: %s. Answer with the JSON "
                              "alone.",
                              error.text);
    jv_free(value);
    free(text);
    return good;
}

/* The words with which the model refuses to answer, NULL if it does not; the caller frees. */
static char *refusal_of(jv document) {
    jv last = last_message(document);
    const char *refusal = json_string(last, "refusal");
    char *words = refusal != NULL && *refusal != '\0' ? must_copy(refusal) : NULL;
    jv_free(last);
    return words;
}

/* Where JSON was asked for, a refusal is no answer, and none that more words would mend. */
static bool has_refused(jv schema, jv document, int *status) {
    char *words = jv_is_valid(schema) ? refusal_of(document) : NULL;
    if (words != NULL)
        report_failure(status, STATUS_REFUSED, "model", "it refuses: %s", words);
    bool refused = words != NULL;
    free(words);
    return refused;
}

/* The model has used all its repairs. */
static void give_up(const char *what, int *status) {
    report_failure(status, STATUS_PROTOCOL, "model", "%s still not valid after it was told why",
                   what);
}

jv chat_rounds(struct http *http, struct chat_settings *settings, const struct chat_limits *limits,
               jv document, int *status) {
    struct error error;
    double until;
    settings->wishes.learned = 0;
    settings->deadline = limits->max_time > 0 ? clock_elapsed() + limits->max_time : 0;
    for (long repairs = 0; conversation_is_models_turn(document); repairs++) {
        char *why;
        if (repairs > limits->repairs) {
            give_up("its tool calls are", status);
            break;
        }
        if (!chat_ask(http, settings, &document, &until, &error)) {
            report_error(status, "model", &error);
            break;
        }
        document = conversation_fold_results(document);
        if (has_refused(settings->wishes.schema, document, status))
            break;
        if (!answer_fits(&settings->wishes, document, until, &why)) {
            if (repairs < limits->repairs)
                document = conversation_add_message(document, "user", why);
            else
                give_up("its answer is", status);
        }
        free(why);
    }
    return document;
}
