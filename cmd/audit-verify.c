/* audit-verify: whether a line of an audit log was changed, removed or moved, and which. */
#include "audit.h"
#include "confine.h"
#include "documents.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

static struct {
    bool quiet;
    const char *head;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {0, "head", "DIGEST", OPTION_TEXT, &given.head,
     "the log must still have the line with this digest"},
    {'q', "quiet", NULL, OPTION_FLAG, &given.quiet, "write nothing; the exit status tells"},
    CONFINE_OPTION(given.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"audit-verify", "[-q] [--head DIGEST] FILE",
                                       "Says whether an audit log is whole.", options, false};

static const char *log_path;

static void tell_fault(unsigned long line, const char *what) {
    if (given.quiet)
        return;
    char *place = must_format("%s:%lu", log_path, line);
    complain(place, "%s", what);
    free(place);
}

/* Prints how many lines there are, and the digest by which a later run can know that none is gone.
 */
static bool print_summary(const struct audit_summary *summary, struct error *error) {
    char *text = must_format("%lu %s\n", summary->lines, summary->head ? summary->head : "-");
    bool good = output_write(text, strlen(text), error);
    free(text);
    return good;
}

int main(int argc, char **argv) {
    struct audit_summary summary = {0};
    struct error error;
    int first = options_parse(&command, argc, argv);
    if (first + 1 != argc)
        usage_error("one file is needed");
    log_path = argv[first];
    confine_add(given.needs.reads, log_path);
    bool good = confine(&given.needs, &error) &&
                audit_verify(log_path, given.head, tell_fault, &summary, &error);
    if (good && !summary.saw_wanted && !given.quiet)
        complain(log_path, "has no line with the digest %s: lines at its end were removed",
                 given.head);
    if (good && !given.quiet)
        good = print_summary(&summary, &error);
    if (!good)
        complain(NULL, "%s", error.text);
    free(summary.head);
    if (!good)
        return error.status;
    return summary.faults > 0 || !summary.saw_wanted ? STATUS_NO : STATUS_DONE;
}
