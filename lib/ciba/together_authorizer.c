#include "ciba/together_authorizer.h"

#include "base/clock.h"
#include "document/call.h"
#include "document/together.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* Where a call stands. */
struct place {
    size_t document;
    int index;
};

/* The calls of one question. */
struct group {
    jv calls;
    struct place *places;
    size_t count, room;
};

/* Takes the call. */
static void join(struct group *group, jv call, size_t document, int index) {
    if (group->count == group->room) {
        group->room = 2 * group->room + 16;
        group->places = must_grow(group->places, group->room * sizeof *group->places);
    }
    group->places[group->count++] = (struct place){document, index};
    group->calls = jv_array_append(group->calls, call);
}

/* Whether the call can be asked about; if not, it fails alone. Takes and returns the call. */
static bool is_valid(jv *call, int *status) {
    struct error error;
    char *digest = NULL;
    bool valid = call_has_arguments(*call, &error) && authorizer_normalise(call, &error) &&
                 (digest = call_digest(*call, &error)) != NULL;
    free(digest);
    if (!valid) {
        *call = call_settle(*call, "failed", "invalid_arguments", error.text);
        report_error(status, call_label(*call), &error);
    }
    return valid;
}

/* Collects the calls of a document that are to be asked about. Takes the document, and returns it
 * with what became of the others. */
static jv collect(struct authorizer *authorizer, struct group *group, jv document, size_t number,
                  int *status) {
    jv calls = json_array(document, "calls");
    int count = jv_array_length(jv_copy(calls));
    bool changed = false;
    call_label_among(count);
    authorizer_check_tools(authorizer, document);
    authorizer->document = document;
    for (int i = 0; i < count; i++) {
        jv call = jv_array_get(jv_copy(calls), i);
        jv outcome = jv_copy(call);
        if (jv_get_kind(call) == JV_KIND_OBJECT && authorizer_asks(authorizer, &outcome, status) &&
            is_valid(&outcome, status)) {
            join(group, outcome, number, i);
        } else if (jv_identical(jv_copy(call), jv_copy(outcome))) {
            jv_free(outcome);
        } else {
            calls = jv_array_set(calls, i, outcome);
            changed = true;
        }
        jv_free(call);
    }
    authorizer->document = jv_invalid();
    if (changed)
        return json_set(document, "calls", calls);
    jv_free(calls);
    return document;
}

static jv digests_of(jv calls) {
    struct error ignored;
    jv digests = jv_array();
    jv_array_foreach(calls, i, call) {
        char *digest = call_digest(call, &ignored);
        digests = jv_array_append(digests, jv_string(digest != NULL ? digest : ""));
        free(digest);
        jv_free(call);
    }
    return digests;
}

/* The containers in a value's text, as the limit of a document counts them, or more. */
static double containers_in(const char *text) {
    double count = 0;
    for (; *text != '\0'; text++)
        count += *text == '{' || *text == '[';
    return count;
}

/* Whether documents can still be read that have the details in each call: in the authorization and
 * the token's answer as JSON, and in the token itself as base64. */
static bool details_fit(jv details, size_t count, struct error *error) {
    if (!jv_is_valid(details))
        return true;
    char *text = json_text(details);
    double calls = (double)count;
    bool fit = calls * (double)strlen(text) * (2 + 4.0 / 3) <= JSON_SIZE_LIMIT * 0.75 &&
               calls * containers_in(text) * 2 <= JSON_CONTAINERS_LIMIT * 0.75;
    free(text);
    return fit || fail(error, STATUS_INPUT,
                       "the details of %zu calls, which each of them must have, would make the "
                       "document too large; ask about fewer, or say less in -d",
                       count);
}

/* Makes the question. False and an error; *code is for the calls. */
static bool make_question(const struct authorizer *authorizer, const struct group *group,
                          jv *message, jv *details, const char **code, struct error *error) {
    *message = *details = jv_invalid();
    *code = "invalid_message";
    if (group->count > TOGETHER_LIMIT)
        return fail(error, STATUS_INPUT, "%zu calls are too many for one question, which takes %d",
                    group->count, TOGETHER_LIMIT);
    bool good = calls_question(&authorizer->texts, group->calls, message, details, error);
    if (json_value_string(*message) != NULL)
        *code = "invalid_authorization_details";
    return good && details_fit(*details, group->count, error);
}

