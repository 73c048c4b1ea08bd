#include "http/roots.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* A folder where certificates are named by the hash of their subject, as by c_rehash. */
static bool is_hashed_directory(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(folder)) != NULL)
        found = strlen(entry->d_name) == 10 && strcmp(entry->d_name + 8, ".0") == 0 &&
                strspn(entry->d_name, "0123456789abcdef") == 8;
    closedir(folder);
    return found;
}

const char *http_roots_folder(void) {
    static const char *const folders[] = {"/etc/ssl/certs", "/etc/pki/tls/certs",
                                          "/etc/openssl/certs"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (is_hashed_directory(folders[i]))
            return folders[i];
    return NULL;
}

const char *http_roots_file(void) {
    static const char *const files[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora, RHEL */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora from 43 */
        "/etc/ssl/ca-bundle.pem",                            /* SUSE */
        "/etc/ssl/cert.pem",                                 /* OpenBSD, macOS, FreeBSD, Alpine */
        "/usr/local/etc/ssl/cert.pem",                       /* FreeBSD */
        "/usr/local/share/certs/ca-root-nss.crt",            /* FreeBSD's package */
        "/etc/openssl/certs/ca-certificates.crt",            /* NetBSD */
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}
