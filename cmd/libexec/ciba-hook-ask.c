/* ciba-hook: the hook of a coding agent. Reads one tool call, asks the user, and answers the
 * agent's host: yes if that is proven, else no. */
#include "base/redact.h"
#include "base/utf8.h"
#include "ciba/asked.h"
#include "ciba/authorizer.h"
#include "ciba/decision.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/call.h"
#include "document/reader.h"
#include "hook/guard.h"
#include "hook/hook_call.h"
#include "hook/hook_settings.h"
#include "hook/hosts.h"
#include "hook/print_settings.h"
#include "hook/selection.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct hook_settings options = {.asking = {.question = {.fits = true}}};

static const struct option_spec option_table[] = {HOOK_OPTIONS(options),
                                                  {0, NULL, NULL, OPTION_FLAG, NULL, NULL}};

static const struct command command = {
    "ciba-hook",
    "[--host NAME] [-m MESSAGE] [--deadline SECONDS] [--only REGEX]... [--if FILTER]\n"
    "       ciba-hook --print-config HOST [OPTION]...",
    "Answers a coding agent's hook: the tool may run if the user says yes on their phone.",
    option_table, false};

enum {
    LONGEST_REASON = 400,     /* bytes */
    USUAL_LIFETIME = 300,     /* seconds, of a question: what providers allow without more ado */
    CONFIGURED_DEADLINE = 540 /* seconds, in the settings that are printed */
};

struct job {
    struct authorizer authorizer;
    struct selection *selection;
    bool configured;
    struct error error; /* why not */
    const struct hook_event *event;
    char *journal; /* NULL for none */
    double deadline;
};

/* The deadline for a host's own time limit, as far as it is known. */
static double deadline_for(const struct hook_host *host) {
    if (options.deadline > 0)
        return options.deadline;
    return host != NULL ? hook_deadline(host) : 25;
}

/* The reason, for a person and a model, as JSON and as a line. */
static struct hook_answer no_answer(const struct hook_event *event, const char *reason) {
    struct hook_answer answer = {.status = event->no_status};
    char *text = must_copy(reason);
    redact_text(text);
    utf8_make_plain(text);
    if (strlen(text) > LONGEST_REASON)
        strcpy(text + LONGEST_REASON, "...");
    utf8_make_plain(text); /* a character that was cut */
    snprintf(answer.words, sizeof answer.words, "ciba-hook: not approved: %s\n", text);
    char *whole = must_format("not approved: %s", text);
    jv values = json_set_string(jv_object(), "%REASON%", whole);
    jv json = hook_fill(event->no, values);
    char *out = json_text(json);
    snprintf(answer.out, sizeof answer.out, "%s\n", out);
    jv_free(json);
    jv_free(values);
    free(out);
    free(whole);
    free(text);
    return answer;
}

static int say(int status, const char *out) {
    struct hook_answer answer = {.status = status};
    if (*out != '\0')
        snprintf(answer.out, sizeof answer.out, "%s\n", out);
    return guard_answer(&answer);
}

static int refuse(const struct job *job, const char *reason) {
    struct hook_answer answer = no_answer(job->event, reason);
    return guard_answer(&answer);
}

static bool configure_hook(struct job *job, struct error *error) {
    job->selection = selection_new(&options.only, options.condition, error);
    if (job->selection == NULL || !authorizer_configure(&job->authorizer, &options.asking, error))
        return false;
    tzset(); /* while its files can be read */
    job->authorizer.client.without_id_token = options.without_id_token;
    if (options.journal_dir != NULL && job->authorizer.ledger.seal_key == NULL)
        return fail(error, STATUS_CONFIG,
                    "--journal-dir needs --seal-key-file: without a seal another call could be put "
                    "in the place of the one that the user was asked about");
    return options.journal_dir == NULL || durable_folder(options.journal_dir, error);
}

/* Without settings there is still an event to be answered. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    (void)error;
    job->configured = configure_hook(job, &job->error);
    if (job->authorizer.client.issuer.http != NULL)
        authorizer_needs(&job->authorizer, &options.needs);
    confine_add(options.needs.writes, options.journal_dir);
    return true;
}

/* The one event on stdin. */
static bool read_event(jv *input, struct error *error) {
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    bool good = true, ended = false;
    *input = jv_invalid();
    while (good && !ended) {
        jv next = jv_invalid();
        switch (document_next(reader, &next, error)) {
        case DOCUMENT_READY:
            if (jv_is_valid(*input))
                good = fail(error, STATUS_INPUT, "there is more than one event on stdin");
            jv_free(*input);
            *input = next;
            break;
        case DOCUMENT_MORE:
            good = document_reader_fill(reader, error);
            break;
        case DOCUMENT_BAD:
            good = false;
            break;
        case DOCUMENT_END:
            ended = true;
            break;
        }
    }
    document_reader_free(reader);
    return good && (jv_is_valid(*input) || fail(error, STATUS_INPUT, "there is no event on stdin"));
}

