#include "http/server_request.h"

#include "base/memory.h"
#include "system/settings.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    REQUEST_SECONDS = 30,
    HEAD_LIMIT = 16 * 1024,
    CHUNK_LINE_LIMIT = 1024,
    FRAMING_LIMIT = 8 * SERVER_REQUEST_LIMIT /* total of the lines around the chunks */
};

void server_request_free(struct server_request *request) {
    free(request->memory);
    *request = (struct server_request){.memory = NULL};
}

/* Stdin, partly read but not processed yet. */
struct source {
    char bytes[4096];
    size_t at, end;
    size_t lines_left; /* bytes that its lines may still have */
};

/* Limits the time for slow or silent senders. */
static void begin(struct server_request *request, struct source *source) {
    signal(SIGALRM, SIG_DFL);
    alarm(REQUEST_SECONDS);
    request->memory = must_alloc(HEAD_LIMIT + SERVER_REQUEST_LIMIT + 1);
    *source = (struct source){.lines_left = HEAD_LIMIT};
}

/* -1 at the end. */
static int next_byte(struct source *source) {
    ssize_t got = 0;
    if (source->at == source->end) {
        do
            got = read(STDIN_FILENO, source->bytes, sizeof source->bytes);
        while (got < 0 && errno == EINTR);
        source->at = 0;
        source->end = got > 0 ? (size_t)got : 0;
    }
    return source->end == 0 ? -1 : (unsigned char)source->bytes[source->at++];
}

/* Appends the next bytes to the body. False if there are fewer. */
static bool read_body(struct source *source, struct server_request *request, size_t size) {
    char *body = request->memory + HEAD_LIMIT;
    for (; size > 0; size--) {
        int byte = next_byte(source);
        if (byte < 0)
            return false;
        body[request->size++] = (char)byte;
    }
    return true;
}

/* Reads the body up to the end of stdin. */
static int read_to_end(struct source *source, struct server_request *request) {
    while (read_body(source, request, 1))
        if (request->size > SERVER_REQUEST_LIMIT)
            return 413;
    return 0;
}

/* Reads a body of Content-Length bytes; its value must be digits only. */
static int read_sized(struct source *source, struct server_request *request, const char *length) {
    if (*length == '\0' || strspn(length, "0123456789") != strlen(length))
        return 400;
    unsigned long size = strtoul(length, NULL, 10);
    if (size > SERVER_REQUEST_LIMIT)
        return 413;
    return read_body(source, request, size) ? 0 : 400;
}

int server_request_read_cgi(struct server_request *request) {
    struct source source;
    request->method = settings_get(NULL, "REQUEST_METHOD", NULL);
    request->path = settings_get(NULL, "PATH_INFO", NULL);
    request->authorization = settings_get(NULL, "HTTP_AUTHORIZATION", NULL);
    request->content_type = settings_get(NULL, "CONTENT_TYPE", NULL);
    request->origin = settings_get(NULL, "HTTP_ORIGIN", NULL);
    request->fetch_site = settings_get(NULL, "HTTP_SEC_FETCH_SITE", NULL);
    request->access_token = settings_get(NULL, "HTTP_X_FORWARDED_ACCESS_TOKEN", NULL);
    request->user = settings_get(NULL, "REMOTE_USER", NULL);
    if (request->method != NULL && strcmp(request->method, "POST") != 0)
        return 0;
    const char *length = settings_get(NULL, "CONTENT_LENGTH", NULL);
    begin(request, &source);
    request->body = request->memory + HEAD_LIMIT;
    /* A web server that decodes chunks does not know the length in advance. */
    return length == NULL ? read_to_end(&source, request) : read_sized(&source, request, length);
}

/* Reads a line into `line` (of `room` bytes), without the CRLF. False if there is none, it is too
 * long, or has a control character; a lone CR or LF does not end a line (RFC 9112 §2.2). */
static bool read_line(struct source *source, char *line, size_t room) {
    for (size_t used = 0; used < room && source->lines_left > 0; used++, source->lines_left--) {
        int byte = next_byte(source);
        if (byte == '\r') {
            line[used] = '\0';
            return next_byte(source) == '\n';
        }
        if (byte < 0 || (byte < ' ' && byte != '\t') || byte == 127)
            return false;
        line[used] = (char)byte;
    }
    return false;
}

/* The relevant header fields. */
struct head {
    const char *content_length, *transfer_encoding;
    bool is_old; /* HTTP/1.0 */
};

