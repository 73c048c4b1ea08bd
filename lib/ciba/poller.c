#include "ciba/poller.h"

#include "base/clock.h"
#include "ciba/next_poll.h"
#include "ciba/notification_spool.h"
#include "ciba/pending_documents.h"
#include "ciba/token_answer.h"
#include "document/call.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LAST_LOOKS = 10,         /* for an answer, when time is up */
    ANSWER_SIZE = 32 * 1024, /* bytes reserved for one call's tokens, an estimate */
    LOOK_FOR_ROOM = 5        /* seconds between checks whether a full disk has space again */
};

struct poller {
    struct client *client;
    struct poller_settings settings;
    struct pending_documents pending;
    long parallel, under_way;
    const char *token_endpoint; /* NULL until discovery */
    int discovery_troubles;
    bool leaving; /* stopping: nothing is waited for any more */
    bool is_full; /* there was no space for another answer last time */
};

struct poller *poller_new(struct client *client, const struct poller_settings *settings,
                          pending_output output, void *context) {
    struct poller *poller = must_alloc(sizeof *poller);
    poller->client = client;
    poller->settings = *settings;
    poller->pending = (struct pending_documents){
        .proof = {.client = client, .ledger = settings->ledger, .gate = settings->gate},
        .spool = settings->spool,
        .once = settings->once,
        .output = output,
        .give_back = settings->give_back,
        .decided = settings->decided,
        .shared = {.brief = settings->give_back != NULL},
        .context = context};
    poller->parallel = settings->parallel > 0 ? settings->parallel : 1;
    return poller;
}

void poller_free(struct poller *poller) {
    poller_give_up(poller, 0);
    shared_requests_free(&poller->pending.shared);
    free(poller->pending.heap.items);
    free(poller);
}

size_t poller_waiting(const struct poller *poller) {
    return poller->pending.count;
}

static void wait_for(struct poller *poller, struct pending_request *request) {
    heap_push(&poller->pending.heap, &request->when);
}

/* The request that is due first; there must be one. It stays in the heap. */
static struct pending_request *soonest(const struct poller *poller) {
    return (struct pending_request *)poller->pending.heap.items[0];
}

unsigned long poller_approved(const struct poller *poller) {
    return poller->pending.approved;
}

void poller_add(struct poller *poller, jv document, const struct document_reader *reader) {
    pending_documents_add(&poller->pending, document, reader);
}

void poller_add_stage(struct poller *poller, struct stage_document *stage, double most) {
    pending_documents_add_stage(&poller->pending, stage, clock_elapsed() + most);
}

/* Verbose output: whom it waits for. */
static void tell_once(struct pending_request *request) {
    if (request->told || !is_verbose())
        return;
    request->told = true;
    jv call = pending_request_call(request, 0), authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    const char *message = json_string(authorization, "binding_message");
    report_verbose(pending_request_label(request, call), "waiting for %s, %.0f s at most: %s",
                   user != NULL ? user : "the user", request->deadline - clock_elapsed(),
                   message != NULL ? message : "");
    jv_free(authorization);
    jv_free(call);
}

/* The request has expired. */
static void expire(struct poller *poller, struct pending_request *request,
                   const struct error *trouble) {
    struct word word = {.notification = jv_invalid(), .trouble = trouble};
    enum ciba_next next;
    struct error none;
    jv call = pending_request_call(request, 0);
    if (trouble->status != STATUS_DONE)
        report(pending_request_label(request, call),
               "expired while the provider could not be reached (%s)", trouble->text);
    pending_decide(&poller->pending, request,
                   pending_hear(&poller->pending, call, &word, &next, &none), &word);
}

/* Whether a document that waits for it waits no longer. */
static bool is_late(const struct pending_request *request) {
    bool late = false;
    for (size_t i = 0; i < request->count; i++)
        late = late || request->calls[i].owner->late;
    return late;
}

