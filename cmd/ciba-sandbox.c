/* ciba-sandbox: an OpenID provider, a model, a stock API and the user's phone, on a loopback port.
 */
#include "config.h"
#include "digest.h"
#include "documents.h"
#include "http.h"
#include "json.h"
#include "jwk.h"
#include "options.h"
#include "process.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    bool foreground, quiet;
    const char *approve, *user, *faults, *log, *certificate, *key;
    const char *client_key, *notify;
    double delay, interval;
    long port;
} given = {.delay = -1, .interval = 5, .user = "auth0|demo"};

static const struct option_spec options[] = {
    {0, "approve", "MODE", OPTION_TEXT, &given.approve,
     "ask, yes, no or never (ask; yes without a terminal)"},
    {0, "delay", "SECONDS", OPTION_SECONDS, &given.delay, "before yes or no (1)"},
    {0, "interval", "SECONDS", OPTION_SECONDS, &given.interval, "between two polls (5)"},
    {0, "user", "USER", OPTION_TEXT, &given.user, "the only user there is (auth0|demo)"},
    {0, "port", "PORT", OPTION_COUNT, &given.port, "listen there (a free port)"},
    {0, "cert", "FILE", OPTION_TEXT, &given.certificate, "serve TLS with this certificate, PEM"},
    {0, "key", "FILE", OPTION_TEXT, &given.key, "and this key, PEM"},
    {0, "client-key", "FILE", OPTION_TEXT, &given.client_key,
     "let the client sign with this key (private or public)"},
    {0, "notify", "URL", OPTION_TEXT, &given.notify, "tell the client there of a decision (ping)"},
    {0, "faults", "FILE", OPTION_TEXT, &given.faults, "spoil answers as the JSON in FILE says"},
    {0, "log", "FILE", OPTION_TEXT, &given.log, "append a line of JSON for each request"},
    {0, "foreground", NULL, OPTION_FLAG, &given.foreground, "do not go to the background"},
    {'q', "quiet", NULL, OPTION_FLAG, &given.quiet, "do not say on stderr what happens"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-sandbox", "[-q] [--approve ask|yes|no|never] [--delay SECONDS] [-- COMMAND ARG...]",
    "Plays provider, phone, model and stock API for the flow.", options, true};

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
    if (!process_keeps(pipe(wake), wake))
        out_of_memory();
    for (int i = 0; i < 2; i++)
        fcntl(wake[i], F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The terminal at which the user can be asked; -1 without one. */
static int open_terminal(void) {
    int terminal = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
    return terminal;
}

static bool choose_mode(bool terminal, struct error *error) {
    static const char *const names[] = {"ask", "yes", "no", "never"};
    const char *name = given.approve != NULL ? given.approve : terminal ? "ask" : "yes";
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            sandbox.mode = (enum approval_mode)i;
            return true;
        }
    }
    return fail(error, STATUS_USAGE, "--approve: '%s' is not ask, yes, no or never", name);
}

static bool read_faults(struct error *error) {
    unsigned long size;
    sandbox.faults = jv_array();
    if (given.faults == NULL)
        return true;
    char *text = config_read_file(given.faults, 1 << 20, &size, error);
    if (text == NULL)
        return false;
    bool good = faults_set(&sandbox, text, size);
    free(text);
    return good || fail(error, STATUS_INPUT, "%s: is not a JSON array of faults", given.faults);
}

/* The public half of --client-key, as the client's JWKS. */
static bool read_client_key(struct error *error) {
    if (given.client_key == NULL)
        return true;
    unsigned long size;
    char *text = config_read_file(given.client_key, 1 << 20, &size, error);
    if (text == NULL)
        return false;
    BIO *file = BIO_new_mem_buf(text, (int)size);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(file, NULL, NULL, NULL);
    if (key == NULL && BIO_reset(file) == 1)
        key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    jv jwk = key != NULL ? jwk_of_key(key, error) : jv_invalid();
    BIO_free(file);
    EVP_PKEY_free(key);
    free(text);
    if (!jv_is_valid(jwk))
        return fail(error, STATUS_CONFIG, "%s: has no key that can be used, in PEM",
                    given.client_key);
    sandbox.client_jwks = json_set(jv_object(), "keys", JV_ARRAY(jwk));
    return true;
}

static char *random_secret(const char *prefix) {
    char *noise = random_name(24), *secret = must_format("%s%s", prefix, noise);
    free(noise);
    return secret;
}

