/* ciba-tools: all commands in one file. The name that it is started by says which one it is, or
 * else its first argument. commands.h, which lib/static/static.mk makes, has a row for each
 * command: COMMAND(name, main) */
#include "cli/options.h"
#include "document/reader.h"
#include "hook/guard.h"
#include "system/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND(name, main) int main(int, char **);
#include "commands.h"
#undef COMMAND
int main_ciba_hook_ask(int argc, char **argv);

#define COMMAND(name, main) name "\n"
static const char names[] =
#include "commands.h"
    ;
#undef COMMAND

static const struct {
    const char *name;
    int (*main)(int, char **);
} commands[] = {
#define COMMAND(name, main) {name, main},
#include "commands.h"
#undef COMMAND
    {"ciba-hook-ask", main_ciba_hook_ask} /* which ciba-hook starts */
};
enum { COUNT = sizeof commands / sizeof *commands, HIDDEN = 1 };

static struct {
    const char *folder;
    bool list;
} options;

static const struct option_spec option_table[] = {
    {0, "install", "DIR", OPTION_TEXT, &options.folder,
     "make a link to this file in DIR for each command"},
    {0, "list", NULL, OPTION_FLAG, &options.list, "print the commands' names"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL}};

static const struct command command = {"ciba-tools",
                                       "COMMAND [ARGUMENT]...\n"
                                       "       ciba-tools --install DIR | --list",
                                       "All commands in one file. Under the name of a command, as "
                                       "of a link to it, it is that command.",
                                       option_table, true};

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* COUNT if there is none. */
static size_t find(const char *name) {
    size_t i = 0;
    while (i < COUNT && strcmp(commands[i].name, name) != 0)
        i++;
    return i;
}

/* The file's own path. The caller frees. NULL if it is not known. */
static char *own_path(const char *program, struct error *error) {
    struct program_file file;
    process_find(program, &file);
    char *path = file.path != NULL ? realpath(file.path, NULL) : NULL;
    if (path == NULL)
        fail(error, STATUS_UNAVAILABLE, "%s: its own path is not known: %s", program,
             strerror(file.path != NULL ? errno : file.problem));
    process_free_file(&file);
    return path;
}

/* What a link in the folder says: no more than the name if the file is there as well, so that
 * both can be moved. The caller frees. */
static char *target_in(const char *folder, const char *path) {
    char *real = realpath(folder, NULL);
    size_t size = real != NULL ? strlen(real) : 0;
    bool beside = size > 0 && strncmp(path, real, size) == 0 && last_part(path) == path + size + 1;
    free(real);
    return must_copy(beside ? last_part(path) : path);
}

/* Replaces links, and no file. */
static bool link_command(const char *target, const char *name, struct error *error) {
    char *place = must_format("%s/%s", options.folder, name), byte;
    if (readlink(place, &byte, 1) >= 0)
        unlink(place);
    bool good =
        symlink(target, place) == 0 || fail(error, STATUS_IO, "%s: %s", place, strerror(errno));
    free(place);
    return good;
}

static int end(bool good, const struct error *error) {
    int status = STATUS_DONE;
    if (!good)
        report_error(&status, NULL, error);
    return status;
}

static int install(const char *program) {
    struct error error;
    char *path = own_path(program, &error);
    char *target = path != NULL ? target_in(options.folder, path) : NULL;
    bool good = path != NULL;
    for (size_t i = 0; good && i < COUNT - HIDDEN; i++)
        good = link_command(target, commands[i].name, &error);
    free(path);
    free(target);
    return end(good, &error);
}

static int list(void) {
    struct error error;
    return end(output_write(names, strlen(names), &error), &error);
}

/* Does nothing that can fail before ciba-hook begins: that is a guard. */
int main(int argc, char **argv) {
    if (argc < 1)
        return HOOK_NO_STATUS;
    guard_is_in_one_file();
    size_t named = find(last_part(argv[0]));
    if (named == COUNT && argc > 1 && (named = find(argv[1])) < COUNT) {
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    if (named < COUNT)
        return commands[named].main(argc, argv);
    int first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_unknown("command", argv[first]);
    if (options.folder != NULL)
        return install(argv[0]);
    if (!options.list)
        usage_error("a command is needed; --list names them");
    return list();
}
