#include "hook/selection.h"

#include "json/jq_template.h"
#include "json/json.h"

#include <regex.h>
#include <stdlib.h>

struct selection {
    regex_t *tools;
    size_t count;
    struct template *condition;
};

void selection_free(struct selection *selection) {
    if (selection == NULL)
        return;
    for (size_t i = 0; i < selection->count; i++)
        regfree(&selection->tools[i]);
    free(selection->tools);
    template_free(selection->condition);
    free(selection);
}

static bool add_tool(struct selection *selection, const char *expression, struct error *error) {
    char why[200];
    regex_t *tool = &selection->tools[selection->count];
    int problem = regcomp(tool, expression, REG_EXTENDED | REG_NOSUB);
    if (problem != 0) {
        regerror(problem, tool, why, sizeof why);
        return fail(error, STATUS_USAGE, "--only: '%s': %s", expression, why);
    }
    selection->count++;
    return true;
}

struct selection *selection_new(const struct option_list *tools, const char *condition,
                                struct error *error) {
    struct selection *selection = must_alloc(sizeof *selection);
    *selection = (struct selection){.tools = must_alloc((tools->count + 1) * sizeof(regex_t))};
    bool good = true;
    for (size_t i = 0; good && i < tools->count; i++)
        good = add_tool(selection, tools->items[i], error);
    if (good && condition != NULL)
        good = (selection->condition = template_filter(condition, error)) != NULL;
    if (good)
        return selection;
    selection_free(selection);
    return NULL;
}

bool selection_has(const struct selection *selection, jv call, bool *has, struct error *error) {
    const char *tool = json_string(call, "name");
    *has = selection->count == 0;
    for (size_t i = 0; !*has && i < selection->count; i++)
        *has = regexec(&selection->tools[i], tool, 0, NULL, 0) != REG_NOMATCH;
    if (!*has || selection->condition == NULL)
        return true;
    jv arguments = json_get(call, "arguments"), value = jv_invalid();
    bool good = template_run(selection->condition, arguments, &value, error);
    jv_kind kind = jv_get_kind(value);
    if (good && kind != JV_KIND_TRUE && kind != JV_KIND_FALSE)
        good = fail(error, STATUS_INPUT, "--if gives neither true nor false for %s", tool);
    *has = kind == JV_KIND_TRUE;
    jv_free(arguments);
    jv_free(value);
    return good;
}
