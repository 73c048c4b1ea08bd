#include "model/chat_reply.h"

#include "model/tool_calls.h"
#include "json/json.h"

#include <string.h>

/* Whether calls may come from this answer. */
static bool is_whole(const struct chat_reply *reply, struct error *error) {
    const char *refusal = json_string(reply->message, "refusal");
    if (reply->end == CHAT_END_CUT)
        return fail(error, STATUS_UNAVAILABLE,
                    "the answer was cut off within a tool call, which is not used; raise "
                    "--max-tokens or shorten the conversation");
    if (reply->end == CHAT_END_UNKNOWN)
        return fail(error, STATUS_UNAVAILABLE,
                    "the server does not say that the answer, a tool call, is whole; it is not "
                    "used; try again");
    return refusal == NULL || *refusal == '\0' ||
           fail(error, STATUS_REFUSED, "it refuses, and its tool call is not used: %s", refusal);
}

/* A call of another tool than the one that was chosen; NULL for none. Valid while calls live. */
static const char *other_tool(const char *choice, jv calls) {
    const char *other = NULL;
    jv_array_foreach(calls, i, call) {
        jv function = json_get(call, "function");
        const char *name = json_string(function, "name");
        if (name == NULL || strcmp(name, choice) != 0)
            other = name != NULL ? name : "";
        jv_free(function);
        jv_free(call);
    }
    return other;
}

static bool calls_hold(const struct chat_wishes *wishes, const struct chat_reply *reply, jv calls,
                       struct error *error) {
    const char *choice = wishes->tool_choice != NULL ? wishes->tool_choice : "auto";
    int count = jv_array_length(jv_copy(calls));
    if (count > TOOL_CALLS_LIMIT)
        return tool_calls_too_many(error);
    if (!is_whole(reply, error))
        return false;
    if (strcmp(choice, "none") == 0)
        return fail(error, STATUS_PROTOCOL,
                    "it calls a tool against --tool-choice none, and the call is not used; give it "
                    "no tools");
    if (wishes->no_parallel_calls && count > 1)
        return fail(error, STATUS_PROTOCOL,
                    "it makes %d tool calls against --no-parallel-calls, and none is used", count);
    const char *other = chat_api_names_tool(choice) ? other_tool(choice, calls) : NULL;
    return other == NULL ||
           fail(error, STATUS_PROTOCOL,
                "it calls '%.60s' against --tool-choice %.60s, and no call is used", other, choice);
}

static bool words_hold(const struct chat_wishes *wishes, const struct chat_reply *reply,
                       struct error *error) {
    const char *choice = wishes->tool_choice;
    bool wants_call = choice != NULL && strcmp(choice, "auto") != 0 && strcmp(choice, "none") != 0;
    if (reply->end == CHAT_END_CUT && wants_call)
        return fail(error, STATUS_UNAVAILABLE,
                    "the answer was cut off before a tool call; raise --max-tokens or shorten the "
                    "conversation");
    if (wants_call)
        return fail(error, STATUS_PROTOCOL,
                    "it calls no tool, against --tool-choice %.60s; not every server and model "
                    "heeds that",
                    choice);
    if (reply->end == CHAT_END_CUT)
        report("model", "its answer was cut off; raise --max-tokens or shorten the conversation");
    return true;
}

bool chat_reply_holds(const struct chat_wishes *wishes, const struct chat_reply *reply,
                      struct error *error) {
    if (reply->end == CHAT_END_FILTERED)
        return fail(error, STATUS_REFUSED,
                    "the provider's content filter stopped the answer; change the prompt");
    jv calls = json_array(reply->message, "tool_calls");
    bool good = jv_array_length(jv_copy(calls)) > 0 ? calls_hold(wishes, reply, calls, error)
                                                    : words_hold(wishes, reply, error);
    jv_free(calls);
    return good;
}
