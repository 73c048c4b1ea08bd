#include "hook/hosts.h"

#include "base/memory.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct hook_host hosts[] = {
    {"claude", 600, 1,
     "{\"hooks\":{\"PreToolUse\":[{\"matcher\":\"*\",\"hooks\":[{\"type\":\"command\",\"command\":"
     "\"%PROGRAM%\",\"args\":\"%ARGUMENTS%\",\"timeout\":\"%TIMEOUT%\",\"onFailure\":\"block\"}]}]}"
     "}",
     ".claude/settings.json", .limit_name = "timeout", .fail_closed = "{\"onFailure\":\"block\"}",
     .off = "{\"disableAllHooks\":true}", .background = "{\"async\":true}", .narrows = "if",
     .list_characters = "_, |-", .shell = "Bash"},
    {"codex", 600, 1,
     "{\"hooks\":{\"PreToolUse\":[{\"matcher\":\"*\",\"hooks\":[{\"type\":\"command\",\"command\":"
     "\"%COMMAND%\",\"timeout\":\"%TIMEOUT%\"}]}]}}",
     "~/.codex/hooks.json", .limit_name = "timeout", .background = "{\"async\":true}",
     .list_characters = "_|", .shell = "Bash",
     .note =
         "skips a hook that nobody has trusted: start codex and trust it with /hooks, anew after "
         "each change; if the hook is killed, the tool runs"},
    {"copilot", 30, 1,
     "{\"version\":1,\"hooks\":{\"preToolUse\":[{\"type\":\"command\",\"exec\":\"%PROGRAM%\","
     "\"args\":"
     "\"%ARGUMENTS%\",\"timeoutSec\":\"%TIMEOUT%\"}]}}",
     "~/.copilot/hooks/ciba.json", .limit_name = "timeoutSec", .other_limit_name = "timeout",
     .off = "{\"disableAllHooks\":true}", .matches_whole = true, .shell = "bash",
     .note =
         "lets the tool run when its time limit is over, always: keep it well behind the deadline"},
    {"gemini", 60, 0.001,
     "{\"hooks\":{\"BeforeTool\":[{\"matcher\":\"*\",\"hooks\":[{\"name\":\"ciba-hook\",\"type\":"
     "\"command\",\"command\":\"%COMMAND%\",\"timeout\":\"%TIMEOUT%\"}]}]}}",
     "~/.gemini/settings.json", .limit_name = "timeout",
     .off = "{\"hooksConfig\":{\"enabled\":false}}", .shell = "run_shell_command",
     .note = "lets the tool run if the hook is killed"},
    {"cursor", 60, 1,
     "{\"version\":1,\"hooks\":{\"beforeShellExecution\":[{\"command\":\"%COMMAND%\",\"timeout\":"
     "\"%TIMEOUT%\",\"failClosed\":true}],\"beforeMCPExecution\":[{\"command\":\"%COMMAND%\","
     "\"timeout\":"
     "\"%TIMEOUT%\",\"failClosed\":true}]}}",
     ".cursor/hooks.json", .limit_name = "timeout", .fail_closed = "{\"failClosed\":true}"},
};

/* Claude's answers, which Codex and Copilot have taken over. */
#define TOOL_USE(decision)                                                                         \
    "{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\",\"permissionDecision\":" decision   \
    "}}"
#define ALLOW TOOL_USE("\"allow\"")
#define DENY TOOL_USE("\"deny\",\"permissionDecisionReason\":\"%REASON%\"")
#define DEFER TOOL_USE("\"defer\"")
#define PERMISSION(decision)                                                                       \
    "{\"hookSpecificOutput\":{\"hookEventName\":\"PermissionRequest\",\"decision\":{"              \
    "\"behavior\":" decision "}}}"
#define PERMIT PERMISSION("\"allow\"")
#define REFUSE PERMISSION("\"deny\",\"message\":\"%REASON%\"")