static bool prepare(bool terminal, struct error *error) {
    if (!choose_mode(terminal, error) || !read_faults(error) || !read_client_key(error))
        return false;
    if (given.notify != NULL && !http_url_allowed(given.notify, error))
        return false;
    sandbox.notify_url = given.notify;
    sandbox.used_assertions = jv_object();
    if ((given.certificate == NULL) != (given.key == NULL))
        return fail(error, STATUS_USAGE, "--cert and --key go together");
    if (given.port > 65535)
        return fail(error, STATUS_USAGE, "--port: there is no port %ld", given.port);
    if (given.log != NULL) {
        sandbox.log = open(given.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (sandbox.log < 0)
            return fail(error, STATUS_NO_FILE, "%s: %s", given.log, strerror(errno));
    }
    sandbox.delay = given.delay >= 0 ? given.delay : 1;
    sandbox.interval = given.interval;
    sandbox.quiet = given.quiet;
    sandbox.user = given.user;
    sandbox.client_id = must_copy("sandbox-client");
    sandbox.client_secret = random_secret("");
    sandbox.api_key = random_secret("sk-");
    sandbox.broker_key_id = random_secret("PK");
    sandbox.broker_secret_key = random_secret("");
    sandbox.audience = must_copy("https://stocks.sandbox/");
    sandbox.orders = jv_array();
    sandbox.orders_by_key = jv_object();
    pthread_mutex_init(&sandbox.lock, NULL);
    return true;
}

static bool start(struct error *error) {
    char *certificate = NULL, *key = NULL;
    if (!provider_start(&sandbox))
        return fail(error, STATUS_INTERNAL, "no key could be made");
    if (given.certificate != NULL &&
        ((certificate = config_read_file(given.certificate, 1 << 20, NULL, error)) == NULL ||
         (key = config_read_file(given.key, 1 << 20, NULL, error)) == NULL))
        return false;
    bool good = server_start(&sandbox, (unsigned short)given.port, certificate, key, error);
    free(certificate);
    free(key);
    return good;
}

/* The environment of the flow, name by name. */
static void each_setting(void (*use)(const char *name, const char *value)) {
    char *model_url = must_format("%s/v1", sandbox.origin);
    char *stock_url = must_format("%s/stocks", sandbox.origin);
    char *page = must_format("%s/", sandbox.origin);
    use("CIBA_ISSUER", sandbox.issuer);
    use("CIBA_CLIENT_ID", sandbox.client_id);
    use("CIBA_CLIENT_SECRET", sandbox.client_secret);
    use("CIBA_USER", sandbox.user);
    use("CIBA_SCOPE", "openid stock:trade");
    use("AUDIENCE", sandbox.audience);
    use("OPENAI_API_KEY", sandbox.api_key);
    use("OPENAI_BASE_URL", model_url);
    use("OPENAI_MODEL", "sandbox-model");
    use("STOCK_API_URL", stock_url);
    use("APCA_API_BASE_URL", sandbox.origin);
    use("APCA_API_KEY_ID", sandbox.broker_key_id);
    use("APCA_API_SECRET_KEY", sandbox.broker_secret_key);
    use("CIBA_SANDBOX_URL", page);
    free(model_url);
    free(stock_url);
    free(page);
}

static void put_into_environment(const char *name, const char *value) {
    if (value == NULL || setenv(name, value, 1) != 0)
        out_of_memory();
}

static FILE *exports; /* where print_export writes */

static void print_export(const char *name, const char *value) {
    fprintf(exports, "%s='%s'; export %s;\n", name, value, name);
}

/* The exports as text; the caller frees. A ' in the user's name is written as the shell wants it.
 */
static char *export_lines(long pid) {
    char *text = NULL;
    size_t size;
    char number[24];
    exports = open_memstream(&text, &size);
    if (exports == NULL)
        out_of_memory();
    each_setting(print_export);
    snprintf(number, sizeof number, "%ld", pid);
    print_export("CIBA_SANDBOX_PID", number);
    fclose(exports);
    return text;
}

static struct approval *waiting_approval(void) {
    struct approval *oldest = NULL;
    for (struct approval *approval = sandbox.approvals; approval; approval = approval->next)
        if (approval->state == WAITING)
            oldest = approval;
    return oldest;
}

static void write_terminal(int terminal, const char *text) {
    if (write(terminal, text, strlen(text)) < 0)
        complain("terminal", "%s", strerror(errno));
}

/* Shows the oldest request that waits, if it is not the one shown. */
static void show_on_terminal(int terminal, const struct approval **shown) {
    pthread_mutex_lock(&sandbox.lock);
    const struct approval *approval = waiting_approval();
    if (approval != NULL && approval != *shown) {
        char *line = must_format("\n  %s\n  Approve? Type y or n.\n", approval_message(approval));
        write_terminal(terminal, line);
        free(line);
    }
    *shown = approval;
    pthread_mutex_unlock(&sandbox.lock);
}

static void read_terminal(int terminal, const struct approval **shown) {
    char line[100];
    ssize_t size = read(terminal, line, sizeof line);
    if (size <= 0)
        return;
    pthread_mutex_lock(&sandbox.lock);
    struct approval *approval = waiting_approval();
    bool yes = line[0] == 'y' || line[0] == 'Y', no = line[0] == 'n' || line[0] == 'N';
    if (approval != NULL && approval == *shown && (yes || no))
        approval_decide(&sandbox, approval, yes);
    else if (approval != NULL)
        write_terminal(terminal, "  Please type y or n.\n");
    pthread_mutex_unlock(&sandbox.lock);
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
        if (ending != 0 && ending != SIGINT) /* a ^C has reached the child too */
            kill(child, ending);
        ending = 0;
        if (terminal >= 0)
            show_on_terminal(terminal, &shown);
        ping_send(&sandbox);
        int wait = sandbox.notify_url != NULL ? 100 : -1; /* ms */
        if (poll(watched, terminal >= 0 ? 2 : 1, wait) > 0 && watched[1].revents != 0)
            read_terminal(terminal, &shown);
        while (read(wake[0], bytes, sizeof bytes) > 0)
            continue;
    }
}

