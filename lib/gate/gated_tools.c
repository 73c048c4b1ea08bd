#include "gate/gated_tools.h"

#include "base/error.h"
#include "mcp/message.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static const char asks[] =
    "A person is asked on their phone before this tool is run; that may take minutes, and they may "
    "say no.";

/* Whether it has the form of a name, so that no server takes it for another. */
static bool is_name(const char *name) {
    return *name != '\0' && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                              "0123456789_-.")] == '\0';
}

static bool names(const struct option_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

static bool names_alike(const struct option_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (mcp_alike(list->items[i], name))
            return true;
    return false;
}

static bool is_read_only(const struct gated_tools *gated, const char *name) {
    if (!gated->unless_read_only || !jv_is_valid(gated->read_only))
        return false;
    jv known = json_get(gated->read_only, name);
    bool good = jv_get_kind(known) == JV_KIND_TRUE;
    jv_free(known);
    return good;
}

bool gated_tools_has(const struct gated_tools *gated, const char *name) {
    if (names(&gated->free, name) || is_read_only(gated, name))
        return false;
    return gated->tools.count == 0 || !is_name(name) || names_alike(&gated->tools, name);
}

/* Whether the server calls the tool read-only, and nothing else. */
static bool claims_read_only(struct json_span tool) {
    static const char *const members[] = {"name", "annotations", NULL};
    static const char *const hints[] = {"readOnlyHint", "destructiveHint", NULL};
    struct error ignored;
    struct json_span annotations = json_span_member(tool, "annotations");
    return mcp_members_are_clear(tool, members, &ignored) &&
           mcp_members_are_clear(annotations, hints, &ignored) &&
           json_span_is(json_span_member(annotations, "readOnlyHint"), "true") &&
           !json_span_is(json_span_member(annotations, "destructiveHint"), "true");
}

void gated_tools_forget(struct gated_tools *gated) {
    jv_free(gated->read_only);
    gated->read_only = jv_object();
}

/* A name that is listed twice counts as the worse of both. */
static void learn(struct gated_tools *gated, const char *name, struct json_span tool) {
    bool good = claims_read_only(tool) && !json_names(gated->read_only, name);
    gated->read_only = json_set(gated->read_only, name, good ? jv_true() : jv_false());
}

/* Adds `until` from *from on, which is moved to there. */
static void add_until(struct text *to, const char **from, const char *until) {
    text_add(to, *from, (size_t)(until - *from));
    *from = until;
}

/* Puts the words into the tool's description, or makes one. */
static void mark(struct json_span tool, const char **from, struct text *to) {
    struct json_span description = json_span_member(tool, "description");
    if (description.text != NULL && *description.text == '"') {
        add_until(to, from, description.text + description.size - 1);
        text_add_string(to, description.size > 2 ? " " : "");
        text_add_string(to, asks);
        return;
    }
    if (description.text != NULL)
        return; /* no text: the client will refuse it as it is */
    add_until(to, from, tool.text + 1);
    text_add_string(to, "\"description\":\"");
    text_add_string(to, asks);
    text_add_string(to, "\",");
}

/* A name that the server does not have is a slip, as a rule: then the tool that is meant is not
 * gated. */
static void tell_unknown(const struct gated_tools *gated, const struct option_list *list,
                         const char *option, const char *means) {
    for (size_t i = 0; i < list->count; i++)
        if (!json_names(gated->read_only, list->items[i]))
            report(NULL, "--%s %s: the server lists no such tool%s", option, list->items[i], means);
}

void gated_tools_list(struct gated_tools *gated, struct json_span message, struct json_span result,
                      bool first, struct text *to) {
    const char *from = message.text;
    if (first || !jv_is_valid(gated->read_only))
        gated_tools_forget(gated);
    for (int marks = 0; marks <= 1; marks++) {
        struct json_walk walk = json_walk(json_span_member(result, "tools"));
        while (json_walk_next(&walk)) {
            char *name = json_span_string(json_span_member(walk.value, "name"));
            if (name != NULL && !marks)
                learn(gated, name, walk.value);
            else if (name != NULL && gated_tools_has(gated, name))
                mark(walk.value, &from, to);
            free(name);
        }
    }
    if (!gated->told && json_span_member(result, "nextCursor").text == NULL) {
        gated->told = true;
        tell_unknown(gated, &gated->tools, "tool", "; all others pass unasked");
        tell_unknown(gated, &gated->free, "free", "");
    }
    add_until(to, &from, message.text + message.size);
}

void gated_tools_free(struct gated_tools *gated) {
    jv_free(gated->read_only);
    free(gated->tools.items);
    free(gated->free.items);
}
