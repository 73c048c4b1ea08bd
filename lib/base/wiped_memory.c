/* The allocator for the whole process, libraries included. Wipes memory before freeing it: libjq,
 * libcurl and the C library copy tokens and do not wipe them. A failed allocation ends the process
 * with status 70: without memory, libcurl, OpenSSL and libjq hang, reject a good signature, or
 * crash. It has no header: with glibc it replaces the C library's functions, in a static build by
 * the linker's --wrap (STATIC). Not used elsewhere or under sanitizers. */
#include "base/out_of_memory.h"
#include "base/sanitized.h"

#include <stdlib.h>

#if defined(__GLIBC__) && !defined(SANITIZED)

#include <malloc.h>
#include <string.h>

/* gcc's analyzer mistakes these for callers of such functions. */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#ifdef STATIC
#define malloc __wrap_malloc
#define calloc __wrap_calloc
#define realloc __wrap_realloc
#define free __wrap_free
#define libc_malloc __real_malloc
#define libc_calloc __real_calloc
#define libc_realloc __real_realloc
#define libc_free __real_free
#else
#define libc_malloc __libc_malloc
#define libc_calloc __libc_calloc
#define libc_realloc __libc_realloc
#define libc_free __libc_free
#endif

void *libc_malloc(size_t bytes);
void *libc_calloc(size_t count, size_t bytes);
void *libc_realloc(void *memory, size_t bytes);
void libc_free(void *memory);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *memory, size_t bytes);
void free(void *memory);

static void *must(void *memory) {
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *malloc(size_t bytes) {
    return must(libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes) {
    return must(libc_calloc(count, bytes));
}

void free(void *memory) {
    if (memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    libc_free(memory);
}

/* Never lets the C library move a block, which would leave an unwiped copy. */
void *realloc(void *memory, size_t bytes) {
    size_t room = memory != NULL ? malloc_usable_size(memory) : 0;
    if (memory == NULL)
        return malloc(bytes);
    if (bytes <= room) {
        explicit_bzero((char *)memory + bytes, room - bytes);
        return bytes == 0 ? libc_realloc(memory, 0) : must(libc_realloc(memory, bytes));
    }
    void *grown = malloc(bytes);
    memcpy(grown, memory, room);
    free(memory);
    return grown;
}

#endif
