#define _GNU_SOURCE /* the flags of clone(2) */
#include "system/seccomp.h"

#include "base/memory.h"
#include "system/confine_linux.h"
#include "system/stage_socket.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

/* The architecture that every system call must have, 0 if unknown. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__i386__)
#define ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__arm__)
#define ARCHITECTURE AUDIT_ARCH_ARM
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0
#endif

/* An argument is accepted if (argument & mask) == value. The kernel uses the lower half of an int
 * and both halves of a pointer; halves with a mask of 0 are not checked. */
struct comparison {
    uint32_t argument;
    uint64_t mask, value;
};

enum { COMPARISONS = 3 };

/* A system call, allowed if all of its comparisons hold; those without a mask always do. Rows for
 * the same call are alternatives. */
struct row {
    uint32_t call;
    struct comparison comparisons[COMPARISONS];
};

enum {
    SOCKET_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK,
    THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
             CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID
};

#define WHOLE UINT32_MAX
#define ALL_BUT(bits) (WHOLE & ~(uint32_t)(bits))
#define IS(argument, mask, value)                                                                  \
    { argument, (uint32_t)(mask), (uint32_t)(value) }
#define IS_NULL(argument)                                                                          \
    { argument, UINT64_MAX, 0 }
#define ANY(name)                                                                                  \
    {                                                                                              \
        (uint32_t) SYS_##name, {                                                                   \
            { 0 }                                                                                  \
        }                                                                                          \
    }
