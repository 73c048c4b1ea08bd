#include "sandbox/script.h"

#include "jose/digest.h"
#include "model/conversation.h"
#include "sandbox/model_api.h"
#include "json/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *ticker_of(const char *name) {
    static const char *const companies[][2] = {
        {"google", "GOOGL"}, {"alphabet", "GOOGL"}, {"apple", "AAPL"},     {"microsoft", "MSFT"},
        {"amazon", "AMZN"},  {"nvidia", "NVDA"},    {"berkshire", "BRK.B"}};
    for (size_t i = 0; i < sizeof companies / sizeof *companies; i++)
        if (strcasecmp(companies[i][0], name) == 0)
            return companies[i][1];
    return name;
}

static jv tool_call(const char *name, const char *arguments) {
    char *id = random_call_id();
    jv call = model_call(id, name, arguments);
    free(id);
    return call;
}

static bool is_filler(const char *word) {
    static const char *const fillers[] = {"share", "shares", "stock", "stocks", "of"};
    for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++)
        if (strcasecmp(fillers[i], word) == 0)
            return true;
    return false;
}

/* "Buy 3 stocks of Google and 2 of Apple": a call for each number with the next word that is not a
 * filler. */
static jv calls_to_buy(const char *text) {
    jv calls = jv_array();
    double quantity = 0;
    char word[60];
    while (*text != '\0') {
        size_t size = strcspn(text, " ,!?\n"), used = size < sizeof word ? size : sizeof word - 1;
        snprintf(word, sizeof word, "%.*s", (int)used, text);
        if (isdigit((unsigned char)word[0])) {
            quantity = strtod(word, NULL);
        } else if (quantity > 0 && used > 0 && !is_filler(word)) {
            jv arguments = json_set_string(jv_object(), "ticker", ticker_of(word));
            arguments = json_set(arguments, "qty", jv_number(quantity));
            char *json = json_text(arguments);
            calls = jv_array_append(calls, tool_call("buy", json));
            jv_free(arguments);
            free(json);
            quantity = 0;
        }
        text += size;
        text += *text != '\0';
    }
    return calls;
}

/* `call NAME {…}`: exactly that call. */
static jv call_as_told(const char *text) {
    size_t name = strcspn(text, " ");
    char *tool = must_format("%.*s", (int)name, text);
    jv calls = JV_ARRAY(tool_call(tool, text[name] == ' ' ? text + name + 1 : ""));
    free(tool);
    return calls;
}

static jv message_with(const char *content, jv tool_calls) {
    jv message = json_set_string(jv_object(), "role", "assistant");
    message = json_set(message, "content", content != NULL ? jv_string(content) : jv_null());
    if (jv_array_length(jv_copy(tool_calls)) > 0)
        return json_set(message, "tool_calls", tool_calls);
    jv_free(tool_calls);
    return message;
}

static jv answer_user(const char *text, bool has_tools) {
    if (has_tools && strncasecmp(text, "buy ", 4) == 0)
        return message_with(NULL, calls_to_buy(text + 4));
    if (has_tools && strncmp(text, "call ", 5) == 0)
        return message_with(NULL, call_as_told(text + 5));
    if (strncmp(text, "json ", 5) == 0)
        return message_with(text + 5, jv_array());
    return message_with("I can buy shares for you: tell me how many, and of which company.",
                        jv_array());
}

/* The arguments of the call that a tool message answers, as "3 shares of GOOGL"; NULL if it does
 * not buy shares. */
static char *what_was_asked(jv tool_calls, const char *id) {
    char *what = NULL;
    struct error ignored;
    jv_array_foreach(tool_calls, i, call) {
        jv function = json_get(call, "function"), arguments = jv_invalid();
        const char *text = json_string(function, "arguments"), *ticker = NULL;
        double quantity;
        if (id != NULL && json_is(call, "id", id) && text != NULL &&
            json_parse(text, strlen(text), &arguments, &ignored))
            ticker = json_string(arguments, "ticker");
        if (ticker != NULL && json_number(arguments, "qty", &quantity)) {
            free(what);
            what = must_format("%.0f shares of %s", quantity, ticker);
        }
        jv_free(arguments);
        jv_free(function);
        jv_free(call);
    }
    return what;
}

/* Whether a tool's result reports success: OK, as text, as a JSON string (some SDKs do that), or as
 * the status. */
static bool was_done(const char *content) {
    struct error ignored;
    jv result;
    bool good = strcmp(content, "OK") == 0;
    if (json_parse(content, strlen(content), &result, &ignored))
        good = json_is(result, "status", "OK") || jv_equal(jv_copy(result), jv_string("OK"));
    jv_free(result);
    return good;
}

