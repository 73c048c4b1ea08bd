/* A command's options in one table, for --help, completions and parsing. */
#ifndef CIBA_CLI_COMMAND_H
#define CIBA_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind {
    OPTION_FLAG,    /* bool: set to true */
    OPTION_TEXT,    /* const char *: the argument, not copied */
    OPTION_SECRET,  /* the same, a file with a secret, which must exist: a wrong argument may be the
                       secret itself, so no message shows it */
    OPTION_KEY,     /* the same, or a URI for OpenSSL, which may contain a PIN */
    OPTION_LIST,    /* struct option_list: every argument, in order */
    OPTION_SECONDS, /* double: 0 to 10^9 */
    OPTION_DURATION, /* double, whole seconds from 1 to 10^9: 900, 900s, 15m, 2h */
    OPTION_COUNT,    /* long: 0 to 10^9 */
    OPTION_SOME      /* long: 1 to 10^9 */
};

/* One option. A table of them ends with a zeroed entry. */
struct option_spec {
    char letter;          /* 0 for none */
    const char *name;     /* without the dashes */
    const char *argument; /* the argument's name in --help, NULL for a flag */
    enum option_kind kind;
    void *value; /* destination, of the type that `kind` says */
    const char *help;
};

/* The arguments of a repeatable option. */
struct option_list {
    const char **items;
    size_t count;
};

struct command {
    const char *name;
    const char *usage;   /* what follows the name on the usage line */
    const char *purpose; /* one line */
    const struct option_spec *options;
    bool operands_end_options; /* the first operand ends the options, as for a command to be run */
};

#endif
