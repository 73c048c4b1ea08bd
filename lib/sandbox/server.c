/* The sandbox's HTTP server: libmicrohttpd in one thread of its own, and the table of routes. */
#include "sandbox.h"

#include "clock.h"
#include "json.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BODY_LIMIT = 4 << 20, CONNECTION_SECONDS = 120 };

static struct MHD_Daemon *server;

/* A request while its body arrives. */
struct arrival {
    char *body;
    size_t size, room;
    bool too_large;
};

void sandbox_tell(const struct sandbox *sandbox, const char *format, ...) {
    char text[1500];
    va_list list;
    if (sandbox->quiet)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    complain(NULL, "%s", text);
}

void reply_json(struct sandbox_reply *reply, int status, jv body) {
    jv_free(reply->body);
    reply->status = status;
    reply->body = body;
}

void reply_error(struct sandbox_reply *reply, int status, const char *code, const char *text) {
    jv body = json_set_string(jv_object(), "error", code);
    reply_json(reply, status, json_set_string(body, "error_description", text));
}

bool body_is(const struct sandbox_request *request, const char *type) {
    size_t size = strlen(type);
    const char *said = request->content_type;
    return said != NULL && strncasecmp(said, type, size) == 0 &&
           (said[size] == '\0' || said[size] == ';' || said[size] == ' ');
}

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
    else if (strcmp(line, "POST /v1/chat/completions") == 0)
        model_complete(sandbox, request, reply);
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
    else
        reply_error(reply, 404, "not_found", "there is nothing at this address");
}

/* One line of --log. No secret is in it. */
static void log_request(struct sandbox *sandbox, const struct sandbox_request *request,
                        const struct sandbox_reply *reply) {
    struct error ignored;
    jv form, body;
    if (sandbox->log < 0)
        return;
    jv line = json_set(jv_object(), "at", jv_number(clock_now()));
    line = json_set_string(json_set_string(line, "method", request->method), "path", request->path);
    if (form_parse(request, &form)) {
        form = json_delete(form, "client_secret");
        line = json_set(line, "form", form);
    } else if (json_parse(request->body, request->size, &body, &ignored)) {
        line = json_set(line, "body", body);
    }
    line = json_set_string(line, "content_type", request->content_type);
    line = json_set_string(line, "idempotency_key", request->idempotency_key);
    size_t scheme = request->authorization ? strcspn(request->authorization, " ") : 0;
    if (scheme > 0)
        line =
            json_set(line, "authorization", jv_string_sized(request->authorization, (int)scheme));
    line = json_set(line, "status", jv_number(reply->drop ? 0 : reply->status));
    char *text = json_text(line), *with_newline = must_format("%s\n", text);
    if (write(sandbox->log, with_newline, strlen(with_newline)) < 0)
        complain("log", "cannot be written");
    jv_free(line);
    free(text);
    free(with_newline);
}

void sandbox_handle(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply) {
    /* A page of another site that was given our address under its own name is not let in. */
    if (request->host == NULL || (strcmp(request->host, sandbox->host) != 0 &&
                                  strncmp(request->host, "localhost:", 10) != 0)) {
        reply_error(reply, 421, "wrong_host", "this server answers to its own address only");
    } else if (!fault_due(sandbox, request->path, false, reply)) {
        route(sandbox, request, reply);
        fault_due(sandbox, request->path, true, reply);
    }
    log_request(sandbox, request, reply);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct sandbox_reply *reply) {
    char *text = reply->text != NULL ? NULL : json_text(reply->body);
    struct MHD_Response *response =
        text != NULL ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
                     : MHD_create_response_from_buffer(
                           reply->text_size, (void *)(uintptr_t)reply->text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type",
                            reply->content_type ? reply->content_type : "application/json");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (jv_get_kind(reply->headers) == JV_KIND_OBJECT) {
        jv_object_foreach(reply->headers, name, value) {
            MHD_add_response_header(response, jv_string_value(name), jv_string_value(value));
            jv_free(name);
            jv_free(value);
        }
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result receive(struct arrival *arrival, const char *data, size_t *size) {
    if (arrival->size + *size > BODY_LIMIT) {
        arrival->too_large = true;
    } else {
        if (arrival->size + *size + 1 > arrival->room) {
            arrival->room = 2 * (arrival->size + *size) + 1;
            arrival->body = must_grow(arrival->body, arrival->room);
        }
        memcpy(arrival->body + arrival->size, data, *size);
        arrival->size += *size;
        arrival->body[arrival->size] = '\0';
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *size, void **state) {
    struct sandbox *sandbox = context;
    struct arrival *arrival = *state;
    (void)version;
    if (arrival == NULL) {
        *state = must_alloc(sizeof *arrival);
        return MHD_YES;
    }
    if (*size > 0)
        return receive(arrival, data, size);
    enum MHD_ValueKind kind = MHD_HEADER_KIND;
    struct sandbox_request request = {
        .method = method,
        .path = path,
        .host = MHD_lookup_connection_value(connection, kind, "Host"),
        .authorization = MHD_lookup_connection_value(connection, kind, "Authorization"),
        .content_type = MHD_lookup_connection_value(connection, kind, "Content-Type"),
        .idempotency_key = MHD_lookup_connection_value(connection, kind, "Idempotency-Key"),
        .broker_key_id = MHD_lookup_connection_value(connection, kind, "APCA-API-KEY-ID"),
        .broker_secret_key = MHD_lookup_connection_value(connection, kind, "APCA-API-SECRET-KEY"),
        .client_order_id =
            MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "client_order_id"),
        .body = arrival->body != NULL ? arrival->body : "",
        .size = arrival->size};
    struct sandbox_reply reply = {.body = jv_invalid(), .headers = jv_object()};
    pthread_mutex_lock(&sandbox->lock);
    if (arrival->too_large)
        reply_error(&reply, 413, "too_large", "the request is larger than 4 MiB");
    else
        sandbox_handle(sandbox, &request, &reply);
    pthread_mutex_unlock(&sandbox->lock);
    enum MHD_Result result = reply.drop ? MHD_NO : send_reply(connection, &reply);
    jv_free(reply.body);
    jv_free(reply.headers);
    free(reply.made);
    return result;
}

static void on_end(void *context, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode code) {
    struct arrival *arrival = *state;
    (void)context, (void)connection, (void)code;
    if (arrival != NULL)
        free(arrival->body);
    free(arrival);
    *state = NULL;
}

bool server_start(struct sandbox *sandbox, unsigned short port, const char *certificate,
                  const char *key, struct error *error) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool tls = certificate != NULL && key != NULL;
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | (tls ? MHD_USE_TLS : 0U);
    struct MHD_OptionItem with_tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem without[] = {{MHD_OPTION_END, 0, NULL}};
    server = MHD_start_daemon(flags, port, NULL, NULL, on_request, sandbox, MHD_OPTION_SOCK_ADDR,
                              &address, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                              MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS,
                              MHD_OPTION_ARRAY, tls ? with_tls : without, MHD_OPTION_END);
    if (server == NULL)
        return fail(error, STATUS_UNAVAILABLE, "cannot listen on 127.0.0.1, port %u%s", port,
                    tls ? "; or certificate and key do not fit" : "");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
    sandbox->host = must_format("%s:%u", tls ? "localhost" : "127.0.0.1", (unsigned)info->port);
    sandbox->origin = must_format("http%s://%s", tls ? "s" : "", sandbox->host);
    sandbox->issuer = must_format("%s/", sandbox->origin);
    return true;
}

void server_stop(void) {
    if (server != NULL)
        MHD_stop_daemon(server);
    server = NULL;
}
