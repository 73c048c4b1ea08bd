#include "hook/print_settings.h"

#include "ciba/command_call.h"
#include "document/reader.h"
#include "system/process.h"
#include "json/json.h"

#include <errno.h>
#include <jv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MARGIN = 60 /* seconds between our deadline and the host's */ };

/* The path of the guard, which called us PATH/NAME: the host's PATH may be another. */
static char *own_path(const char *program, struct error *error) {
    struct program_file file;
    char *name = must_copy(program), *slash = strrchr(name, '/');
    if (slash != NULL)
        *slash = '\0';
    process_find(name, &file);
    free(name);
    char *path = file.path != NULL ? realpath(file.path, NULL) : NULL;
    if (path == NULL)
        fail(error, STATUS_UNAVAILABLE, "%s: its own path is not known: %s", program,
             strerror(file.path != NULL ? errno : file.problem));
    process_free_file(&file);
    return path;
}

/* A file's absolute path: the host may start us anywhere. A key may be a URI. The caller frees. */
static char *absolute(const struct option_spec *o, const char *argument) {
    bool is_path = strcmp(o->argument, "FILE") == 0 || strcmp(o->argument, "DIR") == 0;
    bool is_uri = o->kind == OPTION_KEY && strchr(argument, ':') != NULL;
    char *folder = is_path && !is_uri && *argument != '/' ? getcwd(NULL, 0) : NULL;
    char *path = folder != NULL ? must_format("%s/%s", folder, argument) : must_copy(argument);
    free(folder);
    return path;
}

/* Takes both. */
static jv add(jv words, const struct option_spec *o, char *argument) {
    char *name = must_format("--%s", o->name);
    words = jv_array_append(words, jv_string(name));
    if (argument != NULL)
        words = jv_array_append(words, jv_string(argument));
    free(name);
    free(argument);
    return words;
}

static jv add_option(jv words, const struct option_spec *o) {
    const struct option_list *list = o->value;
    switch (o->kind) {
    case OPTION_FLAG:
        return *(bool *)o->value ? add(words, o, NULL) : words;
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_KEY:
        return *(const char **)o->value != NULL
                   ? add(words, o, absolute(o, *(const char **)o->value))
                   : words;
    case OPTION_LIST:
        for (size_t i = 0; i < list->count; i++)
            words = add(words, o, must_copy(list->items[i]));
        return words;
    case OPTION_SECONDS:
    case OPTION_DURATION:
        return *(double *)o->value > 0 ? add(words, o, must_format("%.12g", *(double *)o->value))
                                       : words;
    case OPTION_COUNT:
    case OPTION_SOME:
        return *(long *)o->value > 0 ? add(words, o, must_format("%ld", *(long *)o->value)) : words;
    }
    return words;
}

/* The command line for a shell: one simple command, so that the shell becomes it and signals reach
 * it. The caller frees. */
static char *command_line(const char *path, jv words) {
    char *command = shell_word(path);
    jv_array_foreach(words, i, text) {
        char *word = shell_word(jv_string_value(text)),
             *longer = must_format("%s %s", command, word);
        free(command);
        free(word);
        jv_free(text);
        command = longer;
    }
    return command;
}

bool print_settings(const struct hook_host *host, const char *program,
                    const struct option_spec *options, double deadline, struct error *error) {
    char *path = own_path(program, error);
    if (path == NULL)
        return false;
    jv words = jv_array();
    if (strcmp(strrchr(path, '/'), "/ciba-hook") != 0) /* all commands in one file */
        words = jv_array_append(words, jv_string("ciba-hook"));
    for (const struct option_spec *o = options; o->name != NULL; o++)
        words = add_option(words, o);
    char *command = command_line(path, words);
    jv values = json_set_string(jv_object(), "%PROGRAM%", path);
    values = json_set_string(values, "%COMMAND%", command);
    values = json_set(values, "%ARGUMENTS%", words);
    values =
        json_set(values, "%TIMEOUT%", jv_number(ceil(deadline) / host->unit + MARGIN / host->unit));
    jv text = jv_dump_string(hook_fill(host->settings, values),
                             JV_PRINT_PRETTY | JV_PRINT_INDENT_FLAGS(2));
    char *lines = must_format("%s\n", jv_string_value(text));
    bool good = output_write(lines, strlen(lines), error);
    jv_free(values);
    jv_free(text);
    free(lines);
    free(command);
    free(path);
    return good;
}
