#include "process.h"

#include "clock.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void process_forget_secrets(void) {
    for (size_t i = 0; config_secret_names[i] != NULL; i++) {
        char *value = getenv(config_secret_names[i]);
        if (value != NULL)
            OPENSSL_cleanse(value, strlen(value));
        unsetenv(config_secret_names[i]);
    }
}

void process_set_token(const char *token, const char *dpop_key) {
    if (token != NULL)
        setenv("ACCESS_TOKEN", token, 1);
    else
        unsetenv("ACCESS_TOKEN");
    if (dpop_key != NULL)
        setenv("DPOP_KEY_FILE", dpop_key, 1);
}

static void set_environment(const struct program *program, const struct program_run *run) {
    for (char *const *entry = run->variables; entry != NULL && *entry != NULL; entry++)
        putenv(*entry);
    /* Behind them: an argument's name must not make a token. */
    if (!program->is_stage)
        process_set_token(program->token_fd > 0 ? NULL : run->token,
                          run->token_is_dpop ? program->dpop_key : NULL);
    if (run->idempotency_key != NULL)
        setenv("IDEMPOTENCY_KEY", run->idempotency_key, 1);
}

static void set_up_child(const struct program *program, const int *in, const int *out,
                         const int *err) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    if (program->is_stage)
        dup2(err[1], STDERR_FILENO);
    else
        setpgid(0, 0);
}

