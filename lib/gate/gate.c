#include "gate/gate.h"

#include "base/clock.h"
#include "gate/permission_server.h"
#include "mcp/message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

char *gate_refusal(const struct gate *gate, const char *why, bool stateless) {
    return gate->grants ? permission_refusal(why) : mcp_refusal(why, stateless);
}

void gate_refuse(struct gate *gate, struct held_call *call, const char *why) {
    if (call->queries) {
        mcp_add_error(&gate->answers, call->id, MCP_INTERNAL_ERROR, why);
        held_calls_remove(&gate->held, call);
        return;
    }
    char *result = gate_refusal(gate, why, call->stateless);
    mcp_add_result(&gate->answers, call->id, result);
    free(result);
    held_calls_remove(&gate->held, call);
}

/* Each number is greater than the one before, and less than 1, from where servers count. */
void gate_tell_progress(struct gate *gate, struct held_call *call) {
    if (call->progress.text == NULL || call->user == NULL)
        return;
    char *words = must_format("waiting for %s, %.0f s left", call->user,
                              fmax(call->until - clock_elapsed(), 0));
    char *string = mcp_string(words);
    double progress = 1 - 1 / (double)(++call->ticks + 1);
    text_add_string(&gate->answers, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\","
                                    "\"params\":{\"progressToken\":");
    text_add(&gate->answers, call->progress.text, call->progress.size);
    char *rest = must_format(",\"progress\":%.6f,\"message\":%s}}\n", progress, string);
    text_add_string(&gate->answers, rest);
    free(rest);
    free(string);
    free(words);
}

void gate_tell_all_progress(struct gate *gate) {
    for (struct held_call *call = gate->held.first; call != NULL; call = call->next)
        gate_tell_progress(gate, call);
}

static void drop_list(struct gate *gate, size_t at) {
    free(gate->lists[at].id_key);
    gate->list_count--;
    memmove(&gate->lists[at], &gate->lists[at + 1], (gate->list_count - at) * sizeof *gate->lists);
}

void gate_drop_list(struct gate *gate) {
    drop_list(gate, 0);
}

bool gate_take_list(struct gate *gate, struct json_span id, int *kind) {
    char *key = gate->list_count > 0 ? mcp_id_key(id) : NULL;
    size_t at = 0;
    while (at < gate->list_count && strcmp(gate->lists[at].id_key, key) != 0)
        at++;
    bool found = at < gate->list_count;
    if (found) {
        *kind = (int)gate->lists[at].kind;
        drop_list(gate, at);
    }
    free(key);
    return found;
}

void gate_report(struct gate *gate, const char *peer, const char *what) {
    if (gate->reports++ < GATE_REPORTS_LIMIT)
        report(peer, "%s%s", what,
               gate->reports == GATE_REPORTS_LIMIT ? "; no more of these are reported" : "");
}

const char *gate_user(struct gate *gate, const char *name) {
    struct gate_user *user = gate->users;
    while (user != NULL && strcmp(user->name, name) != 0)
        user = user->next;
    if (user == NULL) {
        user = must_alloc(sizeof *user + strlen(name) + 1);
        strcpy(user->name, name);
        user->next = gate->users;
        gate->users = user;
    }
    return user->name;
}

void gate_free(struct gate *gate) {
    for (struct gate_user *user = gate->users, *next; user != NULL; user = next) {
        next = user->next;
        free(user);
    }
    id_set_free(&gate->passed);
    while (gate->held.first != NULL)
        held_calls_remove(&gate->held, gate->held.first);
    while (gate->list_count > 0)
        free(gate->lists[--gate->list_count].id_key);
    lines_free(&gate->from_client);
    lines_free(&gate->from_server);
    lines_free(&gate->from_asker);
    free(gate->answers.text);
}
