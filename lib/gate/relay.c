#include "gate/relay.h"

#include "base/clock.h"
#include "gate/asker.h"
#include "gate/asker_lines.h"
#include "gate/client_lines.h"
#include "gate/server_lines.h"
#include "gate/task_lines.h"
#include "system/signals.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HIGH_WATER =
        1 << 20,     /* bytes for a peer that does not read: then nothing more is read for it */
    TICK = 5,        /* seconds between notifications of progress */
    LAST_SECONDS = 5 /* for what is left to be written at the end */
};

struct relay {
    struct gate gate;
    struct mcp_server *server;
    int asker, signals, status;
    bool client_ended, server_ended, asker_ended, closed;
    bool skips; /* the rest of a line of the client that is too long */
    double next_tick, end;
};

static void from_client(struct relay *relay) {
    struct gate *gate = &relay->gate;
    struct json_span line;
    ssize_t got = lines_read(&gate->from_client, STDIN_FILENO);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        relay->client_ended = true;
    while (lines_next(&gate->from_client, &line)) {
        if (!relay->skips)
            client_line(gate, line);
        relay->skips = false;
    }
    line = lines_rest(&gate->from_client);
    if (relay->client_ended && line.size > 0 && !relay->skips) {
        client_line(gate, line); /* without its newline */
    } else if (line.size > GATE_LINE_LIMIT) {
        if (!relay->skips)
            client_line_too_long(gate);
        relay->skips = true;
        lines_drop_rest(&gate->from_client);
    }
}

/* The server's last words may lack a newline: what we say after them is a line of its own. */
static void take_last(struct relay *relay) {
    struct gate *gate = &relay->gate;
    struct json_span rest = lines_rest(&gate->from_server);
    const struct text *to = &gate->to_client.text;
    size_t before = to->size;
    if (rest.size > 0)
        server_line(gate, rest);
    lines_drop_rest(&gate->from_server);
    bool is_open = to->size > before && to->text[to->size - 1] != '\n';
    if (is_open && (gate->held.count > 0 || gate->answers.size > 0))
        text_add_string(&gate->to_client.text, "\n");
}

static void from_server(struct relay *relay) {
    struct gate *gate = &relay->gate;
    struct json_span line;
    ssize_t got = lines_read(&gate->from_server, relay->server->output);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        relay->server_ended = true;
    while (lines_next(&gate->from_server, &line))
        server_line(gate, line);
    if (relay->server_ended) {
        take_last(relay);
    } else if (lines_rest(&gate->from_server).size > GATE_LINE_LIMIT) {
        report_failure(&relay->status, STATUS_PROTOCOL, "server",
                       "a line is larger than 64 MiB; ending");
        lines_drop_rest(&gate->from_server);
        relay->server_ended = true;
    }
}

static void from_asker(struct relay *relay) {
    struct gate *gate = &relay->gate;
    struct json_span line;
    ssize_t got = lines_read(&gate->from_asker, relay->asker);
    bool good = got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
    while (good && lines_next(&gate->from_asker, &line))
        good = asker_line(gate, line);
    if (good && lines_rest(&gate->from_asker).size <= ASKER_LINE_LIMIT)
        return;
    relay->asker_ended = true;
    gate->asks = false;
    report(NULL, "what asks the user has ended: calls of gated tools are refused from now on");
}

/* Calls that wait are for nobody any more, and their questions' answers too. */
static void forget_calls(struct relay *relay) {
    struct gate *gate = &relay->gate;
    struct held_call *next;
    for (struct held_call *call = gate->held.first; call != NULL; call = next) {
        next = call->next;
        if (!call->passed)
            held_calls_remove(&gate->held, call);
    }
    gate->asks = false;
    text_add_string(&gate->to_asker.text, "{\"end\":true}\n"); /* it still writes results down */
}

/* What the server will not answer any more. */
static void end_calls(struct gate *gate) {
    static const struct mcp_message nothing;
    struct held_call *next;
    for (struct held_call *call = gate->held.first; call != NULL; call = next) {
        next = call->next;
        if (call->task != NULL)
            task_ran(gate, call, &nothing);
        else
            gate_refuse(gate, call,
                        call->passed
                            ? "the server has ended in this call; what came of it is not "
                              "known"
                            : "not approved: the server has ended; the tool was not called");
    }
}

/* What follows from what has ended. */
static void end_what_must(struct relay *relay) {
    struct gate *gate = &relay->gate;
    if (gate->to_client.broken)
        relay->client_ended = true;
    if (relay->asker_ended && !relay->client_ended)
        for (struct held_call *call = gate->held.first, *next; call != NULL; call = next) {
            next = call->next;
            if (!call->passed)
                gate_refuse(gate, call, GATE_NOBODY_ASKS);
        }
    if (relay->client_ended && gate->asks)
        forget_calls(relay);
    if (relay->client_ended && !relay->closed &&
        (gate->to_server.broken || outlet_left(&gate->to_server) == 0)) {
        relay->closed = true;
        mcp_server_close(relay->server);
        gate->to_server.descriptor = -1;
    }
    if (relay->server_ended)
        end_calls(gate);
}

static void write_all(struct relay *relay) {
    struct gate *gate = &relay->gate;
    if (gate->answers.size > 0) {
        text_add(&gate->to_client.text, gate->answers.text, gate->answers.size);
        gate->answers.size = 0;
    }
    struct outlet *outlets[] = {&gate->to_client, &gate->to_server, &gate->to_asker};
    for (size_t i = 0; i < 3; i++)
        if (outlet_left(outlets[i]) > 0)
            outlet_write(outlets[i]);
}

