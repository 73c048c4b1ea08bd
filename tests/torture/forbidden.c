/* Preloaded into a command (LD_PRELOAD), as if its code had been taken over: at its end, tries what
 * it must not be able to do, and says on stderr of each, in one line, `refused NAME` or `done
 * NAME`.
 *
 *     FORBIDDEN_FILE    a file that the command was never told of: read, and written
 *     FORBIDDEN_FOLDER  a folder of which the same is true: a file is made there */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void report(const char *name, int done) {
    char line[100];
    int size = snprintf(line, sizeof line, "%s %s\n", done ? "done" : "refused", name);
    if (write(2, line, (size_t)size) < 0)
        _exit(1);
}

static int opens(const char *path, int flags) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

__attribute__((destructor)) static void try_all(void) {
    const char *file = getenv("FORBIDDEN_FILE"), *folder = getenv("FORBIDDEN_FOLDER");
    char made[500];
    if (file == NULL || folder == NULL)
        return;
    snprintf(made, sizeof made, "%s/made", folder);
    report("read-file", opens(file, O_RDONLY));
    report("write-file", opens(file, O_WRONLY));
    report("make-file", opens(made, O_WRONLY | O_CREAT));
    report("remove-file", unlink(file) == 0);
    report("signal", kill(getppid(), 0) == 0);
    struct iovec whole = {made, sizeof made};
    report("process-memory", process_vm_readv(getpid(), &whole, 1, &whole, 1, 0) >= 0);
    report("executable-memory", mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    report("raw-socket", socket(AF_PACKET, SOCK_RAW, 0) >= 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    report("listen", listener >= 0 && listen(listener, 1) == 0);
    report("namespace", syscall(SYS_unshare, 0) == 0);
    report("chmod", chmod(folder, 0700) == 0);
    char *const arguments[] = {(char *)(size_t) "sh", (char *)(size_t) "-c",
                               (char *)(size_t) "echo done execute >&2", NULL};
    char *const nothing[] = {NULL};
    execve("/bin/sh", arguments, nothing);
    report("execute", 0);
}
