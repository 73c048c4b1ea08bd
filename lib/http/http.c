#include "http/http.h"

#include "base/clock.h"
#include "http/failure.h"
#include "http/headers.h"
#include "http/loop.h"
#include "http/roots.h"
#include "http/tls.h"
#include "http/url.h"
#include "system/confine.h"

#include <curl/curl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEFAULT_MAX_TIME = 60,     /* seconds */
    HEADERS_LIMIT = 300 * 1024 /* bytes of all header and trailer lines, which libcurl stores */
};

struct http {
    CURLM *multi;
    struct http_loop loop;
    struct http_settings settings;
    const char *ca_file, *ca_dir;
    struct http_transfer *running, *finished; /* lists; `finished` is unordered */
    char *last_url, *last_host; /* the last URL that was allowed, usually requested again */
    bool last_plain;
    CURL *idle[64]; /* handles for reuse */
    int idle_count;
    int end_descriptor; /* http_end_calls_at */
    double end_at;
};

struct http_transfer {
    struct http_transfer *next;
    void *owner;
    CURL *easy;
    struct curl_slist *headers;
    struct http_answer answer;
    char *host, *body;
    char *what; /* method and URL without a query, which may have a secret */
    size_t body_size, body_sent;
    size_t room, streamed, header_size;
    double deadline;       /* as clock_elapsed */
    http_receiver receive; /* NULL to keep the body */
    void *receiver;
    bool too_large, refused;
    char message[CURL_ERROR_SIZE];
};

struct http *http_new(const struct http_settings *settings, const char *ca_file,
                      const char *ca_dir) {
    struct http *http = must_alloc(sizeof *http);
    http->settings = *settings;
    http->end_descriptor = -1;
    http->end_at = INFINITY;
    http->ca_file = settings->cacert != NULL ? settings->cacert : ca_file;
    http->ca_dir = settings->cacert != NULL ? NULL : ca_dir;
    return http;
}

void http_needs(const struct http *http, struct confinement *needs) {
    needs->network = true;
    confine_add(needs->reads, http->ca_file);
    confine_add(needs->reads, http->ca_dir);
    confine_add(needs->reads, getenv("OPENSSL_CONF"));
    confine_add(needs->reads, getenv("OPENSSL_MODULES"));
    confine_add(needs->reads, http->settings.crlfile);
    confine_add(needs->reads, http->settings.cert);
    confine_add(needs->reads, http->settings.key);
}

static void free_transfer(struct http_transfer *transfer) {
    curl_slist_free_all(transfer->headers);
    http_answer_free(&transfer->answer);
    free(transfer->host);
    free(transfer->what);
    free(transfer->body);
    free(transfer);
}

static void release_easy(struct http *http, struct http_transfer *transfer) {
    curl_multi_remove_handle(http->multi, transfer->easy);
    if (http->idle_count < (int)(sizeof http->idle / sizeof *http->idle)) {
        curl_easy_reset(transfer->easy);
        http->idle[http->idle_count++] = transfer->easy;
    } else {
        curl_easy_cleanup(transfer->easy);
    }
    transfer->easy = NULL;
}

void *http_abandon(struct http *http) {
    struct http_transfer **list = http->running != NULL ? &http->running : &http->finished;
    struct http_transfer *transfer = *list;
    if (transfer == NULL)
        return NULL;
    void *owner = transfer->owner;
    *list = transfer->next;
    if (transfer->easy != NULL)
        release_easy(http, transfer);
    free_transfer(transfer);
    return owner;
}

void http_free(struct http *http) {
    if (http == NULL)
        return;
    while (http->running != NULL || http->finished != NULL)
        http_abandon(http);
    while (http->idle_count > 0)
        curl_easy_cleanup(http->idle[--http->idle_count]);
    if (http->multi != NULL) {
        curl_multi_cleanup(http->multi);
        http_loop_free(&http->loop);
        curl_global_cleanup();
    }
    free(http->last_url);
    free(http->last_host);
    free(http);
}

void http_answer_free(struct http_answer *answer) {
    free(answer->body);
    free(answer->dpop_nonce);
    answer->body = answer->dpop_nonce = NULL;
}

/* As http_url_host, which parses the URL each time. The host stays ours. */
static const char *host_of(struct http *http, const char *url, struct error *error) {
    if (http->last_url == NULL || strcmp(http->last_url, url) != 0) {
        free(http->last_url);
        free(http->last_host);
        http->last_host = http_url_host(url, &http->last_plain, error);
        http->last_url = http->last_host != NULL ? must_copy(url) : NULL;
    }
    return http->last_host;
}

