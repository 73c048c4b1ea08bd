#include "model/chat_turn.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "model/chat_adapt.h"
#include "model/chat_send.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_WAIT = 300 /* seconds; if a server asks for more, we give up */ };

static const struct backoff between_tries = {.base = 0.5, .cap = 8, .jitter = -0.25};

/* The model that this process has found to want the Responses API. */
static char responses_model[200];

/* The requests of a turn, so far. */
struct asking {
    struct chat_turn *turn;
    char *url;
    jv body, changes, begun; /* `begun`: the answer until the last pause */
    int adaptations, pauses;
    long tries;
    bool shown; /* text of an answer */
};

/* Whether a name is safe in a URL. */
static bool is_plain_name(const char *name) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    return *name != '\0' && strspn(name, plain) == strlen(name) && strstr(name, "..") == NULL;
}

/* The path with {model} and {version} replaced; the caller frees. */
static char *fill_path(const char *path, const char *model, const char *version) {
    char *filled = must_copy(path);
    const char *const names[] = {"{model}", "{version}"}, *const values[] = {model, version};
    for (int i = 0; i < 2; i++) {
        char *place = strstr(filled, names[i]);
        if (place == NULL)
            continue;
        char *longer = must_format("%.*s%s%s", (int)(place - filled), filled, values[i],
                                   place + strlen(names[i]));
        free(filled);
        filled = longer;
    }
    return filled;
}

/* The URL: the base URL without a final slash, the path, and the base URL's query. */
static char *make_url(const struct chat_turn *turn, struct error *error) {
    const char *base = turn->base_url, *query = strchr(base, '?'), *model = turn->wishes.model;
    size_t size = query != NULL ? (size_t)(query - base) : strlen(base);
    size -= size > 0 && base[size - 1] == '/';
    if (strchr(turn->api->path, '{') != NULL &&
        (!is_plain_name(model) || !is_plain_name(turn->version))) {
        fail(error, STATUS_CONFIG, "'%.60s' cannot be the name of a deployment", model);
        return NULL;
    }
    char *path = fill_path(turn->api->path, model, turn->version);
    char *url = must_format("%.*s%s%s", (int)size, base, path, query != NULL ? query : "");
    free(path);
    return url;
}

/* Makes the next request by all that is known now. */
static bool prepare(struct asking *asking, struct error *error) {
    const struct chat_turn *turn = asking->turn;
    const struct chat_dialect *dialect = turn->api->dialect;
    free(asking->url);
    jv_free(asking->body);
    asking->body = jv_invalid();
    asking->url = make_url(turn, error);
    if (asking->url == NULL)
        return false;
    jv body = dialect->request(&turn->wishes, turn->document, error);
    if (!jv_is_valid(body)) {
        jv_free(body);
        return false;
    }
    if (turn->wishes.max_tokens > 0)
        body = json_set(
            body, turn->is_default_server ? turn->api->max_tokens_name : turn->api->other_name,
            jv_number((double)turn->wishes.max_tokens));
    if (jv_is_valid(asking->begun))
        body = dialect->go_on(body, asking->begun);
    body = chat_adapt_body(asking->changes, body);
    if (jv_get_kind(turn->wishes.members) == JV_KIND_OBJECT)
        body = jv_object_merge_recursive(body, jv_copy(turn->wishes.members));
    asking->body = body;
    return true;
}

static bool send(struct asking *asking, struct chat_outcome *outcome, struct error *error) {
    struct chat_turn *turn = asking->turn;
    struct chat_sending sending = {.http = turn->http,
                                   .api = turn->api,
                                   .url = asking->url,
                                   .key_header = turn->key_header,
                                   .body = asking->body,
                                   .stream = turn->wishes.stream,
                                   .show = turn->show,
                                   .context = turn->context};
    turn->last_began = clock_elapsed();
    if (turn->deadline > 0)
        sending.max_time = fmax(turn->deadline - turn->last_began, 0.001);
    bool good = chat_send(&sending, outcome, error);
    asking->shown = asking->shown || outcome->shown;
    return good;
}

/* Waits before the next try. False if there is none. */
static bool wait_for_next(struct asking *asking, const struct chat_outcome *outcome,
                          struct error *error) {
    double deadline = asking->turn->deadline;
    double seconds =
        outcome->wait >= 0 ? outcome->wait : backoff_wait(&between_tries, (double)asking->tries);
    if (!outcome->passes || asking->shown || asking->tries >= asking->turn->retries)
        return false;
    if (seconds > LONGEST_WAIT || (deadline > 0 && clock_elapsed() + seconds >= deadline)) {
        size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used, " (it asks for %.0f s)", seconds);
        return false;
    }
    asking->tries++;
    report_verbose("model", "%s; trying again in %.1f s", error->text, seconds);
    clock_sleep(seconds);
    return true;
}

static bool is_missing(long status) {
    return status == 404 || status == 405 || status == 501;
}

