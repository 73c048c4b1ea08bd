/* ciba-sandbox: an OpenID provider, a model, a stock API and the user's phone, on a loopback port.
 */
#include "cli/options.h"
#include "document/reader.h"
#include "sandbox/configure.h"
#include "sandbox/environment.h"
#include "sandbox/ping.h"
#include "sandbox/terminal.h"
#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    bool foreground;
    struct sandbox_settings sandbox;
} options = {.sandbox = {.delay = -1, .interval = 5, .user = "auth0|demo"}};

static const struct option_spec option_table[] = {
    {0, "approve", "MODE", OPTION_TEXT, &options.sandbox.approve,
     "ask, yes, no or never (ask; yes without a terminal)"},
    {0, "delay", "SECONDS", OPTION_SECONDS, &options.sandbox.delay,
     "how long the user takes for yes or no (1)"},
    {0, "interval", "SECONDS", OPTION_SECONDS, &options.sandbox.interval,
     "time between two polls (5)"},
    {0, "user", "USER", OPTION_TEXT, &options.sandbox.user, "the only user (auth0|demo)"},
    {0, "port", "PORT", OPTION_COUNT, &options.sandbox.port, "listen on this port (a free one)"},
    {0, "tls-cert-file", "FILE", OPTION_TEXT, &options.sandbox.tls_cert_file,
     "serve TLS with this certificate, PEM"},
    {0, "tls-key-file", "FILE", OPTION_SECRET, &options.sandbox.tls_key_file, "and this key, PEM"},
    {0, "client-key-file", "FILE", OPTION_TEXT, &options.sandbox.client_key_file,
     "let the client sign with this key (private or public)"},
    {0, "assertion-key-file", "FILE", OPTION_TEXT, &options.sandbox.assertion_key_file,
     "let somebody else sign with this key for the client"},
    {0, "notification-url", "URL", OPTION_TEXT, &options.sandbox.notification_url,
     "notify the client there of a decision (ping)"},
    {0, "faults-file", "FILE", OPTION_TEXT, &options.sandbox.faults_file,
     "answer with the faults that FILE lists, JSON"},
    {0, "log-file", "FILE", OPTION_TEXT, &options.sandbox.log_file,
     "append a line of JSON for each request"},
    {0, "foreground", NULL, OPTION_FLAG, &options.foreground, "do not go to the background"},
    {'q', "quiet", NULL, OPTION_FLAG, &options.sandbox.quiet,
     "do not report on stderr what happens"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-sandbox", "[-q] [--approve ask|yes|no|never] [--delay SECONDS] [-- COMMAND ARG...]",
    "Plays provider, phone, model and stock API for the flow.", option_table, true};

static struct sandbox sandbox = {.log = -1, .notice = -1};
static int wake[2] = {-1, -1}; /* signals and new requests, for the main loop */
static volatile sig_atomic_t ending;

static void on_signal(int number) {
    int saved = errno;
    if (number != SIGCHLD)
        ending = number;
    if (write(wake[1], "", 1) < 0)
        ending = number;
    errno = saved;
}

static void catch_signals(void) {
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (!process_close_on_exec(pipe(wake), wake))
        out_of_memory();
    for (int i = 0; i < 2; i++)
        fcntl(wake[i], F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Serves until the child (or, without one, a signal) ends it. Returns the exit status. */
static int serve(pid_t child, int terminal) {
    const struct approval *shown = NULL;
    for (;;) {
        struct pollfd watched[2] = {{wake[0], POLLIN, 0}, {terminal, POLLIN, 0}};
        char bytes[64];
        int status;
        if (child > 0 && waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (ending != 0 && child == 0)
            return STATUS_DONE;
        if (ending != 0 && ending != SIGINT) /* a ^C has reached the child as well */
            kill(child, ending);
        ending = 0;
        if (terminal >= 0)
            terminal_show(&sandbox, terminal, &shown);
        ping_send(&sandbox);
        int wait = sandbox.notify_url != NULL ? 100 : -1; /* ms */
        if (poll(watched, terminal >= 0 ? 2 : 1, wait) > 0 && watched[1].revents != 0)
            terminal_read(&sandbox, terminal, &shown);
        while (read(wake[0], bytes, sizeof bytes) > 0)
            continue;
    }
}

static int run_command(char **argv, int terminal) {
    environment_put(&sandbox);
    if (terminal >= 0 && setenv("NO_COLOR", "1", 1) !=
                             0) /* no status line on the terminal where the user is asked */
        out_of_memory();
    pid_t child = fork();
    if (child < 0)
        out_of_memory();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
        int problem = errno;
        report(argv[0], "%s", strerror(problem));
        _exit(problem == ENOENT ? 127 : 126);
    }
    return serve(child, terminal);
}

/* Prints the exports of the server process once it listens. */
static int print_exports_of(int server, struct error *error) {
    char text[4096];
    size_t used = 0;
    ssize_t got;
    while (used < sizeof text && (got = read(server, text + used, sizeof text - used)) > 0)
        used += (size_t)got;
    return used == 0                         ? STATUS_UNAVAILABLE
           : output_write(text, used, error) ? STATUS_DONE
                                             : STATUS_IO;
}

/* Says where the user answers. */
static void tell_phone(void) {
    if (sandbox.mode == APPROVE_ASK)
        sandbox_tell(&sandbox, "the user's phone is at %s/", sandbox.origin);
    else if (options.sandbox.approve == NULL)
        sandbox_tell(&sandbox, "there is no terminal to ask at: the user approves after %g s",
                     sandbox.delay);
}

/* Goes to the background; the parent prints the exports and exits once the server listens. */
static int run_in_background(struct error *error) {
    int ready[2];
    if (pipe(ready) != 0)
        out_of_memory();
    pid_t child = fork();
    if (child < 0)
        out_of_memory();
    if (child > 0) {
        close(ready[1]);
        return print_exports_of(ready[0], error);
    }
    close(ready[0]);
    setsid();
    if (!sandbox_start(&sandbox, &options.sandbox, error)) {
        report(NULL, "%s", error->text);
        return error->status;
    }
    tell_phone();
    char *lines = environment_exports(&sandbox, (long)getpid());
    int nothing = open("/dev/null", O_RDWR);
    bool listens = write(ready[1], lines, strlen(lines)) > 0;
    close(ready[1]);
    free(lines);
    for (int i = 0; listens && i < 3; i++)
        dup2(nothing, i);
    close(nothing);
    return serve(0, -1);
}

static int run_in_foreground(struct error *error, char **argv, int terminal) {
    if (!sandbox_start(&sandbox, &options.sandbox, error)) {
        report(NULL, "%s", error->text);
        return error->status;
    }
    tell_phone();
    if (sandbox.mode == APPROVE_ASK)
        sandbox.notice = wake[1];
    if (*argv != NULL)
        return run_command(argv, sandbox.mode == APPROVE_ASK ? terminal : -1);
    char *lines = environment_exports(&sandbox, (long)getpid());
    bool good = output_write(lines, strlen(lines), error);
    free(lines);
    return good ? serve(0, sandbox.mode == APPROVE_ASK ? terminal : -1) : STATUS_IO;
}

int main(int argc, char **argv) {
    struct error error;
    int first = options_parse(&command, argc, argv), terminal = terminal_open();
    if (!sandbox_configure(&sandbox, &options.sandbox, terminal >= 0, &error)) {
        report(NULL, "%s", error.text);
        return error.status;
    }
    catch_signals();
    int status = argv[first] == NULL && !options.foreground
                     ? run_in_background(&error)
                     : run_in_foreground(&error, argv + first, terminal);
    sandbox_stop(&sandbox);
    return status;
}