static jv answer_results(jv messages, int request) {
    jv asking = jv_array_get(jv_copy(messages), request), calls = json_get(asking, "tool_calls");
    jv text = jv_string("");
    jv_array_foreach(messages, i, message) {
        const char *content = json_string(message, "content");
        if (i > request && content != NULL) {
            char *what = what_was_asked(calls, json_string(message, "tool_call_id"));
            char *line = what == NULL        ? must_format("The tool says: %s", content)
                         : was_done(content) ? must_format("I bought %s for you.", what)
                         : strstr(content, "not known whether") != NULL
                             ? must_format("I cannot say whether I bought %s. %s", what, content)
                             : must_format("I did not buy %s. %s", what, content);
            text = jv_string_append_str(text, jv_string_length_bytes(jv_copy(text)) ? "\n" : "");
            text = jv_string_append_str(text, line);
            free(what);
            free(line);
        }
        jv_free(message);
    }
    jv answer = message_with(jv_string_value(text), jv_array());
    jv_free(text);
    jv_free(calls);
    jv_free(asking);
    return answer;
}

/* As OpenAI requires: each tool call is answered by a tool message before anything else follows. If
 * the conversation ends in such answers, *request is the index of their request. */
static bool conversation_sound(jv messages, int *request) {
    jv waiting = jv_array();
    bool good = jv_array_length(jv_copy(messages)) > 0;
    *request = -1;
    jv_array_foreach(messages, i, message) {
        if (json_is(message, "role", "tool")) {
            int count = jv_array_length(jv_copy(waiting));
            jv left = jv_array();
            jv_array_foreach(waiting, j, id) {
                if (json_is(message, "tool_call_id", jv_string_value(id)))
                    jv_free(id);
                else
                    left = jv_array_append(left, id);
            }
            good = good && jv_array_length(jv_copy(left)) == count - 1;
            jv_free(waiting);
            waiting = left;
        } else {
            good = good && json_string(message, "role") != NULL &&
                   jv_array_length(jv_copy(waiting)) == 0;
            *request = -1;
        }
        jv calls = json_get(message, "tool_calls");
        if (jv_get_kind(calls) == JV_KIND_ARRAY) {
            *request = i;
            jv_array_foreach(calls, j, call) {
                const char *id = json_string(call, "id");
                good = good && id != NULL;
                waiting = jv_array_append(waiting, jv_string(id != NULL ? id : ""));
                jv_free(call);
            }
        }
        jv_free(calls);
        jv_free(message);
    }
    good = good && jv_array_length(jv_copy(waiting)) == 0;
    jv_free(waiting);
    return good;
}

/* The text after what a program that runs the model puts before it in tags: the date, the folder,
 * reminders. */
static const char *after_context(const char *text) {
    for (;;) {
        text += strspn(text, " \n");
        size_t name = *text == '<' ? strcspn(text + 1, "<>/ \n") : 0;
        if (name == 0 || text[1 + name] != '>')
            return text;
        char *close = must_format("</%.*s>", (int)name, text + 1);
        const char *end = strstr(text, close);
        size_t closed = strlen(close);
        free(close);
        if (end == NULL)
            return text;
        text = end + closed;
    }
}

/* The messages with what the user himself said; without those of him in which he said nothing. */
static jv without_context(jv messages) {
    jv left = jv_array();
    jv_array_foreach(messages, i, message) {
        if (json_is(message, "role", "user")) {
            jv content = json_get(message, "content");
            char *text = conversation_content_text(content);
            const char *said = after_context(text);
            if (*said == '\0' && *text != '\0')
                jv_free(message);
            else
                left = jv_array_append(left, json_set_string(message, "content", said));
            jv_free(content);
            free(text);
        } else {
            left = jv_array_append(left, message);
        }
    }
    return left;
}

/* "Do this then that": the next step, after one step for each request for tools since the user's
 * message; the caller frees. NULL if all are done. */
static char *step_to_do(jv messages) {
    static const char between[] = " then ";
    char *text = must_copy("");
    int done = 0;
    jv_array_foreach(messages, i, message) {
        if (json_is(message, "role", "user")) {
            free(text);
            text = must_copy(json_string(message, "content"));
            done = 0;
        }
        done += json_has(message, "tool_calls");
        jv_free(message);
    }
    char *from = text;
    for (int i = 0; i < done && from != NULL; i++) {
        from = strstr(from, between);
        from = from != NULL ? from + strlen(between) : NULL;
    }
    char *end = from != NULL ? strstr(from, between) : NULL;
    char *step = from == NULL  ? NULL
                 : end == NULL ? must_copy(from)
                               : must_format("%.*s", (int)(end - from), from);
    free(text);
    return step;
}

bool script_answer(jv messages, bool has_tools, jv *answer) {
    int asking;
    jv said = without_context(messages);
    bool sound = conversation_sound(said, &asking);
    if (sound) {
        char *step = step_to_do(said);
        *answer = step != NULL ? answer_user(step, has_tools) : answer_results(said, asking);
        free(step);
    }
    jv_free(said);
    return sound;
}
