#include "system/program_helper.h"

#include "system/child_watch.h"
#include "system/frame.h"
#include "system/program_queue.h"
#include "system/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The messages on the socket of one run. To the helper: its parts, then RUN with the number of the
 * program. Back: ENDED and OUTPUT, or NOT_STARTED with the error. For a stage: OPEN with the
 * number, the descriptors, then STOP or KILL at any time; back: ENDED or NOT_STARTED. */
enum {
    INPUT,
    TOKEN,
    DPOP_TOKEN,
    IDEMPOTENCY_KEY,
    VARIABLE,
    RUN,
    ENDED,
    OUTPUT,
    NOT_STARTED,
    OPEN,
    STOP,
    KILL
};

static bool make_sockets(int *ends) {
    return process_close_on_exec(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ends);
}

/* A message with a descriptor: needs at least one byte. */
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

/* -1 when no process is left that could send one. */
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

/* Reads the request; its texts live as long as the process. False if it is invalid, or asks for
 * something that the command line does not allow. Sets *opens if it is to be opened. */
static bool read_request(int fd, const struct program_helper *helper,
                         const struct program **program, struct program_run *run, bool *opens) {
    char *bytes, **variables = NULL;
    size_t size, count = 0, number;
    int kind;
    *run = (struct program_run){0};
    while ((bytes = frame_read(fd, &size, &kind)) != NULL && kind != RUN && kind != OPEN) {
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
    *opens = bytes != NULL && kind == OPEN;
    if (bytes == NULL || size != sizeof number || (run->input == NULL && !*opens))
        return false;
    memcpy(&number, bytes, sizeof number);
    free(bytes);
    if (number >= helper->count)
        return false;
    *program = &helper->programs[number];
    run->variables = variables;
    for (size_t i = 0; i < count; i++)
        if (!may_have(*program, variables[i]))
            return false;
    return !*opens || (*program)->is_stage;
}

/* The end of a run that nobody waits for. */
_Noreturn static void serve_unattended(const struct program *program,
                                       const struct program_run *run) {
    struct process_end end;
    struct error error;
    int status = STATUS_DONE;
    bool good = process_run(program, run, &end, &error) &&
                (end.abandoned || process_succeeded(program, &end, &error));
    if (!good)
        report_error(&status, NULL, &error);
    _exit(status);
}

/* Waits for the end of the stage, and does what is asked meanwhile; `children` is of child_watch.
 * Its exit status. */
static int attend(int fd, pid_t child, int children) {
    struct pollfd watched[2] = {{children, POLLIN, 0}, {fd, POLLIN, 0}};
    int status = 0, kind = 0;
    pid_t ended = 0;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        size_t size;
        if (poll(watched, 2, -1) < 0 || watched[1].revents == 0)
            continue;
        char *bytes = frame_read(fd, &size, &kind);
        if (bytes == NULL)
            watched[1].fd = -1; /* nobody is there any more; the stage may finish */
        else
            kill(child, kind == KILL ? SIGKILL : SIGTERM);
        free(bytes);
    }
    return ended < 0           ? 128 + SIGKILL
           : WIFEXITED(status) ? WEXITSTATUS(status)
                               : 128 + WTERMSIG(status);
}

/* Starts a stage and waits for its end. */
_Noreturn static void serve_open(int fd, const struct program *program) {
    int given[PROGRAM_DESCRIPTORS];
    struct process_end end = {0};
    struct error error;
    for (int i = 0; i < PROGRAM_DESCRIPTORS; i++)
        if ((given[i] = receive_descriptor(fd)) < 0)
            _exit(STATUS_INTERNAL);
    pid_t child = -1;
    int children = child_watch();
    if (children >= 0)
        child = process_fork_stage(program, given[PROGRAM_IN], given[PROGRAM_OUT],
                                   given[PROGRAM_ERR], given[PROGRAM_SOCKET]);
    int problem = errno;
    for (int i = 0; i < PROGRAM_DESCRIPTORS; i++)
        close(given[i]);
    if (child < 0) {
        fail(&error, STATUS_UNAVAILABLE, "%s: %s", program->argv[0], process_problem(problem));
        frame_write(fd, &error, sizeof error, NOT_STARTED);
        _exit(STATUS_DONE);
    }
    end.exit_status = attend(fd, child, children);
    _exit(frame_write(fd, &end, sizeof end, ENDED) ? STATUS_DONE : STATUS_IO);
}

