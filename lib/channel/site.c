#include "channel/site.h"

#include "base/memory.h"
#include "channel/page.h"
#include "channel/question.h"
#include "channel/question_spool.h"
#include "channel/user.h"
#include "http/form.h"
#include "http/url.h"
#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WAIT_SECONDS = 6 /* of the user, for Keycloak */ };

char *site_header_lines(const struct site_reply *reply) {
    static const char always[] = "Cache-Control: no-store\r\n"
                                 "Referrer-Policy: same-origin\r\n"
                                 "X-Content-Type-Options: nosniff\r\n";
    if (reply->page.size == 0)
        return must_copy(always);
    return must_format("Content-Type: text/html; charset=utf-8\r\n"
                       "Content-Security-Policy: default-src 'none'; style-src 'nonce-%s'; "
                       "form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"
                       "X-Frame-Options: DENY\r\n"
                       "Cross-Origin-Opener-Policy: same-origin\r\n%s",
                       reply->nonce, always);
}

void site_reply_free(struct site_reply *reply) {
    free(reply->page.text);
    free(reply->first);
}

static void say(struct site_reply *reply, int status, const char *title, const char *message) {
    reply->status = status;
    page_message(&reply->page, title, message, reply->nonce);
}

/* Keycloak's question. */
static void take_question(const struct site *site, const struct server_request *request,
                          struct site_reply *reply) {
    struct error error;
    jv question;
    reply->status = question_of_request(site->channel, request, &question, &error);
    if (reply->status == 0)
        reply->status = question_keep(site->channel, question, &reply->first, &error);
    if (reply->status != 201)
        report("the question", "%s", error.text);
    reply->go = true;
    jv_free(question);
}

/* Who is at the page; the caller frees. NULL: has been answered. */
static char *user_of(const struct site *site, const struct server_request *request,
                     struct site_reply *reply) {
    struct error error;
    char *user = channel_user(site->channel, request, &error);
    if (user != NULL)
        return user;
    report(NULL, "%s", error.text);
    if (error.status == STATUS_REFUSED)
        say(reply, 403, "Not logged in",
            "This page needs a login, and the web server names no user.");
    else
        say(reply, 503, "Try again", "It cannot be checked who you are now.");
    return NULL;
}

/* All of the user's questions, or the one with this id. */
static void show_questions(const struct site *site, const char *user, const char *id,
                           struct site_reply *reply) {
    jv shown = jv_array();
    struct question_names names = question_names(site->channel->directory, user);
    char *only = id != NULL ? question_name(user, id) : NULL;
    for (size_t i = 0; i < names.count; i++) {
        jv question = jv_invalid();
        if (id == NULL || (only != NULL && strcmp(only, names.names[i]) == 0))
            question = question_read(site->channel->directory, names.names[i]);
        if (json_is(question, "user", user))
            shown = jv_array_append(shown, jv_copy(question));
        jv_free(question);
    }
    question_names_free(&names);
    free(only);
    reply->go = true;
    if (id != NULL && jv_array_length(jv_copy(shown)) == 0) {
        jv_free(shown);
        say(reply, 404, "No such question", "You have no such question: it may have expired.");
        return;
    }
    reply->status = 200;
    page_questions(&reply->page, user, shown, reply->nonce);
}

/* Whether the browser says that the form was sent from another site. Those that say nothing are
 * held by the form's token alone. */
static bool is_from_elsewhere(const struct site *site, const struct server_request *request) {
    struct error ignored;
    if (request->fetch_site != NULL && strcmp(request->fetch_site, "same-origin") != 0)
        return true;
    if (request->origin == NULL)
        return false;
    char *ours = http_target(site->channel->url, &ignored);
    char *slash = ours != NULL ? strchr(strstr(ours, "://") + 3, '/') : NULL;
    if (slash != NULL)
        *slash = '\0';
    bool same = ours != NULL && strcasecmp(ours, request->origin) == 0;
    free(ours);
    return !same;
}

/* After the answer is written down: what Keycloak says of it, if it is quick. */
static void show_outcome(const struct site *site, const char *user, const char *id, bool yes,
                         bool is_first, struct site_reply *reply) {
    reply->first = question_name(user, id);
    if (is_first) {
        assistant_go(site->assistant, reply->first);
        assistant_wait(site->assistant, WAIT_SECONDS);
    }
    jv question = question_read(site->channel->directory, reply->first);
    bool same = json_is(question, "answer", yes ? "yes" : "no");
    if (is_first && question_is(question, "answered"))
        report("the answer", "Keycloak has not taken it yet; it is sent again. If this stays so, "
                             "ciba-channel --deliver says why");
    say(reply, is_first || same ? 200 : 409, same ? "Your answer" : "You have answered before",
        page_state(question));
    jv_free(question);
}

