#include "poller.h"

#include "approval.h"
#include "call.h"
#include "ciba.h"
#include "clock.h"
#include "heap.h"
#include "id_token.h"
#include "json.h"
#include "spool.h"
#include "waiting.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_BACKOFF = 60,      /* seconds between tries while the server is in trouble */
    ASK_FOR_KEYS_SECONDS = 10, /* between tries to have the issuer's keys for decided calls */
    LAST_LOOKS = 10,           /* for an answer, when time is up */
    SAFETY_POLL = 60           /* seconds between polls of a call whose notification has not come */
};

struct poller {
    struct client *client;
    struct poller_settings settings;
    long parallel, under_way;
    poller_output output;
    void *context;
    struct waiting_document *documents;
    size_t document_count;
    struct heap heap;           /* of waits */
    const char *token_endpoint; /* NULL until the issuer is known */
    int discovery_troubles;
    bool leaving;           /* nothing is waited for any more */
    unsigned long approved; /* proven */
    struct error no_keys;   /* why the issuer's keys could not be had, the last time */
    double no_keys_until;   /* when they are asked for again */
};

struct poller *poller_new(struct client *client, const struct poller_settings *settings,
                          poller_output output, void *context) {
    struct poller *poller = must_alloc(sizeof *poller);
    poller->client = client;
    poller->settings = *settings;
    poller->parallel = settings->parallel > 0 ? settings->parallel : 1;
    poller->output = output;
    poller->context = context;
    return poller;
}

void poller_free(struct poller *poller) {
    poller_give_up(poller, 0);
    free(poller->heap.items);
    free(poller);
}

size_t poller_waiting(const struct poller *poller) {
    return poller->document_count;
}

static void wait_for(struct poller *poller, struct wait *wait) {
    heap_push(&poller->heap, &wait->when);
}

/* The wait that is due soonest, of at least one; it stays in the heap. */
static struct wait *soonest(const struct poller *poller) {
    return (struct wait *)poller->heap.items[0];
}

unsigned long poller_approved(const struct poller *poller) {
    return poller->approved;
}

static int refuse(jv call, int status, const char *why) {
    complain(call_id(call),
             status == STATUS_NO ? "not approved any more: %s" : "nobody approved anything: %s",
             why);
    return status;
}

/* To a gate, of a call that has its result: what was decided on it, and that it was not refused. */
static int done_status(jv call) {
    jv before = json_delete(jv_copy(call), "result"), result = json_get(call, "result");
    int status = call_exit_status(before);
    if (status == STATUS_DONE && json_has(result, "error"))
        status = refuse(call, STATUS_INPUT, "its result is an error");
    jv_free(before);
    jv_free(result);
    return status;
}

/* What a call stands for: to a gate, one that nobody was asked about is not approved, and one that
 * no executor would take, unless that was said before (`complained`). */
static int call_status(const struct poller *poller, jv call, bool complained) {
    if (!poller->settings.gate)
        return call_exit_status(call);
    if (jv_get_kind(call) != JV_KIND_OBJECT)
        return refuse(call, STATUS_INPUT, "it is no JSON object");
    struct error error;
    jv result = json_get(call, "result");
    jv_kind kind = jv_get_kind(result);
    jv_free(result);
    if (kind != JV_KIND_INVALID && kind != JV_KIND_NULL && kind != JV_KIND_OBJECT)
        return refuse(call, STATUS_INPUT, "its result is no JSON object");
    if (call_state(call) == CALL_NEW && !json_has(call, "authorization"))
        return refuse(call, STATUS_INPUT, "nobody was asked; run ciba-authorize first");
    if (call_state(call) == CALL_DONE)
        return done_status(call);
    /* Its token may have expired while another call was waited for. */
    if (call_state(call) == CALL_APPROVED && !complained &&
        !approval_holds(poller->settings.record, call, poller->client->dpop_key != NULL, &error))
        return refuse(call, error.status, error.text);
    return call_exit_status(call);
}