static int run_command(char **argv, int terminal) {
    each_setting(put_into_environment);
    if (terminal >= 0)
        put_into_environment("NO_COLOR",
                             "1"); /* the user is asked at that terminal: no live line */
    pid_t child = fork();
    if (child < 0)
        out_of_memory();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
        int problem = errno;
        complain(argv[0], "%s", strerror(problem));
        _exit(problem == ENOENT ? 127 : 126);
    }
    return serve(child, terminal);
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
        char text[4096];
        size_t used = 0;
        ssize_t got;
        close(ready[1]);
        while (used < sizeof text && (got = read(ready[0], text + used, sizeof text - used)) > 0)
            used += (size_t)got;
        return used == 0                         ? STATUS_UNAVAILABLE
               : output_write(text, used, error) ? STATUS_DONE
                                                 : STATUS_IO;
    }
    close(ready[0]);
    setsid();
    if (!start(error)) {
        complain(NULL, "%s", error->text);
        return error->status;
    }
    char *lines = export_lines((long)getpid());
    int nothing = open("/dev/null", O_RDWR);
    bool told = write(ready[1], lines, strlen(lines)) > 0;
    close(ready[1]);
    free(lines);
    for (int i = 0; told && i < 3; i++)
        dup2(nothing, i);
    close(nothing);
    return serve(0, -1);
}

static int run_in_foreground(struct error *error, char **argv, int terminal) {
    if (!start(error)) {
        complain(NULL, "%s", error->text);
        return error->status;
    }
    if (sandbox.mode == APPROVE_ASK) {
        sandbox_tell(&sandbox, "the user's phone is at %s/", sandbox.origin);
        sandbox.notice = wake[1];
    } else if (given.approve == NULL) {
        sandbox_tell(&sandbox, "there is no terminal to ask at: the user approves after %g s",
                     sandbox.delay);
    }
    if (*argv != NULL)
        return run_command(argv, sandbox.mode == APPROVE_ASK ? terminal : -1);
    char *lines = export_lines((long)getpid());
    bool good = output_write(lines, strlen(lines), error);
    free(lines);
    return good ? serve(0, sandbox.mode == APPROVE_ASK ? terminal : -1) : STATUS_IO;
}

static void clean_up(void) {
    server_stop();
    ping_stop();
    jv_free(sandbox.client_jwks);
    jv_free(sandbox.used_assertions);
    while (sandbox.approvals != NULL) {
        struct approval *approval = sandbox.approvals;
        sandbox.approvals = approval->next;
        jv_free(approval->asked);
        free(approval->auth_req_id);
        free(approval->id);
        free(approval);
    }
    EVP_PKEY_free(sandbox.key);
    jv_free(sandbox.jwks);
    jv_free(sandbox.orders);
    jv_free(sandbox.orders_by_key);
    jv_free(sandbox.faults);
    free(sandbox.origin), free(sandbox.host), free(sandbox.issuer), free(sandbox.audience);
    free(sandbox.client_id), free(sandbox.client_secret), free(sandbox.api_key);
    free(sandbox.broker_key_id), free(sandbox.broker_secret_key);
}

int main(int argc, char **argv) {
    struct error error;
    int first = options_parse(&command, argc, argv), terminal = open_terminal();
    sandbox.jwks = sandbox.orders = sandbox.orders_by_key = sandbox.faults = jv_invalid();
    sandbox.client_jwks = sandbox.used_assertions = jv_invalid();
    if (!prepare(terminal >= 0, &error)) {
        complain(NULL, "%s", error.text);
        return error.status;
    }
    catch_signals();
    int status = argv[first] == NULL && !given.foreground
                     ? run_in_background(&error)
                     : run_in_foreground(&error, argv + first, terminal);
    clean_up();
    return status;
}
