/* ciba-run: asks the user, waits, and then becomes the command: sudo with a phone. */
#include "approval/approval.h"
#include "ciba/asked.h"
#include "ciba/authorizer.h"
#include "ciba/command_call.h"
#include "ciba/decision.h"
#include "ciba/live_line.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/call.h"
#include "jose/digest.h"
#include "system/confine.h"
#include "system/frame.h"
#include "system/process.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static struct {
    bool without_id_token, quiet, verbose;
    double max_wait;
    long status_of_no;
    struct authorizer_settings asking;
    struct confinement needs;
} options = {.status_of_no = STATUS_NO, .asking = {.question = {.fits = true}}};

static const struct option_spec option_table[] = {
    AUTHORIZER_OPTIONS(options.asking),
    {'m', "message", "TEXT", OPTION_TEXT, &options.asking.question.text,
     "what the user reads (the command line)"},
    {0, "max-wait", "SECONDS", OPTION_SECONDS, &options.max_wait, "give up after this time"},
    {0, "exit-status-no", "N", OPTION_SOME, &options.status_of_no,
     "the exit status if the user says no or does not answer, 1 to 255 (1)"},
    {0, "without-id-token", NULL, OPTION_FLAG, &options.without_id_token,
     "accept that the provider gives no ID token"},
    AUDIT_OPTION(options.asking.ledger),
    CLIENT_OPTIONS(options.asking.client),
    CONFINE_OPTIONS(options.needs),
    {'q', "quiet", NULL, OPTION_FLAG, &options.quiet, "say only why the command is not run"},
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-run", "[-qv] [-u USER] [-m MESSAGE] [-s SCOPE] [-a AUDIENCE] [--] COMMAND [ARG...]",
    "Runs a command if the user says yes on their phone.", option_table, true};

/* Nobody is asked on behalf of a process that was killed meanwhile. */
static void end_with(pid_t parent) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    if (getppid() != parent)
        _exit(STATUS_INTERNAL);
}

/* The job of the asking process. */
struct job {
    struct authorizer authorizer;
    char **words;                    /* of the command */
    const struct program_file *file; /* the same */
    int answer;                      /* receives the token */
};

/* An approval that may be used again, or a lease, is for this file, as it is now, started in this
 * folder: the words alone do not say what is executed. Takes the object. */
static jv bind_to_program(jv object, const struct program_file *file) {
    const struct stat *facts = &file->facts;
    char *folder = working_folder();
    char *text =
        must_format("%s\n%s\n%ju %ju %jd %jd.%09ld", folder, file->path, (uintmax_t)facts->st_dev,
                    (uintmax_t)facts->st_ino, (intmax_t)facts->st_size,
                    (intmax_t)facts->st_ctim.tv_sec, facts->st_ctim.tv_nsec);
    char *digest = digest_of(text, strlen(text));
    object = json_set_string(object, "program_digest", digest);
    free(folder);
    free(text);
    free(digest);
    return object;
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    if (!authorizer_configure(&job->authorizer, &options.asking, error))
        return false;
    if (json_is(job->authorizer.reuse, "for", "call"))
        job->authorizer.reuse = bind_to_program(job->authorizer.reuse, job->file);
    job->authorizer.lease.place = bind_to_program(jv_object(), job->file);
    tzset(); /* while its files can be read */
    job->authorizer.client.without_id_token = options.without_id_token;
    authorizer_needs(&job->authorizer, &options.needs);
    return true;
}

static jv ask(struct job *job, int *status) {
    struct question_texts *texts = &job->authorizer.texts;
    struct error error;
    jv call = command_call(job->words, &error);
    if (!jv_is_valid(call)) {
        report_error(status, NULL, &error);
        return call;
    }
    char *message = texts->text == NULL ? command_message(job->words) : NULL;
    texts->made = message;
    call = authorizer_call(&job->authorizer, call, status);
    texts->made = NULL;
    free(message);
    return call;
}

/* A separate process asks, reads what servers send, and is confined. The original process has no
 * secrets, waits for it, and becomes the command. It receives the token in a frame of the token's
 * type. */
enum { PLAIN_TOKEN, DPOP_TOKEN };

static bool send_token(int answer, jv call, struct error *error) {
    jv token = json_get(call, "token");
    const char *text = json_string(token, "access_token");
    text = text != NULL ? text : "";
    bool good =
        frame_write(answer, text, strlen(text), approval_is_dpop(call) ? DPOP_TOKEN : PLAIN_TOKEN);
    jv_free(token);
    return good || fail(error, STATUS_INTERNAL, "the approval was not taken: %s", strerror(errno));
}

/* Says what the line says, which is freed. */
static void tell(char *line) {
    if (!options.quiet)
        report_whole(NULL, "%s", line);
    free(line);
}

