/* The memory of the whole process, whichever library it is that asks for it. What is freed is
 * wiped first: a token is copied by libjq, libcurl and the C library on its way through a command,
 * and none of them wipes. What cannot be had ends the process with status 70: libcurl, OpenSSL and
 * libjq without memory wait for ever, take a good signature for a bad one, or crash. There is no
 * header: this takes the place of the C library's functions where glibc is at hand, or, linked
 * statically, by the linker's --wrap (STATIC). Elsewhere, and under sanitizers, none of it. */
#include "error.h"

#include <stdlib.h>

#if defined(__GLIBC__) && !defined(SANITIZED)

#include <malloc.h>
#include <string.h>

/* gcc's analyzer takes these for the callers of such functions. */
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

/* Never grows in place by the C library, which would leave a copy behind where it has to move. */
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
