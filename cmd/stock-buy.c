/* stock-buy: places the order of each approved call `buy`. */
#include "access_token.h"
#include "alpaca.h"
#include "approval.h"
#include "call.h"
#include "client.h"
#include "clock.h"
#include "config.h"
#include "confine.h"
#include "documents.h"
#include "dpop.h"
#include "executor.h"
#include "filter.h"
#include "http.h"
#include "json.h"
#include "key_file.h"
#include "options.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TICKER_LIMIT = 15 };

static struct {
    bool describe, verbose, live, unbound_token;
    const char *name, *url, *dpop_key, *broker;
    struct record_settings record;
    struct filter_jobs jobs;
    struct client_settings issuer; /* -e and HTTP for all; the issuer for --broker */
    struct confinement needs;
} given = {.name = "buy"};

static const struct option_spec options[] = {
    {0, "describe", NULL, OPTION_FLAG, &given.describe, "print the tool's definition"},
    {0, "name", "NAME", OPTION_TEXT, &given.name, "the tool's name (buy)"},
    {0, "url", "URL", OPTION_TEXT, &given.url, "where orders are posted (STOCK_API_URL)"},
    {0, "broker", "NAME", OPTION_TEXT, &given.broker, "order at a broker instead: alpaca"},
    {0, "live", NULL, OPTION_FLAG, &given.live, "with --broker: with real money, not on paper"},
    {0, "unbound-token", NULL, OPTION_FLAG, &given.unbound_token,
     "with --broker and a seal: the token need not name the request and the order"},
    {0, "dpop-key", "FILE", OPTION_TEXT, &given.dpop_key,
     "the key that tokens are bound to (DPoP)"},
    RECORD_OPTIONS(given.record),
    JOBS_OPTIONS(given.jobs),
    ISSUER_OPTIONS(given.issuer),
    HTTP_OPTIONS(given.issuer.http),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"stock-buy",
                                       "[-v] [--name NAME] [-e FILE]\n"
                                       "       stock-buy --describe [--name NAME]",
                                       "Places the order of each approved call.", options, false};

struct job {
    const char *url;
    EVP_PKEY *dpop_key; /* NULL for none */
    struct http *http;
    struct record record;
    /* For a broker, which does not know the token: whose it must be, and for what. */
    struct client issuer;
    const char *audience, *scope;
    struct alpaca alpaca;
};

/* What the model is told about the tool. */
static jv definition(void) {
    static const char text[] =
        "{\"type\":\"function\",\"function\":{\"description\":\"Buy shares of a company for the "
        "user. The user is asked for approval before the order is placed.\",\"parameters\":{"
        "\"type\":\"object\",\"properties\":{\"ticker\":{\"type\":\"string\",\"description\":\"The "
        "ticker symbol, for example GOOGL\",\"minLength\":1,\"maxLength\":15},\"qty\":{\"type\":"
        "\"integer\",\"description\":\"How many shares\",\"minimum\":1}},\"required\":[\"ticker\","
        "\"qty\"],\"additionalProperties\":false}}}";
    jv tool = jv_parse(text), function = json_get(tool, "function");
    return json_set(tool, "function", json_set_string(function, "name", given.name));
}

/* The order as the API gets it, checked. False and an error with status 65. */
static bool make_order(jv call, jv *order, struct error *error) {
    jv arguments = json_get(call, "arguments");
    const char *ticker = json_string(arguments, "ticker");
    char symbol[TICKER_LIMIT + 1] = "";
    double quantity = 0;
    size_t size = ticker == NULL ? 0 : strlen(ticker);
    bool good = size >= 1 && size <= TICKER_LIMIT;
    for (size_t i = 0; good && i < size; i++) {
        symbol[i] = (char)(ticker[i] >= 'a' && ticker[i] <= 'z' ? ticker[i] - 32 : ticker[i]);
        good = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", symbol[i]) != NULL;
    }
    if (!good)
        fail(error, STATUS_INPUT, "the ticker is not 1 to 15 of A-Z 0-9 . -");
    else if (!json_number(arguments, "qty", &quantity) || !(quantity >= 1) ||
             quantity > 9007199254740992.0 || quantity != floor(quantity))
        good = fail(error, STATUS_INPUT, "qty is not a positive whole number");
    jv_free(arguments);
    if (good)
        *order =
            json_set(json_set_string(jv_object(), "ticker", symbol), "qty", jv_number(quantity));
    return good;
}