/* A request of the queue. */
struct unattended {
    const struct program *program;
    struct program_run run;
};

static bool take_unattended(void *context, void **request) {
    const struct program_helper *helper = context;
    struct unattended unattended;
    bool opens;
    int fd = receive_descriptor(helper->socket);
    if (fd < 0)
        return false;
    if (read_request(fd, helper, &unattended.program, &unattended.run, &opens) && !opens) {
        unattended.run.life = helper->life;
        *request = must_alloc(sizeof unattended);
        memcpy(*request, &unattended, sizeof unattended);
    }
    close(fd);
    return true;
}

static void work_unattended(void *context, void *request) {
    const struct unattended *unattended = request;
    (void)context;
    serve_unattended(unattended->program, &unattended->run);
}

/* The program gets its notice alone: no token, and no variables. */
static void drop_unattended(void *request) {
    struct unattended *unattended = request;
    free((char *)unattended->run.input);
    free(unattended);
}

_Noreturn static void help_unattended(int socket, struct program_helper *helper) {
    struct program_queue queue = {.socket = socket,
                                  .life = helper->life,
                                  .context = helper,
                                  .take = take_unattended,
                                  .work = work_unattended,
                                  .drop = drop_unattended};
    helper->socket = socket;
    program_queue_serve(&queue);
}

/* Executes one run, in a process of its own. */
_Noreturn static void serve(int fd, const struct program_helper *helper) {
    const struct program *program;
    struct program_run run;
    struct process_end end;
    struct error error;
    bool opens;
    signal(SIGCHLD, SIG_DFL);
    if (!read_request(fd, helper, &program, &run, &opens))
        _exit(STATUS_INTERNAL);
    if (opens)
        serve_open(fd, program);
    bool told = process_run(program, &run, &end, &error)
                    ? frame_write(fd, &end, sizeof end, ENDED) &&
                          frame_write(fd, end.output, end.output_size, OUTPUT)
                    : frame_write(fd, &error, sizeof error, NOT_STARTED);
    _exit(told ? STATUS_DONE : STATUS_IO);
}

/* Whether one is unattended; with `lasting` one that lasts, else one that does not. */
static bool has_unattended(const struct program *programs, size_t count, bool lasting) {
    bool has = false;
    for (size_t i = 0; i < count; i++)
        has = has || (programs[i].is_unattended && programs[i].lasts == lasting);
    return has;
}

