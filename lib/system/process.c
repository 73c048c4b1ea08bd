#include "system/process.h"

#include "base/clock.h"
#include "system/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOOK_MS = 100,          /* between checks whether a program whose stdout is open has ended */
    REST_SECONDS = 2,       /* for the output of processes it left behind */
    TERM_SECONDS = 10,      /* for a stage to end after SIGTERM */
    MOST_IN_PIPE = 1 << 20, /* bytes */
    STAGE_SOCKET = 40       /* the least number of a stage's socket */
};

/* The file with that name in the folder, or the path itself if the folder is "". False with the
 * problem. */
static bool is_program(const char *folder, size_t folder_size, const char *name,
                       struct program_file *file) {
    char *path =
        must_format("%.*s%s%s", (int)folder_size, folder, folder_size > 0 ? "/" : "", name);
    int problem = 0;
    if (stat(path, &file->facts) != 0)
        problem = errno;
    else if (!S_ISREG(file->facts.st_mode))
        problem = EACCES;
    else if (access(path, X_OK) != 0)
        problem = errno;
    if (problem == 0) {
        file->path = path;
        return true;
    }
    free(path);
    if (file->problem !=
        EACCES) /* a file that exists but cannot be executed is the better reason */
        file->problem = problem == ENOTDIR ? ENOENT : problem;
    return false;
}

void process_find(const char *name, struct program_file *file) {
    *file = (struct program_file){.problem = ENOENT};
    if (strchr(name, '/') != NULL || *name == '\0') {
        is_program("", 0, name, file);
        return;
    }
    const char *folder = settings_get(NULL, "PATH", NULL);
    for (folder = folder != NULL ? folder : "/bin:/usr/bin"; folder != NULL;) {
        size_t size = strcspn(folder, ":");
        if (is_program(size > 0 ? folder : ".", size > 0 ? size : 1, name, file))
            return;
        folder = folder[size] == ':' ? folder + size + 1 : NULL;
    }
}

void process_free_file(struct program_file *file) {
    free(file->path);
    file->path = NULL;
}

/* Writing to a file or replacing it changes its status-change time (ctime). */
static bool is_same(const struct stat *before, const struct stat *now) {
    return before->st_dev == now->st_dev && before->st_ino == now->st_ino &&
           before->st_size == now->st_size && before->st_ctim.tv_sec == now->st_ctim.tv_sec &&
           before->st_ctim.tv_nsec == now->st_ctim.tv_nsec;
}

void process_execute(const struct program_file *file, char *const *argv) {
    struct stat now;
    if (file->path == NULL) {
        errno = file->problem;
    } else if (stat(file->path, &now) == 0) {
        errno = ESTALE;
        if (is_same(&file->facts, &now))
            execvp(file->path, argv); /* which lets sh run a script without #! */
    }
}

const char *process_problem(int problem) {
    return problem == ESTALE ? "its file has changed since this command was started"
                             : strerror(problem);
}

void process_leave_streams(bool stderr_too) {
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0)
        return;
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    if (stderr_too)
        dup2(nothing, STDERR_FILENO);
    if (nothing > STDERR_FILENO)
        close(nothing);
}

void process_close_all_but(const int *kept, size_t count) {
    DIR *open_ones = opendir("/dev/fd");
    for (struct dirent *entry; open_ones != NULL && (entry = readdir(open_ones)) != NULL;) {
        int fd = atoi(entry->d_name); /* "." and ".." are 0 */
        bool keep = fd <= STDERR_FILENO || fd == dirfd(open_ones);
        for (size_t i = 0; i < count; i++)
            keep = keep || fd == kept[i];
        if (!keep)
            close(fd);
    }
    if (open_ones != NULL)
        closedir(open_ones);
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
    /* Set after the arguments' variables: an argument must not set a token. */
    if (!program->is_stage)
        process_set_token(program->token_fd > 0 ? NULL : run->token,
                          run->token_is_dpop ? program->dpop_key : NULL);
    if (run->idempotency_key != NULL)
        setenv("IDEMPOTENCY_KEY", run->idempotency_key, 1);
}