/* What the model is told: the status text, and the body where it is JSON. */
static jv told_to_model(const struct http_answer *answer) {
    struct error ignored;
    jv body;
    const char *reason = answer->reason[0] != '\0' ? answer->reason : "no reason given";
    if (!json_parse(answer->body, answer->size, &body, &ignored))
        return jv_string(reason);
    return json_set(json_set_string(jv_object(), "status", reason), "body", body);
}

/* What the answer of the API comes to. */
static enum execution read_answer(jv call, const struct attempt *attempt,
                                  const struct http_answer *answer, jv *result, int *status) {
    long code = answer->status;
    if (code >= 200 && code < 300) {
        *result = executor_result((int)code, NULL, told_to_model(answer));
        return EXECUTION_DONE;
    }
    if (!executor_is_refusal(code)) {
        complain(call_id(call),
                 "HTTP %ld %s: whether the order was placed is unknown; run stock-buy on this "
                 "document again, it sends the same Idempotency-Key",
                 code, answer->reason);
        *status = status_worse(*status, code < 400 ? STATUS_PROTOCOL : STATUS_UNAVAILABLE);
        return EXECUTION_UNKNOWN;
    }
    complain(call_id(call),
             attempt->again
                 ? "the order is refused now, and an earlier try may have placed it: HTTP "
                   "%ld %s"
                 : "the order was refused: HTTP %ld %s",
             code, answer->reason);
    *status = status_worse(*status, code == 401 || code == 403 ? STATUS_REFUSED : STATUS_INPUT);
    *result = executor_result((int)code, "order_refused", told_to_model(answer));
    return EXECUTION_REFUSED;
}

static jv invalid_order(jv call, const char *why, int *status) {
    complain(call_id(call), "the order is not valid: %s", why);
    *status = status_worse(*status, STATUS_INPUT);
    char *words = must_format("The order is not valid: %s. Nothing was bought.", why);
    jv result = executor_result(-1, "invalid_arguments", jv_string(words));
    free(words);
    return result;
}

/* One POST, with the proof of the key that the token is bound to, if it is. */
static bool post_order(const struct job *job, struct http_request request, const char *access_token,
                       const char *nonce, struct http_answer *answer, struct error *error) {
    char *proof = dpop_header(job->dpop_key, "POST", job->url, nonce, access_token, error);
    if (proof == NULL)
        return false;
    request.bearer = NULL;
    request.dpop_token = access_token;
    request.headers[1] = proof;
    http_call(job->http, &request, answer);
    free(proof);
    return true;
}

/* Sends the order; a second time where the API has refused the first for want of its own nonce (RFC
 * 9449 §9). */
static void send_order(const struct job *job, jv call, const char *access_token, const char *body,
                       const char *key, struct http_answer *answer) {
    char *header = must_format("Idempotency-Key: %s", key);
    struct http_request request = {.method = "POST",
                                   .url = job->url,
                                   .body = body,
                                   .content_type = "application/json",
                                   .bearer = access_token,
                                   .headers = {header}};
    struct error error;
    if (!approval_is_dpop(call)) {
        http_call(job->http, &request, answer);
    } else {
        bool made = post_order(job, request, access_token, NULL, answer, &error);
        if (made && answer->status == 401 && answer->dpop_nonce[0] != '\0') {
            char *nonce = must_copy(answer->dpop_nonce);
            http_answer_free(answer);
            made = post_order(job, request, access_token, nonce, answer, &error);
            free(nonce);
        }
        if (!made) {
            *answer = (struct http_answer){.outcome = HTTP_NOT_SENT, .exit_status = error.status};
            memcpy(answer->why, error.text, sizeof answer->why - 1);
        }
    }
    free(header);
}

/* Whether one of the token's details has the order's ticker and qty as they are in the call. */
static bool details_name(jv claims, jv arguments) {
    jv details = json_array(claims, "authorization_details");
    jv ticker = json_get(arguments, "ticker"), qty = json_get(arguments, "qty");
    bool found = false;
    jv_array_foreach(details, i, detail) {
        jv named = json_get(detail, "ticker"), number = json_get(detail, "qty");
        found = found || (json_equal(named, ticker) && json_equal(number, qty));
        jv_free(named);
        jv_free(number);
        jv_free(detail);
    }
    jv_free(details);
    jv_free(ticker);
    jv_free(qty);
    return found;
}

