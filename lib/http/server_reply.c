#include "http/server_reply.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

static const char *reason_of(int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {409, "Conflict"},
                   {410, "Gone"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return ""; /* RFC 9112 §4: may be empty */
}

char *server_reply_head(int status, const char *lines, size_t size, bool is_http) {
    /* RFC 9110 §8.6: none with 204 */
    char *length = status != 204 ? must_format("Content-Length: %zu\r\n", size) : must_copy("");
    char *head =
        must_format("%s %d %s\r\n%s%s%s%s\r\n", is_http ? "HTTP/1.1" : "Status:", status,
                    reason_of(status), lines, status == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
                    length, is_http ? "Connection: close\r\n" : "");
    free(length);
    return head;
}

int server_reply_exit_status(int status) {
    return status < 300 ? STATUS_DONE : status < 500 ? STATUS_INPUT : STATUS_IO;
}
