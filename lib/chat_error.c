#include "chat_error.h"

#include "json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One row says what a status means, unless the error's code or type says it better. */
static const struct meaning {
    long http;
    const char *code;
    int status;
    const char *advice;
} meanings[] = {
    {0, "context_length_exceeded", STATUS_INPUT, "shorten the conversation"},
    {0, "insufficient_quota", STATUS_REFUSED, "the account has no credit left"},
    {0, "content_filter", STATUS_REFUSED, "the provider's content filter; change the prompt"},
    {0, "invalid_api_key", STATUS_REFUSED, "check OPENAI_API_KEY"},
    {0, "model_not_found", STATUS_CONFIG, "check -m or OPENAI_MODEL"},
    {400, NULL, STATUS_PROTOCOL, "the server does not accept the request"},
    {401, NULL, STATUS_REFUSED, "check OPENAI_API_KEY"},
    {402, NULL, STATUS_REFUSED, "the account has no credit left"},
    {403, NULL, STATUS_REFUSED, "the key may not do this"},
    {404, NULL, STATUS_CONFIG, "check the model (-m, OPENAI_MODEL) and OPENAI_BASE_URL"},
    {408, NULL, STATUS_UNAVAILABLE, "try again"},
    {413, NULL, STATUS_INPUT, "shorten the conversation"},
    {429, NULL, STATUS_UNAVAILABLE, "too many requests; try again later"},
};

static const struct meaning *find_meaning(long http, const char *code) {
    static const struct meaning busy = {0, NULL, STATUS_UNAVAILABLE, "try again later"};
    static const struct meaning broken = {0, NULL, STATUS_PROTOCOL, "is OPENAI_BASE_URL right?"};
    size_t count = sizeof meanings / sizeof *meanings;
    for (size_t i = 0; i < count; i++)
        if (code != NULL && meanings[i].code != NULL && strcmp(meanings[i].code, code) == 0)
            return &meanings[i];
    for (size_t i = 0; i < count; i++)
        if (meanings[i].http == http)
            return &meanings[i];
    return http >= 500 ? &busy : &broken;
}

/* The server's own words: {"error":{"message"}}, {"error":"text"}, {"message"}, {"detail"}. */
static void find_words(jv body, char *words, size_t size, char *code, size_t code_size) {
    jv error = json_get(body, "error");
    const char *found = json_string(error, "message");
    const char *its_code = json_string(error, "code");
    if (found == NULL)
        found = json_value_string(error);
    if (found == NULL)
        found = json_string(body, "message");
    if (found == NULL)
        found = json_string(body, "detail");
    if (its_code == NULL)
        its_code = json_string(error, "type");
    snprintf(words, size, "%s", found != NULL ? found : "");
    snprintf(code, code_size, "%s", its_code != NULL ? its_code : "");
    jv_free(error);
}

bool chat_answer_body(const struct http_answer *answer, jv *body, struct error *error) {
    char words[400], code[60];
    struct error why = {STATUS_DONE, ""};
    *body = jv_invalid();
    if (answer->outcome != HTTP_ANSWERED)
        return fail(error, answer->exit_status, "%s", answer->why);
    bool parsed = json_parse(answer->body, answer->size, body, &why);
    if (answer->status == 200 && parsed && !json_has(*body, "error") &&
        jv_get_kind(*body) == JV_KIND_OBJECT)
        return true;
    find_words(*body, words, sizeof words, code, sizeof code);
    jv_free(*body);
    *body = jv_invalid();
    const struct meaning *meaning = find_meaning(answer->status, code);
    const char *shape = parsed ? "" : " (its answer is not JSON: ";
    return fail(error, meaning->status, "the model's server says HTTP %ld %s%s%s%s%s%s%s%s; %s",
                answer->status, answer->reason, *words ? ": " : "", words, shape,
                parsed ? "" : why.text, parsed ? "" : ")",
                answer->request_id[0] ? ", request " : "", answer->request_id, meaning->advice);
}
