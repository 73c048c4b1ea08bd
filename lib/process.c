#include "process.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void process_set_environment(const char *token, const char *dpop_key) {
    static const char *const secrets[] = {"CIBA_CLIENT_SECRET", "AUTH0_CLIENT_SECRET",
                                          "OPENAI_API_KEY", "APCA_API_SECRET_KEY",
                                          "CREDENTIALS_DIRECTORY"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        unsetenv(secrets[i]);
    if (token != NULL)
        setenv("ACCESS_TOKEN", token, 1);
    else
        unsetenv("ACCESS_TOKEN");
    if (dpop_key != NULL)
        setenv("DPOP_KEY_FILE", dpop_key, 1);
    signal(SIGPIPE, SIG_DFL);
}

static void set_up_child(const struct process *process, const int *in, const int *out) {
    setpgid(0, 0);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    process_set_environment(process->token_fd > 0 ? NULL : process->token, process->dpop_key);
    for (char *const *entry = process->environment; entry != NULL && *entry != NULL; entry++)
        putenv(*entry);
}

/* The token, to be read from the descriptor: a pipe, which holds more than any token has. */
static bool give_token(const struct process *process) {
    int ends[2];
    if (process->token_fd <= 0 || process->token == NULL)
        return true;
    size_t size = strlen(process->token);
    bool good = pipe(ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0 &&
                write(ends[1], process->token, size) == (ssize_t)size;
    return good && close(ends[1]) == 0 &&
           (ends[0] == process->token_fd || dup2(ends[0], process->token_fd) >= 0);
}

static bool make_pipe(int *ends) {
    if (pipe(ends) != 0)
        return false;
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    return true;
}

/* Starts it; *to and *from are our ends of its stdin and stdout. */
static pid_t start(const struct process *process, int *to, int *from, struct error *error) {
    int in[2], out[2], told[2], problem = 0;
    if (!make_pipe(in) || !make_pipe(out) || !make_pipe(told)) {
        fail(error, STATUS_UNAVAILABLE, "%s: %s", process->argv[0], strerror(errno));
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        set_up_child(process, in, out);
        if (!give_token(process))
            _exit(126);
        execvp(process->argv[0], process->argv);
        problem = errno;
        if (write(told[1], &problem, sizeof problem) < 0)
            _exit(126);
        _exit(127);
    }
    if (child < 0)
        problem = errno;
    close(in[0]), close(out[1]), close(told[1]);
    /* exec closes the pipe; only a failure writes to it. */
    if (child > 0 && read(told[0], &problem, sizeof problem) > 0) {
        waitpid(child, NULL, 0);
        child = -1;
    }
    close(told[0]);
    if (child < 0) {
        close(in[1]), close(out[0]);
        fail(error, STATUS_UNAVAILABLE, "%s: %s", process->argv[0], strerror(problem));
        return -1;
    }
    setpgid(child, child);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    *to = in[1];
    *from = out[0];
    return child;
}

/* Reads what there is. False at its end, or where the limit is passed. */
static bool take_output(int from, struct process_end *end, size_t limit, size_t *room) {
    if (*room - end->output_size < 4096) {
        *room = 2 * *room + 8192;
        char *grown = realloc(end->output, *room + 1);
        if (grown == NULL)
            out_of_memory();
        end->output = grown;
    }
    ssize_t got = read(from, end->output + end->output_size, *room - end->output_size);
    if (got < 0)
        return errno == EINTR;
    end->output_size += (size_t)got;
    end->output[end->output_size] = '\0';
    end->too_large = end->output_size > limit;
    return got > 0 && !end->too_large;
}

static int milliseconds_left(double deadline) {
    double left = deadline - clock_now();
    return deadline == 0 ? -1 : left <= 0 ? 0 : left > 3600 ? 3600000 : (int)(left * 1000) + 1;
}

/* Feeds and reads until stdout ends, a limit is passed, or time is up. */
static void exchange(const struct process *process, int to, int from, double deadline,
                     struct process_end *end) {
    size_t left = strlen(process->input), room = 0;
    const char *input = process->input;
    for (bool open = true; open && !end->timed_out;) {
        struct pollfd watched[2] = {{from, POLLIN, 0}, {to, POLLOUT, 0}};
        int ready = poll(watched, to >= 0 ? 2 : 1, milliseconds_left(deadline));
        if (deadline != 0 && clock_now() >= deadline)
            end->timed_out = true;
        if (ready <= 0)
            continue;
        if (to >= 0 && watched[1].revents != 0) {
            ssize_t put = left > 0 ? write(to, input, left) : 0;
            input += put > 0 ? put : 0;
            left -= put > 0 ? (size_t)put : 0;
            if (left == 0 || (put < 0 && errno != EAGAIN && errno != EINTR)) {
                close(to);
                to = -1;
            }
        }
        if (watched[0].revents != 0)
            open = take_output(from, end, process->output_limit, &room);
    }
    if (to >= 0)
        close(to);
    close(from);
}

bool process_run(const struct process *process, struct process_end *end, struct error *error) {
    int to, from, status = 0;
    *end = (struct process_end){0};
    double deadline = process->timeout > 0 ? clock_now() + process->timeout : 0;
    pid_t child = start(process, &to, &from, error), ended = 0;
    if (child < 0)
        return false;
    exchange(process, to, from, deadline, end);
    /* It has closed its stdout: mostly because it has ended. */
    while (!end->timed_out && !end->too_large &&
           (ended = waitpid(child, &status, deadline != 0 ? WNOHANG : 0)) == 0) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        end->timed_out = clock_now() >= deadline;
    }
    if (ended != child) {
        kill(-child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    end->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (end->output == NULL)
        end->output = must_copy("");
    return true;
}
