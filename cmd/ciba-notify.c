/* ciba-notify: the client's notification endpoint, as a CGI program or behind inetd. */
#include "ciba/notification_request.h"
#include "ciba/notification_spool.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "http/server_reply.h"
#include "jose/digest.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/settings.h"

#include <stdlib.h>
#include <string.h>

static struct {
    bool inetd;
    const char *notification_dir, *env_file;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "notification-dir", "DIR", OPTION_TEXT, &options.notification_dir,
     "the spool directory (CIBA_NOTIFICATION_DIR)"},
    {0, "inetd", NULL, OPTION_FLAG, &options.inetd, "stdin and stdout are an HTTP connection"},
    {'e', "env-file", "FILE", OPTION_TEXT, &options.env_file, "read settings from FILE too"},
    CONFINE_OPTIONS(options.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"ciba-notify", "[--notification-dir DIR] [--inetd]",
                                       "Takes a CIBA provider's notification.", option_table,
                                       false};

/* Answers, and returns the matching exit status. */
static int answer(int status) {
    struct error error;
    char *head = server_reply_head(status, "", 0, options.inetd);
    bool good = output_write(head, strlen(head), &error);
    free(head);
    return good ? server_reply_exit_status(status) : error.status;
}

/* CIBA Core §10.2: the token sent with the request. It is looked up by its digest, so that timing
 * reveals nothing about the token. The caller frees; NULL if it is not expected. */
static char *token_digest(const struct server_request *request, const char *spool) {
    const char *token = server_request_bearer(request);
    if (token == NULL)
        return NULL;
    char *digest = digest_of(token, strlen(token));
    if (notification_spool_is_expected(spool, digest))
        return digest;
    free(digest);
    return NULL;
}

/* Stores the notification and returns the HTTP status. §10.2 names none for a token that belongs to
 * another request: the token is right, the message is not. */
static int take(const struct server_request *request, const char *spool) {
    static const int statuses[] = {[SPOOL_TAKEN] = 204,
                                   [SPOOL_NOT_EXPECTED] = 401,
                                   [SPOOL_OTHER_REQUEST] = 400,
                                   [SPOOL_FULL] = 503,
                                   [SPOOL_FAILED] = 500};
    struct error error;
    if (request->method == NULL || strcmp(request->method, "POST") != 0)
        return 405;
    char *digest = token_digest(request, spool), *auth_req_id = NULL;
    if (digest == NULL)
        return 401;
    int status = 400;
    if ((auth_req_id = notification_request(request)) != NULL)
        status = statuses[notification_spool_put(spool, digest, auth_req_id, request->body,
                                                 request->size, &error)];
    if (status == 500)
        report(NULL, "%s", error.text);
    free(auth_req_id);
    free(digest);
    return status;
}

struct job {
    const char *notification_dir;
    bool answered;
};

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    if (!settings_load(options.env_file, error))
        return false;
    job->notification_dir = settings_get(options.notification_dir, "CIBA_NOTIFICATION_DIR", NULL);
    if (job->notification_dir == NULL)
        return fail(error, STATUS_CONFIG,
                    "no spool: set CIBA_NOTIFICATION_DIR, or --notification-dir");
    options.needs.times = true;
    confine_add(options.needs.writes, job->notification_dir);
    return durable_ready(job->notification_dir, true, error);
}

static int answer_request(void *context) {
    struct job *job = context;
    struct server_request request = {.method = NULL};
    int refusal =
        options.inetd ? server_request_read_http(&request) : server_request_read_cgi(&request);
    int status = answer(refusal != 0 ? refusal : take(&request, job->notification_dir));
    job->answered = true;
    server_request_free(&request);
    return status;
}

/* Answers the provider in any case. */
static void release(void *context) {
    if (!((struct job *)context)->answered)
        answer(500);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, answer_request, release};
    struct job job = {.answered = false};
    options_parse_only(&command, argc, argv);
    return command_run(&parts, &job);
}
