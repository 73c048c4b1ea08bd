/* stock-buy: places the order of each approved call `buy`. */
#include "approval/executor.h"
#include "approval/token_keeper.h"
#include "broker/broker.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "document/stream.h"
#include "system/confine.h"

static struct {
    bool describe, verbose;
    const char *tool;
    struct broker_settings orders;
    struct token_settings tokens;
    struct ledger_settings ledger;
    struct stream_jobs jobs;
    struct confinement needs;
} options = {.tool = "buy"};

static const struct option_spec option_table[] = {
    {0, "describe", NULL, OPTION_FLAG, &options.describe, "print the tool's definition"},
    {0, "tool", "NAME", OPTION_TEXT, &options.tool, "the tool's name (buy)"},
    {0, "url", "URL", OPTION_TEXT, &options.orders.url, "where orders are posted (STOCK_API_URL)"},
    {0, "broker", "NAME", OPTION_TEXT, &options.orders.broker,
     "order at this broker instead: alpaca"},
    {0, "live", NULL, OPTION_FLAG, &options.orders.live, "with --broker: trade with real money"},
    {0, "unbound-token", NULL, OPTION_FLAG, &options.orders.unbound_token,
     "with --broker and a seal: the token need not name the request and the order"},
    LEDGER_OPTIONS(options.ledger),
    JOBS_OPTIONS(options.jobs),
    TOKEN_OPTIONS(options.tokens),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"stock-buy",
                                       "[-v] [--tool NAME] [-e FILE]\n"
                                       "       stock-buy --describe [--tool NAME]",
                                       "Places the order of each approved call.", option_table,
                                       false};

struct job {
    struct ledger ledger;
    struct brokerage brokerage;
    struct token_keeper tokens;
};

static int describe(void) {
    struct error error;
    int status = STATUS_DONE;
    jv tool = order_tool(options.tool);
    if (!document_write(tool, &error))
        report_error(&status, "stdout", &error);
    jv_free(tool);
    return status;
}

/* The seal must bind what the token does not. */
static bool is_bound(const struct ledger *ledger, struct error *error) {
    return !options.orders.unbound_token || ledger->seal_key != NULL ||
           fail(error, STATUS_CONFIG, "--unbound-token needs a seal: set --seal-key-file");
}

/* What the broker shares with the client at the issuer. */
static void share_settings(void) {
    const struct client_settings *client = &options.tokens.client;
    options.orders.dpop_key_file = client->dpop_key;
    options.orders.issuer = (struct issuer_settings){.env_file = client->env_file,
                                                     .issuer = client->issuer,
                                                     .key_password_file = client->key_password_file,
                                                     .http = client->http};
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    share_settings();
    if (!brokerage_open(&job->brokerage, &options.orders, error) ||
        !ledger_configure(&job->ledger, &options.ledger, error) || !is_bound(&job->ledger, error) ||
        !token_keeper_configure(&job->tokens, &options.tokens, &job->ledger, error))
        return false;
    http_needs(job->brokerage.http, &options.needs);
    token_keeper_needs(&job->tokens, &options.needs);
    ledger_needs(&job->ledger, &options.needs);
    options.needs.jobs = options.jobs.count > 1;
    return true;
}

static int place_orders(void *context) {
    struct job *job = context;
    const char *const tools[] = {options.tool, NULL};
    struct executor executor = {.tools = tools,
                                .proves_key = job->brokerage.proves_key,
                                .ledger = &job->ledger,
                                .tokens = &job->tokens,
                                .work = brokerage_order,
                                .context = &job->brokerage};
    return stream_run(executor_document, &executor, &options.jobs);
}

static void release(void *context) {
    struct job *job = context;
    ledger_free(&job->ledger);
    token_keeper_free(&job->tokens);
    brokerage_close(&job->brokerage);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, place_orders, release};
    struct job job = {.brokerage = {.broker = NULL}};
    options_parse_only(&command, argc, argv);
    if (options.orders.live && options.orders.broker == NULL)
        usage_error("--live goes with --broker");
    if (options.orders.unbound_token && options.orders.broker == NULL)
        usage_error("--unbound-token goes with --broker");
    if (options.describe)
        return describe();
    return command_run(&parts, &job);
}