/* Schedules the next poll, or ends the wait if its time is over. */
static void wait_again(struct poller *poller, struct pending_request *request, double seconds,
                       const struct error *trouble) {
    double now = clock_elapsed();
    if (now >= request->deadline) {
        expire(poller, request, trouble);
        return;
    }
    request->when.due = now + seconds;
    request->polled = true;
    if (poller->leaving || is_late(request) || (poller->settings.once && seconds > 0))
        pending_leave(&poller->pending, request);
    else
        wait_for(poller, request);
}

/* Handles an answer other than "not yet". */
static void take_other_answer(struct poller *poller, struct pending_request *request,
                              const struct http_answer *answer) {
    struct word word = {.answer = answer, .notification = jv_invalid()};
    enum ciba_next next;
    struct error error;
    jv call =
        pending_hear(&poller->pending, pending_request_call(request, 0), &word, &next, &error);
    const char *label = pending_request_label(request, call);
    if (next == CIBA_DECIDED) {
        if (error.status != STATUS_DONE && call_exit_status(call) > STATUS_NO)
            report(label, "%s", error.text);
        pending_decide(&poller->pending, request, call, &word);
        return;
    }
    double seconds = 0;
    if (next == CIBA_TROUBLE || request->troubles > 0) {
        report_verbose(label, "%s; trying again", error.text);
        seconds = next_poll_after_trouble(request, answer);
    }
    request->troubles++;
    jv_free(call);
    wait_again(poller, request, seconds, &error);
}

static void take_answer(struct poller *poller, struct pending_request *request,
                        const struct http_answer *answer) {
    struct error none = {STATUS_DONE, ""};
    request->sent = false;
    poller->under_way--;
    poller->pending.awaited -= request->count;
    if (!ciba_still_pending(poller->client, answer, &request->interval)) {
        take_other_answer(poller, request, answer);
        return;
    }
    request->troubles = 0;
    tell_once(request);
    /* The provider knows best how long the user can answer: clocks differ, and are set. */
    if (clock_elapsed() >= request->deadline && !request->outlived) {
        request->outlived = true;
        request->deadline = clock_elapsed() + request->lifetime;
    }
    wait_again(poller, request, next_poll_while_pending(request, answer), &none);
}

/* Takes all requests out of the heap; the caller frees the array. */
static struct pending_request **take_all(struct poller *poller, size_t *count) {
    *count = poller->pending.heap.count;
    struct pending_request **requests = must_alloc((*count + 1) * sizeof(struct pending_request *));
    for (size_t i = 0; i < *count; i++)
        requests[i] = (struct pending_request *)poller->pending.heap.items[i];
    poller->pending.heap.count = 0;
    return requests;
}

/* Handles a notification for a request, which is out of the heap: polls, or ends the wait. */
static void take_notification(struct poller *poller, struct pending_request *request) {
    jv call = pending_request_call(request, 0);
    struct word word = {.notification = jv_invalid()};
    enum ciba_next next = CIBA_TROUBLE;
    struct error error = {STATUS_PROTOCOL, "the notification cannot be read"};
    size_t size;
    char *text = notification_spool_get(poller->settings.spool, request->digest, &size);
    if (text != NULL && json_parse(text, size, &word.notification, &error))
        call = pending_hear(&poller->pending, call, &word, &next, &error);
    if (error.status != STATUS_DONE)
        report(pending_request_label(request, call), "%s", error.text);
    if (next == CIBA_TROUBLE)
        notification_spool_drop(poller->settings.spool, request->digest);
    free(text);
    if (next == CIBA_DECIDED) {
        pending_decide(&poller->pending, request, call, &word);
        jv_free(word.notification);
        return;
    }
    jv_free(word.notification);
    jv_free(call);
    request->expects = next == CIBA_TROUBLE;
    request->when.due = request->expects ? clock_elapsed() + next_poll_safety(request) : 0;
    wait_for(poller, request);
}

