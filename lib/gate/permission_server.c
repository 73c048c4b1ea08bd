#include "gate/permission_server.h"

#include "mcp/lines.h"
#include "mcp/message.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char tools[] =
    "{\"tools\":[{\"name\":\"approve\",\"description\":\"Asks a person on their phone whether a "
    "tool "
    "may be run.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"tool_name\":{\"type\":"
    "\"string\"},\"input\":{\"type\":\"object\"},\"tool_use_id\":{\"type\":\"string\"}},"
    "\"required\":[\"tool_name\",\"input\"]}}]}";

bool permission_call(struct json_span arguments, struct json_span *name, struct json_span *input) {
    static const char *const members[] = {"tool_name", "input", NULL};
    struct error ignored;
    *name = json_span_member(arguments, "tool_name");
    *input = json_span_member(arguments, "input");
    return mcp_members_are_clear(arguments, members, &ignored) && name->text != NULL &&
           *name->text == '"' && json_span_is_object(*input);
}

/* A result whose only text is this; it is freed. The caller frees the result. */
static char *text_result(char *text) {
    char *string = mcp_string(text);
    char *result = must_format("{\"content\":[{\"type\":\"text\",\"text\":%s}]}", string);
    free(string);
    free(text);
    return result;
}

char *permission_refusal(const char *words) {
    char *string = mcp_string(words);
    char *text = must_format("{\"behavior\":\"deny\",\"message\":%s}", string);
    free(string);
    return text_result(text);
}

static char *approve(struct json_span params) {
    struct json_span name, input;
    if (!permission_call(json_span_member(params, "arguments"), &name, &input))
        return permission_refusal("the call of approve has no tool_name or no input");
    char *same = json_span_copy(input);
    char *text = must_format("{\"behavior\":\"allow\",\"updatedInput\":%s}", same);
    free(same);
    return text_result(text);
}

/* The revision that the client named: all have what is needed here. */
static char *initialize(struct json_span params) {
    struct json_span version = json_span_member(params, "protocolVersion");
    char *named = version.text != NULL ? json_span_copy(version) : must_copy("\"2025-06-18\"");
    char *result =
        must_format("{\"protocolVersion\":%s,\"capabilities\":{\"tools\":{}},"
                    "\"serverInfo\":{\"name\":\"mcp-gate\",\"version\":\"" VERSION "\"}}",
                    named);
    free(named);
    return result;
}

void permission_server_answer(struct json_span line, struct text *to) {
    struct json_span value;
    struct mcp_message message = {.method = NULL};
    struct error error;
    char *result = NULL;
    bool good = json_span(line.text, line.size, &value, &error) &&
                mcp_message_read(value, &message, &error);
    if (good && message.method != NULL && message.id.text != NULL) {
        if (strcmp(message.method, "initialize") == 0)
            result = initialize(message.params);
        else if (strcmp(message.method, "tools/list") == 0)
            result = must_copy(tools);
        else if (strcmp(message.method, "tools/call") == 0)
            result = approve(message.params);
        else if (strcmp(message.method, "ping") == 0)
            result = must_copy("{}");
        if (result != NULL)
            mcp_add_result(to, message.id, result);
        else
            mcp_add_error(to, message.id, MCP_METHOD_NOT_FOUND, "there is no such method");
    }
    free(result);
    mcp_message_free(&message);
}

static int serve(int in, int out) {
    struct lines lines = {.bytes = NULL};
    struct text answer = {.text = NULL};
    struct json_span line;
    ssize_t got;
    while ((got = lines_read(&lines, in)) > 0 || (got < 0 && errno == EINTR)) {
        while (lines_next(&lines, &line))
            permission_server_answer(line, &answer);
        if (answer.size > 0 && !durable_write_all(out, answer.text, answer.size))
            break;
        answer.size = 0;
    }
    lines_free(&lines);
    free(answer.text);
    return STATUS_DONE;
}

static int be_server(const int *in, const int *out, const int *keeper) {
    struct confinement nothing = {.off = false};
    struct error error;
    close(in[1]), close(out[0]), close(keeper[0]);
    settings_forget_secrets();
    int status = confine(&nothing, &error) ? serve(in[0], out[1]) : error.status;
    if (write(keeper[1], &status, sizeof status) < 0)
        return STATUS_INTERNAL;
    return status;
}

bool permission_server_start(struct mcp_server *server, struct error *error) {
    int in[2], out[2], keeper[2];
    if (!process_close_on_exec(pipe(in), in) || !process_close_on_exec(pipe(out), out) ||
        !process_close_on_exec(socketpair(AF_UNIX, SOCK_STREAM, 0, keeper), keeper))
        return fail(error, STATUS_INTERNAL, "the system gives no pipes: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0)
        exit(be_server(in, out, keeper));
    close(in[0]), close(out[1]), close(keeper[1]);
    *server = (struct mcp_server){in[1], out[0], keeper[0]};
    if (child < 0)
        return fail(error, STATUS_INTERNAL, "no process can be started: %s", strerror(errno));
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    return true;
}