_Noreturn static void help(int socket, struct program_helper *helper) {
    bool has_stages = false, unattended = has_unattended(helper->programs, helper->count, true) ||
                                          has_unattended(helper->programs, helper->count, false);
    int fd;
    for (size_t i = 0; i < helper->count; i++)
        has_stages = has_stages || helper->programs[i].is_stage;
    if (has_stages) /* what ends a run comes to all of its group: a stage may finish then */
        process_outlive();
    else
        settings_forget_secrets();
    process_leave_streams(false);
    if (unattended)
        process_close_all_but((const int[]){socket, helper->life}, helper->life > 0 ? 2 : 1);
    signal(SIGPIPE, SIG_IGN);
    if (unattended)
        help_unattended(socket, helper);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for the serving processes */
    while ((fd = receive_descriptor(socket)) >= 0) {
        pid_t server = fork();
        if (server == 0) {
            close(socket);
            serve(fd, helper);
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

bool program_helper_start(struct program_helper *helper, const struct program *programs,
                          size_t count, struct error *error) {
    int ends[2], life[2] = {0, 0};
    *helper = (struct program_helper){.socket = -1, .programs = programs, .count = count};
    bool made =
        make_sockets(ends) && (!has_unattended(programs, count, false) || make_sockets(life));
    pid_t process = made ? fork() : -1;
    if (process < 0)
        return fail(error, STATUS_INTERNAL, "no process to run programs: %s", strerror(errno));
    int ours = process == 0 ? 1 : 0;
    close(ends[1 - ours]);
    if (life[0] > 0)
        close(life[1 - ours]);
    helper->life = life[ours];
    if (process == 0)
        help(ends[1], helper);
    helper->socket = ends[0];
    helper->process = process;
    return true;
}

static void close_socket(struct program_helper *helper) {
    if (helper->socket >= 0)
        close(helper->socket);
    helper->socket = -1;
}

void program_helper_end(struct program_helper *helper) {
    close_socket(helper);
    if (helper->life > 0)
        close(helper->life);
    helper->life = 0;
}

void program_helper_wait(struct program_helper *helper) {
    char ignored;
    close_socket(helper);
    while (helper->life > 0 && read(helper->life, &ignored, 1) < 0 && errno == EINTR)
        continue;
}

void program_helper_needs(struct confinement *needs) {
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

/* Has the helper listen to a request. The connection for it; -1 and an error. */
static int connect_to(const struct program_helper *helper, size_t program, struct error *error) {
    int ends[2];
    const char *name = helper->programs[program].argv[0];
    if (!make_sockets(ends)) {
        fail(error, STATUS_UNAVAILABLE, "%s: %s", name, strerror(errno));
        return -1;
    }
    bool good = send_descriptor(helper->socket, ends[1]);
    close(ends[1]);
    if (!good) {
        close(ends[0]);
        fail(error, STATUS_INTERNAL, "%s: the process that runs it has ended", name);
        return -1;
    }
    return ends[0];
}

/* Has the helper begin a run. The connection to it; -1 and an error if nothing was run. Sets *sent
 * to whether the request arrived whole. */
static int begin(const struct program_helper *helper, size_t program, const struct program_run *run,
                 bool *sent, struct error *error) {
    int connection = connect_to(helper, program, error);
    *sent = connection >= 0 && put_request(connection, program, run);
    return connection;
}

/* After a request, sent or not, whether what came of it can be read: a process that has ended has
 * said it already, or never will. */
static bool will_answer(bool sent) {
    return sent || errno == EPIPE;
}

int program_helper_open(const struct program_helper *helper, size_t program,
                        const int descriptors[PROGRAM_DESCRIPTORS], struct error *error) {
    int connection = connect_to(helper, program, error);
    if (connection < 0)
        return -1;
    bool sent = frame_write(connection, &program, sizeof program, OPEN);
    for (int i = 0; sent && i < PROGRAM_DESCRIPTORS; i++)
        sent = send_descriptor(connection, descriptors[i]);
    if (will_answer(sent))
        return connection;
    fail(error, STATUS_UNAVAILABLE, "%s: was not started: %s", helper->programs[program].argv[0],
         strerror(errno));
    close(connection);
    return -1;
}

void program_helper_stop(int connection, bool at_once) {
    frame_write(connection, "", 0, at_once ? KILL : STOP); /* it may have ended */
}

bool program_helper_ended(int connection, struct process_end *end, struct error *error) {
    size_t size;
    int kind;
    char *facts = frame_read(connection, &size, &kind);
    bool started = true;
    *end = (struct process_end){.exit_status = 128 + SIGKILL, .broken = true};
    if (facts != NULL && kind == NOT_STARTED && size == sizeof *error) {
        memcpy(error, facts, size);
        started = false;
    } else if (facts != NULL && kind == ENDED && size == sizeof *end) {
        memcpy(end, facts, sizeof *end);
        end->output = NULL;
    }
    free(facts);
    return started;
}

bool program_helper_run(const struct program_helper *helper, size_t program,
                        const struct program_run *run, struct process_end *end,
                        struct error *error) {
    bool sent, started = true;
    int connection = begin(helper, program, run, &sent, error);
    if (connection < 0)
        return false;
    if (will_answer(sent))
        started = take_outcome(connection, end, error);
    else
        *end = (struct process_end){.broken = true, .output = must_copy("")};
    close(connection);
    return started;
}

bool program_helper_begin(const struct program_helper *helper, size_t program,
                          const struct program_run *run, struct error *error) {
    bool sent;
    int connection = begin(helper, program, run, &sent, error);
    if (connection >= 0)
        close(connection);
    return connection >= 0 && (sent || fail(error, STATUS_INTERNAL, "%s: was not started",
                                            helper->programs[program].argv[0]));
}
