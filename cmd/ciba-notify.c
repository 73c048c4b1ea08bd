/* ciba-notify: the client's notification endpoint, as a CGI program or behind inetd. */
#include "config.h"
#include "confine.h"
#include "digest.h"
#include "documents.h"
#include "notification.h"
#include "options.h"
#include "spool.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static int take(const struct notification *n, const char *spool) {
    struct error error;
    if (n->method == NULL || strcmp(n->method, "POST") != 0)
        return answer(405, "Method Not Allowed");
    char *digest = token_digest(n, spool);
    if (digest == NULL)
        return answer(401, "Unauthorized");
    if (!notification_is_json(n)) {
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
    int refusal =
        given.inetd ? notification_read_http(&notification) : notification_read_cgi(&notification);
    if (refusal != 0)
        status = answer(refusal, refusal == 413   ? "Content Too Large"
                                 : refusal == 405 ? "Method Not Allowed"
                                                  : "Bad Request");
    else
        status = take(&notification, spool);
    notification_free(&notification);
    return status;
}