#define IF(name, ...)                                                                              \
    {                                                                                              \
        (uint32_t) SYS_##name, {                                                                   \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* clang-format off */

/* What every command needs: descriptors that are open, memory, time, its end. */
static const struct row always[] = {
    ANY(read), ANY(readv), ANY(pread64), ANY(write), ANY(writev), ANY(close), ANY(lseek),
    ANY(fstat), ANY(dup), ANY(dup3), ANY(pipe2), ANY(ppoll), ANY(pselect6),
    ANY(getcwd), ANY(fchdir), ANY(readlinkat), ANY(faccessat), ANY(faccessat2), ANY(statx), ANY(fstatfs),
    ANY(getdents64), ANY(brk), ANY(munmap), ANY(mremap), ANY(mlock), ANY(mlock2),
    ANY(munlock), ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(sigaltstack),
    ANY(restart_syscall), ANY(futex), ANY(set_robust_list), ANY(set_tid_address),
    ANY(sched_yield), ANY(sched_getaffinity), ANY(getpid), ANY(getppid), ANY(gettid),
    ANY(getuid), ANY(geteuid), ANY(getgid), ANY(getegid), ANY(getrandom), ANY(uname),
    ANY(sysinfo), ANY(clock_gettime), ANY(clock_getres), ANY(clock_nanosleep), ANY(nanosleep),
    ANY(gettimeofday), ANY(setitimer), ANY(exit), ANY(exit_group),
    IF(prlimit64, IS(0, WHOLE, 0), IS_NULL(2)), /* only its own, and only reading */
    IF(prctl, IS(0, WHOLE, PR_SET_NAME)),
    IF(ioctl, IS(1, WHOLE, TCGETS)),
    IF(ioctl, IS(1, WHOLE, TIOCGWINSZ)),
    IF(ioctl, IS(1, WHOLE, FIONREAD)),
    IF(ioctl, IS(1, WHOLE, FIONBIO)),
    /* No signals on events: no F_SETOWN, F_SETSIG, F_NOTIFY, F_SETLEASE. */
    IF(fcntl, IS(1, ALL_BUT(F_GETFD | F_SETFD | F_GETFL), F_DUPFD)),
    IF(fcntl, IS(1, WHOLE, F_SETFL), IS(2, O_ASYNC, 0)),
    IF(fcntl, IS(1, WHOLE, F_DUPFD_CLOEXEC)),
    IF(openat, IS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
    IF(madvise, IS(2, ALL_BUT(31), 0)), /* not MADV_HWPOISON, which affects all processes */
    /* No executable memory: all code is loaded (linux_load_code). */
    IF(mprotect, IS(2, PROT_EXEC, 0)),
#if defined(SYS_mmap2)
    IF(mmap2, IS(2, PROT_EXEC, 0)),
#elif defined(__s390x__)
    ANY(mmap), /* its arguments are in memory */
#else
    IF(mmap, IS(2, PROT_EXEC, 0)),
#endif
#ifdef SYS_rseq
    ANY(rseq),
#endif
#ifdef SYS_newfstatat
    ANY(newfstatat),
#endif
#ifdef SYS_open /* newer architectures lack it */
    IF(open, IS(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
    ANY(stat), ANY(lstat), ANY(access), ANY(readlink), ANY(poll), ANY(dup2), ANY(pipe),
#endif
#ifdef SYS_select
    ANY(select),
#endif
#ifdef SYS_time
    ANY(time),
#endif
#ifdef SYS_alarm
    ANY(alarm),
#endif
#ifdef SYS_mmap2 /* 32 bits */
    IF(fcntl64, IS(1, ALL_BUT(F_GETFD | F_SETFD | F_GETFL), F_DUPFD)),
    IF(fcntl64, IS(1, WHOLE, F_SETFL), IS(2, O_ASYNC, 0)),
    IF(fcntl64, IS(1, WHOLE, F_DUPFD_CLOEXEC)),
    ANY(_llseek), ANY(_newselect), ANY(fstat64), ANY(stat64), ANY(lstat64),
    ANY(fstatat64), ANY(fstatfs64), ANY(getuid32), ANY(geteuid32), ANY(getgid32),
    ANY(getegid32), ANY(sigreturn), ANY(ugetrlimit), ANY(clock_gettime64),
    ANY(clock_getres_time64), ANY(clock_nanosleep_time64), ANY(ppoll_time64),
    ANY(pselect6_time64), ANY(futex_time64),
#endif
};

/* For writing files; created files belong to their owner alone and are not executable. */
static const struct row writing[] = {
    IF(openat, IS(3, 07177, 0)), IF(mkdirat, IS(2, 07077, 0)), ANY(fsync), ANY(syncfs),
    ANY(ftruncate), ANY(fallocate), ANY(flock), ANY(renameat), ANY(renameat2),
    ANY(unlinkat),
#ifdef SYS_open
    IF(open, IS(2, 07177, 0)), IF(mkdir, IS(1, 07077, 0)), ANY(rename), ANY(unlink),
#endif
#ifdef SYS_mmap2
    ANY(ftruncate64),
#endif
};

/* For setting the time of a file that is open. */
static const struct row times[] = {
    IF(utimensat, IS_NULL(1)),
#ifdef SYS_mmap2
    IF(utimensat_time64, IS_NULL(1)),
#endif
};

/* For the modes of a terminal. */
static const struct row terminal[] = {
    IF(ioctl, IS(1, WHOLE, TCSETS)),
};

/* For connecting to servers, including the thread that looks up names. */
static const struct row network[] = {
    /* AF_INET and AF_INET6 differ in one bit; TCP and UDP. No unix(7) sockets except connected
     * pairs, and no netlink(7): the C library works without. */
    IF(socket, IS(0, ALL_BUT(AF_INET ^ AF_INET6), AF_INET & AF_INET6),
       IS(1, ALL_BUT(SOCKET_FLAGS), SOCK_STREAM), IS(2, ALL_BUT(IPPROTO_TCP), 0)),
    IF(socket, IS(0, ALL_BUT(AF_INET ^ AF_INET6), AF_INET & AF_INET6),
       IS(1, ALL_BUT(SOCKET_FLAGS), SOCK_DGRAM), IS(2, WHOLE, 0)),
    IF(socket, IS(0, ALL_BUT(AF_INET ^ AF_INET6), AF_INET & AF_INET6),
       IS(1, ALL_BUT(SOCKET_FLAGS), SOCK_DGRAM), IS(2, WHOLE, IPPROTO_UDP)),
    IF(socketpair, IS(0, WHOLE, AF_UNIX), IS(1, ALL_BUT(SOCKET_FLAGS), SOCK_STREAM)),
    /* Other options administer the machine's firewall and interfaces. */
    IF(setsockopt, IS(1, WHOLE, SOL_SOCKET), IS(2, WHOLE, SO_KEEPALIVE)),
    IF(setsockopt, IS(1, WHOLE, IPPROTO_TCP), IS(2, ALL_BUT(7), 0)), /* to TCP_KEEPCNT and _SYNCNT */
    IF(setsockopt, IS(1, WHOLE, IPPROTO_TCP), IS(2, WHOLE, TCP_USER_TIMEOUT)),
    IF(setsockopt, IS(1, WHOLE, IPPROTO_IP), IS(2, WHOLE, IP_RECVERR)),
    IF(setsockopt, IS(1, WHOLE, IPPROTO_IPV6), IS(2, WHOLE, IPV6_RECVERR)),
    IF(setsockopt, IS(1, WHOLE, IPPROTO_IPV6), IS(2, WHOLE, IPV6_V6ONLY)),
    IF(ioctl, IS(1, WHOLE, SIOCGIFINDEX)), /* for the name server fe80::1%eth0 */
    ANY(connect), ANY(getsockname), ANY(getpeername), ANY(getsockopt), ANY(sendto),
    ANY(recvfrom), ANY(sendmsg), ANY(recvmsg), ANY(sendmmsg), ANY(recvmmsg), ANY(shutdown),
    ANY(epoll_create1), ANY(epoll_ctl), ANY(epoll_pwait), ANY(eventfd2),
#ifndef __GLIBC__
    ANY(bind), /* musl's name look-ups */
#endif
#ifdef __s390x__
    IF(clone, IS(1, ALL_BUT(CLONE_DETACHED), THREAD)),
#else
    IF(clone, IS(0, ALL_BUT(CLONE_DETACHED), THREAD)),
#endif
#ifdef SYS_epoll_wait
    ANY(epoll_wait),
#endif
#ifdef SYS_send
    ANY(send), ANY(recv),
#endif
#ifdef SYS_socketcall /* without bind, listen and accept; its other arguments are in memory */
    IF(socketcall, IS(0, ALL_BUT(2), 1)), IF(socketcall, IS(0, ALL_BUT(1), 6)),
    IF(socketcall, IS(0, ALL_BUT(7), 8)), IF(socketcall, IS(0, ALL_BUT(1), 16)),
    IF(socketcall, IS(0, WHOLE, 19)), IF(socketcall, IS(0, WHOLE, 20)),
#endif
};

/* For connecting to unix(7) sockets. */
static const struct row sockets[] = {
    IF(socket, IS(0, WHOLE, AF_UNIX), IS(1, ALL_BUT(SOCKET_FLAGS), SOCK_STREAM), IS(2, WHOLE, 0)),
};

/* For forking copies of this process and waiting for them. */
static const struct row jobs[] = {
    ANY(wait4), ANY(waitid),
#ifdef __s390x__
    IF(clone, IS(1, ALL_BUT(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID), SIGCHLD)),
#else
    IF(clone, IS(0, ALL_BUT(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID), SIGCHLD)),
#endif
#ifdef SYS_fork
    ANY(fork),
#endif
#ifdef SYS_waitpid
    ANY(waitpid),
#endif
};

/* For speaking on a socket that is open, or on an end of a new pair, and for passing an end: with the helper and what it
 * runs, and as a stage with agent-spool. */
static const struct row paired[] = {
    IF(socketpair, IS(0, WHOLE, AF_UNIX), IS(1, ALL_BUT(SOCKET_FLAGS), SOCK_STREAM)),
    ANY(sendmsg), ANY(recvmsg), IF(sendto, IS_NULL(4)),
#ifdef SYS_send
    ANY(send),
#endif
#ifdef SYS_socketcall
    IF(socketcall, IS(0, WHOLE, 8)), IF(socketcall, IS(0, WHOLE, 9)),
    IF(socketcall, IS(0, WHOLE, 11)), IF(socketcall, IS(0, ALL_BUT(1), 16)),
#endif
};
/* clang-format on */

struct program {
    struct sock_filter *code;
    size_t size;
};

/* A comparison takes 3 instructions for each half. */
enum { INSTRUCTIONS_A_ROW = 3 + 6 * COMPARISONS, INSTRUCTIONS_AROUND = 5, ROWS_A_BLOCK = 8 };

static void put(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value) {
    program->code[program->size++] = (struct sock_filter){code, yes, no, value};
}

static void load(struct program *program, size_t offset) {
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static size_t offset_of_half(uint32_t argument, bool upper) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    upper = !upper;
#endif
    return offsetof(struct seccomp_data, args) + (2 * argument + upper) * sizeof(uint32_t);
}

/* put_row fills in the jump for a failed comparison. */
static void put_comparison(struct program *program, const struct comparison *one) {
    for (int upper = 0; upper <= 1; upper++) {
        uint32_t mask = (uint32_t)(one->mask >> 32 * upper);
        if (mask == 0)
            continue;
        load(program, offset_of_half(one->argument, upper));
        if (mask != WHOLE)
            put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)(one->value >> 32 * upper));
    }
}

static void put_row(struct program *program, const struct row *row) {
    size_t start = program->size;
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, row->call);
    for (size_t i = 0; i < COMPARISONS; i++)
        put_comparison(program, &row->comparisons[i]);
    bool compares = program->size > start + 1;
    put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    size_t end = program->size;
    if (compares)
        load(program, offsetof(struct seccomp_data, nr));
    program->code[start].jf = (uint8_t)(program->size - start - 1);
    for (size_t i = start + 1; i < end; i++)
        if (BPF_CLASS(program->code[i].code) == BPF_JMP)
            program->code[i].jf = (uint8_t)(end - i - 1);
}

/* The call's number is loaded before each row and after it. Numbers above a block's range skip the
 * block: the kernel evaluates the filter for every possible call when it is installed, and for some
 * calls each time. */
static void put_rows(struct program *program, const struct row *rows, size_t count) {
    for (size_t from = 0; from < count; from += ROWS_A_BLOCK) {
        size_t to = from + ROWS_A_BLOCK < count ? from + ROWS_A_BLOCK : count;
        struct sock_filter *skip = &program->code[program->size];
        put(program, BPF_JMP | BPF_JGT | BPF_K, 0, 0, rows[to - 1].call);
        size_t start = program->size;
        for (size_t i = from; i < to; i++)
            put_row(program, &rows[i]);
        skip->jt = (uint8_t)(program->size - start);
    }
}

static int compare_rows(const void *one, const void *other) {
    uint32_t a = ((const struct row *)one)->call, b = ((const struct row *)other)->call;
    return (a > b) - (a < b);
}

/* A call with another architecture's numbers kills the process. */
static void put_check_of_architecture(struct program *program) {
    load(program, offsetof(struct seccomp_data, arch));
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    load(program, offsetof(struct seccomp_data, nr));
}

#define ADD_ROWS(to, count, from)                                                                  \
    do {                                                                                           \
        memcpy((to) + (count), from, sizeof(from));                                                \
        (count) += sizeof(from) / sizeof *(from);                                                  \
    } while (0)

bool linux_seccomp(const struct confinement *needs, bool *had) {
    *had = ARCHITECTURE != 0;
    if (!*had)
        return true;
    struct row *rows = must_alloc(sizeof always + sizeof writing + sizeof times + sizeof terminal +
                                  sizeof network + sizeof sockets + sizeof jobs + sizeof paired);
    size_t count = 0;
    ADD_ROWS(rows, count, always);
    if (needs->writes[0] != NULL)
        ADD_ROWS(rows, count, writing);
    if (needs->times)
        ADD_ROWS(rows, count, times);
    if (needs->terminal)
        ADD_ROWS(rows, count, terminal);
    if (needs->network)
        ADD_ROWS(rows, count, network);
    if (needs->sockets != NULL)
        ADD_ROWS(rows, count, sockets);
    if (needs->jobs)
        ADD_ROWS(rows, count, jobs);
    if (needs->helper || stage_role() != STAGE_ABSENT)
        ADD_ROWS(rows, count, paired);
    qsort(rows, count, sizeof *rows, compare_rows);
    struct program program = {
        .code = must_alloc(((INSTRUCTIONS_A_ROW + 1) * count + ROWS_A_BLOCK + INSTRUCTIONS_AROUND) *
                           sizeof *program.code)};
    put_check_of_architecture(&program);
    put_rows(&program, rows, count);
    put(&program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
    struct sock_fprog filter = {(unsigned short)program.size, program.code};
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    if (result > 0)
        errno = EBUSY; /* a library's thread has a filter of its own */
    *had = result == 0;
    bool good = *had || (result < 0 && linux_is_absent(errno));
    free(program.code);
    free(rows);
    return good;
}

#endif
