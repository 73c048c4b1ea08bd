#include "runner.h"

#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is said over the socket of one run: its parts, at last RUN with the number of the program;
 * and back ENDED and OUTPUT, or NOT_STARTED with the error. */
enum { INPUT, TOKEN, DPOP_TOKEN, IDEMPOTENCY_KEY, VARIABLE, RUN, ENDED, OUTPUT, NOT_STARTED };

static bool make_sockets(int *ends) {
    return process_keeps(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ends);
}

/* A message with a descriptor: one byte, since there must be one. */
struct parcel {
    struct msghdr message;
    struct iovec part;
    char byte;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

static void wrap(struct parcel *parcel) {
    memset(parcel, 0, sizeof *parcel);
    parcel->part = (struct iovec){&parcel->byte, 1};
    parcel->message.msg_iov = &parcel->part;
    parcel->message.msg_iovlen = 1;
    parcel->message.msg_control = parcel->control;
    parcel->message.msg_controllen = sizeof parcel->control;
}

static bool send_descriptor(int socket, int fd) {
    struct parcel parcel;
    ssize_t put;
    wrap(&parcel);
    struct cmsghdr *control = CMSG_FIRSTHDR(&parcel.message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(control), &fd, sizeof fd);
    while ((put = sendmsg(socket, &parcel.message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        continue;
    return put == 1;
}

/* -1 when nobody is left who could send one. */
static int receive_descriptor(int socket) {
    struct parcel parcel;
    ssize_t got;
    int fd = -1;
    wrap(&parcel);
    while ((got = recvmsg(socket, &parcel.message, 0)) < 0 && errno == EINTR)
        continue;
    struct cmsghdr *control = got == 1 ? CMSG_FIRSTHDR(&parcel.message) : NULL;
    if (control != NULL && control->cmsg_type == SCM_RIGHTS &&
        control->cmsg_len == CMSG_LEN(sizeof fd)) {
        memcpy(&fd, CMSG_DATA(control), sizeof fd);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

/* The helper's side. */

static bool may_have(const struct program *program, const char *variable) {
    return program->prefix != NULL &&
           strncmp(variable, program->prefix, strlen(program->prefix)) == 0;
}

/* What was asked for; its texts live as long as the process. False if it is no request, or asks for
 * what the command line does not allow. */
static bool read_request(int fd, const struct runner *runner, const struct program **program,
                         struct program_run *run) {
    char *bytes, **variables = NULL;
    size_t size, count = 0, number;
    int kind;
    *run = (struct program_run){0};
    while ((bytes = frame_read(fd, &size, &kind)) != NULL && kind != RUN) {
        if (kind == INPUT) {
            run->input = bytes;
            run->input_size = size;
        } else if (kind == TOKEN || kind == DPOP_TOKEN) {
            run->token = bytes;
            run->token_is_dpop = kind == DPOP_TOKEN;
        } else if (kind == IDEMPOTENCY_KEY) {
            run->idempotency_key = bytes;
        } else if (kind == VARIABLE) {
            variables = must_grow(variables, (count + 2) * sizeof *variables);
            variables[count++] = bytes;
            variables[count] = NULL;
        }
    }
    if (bytes == NULL || size != sizeof number || run->input == NULL)
        return false;
    memcpy(&number, bytes, sizeof number);
    if (number >= runner->count)
        return false;
    *program = &runner->programs[number];
    run->variables = variables;
    for (size_t i = 0; i < count; i++)
        if (!may_have(*program, variables[i]))
            return false;
    return true;
}

/* One run, in a process of its own. */
_Noreturn static void serve(int fd, const struct runner *runner) {
    const struct program *program;
    struct program_run run;
    struct process_end end;
    struct error error;
    signal(SIGCHLD, SIG_DFL);
    if (!read_request(fd, runner, &program, &run))
        _exit(STATUS_INTERNAL);
    bool told = process_run(program, &run, &end, &error)
                    ? frame_write(fd, &end, sizeof end, ENDED) &&
                          frame_write(fd, end.output, end.output_size, OUTPUT)
                    : frame_write(fd, &error, sizeof error, NOT_STARTED);
    _exit(told ? STATUS_DONE : STATUS_IO);
}

/* Has no use for our stdin and stdout, and must not keep them open. */
static void leave_streams(void) {
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0)
        return;
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    if (nothing > STDERR_FILENO)
        close(nothing);
}

_Noreturn static void help(int socket, const struct runner *runner) {
    bool has_stages = false;
    int fd;
    for (size_t i = 0; i < runner->count; i++)
        has_stages = has_stages || runner->programs[i].is_stage;
    if (!has_stages)
        process_forget_secrets();
    leave_streams();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for what serves */
    while ((fd = receive_descriptor(socket)) >= 0) {
        pid_t server = fork();
        if (server == 0) {
            close(socket);
            serve(fd, runner);
        }
        if (server < 0) {
            struct error error;
            fail(&error, STATUS_UNAVAILABLE, "no process for it: %s", strerror(errno));
            frame_write(fd, &error, sizeof error, NOT_STARTED);
        }
        close(fd);
    }
    _exit(STATUS_DONE);
}

/* The command's side. */

bool runner_start(struct runner *runner, const struct program *programs, size_t count,
                  struct error *error) {
    int ends[2];
    *runner = (struct runner){.helper = -1, .programs = programs, .count = count};
    pid_t helper = make_sockets(ends) ? fork() : -1;
    if (helper < 0)
        return fail(error, STATUS_INTERNAL, "no process to run programs: %s", strerror(errno));
    if (helper == 0) {
        close(ends[0]);
        help(ends[1], runner);
    }
    close(ends[1]);
    runner->helper = ends[0];
    return true;
}

void runner_needs(struct confinement *needs) {
    needs->helper = true;
}

static bool put_text(int fd, const char *text, int kind) {
    return text == NULL || frame_write(fd, text, strlen(text), kind);
}

static bool put_request(int fd, size_t program, const struct program_run *run) {
    bool good = frame_write(fd, run->input, run->input_size, INPUT) &&
                put_text(fd, run->token, run->token_is_dpop ? DPOP_TOKEN : TOKEN) &&
                put_text(fd, run->idempotency_key, IDEMPOTENCY_KEY);
    for (char *const *entry = run->variables; good && entry != NULL && *entry != NULL; entry++)
        good = put_text(fd, *entry, VARIABLE);
    return good && frame_write(fd, &program, sizeof program, RUN);
}

/* False and the error if nothing was run. */
static bool take_outcome(int fd, struct process_end *end, struct error *error) {
    size_t size;
    int kind;
    char *facts = frame_read(fd, &size, &kind), *output = NULL;
    *end = (struct process_end){.broken = true};
    if (facts != NULL && kind == NOT_STARTED && size == sizeof *error) {
        memcpy(error, facts, size);
        free(facts);
        return false;
    }
    if (facts != NULL && kind == ENDED && size == sizeof *end &&
        (output = frame_read(fd, &size, &kind)) != NULL)
        memcpy(end, facts, sizeof *end);
    free(facts);
    end->output = output != NULL ? output : must_copy("");
    end->output_size = output != NULL ? size : 0;
    return true;
}

bool runner_run(const struct runner *runner, size_t program, const struct program_run *run,
                struct process_end *end, struct error *error) {
    int ends[2];
    if (!make_sockets(ends))
        return fail(error, STATUS_UNAVAILABLE, "%s: %s", runner->programs[program].argv[0],
                    strerror(errno));
    bool sent = send_descriptor(runner->helper, ends[1]);
    close(ends[1]);
    bool started = sent;
    if (!sent)
        fail(error, STATUS_INTERNAL, "%s: the process that runs it has ended",
             runner->programs[program].argv[0]);
    else if (put_request(ends[0], program, run))
        started = take_outcome(ends[0], end, error);
    else
        *end = (struct process_end){.broken = true, .output = must_copy("")};
    close(ends[0]);
    return started;
}
