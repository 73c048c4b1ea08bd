/* mcp-gate: stands between an MCP client and a server, and passes on calls of tools only when the
 * user has said yes. */
#include "cli/options.h"
#include "cli/run.h"
#include "gate/asker.h"
#include "gate/gate_settings.h"
#include "gate/permission_server.h"
#include "gate/relay.h"
#include "mcp/server.h"
#include "system/settings.h"
#include "system/signals.h"

#include <stdlib.h>
#include <string.h>

static struct gate_settings options = {.asking = {.question = {.fits = true}}};

static const struct option_spec option_table[] = {GATE_OPTIONS(options),
                                                  {0, NULL, NULL, OPTION_FLAG, NULL, NULL}};

static const struct command command = {
    "mcp-gate",
    "[--tool NAME... | --unless-read-only] [--free NAME...] [-m MESSAGE] [-e FILE]\n"
    "       -- SERVER [ARGUMENT]...",
    "Asks the user before an MCP server's tools are called.", option_table, true};

struct job {
    char *const *words; /* the server's command line */
    struct program_file file;
    struct mcp_server server;
    int asker, signals;
    struct confinement needs; /* of the gate itself: nothing but what is open */
};

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    job->needs.off = options.needs.off;
    job->needs.required = options.needs.required;
    if (!asker_start(&options, job->words, &job->asker, error) ||
        !(options.permission_prompt
              ? permission_server_start(&job->server, error)
              : mcp_server_start(&job->server, job->words, &job->file, error)))
        return false;
    settings_forget_secrets();
    job->signals = signals_catch(error);
    return job->signals >= 0;
}

static int relay(void *context) {
    struct job *job = context;
    return relay_run(&options.tools, &options, &job->server, job->asker, job->signals);
}

static void release(void *context) {
    struct job *job = context;
    process_free_file(&job->file);
    gated_tools_free(&options.tools);
    free(options.asking.question.resources.items);
    free(options.asking.question.parameters.items);
}

static void check_options(void) {
    const struct gated_tools *tools = &options.tools;
    if (tools->tools.count > 0 && (tools->all || tools->unless_read_only || tools->free.count > 0))
        usage_error("--tool names all that is asked about; it excludes --all, --unless-read-only "
                    "and --free");
    if (options.permission_prompt && (tools->tools.count > 0 || tools->free.count > 0 ||
                                      tools->unless_read_only || options.spool != NULL))
        usage_error("--permission-prompt asks about every call, and makes no tasks");
    if (options.asking.reuse != NULL && strcmp(options.asking.reuse, "call") != 0)
        usage_error("--reuse: call; an approval is for one tool of one server here");
    if (tools->all && tools->unless_read_only)
        usage_error("only one of --all and --unless-read-only");
}

int main(int argc, char **argv) {
    static struct job job;
    const struct command_parts parts = {configure, &job.needs, relay, release};
    int first = options_parse(&command, argc, argv);
    check_options();
    if ((first == argc) != options.permission_prompt)
        usage_error(options.permission_prompt ? "--permission-prompt is the server itself"
                                              : "the server to run is missing");
    job.words = argv + first;
    if (!options.permission_prompt)
        process_find(argv[first], &job.file);
    options.asking.no_document = true;
    options.asking.lease.without_token = true; /* the server gets none */
    return command_run(&parts, &job);
}
