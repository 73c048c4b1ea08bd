/* ciba-authorize: asks the user, through their OpenID provider, whether each call may be done. */
#include "ciba/authorizer.h"
#include "ciba/together_authorizer.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/batch.h"
#include "document/stream.h"
#include "system/confine.h"
#include "system/stage_socket.h"

#include <stdlib.h>
#include <unistd.h>

enum { DOCUMENTS_LIMIT = 1000 /* in one question */ };

static struct {
    bool null_input, verbose;
    long documents; /* in one question; 0 for not given */
    struct authorizer_settings asking;
    struct stream_jobs jobs;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &options.null_input,
     "make a document with one call; do not read stdin"},
    AUTHORIZER_OPTIONS(options.asking),
    {'m', "message", "TEXT", OPTION_TEXT, &options.asking.question.message,
     "what the user reads; \\(.x) is the argument x"},
    {0, "text", "TEXT", OPTION_TEXT, &options.asking.question.text,
     "what the user reads, as it is: no template"},
    {0, "notification-dir", "DIR", OPTION_TEXT, &options.asking.notification_dir,
     "be notified (ping, push) through the spool DIR"},
    {0, "ask-again", NULL, OPTION_FLAG, &options.asking.ask_again,
     "if an answer was lost: ask at once, not after the first request has expired"},
    {0, "again", NULL, OPTION_FLAG, &options.asking.anew,
     "ask anew about calls that were denied, or have expired or failed"},
    {0, "tool", "NAME", OPTION_LIST, &options.asking.tools,
     "ask only about calls of this tool; may be repeated"},
    {0, "together", NULL, OPTION_FLAG, &options.asking.together,
     "one question for all calls of a document; -m and -d get an array of them"},
    {0, "together-documents", "N", OPTION_SOME, &options.documents,
     "one question for all calls of N documents"},
    LEDGER_OPTIONS(options.asking.ledger),
    JOBS_OPTIONS(options.jobs),
    CLIENT_OPTIONS(options.asking.client),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-authorize",
    "[-nv] [-u USER] [-m MESSAGE] [-s SCOPE] [-a AUDIENCE] [-d DETAILS]\n"
    "                      [--expiry SECONDS] [--tool NAME]... [-e FILE]",
    "Asks the user for each call that nobody has been asked about.", option_table, false};

static bool configure(void *context, struct error *error) {
    struct authorizer *job = context;
    if (!authorizer_configure(job, &options.asking, error))
        return false;
    if (options.documents > 1 && (job->ledger.journal_path != NULL || job->ledger.in_stage))
        return fail(error, STATUS_USAGE,
                    "--together-documents: a journal is for one document (--journal-file, and in "
                    "agent-spool)");
    if (options.asking.anew && job->ledger.in_stage)
        return fail(error, STATUS_USAGE,
                    "--again: not in agent-spool, where a no would be followed by a question "
                    "for ever");
    authorizer_needs(job, &options.needs);
    options.needs.jobs = options.jobs.count > 1;
    return true;
}

static int ask(struct authorizer *job) {
    if (options.null_input)
        return stream_run_one(authorizer_document, job, question_document(&job->texts));
    if (isatty(STDIN_FILENO) && stage_role() != STAGE_OWN) {
        report("stdin", "a document is expected, from a pipe or a file, and this is a terminal: "
                        "llm-chat ... | ciba-authorize ...; -n asks without one");
        return STATUS_USAGE;
    }
    if (options.documents > 1)
        return batch_run(together_documents, job, (size_t)options.documents);
    return stream_run(options.asking.together ? together_document : authorizer_document, job,
                      &options.jobs);
}

static int authorize(void *context) {
    struct authorizer *job = context;
    int status = ask(job);
    notifier_wait(&job->notifier);
    return status;
}

static void release(void *context) {
    authorizer_free(context);
}

/* The default message is any model's, so it is made to fit. */
static void check_options(void) {
    struct question_settings *question = &options.asking.question;
    question->fits = question->message == NULL && question->text == NULL;
    if (options.null_input && question->message == NULL && question->text == NULL)
        usage_error("-n needs -m or --text, which says what the user is asked");
    if (question->message != NULL && question->text != NULL)
        usage_error("only one of -m and --text says what the user is asked");
    if (options.documents > DOCUMENTS_LIMIT)
        usage_error("--together-documents: at most 1000");
    if (options.documents > 1 && options.jobs.count > 1)
        usage_error("--together-documents: -j is for documents that are asked about one by one");
    options.asking.together = options.asking.together || options.documents > 0;
    if (options.null_input && options.asking.anew)
        usage_error("--again is about calls that were asked about, and -n makes a new one");
    if (options.null_input && options.asking.together)
        usage_error(
            "-n asks about one call: there is nothing that it could be asked together with");
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, authorize, release};
    options_parse_only(&command, argc, argv);
    check_options();
    struct authorizer job;
    int status = command_run(&parts, &job);
    free(options.asking.tools.items);
    free(options.asking.question.resources.items);
    free(options.asking.question.parameters.items);
    return status;
}
