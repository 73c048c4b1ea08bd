#include "options.h"

#include "completion.h"
#include "error.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

enum { HELP = 'h', VERSION_CODE = 1, COMPLETION = 2, FIRST_LONG = 256 };

static const struct option_spec standard[] = {
    {'h', "help", NULL, OPTION_FLAG, NULL, "print this help"},
    {0, "version", NULL, OPTION_FLAG, NULL, "print the version"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

void usage_error(const char *format, ...) {
    char text[500];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    complain(NULL, "%s; try '%s --help'", text, program_name());
    exit(STATUS_USAGE);
}

static void print_option(const struct option_spec *o) {
    char left[60];
    char letter[4] = {'-', o->letter, ',', 0};
    snprintf(left, sizeof left, "%3s --%s%s%s", o->letter ? letter : "", o->name,
             o->argument ? " " : "", o->argument ? o->argument : "");
    if (strlen(left) <= 28)
        printf("  %-28s %s\n", left, o->help);
    else
        printf("  %s\n%31s%s\n", left, "", o->help);
}

static void print_help(const struct command *command) {
    printf("usage: %s %s\n%s\n\n", command->name, command->usage, command->purpose);
    for (const struct option_spec *o = command->options; o->name != NULL; o++)
        print_option(o);
    for (const struct option_spec *o = standard; o->name != NULL; o++)
        print_option(o);
    printf("\nThe manual: man %s\n", command->name);
}

static void add_to_list(struct option_list *list, const char *item) {
    list->items = must_grow(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = item;
}

static double number_argument(const struct option_spec *o, const char *argument, bool whole) {
    char *end;
    errno = 0;
    double number = strtod(argument, &end);
    bool written_so = strspn(argument, whole ? "0123456789" : "0123456789.") == strlen(argument);
    if (errno != 0 || end == argument || *end != '\0' || !written_so || number > 1e9)
        usage_error("--%s: '%s' is not a %snumber from 0 to 10^9", o->name, argument,
                    whole ? "whole " : "");
    return number;
}

static void set_option(const struct option_spec *o, const char *argument) {
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->value = true;
        break;
    case OPTION_TEXT:
        *(const char **)o->value = argument;
        break;
    case OPTION_LIST:
        add_to_list(o->value, argument);
        break;
    case OPTION_SECONDS:
        *(double *)o->value = number_argument(o, argument, false);
        break;
    case OPTION_COUNT:
        *(long *)o->value = (long)number_argument(o, argument, true);
        break;
    }
}

/* Fills getopt_long's two tables from ours. */
static void make_getopt_tables(const struct command *command, char *letters, struct option *longs) {
    if (command->operands_end_options)
        *letters++ = '+';
    *letters++ = ':';
    *letters++ = HELP;
    *longs++ = (struct option){"help", no_argument, NULL, HELP};
    *longs++ = (struct option){"version", no_argument, NULL, VERSION_CODE};
    *longs++ = (struct option){"completion", required_argument, NULL, COMPLETION};
    int code = FIRST_LONG;
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
    if (code >= FIRST_LONG)
        return &command->options[code - FIRST_LONG];
    for (const struct option_spec *o = command->options; o->name != NULL; o++)
        if (o->letter == code)
            return o;
    return NULL;
}

static void print_and_exit(const struct command *command, int code) {
    if (code == HELP)
        print_help(command);
    else if (code == COMPLETION && !completion_print(command, standard, optarg))
        usage_error("--completion: bash, zsh or fish");
    else if (code == VERSION_CODE)
        printf("%s (ciba-tools) %s\n", command->name, VERSION);
    exit(fflush(stdout) == 0 ? STATUS_DONE : STATUS_IO);
}

int options_parse(const struct command *command, int argc, char **argv) {
    size_t count = 0;
    while (command->options[count].name != NULL)
        count++;
    program_start(command->name);
    char *letters = must_alloc(2 * count + 4);
    struct option *longs = must_alloc((count + 4) * sizeof *longs);
    make_getopt_tables(command, letters, longs);
    opterr = 0;
    int code;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (code == HELP || code == VERSION_CODE || code == COMPLETION)
            print_and_exit(command, code);
        if (code == ':')
            usage_error("%s needs an argument", argv[optind - 1]);
        const struct option_spec *o = find_option(command, code);
        if (o == NULL && optopt > 0 && optopt < FIRST_LONG)
            usage_error("unknown option -%c", optopt);
        if (o == NULL)
            usage_error("unknown option %s", argv[optind - 1]);
        set_option(o, optarg);
    }
    free(letters);
    free(longs);
    return optind;
}
