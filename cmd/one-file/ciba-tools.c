/* ciba-tools: all commands in one file. The name that it is started by says which one it is, or
 * else its first argument. */
#include "commands.h"

#include "base/error.h"
#include "base/memory.h"
#include "cli/options.h"
#include "document/reader.h"
#include "hook/guard.h"
#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* NULL if there is none. */
static const struct one_file_command *find_in(const struct one_file_command *table,
                                              const char *name) {
    while (table->name != NULL && strcmp(table->name, name) != 0)
        table++;
    return table->name != NULL ? table : NULL;
}

static const struct one_file_command *find(const char *name) {
    const struct one_file_command *found = find_in(one_file_commands, name);
    return found != NULL ? found : find_in(one_file_parts, name);
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

/* The guard is a file, which replaces an earlier one; it looks for the other half in libexec. */
static bool install_guard(const char *path, struct error *error) {
    char *place = must_format("%s/ciba-hook", options.folder),
         *unfinished = must_format("%s.new", place),
         *libexec = must_format("%s/libexec", options.folder),
         *target = target_in(options.folder, path);
    char *beside = *target == '/' ? must_copy(target) : must_format("../%s", target);
    size_t size = (uintptr_t)one_file_guard_end - (uintptr_t)one_file_guard;
    unlink(unfinished);
    int fd = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    bool good = fd >= 0 && write(fd, one_file_guard, size) == (ssize_t)size;
    good = (fd < 0 || close(fd) == 0) && good && rename(unfinished, place) == 0 &&
           (mkdir(libexec, 0755) == 0 || errno == EEXIST);
    if (!good)
        fail(error, STATUS_IO, "%s: %s", place, strerror(errno));
    good = good && link_command(beside, "libexec/ciba-hook-ask", error);
    free(place);
    free(unfinished);
    free(libexec);
    free(target);
    free(beside);
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
    for (const struct one_file_command *c = one_file_commands; good && c->name != NULL; c++)
        good = strcmp(c->name, "ciba-hook") == 0 ? install_guard(path, &error)
                                                 : link_command(target, c->name, &error);
    free(path);
    free(target);
    return end(good, &error);
}

static int list(void) {
    struct error error;
    bool good = true;
    for (const struct one_file_command *c = one_file_commands; good && c->name != NULL; c++) {
        char *line = must_format("%s\n", c->name);
        good = output_write(line, strlen(line), &error);
        free(line);
    }
    return end(good, &error);
}

/* Does nothing that can fail before ciba-hook begins: that is a guard. */
int main(int argc, char **argv) {
    if (argc < 1)
        return HOOK_NO_STATUS;
    guard_is_in_one_file();
    const struct one_file_command *named = find(last_part(argv[0]));
    if (named == NULL && argc > 1 && (named = find(argv[1])) != NULL) {
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    if (named != NULL)
        return named->main(argc, argv);
    int first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_unknown("command", argv[first]);
    if (options.folder != NULL)
        return install(argv[0]);
    if (!options.list)
        usage_error("a command is needed; --list names them");
    return list();
}
