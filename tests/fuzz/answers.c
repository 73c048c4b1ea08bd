/* A provider's answer: header lines, an empty line, a body. It is read as the answer to a request,
 * to a poll, and as an error of a model server. */
#include "ciba/token_answer.h"
#include "document/call.h"
#include "http/headers.h"
#include "model/chat_error.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    char *text = must_format("%.*s", (int)size, (const char *)data), *body = strstr(text, "\n\n");
    struct http_answer answer = {.outcome = HTTP_ANSWERED, .status = 400};
    struct client client = {.issuer = {.url = "https://i/"}, .credentials = {.id = "c"}};
    struct error error;
    enum ciba_next next;
    bool passes;
    double interval = 5;
    jv said;
    if (body == NULL) {
        free(text);
        return 0;
    }
    *body = '\0';
    for (char *line = text; line != NULL; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        http_read_header(&answer, line, strcspn(line, "\n"));
    http_date(&answer);
    if (strlen(text) > 12)
        answer.status = strtol(text + 9, NULL, 10);
    answer.body = body + 2;
    answer.size = strlen(answer.body);
    ciba_still_pending(&client, &answer, &interval);
    jv call =
        jv_parse("{\"id\":\"c\",\"authorization\":{\"status\":\"pending\",\"auth_req_id\":\"a\"}}");
    if (answer.status != 200) /* a token would need the issuer's keys */
        call = ciba_poll_answer(&client, call, &answer, &next, &error);
    jv_free(call);
    chat_answer_body(&answer, &said, &passes, &error);
    jv_free(said);
    free(client.dpop_nonce);
    free(answer.dpop_nonce);
    free(text);
    return 0;
}
