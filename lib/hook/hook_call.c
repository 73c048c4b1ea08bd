#include "hook/hook_call.h"

#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The arguments as they are in the event; invalid and an error if they are none. */
static jv find_arguments(const struct hook_event *event, jv input, struct error *error) {
    if (event->input_member == NULL) {
        jv arguments = json_set(jv_object(), "command", json_get(input, "command"));
        if (json_string(arguments, "command") != NULL)
            return json_set(arguments, "cwd", json_get(input, "cwd"));
        jv_free(arguments);
        fail(error, STATUS_INPUT, "the event has no command");
        return jv_invalid();
    }
    jv arguments = json_get(input, event->input_member);
    if (jv_get_kind(arguments) == JV_KIND_STRING) {
        jv text = arguments;
        struct error why;
        arguments = jv_invalid();
        if (!json_parse(jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)),
                        &arguments, &why))
            fail(error, STATUS_INPUT, "the event's %s is no JSON text: %s", event->input_member,
                 why.text);
        jv_free(text);
        if (!jv_is_valid(arguments))
            return arguments;
    }
    if (jv_get_kind(arguments) == JV_KIND_OBJECT)
        return arguments;
    jv_free(arguments);
    fail(error, STATUS_INPUT, "the event's %s is not an object", event->input_member);
    return jv_invalid();
}

bool hook_call(const struct hook_event *event, jv input, jv *call, struct error *error) {
    *call = jv_invalid();
    const char *tool = event->tool != NULL ? event->tool : json_string(input, event->tool_member);
    if (tool == NULL || *tool == '\0')
        return fail(error, STATUS_INPUT, "the event does not name a tool in %s",
                    event->tool_member);
    const char *id = event->id_member != NULL ? json_string(input, event->id_member) : NULL;
    if (event->id_member != NULL && json_has(input, event->id_member) && id == NULL)
        return fail(error, STATUS_INPUT, "the event's %s is no text", event->id_member);
    jv arguments = find_arguments(event, input, error);
    if (!jv_is_valid(arguments))
        return false;
    jv normal = json_normal(arguments, error);
    jv_free(arguments);
    if (!jv_is_valid(normal))
        return false;
    char *made_up = random_call_id();
    *call = json_set_string(jv_object(), "id", id != NULL ? id : made_up);
    *call = json_set(json_set_string(*call, "name", tool), "arguments", normal);
    free(made_up);
    return true;
}

char *hook_call_name(const struct hook_event *event, jv input, jv who) {
    const char *id = event->id_member != NULL ? json_string(input, event->id_member) : NULL;
    const char *session = json_string(input, event->session_member);
    if (id == NULL || session == NULL)
        return NULL;
    jv names = JV_ARRAY(jv_string(event->host), jv_string(session), jv_string(id), jv_copy(who));
    char *text = json_text(names), *digest = digest_of(text, strlen(text));
    char *name = must_copy(digest + strlen("sha-256:"));
    jv_free(names);
    free(text);
    free(digest);
    return name;
}

char *hook_message(const struct hook_event *event, jv call) {
    const char *shell = hook_host(event->host)->shell;
    jv arguments = json_get(call, "arguments");
    const char *tool = json_string(call, "name"), *command = json_string(arguments, "command");
    int known = 1 + json_names(arguments, "description");
    /* Copilot writes it with a capital in some events. */
    bool is_shell = shell != NULL && strcasecmp(tool, shell) == 0 && command != NULL &&
                    *command != '\0' && jv_object_length(jv_copy(arguments)) == known;
    char *message = is_shell ? must_format("%s runs %s", tool, command) : NULL;
    jv_free(arguments);
    return message;
}