/* What ends a group of processes, and what this process did about it before process_outlive. */
static const int endings[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDINGS = sizeof endings / sizeof *endings };
static struct sigaction before_outliving[ENDINGS];
static bool outlives;

void process_outlive(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    for (int i = 0; i < ENDINGS; i++)
        sigaction(endings[i], &ignore, &before_outliving[i]);
    outlives = true;
}

static void set_up_child(const struct program *program, int in, int out, int err) {
    for (int i = 0; outlives && i < ENDINGS; i++)
        sigaction(endings[i], &before_outliving[i], NULL);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    if (program->is_stage)
        dup2(err, STDERR_FILENO);
    else
        setpgid(0, 0);
}

/* A pipe from which the token is read; its capacity exceeds any token. */
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

bool process_close_on_exec(int made, const int *ends) {
    return made == 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0;
}

/* Leaves it the socket, under a number that scripts rarely use, and tells it. */
static bool give_socket(int socket) {
    if (socket < 0)
        return true;
    int kept = fcntl(socket, F_DUPFD, STAGE_SOCKET);
    char *value = must_format("%d:%ld", kept, (long)getpid());
    return kept >= 0 && setenv("CIBA_STAGE", value, 1) == 0;
}

static pid_t fork_program(const struct program *program, int in, int out, int err,
                          const char *token, int socket) {
    int told[2], problem = 0;
    if (!process_close_on_exec(pipe(told), told))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        set_up_child(program, in, out, err);
        if (!give_token(program, token) || !give_socket(socket))
            _exit(126);
        if (program->file != NULL)
            process_execute(program->file, program->argv);
        else
            execvp(program->argv[0], program->argv);
        problem = errno;
        if (write(told[1], &problem, sizeof problem) < 0)
            _exit(126);
        _exit(127);
    }
    if (child < 0)
        problem = errno;
    close(told[1]);
    /* exec closes the pipe; only a failure writes to it. */
    if (child > 0 && read(told[0], &problem, sizeof problem) > 0) {
        waitpid(child, NULL, 0);
        child = -1;
    }
    close(told[0]);
    if (child > 0 && !program->is_stage)
        setpgid(child, child);
    errno = problem;
    return child;
}

pid_t process_fork(const struct program *program, int in, int out, int err, const char *token) {
    return fork_program(program, in, out, err, token, -1);
}

pid_t process_fork_stage(const struct program *program, int in, int out, int err, int socket) {
    return fork_program(program, in, out, err, NULL, socket);
}

/* Our ends of its stdin, stdout and, for a stage, stderr; -1 for none. */
struct ends {
    int to, from, words;
};