/* Splits `NAME: VALUE`, RFC 9112 §5. False if the line is malformed, or repeats a relevant field: a
 * proxy before us may have used the other one. */
static bool take_field(struct server_request *request, struct head *head, char *line) {
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$%&'*+-.^_`|~";
    const struct {
        const char *name, **value;
    } fields[] = {{"Authorization", &request->authorization},
                  {"Content-Type", &request->content_type},
                  {"Origin", &request->origin},
                  {"Sec-Fetch-Site", &request->fetch_site},
                  {"X-Forwarded-Access-Token", &request->access_token},
                  {"Content-Length", &head->content_length},
                  {"Transfer-Encoding", &head->transfer_encoding}};
    size_t size = strspn(line, token);
    if (size == 0 || line[size] != ':')
        return false;
    line[size] = '\0';
    char *value = line + size + 1 + strspn(line + size + 1, " \t");
    for (size_t end = strlen(value); end > 0 && strchr(" \t", value[end - 1]) != NULL;)
        value[--end] = '\0';
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcasecmp(line, fields[i].name) != 0)
            continue;
        if (*fields[i].value != NULL)
            return false;
        *fields[i].value = value;
    }
    return true;
}

/* Splits `METHOD TARGET HTTP/1.x`, RFC 9112 §3. */
static bool take_request_line(struct server_request *request, struct head *head, char *line) {
    char *target = strchr(line, ' '), *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (target == NULL || version == NULL ||
        (strcmp(version, " HTTP/1.1") != 0 && strcmp(version, " HTTP/1.0") != 0))
        return false;
    head->is_old = version[8] == '0';
    *target++ = '\0';
    target[strcspn(target, "? ")] = '\0';
    request->method = line;
    request->path = target;
    return true;
}

/* Stores the lines one after the other. */
static bool read_head(struct source *source, struct server_request *request, struct head *head) {
    char *line = request->memory, *end = request->memory + HEAD_LIMIT;
    for (bool first = true;; first = false) {
        if (!read_line(source, line, (size_t)(end - line)))
            return false;
        if (*line == '\0')
            return !first;
        char *next = line + strlen(line) + 1;
        if (!(first ? take_request_line(request, head, line) : take_field(request, head, line)))
            return false;
        line = next;
    }
}

/* RFC 9112 §7.1: reads and ignores extensions and trailers. */
static int read_chunks(struct source *source, struct server_request *request) {
    char line[CHUNK_LINE_LIMIT];
    unsigned long size;
    source->lines_left = FRAMING_LIMIT;
    do {
        if (!read_line(source, line, sizeof line))
            return 400;
        size_t digits = strspn(line, "0123456789abcdefABCDEF");
        const char *rest = line + digits;
        if (digits == 0 || (*rest != '\0' && rest[strspn(rest, " \t")] != ';'))
            return 400;
        size = strtoul(line, NULL, 16);
        if (size > SERVER_REQUEST_LIMIT - request->size)
            return 413;
        if (size > 0 && !(read_body(source, request, size) && read_line(source, line, 1)))
            return 400;
    } while (size > 0);
    do
        if (!read_line(source, line, sizeof line))
            return 400;
    while (*line != '\0');
    return 0;
}

int server_request_read_http(struct server_request *request) {
    struct source source;
    struct head head = {.content_length = NULL};
    begin(request, &source);
    if (!read_head(&source, request, &head))
        return 400;
    if (strcmp(request->method, "POST") != 0)
        return 0;
    request->body = request->memory + HEAD_LIMIT;
    const char *coding = head.transfer_encoding;
    if (coding == NULL)
        return read_sized(&source, request, head.content_length != NULL ? head.content_length : "");
    /* §6.1, §6.3: with two lengths, two readers may see different messages. */
    if (head.content_length != NULL || head.is_old || strcasecmp(coding, "chunked") != 0)
        return 400;
    return read_chunks(&source, request);
}

bool server_request_is(const struct server_request *request, const char *content_type) {
    size_t size = strlen(content_type);
    const char *type = request->content_type;
    return type != NULL && strncasecmp(type, content_type, size) == 0 &&
           (type[size] == '\0' || strchr("; \t", type[size]) != NULL);
}

const char *server_request_bearer(const struct server_request *request) {
    const char *text = request->authorization;
    if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
        return NULL;
    return text + 7 + strspn(text + 7, " ");
}
