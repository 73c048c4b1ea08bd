#include "document/argument_variables.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

bool variable_name_holds(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t size = strlen(text);
    return size > 0 && strspn(text, letters) == size && !(text[0] >= '0' && text[0] <= '9');
}

char **argument_variables(jv arguments, const char *prefix, struct error *error) {
    char **entries =
        must_alloc(((size_t)jv_object_length(jv_copy(arguments)) + 1) * sizeof *entries);
    size_t count = 0;
    bool good = true;
    jv_object_foreach(arguments, key, value) {
        const char *name = json_value_string(key);
        jv shown = good ? json_shown(value, error) : jv_invalid();
        good = good && jv_is_valid(shown);
        const char *text = json_value_string(shown);
        if (good && (name == NULL || !variable_name_holds(name)))
            good = fail(error, STATUS_INPUT, "an argument's name cannot be a variable's");
        if (good && text == NULL)
            good = fail(error, STATUS_INPUT, "the argument %s has a NUL in it", name);
        if (good)
            entries[count++] = must_format("%s%s=%s", prefix, name, text);
        jv_free(key);
        jv_free(value);
        jv_free(shown);
    }
    if (good)
        return entries;
    while (count > 0)
        free(entries[--count]);
    free(entries);
    return NULL;
}

void argument_variables_free(char **entries) {
    for (char **entry = entries; entry != NULL && *entry != NULL; entry++)
        free(*entry);
    free(entries);
}
