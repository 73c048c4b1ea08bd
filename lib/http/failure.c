#include "http/failure.h"

#include "base/status.h"
#include "http/tls.h"

#include <stdio.h>
#include <string.h>

bool http_is_transient(CURLcode code) {
    static const CURLcode transient[] = {CURLE_COULDNT_RESOLVE_HOST,
                                         CURLE_COULDNT_RESOLVE_PROXY,
                                         CURLE_COULDNT_CONNECT,
                                         CURLE_OPERATION_TIMEDOUT,
                                         CURLE_SSL_CONNECT_ERROR,
                                         CURLE_GOT_NOTHING,
                                         CURLE_SEND_ERROR,
                                         CURLE_RECV_ERROR,
                                         CURLE_PARTIAL_FILE,
                                         CURLE_SEND_FAIL_REWIND,
                                         CURLE_HTTP2,
                                         CURLE_HTTP2_STREAM};
    for (size_t i = 0; i < sizeof transient / sizeof *transient; i++)
        if (transient[i] == code)
            return true;
    return false;
}

/* A server without TLS answers in plain text, or ends the connection: which of the two arrives, is
 * chance. */
static const char *scheme_advice(CURLcode code, const char *why) {
    bool may_be_plain =
        code == CURLE_SSL_CONNECT_ERROR &&
        (strstr(why, "wrong version number") != NULL || strstr(why, "SSL_ERROR_SYSCALL") != NULL);
    return may_be_plain ? "; is it http, not https?" : "";
}

void http_explain(struct http_answer *answer, CURLcode code, const char *why, const char *host) {
    size_t size = sizeof answer->why;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        snprintf(answer->why, size, "%s: its certificate is not trusted (%s); %s", host, why,
                 http_tls_advice(why));
        break;
    case CURLE_SEND_FAIL_REWIND:
        snprintf(answer->why, size, "%s: the connection was closed without an answer", host);
        break;
    case CURLE_SSL_CERTPROBLEM:
        answer->exit_status = STATUS_CONFIG;
        snprintf(answer->why, size, "%s: --tls-cert-file or --tls-key-file cannot be used: %s",
                 host, why);
        break;
    case CURLE_SSL_CACERT_BADFILE:
        answer->exit_status = STATUS_NO_FILE;
        snprintf(
            answer->why, size,
            "the CA certificates cannot be read: %s; --tls-ca-file or SSL_CERT_FILE names them",
            why);
        break;
    default:
        snprintf(answer->why, size, "%s: %s%s", host, why, scheme_advice(code, why));
    }
}
