/* Preloaded into the commands of a trial (LD_PRELOAD): counts the calls that write, rename, sync,
 * send, receive or create a file, over all processes of the trial, and causes a fault at one of
 * them.
 *
 *     FAULT_COUNTER  a file of 16 bytes, shared by the trial's processes
 *     FAULT_AT       the number of the call, from 1
 *     FAULT_POLL     if set, calls that wait for others (poll) are counted, too
 *     FAULT_ONLY     if set, for example "tool-run flock", only these calls are counted
 *     FAULT_KIND     kill     this process is killed
 *                    killall  and each other one at its next call: as if the machine had lost
 *                             power
 *                    hold     the call waits until byte 8 of the file is not 0; others continue
 *                    enospc, eio, eintr   the call fails in that way (once; enospc: from then on in
 *                             this process; eio: with the connection, if it is about one)
 *                    broken   from then on nothing on the disk can be changed by this process
 *                    short    a write or send does only half
 *                    cut      a connection is lost: half is sent, or what has come is lost
 *     FAULT_LOG      a file to which process and call are appended
 *     FAULT_ORDER    a file for reports of data that leaves the process, or a file that is
 *                    closed, before what was written, created or renamed was synced */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static uint64_t *counter;
static uint64_t *signalled; /* after it: not 0 once all are dead, or the held call may continue */
static uint64_t fault_at;
static const char *kind, *only;
static bool polls_count;
static int disk_is_full, disk_is_broken;
static int log_fd = -1, order_fd = -1;

/* For appending; opened at the start, because a command gives up the right to. */
static int open_named(const char *variable) {
    const char *path = getenv(variable);
    return path == NULL ? -1
                        : (int)syscall(SYS_openat, AT_FDCWD, path,
                                       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void set_up(void) {
    log_fd = open_named("FAULT_LOG");
    order_fd = open_named("FAULT_ORDER");
    const char *path = getenv("FAULT_COUNTER"), *at = getenv("FAULT_AT");
    kind = getenv("FAULT_KIND");
    only = getenv("FAULT_ONLY");
    polls_count = getenv("FAULT_POLL") != NULL;
    if (path == NULL || at == NULL || kind == NULL)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    fault_at = strtoull(at, NULL, 10);
    void *shared = mmap(NULL, 2 * sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0 && shared != MAP_FAILED) {
        counter = shared;
        signalled = counter + 1;
    }
    if (fd >= 0)
        syscall(SYS_close, fd);
}

static void append_line(int fd, const char *what) {
    char line[200];
    int size = snprintf(line, sizeof line, "%s %s\n", program_invocation_short_name, what);
    if (fd >= 0)
        syscall(SYS_write, fd, line, (size_t)size);
}

static void log_call(const char *call) {
    char line[100];
    snprintf(line, sizeof line, "%d %s", (int)getpid(), call);
    append_line(log_fd, line);
}

enum { DESCRIPTORS = 1024 };

static char unsynced[DESCRIPTORS]; /* files that have been written */
static int folder_unsynced;        /* a file has been created or renamed */

static void out_of_order(const char *what) {
    append_line(order_fd, what);
}

static void leaves(const char *what) {
    if (folder_unsynced)
        out_of_order(what);
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (unsynced[fd])
            out_of_order(what);
}

/* A command that has given up its rights may not send signals, not even to itself. */
_Noreturn static void die(void) {
    kill(getpid(), SIGKILL);
    __builtin_trap();
}

static void wait_for_signal(void) {
    while (__atomic_load_n(signalled, __ATOMIC_SEQ_CST) == 0)
        nanosleep(&(struct timespec){0, 5000000}, NULL);
}

static bool counts(const char *call) {
    const char *name = program_invocation_short_name;
    size_t size = strlen(name);
    return only == NULL || (strncmp(only, name, size) == 0 && only[size] == ' ' &&
                            strcmp(only + size + 1, call) == 0);
}

enum what {
    MAKES_FILE = 1,
    CAN_BE_SHORT = 2,
    CAN_BE_INTERRUPTED = 4,
    FREES_ROOM = 8,
    CAN_BE_CUT = 16
};

/* Values of *is_short. */
enum { SHORT = 1, CUT };

/* Whether the call fails, with errno set; *is_short if it does half, and CUT if the connection is
 * lost then. */
static int fails(const char *call, int what, int *is_short) {
    if (counter == NULL)
        return 0;
    if (disk_is_full && (what & MAKES_FILE)) {
        errno = ENOSPC;
        return 1;
    }
    if (disk_is_broken && (what & (MAKES_FILE | FREES_ROOM))) {
        errno = EIO;
        return 1;
    }
    bool all = strcmp(kind, "killall") == 0;
    if (all && __atomic_load_n(signalled, __ATOMIC_SEQ_CST) != 0)
        die();
    if (!counts(call) || __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST) != fault_at)
        return 0;
    log_call(call);
    if (all)
        __atomic_store_n(signalled, 1, __ATOMIC_SEQ_CST);
    if (all || strcmp(kind, "kill") == 0)
        die();
    if (strcmp(kind, "hold") == 0)
        wait_for_signal();
    else if (strcmp(kind, "short") == 0 && (what & CAN_BE_SHORT))
        *is_short = SHORT;
    else if (strcmp(kind, "cut") == 0 && (what & CAN_BE_CUT))
        *is_short = CUT;
    else if (strcmp(kind, "enospc") == 0 && (what & MAKES_FILE)) {
        disk_is_full = 1;
        errno = ENOSPC;
        return 1;
    } else if (strcmp(kind, "broken") == 0 && (what & (MAKES_FILE | FREES_ROOM))) {
        disk_is_broken = 1;
        errno = EIO;
        return 1;
    } else if (strcmp(kind, "eio") == 0) {
        errno = EIO;
        return 1;
    } else if (strcmp(kind, "eintr") == 0 && (what & CAN_BE_INTERRUPTED)) {
        errno = EINTR;
        return 1;
    }
    return 0;
}

/* The library's own function of that name. */
#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

static int is_file(int fd) {
    struct stat facts;
    return fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) ? MAKES_FILE : 0;
}