static const struct hook_event events[] = {
    {"copilot", "hookName", "permissionRequest", NULL, NULL, "toolName", NULL, "toolInput", NULL,
     "sessionId", "{\"behavior\":\"allow\"}", "{\"behavior\":\"deny\",\"message\":\"%REASON%\"}", 2,
     "", NULL, NULL, true},
    {"copilot", NULL, NULL, "toolName", "hook_event_name", "toolName", NULL, "toolArgs", NULL,
     "sessionId", "{\"permissionDecision\":\"allow\"}",
     "{\"permissionDecision\":\"deny\",\"permissionDecisionReason\":\"%REASON%\"}", 2, "", NULL,
     "preToolUse", false},
    {"gemini", "hook_event_name", "BeforeTool", NULL, NULL, "tool_name", NULL, "tool_input", NULL,
     "session_id", "{\"decision\":\"allow\"}", "{\"decision\":\"deny\",\"reason\":\"%REASON%\"}", 2,
     "", NULL, NULL, false},
/* Cursor shows the JSON itself as the reason if the status is 2; failClosed wants an answer where
 * we have no opinion. */
#define CURSOR_YES "{\"permission\":\"allow\"}"
#define CURSOR_NO                                                                                  \
    "{\"permission\":\"deny\",\"user_message\":\"%REASON%\",\"agent_message\":\"%REASON%\"}"
    {"cursor", "hook_event_name", "beforeShellExecution", NULL, NULL, NULL, "Shell", NULL, NULL,
     "conversation_id", CURSOR_YES, CURSOR_NO, 0, CURSOR_YES, NULL, NULL, false},
    {"cursor", "hook_event_name", "beforeMCPExecution", NULL, NULL, "tool_name", NULL, "tool_input",
     NULL, "conversation_id", CURSOR_YES, CURSOR_NO, 0, CURSOR_YES, NULL, NULL, false},
    {"cursor", "hook_event_name", "preToolUse", NULL, NULL, "tool_name", NULL, "tool_input",
     "tool_use_id", "conversation_id", CURSOR_YES, CURSOR_NO, 0, CURSOR_YES, NULL, NULL, false},
    /* To Codex a bare allow is an error, after which the tool runs: its yes is nothing. */
    {"codex", "hook_event_name", "PreToolUse", "turn_id", NULL, "tool_name", NULL, "tool_input",
     "tool_use_id", "session_id", "", DENY, 2, "", NULL, NULL, false},
    {"codex", "hook_event_name", "PermissionRequest", "turn_id", NULL, "tool_name", NULL,
     "tool_input", NULL, "session_id", PERMIT, REFUSE, 2, "", NULL, NULL, true},
    {"copilot", "hook_event_name", "PreToolUse", "timestamp", "transcript_path", "tool_name", NULL,
     "tool_input", NULL, "session_id", ALLOW, DENY, 2, "", NULL, NULL, false},
    {"claude", "hook_event_name", "PreToolUse", NULL, NULL, "tool_name", NULL, "tool_input",
     "tool_use_id", "session_id", ALLOW, DENY, 2, "", DEFER, NULL, false},
    /* Does not look at the status. */
    {"claude", "hook_event_name", "PermissionRequest", NULL, NULL, "tool_name", NULL, "tool_input",
     NULL, "session_id", PERMIT, REFUSE, 0, "", NULL, NULL, true},
};

/* Where the status is looked at, the JSON is not, or does no harm. */
const struct hook_event hook_event_unknown = {
    .no =
        "{\"decision\":\"block\",\"reason\":\"%REASON%\",\"hookSpecificOutput\":{\"hookEventName\":"
        "\"PermissionRequest\",\"decision\":{\"behavior\":\"deny\",\"message\":\"%REASON%\"}}}",
    .no_status = 2};

const struct hook_host *hook_host(const char *name) {
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (strcmp(hosts[i].name, name) == 0)
            return &hosts[i];
    return NULL;
}

/* Its name in settings. */
static const char *setting_of(const struct hook_event *event) {
    return event->setting != NULL ? event->setting : event->name;
}

const struct hook_event *hook_event_in_settings(const struct hook_host *host, const char *name) {
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(events[i].host, host->name) == 0 && strcmp(setting_of(&events[i]), name) == 0)
            return &events[i];
    return NULL;
}

const struct hook_host *hook_host_with(const char *event, const struct hook_host *after) {
    const struct hook_host *end = hosts + sizeof hosts / sizeof *hosts;
    for (const struct hook_host *host = after != NULL ? after + 1 : hosts; host < end; host++)
        if (hook_event_in_settings(host, event) != NULL)
            return host;
    return NULL;
}

double hook_deadline(const struct hook_host *host) {
    return fmax(host->limit - 30, host->limit * 5 / 6);
}

char *hook_host_names(void) {
    char *names = must_copy("");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char *longer = must_format("%s%s%s", names, i > 0 ? ", " : "", hosts[i].name);
        free(names);
        names = longer;
    }
    return names;
}

const struct hook_event *hook_event_of(jv input, const char *host) {
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        const struct hook_event *e = &events[i];
        if ((host == NULL || strcmp(host, e->host) == 0) &&
            (e->name == NULL || json_is(input, e->name_member, e->name)) &&
            (e->has == NULL || json_names(input, e->has)) &&
            (e->lacks == NULL || !json_names(input, e->lacks)))
            return e;
    }
    return NULL;
}

/* Takes the value. */
static jv fill(jv value, jv values) {
    if (jv_get_kind(value) == JV_KIND_STRING) {
        jv other = jv_object_get(jv_copy(values), jv_copy(value));
        if (!jv_is_valid(other))
            return value;
        jv_free(value);
        return other;
    }
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) value = jv_array_set(value, i, fill(item, values));
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, item) value = jv_object_set(value, key, fill(item, values));
    }
    return value;
}

jv hook_fill(const char *text, jv values) {
    return fill(jv_parse(text), values);
}
