#include "channel/page.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "channel/question.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    ":root { color-scheme: light dark; --edge: #8886; --yes: #0a7a3d; --no: #b3261e; }\n"
    "body { font: 17px/1.45 system-ui, sans-serif; max-width: 30rem; margin: 0 auto; "
    "padding: 1rem; }\n"
    "h1 { font-size: 1.2rem; margin: 0.5rem 0 0; }\n"
    "h2 { font-size: 0.9rem; font-weight: 400; opacity: 0.7; margin: 0; }\n"
    ".about { font-size: 0.9rem; opacity: 0.7; margin: 0 0 1rem; overflow-wrap: anywhere; }\n"
    "article { border: 1px solid var(--edge); border-radius: 12px; padding: 1rem; "
    "margin: 0 0 1rem; }\n"
    ".message { font-size: 1.25rem; font-weight: 600; margin: 0 0 0.75rem; "
    "overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }\n"
    "dl { display: grid; grid-template-columns: auto 1fr; gap: 0.15rem 0.75rem; "
    "margin: 0 0 1rem; font-size: 0.9rem; }\n"
    "dt { opacity: 0.7; overflow-wrap: anywhere; }\n"
    "dd { margin: 0; overflow-wrap: anywhere; unicode-bidi: isolate; }\n"
    ".details dt, .details dd { font: 0.85rem monospace; white-space: pre-wrap; }\n"
    ".details { border-left: 3px solid var(--edge); padding-left: 0.75rem; margin-top: 0.25rem; }\n"
    ".buttons { display: flex; gap: 0.75rem; }\n"
    "button { flex: 1; font: inherit; font-weight: 600; padding: 0.8rem; border: 0; "
    "border-radius: 10px; color: #fff; cursor: pointer; }\n"
    "button:focus-visible { outline: 3px solid #4c8dff; outline-offset: 2px; }\n"
    ".approve { background: var(--yes); }\n"
    ".deny { background: var(--no); }\n"
    ".done { opacity: 0.75; }\n";