/* Whether the token, whose claims these are, names the user who was asked, the request and the
 * order: without that it is good for any order of his. With a seal, which binds them as well, and
 * --unbound-token, the user will do. */
static bool claims_bind(jv claims, jv call, struct error *error) {
    static const char request_claim[] = "urn:openid:params:jwt:claim:auth_req_id";
    jv authorization = json_get(call, "authorization"), arguments = json_get(call, "arguments");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    const char *user = json_string(authorization, "user");
    bool named = json_has(claims, request_claim), good = true;
    if (user == NULL)
        user = json_string(authorization, "approved_by");
    if (user == NULL || auth_req_id == NULL)
        good = fail(error, STATUS_INPUT, "the authorization does not say who was asked");
    else if (!json_is(claims, "sub", user))
        good = fail(error, STATUS_INPUT, "it is not of the user who was asked");
    else if (named && !json_is(claims, request_claim, auth_req_id))
        good = fail(error, STATUS_INPUT, "it is for another request");
    else if (!named && !given.unbound_token)
        good = fail(error, STATUS_INPUT, "it does not name the request (%s)", request_claim);
    else if (json_has(claims, "authorization_details") ? !details_name(claims, arguments)
                                                       : !given.unbound_token)
        good = fail(error, STATUS_INPUT,
                    "it has no authorization_details with this ticker and qty; ask with -d");
    jv_free(authorization);
    jv_free(arguments);
    return good;
}

/* Whether the token says that this very order was approved: by the issuer, for our audience and
 * scope, by the user who was asked. */
static bool approval_is_genuine(struct job *job, jv call, const char *access_token,
                                struct error *error) {
    struct access_token_facts facts = {.issuer = job->issuer.issuer,
                                       .audience = job->audience,
                                       .scope = job->scope,
                                       .now = clock_now()};
    jv claims = jv_invalid();
    enum access_token_verdict verdict = ACCESS_TOKEN_NO_KEY;
    bool good = true;
    for (int again = 0; good && again < 2 && verdict == ACCESS_TOKEN_NO_KEY; again++) {
        good = client_discover(&job->issuer, error) &&
               client_fetch_keys(&job->issuer, again == 1, error);
        if (good)
            verdict = access_token_verify(access_token, job->issuer.jwks, &facts, &claims, error);
    }
    good = good && verdict == ACCESS_TOKEN_VALID && claims_bind(claims, call, error);
    jv_free(claims);
    return good;
}

/* The order at the broker. */
static enum execution place_at_broker(struct job *job, jv call, jv order,
                                      const struct attempt *attempt, jv *result, int *status) {
    struct error error;
    double quantity = 0;
    json_number(order, "qty", &quantity);
    if (approval_is_genuine(job, call, attempt->access_token, &error))
        return alpaca_buy(job->http, &job->alpaca, call_id(call), json_string(order, "ticker"),
                          quantity, attempt, result, status);
    if (error.status == STATUS_UNAVAILABLE) {
        complain(call_id(call), "%s; nothing was sent, run stock-buy again", error.text);
        *status = status_worse(*status, error.status);
        return EXECUTION_NOT_BEGUN;
    }
    char *words =
        must_format("Refused: the access token does not hold: %s. Nothing was done.", error.text);
    complain(call_id(call), "refused: the access token does not hold: %s", error.text);
    *status = status_worse(*status, STATUS_INPUT);
    *result = executor_result(-1, "refused", jv_string(words));
    free(words);
    return EXECUTION_REFUSED;
}

