#include "ciba/authorizer.h"

#include "approval/audit_origin.h"
#include "base/clock.h"
#include "base/redact.h"
#include "ciba/again.h"
#include "ciba/notification_spool.h"
#include "document/attempt.h"
#include "document/call.h"
#include "document/step.h"
#include "document/tool_names.h"
#include "jose/digest.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool reuse_is_known(const struct authorizer_settings *settings, struct error *error) {
    const char *reuse = settings->reuse;
    if (reuse != NULL && settings->lease.seconds > 0)
        return fail(error, STATUS_USAGE, "only one of --reuse and --lease can be asked for");
    if (reuse == NULL || strcmp(reuse, "call") == 0 || strcmp(reuse, "agent") == 0)
        return true;
    if (settings->no_document)
        return fail(error, STATUS_USAGE, "--reuse: call or agent; there is no document here");
    return strcmp(reuse, "document") == 0 ||
           fail(error, STATUS_USAGE, "--reuse: call, document or agent");
}

static bool together_is_possible(const struct authorizer_settings *settings, struct error *error) {
    const char *other = settings->reuse != NULL ? "--reuse" : "--lease";
    return !settings->together || (settings->reuse == NULL && settings->lease.seconds <= 0) ||
           fail(error, STATUS_USAGE,
                "%s: an approval of calls that were asked about together is for these alone",
                other);
}

static bool configure_records(struct authorizer *authorizer, struct error *error) {
    const struct authorizer_settings *settings = authorizer->settings;
    struct ledger *ledger = &authorizer->ledger;
    const char *notification_dir = settings->notification_dir;
    audit_origin_client(authorizer->client.credentials.id);
    if (!ledger_configure(ledger, &settings->ledger, error))
        return false;
    if (settings->no_document)
        ledger->journal_path = ledger->spent_folder = NULL, ledger->in_stage = false;
    bool leases = settings->lease.seconds > 0;
    bool stores = settings->reuse != NULL || leases || !settings->no_document;
    if (stores && !ledger_configure_store(ledger, &settings->ledger,
                                          authorizer->client.credentials.id, error))
        return false;
    if ((settings->reuse != NULL || leases) && ledger->store.folder == NULL)
        return fail(error, STATUS_CONFIG, "%s needs a store: set --store-dir, or CIBA_STORE",
                    leases ? "--lease" : "--reuse");
    return ledger_ready(ledger, error) &&
           (notification_dir == NULL || durable_ready(notification_dir, true, error));
}

bool authorizer_configure(struct authorizer *authorizer, const struct authorizer_settings *settings,
                          struct error *error) {
    const struct question_settings *question = &settings->question;
    *authorizer = (struct authorizer){.settings = settings,
                                      .question = {.authorization_details = jv_invalid(),
                                                   .resources = jv_invalid(),
                                                   .more = jv_invalid()},
                                      .texts = {.text = question->text},
                                      .reuse = jv_invalid(),
                                      .document = jv_invalid(),
                                      .offer = jv_invalid()};
    if (settings->no_document && settings->reuse != NULL)
        authorizer->reuse = json_set_string(jv_object(), "for", settings->reuse);
    return reuse_is_known(settings, error) && together_is_possible(settings, error) &&
           lease_question_make(&authorizer->lease, &settings->lease, error) &&
           question_take_parameters(&authorizer->question, question, error) &&
           notifier_start(&authorizer->notifier, "--notify-command", settings->notify_command,
                          error) &&
           client_configure(&authorizer->client, &settings->client, error) &&
           question_configure(&authorizer->question, question, &authorizer->client, error) &&
           configure_records(authorizer, error) &&
           question_texts_make(&authorizer->texts, question->message, question->details, error);
}

void authorizer_free(struct authorizer *authorizer) {
    notifier_end(&authorizer->notifier);
    jv_free(authorizer->reuse);
    question_texts_free(&authorizer->texts);
    lease_question_free(&authorizer->lease);
    question_free(&authorizer->question);
    ledger_free(&authorizer->ledger);
    client_free(&authorizer->client);
}

void authorizer_bind(struct authorizer *authorizer, jv place) {
    if (json_is(authorizer->reuse, "for", "call"))
        authorizer->reuse = json_set(authorizer->reuse, "place", jv_copy(place));
    jv_free(authorizer->lease.place);
    authorizer->lease.place = place;
}

void authorizer_needs(const struct authorizer *authorizer, struct confinement *needs) {
    const char *notification_dir = authorizer->settings->notification_dir;
    client_needs(&authorizer->client, needs);
    ledger_needs(&authorizer->ledger, needs);
    notifier_needs(&authorizer->notifier, needs);
    confine_add(needs->writes, notification_dir);
    needs->times = notification_dir != NULL; /* a notification's file has its expiry as its time */
}