/* The user has approved: records that in the audit log, then sends the token to the process that
 * runs the command. */
static int pass_on(struct ledger *ledger, jv call, int answer) {
    struct error error;
    if (!ledger_started(ledger, call, &error)) {
        report(NULL, "not run, because it cannot be told in the audit log: %s", error.text);
        return error.status;
    }
    tell(approved_line(call)); /* before the command's own output */
    if (send_token(answer, call, &error))
        return STATUS_DONE;
    report(NULL, "%s", error.text);
    return error.status;
}

/* Waits for the decision on a call that was asked about. Takes the call. */
static jv decide(struct job *job, jv call, int *status) {
    struct client *client = &job->authorizer.client;
    struct ledger *ledger = &job->authorizer.ledger;
    if (call_state(call) == CALL_APPROVED)
        return decision_reused(client, ledger, call, status);
    return decision_wait(client, ledger, call, options.max_wait, status);
}

/* Says what came of the question if it is no yes. Returns the exit status. */
static int refuse(enum call_state state, int status) {
    bool no = state == CALL_DENIED || state == CALL_EXPIRED;
    if (no)
        report(NULL, "not run: the user %s",
               state == CALL_DENIED ? "said no" : "did not answer in time");
    else if (status == STATUS_NOT_YET)
        report(NULL, "not run: the user has not answered yet");
    else if (status == STATUS_NO ||
             status == STATUS_DONE) /* an approval that is not good any more */
        status = status == STATUS_NO ? STATUS_INPUT : STATUS_INTERNAL;
    return no && status == STATUS_NO ? (int)options.status_of_no : status;
}

/* Asks, waits, and sends the token. Returns the exit status. */
static int get_approval(void *context) {
    struct job *job = context;
    int status = STATUS_DONE;
    jv call = ask(job, &status);
    /* A line that is redrawn says the same. */
    if (call_state(call) == CALL_PENDING && (is_verbose() || !live_line_wanted()))
        tell(asked_line(call));
    if (status == STATUS_DONE)
        call = decide(job, call, &status);
    enum call_state state = call_state(call);
    if (status == STATUS_DONE && state == CALL_APPROVED)
        status = pass_on(&job->authorizer.ledger, call, job->answer);
    else
        status = refuse(state, status);
    jv_free(call);
    return status;
}

static void release(void *context) {
    struct job *job = context;
    authorizer_free(&job->authorizer);
}

/* The exit status for a command that cannot be executed, as in a shell. */
static int not_executed(const char *name, int problem) {
    report(name, "%s", process_problem(problem));
    return problem == ENOENT ? 127 : 126;
}

/* Becomes the command. Returns only on failure. */
static int become(const struct program_file *file, char **argv, const char *token, bool is_dpop) {
    process_set_token(token, is_dpop ? options.asking.client.dpop_key : NULL);
    signal(SIGPIPE, SIG_DFL);
    process_execute(file, argv);
    return not_executed(argv[0], errno);
}

/* Receives the asking process's message and exit status. The caller frees *token. */
static int receive_token(pid_t asking, int from, char **token, int *kind) {
    size_t size;
    int status;
    *token = frame_read(from, &size, kind);
    while (waitpid(asking, &status, 0) < 0)
        if (errno != EINTR)
            return STATUS_INTERNAL;
    if (!WIFEXITED(status))
        return 128 + WTERMSIG(status);
    return WEXITSTATUS(status) == STATUS_DONE && *token == NULL ? STATUS_INTERNAL
                                                                : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, get_approval, release};
    int ends[2], first = options_parse(&command, argc, argv);
    if (first == argc)
        usage_error("the command to run is missing");
    if (options.status_of_no > 255)
        usage_error("--exit-status-no: %ld is no exit status; they end at 255",
                    options.status_of_no);
    if (options.quiet)
        live_line_off();
    struct program_file file;
    process_find(argv[first], &file);
    if (file.path == NULL)
        return not_executed(argv[first], file.problem);
    pid_t parent = getpid(), asking = pipe(ends) == 0 ? fork() : -1;
    if (asking < 0) {
        report(NULL, "no process for asking: %s", strerror(errno));
        return STATUS_INTERNAL;
    }
    if (asking == 0) {
        close(ends[0]);
        signal(SIGPIPE, SIG_IGN);
        end_with(parent);
        struct job job = {.words = argv + first, .file = &file, .answer = ends[1]};
        options.asking.no_document = true;
        int status = command_run(&parts, &job);
        process_free_file(&file);
        return status;
    }
    close(ends[1]);
    settings_forget_secrets();
    char *token;
    int kind, status = receive_token(asking, ends[0], &token, &kind);
    close(ends[0]);
    if (status == STATUS_DONE)
        status = become(&file, argv + first, token, kind == DPOP_TOKEN);
    free(token);
    process_free_file(&file);
    return status;
}
