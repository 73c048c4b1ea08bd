#define _GNU_SOURCE /* O_PATH */
#include "confine_linux.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

bool linux_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 || errno == EINVAL;
}

/* A feature that the kernel lacks, or that is switched off in it. */
static bool is_absent(int problem) {
    return problem == ENOSYS || problem == EOPNOTSUPP || problem == EINVAL;
}

enum {
    LEAST_ABI = 2,               /* before it, no file could be renamed into another folder */
    TRUNCATE = 1 << 14,          /* from ABI 3 on */
    EVERY_RIGHT = (1 << 14) - 1, /* of ABI 2 */
    READS = LANDLOCK_ACCESS_FS_READ_FILE /* of a file */
};

static const uint64_t reads_folder = READS | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writes_folder =
    READS | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_REFER | TRUNCATE;

/* What is not there needs no rule. */
static bool allow(int ruleset, const char *path, uint64_t rights) {
    struct stat facts;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return true;
    bool is_folder = fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode);
    struct landlock_path_beneath_attr rule = {.allowed_access = is_folder ? rights : READS,
                                              .parent_fd = fd};
    bool good = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return good;
}

/* A folder itself; of a file, or of what is still to be made, the folder that it is in. */
static bool allow_writing(int ruleset, const char *path, uint64_t rights) {
    struct stat facts;
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return allow(ruleset, path, rights);
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? must_copy(".") : must_copy(path);
    if (slash != NULL)
        folder[slash == path ? 1 : slash - path] = '\0';
    bool good = allow(ruleset, folder, rights);
    free(folder);
    return good;
}

/* Where names, certificates and libraries are found. Folders, since what is in them is replaced
 * while a command waits for hours. */
static const char *const system_folders[] = {"/etc",
                                             "/usr",
                                             "/lib",
                                             "/lib32",
                                             "/lib64",
                                             "/nix/store",
                                             "/gnu/store",
                                             "/run/systemd/resolve",
                                             "/run/resolvconf",
                                             "/run/NetworkManager",
                                             "/run/connman",
                                             "/run/nscd",
                                             "/dev/null",
                                             "/dev/urandom",
                                             "/dev/random",
                                             NULL};

bool linux_landlock(const struct confinement *needs) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < LEAST_ABI)
        return abi >= 0 || is_absent(errno);
    uint64_t every = EVERY_RIGHT | (abi >= 3 ? TRUNCATE : 0);
    struct landlock_ruleset_attr handled = {.handled_access_fs = every};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    bool good = ruleset >= 0;
    for (const char *const *path = system_folders; good && needs->network && *path != NULL; path++)
        good = allow(ruleset, *path, reads_folder);
    for (const char *const *path = needs->reads; good && *path != NULL; path++)
        good = allow(ruleset, *path, reads_folder);
    for (const char *const *path = needs->writes; good && *path != NULL; path++)
        good = allow_writing(ruleset, *path, writes_folder & every);
    good = good && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (ruleset >= 0)
        close(ruleset);
    return good;
}

/* The architecture that the kernel must find a system call to be of, 0 if it is not known here. */
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

/* A system call, allowed where (argument & mask) == value, of the argument's lower half. Rows of
 * the same call are alternatives. */
struct row {
    uint32_t call, argument, mask, value;
};

