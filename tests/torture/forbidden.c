/* Preloaded into a command (LD_PRELOAD), as if its code had been taken over: at its end, tries what
 * must be impossible, and prints for each try a line `refused NAME` or `done NAME` on stderr.
 *
 *     FORBIDDEN_FILE    a file that the command does not need: tries to read, write and change it
 *     FORBIDDEN_FOLDER  a folder that it does not need: tries to create a file there */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *file, *folder;
static char made[500];

/* The filter allowed the call, whether or not the kernel then did it. */
static int passed(long result) {
    return result >= 0 || (errno != ENOSYS && errno != EACCES);
}

static int opens(const char *path, int flags, mode_t mode) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int has_socket(int family, int type, int protocol) {
    int fd = socket(family, type, protocol);
    if (fd >= 0)
        close(fd);
    return passed(fd);
}

static int read_file(void) {
    return opens(file, O_RDONLY, 0);
}

static int write_file(void) {
    return opens(file, O_WRONLY, 0);
}

static int make_file(void) {
    return opens(made, O_WRONLY | O_CREAT, 0600);
}

static int remove_file(void) {
    return unlink(file) == 0 || rename(made, file) == 0 || truncate(file, 0) == 0;
}

/* Also in the command's own folder: a program, a set-user-ID program, a link, a device. */
static int make_program(void) {
    char name[600];
    snprintf(name, sizeof name, "%s/program", folder);
    return opens(name, O_WRONLY | O_CREAT, 04700) || opens(name, O_WRONLY | O_CREAT, 0700) ||
           opens(folder, O_WRONLY | O_TMPFILE, 0700) || symlink("/etc/passwd", name) == 0 ||
           mkfifo(name, 0600) == 0;
}

static int change_mode(void) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    return passed(chmod(folder, 0700)) || passed(fchmod(fd < 0 ? 2 : fd, 0700)) ||
           passed(fchmodat(AT_FDCWD, folder, 0700, 0)) ||
           passed(chown(folder, getuid(), getgid())) ||
           passed(setxattr(folder, "user.made", "", 0, 0)) || passed(removexattr(folder, "user.m"));
}

static int change_time(void) {
    const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    return passed(utimensat(AT_FDCWD, folder, now, 0)) ||
           passed(syscall(SYS_utimensat, AT_FDCWD, "", now, AT_EMPTY_PATH));
}

static int watch(void) {
    int fd = inotify_init1(IN_CLOEXEC);
    return passed(inotify_add_watch(fd, folder, IN_ALL_EVENTS)) ||
           passed(syscall(SYS_fanotify_init, FAN_CLASS_NOTIF, O_RDONLY));
}

static int send_signal(void) {
    return kill(getppid(), 0) == 0 || syscall(SYS_tgkill, getpid(), gettid(), 0) == 0 ||
           syscall(SYS_tkill, gettid(), 0) == 0 ||
           passed(syscall(SYS_rt_sigqueueinfo, getppid(), 0, NULL));
}

/* Signals that a descriptor can make the kernel send to a given process. */
static int send_signal_by_descriptor(void) {
    struct f_owner_ex owner = {F_OWNER_PID, getppid()};
    int ends[2], process = getppid(), yes = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 && pipe(ends) != 0)
        return 0;
    int flags = fcntl(ends[0], F_GETFL);
    return passed(fcntl(ends[0], F_SETOWN, process)) ||
           passed(fcntl(ends[0], F_SETOWN_EX, &owner)) || passed(fcntl(ends[0], F_SETSIG, SIGIO)) ||
           passed(fcntl(ends[0], F_SETFL, flags | O_ASYNC)) ||
           passed(fcntl(ends[0], F_SETLEASE, F_RDLCK)) ||
           passed(fcntl(ends[0], F_NOTIFY, DN_CREATE)) || passed(ioctl(ends[0], FIOASYNC, &yes)) ||
           passed(ioctl(ends[0], FIOSETOWN, &process)) ||
           passed(ioctl(ends[0], SIOCSPGRP, &process)) || passed(ioctl(0, TIOCSTI, ""));
}

/* A pointer whose lower half is 0 is not NULL. */
static int set_limit(void) {
    struct rlimit *limit = (struct rlimit *)-1;
#if UINTPTR_MAX > UINT32_MAX
    void *place = (void *)((uintptr_t)1 << 32);
    limit = mmap(place, 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (limit == place && getrlimit(RLIMIT_CORE, limit) == 0 &&
        syscall(SYS_prlimit64, 0, RLIMIT_CORE, limit, NULL) == 0)
        return 1;
#endif
    struct rlimit own;
    return syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, NULL, &own) == 0 ||
           (getrlimit(RLIMIT_CORE, &own) == 0 && passed(setrlimit(RLIMIT_CORE, &own)));
}