static bool is_chosen(const struct authorizer *authorizer, jv call) {
    bool chosen = authorizer->settings->tools.count == 0;
    for (size_t i = 0; i < authorizer->settings->tools.count; i++)
        chosen = chosen || json_is(call, "name", authorizer->settings->tools.items[i]);
    if (!chosen)
        report_verbose(call_label(call), "nobody is asked: --tool does not name its tool");
    return chosen;
}

/* Expects a notification for this request until it expires. */
static void expect_request(const char *directory, const char *digest, jv call) {
    struct error error;
    double until = 0;
    jv authorization = json_get(call, "authorization");
    json_number(authorization, "expires_at", &until);
    if (!notification_spool_name(directory, digest, json_string(authorization, "auth_req_id"),
                                 until, &error))
        report(call_label(call), "it cannot be notified: %s", error.text);
    jv_free(authorization);
}

/* What --notify-command learns of a question. The provider's name for the request stays here: with
 * the client's secret it is worth a token. */
static jv notice_of(const struct authorizer *authorizer, jv call) {
    jv authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    const char *message = json_string(authorization, "binding_message");
    jv notice = json_set_string(jv_object(), "user",
                                user != NULL ? user : json_string(authorization, "login_hint"));
    notice = json_set_string(notice, "message", message);
    notice = json_set_string(notice, "url", json_string(authorization, "verification_uri"));
    notice = json_set_string(notice, "client", authorizer->client.credentials.id);
    notice = json_set(notice, "expires_at", json_get(authorization, "expires_at"));
    notice = json_set_string(notice, "id", json_string(call, "id"));
    jv_free(authorization);
    return notice;
}

static void tell_user(const struct authorizer *authorizer, jv call) {
    if (call_state(call) != CALL_PENDING || authorizer->notifier.program == NULL)
        return;
    jv notice = notice_of(authorizer, call);
    notifier_tell(&authorizer->notifier, notice);
    jv_free(notice);
}

jv authorizer_ask(struct authorizer *authorizer, struct ciba_question *question, jv call,
                  struct error *error) {
    char *token = NULL, *digest = NULL;
    bool ready = true;
    if (authorizer->settings->notification_dir != NULL) {
        token = random_name(32);
        redact_know(token);
        digest = digest_of(token, strlen(token));
        ready = notification_spool_expect(authorizer->settings->notification_dir, digest,
                                          clock_now() + ciba_lifetime(question), error);
        question->notification_token = token;
    }
    call = ready ? ciba_ask(&authorizer->client, question, call, error)
                 : call_settle(call, "failed", "misconfigured", error->text);
    if (digest != NULL && call_state(call) == CALL_PENDING)
        expect_request(authorizer->settings->notification_dir, digest, call);
    else if (digest != NULL)
        notification_spool_forget(authorizer->settings->notification_dir, digest);
    redact_forget(token);
    free(token);
    free(digest);
    tell_user(authorizer, call);
    return call;
}

/* Adds what the authorization has besides the question: how many times the user was asked in vain,
 * where the approval may be reused, and the lease that begins with it. */
static jv add_facts(const struct authorizer *authorizer, jv call, jv before) {
    jv authorization = attempt_count(json_get(call, "authorization"), before);
    if (authorizer->settings->reuse != NULL)
        authorization = json_set(authorization, "reuse", jv_copy(authorizer->reuse));
    if (jv_is_valid(authorizer->offer) && json_has(authorization, "auth_req_id"))
        authorization =
            lease_promise(&authorizer->ledger.store, authorization, jv_copy(authorizer->offer));
    return json_set(call, "authorization", authorization);
}

/* What is asked beside it, by --param. Takes the object. */
static jv with_parameters(jv object, const struct ciba_question *question) {
    bool any = jv_object_length(jv_copy(question->more)) > 0;
    return any ? json_set(object, "parameters", jv_copy(question->more)) : object;
}

/* Whether the store has an approval for the question, or a lease that covers it; if so, gives it to
 * the call. If not, makes the offer of a lease, if one is to be asked for. */
