/* Preloaded into a command (LD_PRELOAD): counts the allocations of all libraries and makes one
 * fail, below lib/base/wiped_memory.c, which handles all of them.
 *
 *     ALLOCATION_COUNTER  a file of 8 bytes
 *     ALLOCATION_AT       the number of the allocation that fails, from 1; 0 for none */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t *counter;
static uint64_t fail_at;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("ALLOCATION_COUNTER"), *at = getenv("ALLOCATION_AT");
    if (path == NULL || at == NULL)
        return;
    fail_at = strtoull(at, NULL, 10);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0 && shared != MAP_FAILED)
        counter = shared;
    if (fd >= 0)
        syscall(SYS_close, fd);
}

static int fails(void) {
    if (counter == NULL)
        return 0;
    if (__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST) != fail_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

#define REAL(name, ...) ((void *(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

void *__libc_malloc(size_t bytes) {
    static void *(*real)(size_t);
    if (real == NULL)
        real = REAL("__libc_malloc", size_t);
    return fails() ? NULL : real(bytes);
}

void *__libc_calloc(size_t count, size_t bytes) {
    static void *(*real)(size_t, size_t);
    if (real == NULL)
        real = REAL("__libc_calloc", size_t, size_t);
    return fails() ? NULL : real(count, bytes);
}

void *__libc_realloc(void *memory, size_t bytes) {
    static void *(*real)(void *, size_t);
    if (real == NULL)
        real = REAL("__libc_realloc", void *, size_t);
    return fails() ? NULL : real(memory, bytes);
}
