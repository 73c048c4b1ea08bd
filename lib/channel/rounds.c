#include "channel/rounds.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "channel/callback.h"
#include "channel/question.h"
#include "channel/question_spool.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CLAIM_SECONDS = 90, /* longer than one try can take */
    /* After a callback that Keycloak may have taken, until it is repeated: a client that polls has
     * its token by then. */
    UNKNOWN_SECONDS = 30,
    /* Keycloak stores a request after we have taken its question, so a very fast answer is
     * refused. */
    STORED_SECONDS = 10,
    /* After the expiry, what has become of an answer stays for the page that waits for it. */
    SHOWN_SECONDS = 10,
    /* Then Keycloak or the notifier is out of order, and the rest waits for the next time. */
    FAILURES_LIMIT = 3
};

static const struct backoff tries = {.base = 2, .cap = 60, .jitter = -0.2};

/* One question under way. */
struct round {
    const struct channel *channel;
    const struct notifier *notifier;
    const char *name;
    bool only_notices; /* no answers */
    int lock;
    jv question; /* as it is in the spool while the lock is held */
    int status;
};

static bool begin(struct round *round) {
    struct error error;
    round->lock = question_spool_lock(round->channel->directory, &error);
    if (round->lock < 0) {
        report_error(&round->status, NULL, &error);
        return false;
    }
    jv_free(round->question);
    round->question = question_read(round->channel->directory, round->name);
    return true;
}

static void end(struct round *round) {
    if (round->lock >= 0)
        close(round->lock);
    round->lock = -1;
}

static bool write_question(struct round *round) {
    struct error error;
    if (question_write(round->channel->directory, round->name, round->question, &error))
        return true;
    report_error(&round->status, NULL, &error);
    return false;
}

/* Writes the question, and its lines into the audit log. */
static bool record(struct round *round) {
    struct error error;
    bool has_lines = json_has(round->question, "log");
    if (!write_question(round))
        return false;
    if (!question_tell_audit(round->channel, &round->question, &error)) {
        report_error(&round->status, "the audit log", &error);
        return false;
    }
    return !has_lines || write_question(round);
}

/* Whether the next try of `plan` (notice or callback) is due. */
static bool is_due(jv question, const char *plan) {
    double at = 0;
    jv facts = json_get(question, plan);
    bool planned = jv_get_kind(facts) == JV_KIND_OBJECT;
    json_number(facts, "next_at", &at);
    jv_free(facts);
    /* a clock that was set back must not delay it */
    return planned && (at <= clock_now() || at > clock_now() + 10 * CLAIM_SECONDS);
}

static double tries_of(jv question, const char *plan) {
    double count = 0;
    jv facts = json_get(question, plan);
    json_number(facts, "tries", &count);
    jv_free(facts);
    return count;
}

/* Plans the next try in so many seconds. */
static void plan_next(struct round *round, const char *plan, double count, double seconds,
                      bool maybe_taken) {
    jv facts = json_set(jv_object(), "tries", jv_number(count));
    facts = json_set(facts, "next_at", jv_number(ceil(clock_now() + seconds)));
    if (maybe_taken)
        facts = json_set(facts, "maybe_taken", jv_true());
    round->question = json_set(round->question, plan, facts);
}

/* Claims the try that is made now. */
static void claim(struct round *round, const char *plan, double count, bool maybe_taken) {
    plan_next(round, plan, count, CLAIM_SECONDS, maybe_taken);
    jv facts = json_set(json_get(round->question, plan), "claimed", jv_true());
    round->question = json_set(round->question, plan, facts);
}

static bool callback_is(jv question, const char *name) {
    jv facts = json_get(question, "callback"), flag = json_get(facts, name);
    bool so = jv_get_kind(flag) == JV_KIND_TRUE;
    jv_free(facts);
    jv_free(flag);
    return so;
}

static bool maybe_taken(jv question) {
    return callback_is(question, "maybe_taken");
}

/* Whether its answer is being sent: whoever does that will know what has become of it. */
static bool is_under_way(jv question) {
    return question_is(question, "answered") && callback_is(question, "claimed") &&
           !is_due(question, "callback");
}

/* What the notifier is told; see notifier.h. */
static jv notice_of(const struct channel *channel, jv question) {
    static const char *const told[] = {"message", "client", "expires_at", "id"};
    char *url = must_format("%s%s", channel->url, json_string(question, "id"));
    jv notice = json_set(jv_object(), "user", json_get(question, "login_hint"));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        notice = json_set(notice, told[i], json_get(question, told[i]));
    notice = json_set_string(notice, "url", url);
    free(url);
    return notice;
}

/* Tells the user. Called with the lock, which is given back meanwhile; the claim keeps others from
 * doing the same. */
static void notify(struct round *round) {
    struct error error;
    double count = tries_of(round->question, "notice");
    claim(round, "notice", count + 1, false);
    if (!write_question(round))
        return;
    jv notice = notice_of(round->channel, round->question);
    end(round);
    bool told = notifier_run_by(round->notifier, notice, &error);
    jv_free(notice);
    if (!told)
        report_failure(&round->status, STATUS_UNAVAILABLE, json_string(round->question, "id"),
                       "%s has not been told of the question: %s",
                       json_string(round->question, "login_hint"), error.text);
    if (!begin(round) || !question_is(round->question, "open"))
        return;
    if (told)
        round->question = json_delete(round->question, "notice");
    else
        plan_next(round, "notice", count + 1, backoff_wait(&tries, count), false);
    write_question(round);
}