static enum execution place_at_api(struct job *job, jv call, jv order,
                                   const struct attempt *attempt, jv *result, int *status) {
    char *body = json_text(order);
    struct http_answer answer;
    enum execution outcome = EXECUTION_UNKNOWN;
    send_order(job, call, attempt->access_token, body, attempt->key, &answer);
    if (answer.outcome == HTTP_ANSWERED) {
        outcome = read_answer(call, attempt, &answer, result, status);
    } else {
        if (answer.outcome == HTTP_NOT_SENT)
            outcome = EXECUTION_NOT_BEGUN;
        complain(call_id(call),
                 answer.outcome == HTTP_NOT_SENT
                     ? "%s: the order was not sent; run stock-buy on this document "
                       "again"
                     : "%s: whether the order was placed is unknown; run stock-buy "
                       "on this document again, it sends the same Idempotency-Key",
                 answer.why);
        *status = status_worse(*status, answer.exit_status);
    }
    http_answer_free(&answer);
    free(body);
    return outcome;
}

static enum execution place_order(void *context, jv call, const struct attempt *attempt, jv *result,
                                  int *status) {
    struct error error;
    jv order;
    if (!make_order(call, &order, &error)) {
        *result = invalid_order(call, error.text, status);
        return EXECUTION_REFUSED;
    }
    enum execution outcome = (given.broker != NULL ? place_at_broker : place_at_api)(
        context, call, order, attempt, result, status);
    jv_free(order);
    return outcome;
}

static int describe(void) {
    struct error error;
    jv tool = definition();
    bool good = document_write(tool, &error);
    jv_free(tool);
    if (!good)
        complain("stdout", "%s", error.text);
    return good ? STATUS_DONE : error.status;
}

static bool configure_broker(struct job *job, struct error *error) {
    if (strcmp(given.broker, "alpaca") != 0)
        return fail(error, STATUS_USAGE, "--broker: only alpaca is known");
    if (!client_configure_issuer(&job->issuer, &given.issuer, error) ||
        !alpaca_configure(&job->alpaca, given.live, error))
        return false;
    job->audience = config_get(NULL, "AUDIENCE", NULL);
    job->scope = "stock:trade";
    if (job->audience == NULL)
        return fail(error, STATUS_CONFIG,
                    "no audience: set AUDIENCE, for which approvals are issued");
    job->http = job->issuer.http;
    return true;
}

static bool configure(struct job *job, struct error *error) {
    if (given.broker != NULL)
        return configure_broker(job, error);
    if (!config_load(given.issuer.env_file, error))
        return false;
    job->url = config_get(given.url, "STOCK_API_URL", NULL);
    if (job->url == NULL)
        return fail(error, STATUS_CONFIG, "no stock API: set STOCK_API_URL, or --url");
    if (given.dpop_key != NULL &&
        (job->dpop_key = key_file_load(given.dpop_key, NULL, error)) == NULL)
        return false;
    job->http = http_new(&given.issuer.http, config_get(NULL, "SSL_CERT_FILE", NULL),
                         config_get(NULL, "SSL_CERT_DIR", NULL));
    return http_url_allowed(job->url, error);
}

/* What the token does not bind, the seal must. */
static bool is_bound(const struct job *job, struct error *error) {
    return !given.unbound_token || job->record.seal_key != NULL ||
           fail(error, STATUS_CONFIG, "--unbound-token needs a seal: set --seal-key-file");
}

static bool drop_rights(const struct job *job, struct error *error) {
    http_needs(job->http, &given.needs);
    record_needs(&job->record, &given.needs);
    given.needs.jobs = given.jobs.count > 1;
    return confine(&given.needs, error);
}

int main(int argc, char **argv) {
    struct job job = {.issuer = {.metadata = jv_invalid(), .jwks = jv_invalid()}};
    struct error error;
    int status, first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    if (given.live && given.broker == NULL)
        usage_error("--live goes with --broker");
    if (given.unbound_token && given.broker == NULL)
        usage_error("--unbound-token goes with --broker");
    if (given.verbose)
        verbose_on();
    if (given.describe)
        return describe();
    if (configure(&job, &error) && record_configure(&job.record, &given.record, &error) &&
        is_bound(&job, &error) && drop_rights(&job, &error)) {
        struct executor executor = {.tool = given.name,
                                    .proves_key = job.dpop_key != NULL,
                                    .record = &job.record,
                                    .work = place_order,
                                    .context = &job};
        status = filter_run(executor_document, &executor, &given.jobs);
    } else {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    record_free(&job.record);
    EVP_PKEY_free(job.dpop_key);
    if (job.http != job.issuer.http)
        http_free(job.http);
    client_free(&job.issuer);
    return status;
}
