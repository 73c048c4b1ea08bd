/* audit-verify: finds lines of an audit log that were changed, removed or moved. */
#include "approval/audit_chain.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "system/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool quiet;
    const char *head, *after;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "head", "DIGEST", OPTION_TEXT, &options.head,
     "the log must still have the line with this digest"},
    {0, "after", "DIGEST", OPTION_TEXT, &options.after,
     "the first line must follow the one with this digest"},
    {'q', "quiet", NULL, OPTION_FLAG, &options.quiet, "print nothing; only the exit status tells"},
    CONFINE_OPTIONS(options.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "audit-verify", "[-q] [--after DIGEST] [--head DIGEST] FILE...",
    "Says whether an audit log, in one file or several, is whole.", option_table, false};

struct job {
    char *const *paths; /* up to a NULL */
    int count;
    int *files; /* the files at these paths, open */
    struct audit_summary summary;
};

static void report_fault(const char *path, unsigned long line, const char *what) {
    if (options.quiet)
        return;
    char *place = must_format("%s:%lu", path, line);
    report(place, "%s", what);
    free(place);
}

/* Prints the number of lines, and the digest with which a later run can check that none is
 * missing. */
static bool print_summary(const struct audit_summary *summary, struct error *error) {
    char *text = must_format("%lu %s\n", summary->lines, summary->head ? summary->head : "-");
    bool good = output_write(text, strlen(text), error);
    free(text);
    return good;
}

/* Opens the files, because nothing can be opened later. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    char *const *paths = job->paths;
    job->files = must_alloc((size_t)job->count * sizeof *job->files);
    for (size_t i = 0; paths[i] != NULL; i++) {
        job->files[i] =
            strcmp(paths[i], "-") == 0 ? STDIN_FILENO : open(paths[i], O_RDONLY | O_CLOEXEC);
        if (job->files[i] < 0)
            return fail(error, STATUS_NO_FILE, "%s: %s", paths[i], strerror(errno));
    }
    return true;
}

static bool verify_file(int descriptor, const char *path, struct audit_summary *summary,
                        struct error *error) {
    bool good = audit_verify(descriptor, path, options.head, report_fault, summary, error);
    close(descriptor);
    return good;
}

static bool verify(struct job *job, struct error *error) {
    bool good = true;
    for (size_t i = 0; good && job->paths[i] != NULL; i++)
        good = verify_file(job->files[i], job->paths[i], &job->summary, error);
    return good;
}

static int verify_log(void *context) {
    struct job *job = context;
    const struct audit_summary *summary = &job->summary;
    struct error error;
    int status = STATUS_DONE;
    bool good = verify(job, &error);
    bool missing = options.head != NULL && !summary->saw_wanted;
    if (good && missing && !options.quiet)
        report(job->paths[job->count - 1],
               "has no line with the digest %s: lines at its end were removed, or it is in a file "
               "that is not given",
               options.head);
    if (good && !options.quiet)
        good = print_summary(summary, &error);
    if (!good)
        report_error(&status, NULL, &error);
    else if (summary->faults > 0 || missing)
        status = STATUS_NO;
    return status;
}

static void release(void *context) {
    struct job *job = context;
    free(job->summary.head);
    free(job->files);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, verify_log, release};
    int first = options_parse(&command, argc, argv);
    if ((options.after != NULL && *options.after == '\0') ||
        (options.head != NULL && *options.head == '\0'))
        usage_error("--after and --head need a digest");
    if (first == argc)
        usage_error("the log's files are needed, the earliest first");
    struct job job = {.paths = argv + first, .count = argc - first};
    if (options.after != NULL)
        job.summary.head = must_copy(options.after);
    return command_run(&parts, &job);
}