/* Whether the file is in a folder of that name, which is not in the root. */
static bool is_in(int fd, const char *folder) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (size <= 0)
        return false;
    path[size] = '\0';
    char *name = strrchr(path, '/');
    if (name == NULL || name == path)
        return false;
    *name = '\0';
    char *parent = strrchr(path, '/');
    return parent != NULL && parent > path && strcmp(parent + 1, folder) == 0;
}

/* What a spool has in its log is synced there, and later in the documents' files (tmp, before they
 * are renamed; queue, before one that is finished moves to done). A document's lock need not be on
 * the disk: it is for processes, and none survives a crash of the machine. */
static int must_be_synced(int fd, const void *bytes, size_t size) {
    static const char executed[] = "{\"format\":1,\"step\":\"executed\"";
    if (!is_file(fd) || fd <= STDERR_FILENO || fd >= DESCRIPTORS)
        return 0;
    if (size >= sizeof executed && memcmp(bytes, executed, sizeof executed - 1) == 0 &&
        is_in(fd, "spent"))
        return 0;
    return order_fd < 0 || (!is_in(fd, "tmp") && !is_in(fd, "queue") && !is_in(fd, "lock"));
}

ssize_t write(int fd, const void *bytes, size_t size) {
    int half = 0;
    if (fails("write", is_file(fd) | CAN_BE_SHORT | CAN_BE_INTERRUPTED, &half))
        return -1;
    if (must_be_synced(fd, bytes, size))
        unsynced[fd] = 1;
    else if (!is_file(fd) && fd != STDERR_FILENO)
        leaves("writes to a pipe or socket before a sync");
    return REAL(write)(fd, bytes, half && size > 1 ? size / 2 : size);
}

