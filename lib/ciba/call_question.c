#include "ciba/call_question.h"

#include "base/utf8.h"
#include "jose/digest.h"
#include "oauth/authorization_details.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jq would make the same of different bytes that are not UTF-8. */
static bool is_text(const char *option, const char *source, struct error *error) {
    return source == NULL || utf8_valid(source, strlen(source)) ||
           fail(error, STATUS_USAGE, "%s: it is not UTF-8", option);
}

bool question_texts_make(struct question_texts *texts, const char *message, const char *details,
                         struct error *error) {
    return is_text("-m", message, error) && is_text("-d", details, error) &&
           (message == NULL || (texts->message = template_text(message, error)) != NULL) &&
           (details == NULL || (texts->details = template_filter(details, error)) != NULL);
}

void question_texts_free(struct question_texts *texts) {
    template_free(texts->message);
    template_free(texts->details);
}

/* A name or text as shown in the message: in quotes if it could be mistaken for another argument, a
 * number, or nothing. The caller frees. */
static char *message_word(jv text) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    static const char *const literals[] = {"true", "false", "null"};
    const char *word = json_value_string(text);
    bool quote = word == NULL || *word == '\0' || strspn(word, plain) != strlen(word) ||
                 strchr("0123456789-.", *word) != NULL;
    for (size_t i = 0; !quote && i < sizeof literals / sizeof *literals; i++)
        quote = strcmp(word, literals[i]) == 0;
    return quote ? json_text(text) : must_copy(word);
}

/* The default message: the tool and, if they are shown, its arguments, unambiguous. */
static jv plain_message(jv call, jv arguments, bool arguments_shown, struct error *error) {
    jv name = json_get(call, "name");
    char *message = jv_get_kind(name) == JV_KIND_STRING ? message_word(name) : must_copy("");
    const char *separator = ": ";
    jv keys = arguments_shown ? jv_keys(jv_copy(arguments)) : jv_array();
    bool good = true;
    jv_array_foreach(keys, i, key) {
        jv value = jv_object_get(jv_copy(arguments), jv_copy(key));
        bool is_text = jv_get_kind(value) == JV_KIND_STRING;
        char *shown = is_text ? message_word(value) : json_canonical(value, error);
        char *argument = message_word(key);
        good = good && shown != NULL;
        char *longer =
            must_format("%s%s%s %s", message, separator, argument, shown != NULL ? shown : "");
        free(message);
        free(shown);
        free(argument);
        message = longer;
        separator = ", ";
        jv_free(key);
        jv_free(value);
    }
    jv text = good ? jv_string(message) : jv_invalid();
    free(message);
    jv_free(name);
    jv_free(keys);
    return text;
}

/* The text as the message. JSON would make the same of different bytes that are not UTF-8. */
static bool plain_text(const char *text, jv *message, struct error *error) {
    bool good = utf8_valid(text, strlen(text)) ||
                fail(error, STATUS_INPUT, "the message is not UTF-8; nobody was asked");
    if (good)
        *message = jv_string(text);
    return good;
}

/* Makes the details from the input. False and an error. */
static bool make_details(const struct question_texts *texts, jv input, jv *details,
                         struct error *error) {
    if (texts->details == NULL)
        return true;
    if (!template_run(texts->details, input, details, error))
        return false;
    if (jv_get_kind(*details) == JV_KIND_OBJECT)
        *details = JV_ARRAY(*details);
    return jv_get_kind(*details) == JV_KIND_ARRAY ||
           fail(error, STATUS_INPUT, "-d gives no object and no array");
}

/* Makes the message of --text or -m from the input. False and an error. */
static bool make_message(const struct question_texts *texts, jv input, jv *message,
                         struct error *error) {
    if (texts->text == NULL)
        return template_run(texts->message, input, message, error);
    return plain_text(texts->text, message, error);
}

static bool has_no_nul(jv message, struct error *error) {
    return json_value_string(message) != NULL ||
           fail(error, STATUS_INPUT, "the message has a NUL in it");
}

bool call_question(const struct question_texts *texts, jv call, jv *message, jv *details,
                   struct error *error) {
    jv arguments = json_get(call, "arguments");
    *message = *details = jv_invalid();
    bool good = call_has_arguments(call, error);
    if (good && (texts->text != NULL || texts->message != NULL))
        good = make_message(texts, arguments, message, error);
    else if (good && texts->made != NULL && !texts->only_tool)
        good = plain_text(texts->made, message, error);
    else if (good)
        good = jv_is_valid(*message = plain_message(call, arguments, !texts->only_tool, error));
    good = good && has_no_nul(*message, error) && make_details(texts, arguments, details, error);
    jv_free(arguments);
    return good;
}

