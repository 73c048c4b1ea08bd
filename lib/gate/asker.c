#include "gate/asker.h"

#include "base/clock.h"
#include "gate/asker_calls.h"
#include "gate/asker_tasks.h"
#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/process.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ABANDONED_LIMIT = 64, /* questions that nobody waits for, and that the user can still answer */
    TASKS_LIMIT = 1000    /* that this process works on */
};

/* Why nobody is asked about the call, NULL if the user is asked. */
static const char *refuse_unasked(const struct asker *asker, jv message) {
    const struct authorizer_settings *settings = asker->authorizer.settings;
    size_t tasks = 0;
    for (const struct task *task = asker->tasks.first; task != NULL; task = task->next)
        tasks++;
    if (asker->abandoned >= ABANDONED_LIMIT)
        return "too many questions about calls that were taken back are still on the phone";
    if (tasks >= TASKS_LIMIT)
        return "too many tasks wait already";
    if (json_has(message, "more") && (settings->reuse != NULL || settings->lease.seconds > 0))
        return "it has a requestState, or members of _meta, that an approval of several calls does "
               "not cover";
    return NULL;
}

static void take_question(struct asker *asker, unsigned long number, struct json_span line) {
    const char *refusal;
    struct error error;
    struct subject subject = {number, NULL};
    jv message = jv_invalid(), call = jv_invalid();
    if (!json_parse(line.text, line.size, &message, &error) ||
        !asker_read_call(asker, number, message, &call, &error))
        asker_say_no(asker, &subject, error.text);
    else if ((refusal = refuse_unasked(asker, message)) != NULL)
        asker_say_no(asker, &subject, refusal);
    else if (json_string(message, "params") != NULL)
        asker_ask_as_task(asker, number, message, call);
    else
        asker_ask_user(asker, &subject, jv_copy(call));
    jv_free(call);
    jv_free(message);
}

static void take_query(struct asker *asker, struct json_span message, struct json_span line) {
    static const char *const queries[] = {"get", "cancel", "update"};
    struct error ignored;
    jv parsed;
    if (!json_parse(line.text, line.size, &parsed, &ignored))
        return;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct json_span number = json_span_member(message, queries[i]);
        if (number.text != NULL)
            asker_tell_task(asker, strtoul(number.text, NULL, 10), parsed);
    }
    jv_free(parsed);
}

static void free_first(struct asker *asker) {
    struct waiting_question *question = asker->first;
    asker->first = question->next;
    if (asker->first == NULL)
        asker->last = &asker->first;
    free(question->line);
    free(question);
}

/* Asks about the first call that waits for it: one after the other, so that decisions are heard,
 * and calls that are taken back meanwhile ring nobody. */
static void ask_first(struct asker *asker) {
    struct waiting_question *question = asker->first;
    take_question(asker, question->number, (struct json_span){question->line, question->size});
    free_first(asker);
}

static void put_question(struct asker *asker, unsigned long number, struct json_span line) {
    struct waiting_question *question = must_alloc(sizeof *question);
    *question = (struct waiting_question){NULL, number, json_span_copy(line), line.size};
    *asker->last = question;
    asker->last = &question->next;
}

/* Whether nobody had been asked about it yet. */
static bool forget_question(struct asker *asker, unsigned long number) {
    struct waiting_question **at = &asker->first;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    struct waiting_question *found = *at;
    if (found == NULL)
        return false;
    *at = found->next;
    if (found->next == NULL)
        asker->last = at;
    free(found->line);
    free(found);
    return true;
}

/* Nobody waits for a call any more; if it has become a task that its client has not heard of, nor
 * for the task. */
static void take_forget(struct asker *asker, struct json_span number) {
    if (forget_question(asker, strtoul(number.text, NULL, 10)))
        return;
    for (struct task *task = asker->tasks.first; task != NULL; task = task->next)
        if (task->number == strtoul(number.text, NULL, 10)) {
            if (!task_is_begun(task))
                asker_finish_task(asker, task, "cancelled", NULL);
            return;
        }
    char *key = json_span_copy(number);
    jv waits = json_get(asker->asked, key);
    if (jv_get_kind(waits) == JV_KIND_TRUE) {
        asker->asked = json_set(asker->asked, key, jv_false());
        asker->abandoned++;
    }
    jv_free(waits);
    free(key);
}

static void take_line(struct asker *asker, struct json_span line) {
    struct json_span message, number = {NULL, 0};
    struct error error;
    if (!json_span(line.text, line.size, &message, &error))
        return;
    if (json_span_member(message, "end").text != NULL)
        asker->leaving = true;
    else if (json_span_member(message, "ran").text != NULL)
        asker_take_result(asker, message);
    else if ((number = json_span_member(message, "forget")).text != NULL)
        take_forget(asker, number);
    else if ((number = json_span_member(message, "ask")).text != NULL)
        put_question(asker, strtoul(number.text, NULL, 10), line);
    else
        take_query(asker, message, line);
}

