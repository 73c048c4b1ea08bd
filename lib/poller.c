#include "poller.h"

#include "call.h"
#include "ciba.h"
#include "clock.h"
#include "heap.h"
#include "json.h"
#include "spool.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_BACKOFF = 60, /* seconds between tries while the server is in trouble */
    SAFETY_POLL = 60      /* seconds between polls of a call whose notification has not come */
};

struct waiting_document {
    struct waiting_document *previous, *next;
    jv document;
    int pending; /* calls of it in the heap or under way */
    int status;  /* what went wrong beside its calls' own status */
};

/* One pending call. */
struct wait {
    struct heap_item when; /* it is polled */
    struct waiting_document *owner;
    int index;    /* in the document's calls */
    int troubles; /* tries in a row without an answer about the user */
    bool expects; /* a notification, which makes it due */
    bool told;    /* that it waits */
};

struct poller {
    struct client *client;
    struct poller_settings settings;
    long parallel, under_way;
    poller_output output;
    void *context;
    struct waiting_document *documents;
    size_t document_count;
    struct heap heap; /* of waits */
    int discovery_troubles;
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
    poller_give_up(poller);
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

/* The call of a wait, taken out of its document so that it can be changed without a copy. */
static jv take_call(const struct wait *wait) {
    jv calls = json_get(wait->owner->document, "calls");
    jv call = jv_array_get(jv_copy(calls), wait->index);
    jv_free(calls);
    return call;
}

static void put_call(const struct wait *wait, jv call) {
    jv document = wait->owner->document;
    jv calls = json_get(document, "calls");
    document = json_set(document, "calls", jv_null()); /* one reference left: set in place */
    wait->owner->document = json_set(document, "calls", jv_array_set(calls, wait->index, call));
}

static int document_status(jv document) {
    int status = STATUS_DONE;
    jv calls = json_get(document, "calls");
    if (jv_get_kind(calls) == JV_KIND_ARRAY) {
        jv_array_foreach(calls, i, call) {
            status = status_worse(status, call_exit_status(call));
            jv_free(call);
        }
    }
    jv_free(calls);
    return status;
}

static void put_out(struct poller *poller, struct waiting_document *waiting) {
    if (waiting->previous != NULL)
        waiting->previous->next = waiting->next;
    else
        poller->documents = waiting->next;
    if (waiting->next != NULL)
        waiting->next->previous = waiting->previous;
    poller->document_count--;
    int status = status_worse(waiting->status, document_status(waiting->document));
    poller->output(poller->context, waiting->document, status);
    free(waiting);
}

/* The wait is over: its call is left as it stands. */
static void end_wait(struct poller *poller, struct wait *wait) {
    struct waiting_document *owner = wait->owner;
    free(wait);
    if (--owner->pending == 0)
        put_out(poller, owner);
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

static double stored_time(jv call, const char *name) {
    double time = 0;
    jv authorization = json_get(call, "authorization");
    json_number(authorization, name, &time);
    jv_free(authorization);
    return time;
}

/* The digest under which the call's notification comes, or NULL. Lives as long as the call does
 * unchanged. */
static const char *notification_digest(jv call) {
    jv authorization = json_get(call, "authorization");
    const char *digest = json_string(authorization, "notification_digest");
    jv_free(authorization);
    return digest;
}

/* The wait is over: its call is decided. Takes the call. */
static void decide(struct poller *poller, struct wait *wait, jv call) {
    put_call(wait, record_decided(poller->settings.record, call, &wait->owner->status));
    end_wait(poller, wait);
}

static void forget_notification(const struct poller *poller, jv call) {
    if (poller->settings.spool != NULL && notification_digest(call) != NULL)
        spool_forget(poller->settings.spool, notification_digest(call));
}

/* A poll as the safety net while a notification is awaited: seldom, and when the request expires.
 */
static double safety_wait(jv call, double interval) {
    double left = stored_time(call, "expires_at") - clock_now();
    double wait = left < SAFETY_POLL ? left : SAFETY_POLL;
    return wait > interval ? wait : interval;
}

static void add_wait(struct poller *poller, struct waiting_document *owner, int index, jv call) {
    struct wait *wait = must_alloc(sizeof *wait);
    wait->owner = owner;
    wait->index = index;
    wait->when.due = stored_time(call, "next_poll_at");
    wait->expects = poller->settings.spool != NULL && notification_digest(call) != NULL;
    if (wait->expects && spool_has(poller->settings.spool, notification_digest(call)))
        wait->when.due = 0;
    else if (wait->expects && !poller->settings.once)
        wait->when.due = clock_now() + safety_wait(call, ciba_interval(call));
    owner->pending++;
    wait_for(poller, wait);
}

/* The calls of a document that has begun: those decided before a crash are put in, those that are
 * pending waited for. */
static void add_calls(struct poller *poller, struct waiting_document *waiting) {
    jv calls = json_get(waiting->document, "calls");
    int count = jv_get_kind(calls) == JV_KIND_ARRAY ? jv_array_length(jv_copy(calls)) : 0;
    jv_free(calls);
    for (int i = 0; i < count; i++) {
        struct wait place = {.owner = waiting, .index = i};
        jv call = take_call(&place);
        if (json_has(call, "untold")) {
            call = record_catch_up(poller->settings.record, call, &waiting->status);
            put_call(&place, jv_copy(call));
        }
        if (call_state(call) == CALL_PENDING) {
            call = record_remembered(poller->settings.record, call, &waiting->status);
            if (call_state(call) != CALL_PENDING)
                put_call(&place, jv_copy(call));
            else if (is_ours(poller, call, &waiting->status))
                add_wait(poller, waiting, i, call);
        }
        jv_free(call);
    }
}

void poller_add(struct poller *poller, jv document) {
    struct error error;
    struct waiting_document *waiting = must_alloc(sizeof *waiting);
    waiting->document = document;
    waiting->next = poller->documents;
    if (poller->documents != NULL)
        poller->documents->previous = waiting;
    poller->documents = waiting;
    poller->document_count++;
    waiting->pending = 1; /* so that it does not go out while its calls are looked at */
    if (record_begin(poller->settings.record, &error)) {
        add_calls(poller, waiting);
    } else {
        complain(NULL, "%s", error.text);
        waiting->status = error.status;
    }
    if (--waiting->pending == 0)
        put_out(poller, waiting);
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
static void tell_once(struct wait *wait, jv call) {
    if (wait->told)
        return;
    wait->told = true;
    jv authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    const char *message = json_string(authorization, "binding_message");
    remark(call_id(call), "waiting for %s, %.0f s at most: %s", user != NULL ? user : "the user",
           stored_time(call, "expires_at") - clock_now(), message != NULL ? message : "");
    jv_free(authorization);
}

/* Waits for the next poll, or gives the call up where its time is over. Takes the call. */
static void wait_again(struct poller *poller, struct wait *wait, jv call, double seconds,
                       const struct error *trouble) {
    double now = clock_now();
    if (now >= stored_time(call, "expires_at")) {
        bool reached = trouble->status == STATUS_DONE;
        if (!reached)
            complain(call_id(call), "expired while the provider could not be reached (%s)",
                     trouble->text);
        call = reached ? call_settle(call, "expired", "expired_token", NULL)
                       : call_settle(call, "failed", "server_unavailable", trouble->text);
        decide(poller, wait, call);
        return;
    }
    wait->when.due = now + seconds;
    jv authorization = json_get(call, "authorization");
    authorization = json_set(authorization, "next_poll_at", jv_number(wait->when.due));
    put_call(wait, json_set(call, "authorization", authorization));
    if (poller->settings.once && seconds > 0)
        end_wait(poller, wait);
    else
        wait_for(poller, wait);
}

static void take_answer(struct poller *poller, struct wait *wait,
                        const struct http_answer *answer) {
    enum ciba_next next;
    struct error error;
    jv call = ciba_poll_answer(poller->client, take_call(wait), answer, &next, &error);
    double seconds = ciba_interval(call);
    if (next == CIBA_DECIDED) {
        if (error.status != STATUS_DONE && call_exit_status(call) > STATUS_NO)
            complain(call_id(call), "%s", error.text);
        forget_notification(poller, call);
        decide(poller, wait, call);
        return;
    }
    if (next == CIBA_AGAIN && wait->troubles++ == 0) {
        seconds = 0;
    } else if (next == CIBA_TROUBLE || next == CIBA_AGAIN) {
        remark(call_id(call), "%s; trying again", error.text);
        seconds = backoff(seconds, wait->troubles++);
        seconds = answer->retry_after > seconds && answer->retry_after <= 3600 ? answer->retry_after
                                                                               : seconds;
    } else {
        wait->troubles = 0;
        tell_once(wait, call);
        seconds = wait->expects ? safety_wait(call, seconds) : seconds;
    }
    wait_again(poller, wait, call, seconds, &error);
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

static bool has_notification(const struct poller *poller, const struct wait *wait) {
    if (!wait->expects)
        return false;
    jv call = take_call(wait);
    bool there = spool_has(poller->settings.spool, notification_digest(call));
    jv_free(call);
    return there;
}

/* Does what the notification of a wait, which is out of the heap, asks for: a poll, or the end. */
static void take_notification(struct poller *poller, struct wait *wait) {
    jv call = take_call(wait), notification = jv_invalid();
    enum ciba_next next = CIBA_TROUBLE;
    struct error error = {STATUS_PROTOCOL, "the notification cannot be read"};
    size_t size;
    char *text = spool_get(poller->settings.spool, notification_digest(call), &size);
    if (text != NULL && json_parse(text, size, &notification, &error))
        call = ciba_take_notification(poller->client, call, notification, &next, &error);
    if (error.status != STATUS_DONE)
        complain(call_id(call), "%s", error.text);
    if (next != CIBA_PENDING)
        forget_notification(poller, call);
    wait->expects = next == CIBA_TROUBLE;
    wait->when.due = wait->expects ? clock_now() + safety_wait(call, ciba_interval(call)) : 0;
    jv_free(notification);
    free(text);
    if (next == CIBA_DECIDED) {
        decide(poller, wait, call);
    } else {
        put_call(wait, call);
        wait_for(poller, wait);
    }
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
            wait_again(poller, waits[i], take_call(waits[i]), seconds, error);
        } else {
            waits[i]->owner->status = status_worse(waits[i]->owner->status, error->status);
            end_wait(poller, waits[i]);
        }
    }
    free(waits);
}

/* What polling needs of the issuer: the endpoint, and the keys that the answer is checked with, so
 * that a token is not lost because they cannot be had later. */
static bool issuer_ready(struct poller *poller) {
    struct error error;
    if (client_discover(poller->client, &error) &&
        client_endpoint(poller->client, "token_endpoint", &error) != NULL &&
        client_fetch_keys(poller->client, false, &error)) {
        poller->discovery_troubles = 0;
        return true;
    }
    discovery_failed(poller, &error);
    return false;
}

/* Sends the token request of a wait, which is out of the heap. */
static void send_poll(struct poller *poller, struct wait *wait) {
    struct client_message message;
    struct error error;
    jv call = take_call(wait);
    if (ciba_poll_message(poller->client, call, &message, &error)) {
        http_start(poller->client->http, &message.request, wait);
        poller->under_way++;
        client_message_free(&message);
    } else {
        complain(call_id(call), "%s", error.text);
        wait->owner->status = status_worse(wait->owner->status, error.status);
        end_wait(poller, wait);
    }
    jv_free(call);
}

/* Whether there is something to do now, and a request may be sent for it. */
static bool is_due(const struct poller *poller) {
    return poller->heap.count > 0 && poller->under_way < poller->parallel &&
           soonest(poller)->when.due <= clock_now();
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
            jv call = take_call(wait);
            wait_again(poller, wait, call, safety_wait(call, 1), &none);
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
    if (http_wait(poller->client->http, descriptors, count, until - clock_now(), &owner, &answer)) {
        poller->under_way--;
        take_answer(poller, owner, &answer);
        http_answer_free(&answer);
    }
}

void poller_give_up(struct poller *poller) {
    http_abandon(poller->client->http, free);
    while (poller->heap.count > 0)
        free((struct wait *)heap_pop(&poller->heap));
    while (poller->documents != NULL)
        put_out(poller, poller->documents);
}

jv poller_waiting_call(const struct poller *poller, size_t *others) {
    *others = poller->heap.count + (size_t)poller->under_way;
    if (poller->heap.count == 0)
        return jv_invalid();
    --*others;
    return take_call(soonest(poller));
}
