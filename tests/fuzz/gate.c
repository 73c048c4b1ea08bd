/* Lines of a client and of a server, and the user's answers, through the gate. The first byte says
 * which tools are gated; each line's first byte whose it is: > the client's, < the server's, = a
 * yes and ! a no to the call of that number.
 *
 * Whatever is in them, for a reader that is as lenient as libjq and does not know the case of
 * letters: the server gets no call of a gated tool without a yes, none twice, and none but as the
 * user was asked; and the client gets no answer of the server to a call that waits. */
#include "gate/asker_lines.h"
#include "gate/client_lines.h"
#include "gate/server_lines.h"
#include "json/json.h"

#include <fcntl.h>
#include <math.h>
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LINES_LIMIT = 64, CALLS_LIMIT = 64, IDS_LIMIT = 64 };

static struct gate gate;
static struct gated_tools tools;
static jv questions[CALLS_LIMIT + 1]; /* by the number of the call: what the user reads */
static const char *gated_names[] = {"Kiss_It", "b"}, *free_names[] = {"free_one"};
static jv waiting[IDS_LIMIT]; /* the ids of the calls that the server does not have */
static size_t waiting_count;
static int nothing, messages;

/* What the gate tells its operator is not read here. */
static void quiet(bool yes) {
    if (messages == 0) {
        messages = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
        nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
        __sanitizer_set_report_fd((void *)(intptr_t)messages);
    }
    dup2(yes ? nothing : messages, STDERR_FILENO);
}

static bool is_text(jv value, const char *text) {
    const char *string = json_value_string(value);
    if (string == NULL)
        return false;
    string += strspn(string, " \t\r\n");
    size_t size = strlen(text);
    return strncasecmp(string, text, size) == 0 &&
           string[size + strspn(string + size, " \t\r\n")] == '\0';
}

/* Whether a member that may be meant by that name satisfies. */
static bool any_member(jv object, const char *name, bool (*satisfies)(jv)) {
    bool found = false;
    if (jv_get_kind(object) != JV_KIND_OBJECT)
        return false;
    jv_object_foreach(object, key, value) {
        found = found || (is_text(key, name) && satisfies(value));
        jv_free(key);
        jv_free(value);
    }
    return found;
}

static bool is_call_method(jv method) {
    return is_text(method, "tools/call");
}

static bool is_free_name(jv name) {
    const char *text = json_value_string(name);
    if (text == NULL)
        return false;
    jv read_only = jv_is_valid(tools.read_only) ? json_get(tools.read_only, text) : jv_invalid();
    bool is_free = (tools.free.count > 0 && strcmp(text, free_names[0]) == 0) ||
                   (tools.unless_read_only && jv_get_kind(read_only) == JV_KIND_TRUE);
    jv_free(read_only);
    return is_free;
}

static bool is_gated_name(jv name) {
    bool named = is_text(name, gated_names[0]) || is_text(name, gated_names[1]);
    return !is_free_name(name) && (tools.tools.count == 0 || named);
}

static bool names_gated(jv params) {
    return any_member(params, "name", is_gated_name);
}

static bool is_any(jv value) {
    (void)value;
    return true;
}

static bool has_name(jv params) {
    return any_member(params, "name", is_any);
}

static bool is_gated_call(jv message) {
    bool has_any_name = any_member(message, "params", has_name);
    return any_member(message, "method", is_call_method) &&
           (any_member(message, "params", names_gated) ||
            (tools.tools.count == 0 && !has_any_name));
}

/* As libjq reads it: with what is no UTF-8 replaced, and of two members with one name the last.
 * What it does not read at all makes its version 1.6 leak memory. */
static jv read_as_libjq(const char *text, size_t size) {
    jv utf8 = jv_string_sized(text, (int)size), value = jv_invalid();
    struct json_span span;
    struct error ignored;
    if (json_span(jv_string_value(utf8), (size_t)jv_string_length_bytes(jv_copy(utf8)), &span,
                  &ignored))
        value = jv_parse_sized(span.text, (int)span.size);
    jv_free(utf8);
    return value;
}

/* Calls `look` with each message in the text, whose lines end at any carriage return too; a batch
 * may be in a batch. */
static void each_in_value(jv value, void (*look)(jv message)) {
    if (jv_get_kind(value) != JV_KIND_ARRAY) {
        look(value);
        return;
    }
    jv_array_foreach(value, i, item) {
        each_in_value(item, look);
        jv_free(item);
    }
}

static void each_line(const char *text, size_t size, const char *ends, void (*look)(jv message)) {
    const char *end = text + size;
    while (text < end) {
        const char *at = text;
        while (at < end && strchr(ends, *at) == NULL)
            at++;
        jv value = read_as_libjq(text, (size_t)(at - text));
        each_in_value(value, look);
        jv_free(value);
        text = at + 1;
    }
}

static void each_message(const struct text *text, size_t from, void (*look)(jv message)) {
    if (text->size == from)
        return;
    each_line(text->text + from, text->size - from, "\n", look);
    each_line(text->text + from, text->size - from, "\r\n", look);
}

static void must_not_be_gated(jv message) {
    if (is_gated_call(message))
        abort();
}

static bool is_safe(double number) {
    return fabs(number) < 0x1p53;
}

