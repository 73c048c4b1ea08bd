/* What is freed is wiped first, whoever frees it: a token is copied by libjq, libcurl and the C
 * library on its way through a command, and none of them wipes. There is no header: this takes the
 * place of free and realloc in the whole process where glibc is at hand, or, linked statically, by
 * the linker's --wrap (WRAPPED). Elsewhere, and under sanitizers, memory is not wiped. */
#include <stdlib.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)

#include <malloc.h>
#include <string.h>

#ifdef WRAPPED
#define free __wrap_free
#define realloc __wrap_realloc
#define free_without_wiping __real_free
#define realloc_without_wiping __real_realloc
#else
#define free_without_wiping __libc_free
#define realloc_without_wiping __libc_realloc
#endif

void free_without_wiping(void *memory);
void *realloc_without_wiping(void *memory, size_t bytes);
void free(void *memory);
void *realloc(void *memory, size_t bytes);

void free(void *memory) {
    if (memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    free_without_wiping(memory);
}

/* Never grows in place by the C library, which would leave a copy behind where it has to move. */
void *realloc(void *memory, size_t bytes) {
    size_t room = memory != NULL ? malloc_usable_size(memory) : 0;
    if (memory == NULL)
        return malloc(bytes);
    if (bytes <= room) {
        explicit_bzero((char *)memory + bytes, room - bytes);
        return realloc_without_wiping(memory, bytes);
    }
    void *grown = malloc(bytes);
    if (grown != NULL) {
        memcpy(grown, memory, room);
        free(memory);
    }
    return grown;
}

#endif