static void give_answer(const struct site *site, const char *user, jv form,
                        struct site_reply *reply) {
    struct error error;
    const char *id = json_string(form, "id"), *token = json_string(form, "token");
    const char *word = json_string(form, "answer");
    bool yes = word != NULL && strcmp(word, "yes") == 0;
    if (id == NULL || token == NULL || word == NULL || (!yes && strcmp(word, "no") != 0)) {
        say(reply, 400, "No answer", "This is not the answer of a question's page.");
        return;
    }
    switch (question_answer(site->channel, user, id, token, yes, &error)) {
    case ANSWER_KEPT:
        show_outcome(site, user, id, yes, true, reply);
        break;
    case ANSWER_OTHER:
        show_outcome(site, user, id, yes, false, reply);
        break;
    case ANSWER_LATE:
        say(reply, 410, "Too late", "The request has expired. It is not approved.");
        break;
    case ANSWER_UNKNOWN:
        say(reply, 404, "No such question", "You have no such question: it may have expired.");
        break;
    case ANSWER_FORGED:
        say(reply, 403, "Not taken", "This answer did not come from the question's page.");
        break;
    case ANSWER_FAILED:
        report("the answer", "%s", error.text);
        say(reply, 500, "Try again",
            "Your answer could not be written down. It has not been given.");
        break;
    }
}

static void take_answer(const struct site *site, const struct server_request *request,
                        struct site_reply *reply) {
    jv form;
    char *user = user_of(site, request, reply);
    if (user == NULL)
        return;
    reply->go = true;
    if (is_from_elsewhere(site, request)) {
        report("the answer", "was sent by a page of another site, '%s'; is CIBA_CHANNEL_URL right?",
               request->origin != NULL ? request->origin : request->fetch_site);
        say(reply, 403, "Not taken", "This answer did not come from the question's page.");
    } else if (!server_request_is(request, "application/x-www-form-urlencoded") ||
               !form_parse(request->body, request->size, &form)) {
        say(reply, 400, "No answer", "This is not the answer of a question's page.");
    } else {
        give_answer(site, user, form, reply);
        jv_free(form);
    }
    free(user);
}

/* The end of the path, after the page's own: "/", "/ID", "/answer", "/request/SECRET". */
static const char *route_of(const struct site *site, const char *path) {
    const char *host = strstr(site->channel->url, "://") + 3, *prefix = host + strcspn(host, "/");
    size_t size = strlen(prefix);
    size -= size > 0; /* without the last slash */
    return site->is_http && strncmp(path, prefix, size + 1) == 0 ? path + size : path;
}

void site_answer(const struct site *site, const struct server_request *request,
                 struct site_reply *reply) {
    static const char requests[] = "/request/";
    char *nonce = random_name(24);
    memcpy(reply->nonce, nonce, strlen(nonce) + 1);
    free(nonce);
    if (request->path == NULL || request->method == NULL) {
        report(NULL, "the web server does not set %s; see EXAMPLES in ciba-channel(1)",
               request->method == NULL ? "REQUEST_METHOD" : "PATH_INFO");
        reply->status = 500;
        return;
    }
    const char *path = route_of(site, request->path);
    if (*path != '/') {
        reply->status = 400;
        return;
    }
    bool is_post = strcmp(request->method, "POST") == 0;
    bool is_get = strcmp(request->method, "GET") == 0;
    if (strncmp(path, requests, sizeof requests - 1) == 0) {
        bool known = same_secret(path + sizeof requests - 1, site->channel->secret);
        if (known && is_post)
            take_question(site, request, reply);
        else
            reply->status = known ? 405 : 404;
        if (!known)
            report("the question", "its address does not end in CIBA_CHANNEL_SECRET; is it the "
                                   "same in Keycloak's configuration?");
    } else if (strcmp(path, "/answer") == 0) {
        if (is_post)
            take_answer(site, request, reply);
        else
            reply->status = 405;
    } else if (!is_get) {
        reply->status = 405;
    } else {
        char *user = user_of(site, request, reply);
        if (user != NULL)
            show_questions(site, user, path[1] != '\0' ? path + 1 : NULL, reply);
        free(user);
    }
}