/* Gives each call its part of the request's authorization. */
static void give(struct group *group, jv request, jv digests, jv parts) {
    jv common = json_get(request, "authorization"), calls = jv_array();
    jv_array_foreach(group->calls, i, call) {
        jv before = json_get(call, "authorization"), part = jv_array_get(jv_copy(parts), i);
        jv digest = jv_array_get(jv_copy(digests), i);
        jv own = together_authorization(common, jv_string_value(digest), part, before);
        calls = jv_array_append(calls, json_set(call, "authorization", own));
        jv_free(before);
        jv_free(part);
        jv_free(digest);
    }
    jv_free(common);
    jv_free(group->calls);
    group->calls = calls;
}

/* Sends the question, with the intent on the disk before and the outcome after. False and an error:
 * nobody was asked, and the calls stay as they are. */
static bool send(struct authorizer *authorizer, struct group *group, struct ciba_question *question,
                 jv request, int *status, struct error *error) {
    jv digests = digests_of(group->calls), parts = together_parts(digests);
    jv first = jv_array_get(jv_copy(parts), 0);
    question->digest = json_string(first, "digest");
    jv details = authorizer_add_message(authorizer, question,
                                        jv_copy(question->authorization_details), question->digest);
    question->authorization_details = details;
    bool noted = ledger_asking_together(&authorizer->ledger, group->calls, question->digest,
                                        clock_now() + ciba_lifetime(question), error);
    if (noted) {
        request = authorizer_ask(authorizer, question, request, error);
        give(group, request, digests, parts);
        group->calls =
            ledger_asked_together(&authorizer->ledger, group->calls, question->digest, status);
    }
    jv_free(details);
    jv_free(digests);
    jv_free(parts);
    jv_free(first);
    jv_free(request);
    return noted;
}

static void settle_all(struct group *group, const char *code, const struct error *error) {
    jv calls = jv_array();
    jv_array_foreach(group->calls, i, call) {
        calls = jv_array_append(calls, call_settle(call, "failed", code, error->text));
    }
    jv_free(group->calls);
    group->calls = calls;
}

static void ask(struct authorizer *authorizer, struct group *group, int *status) {
    struct error error = {STATUS_DONE, ""};
    struct ciba_question question = authorizer->question;
    jv message, details;
    const char *code;
    char *label = must_format("%zu call%s", group->count, group->count == 1 ? "" : "s");
    if (make_question(authorizer, group, &message, &details, &code, &error)) {
        question.binding_message = json_value_string(message);
        question.authorization_details = details;
        send(authorizer, group, &question, json_set_string(jv_object(), "id", label), status,
             &error);
    } else {
        settle_all(group, code, &error);
    }
    if (error.status != STATUS_DONE)
        report_error(status, label, &error);
    jv_free(message);
    jv_free(details);
    free(label);
}

void together_documents(void *context, jv *documents, size_t count, int *status) {
    struct authorizer *authorizer = context;
    struct group group = {.calls = jv_array()};
    authorizer->told_lost = false;
    struct error error;
    if (!ledger_begin(&authorizer->ledger, &error)) {
        report_error(status, NULL, &error);
        jv_free(group.calls);
        return;
    }
    for (size_t i = 0; i < count; i++)
        documents[i] = collect(authorizer, &group, documents[i], i, status);
    if (group.count > 0)
        ask(authorizer, &group, status);
    for (size_t i = 0; i < group.count; i++) {
        struct place place = group.places[i];
        jv calls = json_take_array(&documents[place.document], "calls");
        calls = jv_array_set(calls, place.index, jv_array_get(jv_copy(group.calls), (int)i));
        documents[place.document] = json_set(documents[place.document], "calls", calls);
    }
    jv_free(group.calls);
    free(group.places);
}

jv together_document(void *context, jv document, int *status) {
    together_documents(context, &document, 1, status);
    return document;
}