static int document_status(const struct poller *poller, jv document, int before) {
    int status = before;
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        status = status_worse(status, call_status(poller, call, before != STATUS_DONE));
        jv_free(call);
    }
    jv_free(calls);
    return status;
}

/* Takes the document. */
static void put_out(struct poller *poller, struct waiting_document *waiting, jv document) {
    if (waiting->previous != NULL)
        waiting->previous->next = waiting->next;
    else
        poller->documents = waiting->next;
    if (waiting->next != NULL)
        waiting->next->previous = waiting->previous;
    poller->document_count--;
    int status = document_status(poller, document, waiting->status);
    poller->output(poller->context, document, status);
    free(waiting->text);
    free(waiting);
}

/* The wait is over, and this is its document. Takes the document. */
static void end_wait(struct poller *poller, struct wait *wait, jv document) {
    struct waiting_document *owner = wait->owner;
    wait_free(wait);
    if (owner->pending == 0)
        put_out(poller, owner, document);
    else
        waiting_document_write(owner, document);
}

/* The wait is over: its call is left as it stands. */
static void leave(struct poller *poller, struct wait *wait) {
    end_wait(poller, wait, wait_put_times(wait, waiting_document_read(wait->owner)));
}

/* Whether the call may be polled; complains, and sets *status, where not. */
static bool is_ours(const struct poller *poller, jv call, int *status) {
    struct error error;
    jv authorization = json_get(call, "authorization");
    bool ours = json_is(authorization, "issuer", poller->client->issuer) &&
                json_string(authorization, "auth_req_id") != NULL;
    const char *issuer = json_string(authorization, "issuer");
    if (!ours)
        complain(call_id(call), "was asked at '%s'; this command is set to %s and leaves it",
                 issuer != NULL ? issuer : "", poller->client->issuer);
    *status = ours ? *status : STATUS_CONFIG;
    if (ours && !record_trusts(poller->settings.record, call, &error)) {
        complain(call_id(call), "%s; it is left as it is", error.text);
        *status = error.status;
        ours = false;
    }
    jv_free(authorization);
    return ours;
}

/* Discovers the issuer and fetches its keys; one that could not be reached is not asked again for
 * each document. */
static bool keys_ready(struct poller *poller, struct error *error) {
    *error = poller->no_keys;
    if (clock_elapsed() < poller->no_keys_until)
        return false;
    if (client_discover(poller->client, error) && client_fetch_keys(poller->client, false, error))
        return true;
    poller->no_keys = *error;
    poller->no_keys_until = clock_elapsed() + ASK_FOR_KEYS_SECONDS;
    return false;
}

/* Whether the ID token in the document proves that this user approved this request. */
static bool id_token_proves(struct poller *poller, jv authorization, jv token,
                            struct error *error) {
    struct error why;
    bool gate = poller->settings.gate;
    const char *id_token = json_string(token, "id_token");
    const char *user = json_string(authorization, "user");
    struct id_token_facts facts = {.user = user != NULL ? user
                                                        : json_string(authorization, "approved_by"),
                                   .auth_req_id = json_string(authorization, "auth_req_id"),
                                   .access_token = json_string(token, "access_token"),
                                   .now = gate ? clock_now() : 0,
                                   .must_name_request = gate};
    if (id_token == NULL && !gate && poller->client->without_id_token)
        return true;
    if (id_token == NULL)
        return fail(error, STATUS_INPUT,
                    "it has neither a seal that is asked for (--seal-key-file) "
                    "nor an ID token, so that nothing proves it");
    if (facts.user == NULL || facts.auth_req_id == NULL)
        return fail(error, STATUS_INPUT, "its authorization does not say who was asked");
    if (!keys_ready(poller, &why))
        return fail(error, why.status, "its ID token cannot be checked: %s", why.text);
    return id_token_verify(poller->client, id_token, facts, NULL, &why) ||
           fail(error, why.status == STATUS_UNAVAILABLE ? STATUS_UNAVAILABLE : STATUS_INPUT,
                "its ID token does not prove it (a seal would, --seal-key-file): %s", why.text);
}

