/* The commands of the one file, in the order of their names. lib/static/static.mk makes the table.
 */
#ifndef CIBA_ONE_FILE_COMMANDS_H
#define CIBA_ONE_FILE_COMMANDS_H

struct one_file_command {
    const char *name;
    int (*main)(int argc, char **argv);
};

/* Ends with a row without a name. */
extern const struct one_file_command one_file_commands[];

/* Programs that a command starts, and that nobody types; as well. */
extern const struct one_file_command one_file_parts[];

/* The program ciba-hook as a file of its own, with libc alone and small: it must say no where this
 * one cannot even be started. */
extern const char one_file_guard[], one_file_guard_end[];

#endif