static int look_into_process(void) {
    char byte;
    struct iovec whole = {&byte, 1};
    return passed(process_vm_readv(getpid(), &whole, 1, &whole, 1, 0)) ||
           passed(syscall(SYS_ptrace, 0, 0, 0, 0)) || passed(syscall(SYS_kcmp, 1, 1, 0, 0, 0));
}

static int spoil_memory_of_all(void) {
    return passed(madvise(made - (uintptr_t)made % 4096, 0, 100 /* MADV_HWPOISON */));
}

static int execute_memory(void) {
    const int own = MAP_PRIVATE | MAP_ANONYMOUS;
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, own, -1, 0);
    return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ||
           mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0 ||
           passed(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1)) ||
           mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, own, -1, 0) != MAP_FAILED ||
           mmap(NULL, 4096, PROT_READ | PROT_EXEC, own, -1, 0) != MAP_FAILED;
}

static int raw_socket(void) {
    return has_socket(AF_PACKET, SOCK_RAW, 0) || has_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) ||
           has_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

/* Sockets through which others run programs, or the machine is administered. */
static int local_socket(void) {
    int ends[2];
    return has_socket(AF_UNIX, SOCK_STREAM, 0) || has_socket(AF_UNIX, SOCK_DGRAM, 0) ||
           has_socket(AF_NETLINK, SOCK_RAW, 0) || has_socket(AF_ALG, SOCK_SEQPACKET, 0) ||
           socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0;
}

static int listen_somewhere(void) {
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    return passed(listen(tcp, 1)) || passed(bind(tcp, (struct sockaddr *)&any, sizeof any)) ||
           passed(bind(udp, (struct sockaddr *)&any, sizeof any)) ||
           passed(accept(tcp, NULL, NULL));
}

/* The machine's interfaces and firewall (IPT_SO_SET_REPLACE, with nothing in it). */
static int administer(void) {
    int tcp = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    return passed(setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "", 0)) ||
           passed(setsockopt(tcp, SOL_SOCKET, SO_MARK, &yes, sizeof yes)) ||
           passed(setsockopt(tcp, IPPROTO_IP, 64, "", 0)) ||
           passed(setsockopt(tcp, IPPROTO_TCP, TCP_REPAIR, &yes, sizeof yes));
}

static int make_namespace(void) {
    int refused;
    return syscall(SYS_unshare, 0) == 0 || passed(syscall(SYS_setns, -1, 0)) ||
#ifndef __s390x__
           /* An invalid combination with CLONE_THREAD, so that no thread is created. */
           passed(syscall(SYS_clone, CLONE_THREAD | CLONE_NEWUTS | CLONE_NEWUSER, 0, 0, 0, 0)) ||
#endif
           passed(syscall(SYS_clone3, &refused, 0));
}

static int execute(void) {
    char *const arguments[] = {(char *)(size_t) "sh", (char *)(size_t) "-c",
                               (char *)(size_t) "echo done execute >&2", NULL};
    char *const nothing[] = {NULL};
    execve("/bin/sh", arguments, nothing);
    return 0;
}

static const struct {
    const char *name;
    int (*try)(void);
} all[] = {
    {"read-file", read_file},
    {"write-file", write_file},
    {"make-file", make_file},
    {"remove-file", remove_file},
    {"program", make_program},
    {"mode", change_mode},
    {"time", change_time},
    {"watch", watch},
    {"signal", send_signal},
    {"signal-by-descriptor", send_signal_by_descriptor},
    {"limit", set_limit},
    {"process-memory", look_into_process},
    {"memory-of-all", spoil_memory_of_all},
    {"executable-memory", execute_memory},
    {"raw-socket", raw_socket},
    {"local-socket", local_socket},
    {"listen", listen_somewhere},
    {"administer", administer},
    {"namespace", make_namespace},
    {"execute", execute},
};

__attribute__((destructor)) static void try_all(void) {
    file = getenv("FORBIDDEN_FILE");
    folder = getenv("FORBIDDEN_FOLDER");
    if (file == NULL || folder == NULL)
        return;
    snprintf(made, sizeof made, "%s/made", folder);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char line[100];
        int size =
            snprintf(line, sizeof line, "%s %s\n", all[i].try() ? "done" : "refused", all[i].name);
        if (write(2, line, (size_t)size) < 0)
            _exit(1);
    }
}