enum { WHOLE = ~0 };
#define ANY(name)                                                                                  \
    { (uint32_t) SYS_##name, 0, 0, 0 }
#define IF(name, argument, mask, value)                                                            \
    { (uint32_t) SYS_##name, argument, (uint32_t)(mask), (uint32_t)(value) }

/* clang-format off */

/* What every command needs: descriptors that are open, memory, time, its end. */
static const struct row always[] = {
    ANY(read), ANY(readv), ANY(pread64), ANY(write), ANY(writev), ANY(close), ANY(lseek),
    ANY(fstat), ANY(fcntl), ANY(dup), ANY(dup3), ANY(pipe2), ANY(ppoll), ANY(pselect6),
    ANY(getcwd), ANY(readlinkat), ANY(faccessat), ANY(faccessat2), ANY(statx), ANY(fstatfs),
    ANY(getdents64), ANY(brk), ANY(munmap), ANY(mremap), ANY(madvise), ANY(mlock), ANY(mlock2),
    ANY(munlock), ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(sigaltstack),
    ANY(restart_syscall), ANY(futex), ANY(set_robust_list), ANY(set_tid_address),
    ANY(sched_yield), ANY(sched_getaffinity), ANY(getpid), ANY(getppid), ANY(gettid),
    ANY(getuid), ANY(geteuid), ANY(getgid), ANY(getegid), ANY(getrandom), ANY(uname),
    ANY(sysinfo), ANY(clock_gettime), ANY(clock_getres), ANY(clock_nanosleep), ANY(nanosleep),
    ANY(gettimeofday), ANY(setitimer), ANY(exit), ANY(exit_group),
    IF(prlimit64, 2, WHOLE, 0), /* to be told, not to set */
    IF(prctl, 0, WHOLE, PR_SET_NAME),
    IF(ioctl, 1, WHOLE, TCGETS),
    IF(ioctl, 1, WHOLE, TIOCGWINSZ),
    IF(ioctl, 1, WHOLE, FIONREAD),
    IF(ioctl, 1, WHOLE, FIONBIO),
    IF(openat, 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY),
    /* No memory is both written and executed; libraries of the C library's are still loaded. */
    IF(mprotect, 2, PROT_EXEC, 0),
    IF(mprotect, 2, PROT_WRITE, 0),
#ifdef __s390x__
    ANY(mmap), /* its arguments are in memory */
#elif defined(SYS_mmap)
    IF(mmap, 2, PROT_EXEC, 0),
    IF(mmap, 2, PROT_WRITE, 0),
#endif
#ifdef SYS_rseq
    ANY(rseq),
#endif
#ifdef SYS_newfstatat
    ANY(newfstatat),
#endif
#ifdef SYS_open /* not where Linux came late */
    IF(open, 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY),
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
#ifdef SYS_arch_prctl
    ANY(arch_prctl),
#endif
#ifdef SYS_mmap2 /* 32 bits */
    IF(mmap2, 2, PROT_EXEC, 0),
    IF(mmap2, 2, PROT_WRITE, 0),
    ANY(_llseek), ANY(_newselect), ANY(fcntl64), ANY(fstat64), ANY(stat64), ANY(lstat64),
    ANY(fstatat64), ANY(fstatfs64), ANY(getuid32), ANY(geteuid32), ANY(getgid32),
    ANY(getegid32), ANY(sigreturn), ANY(ugetrlimit), ANY(clock_gettime64),
    ANY(clock_getres_time64), ANY(clock_nanosleep_time64), ANY(ppoll_time64),
    ANY(pselect6_time64), ANY(futex_time64),
#endif
};

/* For files that are written. */
static const struct row writing[] = {
    ANY(openat), ANY(fsync), ANY(ftruncate), ANY(flock), ANY(renameat), ANY(renameat2),
    ANY(unlinkat), ANY(mkdirat), ANY(utimensat), ANY(inotify_init1), ANY(inotify_add_watch),
#ifdef SYS_open
    ANY(open), ANY(rename), ANY(unlink), ANY(mkdir),
#endif
#ifdef SYS_mmap2
    ANY(ftruncate64), ANY(utimensat_time64),
#endif
};

/* For being a client of servers, with the thread in which a name is looked up. */
static const struct row network[] = {
    IF(socket, 0, WHOLE, AF_INET),
    IF(socket, 0, WHOLE, AF_INET6),
    IF(socket, 0, WHOLE, AF_UNIX),
    IF(socket, 0, WHOLE, AF_NETLINK),
    IF(socketpair, 0, WHOLE, AF_UNIX),
    ANY(connect), ANY(bind), ANY(getsockname), ANY(getpeername), ANY(setsockopt),
    ANY(getsockopt), ANY(sendto), ANY(recvfrom), ANY(sendmsg), ANY(recvmsg), ANY(sendmmsg),
    ANY(recvmmsg), ANY(shutdown), ANY(epoll_create1), ANY(epoll_ctl), ANY(epoll_pwait),
    ANY(eventfd2),
#ifdef __s390x__
    IF(clone, 1, CLONE_THREAD, CLONE_THREAD),
#else
    IF(clone, 0, CLONE_THREAD, CLONE_THREAD),
#endif
#ifdef SYS_epoll_wait
    ANY(epoll_wait),
#endif
#ifdef SYS_send
    ANY(send), ANY(recv),
#endif
#ifdef SYS_socketcall
    ANY(socketcall), /* its arguments are in memory */
#endif
};

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                 CLONE_NEWPID | CLONE_NEWNET
};

/* For copies of this process, which are waited for. */
static const struct row jobs[] = {
    ANY(wait4), ANY(waitid),
#ifdef __s390x__
    IF(clone, 1, NAMESPACES, 0),
#else
    IF(clone, 0, NAMESPACES, 0),
#endif
#ifdef SYS_fork
    ANY(fork),
#endif
#ifdef SYS_waitpid
    ANY(waitpid),
#endif
};

/* For handing an end of a socket pair to the helper. */
static const struct row helper[] = {
    IF(socketpair, 0, WHOLE, AF_UNIX),
    ANY(sendmsg),
#ifdef SYS_socketcall
    ANY(socketcall),
#endif
};
/* clang-format on */

struct program {
    struct sock_filter *code;
    size_t size;
};

enum { INSTRUCTIONS_A_ROW = 6, INSTRUCTIONS_AROUND = 5, ROWS_A_BLOCK = 8 };

static void put(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value) {
    program->code[program->size++] = (struct sock_filter){code, yes, no, value};
}

static void load(struct program *program, size_t offset) {
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static size_t offset_of_argument(uint32_t argument) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    argument = 2 * argument + 1;
#else
    argument = 2 * argument;
#endif
    return offsetof(struct seccomp_data, args) + argument * sizeof(uint32_t);
}

static void put_row(struct program *program, const struct row *row) {
    if (row->mask == 0) {
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, row->call);
    } else {
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, row->call);
        load(program, offset_of_argument(row->argument));
        put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, row->mask);
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, row->value);
    }
    put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    if (row->mask != 0)
        load(program, offsetof(struct seccomp_data, nr));
}

