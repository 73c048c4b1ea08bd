#include "system/confine_linux.h"

#include "base/memory.h"

#ifdef __linux__

#include <dlfcn.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

bool linux_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 || errno == EINVAL;
}

bool linux_is_absent(int problem) {
    return problem == ENOSYS || problem == EOPNOTSUPP || problem == EINVAL;
}

#if defined(__GLIBC__) && !defined(STATIC)

/* Loads it under the name that glibc uses later, and keeps it open. Ignores a missing one. */
static void load_name_service(const char *name) {
    char *library = must_format("libnss_%s.so.2", name);
    if (strcmp(name, "files") != 0 && strcmp(name, "dns") != 0) /* part of the C library */
        dlopen(library, RTLD_LAZY);
    free(library);
}

/* A line of nsswitch.conf(5): `hosts: files resolve [!UNAVAIL=return] dns`. */
static void load_name_services_of(char *line) {
    line[strcspn(line, "#\n")] = '\0';
    line += strspn(line, " \t");
    if (strncmp(line, "hosts:", 6) != 0)
        return;
    for (char *next = line + 6; *next != '\0';) {
        char *word = next + strspn(next, " \t");
        char *end = word + strcspn(word, *word == '[' ? "]" : " \t[");
        bool is_action = *word == '[', more = *end != '\0' && *end != '[';
        next = end + more;
        if (is_action || end == word)
            continue;
        char *name = must_format("%.*s", (int)(end - word), word);
        load_name_service(name);
        free(name);
    }
}

static void load_name_services(void) {
    FILE *file = fopen("/etc/nsswitch.conf", "re");
    char *line = NULL;
    size_t room = 0;
    while (file != NULL && getline(&line, &room, file) > 0)
        load_name_services_of(line);
    free(line);
    if (file != NULL)
        fclose(file);
}

#else

static void load_name_services(void) {
}

#endif

void linux_load_code(const struct confinement *needs) {
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
    if (needs->network)
        load_name_services();
}

#endif
