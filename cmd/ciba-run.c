/* ciba-run: asks the user, waits, and then becomes the command: sudo with a phone. */
#include "approval.h"
#include "call.h"
#include "ciba.h"
#include "clock.h"
#include "config.h"
#include "confine.h"
#include "digest.h"
#include "frame.h"
#include "json.h"
#include "live_line.h"
#include "options.h"
#include "poller.h"
#include "process.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static struct {
    bool any_message, without_id_token, verbose;
    const char *user, *message, *scope, *audience;
    long expiry;
    double timeout;
    struct client_settings client;
    struct record_settings record;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {'u', "user", "USER", OPTION_TEXT, &given.user, "who is asked (the provider's sub)"},
    {'m', "message", "TEXT", OPTION_TEXT, &given.message, "what he is asked (the command line)"},
    {0, "any-message", NULL, OPTION_FLAG, &given.any_message,
     "send a message that the provider is known not to take"},
    {'s', "scope", "SCOPE", OPTION_TEXT, &given.scope, "scopes, separated by spaces (openid)"},
    {'a', "audience", "API", OPTION_TEXT, &given.audience, "the API that the token is for"},
    {0, "expiry", "SECONDS", OPTION_COUNT, &given.expiry, "ask for this time to answer"},
    {0, "timeout", "SECONDS", OPTION_SECONDS, &given.timeout, "give up after this"},
    {0, "without-id-token", NULL, OPTION_FLAG, &given.without_id_token,
     "the provider gives no ID token; do not ask who approved"},
    AUDIT_OPTION(given.record),
    CLIENT_OPTIONS(given.client),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-run", "[-v] [-u USER] [-m MESSAGE] [-s SCOPE] [-a AUDIENCE] [--] COMMAND [ARG...]",
    "Runs a command if the user says yes on his phone.", options, true};

/* Nobody is asked for a process that was killed meanwhile. */
static void end_with(pid_t parent) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    if (getppid() != parent)
        _exit(STATUS_INTERNAL);
}

/* The command as a call, so that the approval is bound to it word by word. */
static jv make_call(char **argv) {
    char *noise = random_name(12), *id = must_format("call_%s", noise);
    jv words = jv_array();
    for (char **word = argv; *word != NULL; word++)
        words = jv_array_append(words, jv_string(*word));
    jv call = json_set_string(json_set_string(jv_object(), "id", id), "name", "ciba-run");
    free(noise);
    free(id);
    return json_set(call, "arguments", json_set(jv_object(), "command", words));
}

/* A word of the command line as a shell would need it, so that no two command lines look alike. The
 * caller frees. */
static char *quoted_word(const char *word) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-";
    if (*word != '\0' && strspn(word, plain) == strlen(word))
        return must_copy(word);
    char *quoted = must_alloc(4 * strlen(word) + 3), *to = quoted;
    *to++ = '\'';
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            to += strlen(strcpy(to, "'\\'"));
        *to++ = *word;
    }
    *to++ = '\'';
    return quoted;
}

/* Without -m: "Run" and the command line. */
static char *default_message(char **argv) {
    char *message = must_copy("Run");
    for (char **word = argv; *word != NULL; word++) {
        char *quoted = quoted_word(*word), *longer = must_format("%s %s", message, quoted);
        free(message);
        free(quoted);
        message = longer;
    }
    return message;
}

struct outcome {
    jv document;
    int status;
};

static void keep_document(void *context, jv document, int status) {
    *(struct outcome *)context = (struct outcome){document, status};
}

/* Waits for the decision. Takes the call, and returns it as it ends. */
static jv wait_for_decision(struct client *client, struct record *record, jv call, int *status) {
    struct poller_settings settings = {.parallel = 1, .gate = true, .record = record};
    double end = given.timeout > 0 ? clock_elapsed() + given.timeout : INFINITY;
    jv document = json_set(jv_object(), "calls", JV_ARRAY(call));
    struct outcome outcome = {jv_invalid(), STATUS_INTERNAL};
    struct poller *poller = poller_new(client, &settings, keep_document, &outcome);
    poller_add(poller, document, NULL);
    bool live = !given.verbose && live_line_wanted();
    while (poller_waiting(poller) > 0 && clock_elapsed() < end) {
        poller_step(poller, NULL, 0, live ? fmin(end, clock_elapsed() + 1) : end);
        if (live)
            live_line_show(poller);
    }
    live_line_wipe();
    bool approved = poller_approved(poller) == 1;
    poller_free(poller);
    jv calls = json_get(outcome.document, "calls");
    jv_free(outcome.document);
    *status = outcome.status == STATUS_DONE && !approved ? STATUS_INTERNAL : outcome.status;
    return jv_array_get(calls, 0);
}