/* Whether an approval that stands in a document is one. */
static bool is_proven(struct poller *poller, jv call, struct error *error) {
    const struct record *record = poller->settings.record;
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    const char *issuer = json_string(authorization, "issuer");
    bool good = json_is(authorization, "issuer", poller->client->issuer);
    if (!good)
        fail(error, STATUS_INPUT, "it was asked at '%s', and this command is set to %s",
             issuer != NULL ? issuer : "", poller->client->issuer);
    else
        good = record_trusts(record, call, error);
    /* What may have been executed is for who executes, who knows what to say of it. */
    bool for_executor = !poller->settings.gate && json_has(authorization, "attempted_at");
    if (good && record->seal_key == NULL && !for_executor)
        good = id_token_proves(poller, authorization, token, error);
    jv_free(authorization);
    jv_free(token);
    return good;
}

static void check_approval(struct poller *poller, jv call, int *status) {
    struct error error;
    if (is_proven(poller, call, &error))
        poller->approved++;
    else
        *status = status_worse(*status, refuse(call, error.status, error.text));
}

/* The wait is over: its call is decided. Takes the call. */
static void decide(struct poller *poller, struct wait *wait, jv call) {
    call = record_decided(poller->settings.record, call, &wait->owner->status);
    poller->approved += call_state(call) == CALL_APPROVED;
    end_wait(poller, wait, wait_put_call(wait->index, waiting_document_read(wait->owner), call));
}

static void forget_notification(const struct poller *poller, const struct wait *wait) {
    if (wait->digest != NULL)
        spool_forget(poller->settings.spool, wait->digest);
}

/* A poll as the safety net while a notification is awaited: seldom, and when the request expires.
 */
static double safety_wait(const struct wait *wait) {
    double left = wait->deadline - clock_elapsed();
    double seconds = left < SAFETY_POLL ? left : SAFETY_POLL;
    return seconds > wait->interval ? seconds : wait->interval;
}

static bool has_notification(const struct poller *poller, const struct wait *wait) {
    return wait->expects && spool_has(poller->settings.spool, wait->digest);
}

static void add_wait(struct poller *poller, struct waiting_document *owner, int index, jv call) {
    struct wait *wait = wait_new(owner, index, call, poller->settings.spool != NULL);
    if (has_notification(poller, wait))
        wait->when.due = 0;
    else if (wait->expects && !poller->settings.once)
        wait->when.due = clock_elapsed() + safety_wait(wait);
    wait_for(poller, wait);
}

/* One call of a document that has begun: decided before a crash it is put in, pending it is waited
 * for. Takes the call, and returns it. */
static jv add_call(struct poller *poller, struct waiting_document *waiting, int index, jv call) {
    call = record_catch_up(poller->settings.record, call, &waiting->status);
    if (call_state(call) == CALL_PENDING)
        call = record_remembered(poller->settings.record, call, &waiting->status);
    if (call_state(call) == CALL_APPROVED)
        check_approval(poller, call, &waiting->status);
    else if (call_state(call) == CALL_PENDING && is_ours(poller, call, &waiting->status))
        add_wait(poller, waiting, index, call);
    return call;
}

/* Takes the document, and returns it: the same where no call has changed. */
static jv add_calls(struct poller *poller, struct waiting_document *waiting, jv document) {
    jv calls = json_array(document, "calls");
    int count = jv_array_length(jv_copy(calls));
    for (int i = 0; i < count; i++) {
        jv call = jv_array_get(jv_copy(calls), i);
        jv outcome = jv_copy(call);
        if (jv_get_kind(call) == JV_KIND_OBJECT)
            outcome = add_call(poller, waiting, i, outcome);
        if (jv_identical(call, jv_copy(outcome)))
            jv_free(outcome);
        else
            document = wait_put_call(i, document, outcome);
    }
    jv_free(calls);
    return document;
}

