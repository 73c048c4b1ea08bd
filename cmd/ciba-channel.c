/* ciba-channel: Keycloak's authentication channel, and the page on which users answer, as a CGI
 * program or behind inetd. */
#include "approval/audit.h"
#include "approval/audit_origin.h"
#include "channel/assistant.h"
#include "channel/question_spool.h"
#include "channel/rounds.h"
#include "channel/site.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "http/server_reply.h"
#include "http/url.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/process.h"
#include "system/settings.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SECRET_LEAST = 16 /* characters */ };

static struct {
    bool inetd, deliver;
    const char *directory, *url, *secret_file, *notify_command, *user_claim, *audience, *audit;
    struct issuer_settings issuer;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "channel-dir", "DIR", OPTION_TEXT, &options.directory,
     "the spool directory (CIBA_CHANNEL_DIR)"},
    {0, "url", "URL", OPTION_TEXT, &options.url, "the page's address (CIBA_CHANNEL_URL)"},
    {0, "request-secret-file", "FILE", OPTION_SECRET, &options.secret_file,
     "the end of the address that Keycloak posts to (CIBA_CHANNEL_SECRET)"},
    NOTIFIER_OPTION(options.notify_command),
    {0, "user-claim", "CLAIM", OPTION_TEXT, &options.user_claim,
     "the user is this claim of the proxy's token (CIBA_USER_CLAIM)"},
    {0, "audience", "API", OPTION_TEXT, &options.audience, "who that token is for (AUDIENCE)"},
    {0, "audit-file", "FILE", OPTION_TEXT, &options.audit, "log what happens (CIBA_AUDIT)"},
    {0, "deliver", NULL, OPTION_FLAG, &options.deliver,
     "deliver what is due, once, instead of answering a request"},
    {0, "inetd", NULL, OPTION_FLAG, &options.inetd, "stdin and stdout are an HTTP connection"},
    ISSUER_OPTIONS(options.issuer),
    HTTP_OPTIONS(options.issuer.http),
    CONFINE_OPTIONS(options.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-channel",
    "[--issuer URL] [--channel-dir DIR] [--url URL] [--notify-command PROG] [--inetd]\n"
    "       ciba-channel --deliver [--issuer URL] [--channel-dir DIR] [--url URL]",
    "Takes Keycloak's questions, and the users' answers.", option_table, false};

struct job {
    struct channel channel;
    struct assistant assistant;
    const struct notifier *notifier; /* for --deliver */
    bool answered;
};

/* Writes the answer, and returns the matching exit status. */
static int write_reply(const struct site_reply *reply) {
    struct error error;
    char *lines = site_header_lines(reply);
    char *head = server_reply_head(reply->status, lines, reply->page.size, options.inetd);
    bool good = output_write(head, strlen(head), &error) &&
                (reply->page.size == 0 || output_write(reply->page.text, reply->page.size, &error));
    free(lines);
    free(head);
    return good ? server_reply_exit_status(reply->status) : error.status;
}

static bool check_url(struct channel *channel, struct error *error) {
    if (channel->url == NULL)
        return fail(error, STATUS_CONFIG, "no address of the page: set CIBA_CHANNEL_URL, or --url");
    if (!http_url_allowed(channel->url, "CIBA_CHANNEL_URL", error))
        return false;
    size_t size = strlen(channel->url);
    if (channel->url[size - 1] != '/' || strpbrk(channel->url, "?#") != NULL)
        return fail(error, STATUS_CONFIG,
                    "CIBA_CHANNEL_URL must be the address of the page, with a slash at its end");
    return true;
}

static bool check_secret(struct channel *channel, struct error *error) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";
    if (!settings_secret(&channel->secret, error, options.secret_file, "CIBA_CHANNEL_SECRET", NULL))
        return false;
    if (channel->secret == NULL)
        return fail(error, STATUS_CONFIG,
                    "no secret for Keycloak's requests: set CIBA_CHANNEL_SECRET, or "
                    "--request-secret-file");
    if (strlen(channel->secret) < SECRET_LEAST ||
        strspn(channel->secret, plain) != strlen(channel->secret))
        return fail(error, STATUS_CONFIG,
                    "CIBA_CHANNEL_SECRET must have %d characters at least, and only letters, "
                    "digits, '-', '.', '_' and '~'; openssl rand -hex 32 makes one",
                    SECRET_LEAST);
    return true;
}

static bool configure_channel(struct channel *channel, struct error *error) {
    if (options.issuer.http.max_time <= 0)
        options.issuer.http.max_time = CALLBACK_SECONDS;
    if (!issuer_configure(&channel->issuer, &options.issuer, error))
        return false;
    channel->directory = settings_get(options.directory, "CIBA_CHANNEL_DIR", NULL);
    channel->url = settings_get(options.url, "CIBA_CHANNEL_URL", NULL);
    channel->notify_command = settings_get(options.notify_command, "CIBA_NOTIFY_COMMAND", NULL);
    channel->user_claim = settings_get(options.user_claim, "CIBA_USER_CLAIM", NULL);
    channel->audience = settings_get(options.audience, "AUDIENCE", NULL);
    channel->audit = settings_get(options.audit, "CIBA_AUDIT", NULL);
    if (channel->directory == NULL)
        return fail(error, STATUS_CONFIG, "no spool: set CIBA_CHANNEL_DIR, or --channel-dir");
    if (channel->user_claim != NULL && channel->audience == NULL)
        return fail(error, STATUS_CONFIG,
                    "--user-claim needs to know who the proxy's token is for: set AUDIENCE, or "
                    "--audience");
    return check_url(channel, error);
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    struct channel *channel = &job->channel;
    if (!configure_channel(channel, error) || (!options.deliver && !check_secret(channel, error)) ||
        !durable_ready(channel->directory, true, error) ||
        !question_spool_make(channel->directory, error) || !audit_origin_configure(error) ||
        (channel->audit != NULL && !audit_ready(channel->audit, error)))
        return false;
    tzset();
    confine_add(options.needs.writes, channel->directory);
    confine_add(options.needs.writes, channel->audit);
    if (options.deliver)
        return assistant_prepare(channel, &options.needs, &job->notifier, error);
    if (!assistant_start(&job->assistant, channel, &options.needs, error))
        return false;
    http_needs(channel->issuer.http, &options.needs); /* Keycloak's keys */
    return true;
}

static int answer_request(struct job *job) {
    struct server_request request = {.method = NULL};
    const struct site site = {&job->channel, &job->assistant, options.inetd};
    struct site_reply reply = {.status = 0};
    int refusal =
        options.inetd ? server_request_read_http(&request) : server_request_read_cgi(&request);
    alarm(0);
    if (refusal != 0)
        reply.status = refusal;
    else
        site_answer(&site, &request, &reply);
    int status = write_reply(&reply);
    job->answered = true;
    if (reply.go)
        assistant_go(&job->assistant, reply.first);
    server_request_free(&request);
    site_reply_free(&reply);
    if (options.inetd) { /* whoever started us may end all when we end */
        process_leave_streams(true);
        assistant_join(&job->assistant);
    }
    return status;
}

static int work(void *context) {
    struct job *job = context;
    return options.deliver ? rounds_make_all(&job->channel, job->notifier) : answer_request(job);
}

/* Answers in any case. */
static void release(void *context) {
    struct job *job = context;
    const struct site_reply failed = {.status = 500};
    if (!job->answered && !options.deliver)
        write_reply(&failed);
    issuer_free(&job->channel.issuer);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, work, release};
    struct job job = {.assistant = {-1, false}};
    options_parse_only(&command, argc, argv);
    return command_run(&parts, &job);
}
