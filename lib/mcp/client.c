#include "mcp/client.h"

#include "base/clock.h"
#include "base/program_name.h"
#include "mcp/message.h"
#include "json/json.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PROBE_SECONDS = 5, /* then the server is taken for one that does not know server/discover */
    ANSWER_SECONDS = 60,
    PAGES_LIMIT = 1000,
    TOOLS_LIMIT = 10000,
    OUT_LIMIT = 1 << 20, /* bytes of answers that the server asks for and does not read */
    ODDITIES_REPORTED = 5,
    PROBE = 1 /* the id of server/discover */
};

/* JSON-RPC's error code of a server that knows requests without initialize, but another revision of
 * that kind. */
enum { UNSUPPORTED_VERSION = -32022 };

static const char newest[] = "2026-07-28";
static const char *const with_initialize[] = {"2025-11-25", "2025-06-18", "2025-03-26",
                                              "2024-11-05"};

bool mcp_client_start(struct mcp_client *client, char *const *argv, const struct program_file *file,
                      size_t limit, struct error *error) {
    *client = (struct mcp_client){.name = argv[0], .limit = limit};
    client->answer = client->discovered = jv_invalid();
    if (!mcp_server_prepare(&client->spare, argv, file, error))
        return false;
    if (mcp_server_start(&client->server, argv, file, error))
        return true;
    mcp_server_end(&client->spare);
    return false;
}

void mcp_client_end(struct mcp_client *client) {
    mcp_server_end(&client->server);
    mcp_server_end(&client->spare);
    lines_free(&client->lines);
    free(client->out.text);
    jv_free(client->answer);
    jv_free(client->discovered);
}

/* Nothing more is sent to the server, and nothing read. */
static void give_up(struct mcp_client *client, int status, const char *why) {
    if (!client->has_ended)
        fail(&client->why, status, "%s: %s", client->name, why);
    client->has_ended = true;
}

/* Sending */

/* Adds a line. `id` is its JSON text, NULL for a notification; `kind` is how its content is called.
 * False and an error if an IEEE 754 double cannot hold one of its numbers. Takes the content. */
static bool add_message(struct mcp_client *client, const char *id, const char *method,
                        const char *kind, jv content, struct error *error) {
    char *text = json_canonical(content, error);
    jv_free(content);
    if (text == NULL)
        return false;
    char *name = method != NULL ? must_format(",\"method\":\"%s\"", method) : must_copy("");
    char *line = must_format("{\"jsonrpc\":\"2.0\"%s%s%s,\"%s\":%s}\n",
                             id != NULL ? ",\"id\":" : "", id != NULL ? id : "", name, kind, text);
    text_add_string(&client->out, line);
    free(text);
    free(name);
    free(line);
    return true;
}

static void notify(struct mcp_client *client, const char *method, jv params) {
    struct error ignored;
    add_message(client, NULL, method, "params", params, &ignored);
}

/* The answer to a request of the server. It may send none when there is no initialize. */
static void answer_request(struct mcp_client *client, jv request) {
    struct error ignored;
    jv id = json_get(request, "id");
    char *text = json_text(id);
    bool is_ping = json_is(request, "method", "ping");
    jv content = jv_object();
    if (!is_ping)
        content = json_set_string(json_set(content, "code", jv_number(MCP_METHOD_NOT_FOUND)),
                                  "message", "Method not found");
    add_message(client, text, NULL, is_ping ? "result" : "error", content, &ignored);
    free(text);
    jv_free(id);
    if (client->out.size - client->written > OUT_LIMIT)
        give_up(client, STATUS_PROTOCOL, "it sends requests, and does not read the answers");
}

static void write_some(struct mcp_client *client) {
    size_t left = client->out.size - client->written;
    ssize_t put = write(client->server.input, client->out.text + client->written, left);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        client->is_closed = true;
    if (put <= 0)
        return;
    client->written += (size_t)put;
    client->request_left -= (size_t)put < client->request_left ? (size_t)put : client->request_left;
    if (client->written == client->out.size)
        client->written = client->out.size = 0;
}

