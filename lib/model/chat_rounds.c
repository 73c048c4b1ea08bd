#include "model/chat_rounds.h"

#include "base/clock.h"
#include "model/conversation.h"
#include "json/json.h"
#include "json/schema.h"

#include <stdlib.h>
#include <string.h>

/* Whether the answer's text, if any, matches the schema. The caller frees *why, which is for the
 * model. */
static bool answer_fits(jv schema, jv document, double until, char **why) {
    struct error error;
    char *text = conversation_text(document);
    jv value = jv_invalid();
    bool good = text == NULL || !jv_is_valid(schema) ||
                (json_parse(text, strlen(text), &value, &error) &&
                 schema_allows(schema, value, until, &error));
    *why = good ? NULL
                : must_format("That is not as the schema says: %s. Answer with the JSON "
                              "alone.",
                              error.text);
    jv_free(value);
    free(text);
    return good;
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
        if (!answer_fits(settings->wishes.schema, document, until, &why)) {
            if (repairs < limits->repairs)
                document = conversation_add_message(document, "user", why);
            else
                give_up("its answer is", status);
        }
        free(why);
    }
    return document;
}