void poller_add(struct poller *poller, jv document, const struct document_reader *reader) {
    struct error error;
    jv read = jv_copy(document);
    struct waiting_document *waiting = must_alloc(sizeof *waiting);
    waiting->next = poller->documents;
    if (poller->documents != NULL)
        poller->documents->previous = waiting;
    poller->documents = waiting;
    poller->document_count++;
    if (record_begin(poller->settings.record, &error)) {
        document = add_calls(poller, waiting, document);
    } else {
        complain(NULL, "%s", error.text);
        waiting->status = error.status;
    }
    bool same = jv_identical(read, jv_copy(document)) && reader != NULL;
    if (waiting->pending == 0) {
        put_out(poller, waiting, document);
    } else if (same) {
        jv_free(document);
        waiting->text = document_as_read(reader);
    } else {
        waiting_document_write(waiting, document);
    }
}

/* A number from 0 to 1, so that a thousand clients do not come back at the same moment. */
static double jitter(void) {
    unsigned short noise = 0;
    RAND_bytes((unsigned char *)&noise, sizeof noise);
    return noise / 65535.0;
}

/* `base` seconds, doubled with every trouble in a row, up to LONGEST_BACKOFF, and up to half more.
 */
static double backoff(double base, int troubles) {
    double wait = base;
    for (int i = 0; i < troubles && wait < LONGEST_BACKOFF; i++)
        wait *= 2;
    wait = wait > LONGEST_BACKOFF && base < LONGEST_BACKOFF ? LONGEST_BACKOFF : wait;
    return wait * (1 + jitter() / 2);
}

/* With -v: whom it waits for. */
static void tell_once(struct wait *wait) {
    if (wait->told || !is_verbose())
        return;
    wait->told = true;
    jv call = wait_call(wait), authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    const char *message = json_string(authorization, "binding_message");
    remark(call_id(call), "waiting for %s, %.0f s at most: %s", user != NULL ? user : "the user",
           wait->deadline - clock_elapsed(), message != NULL ? message : "");
    jv_free(authorization);
    jv_free(call);
}

/* The time of a request is over. */
static void expire(struct poller *poller, struct wait *wait, const struct error *trouble) {
    jv call = wait_call(wait);
    if (trouble->status == STATUS_DONE) {
        call = call_settle(call, "expired", "expired_token", NULL);
    } else {
        complain(call_id(call), "expired while the provider could not be reached (%s)",
                 trouble->text);
        call = call_settle(call, "failed", "server_unavailable", trouble->text);
    }
    decide(poller, wait, call);
}

/* Waits for the next poll, or gives the call up where its time is over. */
static void wait_again(struct poller *poller, struct wait *wait, double seconds,
                       const struct error *trouble) {
    double now = clock_elapsed();
    if (now >= wait->deadline) {
        expire(poller, wait, trouble);
        return;
    }
    wait->when.due = now + seconds;
    wait->polled = true;
    if (poller->leaving || (poller->settings.once && seconds > 0))
        leave(poller, wait);
    else
        wait_for(poller, wait);
}

/* An answer that is not "not yet". */
static void take_other_answer(struct poller *poller, struct wait *wait,
                              const struct http_answer *answer) {
    enum ciba_next next;
    struct error error;
    jv call = ciba_poll_answer(poller->client, wait_call(wait), answer, &next, &error);
    if (next == CIBA_DECIDED) {
        if (error.status != STATUS_DONE && call_exit_status(call) > STATUS_NO)
            complain(call_id(call), "%s", error.text);
        forget_notification(poller, wait);
        decide(poller, wait, call);
        return;
    }
    double seconds = 0;
    if (next == CIBA_TROUBLE || wait->troubles > 0) {
        remark(call_id(call), "%s; trying again", error.text);
        seconds = backoff(wait->interval, wait->troubles);
        seconds = answer->retry_after > seconds && answer->retry_after <= 3600 ? answer->retry_after
                                                                               : seconds;
    }
    wait->troubles++;
    jv_free(call);
    wait_again(poller, wait, seconds, &error);
}

