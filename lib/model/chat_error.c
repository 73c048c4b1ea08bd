#include "model/chat_error.h"

#include "base/redact.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What errors mean; the first row that matches counts: by code or type, by words in the message, or
 * by status. `passes`: a retry may help. */
static const struct meaning {
    long http; /* 0 for any */
    const char *code, *words;
    int status;
    bool passes;
    const char *advice;
} meanings[] = {
    {0, "insufficient_quota", NULL, STATUS_REFUSED, false, "the account has no credit left"},
    {0, "context_length_exceeded", NULL, STATUS_INPUT, false, "shorten the conversation"},
    {0, "exceed_context_size_error", NULL, STATUS_INPUT, false, "shorten the conversation"},
    {0, "content_filter", NULL, STATUS_REFUSED, false,
     "the provider's content filter; change the prompt"},
    {0, "invalid_api_key", NULL, STATUS_REFUSED, false, "check the API key"},
    {0, "authentication_error", NULL, STATUS_REFUSED, false, "check the API key"},
    {0, "permission_error", NULL, STATUS_REFUSED, false, "the key may not do this"},
    {0, "billing_error", NULL, STATUS_REFUSED, false, "the account has no credit left"},
    {0, "model_not_found", NULL, STATUS_CONFIG, false, "check --model or its setting"},
    {0, "DeploymentNotFound", NULL, STATUS_CONFIG, false,
     "check the deployment (--model) and AZURE_OPENAI_ENDPOINT"},
    {0, "tool_use_failed", NULL, STATUS_PROTOCOL, true, "the model made no sound tool call"},
    {0, "overloaded_error", NULL, STATUS_UNAVAILABLE, true, "the server is overloaded"},
    {0, "rate_limit_error", NULL, STATUS_UNAVAILABLE, true, "too many requests; try again later"},
    {0, "rate_limit_exceeded", NULL, STATUS_UNAVAILABLE, true,
     "too many requests; try again later"},
    {0, "api_error", NULL, STATUS_UNAVAILABLE, true, "try again later"},
    {0, "server_error", NULL, STATUS_UNAVAILABLE, true, "try again later"},
    {0, "timeout_error", NULL, STATUS_UNAVAILABLE, true, "try again later"},
    {0, NULL, "v1/responses", STATUS_CONFIG, false, "ask with --api responses, or --api auto"},
    {0, NULL, "does not support tools", STATUS_CONFIG, false,
     "this model takes no tools; ask another, or give no --tools-file"},
    {0, NULL, "maximum context", STATUS_INPUT, false, "shorten the conversation"},
    {0, NULL, "context length", STATUS_INPUT, false, "shorten the conversation"},
    {0, NULL, "context size", STATUS_INPUT, false, "shorten the conversation"},
    {0, NULL, "prompt is too long", STATUS_INPUT, false, "shorten the conversation"},
    {0, NULL, "Invalid model name", STATUS_CONFIG, false, "check --model or its setting"},
    {0, NULL, "No connected db", STATUS_REFUSED, false,
     "check the API key; without a database litellm's proxy knows its master key alone"},
    {0, NULL, "credit balance", STATUS_REFUSED, false, "the account has no credit left"},
    {503, NULL, "loading model", STATUS_UNAVAILABLE, true, "the server is loading the model; wait"},
    {404, NULL, "try pulling it", STATUS_CONFIG, false, "the server does not have this model"},
    {400, NULL, NULL, STATUS_PROTOCOL, false, "the server does not accept the request"},
    {401, NULL, NULL, STATUS_REFUSED, false, "check the API key"},
    {402, NULL, NULL, STATUS_REFUSED, false, "the account has no credit left"},
    {403, NULL, NULL, STATUS_REFUSED, false, "the key may not do this"},
    {404, NULL, NULL, STATUS_CONFIG, false, "check the model and the address of the server"},
    {408, NULL, NULL, STATUS_UNAVAILABLE, true, "try again"},
    {409, NULL, NULL, STATUS_UNAVAILABLE, true, "try again"},
    {413, NULL, NULL, STATUS_INPUT, false, "shorten the conversation"},
    {422, NULL, NULL, STATUS_PROTOCOL, false, "the server does not accept the request"},
    {425, NULL, NULL, STATUS_UNAVAILABLE, true, "try again"},
    {498, NULL, NULL, STATUS_UNAVAILABLE, true, "the server has no capacity left; try again later"},
    {429, NULL, NULL, STATUS_UNAVAILABLE, true, "too many requests; try again later"},
};

/* Whether one text contains the other, ignoring case. */
static bool contains(const char *text, const char *words) {
    size_t size = strlen(words);
    for (; *text != '\0'; text++)
        if (strncasecmp(text, words, size) == 0)
            return true;
    return false;
}