/* Recognises the event, and sets what depends on its host. From here on a no has its shape. */
static bool recognise(struct job *job, jv input, struct error *error) {
    const struct hook_event *event = hook_event_of(input, options.host);
    if (event == NULL)
        return fail(error, STATUS_INPUT, "the event is not one before a tool call%s%s",
                    options.host != NULL ? " of " : " of a host that is known; see --host",
                    options.host != NULL ? options.host : "");
    job->event = event;
    job->deadline = deadline_for(hook_host(event->host));
    struct hook_answer no =
        no_answer(event, "ciba-hook ended, or had to, before there was an answer");
    guard_prepare(&no, job->deadline);
    return true;
}

/* What the arguments may not say of all that is done: the host, the folder that the tool works in,
 * and the server that has the tool. */
static jv surroundings(const struct job *job, jv input) {
    static const char *const members[] = {"cwd", "url", "command", "mcp_server_name",
                                          "mcp_context"};
    char *folder = working_folder();
    jv all = json_set_string(jv_object(), "host", job->event->host);
    all = json_set_string(all, "folder", folder);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (job->event->input_member != NULL && json_has(input, members[i]))
            all = json_set(all, members[i], json_get(input, members[i]));
    free(folder);
    return all;
}

/* Who is asked by whom for what: a question to another is no question of this call. */
static jv asked_whom(const struct authorizer *authorizer) {
    const struct ciba_question *question = &authorizer->question;
    const struct question_settings *settings = &options.asking.question;
    const char *const texts[] = {authorizer->client.issuer.url,
                                 authorizer->client.credentials.id,
                                 question->user,
                                 question->login_hint,
                                 question->login_hint_token,
                                 question->id_token_hint,
                                 question->scope,
                                 question->audience,
                                 question->acr_values,
                                 settings->message,
                                 settings->details};
    jv all = jv_array();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        all = jv_array_append(all, texts[i] != NULL ? jv_string(texts[i]) : jv_null());
    all = jv_array_append(all, jv_copy(question->resources));
    return jv_array_append(all, jv_copy(question->more));
}

/* The journal of this call, so that a later run finds its question. */
static bool open_journal(struct job *job, jv input, struct error *error) {
    struct ledger *ledger = &job->authorizer.ledger;
    jv who = asked_whom(&job->authorizer);
    char *name = options.journal_dir != NULL ? hook_call_name(job->event, input, who) : NULL;
    jv_free(who);
    job->journal = name != NULL ? must_format("%s/%s", options.journal_dir, name) : NULL;
    ledger->journal_path = job->journal;
    free(name);
    return ledger_begin(ledger, error);
}

/* The call is decided: a later run about it asks anew. */
static bool close_journal(const struct job *job, struct error *error) {
    return job->journal == NULL || unlink(job->journal) == 0 ||
           fail(error, STATUS_IO, "%s: %s", job->journal, strerror(errno));
}

/* Says what the line says, which is freed. */
static void tell(char *line) {
    report_whole(NULL, "%s", line);
    free(line);
}

/* Takes the call. */
static jv wait_for(struct job *job, jv call, int *status) {
    struct client *client = &job->authorizer.client;
    struct ledger *ledger = &job->authorizer.ledger;
    double margin = fmin(1, job->deadline / 10);
    double left = fmax(job->deadline - margin - guard_elapsed(), 0.001);
    ledger_next_step(ledger);
    if (call_state(call) == CALL_APPROVED)
        return decision_reused(client, ledger, call, status);
    if (call_state(call) == CALL_PENDING)
        tell(asked_line(call));
    return decision_wait(client, ledger, call, left, status);
}

/* Takes the call. */
static jv ask_and_wait(struct job *job, jv call, int *status) {
    struct authorizer *authorizer = &job->authorizer;
    char *message = authorizer->texts.message == NULL ? hook_message(job->event, call) : NULL;
    authorizer->texts.made = message;
    if (options.asking.question.expiry == 0 && !options.defer && job->deadline < USUAL_LIFETIME)
        authorizer->question.requested_expiry = (long)ceil(job->deadline);
    call = authorizer_call(authorizer, call, status);
    if (*status == STATUS_DONE)
        call = wait_for(job, call, status);
    authorizer->texts.made = NULL;
    free(message);
    return call;
}

/* The tool may run: first all that must be known of it later is written. */
static int let_run(struct job *job, jv call) {
    struct error error;
    if (!close_journal(job, &error))
        return refuse(job, error.text);
    if (!ledger_started(&job->authorizer.ledger, call, &error))
        return refuse(job, error.text);
    tell(approved_line(call));
    return say(STATUS_DONE, job->event->yes);
}