/* Receiving */

/* Some servers print words for people where only messages may stand. */
static void report_oddity(struct mcp_client *client, struct json_span line) {
    int size = line.size > 100 ? 100 : (int)line.size - 1;
    if (client->oddities++ < ODDITIES_REPORTED)
        report(client->name, "it printed a line that is no message, which is ignored: %.*s", size,
               line.text);
}

/* What cannot be read may be the answer, unless that was there before. */
static void be_unreadable(struct mcp_client *client, const char *why) {
    if (client->is_unreadable || jv_is_valid(client->answer))
        return;
    client->is_unreadable = true;
    fail(&client->why, STATUS_PROTOCOL, "%s: its answer cannot be read: %s", client->name, why);
}

static void take_message(struct mcp_client *client, jv message) {
    double id = 0;
    bool has_id = json_number(message, "id", &id);
    bool is_answer = has_id && id == (double)client->request && !json_names(message, "method");
    if (!json_is(message, "jsonrpc", "2.0")) {
        if (is_answer)
            be_unreadable(client, "it is not JSON-RPC 2.0");
    } else if (json_names(message, "method")) {
        if (json_has(message, "id") && !client->is_stateless)
            answer_request(client, message);
    } else if (is_answer) {
        if (jv_is_valid(client->answer) || client->is_unreadable) /* the first one counts */
            return;
        jv_free(client->answer);
        client->answer = jv_copy(message);
    } else if (has_id && id == PROBE) {
        jv_free(client->discovered);
        client->discovered = json_get(message, "result");
    } else if (!json_has(message, "id") && json_has(message, "error")) {
        be_unreadable(client, "it is an error, and does not say of which request");
    }
}

/* Whether a line that is not JSON was meant as a message: some servers print JavaScript's objects.
 */
static bool is_meant(struct json_span line) {
    static const char member[] = "\"jsonrpc\"";
    for (size_t i = 0; i + sizeof member <= line.size; i++)
        if (memcmp(line.text + i, member, sizeof member - 1) == 0)
            return true;
    return false;
}

/* Whether a line that libjq would change, or that has a member twice, is clearly not the answer. */
static bool is_another(const struct mcp_client *client, struct json_span line) {
    struct json_span value;
    struct error ignored;
    if (!json_span(line.text, line.size, &value, &ignored) || !json_span_is_object(value))
        return false;
    char *method = json_span_string(json_span_member(value, "method"));
    struct json_span id = json_span_member(value, "id");
    char *ours = must_format("%ld", client->request);
    char *key = id.text != NULL ? mcp_id_key(id) : NULL;
    bool another = method != NULL || (key != NULL && strcmp(key, ours) != 0);
    free(key);
    free(ours);
    free(method);
    return another;
}

static void take_line(struct mcp_client *client, struct json_span line) {
    struct error why;
    jv value;
    if (mcp_line_is_blank(line))
        return;
    if (json_parse(line.text, line.size, &value, &why)) {
        if (jv_get_kind(value) != JV_KIND_ARRAY)
            take_message(client, value);
        else /* a batch: 2025-03-26 */
            jv_array_foreach(value, i, message) {
                take_message(client, message);
                jv_free(message);
            }
        jv_free(value);
    } else if (is_meant(line) && !is_another(client, line)) {
        be_unreadable(client, why.text);
    } else {
        report_oddity(client, line);
    }
}

