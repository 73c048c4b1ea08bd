/* Lines of the process that asks, in the gate: each of three calls is passed on as it came, once at
 * most, and only by a line that says yes to its number. A task's call is one line, and has an id of
 * the gate's. */
#include "gate/asker_lines.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static const char *const calls[] = {"{\"id\":1,\"method\":\"tools/call\"}\n",
                                    "{\"id\":\"b\",\"_\":\"token\"}\n", "{\"id\":3.0}"};

static void hold(struct gate *gate, const char *text) {
    struct json_span line = {text, strlen(text)}, value, token;
    struct error error;
    if (!json_span(line.text, line.size, &value, &error))
        abort();
    token = json_span_member(value, "_");
    if (held_calls_add(&gate->held, line, json_span_member(value, "id"), token) == NULL)
        abort();
}

/* Which of the calls the text is, from 1; with a newline that it lacked. 0 for none. */
static unsigned which(const char *text, size_t size) {
    for (unsigned i = 0; i < 3; i++) {
        size_t whole = strlen(calls[i]);
        if (size >= whole && size <= whole + 1 && memcmp(text, calls[i], whole) == 0 &&
            text[size - 1] == '\n')
            return i + 1;
    }
    return 0;
}

/* Whether it is the one line of a task's call. */
static bool is_task(const char *text, size_t size) {
    static const char beginning[] = "{\"jsonrpc\":\"2.0\",\"id\":\"mcp-gate:";
    return size >= sizeof beginning && memcmp(text, beginning, sizeof beginning - 1) == 0 &&
           memchr(text, '\n', size) == text + size - 1 && memchr(text, '\r', size) == NULL;
}

/* Whether the line says yes to that call. */
static bool says_yes(const char *bytes, size_t size, unsigned call) {
    struct error error;
    struct json_span message;
    if (!json_span(bytes, size, &message, &error))
        return false;
    struct json_span number = json_span_member(message, "yes");
    return number.text != NULL && strtoul(number.text, NULL, 10) == call;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct gate gate;
    const char *at = (const char *)data, *end = at + size;
    bool passed[4] = {false};
    gate = (struct gate){.asks = true, .has_tasks = true};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        hold(&gate, calls[i]);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline != NULL ? newline + 1 : end) - at);
        char *copy = must_alloc(length);
        memcpy(copy, at, length); /* what is read beyond it is found */
        size_t before = gate.to_server.text.size;
        asker_line(&gate, (struct json_span){copy, length});
        size_t added = gate.to_server.text.size - before;
        unsigned call = added > 0 ? which(gate.to_server.text.text + before, added) : 0;
        bool runs = added > 0 && is_task(gate.to_server.text.text + before, added);
        if (added > 0 && !runs && (call == 0 || passed[call] || !says_yes(copy, length, call)))
            abort();
        passed[call] = call > 0;
        free(copy);
        at += length;
    }
    gate_tell_all_progress(&gate);
    if (gate.answers.size > 0 && gate.answers.text[gate.answers.size - 1] != '\n')
        abort();
    while (gate.held.first != NULL)
        gate_refuse(&gate, gate.held.first, "why");
    if (gate.held.count != 0 || gate.held.waiting != 0 || gate.held.size != 0 ||
        gate.held.progressing != 0)
        abort();
    free(gate.to_server.text.text);
    free(gate.to_asker.text.text);
    gate_free(&gate);
    return 0;
}
