#include "hook/guard.h"

#include "base/clock.h"
#include "base/sanitized.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec/ciba-tools"
#endif

enum {
    CHANNEL = 3,           /* the program's descriptor to the guard */
    UNKNOWN_DEADLINE = 25, /* seconds: below each host's own limit */
    ANSWER_SECONDS = 1,    /* for writing the answer */
    PATH_SIZE = 4096
};

/* A message of the program. Both are of one version. */
struct message {
    bool final;
    double deadline;
    struct hook_answer answer;
};

/* Understood by each host as a no, whatever its event: where the status is not looked at, the JSON
 * is. */
#define NO_ANSWER "ciba-hook: not approved: it ended before there was an answer"
static struct message newest = {
    .answer = {HOOK_NO_STATUS,
               "{\"decision\":\"block\",\"reason\":\"" NO_ANSWER "\",\"hookSpecificOutput\":{"
               "\"hookEventName\":\"PermissionRequest\",\"decision\":{\"behavior\":\"deny\","
               "\"message\":\"" NO_ANSWER "\"}}}\n",
               NO_ANSWER "\n"}};
static volatile pid_t child;
static int channel = CHANNEL;
static double started_at;
static bool in_one_file;

/* Only what may be called in a signal handler. */
static bool put_bytes(int fd, const void *bytes, size_t size) {
    const char *from = bytes;
    while (size > 0) {
        ssize_t written = write(fd, from, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        from += written;
        size -= (size_t)written;
    }
    return true;
}

static bool put(int fd, const char *text) {
    return put_bytes(fd, text, strlen(text));
}

static void end_as_no(int number) {
    (void)number;
    _exit(HOOK_NO_STATUS);
}

/* A host that does not read is not waited for: its own time limit may let the tool run. */
static void limit_writing(void) {
    struct sigaction action = {.sa_handler = end_as_no};
    struct itimerval timer = {{0, 0}, {ANSWER_SECONDS, 0}};
    sigset_t alarm;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm, NULL);
}

/* Nothing but the time limit interrupts it. What cannot be written is a no by the status. */
static _Noreturn void answer_and_end(const struct hook_answer *answer) {
    limit_writing();
    bool written = put(STDOUT_FILENO, answer->out);
    put(STDERR_FILENO, answer->words);
    _exit(written ? answer->status : HOOK_NO_STATUS);
}

static void give_up(int number) {
    (void)number;
    if (child > 0)
        kill(child, SIGKILL);
    answer_and_end(&newest.answer);
}

