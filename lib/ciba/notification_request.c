#include "ciba/notification_request.h"

#include "json/json.h"

char *notification_request(const struct server_request *request) {
    struct error ignored;
    jv body;
    if (!server_request_is(request, "application/json") ||
        !json_parse(request->body, request->size, &body, &ignored))
        return NULL;
    const char *named = json_string(body, "auth_req_id");
    char *auth_req_id = named != NULL ? must_copy(named) : NULL;
    jv_free(body);
    return auth_req_id;
}
