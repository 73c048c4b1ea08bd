/* Preloaded into a command (LD_PRELOAD): counts what is allocated, by whichever library, and has
 * one allocation fail, or all from it on.
 *
 *     ALLOCATION_COUNTER  a file of 8 bytes
 *     ALLOCATION_AT       the number of the allocation that fails, from 1; 0 for none
 *     ALLOCATION_FROM     set: and all that follow it */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static uint64_t *counter;
static uint64_t fail_at;
static int all_from_it;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("ALLOCATION_COUNTER"), *at = getenv("ALLOCATION_AT");
    if (path == NULL || at == NULL)
        return;
    fail_at = strtoull(at, NULL, 10);
    all_from_it = getenv("ALLOCATION_FROM") != NULL;
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
    uint64_t number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    if (number != fail_at && !(all_from_it && fail_at > 0 && number > fail_at))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes) {
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    return fails() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes) {
    return fails() ? NULL : __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    *memory = fails() ? NULL : __libc_memalign(alignment, bytes);
    return *memory == NULL ? ENOMEM : 0;
}