/* Elsewhere Claude Code ignores that a call is deferred, and may run it. */
static bool can_defer(const struct job *job) {
    const char *how = settings_get(NULL, "CLAUDE_CODE_ENTRYPOINT", NULL);
    return options.defer && job->event->defer != NULL && job->journal != NULL && how != NULL &&
           strcmp(how, "sdk-cli") == 0;
}

static int answer_unanswered(struct job *job, jv call) {
    int noted = STATUS_DONE;
    bool defers = can_defer(job);
    if (defers)
        ledger_waiting(&job->authorizer.ledger, call, &noted);
    if (defers && noted == STATUS_DONE)
        return say(STATUS_DONE, job->event->defer);
    char *reason = must_format("the user has not answered within %.0f s", job->deadline);
    int status = refuse(job, reason);
    free(reason);
    return status;
}

static int answer(struct job *job, jv call, int status) {
    struct error ignored;
    enum call_state state = call_state(call);
    if (status == STATUS_DONE && state == CALL_APPROVED)
        return let_run(job, call);
    if (state == CALL_PENDING)
        return answer_unanswered(job, call);
    close_journal(job, &ignored);
    char *reason = refusal_line(call);
    int ended = refuse(job, reason);
    free(reason);
    return ended;
}

static int decide(struct job *job, jv input, struct error *error) {
    jv call;
    bool chosen;
    if (!hook_call(job->event, input, &call, error))
        return refuse(job, error->text);
    int status = STATUS_DONE;
    if (!job->configured) {
        status = refuse(job, job->error.text);
    } else if (!selection_has(job->selection, call, &chosen, error)) {
        status = refuse(job, error->text);
    } else if (!chosen) {
        status = say(STATUS_DONE, job->event->left);
    } else if (!open_journal(job, input, error)) {
        status = refuse(job, error->text);
    } else {
        authorizer_bind(&job->authorizer, surroundings(job, input));
        call = ask_and_wait(job, call, &status);
        status = answer(job, call, status);
    }
    jv_free(call);
    return status;
}

static int hook(void *context) {
    struct job *job = context;
    struct error error;
    jv input;
    int status = read_event(&input, &error) && recognise(job, input, &error)
                     ? decide(job, input, &error)
                     : refuse(job, error.text);
    jv_free(input);
    return status;
}

static void release(void *context) {
    struct job *job = context;
    selection_free(job->selection);
    authorizer_free(&job->authorizer);
    free(job->journal);
}

/* Prints a host's settings, with all other options of this command line. */
static int print_config(const char *program) {
    struct error error;
    int status = STATUS_DONE;
    const struct hook_host *host = hook_host(options.print_config);
    double deadline = options.deadline > 0 ? options.deadline : CONFIGURED_DEADLINE;
    options.host = options.print_config;
    options.print_config = NULL;
    options.deadline = deadline;
    if (!print_settings(host, program, option_table, deadline, &error))
        report_error(&status, NULL, &error);
    return status;
}

/* Only the guard answers the host. */
static void leave_stdout(void) {
    int nothing = open("/dev/null", O_WRONLY);
    if (nothing < 0 || dup2(nothing, STDOUT_FILENO) < 0)
        exit(HOOK_NO_STATUS);
    close(nothing);
}

static void check_host(const char *option, const char *name) {
    if (name == NULL || hook_host(name) != NULL)
        return;
    char *names = hook_host_names();
    usage_error("--%s: one of %s", option, names);
}

static void check_options(void) {
    struct error error;
    check_host("host", options.host);
    check_host("print-config", options.print_config);
    if (options.defer && options.journal_dir == NULL)
        usage_error("--defer needs --journal-dir, where the question is kept");
    if (options.print_config == NULL)
        return;
    struct selection *selection = selection_new(&options.only, options.condition, &error);
    if (selection == NULL)
        usage_error("%s", error.text);
    selection_free(selection);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, hook, release};
    guard_connect();
    options_parse_only(&command, argc, argv);
    check_options();
    if (options.print_config != NULL)
        return print_config(argv[0]);
    leave_stdout();
    options.asking.no_document = true;
    options.asking.lease.without_token = true; /* the host needs none */
    struct job job = {.event = &hook_event_unknown};
    struct hook_answer no =
        no_answer(job.event, "ciba-hook ended, or had to, before it knew what is asked");
    guard_prepare(&no, options.deadline);
    int status = command_run(&parts, &job);
    free(options.only.items);
    free(options.asking.question.resources.items);
    free(options.asking.question.parameters.items);
    return status;
}
