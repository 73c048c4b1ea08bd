#include "http.h"

#include "clock.h"
#include "http_headers.h"
#include "http_loop.h"
#include "http_tls.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dirent.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEFAULT_MAX_TIME = 60 /* seconds */ };

struct http {
    CURLM *multi;
    struct http_loop loop;
    struct http_settings settings;
    const char *ca_file, *ca_dir;
    struct http_transfer *running, *finished; /* lists; `finished` in no order */
    char *last_url, *last_host; /* what was found to be allowed last: mostly it is asked again */
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
    size_t body_size, body_sent;
    size_t room;
    double deadline;       /* as clock_elapsed has it */
    http_receiver receive; /* NULL to keep the body */
    void *receiver;
    bool too_large, refused;
    char message[CURL_ERROR_SIZE];
};

/* A folder in which certificates stand under the hash of their subject, as c_rehash leaves it. */
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

static void choose_certificates(struct http *http) {
    static const char *const folders[] = {"/etc/ssl/certs", "/etc/pki/tls/certs",
                                          "/etc/openssl/certs"};
    if (http->ca_file != NULL || http->ca_dir != NULL)
        return;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && http->ca_dir == NULL; i++)
        if (is_hashed_directory(folders[i]))
            http->ca_dir = folders[i];
}

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
    answer->body = NULL;
}

static bool is_loopback(const char *host) {
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    /* libcurl writes an IPv4 address in any of its forms as four decimal numbers; what it leaves as
     * it is, 127.0.0.300 for one, is a name that is looked up. */
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* The host of an allowed URL; the caller frees. NULL and an error with status 78. */
static char *allowed_host(const char *url, bool *plain, struct error *error) {
    char *scheme = NULL, *host = NULL, *user = NULL, *result = NULL;
    CURLU *parts = curl_url();
    if (parts == NULL)
        out_of_memory();
    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        fail(error, STATUS_CONFIG, "'%.200s' is not a URL", url);
    } else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        fail(error, STATUS_CONFIG, "a URL on %s has a user in it; give secrets another way", host);
    } else {
        *plain = strcmp(scheme, "http") == 0;
        if (strcmp(scheme, "https") == 0 || (*plain && is_loopback(host)))
            result = must_copy(host);
        else
            fail(error, STATUS_CONFIG, "%s://%s: only https is used, or http to a loopback host",
                 scheme, host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    return result;
}

/* As allowed_host, which takes an address apart each time. The host stays ours. */
static const char *host_of(struct http *http, const char *url, struct error *error) {
    if (http->last_url == NULL || strcmp(http->last_url, url) != 0) {
        free(http->last_url);
        free(http->last_host);
        http->last_host = allowed_host(url, &http->last_plain, error);
        http->last_url = http->last_host != NULL ? must_copy(url) : NULL;
    }
    return http->last_host;
}

bool http_url_allowed(const char *url, struct error *error) {
    bool plain;
    char *host = allowed_host(url, &plain, error);
    free(host);
    return host != NULL;
}

bool http_url_is_on(const char *url, const char *host) {
    struct error ignored;
    bool plain;
    char *its = allowed_host(url, &plain, &ignored);
    if (its != NULL && its[0] != '\0' && its[strlen(its) - 1] == '.')
        its[strlen(its) - 1] = '\0';
    bool same = its != NULL && strcasecmp(its, host) == 0;
    free(its);
    return same;
}

static size_t receive_body(char *bytes, size_t one, size_t count, void *data) {
    struct http_transfer *transfer = data;
    struct http_answer *answer = &transfer->answer;
    size_t size = one * count;
    if (answer->is_stream) {
        transfer->refused = !transfer->receive(transfer->receiver, bytes, size);
        return transfer->refused ? 0 : size;
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

/* The body goes out through a function that cannot go back, since libcurl would quietly send a
 * request again when a connection that was kept dies under it: a user asked twice, an order placed
 * twice. */
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
    http_read_header(answer, line, size);
    if (size <= 2) { /* the empty line: Server-Sent Events go to the receiver, an error does not */
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
        answer->is_stream = transfer->receive != NULL && answer->status == 200 &&
                            strncasecmp(answer->content_type, "text/event-stream", 17) == 0;
    }
    return size;
}

/* How long the whole request may take is looked at by end_late. */
static void set_limits(struct http *http, CURL *easy) {
    double connect = http->settings.connect_timeout;
    HTTP_SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)((connect > 0 ? connect : 10) * 1000));
    HTTP_SET(easy, CURLOPT_NOSIGNAL, 1L);
    HTTP_SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    /* libcurl's own, 16 and 64 KiB, would be allocated and wiped for each request. Not essential:
     * it refuses on a handle whose last request has failed early, which still has its buffer. */
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    /* HTTP/2 where libcurl has it; rather one connection that carries many requests, where the
     * server can, than many. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    HTTP_SET(easy, CURLOPT_PIPEWAIT, 1L);
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
    if (is_loopback(transfer->host))
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
               request->receive != NULL ? "text/event-stream, application/json"
                                        : "application/json");
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
    unsetenv("SSLKEYLOGFILE"); /* libcurl would write down what TLS keeps secret */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (http->multi = curl_multi_init()) == NULL)
        out_of_memory();
    /* As many connections as were needed at a time are kept; libcurl would keep four for each
     * request that is under way at the moment, and make them anew for the next round of polls. */
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L << 16);
    http_loop_init(&http->loop, http->multi);
    choose_certificates(http);
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