static void take_answer(struct poller *poller, struct wait *wait,
                        const struct http_answer *answer) {
    struct error none = {STATUS_DONE, ""};
    if (!ciba_still_pending(poller->client, answer, &wait->interval)) {
        take_other_answer(poller, wait, answer);
        return;
    }
    wait->troubles = 0;
    tell_once(wait);
    /* Who asked the user knows best until when he can answer: clocks differ, and are set. */
    if (clock_elapsed() >= wait->deadline && !wait->outlived) {
        wait->outlived = true;
        wait->deadline = clock_elapsed() + wait->lifetime;
    }
    double pause = wait->expects ? safety_wait(wait) : wait->interval;
    if (answer->retry_after > pause && answer->retry_after <= LONGEST_INTERVAL)
        pause = answer->retry_after;
    wait_again(poller, wait, pause, &none);
}

/* Takes all waits out of the heap; the caller frees the array. */
static struct wait **take_all(struct poller *poller, size_t *count) {
    *count = poller->heap.count;
    struct wait **waits = must_alloc((*count + 1) * sizeof(struct wait *));
    for (size_t i = 0; i < *count; i++)
        waits[i] = (struct wait *)poller->heap.items[i];
    poller->heap.count = 0;
    return waits;
}

/* Does what the notification of a wait, which is out of the heap, asks for: a poll, or the end. */
static void take_notification(struct poller *poller, struct wait *wait) {
    jv call = wait_call(wait), notification = jv_invalid();
    enum ciba_next next = CIBA_TROUBLE;
    struct error error = {STATUS_PROTOCOL, "the notification cannot be read"};
    size_t size;
    char *text = spool_get(poller->settings.spool, wait->digest, &size);
    if (text != NULL && json_parse(text, size, &notification, &error))
        call = ciba_take_notification(poller->client, call, notification, &next, &error);
    if (error.status != STATUS_DONE)
        complain(call_id(call), "%s", error.text);
    if (next != CIBA_PENDING)
        forget_notification(poller, wait);
    jv_free(notification);
    free(text);
    if (next == CIBA_DECIDED) {
        decide(poller, wait, call);
        return;
    }
    jv_free(call);
    wait->expects = next == CIBA_TROUBLE;
    wait->when.due = wait->expects ? clock_elapsed() + safety_wait(wait) : 0;
    wait_for(poller, wait);
}

void poller_look_for_notifications(struct poller *poller) {
    size_t count;
    if (poller->settings.spool == NULL)
        return;
    struct wait **waits = take_all(poller, &count);
    for (size_t i = 0; i < count; i++) {
        if (has_notification(poller, waits[i]))
            waits[i]->when.due = 0;
        wait_for(poller, waits[i]);
    }
    free(waits);
}

/* Ends every wait that is not under way with the error, or, where another try is worth it and time
 * is left, puts it off. */
static void discovery_failed(struct poller *poller, const struct error *error) {
    bool worth_it = error->status == STATUS_UNAVAILABLE && !poller->settings.once;
    if (poller->discovery_troubles == 0 || !worth_it)
        complain(poller->client->issuer, "%s%s", error->text, worth_it ? "; trying again" : "");
    double seconds = backoff(1, poller->discovery_troubles++);
    size_t count;
    struct wait **waits = take_all(poller, &count);
    for (size_t i = 0; i < count; i++) {
        if (worth_it) {
            wait_again(poller, waits[i], seconds, error);
        } else {
            waits[i]->owner->status = status_worse(waits[i]->owner->status, error->status);
            leave(poller, waits[i]);
        }
    }
    free(waits);
}

/* What polling needs of the issuer: the endpoint, and the keys that the answer is checked with, so
 * that a token is not lost because they cannot be had later. */
