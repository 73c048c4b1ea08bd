#include "cli/options.h"

#include "base/error.h"
#include "base/program_name.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/near_words.h"
#include "system/settings.h"
#include "system/start.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

/* Return values of getopt_long: a letter, or for a long option a code above all letters. */
enum { FIRST_LONG = 256, HELP = FIRST_LONG, SETTINGS, VERSION_CODE, COMPLETION, FIRST_OWN };

static const struct option_spec standard[] = {
    {'h', "help", NULL, OPTION_FLAG, NULL, "print this help"},
    {0, "settings", NULL, OPTION_FLAG, NULL, "print the settings that are read, and what each is"},
    {0, "version", NULL, OPTION_FLAG, NULL, "print the version"},
    {0, "completion", "SHELL", OPTION_TEXT, NULL, "print completions for bash, zsh or fish"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

void usage_error(const char *format, ...) {
    char text[500];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    report(NULL, "%s; try '%s --help'", text, program_name());
    exit(STATUS_USAGE);
}

void usage_unknown(const char *what, const char *word) {
    usage_error("unknown %s %.*s", what, (int)strcspn(word, "="), word);
}

static void add_to_list(struct option_list *list, const char *item) {
    list->items = must_grow(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = item;
}

static double number_argument(const struct option_spec *o, const char *argument) {
    bool whole = o->kind != OPTION_SECONDS;
    int least = o->kind == OPTION_SOME ? 1 : 0;
    char *end;
    if (argument == NULL)
        usage_error("--%s needs an argument", o->name);
    errno = 0;
    double number = strtod(argument, &end);
    bool written_so = strspn(argument, whole ? "0123456789" : "0123456789.") == strlen(argument);
    if (errno != 0 || end == argument || *end != '\0' || !written_so || number < least ||
        number > 1e9)
        usage_error("--%s: '%s' is not a %snumber from %d to 10^9", o->name, argument,
                    whole ? "whole " : "", least);
    return number;
}

/* A whole number with a unit, or of seconds. */
static double duration_argument(const struct option_spec *o, const char *argument) {
    if (argument == NULL)
        usage_error("--%s needs an argument", o->name);
    const char *unit = argument + strspn(argument, "0123456789");
    int seconds = *unit == 'h' ? 3600 : *unit == 'm' ? 60 : 1;
    double number = strtod(argument, NULL) * seconds;
    bool written_so = unit != argument && (*unit == '\0' || strchr("smh", *unit) != NULL) &&
                      (*unit == '\0' || unit[1] == '\0');
    if (!written_so || number < 1 || number > 1e9)
        usage_error("--%s: '%s' is no duration such as 90s, 15m or 2h", o->name, argument);
    return number;
}

static void set_option(const struct option_spec *o, const char *argument) {
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->value = true;
        break;
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_KEY:
        *(const char **)o->value = argument;
        break;
    case OPTION_LIST:
        add_to_list(o->value, argument);
        break;
    case OPTION_SECONDS:
        *(double *)o->value = number_argument(o, argument);
        break;
    case OPTION_DURATION:
        *(double *)o->value = duration_argument(o, argument);
        break;
    case OPTION_COUNT:
    case OPTION_SOME:
        *(long *)o->value = (long)number_argument(o, argument);
        break;
    }
}

/* Fills getopt_long's two tables from ours. */
static void make_getopt_tables(const struct command *command, char *letters, struct option *longs) {
    if (command->operands_end_options)
        *letters++ = '+';
    *letters++ = ':';
    *letters++ = 'h';
    *longs++ = (struct option){"help", no_argument, NULL, HELP};
    *longs++ = (struct option){"settings", no_argument, NULL, SETTINGS};
    *longs++ = (struct option){"version", no_argument, NULL, VERSION_CODE};
    *longs++ = (struct option){"completion", required_argument, NULL, COMPLETION};
    int code = FIRST_OWN;
    for (const struct option_spec *o = command->options; o->name != NULL; o++, code++) {
        *longs++ =
            (struct option){o->name, o->argument ? required_argument : no_argument, NULL, code};
        if (o->letter != 0) {
            *letters++ = o->letter;
            if (o->argument != NULL)
                *letters++ = ':';
        }
    }
    *longs = (struct option){NULL, 0, NULL, 0};
    *letters = '\0';
}

static const struct option_spec *find_option(const struct command *command, int code) {
    if (code >= FIRST_OWN)
        return &command->options[code - FIRST_OWN];
    for (const struct option_spec *o = command->options; o->name != NULL; o++)
        if (o->letter == code)
            return o;
    return NULL;
}

static void print_and_exit(const struct command *command, int code) {
    if (code == HELP || code == 'h')
        help_print(command, standard);
    else if (code == SETTINGS)
        settings_print(command->name);
    else if (code == COMPLETION && !completion_print(command, standard, optarg))
        usage_error("--completion: bash, zsh or fish");
    else if (code == VERSION_CODE)
        printf("%s (ciba-tools) %s\n", command->name, VERSION);
    exit(fflush(stdout) == 0 ? STATUS_DONE : STATUS_IO);
}

/* Whether the word `--tool` or `--tool=value` is an option exactly as in the table. */
static bool is_whole(const char *word, const struct option *longs) {
    size_t size = strcspn(word + 2, "=");
    while (longs->name != NULL &&
           (strncmp(longs->name, word + 2, size) != 0 || longs->name[size] != '\0'))
        longs++;
    return longs->name != NULL;
}

/* Ends the command because of a long option that is none; names one that it could be meant for. */
_Noreturn static void refuse_unknown(const char *word, const struct option *longs) {
    const char *meant = NULL;
    size_t size = strcspn(word + 2, "=");
    for (; longs->name != NULL && meant == NULL; longs++)
        if (near_words(word + 2, size, longs->name))
            meant = longs->name;
    if (meant == NULL)
        usage_unknown("option", word);
    usage_error("unknown option %.*s; there is --%s", (int)size + 2, word, meant);
}

/* Ends the command if the option that getopt_long found in `word` is not valid. */
static void refuse(int code, const char *word, const struct option *longs) {
    bool is_long =
        code == ':' || code == '?' ? optopt == 0 || optopt >= FIRST_LONG : code >= FIRST_LONG;
    if (is_long && !is_whole(word, longs))
        refuse_unknown(word, longs);
    if (code == ':')
        usage_error("%s needs an argument", word);
    if (code == '?' && is_long)
        usage_error("%.*s takes no argument", (int)strcspn(word, "="), word);
    if (code == '?')
        usage_error("unknown option -%c", optopt);
}

/* Ends the command if a file with a secret does not exist; does not print its name. */
static void look_for_secrets(const struct command *command) {
    static const char scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-";
    for (const struct option_spec *o = command->options; o->name != NULL; o++) {
        bool is_key = o->kind == OPTION_KEY;
        const char *path = is_key || o->kind == OPTION_SECRET ? *(const char **)o->value : NULL;
        if (path == NULL || access(path, F_OK) == 0 ||
            (is_key && path[strspn(path, scheme)] == ':'))
            continue;
        report(NULL, "--%s: %s; it must name a file", o->name, strerror(errno));
        exit(STATUS_NO_FILE);
    }
}

static void heed_verbose(const struct command *command) {
    for (const struct option_spec *o = command->options; o->name != NULL; o++)
        if (strcmp(o->name, "verbose") == 0 && *(const bool *)o->value)
            verbose_on();
}

int options_parse(const struct command *command, int argc, char **argv) {
    size_t count = 0;
    while (command->options[count].name != NULL)
        count++;
    program_start(command->name);
    char *letters = must_alloc(2 * count + 4);
    struct option *longs = must_alloc((count + 5) * sizeof *longs);
    make_getopt_tables(command, letters, longs);
    opterr = 0;
    int code;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        bool apart = optarg != NULL && optarg == argv[optind - 1]; /* separate from its option */
        refuse(code, argv[optind - (apart ? 2 : 1)], longs);
        if (code == 'h' || (code >= HELP && code < FIRST_OWN))
            print_and_exit(command, code);
        const struct option_spec *o = find_option(command, code);
        if (o != NULL)
            set_option(o, optarg);
    }
    look_for_secrets(command);
    heed_verbose(command);
    free(letters);
    free(longs);
    return optind;
}

void options_parse_only(const struct command *command, int argc, char **argv) {
    int first = options_parse(command, argc, argv);
    if (first < argc)
        usage_unknown("operand", argv[first]);
}