static bool use_again(struct authorizer *authorizer, const struct ciba_question *question, jv *call,
                      int *status) {
    struct error ignored;
    bool reuses = authorizer->settings->reuse != NULL, leases = question->bound != NULL;
    char *digest = reuses || leases ? call_digest(*call, &ignored) : NULL;
    if (digest == NULL)
        return false;
    bool found = false;
    jv authorization = ciba_authorization(&authorizer->client, question, digest);
    if (leases) {
        jv place = authorizer->lease.place;
        place = with_parameters(jv_is_valid(place) ? jv_copy(place) : jv_object(), question);
        authorizer->offer = lease_offer(&authorizer->ledger.store, authorization, *call,
                                        &authorizer->lease.bound, place);
        jv_free(place);
        found =
            !authorizer->anew && ledger_lease(&authorizer->ledger, authorizer->offer, call, status);
    } else if (!authorizer->anew) {
        authorization = json_set(authorization, "reuse", jv_copy(authorizer->reuse));
        found = ledger_reuse(&authorizer->ledger, authorization, call, status);
    }
    jv_free(authorization);
    free(digest);
    return found;
}

/* Asks, with the intent on the disk before and the outcome after. Takes the call. */
static jv ask_once(struct authorizer *authorizer, struct ciba_question *question, jv call,
                   int *status, struct error *error) {
    if (use_again(authorizer, question, &call, status))
        return call;
    jv before = json_get(call, "authorization");
    if (ledger_asking(&authorizer->ledger, call, clock_now() + ciba_lifetime(question), error)) {
        call = add_facts(authorizer, authorizer_ask(authorizer, question, call, error), before);
        call = ledger_asked(&authorizer->ledger, call, status);
    }
    jv_free(before);
    return call;
}

/* Until when an earlier request whose answer was lost may still be approved; 0 for none. If the
 * time of day was set back to before it, counts from now. Takes and returns the call. */
static double lost_until(jv *call) {
    double until = 0, asked_at = 0, now = clock_now();
    jv authorization = json_get(*call, "authorization");
    bool lost = json_number(authorization, "ask_again_at", &until) &&
                json_number(authorization, "requested_at", &asked_at);
    if (lost && clock_went_back(asked_at)) {
        until = now + fmax(until - asked_at, 0);
        authorization = json_set(authorization, "requested_at", jv_number(floor(now)));
        authorization = json_set(authorization, "ask_again_at", jv_number(ceil(until)));
        *call = json_set(*call, "authorization", jv_copy(authorization));
    }
    jv_free(authorization);
    return until;
}

/* The call whose question perhaps reached the user. An earlier question whose token was lost is
 * over. Takes the call. */
static jv begun(jv call, double until) {
    jv before = json_get(call, "authorization");
    if (jv_is_valid(before)) {
        jv authorization = json_delete(jv_copy(before), "auth_req_id");
        call = json_set(call, "authorization", attempt_count(authorization, before));
    }
    jv_free(before);
    return ciba_lost(call, until, "the answer was lost; the user may have been asked");
}

/* Whether the call cannot be asked about now, or need not be. Takes and returns the call. */
static bool is_settled(struct authorizer *authorizer, jv *call, int *status) {
    double until = lost_until(call);
    enum ledger_memory memory = ledger_question(&authorizer->ledger, call, &until, status);
    if (memory == LEDGER_FINISHED)
        return true;
    if (authorizer->settings->ask_again || until <= clock_now())
        return false;
    if (memory == LEDGER_BEGUN)
        *call = begun(*call, until);
    *status = status_worse(*status, STATUS_NOT_YET);
    if (!authorizer->settings->together || !authorizer->told_lost)
        report(call_label(*call),
               "the provider's answer was lost; the user is asked again in %.0f s, when they can "
               "no longer approve the first request, or at once with --ask-again",
               until - clock_now());
    authorizer->told_lost = true;
    return true;
}

/* Whether the user is asked anew about a call that came to nothing. */
static bool asks_anew(struct authorizer *authorizer, jv call, int *status) {
    struct error error;
    if (again_may_ask(&authorizer->ledger, authorizer->document, call, &error))
        return true;
    if (error.status != STATUS_DONE)
        report_error(status, call_label(call), &error);
    return false;
}

bool authorizer_asks(struct authorizer *authorizer, jv *call, int *status) {
    bool is_new = call_state(*call) == CALL_NEW;
    authorizer->anew = false;
    if ((!is_new && !authorizer->settings->anew) || !is_chosen(authorizer, *call) ||
        (!is_new && !asks_anew(authorizer, *call, status)))
        return false;
    if (!is_new) /* the journal may know of a later question than the one that came to nothing */
        *call =
            again_mark(json_delete(ledger_catch_up(&authorizer->ledger, *call, status), "result"));
    bool settled = is_settled(authorizer, call, status);
    authorizer->anew = again_marked(*call) && !settled;
    if (!is_new && !settled)
        *call = again_new_call(*call);
    return !settled;
}