static const struct meaning *find_meaning(long http, const char *code, const char *words) {
    static const struct meaning busy = {0, NULL, NULL, STATUS_UNAVAILABLE, true, "try again later"};
    static const struct meaning broken = {
        0, NULL, NULL, STATUS_PROTOCOL, false, "is the server's address right?"};
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        const struct meaning *row = &meanings[i];
        if ((row->http == 0 || row->http == http) &&
            (row->code == NULL || strcmp(row->code, code) == 0) &&
            (row->words == NULL || contains(words, row->words)))
            return row;
    }
    return http >= 500 ? &busy : &broken;
}

/* The server's own message and code, in any of these shapes: {"error":{"message","code","type",
 * "innererror"}}, {"error":"text"}, {"message"}, {"detail"}, {"errors":[…]}, an array of these;
 * {"detail":[{"msg"}]}. */
struct named_error {
    char words[400], code[60];
};

static void take_code(struct named_error *named, jv error) {
    static const char *const names[] = {"code", "type"};
    jv inner = json_get(error, "innererror");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *code = json_string(error, names[i]);
        /* Types that add nothing to a status do not replace it. */
        if (named->code[0] == '\0' && code != NULL && strcmp(code, "invalid_request_error") != 0 &&
            strcmp(code, "error") != 0)
            snprintf(named->code, sizeof named->code, "%.59s", code);
    }
    if (json_is(inner, "code", "ResponsibleAIPolicyViolation"))
        snprintf(named->code, sizeof named->code, "content_filter");
    jv_free(inner);
}

/* Secrets are replaced before the text is cut, because part of one would not be found. */
static void take_words(struct named_error *named, const char *words) {
    char *text = must_copy(words);
    redact_text(text);
    snprintf(named->words, sizeof named->words, "%.399s", text);
    free(text);
}

static void find_words(jv body, struct named_error *named) {
    static const char *const places[] = {"message", "detail", "error", "msg"};
    jv error = json_get(body, "error"), errors = json_get(body, "errors");
    jv detail = json_get(body, "detail");
    jv list = jv_copy(jv_get_kind(body) == JV_KIND_ARRAY     ? body
                      : jv_get_kind(detail) == JV_KIND_ARRAY ? detail
                                                             : errors);
    if (jv_get_kind(list) == JV_KIND_ARRAY && jv_array_length(jv_copy(list)) > 0) {
        jv first = jv_array_get(jv_copy(list), 0);
        find_words(first, named);
        jv_free(first);
    }
    if (jv_get_kind(error) == JV_KIND_OBJECT) {
        const char *words = json_string(error, "message");
        take_words(named, words != NULL ? words : "");
        take_code(named, error);
    } else {
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            if (named->words[0] == '\0' && json_string(body, places[i]) != NULL)
                take_words(named, json_string(body, places[i]));
        take_code(named, body);
    }
    jv_free(list);
    jv_free(detail);
    jv_free(error);
    jv_free(errors);
}

bool chat_answer_body(const struct http_answer *answer, jv *body, bool *passes,
                      struct error *error) {
    struct named_error named = {"", ""};
    struct error why = {STATUS_DONE, ""};
    *body = jv_invalid();
    *passes = answer->transient && !answer->began;
    if (answer->outcome != HTTP_ANSWERED)
        return fail(error, answer->exit_status, "%s", answer->why);
    bool parsed = json_parse(answer->body, answer->size, body, &why);
    if (answer->status == 200 && parsed && !json_has(*body, "error") &&
        jv_get_kind(*body) == JV_KIND_OBJECT)
        return true;
    find_words(*body, &named);
    const struct meaning *meaning = find_meaning(answer->status, named.code, named.words);
    *passes = answer->should_retry == 1 || (meaning->passes && answer->should_retry != 0);
    const char *shape = parsed ? "" : " (its answer is not JSON: ";
    return fail(error, meaning->status, "the server answers HTTP %ld %s%s%s%s%s%s%s%s; %s",
                answer->status, answer->reason, *named.words ? ": " : "", named.words, shape,
                parsed ? "" : why.text, parsed ? "" : ")",
                answer->request_id[0] ? ", request " : "", answer->request_id, meaning->advice);
}

void chat_stream_error(jv failure, const char *request_id, bool *passes, struct error *error) {
    struct named_error named = {"", ""};
    find_words(failure, &named);
    const struct meaning *meaning = find_meaning(500, named.code, named.words);
    *passes = meaning->passes;
    fail(error, meaning->status, "the server says in its stream: %s%s%s%s%s; %s", named.code,
         *named.code && *named.words ? ": " : "", named.words, request_id[0] ? ", request " : "",
         request_id, meaning->advice);
}