static size_t receive_body(char *bytes, size_t one, size_t count, void *data) {
    struct http_transfer *transfer = data;
    struct http_answer *answer = &transfer->answer;
    size_t size = one * count;
    if (answer->is_stream) {
        transfer->streamed += size;
        transfer->too_large = transfer->streamed > HTTP_STREAM_LIMIT;
        transfer->refused = !transfer->receive(transfer->receiver, bytes, size);
        return transfer->too_large || transfer->refused ? 0 : size;
    }
    if (answer->size + size > HTTP_ANSWER_LIMIT) {
        transfer->too_large = true;
        return 0;
    }
    if (answer->size + size + 1 > transfer->room) {
        transfer->room = 2 * (answer->size + size) + 1;
        char *grown = realloc(answer->body, transfer->room);
        if (grown == NULL)
            return 0;
        answer->body = grown;
    }
    memcpy(answer->body + answer->size, bytes, size);
    answer->size += size;
    answer->body[answer->size] = '\0';
    return size;
}

/* Sends the body through a function that cannot rewind. Otherwise libcurl would silently resend a
 * request when a kept connection breaks: the user would be asked twice, an order placed twice. */
static size_t send_body(char *bytes, size_t one, size_t count, void *data) {
    struct http_transfer *transfer = data;
    size_t size = transfer->body_size - transfer->body_sent;
    size = size < one * count ? size : one * count;
    memcpy(bytes, transfer->body + transfer->body_sent, size);
    transfer->body_sent += size;
    return size;
}

static size_t receive_header(char *line, size_t one, size_t count, void *data) {
    struct http_transfer *transfer = data;
    struct http_answer *answer = &transfer->answer;
    size_t size = one * count;
    transfer->header_size += size;
    if (transfer->header_size > HEADERS_LIMIT)
        return 0;
    http_read_header(answer, line, size);
    HTTP_SET(transfer->easy, CURLOPT_FORBID_REUSE, 0L);
    if (size <= 2) { /* the empty line: Server-Sent Events go to the receiver, errors do not */
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
        answer->is_stream = transfer->receive != NULL && answer->status == 200 &&
                            strncasecmp(answer->content_type, "text/event-stream", 17) == 0;
    }
    return size;
}

/* end_late limits the time of the whole request. */
static void set_limits(struct http *http, CURL *easy) {
    double connect = http->settings.connect_timeout;
    HTTP_SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)((connect > 0 ? connect : 10) * 1000));
    HTTP_SET(easy, CURLOPT_NOSIGNAL, 1L);
    HTTP_SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    /* libcurl's defaults, 16 and 64 KiB, would be allocated and wiped for each request. Optional:
     * libcurl refuses if the handle's last request failed early and still has its buffer. */
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    /* HTTP/2 if libcurl has it; prefers one connection with many requests to many connections. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    HTTP_SET(easy, CURLOPT_PIPEWAIT, 1L);
    /* Until there is an answer (receive_header). Otherwise libcurl keeps the connection of a
     * request that it failed to send, and other requests wait on it forever. */
    HTTP_SET(easy, CURLOPT_FORBID_REUSE, 1L);
    http_tls_set(easy, &http->settings, http->ca_file, http->ca_dir);
}

static void add_header(struct http_transfer *transfer, const char *name, const char *value) {
    size_t name_size = strlen(name), value_size = strlen(value) + 1;
    char *line = must_alloc(name_size + value_size);
    memcpy(line, name, name_size);
    memcpy(line + name_size, value, value_size);
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer == NULL)
        out_of_memory();
    transfer->headers = longer;
    free(line);
}

