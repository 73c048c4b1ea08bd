#include "sandbox/server.h"

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/routes.h"
#include "json/json.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_LIMIT = 4 << 20, CONNECTION_SECONDS = 120 };

static struct MHD_Daemon *server;

/* A request while its body arrives. */
struct arrival {
    char *body;
    size_t size, room;
    bool too_large;
};

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

/* Anthropic's and Google's headers. */
static const char *api_key_of(struct MHD_Connection *connection) {
    const char *key = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Api-Key");
    return key != NULL ? key
                       : MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Goog-Api-Key");
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
        .accept = MHD_lookup_connection_value(connection, kind, "Accept"),
        .accept_encoding = MHD_lookup_connection_value(connection, kind, "Accept-Encoding"),
        .dpop = MHD_lookup_connection_value(connection, kind, "DPoP"),
        .api_key = api_key_of(connection),
        .client_order_id =
            MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "client_order_id"),
        .body = arrival->body != NULL ? arrival->body : "",
        .size = arrival->size};
    struct sandbox_reply reply = {.body = jv_invalid(), .headers = jv_object()};
    pthread_mutex_lock(&sandbox->lock);
    if (arrival->too_large)
        reply_error(&reply, 413, "too_large", "the request is larger than 4 MiB");
    else
        routes_handle(sandbox, &request, &reply);
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
    if (tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return fail(error, STATUS_CONFIG,
                    "--tls-cert-file: this build's libmicrohttpd has no TLS, as in the one file of "
                    "a release");
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