/* Every signal that would end the guard answers no, its own crash included. */
static void catch_signals(void) {
    static const int left[] = {SIGCHLD, SIGCONT, SIGURG, SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction action = {.sa_handler = give_up};
    sigfillset(&action.sa_mask);
    for (int number = 1; number < NSIG; number++) {
        bool leave = number == SIGKILL || number == SIGSTOP;
        for (size_t i = 0; i < sizeof left / sizeof *left; i++)
            leave = leave || number == left[i];
#ifdef SIGWINCH
        leave = leave || number == SIGWINCH;
#endif
        if (!leave)
            sigaction(number, &action, NULL); /* fails for those that the library uses itself */
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The two signals that libc keeps for itself cannot be caught through it. Nothing here uses them.
 */
static void block_reserved_signals(void) {
#ifdef SYS_rt_sigprocmask
    const uint64_t reserved = (uint64_t)3 << 31; /* 32 and 33 */
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &reserved, NULL, sizeof reserved);
#endif
}

static void default_signals(void) {
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Counts from the guard's start. */
static void set_deadline(double seconds) {
    double left = started_at + seconds - clock_elapsed();
    left = left > 0.001 ? left : 0.001;
    struct itimerval timer = {{0, 0}, {(time_t)left, 0}};
    timer.it_value.tv_usec = (suseconds_t)((left - (double)timer.it_value.tv_sec) * 1e6);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static bool take(struct message *message) {
    char *to = (char *)message;
    for (size_t left = sizeof *message; left > 0;) {
        ssize_t size = read(channel, to, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return false;
        to += size;
        left -= (size_t)size;
    }
    return true;
}

/* Nothing interrupts the rest: what was answered is not answered again. */
static void block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* A message that the handler may read is replaced while no handler runs. */
static void keep(const struct message *message) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    newest = *message;
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static _Noreturn void guard(void) {
    static struct message message, final;
    bool said = false, prepared = false;
    int status;
    while (take(&message)) {
        if (message.final) {
            final = message;
            said = true;
        } else {
            keep(&message);
            prepared = true;
            set_deadline(message.deadline > 0 ? message.deadline : UNKNOWN_DEADLINE);
        }
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            give_up(0);
    block_signals();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        answer_and_end(&newest.answer);
    if (said)
        answer_and_end(&final.answer);
    if (prepared)
        answer_and_end(&newest.answer);
    _exit(0);
}

/* Its environment may have secrets. */
static void no_core_dump(void) {
#if defined(__linux__) && !defined(SANITIZED)
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Nobody is asked on behalf of a guard that was killed. */
static void end_with(pid_t parent) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent)
        _exit(HOOK_NO_STATUS);
}

/* The guard's own path, as far as it is known. */
static void find_itself(const char *name, char *path) {
    ssize_t size = readlink("/proc/self/exe", path, PATH_SIZE - 1);
    if (size > 0)
        path[size] = '\0';
    else
        snprintf(path, PATH_SIZE, "%s", name);
}

static _Noreturn void not_started(const char *path) {
    static char words[PATH_SIZE + 400];
    snprintf(words, sizeof words, "ciba-hook: %s: cannot be started: %s\n", path, strerror(errno));
    put(STDERR_FILENO, words);
    _exit(HOOK_NO_STATUS);
}

/* Becomes the program, under the name PATH/NAME, where PATH is the guard's own. */
static _Noreturn void become(const char *name, char **argv) {
    static char self[PATH_SIZE], path[PATH_SIZE + 300], called[PATH_SIZE + 300];
    find_itself(argv[0], self);
    snprintf(called, sizeof called, "%s/%s", self, name);
    argv[0] = called;
    if (in_one_file) {
        execv(self, argv);
        not_started(self);
    }
    const char *slash = strrchr(self, '/');
    if (slash != NULL) {
        snprintf(path, sizeof path, "%.*s/libexec/%s", (int)(slash - self), self, name);
        execv(path, argv);
        snprintf(path, sizeof path, "%.*s/../libexec/ciba-tools/%s", (int)(slash - self), self,
                 name);
        execv(path, argv);
    }
    snprintf(path, sizeof path, LIBEXECDIR "/%s", name);
    execv(path, argv);
    not_started(path);
}

static void hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(HOOK_NO_STATUS);
}

void guard_run(const char *name, char **argv) {
    int ends[2];
    pid_t parent = getpid();
    started_at = clock_elapsed();
    catch_signals();
    block_reserved_signals();
    set_deadline(UNKNOWN_DEADLINE);
    no_core_dump();
    hold_standard_streams();
    block_signals(); /* in the child, a handler would answer as well */
    if (pipe(ends) != 0 || (child = fork()) < 0)
        give_up(0);
    if (child > 0) {
        close(ends[1]);
        channel = ends[0];
        catch_signals();
        block_reserved_signals();
        guard();
    }
    default_signals();
    if (ends[1] != CHANNEL && (dup2(ends[1], CHANNEL) < 0 || close(ends[1]) != 0))
        _exit(HOOK_NO_STATUS);
    if (ends[0] != CHANNEL)
        close(ends[0]);
    end_with(parent);
    become(name, argv);
}

void guard_is_in_one_file(void) {
    in_one_file = true;
}

void guard_connect(void) {
    started_at = clock_elapsed();
    fcntl(channel, F_SETFD, FD_CLOEXEC);
}

static void tell(bool final, const struct hook_answer *answer, double deadline) {
    static struct message message; /* without padding that was never written */
    message.final = final;
    message.deadline = deadline;
    message.answer = *answer;
    if (!put_bytes(channel, &message, sizeof message))
        _exit(HOOK_NO_STATUS);
}

void guard_prepare(const struct hook_answer *no, double deadline) {
    tell(false, no, deadline);
}

int guard_answer(const struct hook_answer *answer) {
    tell(true, answer, 0);
    return 0;
}

double guard_elapsed(void) {
    return clock_elapsed() - started_at;
}
