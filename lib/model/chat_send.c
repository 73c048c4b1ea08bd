#include "model/chat_send.h"

#include "http/sse.h"
#include "model/chat_error.h"
#include "json/json.h"

#include <stdlib.h>

static bool take_event(void *context, const char *name, const char *data, size_t size) {
    struct chat_stream *stream = context;
    return chat_api_take(stream, name, data, size);
}

static bool take_bytes(void *receiver, const char *bytes, size_t size) {
    return sse_push(receiver, bytes, size);
}

/* Reads the assembled answer of a stream. */
static bool end_stream(struct sse *events, struct chat_stream *stream,
                       const struct http_answer *answer, struct chat_outcome *outcome,
                       struct error *error) {
    bool whole = sse_end(events);
    if (stream->refused.status != STATUS_DONE) {
        *error = stream->refused;
        return false;
    }
    if (answer->outcome != HTTP_ANSWERED) {
        outcome->passes = answer->transient && !answer->began;
        return fail(error, answer->exit_status, "%s", answer->why);
    }
    if (jv_is_valid(stream->failure)) {
        chat_stream_error(stream->failure, answer->request_id, &outcome->passes, error);
        return false;
    }
    if (!whole || !stream->finished)
        return fail(error, STATUS_UNAVAILABLE,
                    "the model's stream broke off before its end; try again");
    outcome->answer = jv_copy(stream->body);
    return true;
}

bool chat_send(const struct chat_sending *sending, struct chat_outcome *outcome,
               struct error *error) {
    struct chat_stream stream = {.api = sending->api,
                                 .body = jv_object(),
                                 .failure = jv_invalid(),
                                 .show = sending->show,
                                 .context = sending->context};
    struct sse events = {.take = take_event, .context = &stream};
    char *text = json_text(sending->body);
    struct http_request request = {.method = "POST",
                                   .url = sending->url,
                                   .body = text,
                                   .content_type = "application/json",
                                   .headers = {sending->key_header, sending->api->extra_header},
                                   .max_time = sending->max_time,
                                   .receive = sending->stream ? take_bytes : NULL,
                                   .receiver = &events};
    struct http_answer answer;
    bool good;
    *outcome = (struct chat_outcome){.answer = jv_invalid(), .failure = jv_invalid(), .wait = -1};
    http_call(sending->http, &request, &answer);
    if (answer.is_stream) {
        good = end_stream(&events, &stream, &answer, outcome, error);
    } else {
        jv body;
        sse_end(&events);
        good = chat_answer_body(&answer, &body, &outcome->passes, error);
        *(good ? &outcome->answer : &outcome->failure) = body;
    }
    outcome->status = answer.outcome == HTTP_ANSWERED ? answer.status : 0;
    outcome->wait = answer.retry_after > 0 ? answer.retry_after : answer.rate_reset;
    outcome->shown = stream.shown;
    jv_free(stream.body);
    jv_free(stream.failure);
    http_answer_free(&answer);
    free(text);
    return good;
}