static void set_request(struct http_transfer *transfer, const struct http_request *request,
                        bool plain) {
    CURL *easy = transfer->easy;
    HTTP_SET(easy, CURLOPT_URL, request->url);
    HTTP_SET(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    if (http_is_loopback(transfer->host))
        HTTP_SET(easy, CURLOPT_NOPROXY, "*");
    if (strcmp(request->method, "POST") == 0) {
        transfer->body = must_copy(request->body != NULL ? request->body : "");
        transfer->body_size = strlen(transfer->body);
        HTTP_SET(easy, CURLOPT_POST, 1L);
        HTTP_SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body_size);
        HTTP_SET(easy, CURLOPT_READFUNCTION, send_body);
        HTTP_SET(easy, CURLOPT_READDATA, transfer);
        add_header(transfer, "Content-Type: ", request->content_type);
        add_header(transfer, "Expect:", "");
    }
    add_header(transfer, "Accept: ",
               request->receive != NULL  ? "text/event-stream, application/json"
               : request->accept != NULL ? request->accept
                                         : "application/json");
    /* Without it any coding is acceptable (RFC 9110 §12.5.3); we decode none. */
    add_header(transfer, "Accept-Encoding: ", "identity");
    transfer->receive = request->receive;
    transfer->receiver = request->receiver;
    if (request->bearer != NULL)
        add_header(transfer, "Authorization: Bearer ", request->bearer);
    if (request->dpop_token != NULL)
        add_header(transfer, "Authorization: DPoP ", request->dpop_token);
    for (size_t i = 0; i < sizeof request->headers / sizeof *request->headers; i++)
        if (request->headers[i] != NULL)
            add_header(transfer, request->headers[i], "");
    if (request->user != NULL) {
        HTTP_SET(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        HTTP_SET(easy, CURLOPT_USERNAME, request->user);
        HTTP_SET(easy, CURLOPT_PASSWORD, request->password);
    }
    HTTP_SET(easy, CURLOPT_HTTPHEADER, transfer->headers);
    HTTP_SET(easy, CURLOPT_USERAGENT, "ciba-tools");
}

static void set_callbacks(struct http_transfer *transfer) {
    CURL *easy = transfer->easy;
    HTTP_SET(easy, CURLOPT_PRIVATE, transfer);
    HTTP_SET(easy, CURLOPT_ERRORBUFFER, transfer->message);
    HTTP_SET(easy, CURLOPT_WRITEFUNCTION, receive_body);
    HTTP_SET(easy, CURLOPT_WRITEDATA, transfer);
    HTTP_SET(easy, CURLOPT_HEADERFUNCTION, receive_header);
    HTTP_SET(easy, CURLOPT_HEADERDATA, transfer);
}

static void begin(struct http *http) {
    if (http->multi != NULL)
        return;
    unsetenv("SSLKEYLOGFILE"); /* libcurl would log TLS session keys */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (http->multi = curl_multi_init()) == NULL)
        out_of_memory();
    /* Keeps as many connections as were in use at once. libcurl would keep four per current
     * request, and reopen the others for the next round of polls. */
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L << 16);
    http_loop_init(&http->loop, http->multi);
    if (http->ca_file == NULL && http->ca_dir == NULL)
        http->ca_dir = http_roots_folder();
    if (http->ca_file == NULL && http->ca_dir == NULL)
        http->ca_file = http_roots_file();
}

struct http_transfer *http_start(struct http *http, const struct http_request *request,
                                 void *owner) {
    struct http_transfer *transfer = must_alloc(sizeof *transfer);
    struct error error = {STATUS_DONE, ""};
    const char *host = host_of(http, request->url, &error);
    transfer->owner = owner;
    transfer->answer.retry_after = -1;
    if (host == NULL) {
        transfer->answer.outcome = HTTP_NOT_SENT;
        transfer->answer.exit_status = error.status;
        snprintf(transfer->answer.why, sizeof transfer->answer.why, "%.390s", error.text);
        transfer->next = http->finished;
        http->finished = transfer;
        return transfer;
    }
    transfer->host = must_copy(host);
    transfer->what =
        must_format("%s %.*s", request->method, (int)strcspn(request->url, "?#"), request->url);
    double limit = request->max_time > 0 ? request->max_time : http->settings.max_time;
    transfer->deadline = clock_elapsed() + (limit > 0 ? limit : DEFAULT_MAX_TIME);
    begin(http);
    transfer->easy = http->idle_count > 0 ? http->idle[--http->idle_count] : curl_easy_init();
    if (transfer->easy == NULL)
        out_of_memory();
    set_limits(http, transfer->easy);
    set_request(transfer, request, http->last_plain);
    set_callbacks(transfer);
    transfer->next = http->running;
    http->running = transfer;
    if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        out_of_memory();
    return transfer;
}

static void describe_failure(struct http_transfer *transfer, CURLcode code) {
    struct http_answer *answer = &transfer->answer;
    long sent = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
    const char *why = transfer->message[0] != '\0' ? transfer->message : curl_easy_strerror(code);
    answer->outcome = sent > 0 || transfer->body_sent > 0 ? HTTP_UNKNOWN : HTTP_NOT_SENT;
    answer->exit_status = STATUS_UNAVAILABLE;
    answer->transient = http_is_transient(code);
    if (transfer->too_large) {
        answer->exit_status = STATUS_PROTOCOL;
        snprintf(answer->why, sizeof answer->why, "%s: the answer is larger than %d MiB",
                 transfer->host, (answer->is_stream ? HTTP_STREAM_LIMIT : HTTP_ANSWER_LIMIT) >> 20);
    } else if (transfer->header_size > HEADERS_LIMIT) {
        answer->exit_status = STATUS_PROTOCOL;
        snprintf(answer->why, sizeof answer->why, "%s: the answer's headers are larger than %d KiB",
                 transfer->host, HEADERS_LIMIT >> 10);
    } else if (transfer->refused) {
        answer->exit_status = STATUS_PROTOCOL;
        snprintf(answer->why, sizeof answer->why, "%s: its stream was not understood",
                 transfer->host);
    } else {
        http_explain(answer, code, why, transfer->host);
    }
}