/* One character of others' text, of `size` bytes. */
static void add_character(struct text *page, const char *bytes, size_t size, uint32_t character) {
    static const struct {
        char character;
        const char *html;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    char number[16];
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (character == (uint32_t)escapes[i].character) {
            text_add_string(page, escapes[i].html);
            return;
        }
    if (utf8_visible(character)) {
        text_add(page, bytes, size);
    } else {
        snprintf(number, sizeof number, "[U+%04lX]", (unsigned long)character);
        text_add_string(page, number);
    }
}

/* Others' text: what could be markup, or could not be seen, is shown harmlessly. */
static void add(struct text *page, const char *text) {
    uint32_t character;
    for (size_t size = strlen(text), at = 0, length; at < size; at += length) {
        length = utf8_decode(text + at, size - at, &character);
        if (length == 0) {
            length = 1;
            character = 0xFFFD;
        }
        add_character(page, text + at, length, character);
    }
}

/* A string as it is, any other value as JSON; the caller frees. */
static char *shown(jv value) {
    const char *text = json_value_string(value);
    return text != NULL ? must_copy(text) : json_visible(value);
}

static void begin_page(struct text *page, const char *title, const char *nonce) {
    text_add_string(page,
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<title>");
    add(page, title);
    text_add_string(page, "</title>\n<style nonce=\"");
    add(page, nonce);
    text_add_string(page, "\">\n");
    text_add_string(page, style);
    text_add_string(page, "</style>\n</head>\n<body>\n<h1>");
    add(page, title);
    text_add_string(page, "</h1>\n");
}

static void end_page(struct text *page) {
    text_add_string(page, "</body>\n</html>\n");
}

/* A name with a value; nothing without a value. */
static void add_row(struct text *page, const char *name, const char *value) {
    if (value == NULL || *value == '\0')
        return;
    text_add_string(page, "<dt>");
    add(page, name);
    text_add_string(page, "</dt><dd>");
    add(page, value);
    text_add_string(page, "</dd>\n");
}

/* A time, and how long it is until then. */
static void add_until(struct text *page, double until) {
    double left = floor(until - clock_now());
    char *time = clock_text(until);
    char *text = left > 0 ? must_format("%s, %.0f:%02.0f left", time, floor(left / 60),
                                        left - 60 * floor(left / 60))
                          : must_format("%s, over", time);
    add_row(page, "Answer until", text);
    free(text);
    free(time);
}

/* What the client has sent beside what Keycloak knows; its names are the client's too. */
static void add_details(struct text *page, jv question) {
    jv details = json_get(question, "details");
    if (jv_get_kind(details) == JV_KIND_OBJECT) {
        text_add_string(page, "<h2>Details, in the client's words</h2>\n<dl class=\"details\">\n");
        jv_object_foreach(details, key, value) {
            char *text = shown(value);
            add_row(page, jv_string_value(key), *text != '\0' ? text : "\"\"");
            free(text);
            jv_free(key);
            jv_free(value);
        }
        text_add_string(page, "</dl>\n");
    }
    jv_free(details);
}

static void add_form(struct text *page, jv question) {
    text_add_string(page, "<form method=\"post\" action=\"answer\" class=\"buttons\">\n"
                          "<input type=\"hidden\" name=\"id\" value=\"");
    add(page, json_string(question, "id"));
    text_add_string(page, "\">\n<input type=\"hidden\" name=\"token\" value=\"");
    add(page, json_string(question, "page_token"));
    text_add_string(page,
                    "\">\n"
                    "<button class=\"approve\" name=\"answer\" value=\"yes\">Approve</button>\n"
                    "<button class=\"deny\" name=\"answer\" value=\"no\">Deny</button>\n"
                    "</form>\n");
}

static void add_open(struct text *page, jv question) {
    double asked_at = 0, until = 0;
    const char *message = json_string(question, "message");
    json_number(question, "asked_at", &asked_at);
    json_number(question, "expires_at", &until);
    char *time = clock_text(asked_at);
    jv consent = json_get(question, "consent");
    text_add_string(page, "<article>\n<p class=\"message\">");
    add(page, message != NULL && *message != '\0' ? message : "(The client sent no message.)");
    text_add_string(page, "</p>\n<dl>\n");
    add_row(page, "Who is asked", json_string(question, "login_hint"));
    add_row(page, "Asked by", json_string(question, "client"));
    add_row(page, "Asked at", time);
    add_until(page, until);
    add_row(page, "Access", json_string(question, "scope"));
    add_row(page, "Level", json_string(question, "acr_values"));
    if (jv_get_kind(consent) == JV_KIND_TRUE)
        add_row(page, "Consent", "by approving you consent to this access");
    text_add_string(page, "</dl>\n");
    add_details(page, question);
    add_form(page, question);
    text_add_string(page, "</article>\n");
    jv_free(consent);
    free(time);
}

const char *page_state(jv question) {
    static const struct {
        const char *outcome, *yes, *no;
    } states[] = {
        {"taken", "Approved. You can close this page.", "Denied. You can close this page."},
        {"refused", "You approved, but your answer could not be delivered: Keycloak refused it.",
         "You denied. Keycloak refused your answer; the request is not approved."},
        {"unknown", "You approved. It is not known whether Keycloak has taken your answer.",
         "You denied. It is not known whether Keycloak has taken your answer; it is not approved."},
        {"expired", "The request has expired.", "The request has expired."}};
    bool yes = json_is(question, "answer", "yes");
    if (question_is(question, "answered"))
        return yes ? "You approved. Your answer is on its way to Keycloak."
                   : "You denied. Your answer is on its way to Keycloak.";
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (json_is(question, "outcome", states[i].outcome))
            return yes ? states[i].yes : states[i].no;
    return "The request has expired.";
}

static void add_done(struct text *page, jv question) {
    text_add_string(page, "<article class=\"done\">\n<p class=\"message\">");
    add(page, page_state(question));
    text_add_string(page, "</p>\n</article>\n");
}

void page_questions(struct text *page, const char *user, jv questions, const char *nonce) {
    int open = 0, count = jv_array_length(jv_copy(questions));
    char *about = must_format("You are %s.", user);
    begin_page(page, "Your approval is asked for", nonce);
    text_add_string(page, "<p class=\"about\">");
    add(page, about);
    text_add_string(page, "</p>\n<main>\n");
    free(about);
    for (int done = 0; done < 2; done++)
        for (int i = 0; i < count; i++) {
            jv question = jv_array_get(jv_copy(questions), i);
            bool is_open = question_is(question, "open") && !question_has_expired(question);
            if (is_open && !done)
                add_open(page, question);
            else if (!is_open && done)
                add_done(page, question);
            open += is_open && !done;
            jv_free(question);
        }
    if (open == 0)
        text_add_string(page, "<p role=\"status\">Nothing is waiting for you.</p>\n");
    text_add_string(page, "<p class=\"about\"><a href=\"./\">Look again</a></p>\n</main>\n");
    end_page(page);
    jv_free(questions);
}

void page_message(struct text *page, const char *title, const char *message, const char *nonce) {
    begin_page(page, title, nonce);
    text_add_string(page,
                    "<main>\n<article class=\"done\">\n<p class=\"message\" role=\"status\">");
    add(page, message);
    text_add_string(page, "</p>\n</article>\n<p class=\"about\"><a href=\"./\">Your questions</a>"
                          "</p>\n</main>\n");
    end_page(page);
}