void poller_look_for_notifications(struct poller *poller) {
    size_t count;
    if (poller->settings.spool == NULL)
        return;
    struct pending_request **requests = take_all(poller, &count);
    for (size_t i = 0; i < count; i++) {
        if (pending_has_notification(&poller->pending, requests[i]))
            requests[i]->when.due = 0;
        wait_for(poller, requests[i]);
    }
    free(requests);
}

double poller_leave_late(struct poller *poller) {
    double now = clock_elapsed(), next = INFINITY;
    bool any = false;
    struct waiting_document *waiting = poller->pending.earliest;
    for (; waiting != NULL && next == INFINITY && waiting->deadline < INFINITY;
         waiting = waiting->previous) {
        if (waiting->deadline > now) {
            next = waiting->deadline;
        } else if (!waiting->late) {
            waiting->late = any = true;
        }
    }
    size_t count = 0;
    struct pending_request **requests = any ? take_all(poller, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (is_late(requests[i]))
            pending_leave(&poller->pending, requests[i]);
        else
            wait_for(poller, requests[i]);
    }
    free(requests);
    return next;
}

/* Ends every wait without a request under way with the error; or delays it, if a retry may help and
 * there is time. */
static void discovery_failed(struct poller *poller, const struct error *error) {
    bool worth_it = error->status == STATUS_UNAVAILABLE && !poller->settings.once;
    if (poller->discovery_troubles == 0 || !worth_it)
        report(poller->client->issuer.url, "%s%s", error->text, worth_it ? "; trying again" : "");
    double seconds = next_poll_backoff(1, poller->discovery_troubles++);
    size_t count;
    struct pending_request **requests = take_all(poller, &count);
    for (size_t i = 0; i < count; i++) {
        if (worth_it) {
            wait_again(poller, requests[i], seconds, error);
        } else {
            pending_request_worsen(requests[i], error->status);
            pending_leave(&poller->pending, requests[i]);
        }
    }
    free(requests);
}

/* Gets what polling needs from the issuer: the endpoint, and the keys for checking answers, so that
 * no token is lost because they are unavailable later. */
static bool issuer_ready(struct poller *poller) {
    struct error error;
    if (poller->token_endpoint != NULL)
        return true;
    if (client_discover(poller->client, &error) &&
        issuer_fetch_keys(&poller->client->issuer, false, &error) &&
        (poller->token_endpoint =
             issuer_endpoint(&poller->client->issuer, "token_endpoint", &error)) != NULL)
        return true;
    discovery_failed(poller, &error);
    return false;
}

/* Whether one more answer can be recorded; a token that cannot be would be lost. The journal has
 * what the user was asked beside it, no more than the documents have. */
static bool has_room(const struct poller *poller, const struct pending_request *request,
                     struct error *error) {
    size_t answers = (size_t)(poller->under_way + 1) * ANSWER_SIZE;
    double tokens = (double)(poller->pending.awaited + request->count) * ANSWER_SIZE;
    return ledger_reserve(poller->settings.ledger, answers + (size_t)poller->pending.size, error) &&
           (durable_has_room(STDOUT_FILENO, poller->pending.size + tokens) ||
            fail(error, STATUS_IO, "stdout: no space left for an answer"));
}

/* There is no space: continues the wait, which is out of the heap, while there is time. */
static void await_room(struct poller *poller, struct pending_request *request,
                       const struct error *error) {
    if (!poller->is_full)
        report(NULL, "%s; nothing is polled until there is room", error->text);
    poller->is_full = true;
    double now = clock_elapsed();
    request->when.due = now + LOOK_FOR_ROOM;
    if (!poller->settings.once && !poller->leaving && now < request->deadline) {
        wait_for(poller, request);
        return;
    }
    pending_request_worsen(request, error->status);
    pending_leave(&poller->pending, request);
}

/* Sends the token request of a wait, which is out of the heap. False if that failed and the wait
 * was delayed or ended. */