/* As JavaScript's Number and Python's int have it. */
static bool is_same_id(jv one, jv other) {
    double a = 0, b = 0;
    jv both[] = {one, other};
    for (int i = 0; i < 2; i++) {
        double *number = i == 0 ? &a : &b;
        const char *text = json_value_string(both[i]);
        char *end = NULL;
        if (jv_get_kind(both[i]) == JV_KIND_NUMBER)
            *number = jv_number_value(both[i]);
        else if (text != NULL && i == 0 && *text != '\0')
            *number = strtod(text, &end);
        else
            return json_equal(one, other);
        if (end != NULL && (end == text || *end != '\0'))
            return json_equal(one, other);
    }
    return is_safe(a) && is_safe(b) && a == b;
}

static bool is_waiting(jv id) {
    for (size_t i = 0; i < waiting_count; i++)
        if (is_same_id(id, waiting[i]))
            return true;
    return false;
}

static void must_not_answer(jv message) {
    if (any_member(message, "id", is_waiting) && !any_member(message, "method", is_any) &&
        (any_member(message, "result", is_any) || any_member(message, "error", is_any)))
        abort();
}

static void take_question(jv message) {
    double number;
    if (!json_number(message, "ask", &number) || number > CALLS_LIMIT)
        return;
    jv_free(questions[(int)number]);
    questions[(int)number] = jv_copy(message);
}

/* What the server reads is what the user has read. */
static void must_be_as_asked(struct json_span line, unsigned long number) {
    jv message = read_as_libjq(line.text, line.size), params = json_get(message, "params");
    static const char *const members[] = {"name", "arguments", "inputResponses"};
    for (size_t i = 0; number <= CALLS_LIMIT && i < 3; i++) {
        jv read = json_get(questions[number], members[i]), done = json_get(params, members[i]);
        if (jv_is_valid(read) != jv_is_valid(done) ||
            (jv_is_valid(read) && !json_equal(read, done)))
            abort();
        jv_free(read);
        jv_free(done);
    }
    jv_free(params);
    jv_free(message);
}

static void note_waiting(void) {
    waiting_count = 0;
    for (struct held_call *call = gate.held.first; call != NULL && waiting_count < IDS_LIMIT;
         call = call->next)
        if (!call->passed)
            waiting[waiting_count++] = jv_parse_sized(call->id.text, (int)call->id.size);
}

static void answer(bool yes, unsigned long number) {
    struct held_call *call = held_calls_by_number(&gate.held, number);
    bool waits = call != NULL && !call->passed;
    struct json_span line = {waits ? call->line : NULL, waits ? call->size : 0};
    char *copy = waits ? json_span_copy(line) : NULL;
    char *word = must_format(yes ? "{\"yes\":%lu}\n" : "{\"no\":%lu,\"reason\":\"x\"}\n", number);
    size_t before = gate.to_server.text.size;
    if (!asker_line(&gate, (struct json_span){word, strlen(word)}))
        abort();
    size_t added = gate.to_server.text.size - before;
    if ((yes && waits) != (added > 0))
        abort();
    if (added > 0) {
        const char *passed = gate.to_server.text.text + before;
        if (added < line.size || memcmp(passed, copy, line.size) != 0 ||
            passed[added - 1] != '\n' || added > line.size + 1)
            abort();
        must_be_as_asked((struct json_span){copy, line.size}, number);
    }
    free(word);
    free(copy);
}

static void take(const char *bytes, size_t size) {
    struct json_span line = {must_alloc(size), size - 1};
    memcpy((char *)(size_t)line.text, bytes + 1, size - 1); /* what is read beyond it is found */
    ((char *)(size_t)line.text)[size - 1] = '\n';
    line.size = size;
    size_t to_server = gate.to_server.text.size, to_client = gate.to_client.text.size;
    quiet(true);
    note_waiting();
    if (*bytes == '<') {
        server_line(&gate, line);
        quiet(false);
        each_message(&gate.to_client.text, to_client, must_not_answer);
    } else if (*bytes == '=' || *bytes == '!') {
        answer(*bytes == '=', strtoul(line.text, NULL, 10));
    } else {
        client_line(&gate, line);
        quiet(false);
        each_message(&gate.to_server.text, to_server, must_not_be_gated);
    }
    quiet(false);
    each_message(&gate.to_asker.text, 0, take_question);
    gate.to_asker.text.size = gate.answers.size = 0;
    while (waiting_count > 0)
        jv_free(waiting[--waiting_count]);
    free((char *)(size_t)line.text);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    if (size == 0)
        return 0;
    gate = (struct gate){.tools = &tools, .asks = true, .has_tasks = *data & 8};
    tools = (struct gated_tools){.tools = {gated_names, *data & 1 ? 2 : 0},
                                 .free = {free_names, *data & 2 ? 1 : 0},
                                 .unless_read_only = *data & 4,
                                 .read_only = jv_invalid()};
    for (size_t i = 0; i <= CALLS_LIMIT; i++)
        questions[i] = jv_invalid();
    for (int count = 0; at < end && count < LINES_LIMIT; count++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        newline = newline != NULL ? newline : end;
        if (newline > at)
            take(at, (size_t)(newline - at));
        at = newline + 1;
    }
    for (size_t i = 0; i <= CALLS_LIMIT; i++)
        jv_free(questions[i]);
    jv_free(tools.read_only);
    free(gate.to_server.text.text);
    free(gate.to_client.text.text);
    free(gate.to_asker.text.text);
    gate_free(&gate);
    return 0;
}
