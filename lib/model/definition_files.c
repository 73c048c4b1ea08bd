#include "model/definition_files.h"

#include "base/utf8.h"
#include "model/conversation.h"
#include "system/settings.h"
#include "json/json.h"
#include "json/schema.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_LIMIT = 16 << 20 };

/* Reads the JSON value in a file. False and an error that names the file. */
static bool read_json(const char *path, jv *value, struct error *error) {
    struct error why;
    unsigned long size;
    *value = jv_invalid();
    char *text = file_read(path, FILE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    bool good =
        json_parse(text, size, value, &why) || fail(error, STATUS_INPUT, "%s: %s", path, why.text);
    free(text);
    return good;
}

/* Reports which keywords of the tools' schemas will not be checked. */
static void report_unchecked(jv document) {
    jv tools = json_array(document, "tools");
    jv_array_foreach(tools, i, tool) {
        jv function = json_get(tool, "function"), schema = json_get(function, "parameters");
        const char *keyword = schema_unchecked(schema);
        if (keyword != NULL)
            report(json_string(function, "name"),
                   "its schema uses %s, which is not checked in the model's arguments", keyword);
        jv_free(function);
        jv_free(schema);
        jv_free(tool);
    }
    jv_free(tools);
}

bool tool_files_read(const struct option_list *paths, jv *tools, struct error *error) {
    *tools = jv_array();
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        struct error why;
        jv definitions, trial = jv_object();
        bool good = read_json(path, &definitions, error);
        if (good && !conversation_add_tools(&trial, definitions, &why))
            good = fail(error, STATUS_INPUT, "%s: %s", path, why.text);
        report_unchecked(trial);
        jv_free(trial);
        *tools = good ? jv_array_append(*tools, definitions) : (jv_free(definitions), *tools);
        if (!good)
            return false;
    }
    return true;
}

jv tool_files_add(jv tools, jv document) {
    jv_array_foreach(tools, i, definitions) {
        struct error ignored; /* adding them was checked when they were read */
        conversation_add_tools(&document, definitions, &ignored);
        jv_free(definitions);
    }
    return document;
}

bool schema_file_read(const char *path, jv *schema, struct error *error) {
    if (!read_json(path, schema, error))
        return false;
    if (jv_get_kind(*schema) != JV_KIND_OBJECT)
        return fail(error, STATUS_INPUT, "%s: is not a JSON Schema", path);
    const char *keyword = schema_unchecked(*schema);
    if (keyword != NULL)
        report(path, "uses %s, which is not checked in the answer", keyword);
    return true;
}

bool system_text_read(const char *given, char **text, struct error *error) {
    *text = NULL;
    if (given == NULL)
        return true;
    *text = given[0] == '@' ? file_read(given + 1, FILE_LIMIT, NULL, error) : must_copy(given);
    return *text != NULL && (utf8_valid(*text, strlen(*text)) ||
                             fail(error, STATUS_INPUT, "-S: the system message is not UTF-8"));
}

bool raw_prompt_read(const char **prompt, struct error *error) {
    unsigned long size;
    char *text = file_read_descriptor(STDIN_FILENO, "stdin", JSON_SIZE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    if (strlen(text) != size || !utf8_valid(text, size)) {
        free(text);
        return fail(error, STATUS_INPUT, "stdin: is not UTF-8 text");
    }
    *prompt =
        settings_keep(*prompt != NULL ? must_format("%s\n\n%s", *prompt, text) : must_copy(text));
    free(text);
    return **prompt != '\0' || fail(error, STATUS_INPUT, "stdin: is empty");
}
