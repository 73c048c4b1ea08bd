/* A JSON Schema on the first line, which also serves as a message; a value on the second. Only
 * messages with plain paths are compiled: jq's compiler is not ours to test. */
#include "json/jq_template.h"
#include "json/json.h"
#include "json/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether every \( begins \(.name) or \(.name.name). */
static bool has_only_paths(const char *text) {
    for (const char *at = text; (at = strchr(at, '\\')) != NULL; at++) {
        if (strncmp(at, "\\(.", 3) != 0)
            return false;
        size_t size = strspn(at + 3, "abcdefghijklmnopqrstuvwxyz_.");
        if (size == 0 || at[3 + size] != ')' || at[3] == '.' || at[2 + size] == '.')
            return false;
    }
    return strstr(text, "..") == NULL;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    char *text = must_format("%.*s", (int)size, (const char *)data), *second = strchr(text, '\n');
    struct error error;
    jv schema, value, made;
    if (second != NULL)
        *second++ = '\0';
    if (second != NULL && json_parse(second, strlen(second), &value, &error)) {
        if (json_parse(text, strlen(text), &schema, &error)) {
            schema_unchecked(schema);
            schema_allows(schema, value, INFINITY, &error);
            jv_free(schema);
        }
        struct template *template = has_only_paths(text) ? template_text(text, &error) : NULL;
        if (template != NULL && template_run(template, value, &made, &error))
            jv_free(made);
        template_free(template);
        jv_free(value);
    }
    free(text);
    return 0;
}
