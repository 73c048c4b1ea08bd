#include "mcp/server.h"

#include "base/clock.h"
#include "system/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE_SECONDS = 2,  /* for the server's end after its stdin was closed */
    TERM_SECONDS = 1,   /* after SIGTERM */
    REAP_SECONDS = 2,   /* after SIGKILL, for the kernel */
    LOOK_MICRO = 10000, /* between looks whether a process group is empty */
};

/* The keeper's side. On the connection: to the keeper, the byte START, and later END or the end of
 * the connection. To us, whether the server was started (0 or an errno value) and later its exit
 * status, each an int. */
static const char START = 's', END = 'e';

/* Reads what the other side has sent. False if it has ended before. */
static bool hear(int connection, void *sent, size_t size) {
    ssize_t got;
    while ((got = read(connection, sent, size)) < 0 && errno == EINTR)
        continue;
    return got == (ssize_t)size;
}

static void wake(int number) {
    (void)number;
}

/* Signals for our process group, which a terminal or a host sends, are not for the keeper. */
static void keep_alive(void) {
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
    struct sigaction child_ended = {.sa_handler = wake};
    sigset_t blocked;
    setpgid(0, 0);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL); /* it comes only while the keeper waits */
    sigaction(SIGCHLD, &child_ended, NULL);
}

/* Whether the server has ended. Does not reap it: the number of its process group stays taken. */
static bool has_ended(pid_t server, int *status) {
    siginfo_t facts = {.si_pid = 0};
    if (waitid(P_PID, (id_t)server, &facts, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        facts.si_pid != server)
        return false;
    *status = facts.si_code == CLD_EXITED ? facts.si_status : 128 + facts.si_status;
    return true;
}

/* Waits until the server has ended, the connection is readable (unless it is -1), or that many
 * seconds are over; a negative number for no limit. Whether the server has ended. */
static bool wait_for_end(pid_t server, int connection, double seconds, int *status) {
    double until = clock_elapsed() + seconds;
    sigset_t none;
    sigemptyset(&none);
    for (;;) {
        double left = until - clock_elapsed();
        fd_set readable;
        if (has_ended(server, status))
            return true;
        if (seconds >= 0 && left <= 0)
            return false;
        struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        FD_ZERO(&readable);
        if (connection >= 0)
            FD_SET(connection, &readable);
        if (pselect(connection + 1, &readable, NULL, NULL, seconds >= 0 ? &time : NULL, &none) > 0)
            return has_ended(server, status);
    }
}

/* Ends what an ended server left behind in its process group. */
static void clear_group(pid_t server) {
    double until = clock_elapsed() + TERM_SECONDS;
    struct timespec pause = {0, LOOK_MICRO * 1000L};
    kill(-server, SIGTERM);
    while (waitpid(server, NULL, 0) < 0 && errno == EINTR)
        continue;
    while (kill(-server, 0) == 0 || errno == EPERM) {
        if (clock_elapsed() >= until) {
            kill(-server, SIGKILL);
            return;
        }
        nanosleep(&pause, NULL);
    }
}

static void tell(int connection, int number) {
    /* If nobody hears it, nobody needs it. */
    if (write(connection, &number, sizeof number) < 0)
        return;
}

_Noreturn static void keep(pid_t server, int connection) {
    int status;
    bool ended = wait_for_end(server, connection, -1, &status);
    if (ended) {
        char ignored;
        tell(connection, status);
        hear(connection, &ignored, sizeof ignored);
        clear_group(server);
        _exit(STATUS_DONE);
    }
    ended = wait_for_end(server, -1, GRACE_SECONDS, &status);
    if (!ended) {
        kill(-server, SIGTERM);
        ended = wait_for_end(server, -1, TERM_SECONDS, &status);
    }
    if (!ended) {
        kill(-server, SIGKILL);
        ended = wait_for_end(server, -1, REAP_SECONDS, &status);
    }
    if (ended)
        tell(connection, status);
    clear_group(server);
    _exit(STATUS_DONE);
}

/* The main function of the keeper. */
_Noreturn static void start_and_keep(const struct program *program, int in, int out,
                                     int connection) {
    const int kept[] = {in, out, connection};
    char order;
    process_close_all_but(kept, 3);
    settings_forget_secrets();
    if (!hear(connection, &order, sizeof order) || order != START)
        _exit(STATUS_DONE);
    pid_t server = process_fork(program, in, out, -1, NULL);
    tell(connection, server > 0 ? 0 : errno);
    if (server < 0)
        _exit(STATUS_UNAVAILABLE);
    close(in);
    close(out);
    process_leave_streams(true);
    keep_alive();
    int lowest = fcntl(connection, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); /* fits into an fd_set */
    close(connection);
    keep(server, lowest);
}

/* Our side. */

static bool make_pipe(int *ends) {
    return process_close_on_exec(pipe(ends), ends);
}

bool mcp_server_prepare(struct mcp_server *server, char *const *argv,
                        const struct program_file *file, struct error *error) {
    const struct program program = {.argv = argv, .file = file};
    int in[2], out[2], ends[2];
    *server = (struct mcp_server){-1, -1, -1};
    if (!make_pipe(in) || !make_pipe(out) ||
        !process_close_on_exec(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ends))
        return fail(error, STATUS_UNAVAILABLE, "%s: %s", argv[0], strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    pid_t keeper = fork();
    if (keeper == 0)
        start_and_keep(&program, in[0], out[1], ends[1]);
    int problem = errno;
    close(in[0]), close(out[1]), close(ends[1]);
    *server = (struct mcp_server){in[1], out[0], ends[0]};
    if (keeper < 0) {
        mcp_server_end(server);
        return fail(error, STATUS_UNAVAILABLE, "%s: %s", argv[0], strerror(problem));
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    return true;
}

bool mcp_server_begin(struct mcp_server *server, const char *name, struct error *error) {
    int problem;
    if (write(server->keeper, &START, sizeof START) < 0 ||
        !hear(server->keeper, &problem, sizeof problem))
        problem = ECHILD;
    if (problem == 0)
        return true;
    mcp_server_end(server);
    return fail(error, STATUS_UNAVAILABLE, "%s: %s", name, process_problem(problem));
}

bool mcp_server_start(struct mcp_server *server, char *const *argv, const struct program_file *file,
                      struct error *error) {
    return mcp_server_prepare(server, argv, file, error) &&
           mcp_server_begin(server, argv[0], error);
}

static void close_end(int *end) {
    if (*end >= 0)
        close(*end);
    *end = -1;
}

void mcp_server_close(struct mcp_server *server) {
    close_end(&server->input);
    if (server->keeper >= 0 && write(server->keeper, &END, sizeof END) < 0)
        return; /* the keeper has ended */
}

/* Whether the keeper says something in the time in which it ends the server: a server can stop its
 * keeper. */
static bool is_heard_in_time(int keeper) {
    struct pollfd ready = {keeper, POLLIN, 0};
    double until = clock_elapsed() + GRACE_SECONDS + TERM_SECONDS + 2 * REAP_SECONDS;
    int count;
    do {
        double left = until - clock_elapsed();
        count = poll(&ready, 1, left > 0 ? (int)(left * 1000) : 0);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

int mcp_server_end(struct mcp_server *server) {
    int status;
    mcp_server_close(server); /* a second byte changes nothing */
    close_end(&server->output);
    if (server->keeper < 0 || !is_heard_in_time(server->keeper) ||
        !hear(server->keeper, &status, sizeof status))
        status = STATUS_INTERNAL;
    close_end(&server->keeper);
    return status;
}