bool call_has_arguments(jv call, struct error *error) {
    jv arguments = json_get(call, "arguments");
    bool has = jv_get_kind(arguments) == JV_KIND_OBJECT;
    jv_free(arguments);
    return has || fail(error, STATUS_INPUT, "its arguments are not an object");
}

/* What the templates get: the calls without their authorizations. */
static jv calls_as_input(jv calls) {
    static const char *const shown[] = {"id", "name", "arguments"};
    jv input = jv_array();
    jv_array_foreach(calls, i, call) {
        jv one = jv_object();
        for (size_t k = 0; k < sizeof shown / sizeof *shown; k++)
            if (json_has(call, shown[k]))
                one = json_set(one, shown[k], json_get(call, shown[k]));
        input = jv_array_append(input, one);
        jv_free(call);
    }
    return input;
}

/* The default message: how many calls of which tools, in the order of the calls. */
static jv counts_message(jv calls) {
    jv names = jv_array(), counts = jv_object();
    int count = jv_array_length(jv_copy(calls));
    jv_array_foreach(calls, i, call) {
        jv name = json_get(call, "name"), none = jv_string("");
        char *word = message_word(jv_get_kind(name) == JV_KIND_STRING ? name : none);
        double before = 0;
        if (!json_number(counts, word, &before))
            names = jv_array_append(names, jv_string(word));
        counts = json_set(counts, word, jv_number(before + 1));
        free(word);
        jv_free(name);
        jv_free(none);
        jv_free(call);
    }
    char *message = must_format("%d calls", count);
    const char *separator = ": ";
    jv_array_foreach(names, k, word) {
        double number = 0;
        json_number(counts, jv_string_value(word), &number);
        char *longer =
            must_format("%s%s%.0f %s", message, separator, number, jv_string_value(word));
        free(message);
        message = longer;
        separator = ", ";
        jv_free(word);
    }
    jv text = jv_string(message);
    free(message);
    jv_free(names);
    jv_free(counts);
    return text;
}

bool calls_question(const struct question_texts *texts, jv calls, jv *message, jv *details,
                    struct error *error) {
    static const char hint[] = "; with --together -m and -d get an array of calls, and "
                               "\\(.[0].arguments.x) is the first one's argument x";
    jv input = calls_as_input(calls), first = jv_array_get(jv_copy(calls), 0);
    jv arguments = json_get(first, "arguments");
    bool plain = texts->text == NULL && texts->message == NULL, good = true;
    *message = *details = jv_invalid();
    if (plain && jv_array_length(jv_copy(calls)) == 1)
        good = jv_is_valid(*message = plain_message(first, arguments, true, error));
    else if (plain)
        *message = counts_message(calls);
    else
        good = make_message(texts, input, message, error);
    good = good && has_no_nul(*message, error) && make_details(texts, input, details, error);
    if (!good && !plain) {
        size_t size = strlen(error->text);
        snprintf(error->text + size, sizeof error->text - size, "%s", hint);
    }
    jv_free(input);
    jv_free(first);
    jv_free(arguments);
    return good;
}

jv details_with_message(jv details, const char *type, const char *digest, const char *message) {
    struct error ignored;
    jv text = jv_string(message), detail = json_set_string(jv_object(), "type", type);
    detail = json_set_string(json_set(detail, "message", jv_copy(text)), "call_digest", digest);
    jv alone = JV_ARRAY(jv_copy(detail));
    if (!details_sound(alone, &ignored)) {
        char *visible = json_visible(text);
        detail = json_set_string(detail, "message", visible);
        free(visible);
    }
    jv_free(alone);
    jv_free(text);
    return jv_array_append(jv_is_valid(details) ? details : jv_array(), detail);
}

jv question_document(const struct question_texts *texts) {
    struct error ignored;
    jv nothing = jv_object(), message = jv_invalid();
    if (texts->text != NULL)
        message = jv_string(texts->text);
    else
        template_run(texts->message, nothing, &message, &ignored);
    char *id = random_call_id();
    jv call = json_set_string(jv_object(), "id", id);
    call = json_set(call, "arguments", json_set(jv_object(), "message", message));
    jv_free(nothing);
    free(id);
    return json_set(jv_object(), "calls", JV_ARRAY(call));
}