static void finish_transfer(struct http *http, struct http_transfer *transfer, CURLcode code) {
    struct http_answer *answer = &transfer->answer;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    if (code == CURLE_OK) {
        answer->outcome = HTTP_ANSWERED;
        if (answer->reason[0] == '\0')
            snprintf(answer->reason, sizeof answer->reason, "%s",
                     http_standard_reason(answer->status));
        if (answer->body == NULL)
            answer->body = must_copy("");
    } else {
        describe_failure(transfer, code);
    }
    if (code == CURLE_OK)
        report_verbose(transfer->what, "HTTP %ld %s, %zu bytes", answer->status, answer->reason,
                       answer->size);
    else
        report_verbose(transfer->what, "failed: %s", answer->why);
    struct http_transfer **link = &http->running;
    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
    transfer->next = http->finished;
    http->finished = transfer;
    release_easy(http, transfer);
}

/* Collects finished transfers from libcurl. */
static void collect_finished(struct http *http) {
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct http_transfer *transfer;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish_transfer(http, transfer, code);
    }
}

/* Removes the transfer (any, for NULL) from the finished ones. */
static bool take_finished(struct http *http, const struct http_transfer *wanted, void **owner,
                          struct http_answer *answer) {
    struct http_transfer **link = &http->finished;
    while (*link != NULL && wanted != NULL && *link != wanted)
        link = &(*link)->next;
    struct http_transfer *transfer = *link;
    if (transfer == NULL)
        return false;
    *link = transfer->next;
    *owner = transfer->owner;
    *answer = transfer->answer;
    transfer->answer.body = transfer->answer.dpop_nonce = NULL;
    free_transfer(transfer);
    return true;
}

/* The earliest deadline of the running transfers. */
static double first_deadline(const struct http *http) {
    double first = INFINITY;
    for (const struct http_transfer *one = http->running; one != NULL; one = one->next)
        first = fmin(first, one->deadline);
    return first;
}

static void end_transfer(struct http *http, struct http_transfer *transfer, const char *why) {
    if (transfer->message[0] == '\0')
        snprintf(transfer->message, sizeof transfer->message, "%s", why);
    finish_transfer(http, transfer, CURLE_OPERATION_TIMEDOUT);
}

/* Ends transfers that have taken too long. First reads what has arrived: this process may have been
 * stopped, or blocked by its reader, and an answer may be a token that is issued only once. */
static void end_late(struct http *http) {
    enum { ROUNDS = 1000 };
    double now = clock_elapsed();
    if (first_deadline(http) > now)
        return;
    for (int i = 0; i < ROUNDS && http_loop_wait(&http->loop, NULL, 0, 0); i++)
        collect_finished(http);
    collect_finished(http);
    for (struct http_transfer *one = http->running, *next; one != NULL; one = next) {
        next = one->next;
        if (one->deadline <= now)
            end_transfer(http, one, "timed out");
    }
}

/* Waits until data arrives, a descriptor is readable, or time is up. */
static void wait_some(struct http *http, const int *descriptors, unsigned count, double seconds) {
    double left = first_deadline(http) - clock_elapsed();
    http_loop_wait(&http->loop, descriptors, count, fmin(seconds, left));
    collect_finished(http);
    end_late(http);
}

void http_end_calls_at(struct http *http, int descriptor, double until) {
    http->end_descriptor = descriptor;
    http->end_at = until;
}

static bool must_end(const struct http *http) {
    struct pollfd watched = {http->end_descriptor, POLLIN, 0};
    return clock_elapsed() >= http->end_at ||
           (http->end_descriptor >= 0 && poll(&watched, 1, 0) > 0);
}

void http_call(struct http *http, const struct http_request *request, struct http_answer *answer) {
    void *owner;
    struct http_transfer *transfer = http_start(http, request, NULL);
    while (!take_finished(http, transfer, &owner, answer)) {
        wait_some(http, &http->end_descriptor, http->end_descriptor >= 0,
                  http->end_at - clock_elapsed());
        if (transfer->easy != NULL && must_end(http))
            end_transfer(http, transfer, "it was not waited for");
    }
}

bool http_finished(struct http *http, void **owner, struct http_answer *answer) {
    return take_finished(http, NULL, owner, answer);
}

bool http_wait(struct http *http, const int *descriptors, unsigned count, double timeout,
               void **owner, struct http_answer *answer) {
    begin(http);
    if (take_finished(http, NULL, owner, answer))
        return true;
    wait_some(http, descriptors, count, timeout);
    return take_finished(http, NULL, owner, answer);
}
