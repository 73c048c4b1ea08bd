/* ciba-notify: the client's notification endpoint, as a CGI program or behind inetd. */
#include "config.h"
#include "confine.h"
#include "digest.h"
#include "documents.h"
#include "json.h"
#include "options.h"
#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16 * 1024, REQUEST_SECONDS = 30 };

static struct {
    bool inetd;
    const char *spool, *env_file;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {0, "spool", "DIR", OPTION_TEXT, &given.spool, "where ciba-poll waits (CIBA_SPOOL)"},
    {0, "inetd", NULL, OPTION_FLAG, &given.inetd, "stdin and stdout are an HTTP connection"},
    {'e', "env-file", "FILE", OPTION_TEXT, &given.env_file, "read settings from FILE too"},
    CONFINE_OPTION(given.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"ciba-notify", "[--spool DIR] [--inetd]",
                                       "Takes a CIBA provider's notification.", options, false};

/* A request, however it came. */
struct notification {
    const char *method, *authorization, *content_type;
    char *body;
    size_t size;
};

/* Answers, and returns the exit status that goes with it. */
static int answer(int status, const char *reason) {
    struct error error;
    const char *more = status == 401 ? "WWW-Authenticate: Bearer\r\n" : "";
    char *text = given.inetd ? must_format("HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\n"
                                           "Connection: close\r\n\r\n",
                                           status, reason, more)
                             : must_format("Status: %d %s\r\n%s\r\n", status, reason, more);
    bool good = output_write(text, strlen(text), &error);
    free(text);
    return !good           ? error.status
           : status == 204 ? STATUS_DONE
           : status < 500  ? STATUS_INPUT
                           : STATUS_IO;
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

/* As RFC 3875 has it. The HTTP status of the refusal, or 0. */
static int read_cgi(struct notification *n) {
    n->method = config_get(NULL, "REQUEST_METHOD", NULL);
    n->authorization = config_get(NULL, "HTTP_AUTHORIZATION", NULL);
    n->content_type = config_get(NULL, "CONTENT_TYPE", NULL);
    long size = body_size(config_get(NULL, "CONTENT_LENGTH", NULL));
    if (size < 0)
        return 413;
    n->body = must_alloc((size_t)size + 1);
    n->size = read_until(n->body, 0, (size_t)size, NULL);
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

/* One HTTP/1.1 request with a Content-Length (RFC 9112), such as a provider or a proxy sends. */
static int read_http(struct notification *n) {
    char *text = must_alloc(HEAD_LIMIT + NOTIFICATION_LIMIT + 1);
    n->body = text; /* freed with it; the body is moved to its beginning */
    alarm(REQUEST_SECONDS);
    size_t used = read_until(text, 0, HEAD_LIMIT, head_is_complete);
    char *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return 400;
    end[2] = '\0';
    char *rest = end + 4;
    char *authorization = header_value(text, "Authorization");
    char *type = header_value(text, "Content-Type");
    long size = body_size(header_value(text, "Content-Length"));
    if (size < 0 || header_value(text, "Transfer-Encoding") != NULL)
        return 413;
    used = read_until(text, used, (size_t)(rest - text) + (size_t)size, NULL);
    if (used < (size_t)(rest - text) + (size_t)size)
        return 400;
    n->method = config_keep(must_format("%.*s", (int)strcspn(text, " "), text));
    if (authorization != NULL)
        n->authorization =
            config_keep(must_format("%.*s", (int)strcspn(authorization, "\r"), authorization));
    if (type != NULL)
        n->content_type = config_keep(must_format("%.*s", (int)strcspn(type, "\r"), type));
    memmove(text, rest, (size_t)size);
    text[size] = '\0';
    n->size = (size_t)size;
    return 0;
}

/* CIBA Core §10.2: the token that was sent with the request. Its digest is what is looked up, so
 * that the time it takes tells nothing of the token. The caller frees; NULL if it is not expected.
 */
static char *token_digest(const struct notification *n, const char *spool) {
    if (n->authorization == NULL || strncasecmp(n->authorization, "Bearer ", 7) != 0)
        return NULL;
    const char *token = n->authorization + 7 + strspn(n->authorization + 7, " ");
    char *digest = digest_of(token, strlen(token));
    if (spool_is_expected(spool, digest))
        return digest;
    free(digest);
    return NULL;
}

static bool is_json(const struct notification *n) {
    struct error ignored;
    jv body;
    bool typed =
        n->content_type != NULL && strncasecmp(n->content_type, "application/json", 16) == 0;
    bool good = typed && json_parse(n->body, n->size, &body, &ignored);
    if (good) {
        good = json_string(body, "auth_req_id") != NULL;
        jv_free(body);
    }
    return good;
}

static int take(const struct notification *n, const char *spool) {
    struct error error;
    if (n->method == NULL || strcmp(n->method, "POST") != 0)
        return answer(405, "Method Not Allowed");
    char *digest = token_digest(n, spool);
    if (digest == NULL)
        return answer(401, "Unauthorized");
    if (!is_json(n)) {
        free(digest);
        return answer(400, "Bad Request");
    }
    bool good = spool_put(spool, digest, n->body, n->size, &error);
    free(digest);
    if (good)
        return answer(204, "No Content");
    complain(NULL, "%s", error.text);
    return answer(500, "Internal Server Error");
}

int main(int argc, char **argv) {
    struct error error;
    struct notification notification = {.method = NULL};
    int first = options_parse(&command, argc, argv), status;
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    const char *spool = NULL;
    if (config_load(given.env_file, &error)) {
        spool = config_get(given.spool, "CIBA_SPOOL", NULL);
        if (spool == NULL)
            fail(&error, STATUS_CONFIG, "no spool: set CIBA_SPOOL, or --spool");
    }
    confine_add(given.needs.writes, spool);
    if (spool == NULL || !confine(&given.needs, &error)) {
        complain(NULL, "%s", error.text);
        answer(500, "Internal Server Error");
        return error.status;
    }
    int refusal = given.inetd ? read_http(&notification) : read_cgi(&notification);
    if (refusal != 0)
        status = answer(refusal, refusal == 413 ? "Content Too Large" : "Bad Request");
    else
        status = take(&notification, spool);
    free(notification.body);
    return status;
}
