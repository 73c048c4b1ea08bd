#include "notification.h"

#include "config.h"
#include "json.h"
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16 * 1024, REQUEST_SECONDS = 30 };

void notification_free(struct notification *n) {
    free(n->memory);
    *n = (struct notification){.memory = NULL};
}

/* Reads up to `limit` bytes, or until `enough` says so. */
static size_t read_until(char *text, size_t used, size_t limit, bool (*enough)(const char *text)) {
    ssize_t got;
    while (used < limit && !(enough != NULL && enough(text))) {
        got = read(STDIN_FILENO, text + used, limit - used);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        used += got > 0 ? (size_t)got : 0;
        text[used] = '\0';
    }
    return used;
}

/* The Content-Length, or -1 if it is none or too large. */
static long body_size(const char *text) {
    char *end;
    if (text == NULL || strspn(text, "0123456789") == 0)
        return -1;
    long size = strtol(text, &end, 10);
    return size >= 0 && size <= NOTIFICATION_LIMIT && strchr(" \r\n", *end) ? size : -1;
}

int notification_read_cgi(struct notification *n) {
    n->method = config_get(NULL, "REQUEST_METHOD", NULL);
    n->authorization = config_get(NULL, "HTTP_AUTHORIZATION", NULL);
    n->content_type = config_get(NULL, "CONTENT_TYPE", NULL);
    if (n->method != NULL && strcmp(n->method, "POST") != 0)
        return 405;
    long size = body_size(config_get(NULL, "CONTENT_LENGTH", NULL));
    if (size < 0)
        return 413;
    n->body = n->memory = must_alloc((size_t)size + 1);
    n->size = read_until(n->memory, 0, (size_t)size, NULL);
    return n->size == (size_t)size ? 0 : 400;
}

static bool head_is_complete(const char *text) {
    return strstr(text, "\r\n\r\n") != NULL;
}

/* The value of a header line within the head, which is cut at its end; NULL if it is not there. */
static char *header_value(char *head, const char *name) {
    size_t size = strlen(name);
    for (char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':')
            return line + size + 1 + strspn(line + size + 1, " \t");
    }
    return NULL;
}

int notification_read_http(struct notification *n) {
    char *text = n->memory = must_alloc(HEAD_LIMIT + NOTIFICATION_LIMIT + 1);
    alarm(REQUEST_SECONDS);
    size_t used = read_until(text, 0, HEAD_LIMIT, head_is_complete);
    char *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 400;
    end[2] = '\0';
    if (strncmp(text, "POST ", 5) != 0)
        return 405;
    char *body = end + 4;
    long size = body_size(header_value(text, "Content-Length"));
    if (size < 0 || header_value(text, "Transfer-Encoding") != NULL)
        return 413;
    used = read_until(text, used, (size_t)(body - text) + (size_t)size, NULL);
    if (used < (size_t)(body - text) + (size_t)size)
        return 400;
    n->authorization = header_value(text, "Authorization");
    n->content_type = header_value(text, "Content-Type");
    for (char *line = end; line > text; line--) /* each line a text of its own */
        if (*line == '\r')
            *line = '\0';
    text[strcspn(text, " ")] = '\0';
    n->method = text;
    n->body = body;
    n->size = (size_t)size;
    return 0;
}

bool notification_is_json(const struct notification *n) {
    struct error ignored;
    jv body;
    bool typed = n->content_type != NULL &&
                 strncasecmp(n->content_type, "application/json", 16) == 0 &&
                 (n->content_type[16] == '\0' || strchr("; \t", n->content_type[16]) != NULL);
    bool good = typed && json_parse(n->body, n->size, &body, &ignored);
    if (good) {
        good = json_string(body, "auth_req_id") != NULL;
        jv_free(body);
    }
    return good;
}
