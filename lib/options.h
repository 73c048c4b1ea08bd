/* Command-line options from one table: parsing, --help and --version. */
#ifndef CIBA_OPTIONS_H
#define CIBA_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind {
    OPTION_FLAG,    /* bool: set to true */
    OPTION_TEXT,    /* const char *: the argument, not copied */
    OPTION_LIST,    /* struct option_list: every argument, in order */
    OPTION_SECONDS, /* double: 0 to 10^9 */
    OPTION_COUNT    /* long: 0 to 10^9 */
};

/* One option. A table of them ends with a zeroed entry. */
struct option_spec {
    char letter;          /* 0 for none */
    const char *name;     /* without the dashes */
    const char *argument; /* what --help calls the argument, NULL for a flag */
    enum option_kind kind;
    void *value; /* where it goes, of the type that `kind` says */
    const char *help;
};

/* The arguments of an option that may be given more than once. */
struct option_list {
    const char **items;
    size_t count;
};

struct command {
    const char *name;
    const char *usage;   /* what follows the name on the usage line */
    const char *purpose; /* one line */
    const struct option_spec *options;
    bool operands_end_options; /* the first operand ends them, as for a command to be run */
};

/* Calls program_start, reads the options into their values, prints --help or --version, or for
 * `make install` --completion bash, zsh or fish (and exits 0), complains of a wrong option (and
 * exits 64). Returns the index of the first operand in `argv`, which is rearranged so that the
 * operands come last. */
int options_parse(const struct command *command, int argc, char **argv);

/* Ends the command with status 64, after a complaint and a pointer to --help. */
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