/* Reads all that the gate has said. */
static void listen_to_gate(struct asker *asker, bool waits) {
    struct pollfd ready = {asker->connection, POLLIN, 0};
    struct json_span line;
    while (!asker->ended && poll(&ready, 1, waits ? -1 : 0) == 1) {
        ssize_t got = lines_read(&asker->lines, asker->connection);
        asker->ended = asker->ended || got == 0 || (got < 0 && errno != EINTR) ||
                       lines_rest(&asker->lines).size > ASKER_LINE_LIMIT;
        while (!asker->ended && lines_next(&asker->lines, &line))
            take_line(asker, line);
    }
}

/* What the arguments do not say: which server it is, and where it was started; for tasks also who
 * is asked by whom. */
static void bind_to_server(struct asker *asker, char *const *words) {
    struct authorizer *authorizer = &asker->authorizer;
    jv all = json_set_string(jv_object(), "host", "mcp"), server = jv_array();
    char *folder = working_folder();
    for (; *words != NULL; words++)
        server = jv_array_append(server, jv_string(*words));
    all = json_set(json_set_string(all, "folder", folder), "server", server);
    free(folder);
    jv whom = JV_ARRAY(jv_copy(all));
    authorizer_bind(authorizer, all);
    const char *const texts[] = {authorizer->client.issuer.url, authorizer->client.credentials.id,
                                 authorizer->question.user, authorizer->question.login_hint};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        whom = jv_array_append(whom, texts[i] != NULL ? jv_string(texts[i]) : jv_null());
    asker->server = json_text(whom);
    jv_free(whom);
}

static bool configure(struct asker *asker, const struct gate_settings *settings, char *const *words,
                      struct error *error) {
    struct confinement needs = settings->needs;
    if (!authorizer_configure(&asker->authorizer, &settings->asking, error))
        return false;
    tzset(); /* while its files can be read */
    asker->authorizer.client.without_id_token = settings->without_id_token;
    bind_to_server(asker, words);
    if (settings->spool != NULL && asker->authorizer.ledger.seal_key == NULL)
        return fail(
            error, STATUS_CONFIG,
            "--spool needs --seal-key-file: without a seal another call could be put in the "
            "place of the one that the user was asked about");
    asker->tasks.seal_key = asker->authorizer.ledger.seal_key;
    asker->tasks.server = asker->server;
    if (settings->spool != NULL && !tasks_open(&asker->tasks, settings->spool, error))
        return false;
    authorizer_needs(&asker->authorizer, &needs);
    tasks_needs(&asker->tasks, &needs);
    return confine(&needs, error);
}

static int serve(struct asker *asker) {
    struct poller_settings settings = {
        .parallel = 64, .gate = true, .ledger = &asker->authorizer.ledger};
    asker->poller = poller_new(&asker->authorizer.client, &settings, asker_take_decision, asker);
    asker->session = random_name(6);
    asker->asked = jv_object();
    asker_say(asker, must_copy("{\"ready\":true}\n"));
    while (!asker->ended) {
        if (!asker->leaving)
            poller_step(asker->poller, &asker->connection, 1,
                        asker->first != NULL ? clock_elapsed() : INFINITY);
        listen_to_gate(asker, asker->leaving);
        if (asker->first != NULL && !asker->leaving)
            ask_first(asker);
    }
    while (asker->first != NULL)
        free_first(asker);
    tasks_close(&asker->tasks);
    poller_free(asker->poller);
    lines_free(&asker->lines);
    jv_free(asker->asked);
    free(asker->session);
    return STATUS_DONE;
}

/* The new process: nothing of the client's or the server's streams stays open in it. */
static int be_asker(const struct gate_settings *settings, char *const *words, int connection) {
    struct asker asker = {.connection = connection};
    asker.last = &asker.first;
    struct error error;
    int status = STATUS_DONE, nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
        return STATUS_INTERNAL;
    close(nothing);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* sent to the whole process group: it ends with the gate */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (configure(&asker, settings, words, &error)) {
        status = serve(&asker);
    } else {
        report_error(&status, NULL, &error);
        asker_say(&asker, must_format("{\"failed\":%d}\n", status));
    }
    authorizer_free(&asker.authorizer);
    free(asker.server);
    return status;
}

/* Reads the asker's first line, byte by byte: what follows is read elsewhere. */
static bool is_ready(int connection, struct error *error) {
    char line[64] = "";
    size_t size = 0;
    while (size < sizeof line - 1) {
        ssize_t got = read(connection, line + size, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || line[size] == '\n')
            break;
        size++;
    }
    line[size] = '\0';
    if (strcmp(line, "{\"ready\":true}") == 0)
        return true;
    bool failed = strncmp(line, "{\"failed\":", 10) == 0;
    return fail(error, failed ? (int)strtol(line + 10, NULL, 10) : STATUS_INTERNAL,
                "the user cannot be asked, so the server is not started");
}

bool asker_start(const struct gate_settings *settings, char *const *words, int *connection,
                 struct error *error) {
    int ends[2];
    if (!process_close_on_exec(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ends))
        return fail(error, STATUS_INTERNAL, "the system gives no sockets: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        exit(be_asker(settings, words, ends[1]));
    }
    close(ends[1]);
    *connection = ends[0];
    if (child < 0)
        return fail(error, STATUS_INTERNAL, "no process can be started: %s", strerror(errno));
    return is_ready(ends[0], error) &&
           (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ||
            fail(error, STATUS_INTERNAL, "a socket cannot be set: %s", strerror(errno)));
}
