#include "agent/list_row.h"

#include "agent/list_facts.h"
#include "base/memory.h"
#include "base/moment.h"
#include "base/utf8.h"
#include "system/columns.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* The columns before the message, and the least width that has room for all in one line. */
enum { STATE = 9, DOCUMENT = 30, WHO = 17, WHEN = 36, LEAST = 112 };

void list_row_line(struct text *to, const char *line, size_t width) {
    char *shown = must_copy(line);
    utf8_make_plain(shown);
    if (width > 0)
        columns_cut(shown, width);
    text_add_string(to, shown);
    text_add_string(to, "\n");
    free(shown);
}

/* Adds a column, whose end is a space. */
static void add_column(struct text *to, const char *text, size_t columns) {
    char *shown = must_copy(text);
    utf8_make_plain(shown);
    columns_pad(to, shown, columns - 1);
    text_add_string(to, " ");
    free(shown);
}

/* In one line, or in two. */
static void add_row(struct text *to, const char *state, const char *name, const char *who,
                    const char *when, const char *what, size_t width) {
    struct text line = {.text = NULL};
    add_column(&line, state, STATE);
    if (width > 0 && width < LEAST) {
        add_column(&line, when, WHEN);
        text_add_string(&line, name);
        list_row_line(to, line.text, width);
        line.size = 0;
        columns_pad(&line, "", STATE);
        text_add_string(&line, who);
        text_add_string(&line, *what != '\0' ? ": " : "");
        text_add_string(&line, what);
    } else {
        add_column(&line, name, DOCUMENT);
        add_column(&line, who, WHO);
        add_column(&line, when, WHEN);
        text_add_string(&line, what);
    }
    while (line.size > 0 && line.text[line.size - 1] == ' ')
        line.text[--line.size] = '\0';
    list_row_line(to, line.text, width);
    free(line.text);
}

void list_row_header(struct text *to, size_t width) {
    add_row(to, "STATE", "DOCUMENT", "WHO", "WHEN", "MESSAGE", width);
}

/* What happened to a call that its user has not decided, and what comes; the caller frees. */
static char *pending_words(jv call, double now) {
    double asked = 0, until = 0;
    bool has_asked = json_number(call, "requested_at", &asked);
    bool has_until = json_number(call, "expires_at", &until);
    char *ago = moment_about(now - asked), *left = moment_span(until - now);
    char *words = must_format("asked%s%s%s%s%s%s", has_asked ? " " : "", has_asked ? ago : "",
                              has_asked ? " ago" : "", has_until ? ", " : "",
                              !has_until    ? ""
                              : until > now ? left
                                            : "the time is up",
                              has_until && until > now ? " left" : "");
    free(ago);
    free(left);
    return words;
}

/* The same for a document of the state; the caller frees. */
static char *state_words(jv facts, enum list_state state, double now) {
    double time = 0;
    bool finished = json_number(facts, "at", &time);
    if (!finished)
        json_number(facts, "due_at", &time);
    char *span = finished ? moment_about(now - time) : moment_span(time - now), *words;
    if (finished)
        words = must_format("%s %s ago", state == LIST_DONE ? "done" : "failed", span);
    else if (time <= now)
        words = must_copy("due now");
    else
        words = must_format("due in %s", span);
    free(span);
    return words;
}

/* The columns of a call: its own state, unless the document has failed. `call` is invalid for a
 * document without calls. */
static void add_call(struct text *to, jv facts, jv call, const char *reason, double now,
                     size_t width) {
    bool is = jv_get_kind(call) == JV_KIND_OBJECT;
    enum list_state state = list_state(facts);
    const char *outcome = is ? json_string(call, "outcome") : NULL;
    const char *user = is ? json_string(call, "user") : NULL;
    const char *message = is ? json_string(call, "binding_message") : NULL;
    if (user == NULL && is)
        user = json_string(call, "login_hint");
    bool pending = state == LIST_PENDING && outcome != NULL && strcmp(outcome, "pending") == 0;
    char *when = pending ? pending_words(call, now) : state_words(facts, state, now);
    char *what =
        must_format("%s%s%s", message != NULL ? message : "",
                    message != NULL && reason != NULL ? "; " : "", reason != NULL ? reason : "");
    bool own = outcome != NULL && state != LIST_FAILED;
    add_row(to, own ? outcome : list_states[state], json_string(facts, "name"),
            user != NULL ? user : "-", when, what, width);
    free(when);
    free(what);
}

void list_row_document(struct text *to, jv facts, double now, size_t width) {
    jv own = json_get(facts, "spool"), calls = json_get(facts, "calls");
    const char *reason = json_string(own, "reason");
    jv_array_foreach(calls, i, call) {
        add_call(to, facts, call, reason, now, width);
        jv_free(call);
    }
    if (jv_array_length(jv_copy(calls)) == 0)
        add_call(to, facts, jv_invalid(), reason, now, width);
    jv_free(own);
    jv_free(calls);
}