/* Writes down what has become of the answer. */
static void settle(struct round *round, const char *outcome) {
    round->question = question_log(round->channel, round->question, "delivered", outcome);
    round->question = question_settle(round->question, outcome);
    record(round);
}

/* Whether a refusal may only mean that Keycloak has not stored the request yet. */
static bool is_early(jv question) {
    double asked_at = 0;
    json_number(question, "asked_at", &asked_at);
    return fabs(clock_now() - asked_at) < STORED_SECONDS;
}

static void report_callback(struct round *round, const char *what, const struct error *why) {
    report_failure(&round->status, STATUS_UNAVAILABLE, json_string(round->question, "id"),
                   "the answer of %s %s: %s", json_string(round->question, "user"), what,
                   why->text);
}

/* Acts on the outcome of a try, the `count`th after others. */
static void take_outcome(struct round *round, enum callback_outcome outcome, double count,
                         bool maybe_before, const struct error *why) {
    double wait = backoff_wait(&tries, count);
    if (outcome == CALLBACK_TAKEN) {
        settle(round, "taken");
    } else if (outcome == CALLBACK_REFUSED && !maybe_before && is_early(round->question)) {
        plan_next(round, "callback", count + 1, tries.base, false);
        write_question(round);
        round->status = STATUS_NOT_YET;
    } else if (outcome == CALLBACK_REFUSED && maybe_before) {
        report_callback(round, "was sent before, and Keycloak may have taken it then", why);
        settle(round, "unknown");
    } else if (outcome == CALLBACK_REFUSED) {
        report_callback(round, "was refused", why);
        settle(round, "refused");
    } else {
        bool maybe = maybe_before || outcome == CALLBACK_UNKNOWN;
        report_callback(round, "is not taken yet, and will be sent again", why);
        plan_next(round, "callback", count + 1,
                  maybe && wait < UNKNOWN_SECONDS ? UNKNOWN_SECONDS : wait, maybe);
        write_question(round);
    }
}

/* Sends the answer, as notify: with the lock, which is given back meanwhile. That it may have been
 * sent is written down before. */
static void deliver(struct round *round) {
    struct error why;
    double count = tries_of(round->question, "callback");
    bool before = maybe_taken(round->question), yes = json_is(round->question, "answer", "yes");
    if (!record(round)) /* what is not in the audit log is not sent */
        return;
    claim(round, "callback", count + 1, true);
    if (!write_question(round))
        return;
    end(round);
    enum callback_outcome outcome =
        callback_send(round->channel, json_string(round->question, "bearer"), yes, &why);
    if (begin(round) && question_is(round->question, "answered"))
        take_outcome(round, outcome, count, before, &why);
}

/* The end of an answer that has not been taken before the expiry, as far as is known. */
static void give_up(struct round *round) {
    bool maybe = maybe_taken(round->question);
    report_failure(&round->status, STATUS_UNAVAILABLE, json_string(round->question, "id"),
                   maybe ? "the answer of %s was sent, and it is not known whether Keycloak has "
                           "taken it before the request expired"
                         : "the answer of %s was not delivered before the request expired",
                   json_string(round->question, "user"));
    round->question = question_settle(
        question_log(round->channel, round->question, "delivered", maybe ? "unknown" : "expired"),
        "expired");
}

/* The end of one whose time is over. */
static void expire(struct round *round) {
    if (question_is(round->question, "open"))
        round->question = question_settle(
            question_log(round->channel, round->question, "expired", NULL), "expired");
    else if (question_is(round->question, "answered"))
        give_up(round);
    if (!json_has(round->question, "log") || record(round))
        question_remove(round->channel->directory, round->name);
}

/* Whether it can go. */
static bool is_over(jv question) {
    double until = 0;
    json_number(question, "expires_at", &until);
    return question_has_expired(question) && !is_under_way(question) &&
           (!question_is(question, "settled") || until + SHOWN_SECONDS <= clock_now());
}

static void advance(struct round *round) {
    if (!begin(round))
        return;
    if (!jv_is_valid(round->question))
        return;
    if (is_over(round->question))
        expire(round);
    else if (question_is(round->question, "open") && round->notifier != NULL &&
             is_due(round->question, "notice"))
        notify(round);
    else if (!round->only_notices && question_is(round->question, "answered") &&
             is_due(round->question, "callback"))
        deliver(round);
    else if (json_has(round->question, "log"))
        record(round);
}

static int make(const struct channel *channel, const struct notifier *notifier, const char *name,
                bool only_notices) {
    struct round round = {channel, notifier, name, only_notices, -1, jv_invalid(), STATUS_DONE};
    advance(&round);
    end(&round);
    jv_free(round.question);
    return round.status;
}

int rounds_make(const struct channel *channel, const struct notifier *notifier, const char *name) {
    return make(channel, notifier, name, false);
}

static int make_each(const struct channel *channel, const struct notifier *notifier,
                     const struct question_names *all, bool only_notices) {
    int status = STATUS_DONE;
    for (size_t i = 0, failures = 0; i < all->count && failures < FAILURES_LIMIT; i++) {
        int one = make(channel, notifier, all->names[i], only_notices);
        failures += one != STATUS_DONE;
        status = status_worse(status, one);
    }
    return status;
}

int rounds_make_all(const struct channel *channel, const struct notifier *notifier) {
    struct question_names all = question_names(channel->directory, NULL);
    /* a notifier that is slow or out of order must not hold up answers */
    int status = make_each(channel, NULL, &all, false);
    if (notifier != NULL)
        status = status_worse(status, make_each(channel, notifier, &all, true));
    question_names_free(&all);
    return status;
}