static bool issuer_ready(struct poller *poller) {
    struct error error;
    if (poller->token_endpoint != NULL)
        return true;
    if (client_discover(poller->client, &error) &&
        client_fetch_keys(poller->client, false, &error) &&
        (poller->token_endpoint = client_endpoint(poller->client, "token_endpoint", &error)) !=
            NULL)
        return true;
    discovery_failed(poller, &error);
    return false;
}

/* Sends the token request of a wait, which is out of the heap. */
static void send_poll(struct poller *poller, struct wait *wait) {
    struct client_message message;
    struct error error;
    if (ciba_poll_message(poller->client, poller->token_endpoint, wait->auth_req_id, &message,
                          &error)) {
        http_start(poller->client->http, &message.request, wait);
        poller->under_way++;
        client_message_free(&message);
    } else {
        complain(poller->client->issuer, "%s", error.text);
        wait->owner->status = status_worse(wait->owner->status, error.status);
        leave(poller, wait);
    }
}

/* Whether there is something to do now, and a request may be sent for it. */
static bool is_due(const struct poller *poller) {
    return poller->heap.count > 0 && poller->under_way < poller->parallel &&
           soonest(poller)->when.due <= clock_elapsed();
}

/* Does what is due. False if waits have been put off or ended, so that there may be nothing to wait
 * for. */
static bool do_due(struct poller *poller) {
    struct error none = {STATUS_DONE, ""};
    bool only_sent = true;
    if (is_due(poller) && !issuer_ready(poller))
        return false;
    while (is_due(poller)) {
        struct wait *wait = (struct wait *)heap_pop(&poller->heap);
        if (has_notification(poller, wait)) {
            take_notification(poller, wait);
            only_sent = false;
        } else if (wait->expects && poller->settings.push) {
            wait_again(poller, wait, safety_wait(wait), &none);
            only_sent = false;
        } else {
            send_poll(poller, wait);
        }
    }
    return only_sent;
}

void poller_step(struct poller *poller, const int *descriptors, unsigned count, double until) {
    struct http_answer answer;
    void *owner;
    if (!do_due(poller))
        return;
    if (poller->heap.count > 0 && poller->under_way < poller->parallel &&
        soonest(poller)->when.due < until)
        until = soonest(poller)->when.due;
    bool some = http_wait(poller->client->http, descriptors, count, until - clock_elapsed(), &owner,
                          &answer);
    while (some) {
        poller->under_way--;
        take_answer(poller, owner, &answer);
        http_answer_free(&answer);
        some = http_finished(poller->client->http, &owner, &answer);
    }
}

void poller_pass(struct poller *poller, jv document) {
    poller->output(poller->context, document, document_status(poller, document, STATUS_DONE));
}

void poller_give_up(struct poller *poller, double seconds) {
    struct http_answer answer;
    void *owner;
    double end = clock_elapsed() + seconds;
    int empty = 0;
    poller->leaving = true;
    http_end_calls_at(poller->client->http, -1, end + 1);
    /* Putting a document out can take as long as its reader likes: what has come meanwhile is
     * taken. */
    while (poller->under_way > 0 && empty < LAST_LOOKS) {
        double left = fmax(end - clock_elapsed(), 0);
        if (http_wait(poller->client->http, NULL, 0, left, &owner, &answer)) {
            poller->under_way--;
            take_answer(poller, owner, &answer);
            http_answer_free(&answer);
            empty = 0;
        } else {
            empty += left <= 0;
        }
    }
    while (poller->heap.count > 0)
        leave(poller, (struct wait *)heap_pop(&poller->heap));
    while ((owner = http_abandon(poller->client->http)) != NULL)
        leave(poller, owner);
    poller->under_way = 0;
}

jv poller_waiting_call(const struct poller *poller, size_t *others) {
    *others = poller->heap.count + (size_t)poller->under_way;
    if (poller->heap.count == 0)
        return jv_invalid();
    --*others;
    return wait_call(soonest(poller));
}