static bool send_poll(struct poller *poller, struct pending_request *request) {
    struct client_message message;
    struct error error;
    if (!has_room(poller, request, &error)) {
        await_room(poller, request, &error);
        return false;
    }
    poller->is_full = false;
    bool good = ciba_poll_message(poller->client, poller->token_endpoint, request->auth_req_id,
                                  &message, &error);
    if (good) {
        http_start(poller->client->issuer.http, &message.request, request);
        request->sent = true;
        poller->under_way++;
        poller->pending.awaited += request->count;
        client_message_free(&message);
    } else if (error.status == STATUS_UNAVAILABLE) { /* what authenticates us is renewed late */
        if (request->troubles++ == 0)
            report(poller->client->issuer.url, "%s; trying again", error.text);
        wait_again(poller, request, next_poll_backoff(request->interval, request->troubles),
                   &error);
    } else {
        report(poller->client->issuer.url, "%s", error.text);
        pending_request_worsen(request, error.status);
        pending_leave(&poller->pending, request);
    }
    return good;
}

/* Whether something is due now, and another request is allowed. */
static bool is_due(const struct poller *poller) {
    return poller->pending.heap.count > 0 && poller->under_way < poller->parallel &&
           soonest(poller)->when.due <= clock_elapsed();
}

/* Does what is due. False if waits were delayed or ended, so that there may be nothing to wait
 * for. */
static bool do_due(struct poller *poller) {
    struct error none = {STATUS_DONE, ""};
    bool only_sent = true;
    if (is_due(poller) && !issuer_ready(poller))
        return false;
    while (is_due(poller)) {
        struct pending_request *request = (struct pending_request *)heap_pop(&poller->pending.heap);
        if (pending_has_notification(&poller->pending, request)) {
            take_notification(poller, request);
            only_sent = false;
        } else if (request->expects && poller->settings.push) {
            wait_again(poller, request, next_poll_safety(request), &none);
            only_sent = false;
        } else {
            only_sent = send_poll(poller, request) && only_sent;
        }
    }
    return only_sent;
}

void poller_step(struct poller *poller, const int *descriptors, unsigned count, double until) {
    struct http_answer answer;
    void *owner;
    if (!do_due(poller))
        return;
    if (poller->pending.heap.count > 0 && poller->under_way < poller->parallel &&
        soonest(poller)->when.due < until)
        until = soonest(poller)->when.due;
    bool some = http_wait(poller->client->issuer.http, descriptors, count, until - clock_elapsed(),
                          &owner, &answer);
    while (some) {
        take_answer(poller, owner, &answer);
        http_answer_free(&answer);
        some = http_finished(poller->client->issuer.http, &owner, &answer);
    }
}

void poller_pass(struct poller *poller, jv document) {
    poller->pending.output(poller->pending.context, document,
                           proof_document_status(&poller->pending.proof, document, STATUS_DONE));
}

void poller_give_up(struct poller *poller, double seconds) {
    struct http_answer answer;
    void *owner;
    double end = clock_elapsed() + seconds;
    int empty = 0;
    poller->leaving = true;
    http_end_calls_at(poller->client->issuer.http, -1, end + 1);
    /* Writing a document may block on its reader: collect the answers that have arrived
     * meanwhile. */
    while (poller->under_way > 0 && empty < LAST_LOOKS) {
        double left = fmax(end - clock_elapsed(), 0);
        if (http_wait(poller->client->issuer.http, NULL, 0, left, &owner, &answer)) {
            take_answer(poller, owner, &answer);
            http_answer_free(&answer);
            empty = 0;
        } else {
            empty += left <= 0;
        }
    }
    while (poller->pending.heap.count > 0)
        pending_leave(&poller->pending, (struct pending_request *)heap_pop(&poller->pending.heap));
    while ((owner = http_abandon(poller->client->issuer.http)) != NULL)
        pending_leave(&poller->pending, owner);
    poller->under_way = 0;
    poller->pending.awaited = 0;
}

jv poller_waiting_call(const struct poller *poller, size_t *others) {
    *others = poller->pending.heap.count + (size_t)poller->under_way;
    if (poller->pending.heap.count == 0)
        return jv_invalid();
    --*others;
    return pending_request_call(soonest(poller), 0);
}
