/* A hook event: which it is, what call it has, and the answers to it. */
#include "hook/hook_call.h"
#include "hook/hosts.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const char *const names[] = {NULL, "claude", "codex", "copilot", "gemini", "cursor"};
    struct error error;
    jv input, call;
    if (!json_parse((const char *)data, size, &input, &error))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct hook_event *event = hook_event_of(input, names[i]);
        if (event == NULL)
            continue;
        free(hook_call_name(event, input, input));
        if (hook_call(event, input, &call, &error)) {
            jv arguments = json_get(call, "arguments");
            if (json_string(call, "name") == NULL || json_string(call, "id") == NULL ||
                jv_get_kind(arguments) != JV_KIND_OBJECT)
                abort();
            free(hook_message(event, call));
            jv_free(arguments);
            jv_free(call);
        }
        jv no = hook_fill(event->no, input);
        if (jv_get_kind(no) != JV_KIND_OBJECT)
            abort();
        jv_free(no);
    }
    jv_free(input);
    return 0;
}