ssize_t read(int fd, void *bytes, size_t size) {
    int half = 0;
    if (fails("read", CAN_BE_SHORT | CAN_BE_INTERRUPTED, &half))
        return -1;
    return REAL(read)(fd, bytes, half && size > 1 ? size / 2 : size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset) {
    int half = 0;
    if (fails("pread", CAN_BE_INTERRUPTED, &half))
        return -1;
    return REAL(pread)(fd, bytes, size, offset);
}

/* Nothing comes or goes any more, as after each error of a connection. */
static int fail_and_cut(int fd, int how) {
    int code = how == CUT ? ECONNRESET : errno;
    if (how == CUT || code == EIO)
        shutdown(fd, SHUT_RDWR);
    errno = code;
    return -1;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    int half = 0;
    if (fails("send", CAN_BE_SHORT | CAN_BE_INTERRUPTED | CAN_BE_CUT, &half))
        return fail_and_cut(fd, half);
    leaves("sends before a sync");
    ssize_t sent = REAL(send)(fd, bytes, half && size > 1 ? size / 2 : size, flags);
    if (half == CUT)
        fail_and_cut(fd, half);
    return sent;
}

ssize_t recv(int fd, void *bytes, size_t size, int flags) {
    int half = 0;
    if (fails("recv", CAN_BE_SHORT | CAN_BE_INTERRUPTED | CAN_BE_CUT, &half) || half == CUT)
        return fail_and_cut(fd, half);
    return REAL(recv)(fd, bytes, half && size > 1 ? size / 2 : size, flags);
}

int poll(struct pollfd *watched, nfds_t count, int milliseconds) {
    int half = 0;
    if (polls_count && fails("poll", CAN_BE_INTERRUPTED, &half) && errno == EINTR)
        return -1;
    return REAL(poll)(watched, count, milliseconds);
}

/* Messages are for processes of this machine: they have no input or output errors. Half of one is
 * half of its first part. */
static struct msghdr half_of(const struct msghdr *message, struct iovec *part) {
    struct msghdr half = *message;
    *part = message->msg_iov[0];
    part->iov_len = part->iov_len > 1 ? part->iov_len / 2 : part->iov_len;
    half.msg_iov = part;
    half.msg_iovlen = 1;
    return half;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    int half = 0;
    struct iovec part;
    if (fails("sendmsg", CAN_BE_SHORT | CAN_BE_INTERRUPTED, &half) && errno != EIO)
        return -1;
    leaves("sends a message before a sync");
    if (!half || message->msg_iovlen == 0)
        return REAL(sendmsg)(fd, message, flags);
    struct msghdr less = half_of(message, &part);
    return REAL(sendmsg)(fd, &less, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    int half = 0;
    struct iovec part;
    if (fails("recvmsg", CAN_BE_SHORT, &half) && errno != EIO)
        return -1;
    if (!half || message->msg_iovlen == 0)
        return REAL(recvmsg)(fd, message, flags);
    struct msghdr less = half_of(message, &part);
    ssize_t got = REAL(recvmsg)(fd, &less, flags);
    message->msg_controllen = less.msg_controllen;
    message->msg_flags = less.msg_flags;
    return got;
}

int connect(int fd, const struct sockaddr *address, socklen_t size) {
    int half = 0;
    return fails("connect", 0, &half) ? -1 : REAL(connect)(fd, address, size);
}

/* Counted only if it is named. */
pid_t fork(void) {
    int half = 0;
    return only != NULL && fails("fork", 0, &half) ? -1 : REAL(fork)();
}

int rename(const char *from, const char *to) {
    int half = 0;
    if (fails("rename", MAKES_FILE, &half))
        return -1;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (unsynced[fd])
            out_of_order("renames before a sync");
    bool finishes = strncmp(from, "queue/", 6) == 0 && strncmp(to, "done/", 5) == 0;
    if (strncmp(from, "tmp/", 4) != 0 && !finishes) /* a spool's */
        folder_unsynced = 1;
    return REAL(rename)(from, to);
}

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS && unsynced[fd]) {
        unsynced[fd] = 0;
        out_of_order("closes a file before a sync");
    }
    return REAL(close)(fd);
}

int unlink(const char *path) {
    int half = 0;
    return fails("unlink", FREES_ROOM, &half) ? -1 : REAL(unlink)(path);
}

int fsync(int fd) {
    int half = 0;
    if (fails("fsync", MAKES_FILE | CAN_BE_INTERRUPTED, &half))
        return -1;
    if (fd >= 0 && fd < DESCRIPTORS)
        unsynced[fd] = 0;
    if (!is_file(fd))
        folder_unsynced = 0;
    return REAL(fsync)(fd);
}

int ftruncate(int fd, off_t size) {
    int half = 0;
    return fails("ftruncate", FREES_ROOM, &half) ? -1 : REAL(ftruncate)(fd, size);
}

int mkdir(const char *path, mode_t mode) {
    int half = 0;
    return fails("mkdir", MAKES_FILE, &half) ? -1 : REAL(mkdir)(path, mode);
}

int futimens(int fd, const struct timespec times[2]) {
    int half = 0;
    return fails("futimens", 0, &half) ? -1 : REAL(futimens)(fd, times);
}

int flock(int fd, int how) {
    int half = 0;
    return fails("flock", CAN_BE_INTERRUPTED, &half) ? -1 : REAL(flock)(fd, how);
}

int open(const char *path, int flags, ...) {
    int half = 0;
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list list;
        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
        if (fails("open", MAKES_FILE, &half))
            return -1;
    }
    return REAL(open)(path, flags, mode);
}

/* Names of some of them in a hardened build. */
ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);
ssize_t __pread_chk(int fd, void *bytes, size_t size, off_t offset, size_t room);
int __poll_chk(struct pollfd *watched, nfds_t count, int milliseconds, size_t room);

ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room) {
    (void)room;
    return read(fd, bytes, size);
}

ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags) {
    (void)room;
    return recv(fd, bytes, size, flags);
}

ssize_t __pread_chk(int fd, void *bytes, size_t size, off_t offset, size_t room) {
    (void)room;
    return pread(fd, bytes, size, offset);
}

int __poll_chk(struct pollfd *watched, nfds_t count, int milliseconds, size_t room) {
    (void)room;
    return poll(watched, count, milliseconds);
}