static void read_some(struct mcp_client *client) {
    struct json_span line;
    ssize_t got = lines_read(&client->lines, client->server.output);
    if (got == 0)
        give_up(client, STATUS_UNAVAILABLE, "the server has ended");
    else if (got < 0 && errno != EAGAIN && errno != EINTR)
        give_up(client, STATUS_UNAVAILABLE, strerror(errno));
    while (!client->has_ended && lines_next(&client->lines, &line)) {
        if (line.size > client->limit)
            give_up(client, STATUS_PROTOCOL, "a line of the server is too long");
        else
            take_line(client, line);
    }
    if (lines_rest(&client->lines).size > client->limit)
        give_up(client, STATUS_PROTOCOL, "a line of the server is too long");
}

/* Writes and reads what is possible, and waits for that, at most so many seconds; a negative number
 * for no limit. */
static void exchange(struct mcp_client *client, double seconds) {
    bool writes = client->written < client->out.size && !client->is_closed;
    struct pollfd watched[3] = {{client->server.output, POLLIN, 0},
                                {writes ? client->server.input : -1, POLLOUT, 0},
                                {client->server.keeper, POLLIN, 0}};
    int wait = seconds < 0 ? -1 : seconds > 3600 ? 3600000 : (int)(seconds * 1000) + 1;
    if (poll(watched, 3, seconds == 0 ? 0 : wait) <= 0)
        return;
    if (watched[1].revents != 0)
        write_some(client);
    if (watched[0].revents != 0)
        read_some(client);
    else if (watched[2].revents != 0) /* what it left behind may have its output still */
        give_up(client, STATUS_UNAVAILABLE, "the server has ended");
}

/* Requests */

static jv client_info(void) {
    return json_set_string(json_set_string(jv_object(), "name", program_name()), "version",
                           VERSION);
}

/* The params of a request of 2026-07-28. Takes them. Base Protocol, _meta. */
static jv with_meta(jv params) {
    jv meta = json_set_string(jv_object(), "io.modelcontextprotocol/protocolVersion", newest);
    meta = json_set(meta, "io.modelcontextprotocol/clientInfo", client_info());
    meta = json_set(meta, "io.modelcontextprotocol/clientCapabilities", jv_object());
    return json_set(params, "_meta", meta);
}

static bool is_sent(const struct mcp_client *client) {
    return client->request_left <= 1; /* without its newline it may be understood as well */
}

/* Ends a request that was not answered in time. */
static void cancel(struct mcp_client *client, double timeout, struct error *error) {
    fail(error, STATUS_UNAVAILABLE, "%s: no answer within %g s", client->name, timeout);
    if (client->request_left > 0) {
        give_up(client, STATUS_UNAVAILABLE, "it does not read what it is sent");
        return;
    }
    if (!client->is_connected) /* before that, some servers end at it */
        return;
    jv params = json_set(jv_object(), "requestId", jv_number((double)client->request));
    notify(client, "notifications/cancelled", json_set_string(params, "reason", "time limit"));
    exchange(client, 0);
}

/* Sends a request and waits for its answer, which is then in client->answer, with a result or an
 * error. Otherwise an error, with is_sent. Takes the params. */
static bool request(struct mcp_client *client, const char *method, jv params, double timeout,
                    struct error *error) {
    exchange(client, 0); /* whether it has ended; what came late */
    jv_free(client->answer);
    client->answer = jv_invalid();
    client->is_unreadable = false;
    client->request++;
    client->request_left = SIZE_MAX;
    char *id = must_format("%ld", client->request);
    size_t before = client->out.size;
    bool added = !client->has_ended && !client->is_closed
                     ? add_message(client, id, method, "params", params, error)
                     : (jv_free(params), true);
    free(id);
    if (!added)
        return false;
    if (client->out.size > before)
        client->request_left = client->out.size - client->written;
    double deadline = timeout > 0 ? clock_elapsed() + timeout : 0;
    while (!jv_is_valid(client->answer) && !client->is_unreadable && !client->has_ended) {
        double left = deadline > 0 ? deadline - clock_elapsed() : -1;
        if (deadline > 0 && left <= 0)
            return cancel(client, timeout, error), false;
        if (client->is_closed && !is_sent(client))
            give_up(client, STATUS_UNAVAILABLE, "the server has closed its input");
        else
            exchange(client, left);
    }
    if (!jv_is_valid(client->answer)) {
        *error = client->why;
        return false;
    }
    bool has_error = json_has(client->answer, "error");
    return has_error != json_has(client->answer, "result") ||
           fail(error, STATUS_PROTOCOL, "%s: its answer has %s", client->name,
                has_error ? "a result and an error" : "no result");
}

