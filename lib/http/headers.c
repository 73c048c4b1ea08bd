#include "http/headers.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/redact.h"
#include "http/challenge.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static void keep_trimmed(char *to, size_t room, const char *from, size_t size) {
    while (size > 0 && isspace((unsigned char)*from))
        from++, size--;
    while (size > 0 && isspace((unsigned char)from[size - 1]))
        size--;
    size = size < room ? size : room - 1;
    memcpy(to, from, size);
    to[size] = '\0';
}

static void keep(char *to, size_t room, const char *value) {
    keep_trimmed(to, room, value, strlen(value));
}

/* Seconds, or an HTTP date. -1 if it is neither. */
static double parse_retry_after(const char *value) {
    char *end;
    double seconds = strtod(value, &end);
    if (end != value && *end == '\0')
        return seconds >= 0 && seconds < 1e6 ? seconds : -1;
    time_t date = curl_getdate(value, NULL), now = time(NULL);
    if (date == -1)
        return -1;
    return date > now ? (double)(date - now) : 0;
}

/* "1s", "6m0s", "20ms", "1h2m3.5s", or plain seconds: durations as model servers write them. -1 for
 * anything else. */
static double parse_span(const char *value) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ms", 0.001}, {"h", 3600}, {"m", 60}, {"s", 1}, {"", 1}};
    double total = 0;
    if (*value == '\0')
        return -1;
    while (*value != '\0') {
        char *end;
        double amount = strtod(value, &end);
        size_t unit = 0, count = sizeof units / sizeof *units;
        while (unit < count && strncmp(end, units[unit].unit, strlen(units[unit].unit)) != 0)
            unit++;
        if (end == value || !(amount >= 0) || (units[unit].unit[0] == '\0' && *end != '\0'))
            return -1;
        total += amount * units[unit].seconds;
        value = end + strlen(units[unit].unit);
    }
    return total < 1e6 ? total : -1;
}

static void read_retry_after(struct http_answer *answer, const char *value) {
    if (!answer->retry_in_ms)
        answer->retry_after = parse_retry_after(value);
}

static void read_retry_after_ms(struct http_answer *answer, const char *value) {
    char *end;
    double milliseconds = strtod(value, &end);
    if (end != value && *end == '\0' && milliseconds >= 0 && milliseconds < 1e9) {
        answer->retry_after = milliseconds / 1000;
        answer->retry_in_ms = true;
    }
}

static void read_rate_reset(struct http_answer *answer, const char *value) {
    double seconds = parse_span(value);
    if (seconds > answer->rate_reset)
        answer->rate_reset = seconds;
}

static void read_should_retry(struct http_answer *answer, const char *value) {
    answer->should_retry = strcmp(value, "true") == 0 ? 1 : strcmp(value, "false") == 0 ? 0 : -1;
}

static void read_date(struct http_answer *answer, const char *value) {
    keep(answer->date, sizeof answer->date, value);
}

double http_date(const struct http_answer *answer) {
    return answer->date[0] == '\0' ? -1 : (double)curl_getdate(answer->date, NULL);
}

static void read_request_id(struct http_answer *answer, const char *value) {
    keep(answer->request_id, sizeof answer->request_id, value);
}

static void read_content_type(struct http_answer *answer, const char *value) {
    keep(answer->content_type, sizeof answer->content_type, value);
}

static void read_dpop_nonce(struct http_answer *answer, const char *value) {
    free(answer->dpop_nonce);
    answer->dpop_nonce = *value != '\0' ? must_copy(value) : NULL;
}

static void read_challenge(struct http_answer *answer, const char *value) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                " -._~:/?#[]@!$&()*+,;=%";
    char error[40], acr_values[sizeof answer->acr_values];
    answer->needs_dpop_nonce |= strstr(value, "use_dpop_nonce") != NULL;
    if (!challenge_parameter(value, "error", error, sizeof error))
        return;
    answer->refuses_token |= strcmp(error, "invalid_token") == 0;
    if (strcmp(error, "insufficient_user_authentication") != 0)
        return;
    answer->needs_user = true;
    if (challenge_parameter(value, "acr_values", acr_values, sizeof acr_values) &&
        acr_values[strspn(acr_values, plain)] == '\0')
        keep(answer->acr_values, sizeof answer->acr_values, acr_values);
}

static const struct {
    const char *name;
    void (*read)(struct http_answer *answer, const char *value);
} headers[] = {
    {"retry-after:", read_retry_after},
    {"retry-after-ms:", read_retry_after_ms},
    {"x-ratelimit-reset-requests:", read_rate_reset},
    {"x-ratelimit-reset-tokens:", read_rate_reset},
    {"x-should-retry:", read_should_retry},
    {"date:", read_date},
    {"content-type:", read_content_type},
    {"dpop-nonce:", read_dpop_nonce},
    {"www-authenticate:", read_challenge},
    {"x-request-id:", read_request_id},
    {"request-id:", read_request_id},     /* Anthropic */
    {"apim-request-id:", read_request_id} /* Azure */
};

void http_read_header(struct http_answer *answer, const char *line, size_t size) {
    if (size > 9 && strncmp(line, "HTTP/", 5) == 0) {
        /* The status line of this or of an interim answer: "HTTP/1.1 200 OK" */
        const char *space = memchr(line, ' ', size);
        size_t before = space != NULL ? (size_t)(space - line) + 4 : size;
        answer->retry_after = answer->rate_reset = -1;
        answer->date[0] = '\0';
        answer->should_retry = -1;
        answer->retry_in_ms = false;
        answer->began = true;
        answer->received_at = clock_now();
        answer->reason[0] = '\0';
        if (before < size) {
            char *reason = must_format("%.*s", (int)(size - before), line + before);
            redact_text(reason); /* before it is cut, because part of a secret would not be found */
            keep_trimmed(answer->reason, sizeof answer->reason, reason, strlen(reason));
            free(reason);
        }
        return;
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        size_t name = strlen(headers[i].name);
        if (size > name && tolower((unsigned char)line[0]) == headers[i].name[0] &&
            strncasecmp(line, headers[i].name, name) == 0) {
            char *value = must_alloc(size - name + 1);
            keep_trimmed(value, size - name + 1, line + name, size - name);
            headers[i].read(answer, value);
            free(value);
        }
    }
}

/* RFC 9110 §15 reason phrases of the statuses that APIs send. */
const char *http_standard_reason(long status) {
    static const struct {
        long status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {402, "Payment Required"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {409, "Conflict"},
                   {422, "Unprocessable Content"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}