static jv ask(struct client *client, struct record *record, char **argv, int *status) {
    struct error error = {STATUS_DONE, ""};
    const char *scope = config_get(given.scope, "CIBA_SCOPE", NULL);
    char *message = given.message != NULL ? must_copy(given.message) : default_message(argv);
    char *scopes = ciba_scope(scope != NULL ? scope : "");
    struct ciba_question question = {.user = config_get(given.user, "CIBA_USER", NULL),
                                     .scope = scopes,
                                     .audience = config_get(given.audience, "AUDIENCE", NULL),
                                     .binding_message = message,
                                     .any_message = given.any_message,
                                     .requested_expiry = given.expiry,
                                     .authorization_details = jv_invalid(),
                                     .resources = jv_invalid(),
                                     .more = jv_invalid()};
    jv call = make_call(argv);
    *status = STATUS_DONE;
    if (question.user == NULL)
        fail(&error, STATUS_CONFIG, "no user: set CIBA_USER, or -u");
    else
        call = record_asked(record, ciba_ask(client, &question, call, &error), status);
    if (error.status != STATUS_DONE)
        complain(NULL, "%s", error.text);
    *status = status_worse(*status, error.status);
    free(message);
    free(scopes);
    return call;
}

/* The asking is a process of its own, which reads what servers say and is confined; the one that
 * was started has no secret, waits for it, and becomes the command. What the one tells the other:
 * the token, in a frame of its type. */
enum { PLAIN_TOKEN, DPOP_TOKEN };

static bool tell(int answer, jv call, struct error *error) {
    jv token = json_get(call, "token");
    const char *text = json_string(token, "access_token");
    text = text != NULL ? text : "";
    bool good =
        frame_write(answer, text, strlen(text), approval_is_dpop(call) ? DPOP_TOKEN : PLAIN_TOKEN);
    jv_free(token);
    return good || fail(error, STATUS_INTERNAL, "the approval was not taken: %s", strerror(errno));
}

/* The user has said yes: told in the audit log, then to who runs the command. */
static int pass_on(struct record *record, jv call, int answer) {
    struct error error;
    if (!record_started(record, call, &error))
        complain(NULL, "not run, because it cannot be told in the audit log: %s", error.text);
    else if (!tell(answer, call, &error))
        complain(NULL, "%s", error.text);
    else
        return STATUS_DONE;
    return error.status;
}

static bool drop_rights(const struct client *client, const struct record *record,
                        struct error *error) {
    http_needs(client->http, &given.needs);
    record_needs(record, &given.needs);
    return confine(&given.needs, error);
}

/* Asks, waits, and tells the answer. The exit status. */
static int get_approval(char **argv, int answer) {
    struct client client;
    struct record record;
    struct error error;
    int status;
    if (!client_configure(&client, &given.client, &error) ||
        !record_configure(&record, &given.record, &error) ||
        !drop_rights(&client, &record, &error)) {
        complain(NULL, "%s", error.text);
        client_free(&client);
        return error.status;
    }
    client.without_id_token = given.without_id_token;
    record.journal_path = NULL; /* there is no document that outlives this process */
    jv call = ask(&client, &record, argv, &status);
    if (status == STATUS_DONE) {
        call = wait_for_decision(&client, &record, call, &status);
        enum call_state state = call_state(call);
        if (state == CALL_DENIED || state == CALL_EXPIRED)
            complain(NULL, "not run: the user %s",
                     state == CALL_DENIED ? "said no" : "did not answer in time");
        else if (status == STATUS_NOT_YET)
            complain(NULL, "not run: the user has not answered yet");
        else if (status == STATUS_DONE)
            status = state == CALL_APPROVED ? pass_on(&record, call, answer) : STATUS_INTERNAL;
    }
    client_free(&client);
    jv_free(call);
    return status;
}

/* Becomes the command. Returns only if it cannot. */
static int become(char **argv, const char *token, bool is_dpop) {
    process_set_token(token, is_dpop ? given.client.dpop_key : NULL);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    int problem = errno;
    complain(argv[0], "%s", strerror(problem));
    return problem == ENOENT ? 127 : 126;
}

/* What the asking process tells, and how it ended. *token is the caller's to free. */
static int hear(pid_t asking, int from, char **token, int *kind) {
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
    int ends[2], first = options_parse(&command, argc, argv);
    if (first == argc)
        usage_error("the command to run is missing");
    if (given.verbose)
        verbose_on();
    pid_t parent = getpid(), asking = pipe(ends) == 0 ? fork() : -1;
    if (asking < 0) {
        complain(NULL, "no process for asking: %s", strerror(errno));
        return STATUS_INTERNAL;
    }
    if (asking == 0) {
        close(ends[0]);
        signal(SIGPIPE, SIG_IGN);
        end_with(parent);
        return get_approval(argv + first, ends[1]);
    }
    close(ends[1]);
    process_forget_secrets();
    char *token;
    int kind, status = hear(asking, ends[0], &token, &kind);
    close(ends[0]);
    if (status == STATUS_DONE)
        status = become(argv + first, token, kind == DPOP_TOKEN);
    free(token);
    return status;
}