static void add(struct pollfd *all, nfds_t *count, int descriptor, bool reads, bool writes) {
    if (reads || writes)
        all[(*count)++] =
            (struct pollfd){descriptor, (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0};
}

static bool is_ready(const struct pollfd *all, nfds_t count, int descriptor) {
    for (nfds_t i = 0; i < count; i++)
        if (all[i].fd == descriptor && (all[i].events & POLLIN) && all[i].revents != 0)
            return true;
    return false;
}

/* Whether the client has closed its end of a pipe, also if not all is read that it has sent. */
static bool client_has_left(void) {
    struct pollfd ends[] = {{STDIN_FILENO, 0, 0}, {STDOUT_FILENO, 0, 0}};
    return poll(ends, 2, 0) > 0;
}

/* Notes what has ended while nothing could be read from it. */
static void note_ends(struct relay *relay, const struct pollfd *all, nfds_t count) {
    for (nfds_t i = 0; i < count; i++)
        if (all[i].fd == STDOUT_FILENO && (all[i].revents & (POLLERR | POLLHUP | POLLNVAL)))
            relay->gate.to_client.broken = relay->client_ended = true;
}

/* A yes that comes when the client has left is for nobody. */
static void hear_asker(struct relay *relay) {
    if (relay->gate.asks && (relay->client_ended || client_has_left()))
        forget_calls(relay);
    from_asker(relay);
}

static int wait_time(struct relay *relay) {
    double now = clock_elapsed(), until = relay->end;
    if (relay->gate.held.progressing > 0) {
        if (relay->next_tick == 0)
            relay->next_tick = now + TICK;
        until = fmin(until, relay->next_tick);
    } else {
        relay->next_tick = 0;
    }
    return isfinite(until) ? (int)(fmax(until - now, 0) * 1000 + 0.999) : -1;
}

/* Waits until something can be read or written, and reads it. */
static void turn(struct relay *relay) {
    struct gate *gate = &relay->gate;
    struct pollfd all[6];
    nfds_t count = 0;
    bool client_waits = outlet_left(&gate->to_client) > HIGH_WATER;
    add(all, &count, relay->signals, !relay->client_ended, false);
    add(all, &count, STDIN_FILENO,
        !relay->client_ended && !client_waits && gate->answers.size <= HIGH_WATER &&
            outlet_left(&gate->to_server) <= HIGH_WATER &&
            outlet_left(&gate->to_asker) <= GATE_HELD_LIMIT,
        false);
    if (!gate->to_client.broken) /* its end is told unasked */
        all[count++] =
            (struct pollfd){STDOUT_FILENO, outlet_left(&gate->to_client) > 0 ? POLLOUT : 0, 0};
    add(all, &count, relay->server->output, !relay->server_ended && !client_waits, false);
    add(all, &count, gate->to_server.descriptor, false, outlet_left(&gate->to_server) > 0);
    add(all, &count, relay->asker, !relay->asker_ended, outlet_left(&gate->to_asker) > 0);
    if (poll(all, count, wait_time(relay)) < 0)
        return;
    note_ends(relay, all, count);
    int number = is_ready(all, count, relay->signals) ? signals_caught() : 0;
    if (number != 0) {
        relay->client_ended = true;
        relay->status = 128 + number;
    }
    if (is_ready(all, count, STDIN_FILENO) && !relay->client_ended)
        from_client(relay); /* first: a call that is cancelled is not passed on */
    if (is_ready(all, count, relay->asker))
        hear_asker(relay);
    if (is_ready(all, count, relay->server->output))
        from_server(relay);
    if (relay->next_tick > 0 && clock_elapsed() >= relay->next_tick) {
        if (!client_waits)
            gate_tell_all_progress(gate);
        relay->next_tick = clock_elapsed() + TICK;
    }
}

/* Whether nothing is left to be done: the server's words are with the client, or nobody hears
 * them. */
static bool is_over(struct relay *relay) {
    struct gate *gate = &relay->gate;
    bool said =
        gate->to_client.broken || (outlet_left(&gate->to_client) == 0 && gate->answers.size == 0);
    said =
        said && (relay->asker_ended || gate->to_asker.broken || outlet_left(&gate->to_asker) == 0);
    if ((relay->client_ended || relay->server_ended) && isinf(relay->end))
        relay->end = clock_elapsed() + LAST_SECONDS;
    return (relay->server_ended && said) || (relay->closed && gate->to_client.broken) ||
           clock_elapsed() >= relay->end;
}

int relay_run(struct gated_tools *tools, const struct gate_settings *settings,
              struct mcp_server *server, int asker, int signals) {
    struct relay *relay = must_alloc(sizeof *relay);
    *relay = (struct relay){.server = server, .asker = asker, .signals = signals, .end = INFINITY};
    struct gate *gate = &relay->gate;
    gate->tools = tools;
    gate->asks = true;
    gate->has_tasks = settings->spool != NULL;
    gate->grants = settings->permission_prompt;
    gate->to_client = outlet(STDOUT_FILENO, false);
    gate->to_server = outlet(server->input, true);
    gate->to_asker = outlet(asker, true);
    do {
        turn(relay);
        end_what_must(relay);
        write_all(relay);
        end_what_must(relay);
    } while (!is_over(relay));
    int status = relay->status, ended = mcp_server_end(server);
    free(gate->to_client.text.text);
    free(gate->to_server.text.text);
    outlet_close(&gate->to_asker);
    gate_free(gate);
    free(relay);
    return status != STATUS_DONE ? status : ended;
}
