/* A service for nsswitch.conf(5), as libnss_told.so.2: resolves told.example to 127.0.0.1. */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <string.h>
#include <sys/socket.h>

enum nss_status _nss_told_gethostbyname2_r(const char *name, int family, struct hostent *host,
                                           char *room, size_t size, int *problem, int *h_problem);

enum nss_status _nss_told_gethostbyname2_r(const char *name, int family, struct hostent *host,
                                           char *room, size_t size, int *problem, int *h_problem) {
    static char *none[] = {NULL};
    static char address[4] = {127, 0, 0, 1}, *addresses[] = {address, NULL};
    if (strcmp(name, "told.example") != 0 || family != AF_INET || size <= strlen(name)) {
        *problem = ENOENT;
        *h_problem = HOST_NOT_FOUND;
        return NSS_STATUS_NOTFOUND;
    }
    strcpy(room, name);
    *host = (struct hostent){room, none, AF_INET, sizeof address, addresses};
    return NSS_STATUS_SUCCESS;
}
