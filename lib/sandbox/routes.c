#include "sandbox/routes.h"

#include "sandbox/broker.h"
#include "sandbox/faults.h"
#include "sandbox/model.h"
#include "sandbox/phone.h"
#include "sandbox/provider.h"
#include "sandbox/request_log.h"
#include "sandbox/stock.h"
#include "sandbox/token_endpoints.h"

#include <stdio.h>
#include <string.h>

static void route(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply) {
    char line[300];
    snprintf(line, sizeof line, "%s %s", request->method, request->path);
    if (strcmp(line, "GET /.well-known/openid-configuration") == 0)
        provider_metadata(sandbox, reply);
    else if (strcmp(line, "GET /jwks") == 0)
        reply_json(reply, 200, jv_copy(sandbox->jwks));
    else if (strcmp(line, "POST /bc-authorize") == 0)
        provider_authorize(sandbox, request, reply);
    else if (strcmp(line, "POST /oauth/token") == 0)
        provider_token(sandbox, request, reply);
    else if (strcmp(line, "POST /oauth/revoke") == 0)
        token_revocation(sandbox, request, reply);
    else if (strcmp(line, "POST /oauth/introspect") == 0)
        token_introspection(sandbox, request, reply);
    else if (strcmp(line, "POST /v1/chat/completions") == 0)
        model_answer(sandbox, &model_chat, request, reply);
    else if (strcmp(line, "POST /v1/responses") == 0)
        model_answer(sandbox, &model_responses, request, reply);
    else if (strcmp(line, "POST /v1/messages") == 0)
        model_answer(sandbox, &model_messages, request, reply);
    else if (strncmp(line, "POST /v1beta/models/", 20) == 0 ||
             strncmp(line, "POST /v1/models/", 16) == 0)
        model_answer(sandbox, &model_gemini, request, reply);
    else if (strcmp(line, "GET /v1/models") == 0)
        model_list(sandbox, request, reply);
    else if (strcmp(line, "POST /stocks") == 0)
        stock_order(sandbox, request, reply);
    else if (strcmp(line, "POST /v2/orders") == 0)
        broker_order(sandbox, request, reply);
    else if (strcmp(line, "GET /v2/orders:by_client_order_id") == 0)
        broker_find(sandbox, request, reply);
    else if (strcmp(line, "GET /portfolio") == 0)
        stock_portfolio(sandbox, reply);
    else if (strcmp(line, "GET /orders") == 0)
        reply_json(reply, 200, jv_copy(sandbox->orders));
    else if (strcmp(line, "GET /") == 0)
        phone_show(sandbox, reply);
    else if (strcmp(line, "GET /phone/requests") == 0)
        phone_requests(sandbox, reply);
    else if (strcmp(line, "POST /phone/decide") == 0)
        phone_decide(sandbox, request, reply);
    else if (strcmp(line, "POST /faults") == 0)
        faults_post(sandbox, request, reply);
    else if (strcmp(line, "GET /stocks") == 0)
        reply_error(reply, 405, "method_not_allowed", "orders are posted here");
    else
        reply_error(reply, 404, "not_found", "there is nothing at this address");
}

void routes_handle(struct sandbox *sandbox, const struct sandbox_request *request,
                   struct sandbox_reply *reply) {
    /* Refuses pages of other sites that resolve their name to our address (DNS rebinding). */
    if (request->host == NULL || (strcmp(request->host, sandbox->host) != 0 &&
                                  strncmp(request->host, "localhost:", 10) != 0)) {
        reply_error(reply, 421, "wrong_host", "this server answers to its own address only");
    } else if (!fault_due(sandbox, request->path, false, reply)) {
        route(sandbox, request, reply);
        fault_due(sandbox, request->path, true, reply);
    }
    request_log(sandbox, request, reply);
}
