/* A JSON Schema, which is a message as well, on the first line; a value on the second. Only
 * messages with plain paths are made: jq's compiler is not ours. */
#include "template.h"
#include "json.h"
#include "schema.h"

#include <stdlib.h>
#include <string.h>

/* Whether every \( is the beginning of \(.name) or \(.name.name). */
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
            schema_allows(schema, value, &error);
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