bool authorizer_normalise(jv *call, struct error *error) {
    jv arguments = json_get(*call, "arguments"), normal = json_normal(arguments, error);
    bool good = jv_is_valid(normal) || !jv_is_valid(arguments);
    if (jv_is_valid(normal))
        *call = json_set(*call, "arguments", normal);
    jv_free(arguments);
    return good;
}

jv authorizer_add_message(const struct authorizer *authorizer, const struct ciba_question *question,
                          jv details, const char *digest) {
    const char *type = authorizer->settings->question.details_type;
    if (type == NULL || digest == NULL)
        return details;
    char *message = question_message(question);
    details = details_with_message(details, type, digest, message);
    free(message);
    return details;
}

/* Asks about a call with these words. Takes the call and the details. */
static jv ask_with(struct authorizer *authorizer, jv call, jv message, jv details, bool leased,
                   int *status, struct error *error) {
    struct ciba_question question = authorizer->question;
    char *bound = leased ? lease_question_words(&authorizer->lease) : NULL;
    const char *filter = leased ? authorizer->settings->lease.filter : NULL, *said;
    said = json_value_string(message);
    char *text = filter != NULL ? must_format("%s, if %s", said, filter) : must_copy(said);
    question.binding_message = text;
    question.bound = bound;
    char *digest = call_digest(call, error);
    details = authorizer_add_message(authorizer, &question, details, digest);
    question.authorization_details = details;
    call = ask_once(authorizer, &question, call, status, error);
    jv_free(authorizer->offer);
    authorizer->offer = jv_invalid();
    jv_free(details);
    free(digest);
    free(bound);
    free(text);
    return call;
}

/* Whether a lease is asked for about the call. False and an error. */
static bool is_leased(struct authorizer *authorizer, jv call, bool *leased, struct error *error) {
    jv arguments = json_get(call, "arguments");
    bool good = lease_question_covers(&authorizer->lease, arguments, leased, error);
    authorizer->texts.only_tool = *leased && authorizer->lease.filter != NULL;
    jv_free(arguments);
    return good;
}

jv authorizer_call(void *context, jv call, int *status) {
    struct authorizer *authorizer = context;
    struct error error = {STATUS_DONE, ""};
    bool leased;
    if (!authorizer_asks(authorizer, &call, status))
        return call;
    jv message = jv_invalid(), details = jv_invalid();
    if (!authorizer_normalise(&call, &error))
        call = call_settle(call, "failed", "invalid_arguments", error.text);
    else if (!is_leased(authorizer, call, &leased, &error))
        call = call_settle(call, "failed", "invalid_lease", error.text);
    else if (call_question(&authorizer->texts, call, &message, &details, &error))
        call = ask_with(authorizer, call, message, jv_copy(details), leased, status, &error);
    else
        call = call_settle(call, "failed",
                           json_value_string(message) == NULL ? "invalid_message"
                                                              : "invalid_authorization_details",
                           error.text);
    jv_free(message);
    jv_free(details);
    if (error.status != STATUS_DONE)
        report_error(status, call_label(call), &error);
    return call;
}

void authorizer_check_tools(const struct authorizer *authorizer, jv document) {
    for (size_t i = 0; i < authorizer->settings->tools.count; i++)
        tool_name_check(document, "--tool", authorizer->settings->tools.items[i]);
}

/* Where an approval in this document may be reused; gives the document an id if it has none. */
static jv reuse_in(const char *reuse_for, jv *document) {
    jv reuse = json_set_string(jv_object(), "for", reuse_for);
    if (strcmp(reuse_for, "document") != 0)
        return reuse;
    if (json_string(*document, "id") == NULL) {
        char *id = random_name(18);
        *document = json_set_string(*document, "id", id);
        free(id);
    }
    return json_set_string(reuse, "document", json_string(*document, "id"));
}

jv authorizer_document(void *context, jv document, int *status) {
    struct authorizer *authorizer = context;
    struct error error;
    if (!ledger_begin(&authorizer->ledger, &error)) {
        report_error(status, NULL, &error);
        return document;
    }
    authorizer_check_tools(authorizer, document);
    authorizer->reuse = authorizer->settings->reuse != NULL
                            ? reuse_in(authorizer->settings->reuse, &document)
                            : jv_invalid();
    jv whole = jv_copy(document);
    authorizer->document = whole;
    document = document_each_call(document, authorizer_call, context, status);
    authorizer->document = jv_invalid();
    jv_free(whole);
    jv_free(authorizer->reuse);
    authorizer->reuse = jv_invalid();
    return document;
}