/* The number of the call is loaded before each row, and after it. Blocks of rows are passed over
 * where the number is beyond theirs: the kernel goes through the filter for every call that there
 * is when it is installed, and for some whenever they are made. */
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

/* A call of another architecture's numbers is the end of the process. */
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

bool linux_seccomp(const struct confinement *needs) {
    if (ARCHITECTURE == 0)
        return true;
    /* A signal to itself is how a process aborts. */
    const struct row own[] = {IF(tgkill, 0, WHOLE, getpid())};
    struct row *rows = must_alloc(sizeof always + sizeof writing + sizeof network + sizeof jobs +
                                  sizeof helper + sizeof own);
    size_t count = 0;
    ADD_ROWS(rows, count, always);
    ADD_ROWS(rows, count, own);
    if (needs->writes[0] != NULL)
        ADD_ROWS(rows, count, writing);
    if (needs->network)
        ADD_ROWS(rows, count, network);
    if (needs->jobs)
        ADD_ROWS(rows, count, jobs);
    if (needs->helper)
        ADD_ROWS(rows, count, helper);
    qsort(rows, count, sizeof *rows, compare_rows);
    struct program program = {
        .code = must_alloc(((INSTRUCTIONS_A_ROW + 1) * count + ROWS_A_BLOCK + INSTRUCTIONS_AROUND) *
                           sizeof *program.code)};
    put_check_of_architecture(&program);
    put_rows(&program, rows, count);
    put(&program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
    struct sock_fprog filter = {(unsigned short)program.size, program.code};
    bool good = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 || is_absent(errno);
    free(program.code);
    free(rows);
    return good;
}

#endif
