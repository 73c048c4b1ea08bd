#include "sandbox/ping.h"

#include "http/http.h"
#include "sandbox/approvals.h"
#include "json/json.h"

#include <stdlib.h>

static struct http *http;

/* The oldest request whose decision has not been sent. */
static struct approval *next_to_tell(struct sandbox *sandbox) {
    struct approval *found = NULL;
    for (struct approval *approval = sandbox->approvals; approval; approval = approval->next) {
        approval_refresh(sandbox, approval);
        if (approval->state != WAITING && !approval->notified &&
            json_has(approval->asked, "client_notification_token"))
            found = approval;
    }
    if (found != NULL)
        found->notified = true;
    return found;
}

void ping_send(struct sandbox *sandbox) {
    struct http_settings settings = {.max_time = 5};
    struct approval *approval;
    if (sandbox->notify_url == NULL)
        return;
    if (http == NULL)
        http = http_new(&settings, NULL, NULL);
    for (;;) {
        pthread_mutex_lock(&sandbox->lock);
        approval = next_to_tell(sandbox);
        pthread_mutex_unlock(&sandbox->lock);
        if (approval == NULL)
            return;
        /* An approval is never freed while the sandbox runs, and these members do not change. */
        jv body = json_set_string(jv_object(), "auth_req_id", approval->auth_req_id);
        char *text = json_text(body);
        struct http_request request = {
            .method = "POST",
            .url = sandbox->notify_url,
            .body = text,
            .content_type = "application/json",
            .bearer = json_string(approval->asked, "client_notification_token")};
        struct http_answer answer;
        http_call(http, &request, &answer);
        if (answer.outcome != HTTP_ANSWERED)
            sandbox_tell(sandbox, "the notification failed: %s", answer.why);
        else
            sandbox_tell(sandbox, "notifies the client: HTTP %ld", answer.status);
        http_answer_free(&answer);
        jv_free(body);
        free(text);
    }
}

void ping_stop(void) {
    http_free(http);
    http = NULL;
}
