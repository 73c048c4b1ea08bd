/* What a provider, or anybody who can reach the endpoint, sends to ciba-notify: HTTP on stdin. */
#include "ciba/notification_request.h"

#include <stdlib.h>
#include <unistd.h>

enum { PIPE_SIZE = 60 * 1024 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct server_request request = {.method = NULL};
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], data, size < PIPE_SIZE ? size : PIPE_SIZE) < 0)
        abort();
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (server_request_read_http(&request) == 0 && request.body != NULL)
        free(notification_request(&request));
    server_request_free(&request);
    return 0;
}