/* With --api auto: whether another API is to be used, which is set. Once there and once back. */
static bool change_api(struct asking *asking, const struct chat_outcome *outcome) {
    static bool said;
    struct chat_turn *turn = asking->turn;
    const struct chat_api *responses = chat_api_named("responses");
    if (!turn->is_auto)
        return false;
    if (turn->api == responses && is_missing(outcome->status)) {
        turn->api = chat_api_named("openai");
        turn->went_back = true;
        return true;
    }
    if (turn->api != responses && !turn->went_back &&
        chat_adapt_wants_responses(outcome->failure)) {
        if (!said)
            report("model", "the server wants %s to be asked by its Responses API; it is",
                   turn->wishes.model);
        said = true;
        turn->api = responses;
        return true;
    }
    if (turn->went_back && turn->wishes.reasoning_effort == NULL &&
        chat_adapt_wants_no_reasoning(outcome->failure)) {
        turn->wishes.reasoning_effort = "none";
        return true;
    }
    return false;
}

/* Says what to do about a member of -o that a server does not take. */
static void advise(const struct asking *asking, const struct chat_outcome *outcome,
                   struct error *error) {
    size_t used = strlen(error->text);
    char *name = error->status == STATUS_PROTOCOL
                     ? chat_adapt_blames(asking->turn->wishes.members, outcome->failure)
                     : NULL;
    if (name != NULL)
        snprintf(error->text + used, sizeof error->text - used,
                 "; -o has set '%.60s', and -o %.60s=null takes it back", name, name);
    free(name);
}

/* Whether a failed request is to be sent again, changed or later. */
static bool goes_again(struct asking *asking, const struct chat_outcome *outcome,
                       struct error *error) {
    struct chat_turn *turn = asking->turn;
    bool changed = !asking->shown && asking->adaptations < CHAT_ADAPTATIONS_LIMIT &&
                   (change_api(asking, outcome) ||
                    (error->status == STATUS_PROTOCOL && jv_is_valid(outcome->failure) &&
                     chat_adapt(turn->api, &turn->wishes, &asking->changes, asking->body,
                                turn->document, outcome->failure)));
    if (!changed) {
        bool again = wait_for_next(asking, outcome, error);
        if (!again)
            advise(asking, outcome, error);
        return again;
    }
    report_verbose("model", "%s; asking in another way", error->text);
    asking->adaptations++;
    return prepare(asking, error);
}

/* All parts of an answer with pauses are together as large as an answer without may be. */
static bool is_small(jv answer, struct error *error) {
    char *text = json_text(answer);
    bool small = strlen(text) <= HTTP_ANSWER_LIMIT;
    free(text);
    return small || fail(error, STATUS_PROTOCOL,
                         "the model's answer comes to more than %d MiB with its pauses",
                         HTTP_ANSWER_LIMIT >> 20);
}

/* Takes an answer. False if the model paused and is to be asked on, or an error. */
static bool take(struct asking *asking, jv *answer, bool *again, struct error *error) {
    const struct chat_dialect *dialect = asking->turn->api->dialect;
    *again = false;
    if (jv_is_valid(asking->begun)) {
        *answer = dialect->join(jv_copy(asking->begun), *answer);
        if (!is_small(*answer, error))
            return false;
    }
    if (dialect->pauses == NULL || !dialect->pauses(*answer))
        return true;
    jv_free(asking->begun);
    asking->begun = *answer;
    *answer = jv_invalid();
    asking->shown = false; /* what was shown is kept, and not asked for again */
    *again = ++asking->pauses <= CHAT_PAUSES_LIMIT;
    if (!*again)
        return fail(error, STATUS_UNAVAILABLE, "the model paused %d times without an end",
                    asking->pauses);
    *again = prepare(asking, error);
    return false;
}

bool chat_turn_take(struct chat_turn *turn, jv *answer, struct error *error) {
    struct asking asking = {
        .turn = turn, .body = jv_invalid(), .changes = jv_object(), .begun = jv_invalid()};
    if (turn->is_auto && strcmp(responses_model, turn->wishes.model) == 0)
        turn->api = chat_api_named("responses");
    bool again = prepare(&asking, error), done = false;
    *answer = jv_invalid();
    while (again && !done) {
        struct chat_outcome outcome;
        if (send(&asking, &outcome, error)) {
            *answer = outcome.answer;
            done = take(&asking, answer, &again, error);
        } else {
            again = goes_again(&asking, &outcome, error);
            jv_free(outcome.answer);
        }
        jv_free(outcome.failure);
    }
    if (done && turn->is_auto && turn->api == chat_api_named("responses"))
        snprintf(responses_model, sizeof responses_model, "%s", turn->wishes.model);
    free(asking.url);
    jv_free(asking.body);
    jv_free(asking.changes);
    jv_free(asking.begun);
    return done;
}