/* The token, to be read from the descriptor: a pipe, which holds more than any token has. */
static bool give_token(const struct program *program, const char *token) {
    int ends[2];
    if (program->token_fd <= 0 || token == NULL)
        return true;
    size_t size = strlen(token);
    bool good = pipe(ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0 &&
                write(ends[1], token, size) == (ssize_t)size;
    return good && close(ends[1]) == 0 &&
           (ends[0] == program->token_fd || dup2(ends[0], program->token_fd) >= 0);
}

bool process_keeps(int made, const int *ends) {
    return made == 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0;
}

/* Our ends of its stdin, stdout and, of a stage, stderr; -1 for none. */
struct ends {
    int to, from, words;
};

static pid_t start(const struct program *program, const char *token, struct ends *ends,
                   struct error *error) {
    int in[2], out[2], told[2], err[2] = {-1, -1}, problem = 0;
    if (!process_keeps(pipe(in), in) || !process_keeps(pipe(out), out) ||
        !process_keeps(pipe(told), told) || (program->is_stage && !process_keeps(pipe(err), err))) {
        fail(error, STATUS_UNAVAILABLE, "%s: %s", program->argv[0], strerror(errno));
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        set_up_child(program, in, out, err);
        if (!give_token(program, token))
            _exit(126);
        execvp(program->argv[0], program->argv);
        problem = errno;
        if (write(told[1], &problem, sizeof problem) < 0)
            _exit(126);
        _exit(127);
    }
    if (child < 0)
        problem = errno;
    close(in[0]), close(out[1]), close(told[1]);
    if (program->is_stage)
        close(err[1]);
    /* exec closes the pipe; only a failure writes to it. */
    if (child > 0 && read(told[0], &problem, sizeof problem) > 0) {
        waitpid(child, NULL, 0);
        child = -1;
    }
    close(told[0]);
    if (child < 0) {
        close(in[1]), close(out[0]);
        if (program->is_stage)
            close(err[0]);
        fail(error, STATUS_UNAVAILABLE, "%s: %s", program->argv[0], strerror(problem));
        return -1;
    }
    if (!program->is_stage)
        setpgid(child, child);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    *ends = (struct ends){in[1], out[0], err[0]};
    return child;
}

/* Reads what there is. False at its end, or where the limit is passed. */
static bool take_output(int from, struct process_end *end, size_t limit, size_t *room) {
    if (*room - end->output_size < 4096) {
        *room = 2 * *room + 8192;
        end->output = must_grow(end->output, *room + 1);
    }
    ssize_t got = read(from, end->output + end->output_size, *room - end->output_size);
    if (got < 0) {
        end->broken = errno != EINTR;
        return !end->broken;
    }
    end->output_size += (size_t)got;
    end->output[end->output_size] = '\0';
    end->too_large = end->output_size > limit;
    return got > 0 && !end->too_large;
}

static int milliseconds_left(double deadline) {
    double left = deadline - clock_elapsed();
    return deadline == 0 ? -1 : left <= 0 ? 0 : left > 3600 ? 3600000 : (int)(left * 1000) + 1;
}

/* Passes on what a stage says, and keeps its last line. False at the end. */
static bool take_words(int from, struct process_end *end) {
    char bytes[2000];
    ssize_t got = read(from, bytes, sizeof bytes - 1);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    if (write(STDERR_FILENO, bytes, (size_t)got) < 0)
        return true;
    bytes[got - (bytes[got - 1] == '\n')] = '\0';
    char *newline = strrchr(bytes, '\n');
    snprintf(end->last_words, sizeof end->last_words, "%.399s",
             newline != NULL ? newline + 1 : bytes);
    return true;
}

/* Writes what fits. False when all was written, or nobody reads it. */
static bool give_input(int to, const char **input, size_t *left, struct process_end *end) {
    ssize_t put = *left > 0 ? write(to, *input, *left) : 0;
    if (put > 0) {
        *input += put;
        *left -= (size_t)put;
    }
    bool again = put >= 0 || errno == EAGAIN || errno == EINTR;
    end->broken = end->broken || (!again && errno != EPIPE);
    return *left > 0 && again;
}

static void close_end(int *end) {
    if (*end >= 0)
        close(*end);
    *end = -1;
}

/* Feeds and reads until stdout ends, a limit is passed, or time is up. */
static void exchange(const struct program *program, const struct program_run *run,
                     struct ends *ends, double deadline, struct process_end *end) {
    size_t left = run->input_size, room = 0;
    const char *input = run->input;
    while (ends->from >= 0 && !end->timed_out && !end->too_large) {
        struct pollfd watched[3] = {
            {ends->from, POLLIN, 0}, {ends->words, POLLIN, 0}, {ends->to, POLLOUT, 0}};
        int ready = poll(watched, 3, milliseconds_left(deadline));
        if (deadline != 0 && clock_elapsed() >= deadline)
            end->timed_out = true;
        if (ready <= 0)
            continue;
        if (watched[2].revents != 0 && !give_input(ends->to, &input, &left, end))
            close_end(&ends->to);
        if (watched[1].revents != 0 && !take_words(ends->words, end))
            close_end(&ends->words);
        if (watched[0].revents != 0 && !take_output(ends->from, end, program->output_limit, &room))
            close_end(&ends->from);
    }
    close_end(&ends->to);
    close_end(&ends->from);
}

/* Waits for its end until the deadline, while a stage may still speak. */
static bool reap(pid_t child, const struct ends *ends, double deadline, int *status,
                 struct process_end *end) {
    bool speaks = ends->words >= 0;
    pid_t ended = 0;
    while (!end->timed_out && !end->too_large && ended != child) {
        struct pollfd words = {speaks ? ends->words : -1, POLLIN, 0};
        if ((speaks || deadline != 0) && poll(&words, 1, 10) > 0)
            speaks = take_words(ends->words, end);
        ended = waitpid(child, status, speaks || deadline != 0 ? WNOHANG : 0);
        if (ended < 0 && errno != EINTR)
            break;
        end->timed_out = deadline != 0 && ended != child && clock_elapsed() >= deadline;
    }
    return ended == child;
}

/* What a stage that has ended said last. What it left running may have its stderr still. */
static void hear_the_rest(struct ends *ends, struct process_end *end) {
    struct pollfd words = {ends->words, POLLIN, 0};
    while (ends->words >= 0 && poll(&words, 1, 0) > 0 && take_words(ends->words, end))
        continue;
    close_end(&ends->words);
}

bool process_run(const struct program *program, const struct program_run *run,
                 struct process_end *end, struct error *error) {
    struct ends ends;
    int status = 0;
    *end = (struct process_end){0};
    double deadline = program->timeout > 0 ? clock_elapsed() + program->timeout : 0;
    set_environment(program, run);
    pid_t child = start(program, run->token, &ends, error);
    if (child < 0)
        return false;
    exchange(program, run, &ends, deadline, end);
    if (!reap(child, &ends, deadline, &status, end)) {
        kill(program->is_stage ? child : -child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    hear_the_rest(&ends, end);
    end->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (end->output == NULL)
        end->output = must_copy("");
    return true;
}
