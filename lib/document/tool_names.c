#include "document/tool_names.h"

#include "base/error.h"
#include "base/text.h"
#include "document/call.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 64 /* bytes, of what is compared */, NEAR = 2 /* letters */, SHOWN = 300 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Whether at most NEAR letters differ, are missing or too many (Levenshtein). */
static bool is_near(const char *a, const char *b) {
    size_t row[NAME_LIMIT + 1], size = strlen(b);
    if (size > NAME_LIMIT || strlen(a) > NAME_LIMIT || size < 2 * NEAR)
        return false;
    for (size_t k = 0; k <= size; k++)
        row[k] = k;
    for (size_t i = 1; i <= strlen(a); i++) {
        size_t before = row[0];
        row[0] = i;
        for (size_t k = 1; k <= size; k++) {
            size_t changed = before + (a[i - 1] != b[k - 1]);
            before = row[k];
            row[k] = least(changed, least(row[k], row[k - 1]) + 1);
        }
    }
    return row[size] <= NEAR;
}

/* What was found of the name in a document. */
struct finding {
    const char *name;
    bool known, near, open, defined;
    struct text names; /* of others, "a, b" */
};

static void look(struct finding *finding, const char *other) {
    if (other == NULL || *other == '\0')
        return;
    finding->known = finding->known || strcmp(other, finding->name) == 0;
    finding->near = finding->near || is_near(finding->name, other);
    if (finding->names.size > SHOWN ||
        (finding->names.text != NULL && strstr(finding->names.text, other) != NULL))
        return;
    text_add_string(&finding->names, finding->names.size > 0 ? ", " : "");
    text_add_string(&finding->names, other);
}

static void look_at_document(struct finding *finding, jv document) {
    jv calls = json_array(document, "calls"), tools = json_array(document, "tools");
    jv_array_foreach(calls, i, call) {
        if (jv_get_kind(call) == JV_KIND_OBJECT) {
            finding->open = finding->open || call_state(call) != CALL_DONE;
            look(finding, json_string(call, "name"));
        }
        jv_free(call);
    }
    jv_array_foreach(tools, k, tool) {
        jv function = json_get(tool, "function");
        finding->defined = finding->defined || json_string(function, "name") != NULL;
        look(finding, json_string(function, "name"));
        jv_free(function);
        jv_free(tool);
    }
    jv_free(calls);
    jv_free(tools);
}

/* Whether it is the first time for this name. */
static bool is_first(const char *name) {
    static struct text told;
    char *line = must_format("\n%s\n", name);
    bool first = told.text == NULL || strstr(told.text, line) == NULL;
    if (first)
        text_add_string(&told, line);
    free(line);
    return first;
}

void tool_name_check(jv document, const char *option, const char *name) {
    struct finding finding = {.name = name};
    look_at_document(&finding, document);
    bool wrong = finding.open && !finding.known && (finding.defined || finding.near);
    if (wrong && is_first(name))
        report(NULL, "%s: the document has no tool '%s', but %s", option, name,
               finding.names.text != NULL ? finding.names.text : "none");
    free(finding.names.text);
}