/* The result of the answer, if it is an object; else invalid and an error. */
static jv take_result(struct mcp_client *client, struct error *error) {
    jv result = json_get(client->answer, "result"), refusal = json_get(client->answer, "error");
    const char *words = json_string(refusal, "message");
    double code = 0;
    if (jv_get_kind(result) != JV_KIND_OBJECT) {
        if (json_number(refusal, "code", &code))
            fail(error, STATUS_PROTOCOL, "%s: the server answers with the error %.0f: %s",
                 client->name, code, words != NULL ? words : "");
        else
            fail(error, STATUS_PROTOCOL, "%s: its answer is not a result of MCP", client->name);
        jv_free(result);
        result = jv_invalid();
    }
    jv_free(refusal);
    return result;
}

/* Connecting */

/* The revisions that a server knows that answers server/discover; invalid if it does not know that
 * either. */
static jv supported_versions(struct mcp_client *client) {
    jv result = json_get(client->answer, "result"), refusal = json_get(client->answer, "error");
    jv data = json_get(refusal, "data"), late = json_get(client->discovered, "supportedVersions");
    double code = 0;
    jv versions = json_get(result, "supportedVersions");
    if (!jv_is_valid(versions) && json_number(refusal, "code", &code) &&
        code == UNSUPPORTED_VERSION)
        versions = json_get(data, "supported");
    if (!jv_is_valid(versions))
        versions = jv_copy(late);
    jv_free(late);
    jv_free(data);
    jv_free(refusal);
    jv_free(result);
    return versions;
}

static bool is_known(jv result) {
    for (size_t i = 0; i < sizeof with_initialize / sizeof *with_initialize; i++)
        if (json_is(result, "protocolVersion", with_initialize[i]))
            return true;
    return false;
}

static bool initialize(struct mcp_client *client, struct error *error) {
    jv params = json_set_string(jv_object(), "protocolVersion", with_initialize[0]);
    params = json_set(json_set(params, "capabilities", jv_object()), "clientInfo", client_info());
    if (!request(client, "initialize", params, ANSWER_SECONDS, error))
        return false;
    jv result = take_result(client, error);
    bool good = jv_is_valid(result);
    if (good && !is_known(result)) {
        const char *version = json_string(result, "protocolVersion");
        good = fail(error, STATUS_PROTOCOL, "%s: the server speaks MCP %s, which is not known here",
                    client->name, version != NULL ? version : "of no version");
    }
    jv_free(result);
    if (good)
        notify(client, "notifications/initialized", jv_object());
    return good;
}

/* Whether the server can be spoken to without initialize; or else with it. */
static bool speaks_newest(struct mcp_client *client, bool *may_initialize) {
    jv versions = supported_versions(client);
    bool stateless = json_lists(versions, newest);
    *may_initialize = !jv_is_valid(versions);
    for (size_t i = 0; i < sizeof with_initialize / sizeof *with_initialize; i++)
        *may_initialize = *may_initialize || json_lists(versions, with_initialize[i]);
    jv_free(versions);
    return stateless;
}

/* Starts the server for the second time, after it has ended. */
static bool start_again(struct mcp_client *client, struct error *error) {
    report_verbose(client->name, "it ended at server/discover, and is started again");
    mcp_server_end(&client->server);
    client->server = client->spare;
    client->spare = (struct mcp_server){-1, -1, -1};
    lines_drop_rest(&client->lines);
    client->written = client->out.size = 0;
    client->has_ended = client->is_closed = false;
    if (mcp_server_begin(&client->server, client->name, error))
        return true;
    give_up(client, error->status, "it cannot be started again");
    return false;
}