/* What can pass: no connection, one that broke, a time that was up. Not a certificate. */
static bool is_transient(CURLcode code) {
    static const CURLcode transient[] = {CURLE_COULDNT_RESOLVE_HOST,
                                         CURLE_COULDNT_RESOLVE_PROXY,
                                         CURLE_COULDNT_CONNECT,
                                         CURLE_OPERATION_TIMEDOUT,
                                         CURLE_SSL_CONNECT_ERROR,
                                         CURLE_GOT_NOTHING,
                                         CURLE_SEND_ERROR,
                                         CURLE_RECV_ERROR,
                                         CURLE_PARTIAL_FILE,
                                         CURLE_SEND_FAIL_REWIND,
                                         CURLE_HTTP2,
                                         CURLE_HTTP2_STREAM};
    for (size_t i = 0; i < sizeof transient / sizeof *transient; i++)
        if (transient[i] == code)
            return true;
    return false;
}

static void describe_failure(struct http_transfer *transfer, CURLcode code) {
    struct http_answer *answer = &transfer->answer;
    long sent = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
    const char *why = transfer->message[0] != '\0' ? transfer->message : curl_easy_strerror(code);
    answer->outcome = sent > 0 || transfer->body_sent > 0 ? HTTP_UNKNOWN : HTTP_NOT_SENT;
    answer->exit_status = STATUS_UNAVAILABLE;
    answer->transient = is_transient(code);
    if (transfer->too_large) {
        answer->exit_status = STATUS_PROTOCOL;
        snprintf(answer->why, sizeof answer->why, "%s: the answer is larger than %d MiB",
                 transfer->host, HTTP_ANSWER_LIMIT >> 20);
    } else if (transfer->refused) {
        answer->exit_status = STATUS_PROTOCOL;
        snprintf(answer->why, sizeof answer->why, "%s: its stream was not understood",
                 transfer->host);
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        snprintf(answer->why, sizeof answer->why,
                 "%s: its certificate is not trusted (%s); --cacert or SSL_CERT_FILE names a CA",
                 transfer->host, why);
    } else if (code == CURLE_SEND_FAIL_REWIND) {
        snprintf(answer->why, sizeof answer->why, "%s: the connection was closed without an answer",
                 transfer->host);
    } else if (code == CURLE_SSL_CERTPROBLEM) {
        answer->exit_status = STATUS_CONFIG;
        snprintf(answer->why, sizeof answer->why, "%s: --cert or --key cannot be used: %s",
                 transfer->host, why);
    } else if (code == CURLE_SSL_CACERT_BADFILE) {
        answer->exit_status = STATUS_NO_FILE;
        snprintf(answer->why, sizeof answer->why, "the CA certificates cannot be read: %s", why);
    } else {
        snprintf(answer->why, sizeof answer->why, "%s: %s", transfer->host, why);
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
    remark(transfer->host, code == CURLE_OK ? "HTTP %ld, %zu bytes" : "failed", answer->status,
           answer->size);
    struct http_transfer **link = &http->running;
    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
    transfer->next = http->finished;
    http->finished = transfer;
    release_easy(http, transfer);
}

/* Takes from libcurl what is finished. */
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

/* Takes the transfer (or any, for NULL) out of the finished ones. */
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
    transfer->answer.body = NULL;
    free_transfer(transfer);
    return true;
}

/* When the first of the transfers under way has taken too long. */
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

/* Ends the transfers that have taken too long. What has arrived is read first: this process may
 * have been stopped, or have waited for who reads its output, and an answer may be a token that is
 * given once. */
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

/* Waits until something has come, a descriptor can be read, or a time is up. */
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