static pid_t start(const struct program *program, const char *token, struct ends *ends,
                   struct error *error) {
    int in[2], out[2], err[2] = {-1, -1};
    if (!process_close_on_exec(pipe(in), in) || !process_close_on_exec(pipe(out), out) ||
        (program->is_stage && !process_close_on_exec(pipe(err), err))) {
        fail(error, STATUS_UNAVAILABLE, "%s: %s", program->argv[0], strerror(errno));
        return -1;
    }
    pid_t child = process_fork(program, in[0], out[1], err[1], token);
    int problem = errno;
    close(in[0]), close(out[1]);
    if (program->is_stage)
        close(err[1]);
    if (child < 0) {
        close(in[1]), close(out[0]);
        if (program->is_stage)
            close(err[0]);
        fail(error, STATUS_UNAVAILABLE, "%s: %s", program->argv[0], process_problem(problem));
        return -1;
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    *ends = (struct ends){in[1], out[0], err[0]};
    return child;
}

/* Reads what is available. False at the end, or beyond the limit. */
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

/* Passes on a stage's stderr, and keeps its last line. False at the end. */
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

/* Writes what fits. False if all is written or nobody reads it. */
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

/* Whether it has ended. Does not reap it, so its process group's number is not reused meanwhile. */
static bool has_ended(pid_t child) {
    siginfo_t facts = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &facts, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           facts.si_pid == child;
}

/* Whether nobody needs it any more. */
static bool is_abandoned(const struct program_run *run, struct process_end *end) {
    struct pollfd life = {run->life > 0 ? run->life : -1, 0, 0};
    end->abandoned = end->abandoned || poll(&life, 1, 0) > 0;
    return end->abandoned;
}

/* Reads what is in the pipe already, without waiting. */
static void take_rest(const struct program *program, int from, struct process_end *end,
                      size_t *room) {
    struct pollfd rest = {from, POLLIN, 0};
    size_t most = end->output_size + MOST_IN_PIPE;
    while (end->output_size < most && poll(&rest, 1, 0) > 0)
        if (!take_output(from, end, program->output_limit, room))
            return;
    report(program->argv[0], "has ended, but what it left running has its output still; that "
                             "is not waited for");
}

/* Writes stdin and reads stdout until it ends, a limit is exceeded, or time is up. Processes that
 * the program left behind may hold its stdout open: after the program's end they are waited for
 * only briefly. */
static void exchange(const struct program *program, pid_t child, const struct program_run *run,
                     struct ends *ends, double deadline, struct process_end *end) {
    size_t left = run->input_size, room = 0;
    const char *input = run->input;
    bool ended = false, told = false;
    while (ends->from >= 0 && !end->timed_out && !end->too_large && !is_abandoned(run, end)) {
        struct pollfd watched[3] = {
            {ends->from, POLLIN, 0}, {ends->words, POLLIN, 0}, {ends->to, POLLOUT, 0}};
        int left_ms = milliseconds_left(deadline);
        int ready = poll(watched, 3, left_ms < 0 || left_ms > LOOK_MS ? LOOK_MS : left_ms);
        if (!ended && has_ended(child)) {
            ended = true;
            deadline = clock_elapsed() + REST_SECONDS;
        }
        bool late = deadline != 0 && clock_elapsed() >= deadline;
        if (late && !ended && program->is_stage && !told) {
            told = end->late = true;
            kill(child, SIGTERM);
            deadline += TERM_SECONDS;
            continue;
        }
        end->timed_out = late && !ended;
        if (late && ended) {
            take_rest(program, ends->from, end, &room);
            break;
        }
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

/* Waits until the deadline for its end, passing on a stage's stderr meanwhile. */
static bool reap(pid_t child, const struct program_run *run, const struct ends *ends,
                 double deadline, int *status, struct process_end *end) {
    bool speaks = ends->words >= 0, looks = deadline != 0 || run->life > 0;
    pid_t ended = 0;
    while (!end->timed_out && !end->too_large && ended != child && !is_abandoned(run, end)) {
        struct pollfd words = {speaks ? ends->words : -1, POLLIN, 0};
        if ((speaks || looks) && poll(&words, 1, 10) > 0)
            speaks = take_words(ends->words, end);
        ended = waitpid(child, status, speaks || looks ? WNOHANG : 0);
        if (ended < 0 && errno != EINTR)
            break;
        end->timed_out = deadline != 0 && ended != child && clock_elapsed() >= deadline;
    }
    return ended == child;
}

/* Reads the last of an ended stage's stderr, which processes it left behind may hold open. */
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
    exchange(program, child, run, &ends, deadline, end);
    if (!reap(child, run, &ends, deadline, &status, end)) {
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

bool process_succeeded(const struct program *program, const struct process_end *end,
                       struct error *error) {
    const char *name = program->argv[0];
    if (end->timed_out)
        return fail(error, STATUS_UNAVAILABLE, "%s: was killed: it had not ended after %g s", name,
                    program->timeout);
    if (end->too_large)
        return fail(error, STATUS_UNAVAILABLE, "%s: was killed: it printed more than %zu bytes",
                    name, program->output_limit);
    return end->exit_status == 0 ||
           fail(error, STATUS_UNAVAILABLE, "%s: ended with exit status %d", name, end->exit_status);
}