bool mcp_client_connect(struct mcp_client *client, struct error *error) {
    bool may_initialize, good;
    request(client, "server/discover", with_meta(jv_object()), PROBE_SECONDS, error);
    if (client->has_ended &&
        (client->why.status != STATUS_UNAVAILABLE || !start_again(client, error)))
        return false;
    client->is_stateless = speaks_newest(client, &may_initialize);
    good = client->is_stateless ? true
           : may_initialize
               ? initialize(client, error)
               : fail(error, STATUS_PROTOCOL,
                      "%s: the server speaks no revision of MCP that is known here", client->name);
    if (!good && !client->has_ended)
        client->is_stateless = speaks_newest(client, &may_initialize);
    client->is_connected = good || client->is_stateless;
    if (client->is_connected)
        report_verbose(client->name, "its MCP is %s",
                       client->is_stateless ? newest : "older, with initialize");
    if (!client->is_connected)
        give_up(client, STATUS_PROTOCOL, "it could not be agreed on a revision of MCP");
    return client->is_connected;
}

static jv params_of(const struct mcp_client *client) {
    return client->is_stateless ? with_meta(jv_object()) : jv_object();
}

/* Tools */

/* Adds a page's tools. False and an error. Takes the page. */
static bool add_page(const struct mcp_client *client, jv *tools, jv page, struct error *error) {
    jv added = json_get(page, "tools");
    bool good = jv_get_kind(added) == JV_KIND_ARRAY;
    if (good) {
        jv_array_foreach(added, i, tool) {
            const char *name = json_string(tool, "name");
            good = good && name != NULL && *name != '\0';
            *tools = jv_array_append(*tools, tool);
        }
    }
    jv_free(added);
    jv_free(page);
    if (!good)
        return fail(error, STATUS_PROTOCOL, "%s: its answer is not a list of tools", client->name);
    return jv_array_length(jv_copy(*tools)) <= TOOLS_LIMIT ||
           fail(error, STATUS_PROTOCOL, "%s: it lists more than %d tools", client->name,
                TOOLS_LIMIT);
}

jv mcp_client_tools(struct mcp_client *client, struct error *error) {
    jv tools = jv_array(), cursor = jv_invalid();
    bool good = true, more = true;
    for (int pages = 0; good && more; pages++) {
        jv page = jv_invalid(), params = params_of(client);
        if (jv_is_valid(cursor))
            params = json_set(params, "cursor", cursor);
        good = pages < PAGES_LIMIT ||
               fail(error, STATUS_PROTOCOL, "%s: its list of tools has no end", client->name);
        if (!good)
            jv_free(params);
        good = good && request(client, "tools/list", params, ANSWER_SECONDS, error) &&
               jv_is_valid(page = take_result(client, error));
        cursor = json_get(page, "nextCursor");
        more = jv_get_kind(cursor) == JV_KIND_STRING;
        good = good && add_page(client, &tools, page, error);
    }
    jv_free(cursor);
    if (good)
        return tools;
    jv_free(tools);
    return jv_invalid();
}

enum mcp_outcome mcp_client_call(struct mcp_client *client, const char *tool, jv arguments,
                                 double timeout, jv *result, struct error *error) {
    jv params = json_set_string(params_of(client), "name", tool);
    params = json_set(params, "arguments", jv_copy(arguments));
    *result = jv_invalid();
    if (!request(client, "tools/call", params, timeout, error))
        return is_sent(client) ? MCP_UNKNOWN : MCP_NOT_SENT;
    if (json_has(client->answer, "error")) {
        jv_free(take_result(client, error));
        return MCP_FAILED;
    }
    *result = take_result(client, error);
    return jv_is_valid(*result) ? MCP_DONE : MCP_UNKNOWN;
}
