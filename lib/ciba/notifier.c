#include "ciba/notifier.h"

#include "json/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { OUTPUT_LIMIT = 1 << 20 /* bytes that it may print on stdout */ };

/* The notice as one line; the caller frees. */
static char *line_of(jv notice) {
    char *text = json_text(notice), *line = must_format("%s\n", text);
    free(text);
    return line;
}

static void name_program(struct notifier *notifier, const char *program) {
    *notifier = (struct notifier){.program = program, .argv = {(char *)program, NULL}};
    notifier->started = (struct program){
        .argv = notifier->argv, .timeout = NOTIFIER_SECONDS, .output_limit = OUTPUT_LIMIT};
}

bool notifier_open(struct notifier *notifier, const char *program, struct error *error) {
    name_program(notifier, program);
    return program_helper_start(&notifier->helper, &notifier->started, 1, error);
}

bool notifier_run_by(const struct notifier *notifier, jv notice, struct error *error) {
    struct process_end end = {0};
    char *line = line_of(notice);
    const struct program_run run = {.input = line, .input_size = strlen(line)};
    bool good = program_helper_run(&notifier->helper, 0, &run, &end, error) &&
                process_succeeded(&notifier->started, &end, error);
    free(end.output);
    free(line);
    return good;
}

bool notifier_run(const char *program, jv notice, struct error *error) {
    struct notifier notifier;
    if (!notifier_open(&notifier, program, error))
        return false;
    bool good = notifier_run_by(&notifier, notice, error);
    program_helper_end(&notifier.helper);
    while (waitpid(notifier.helper.process, NULL, 0) < 0 && errno == EINTR)
        continue;
    return good;
}

static bool start(struct notifier *notifier, const char *option, const char *program, bool lasts,
                  struct error *error) {
    *notifier = (struct notifier){.program = NULL};
    if (program == NULL)
        return true;
    struct program_file file;
    process_find(program, &file);
    int problem = file.path != NULL ? 0 : file.problem;
    process_free_file(&file);
    if (problem != 0)
        return fail(error, STATUS_CONFIG, "%s: %.200s: %s", option, program,
                    process_problem(problem));
    name_program(notifier, program);
    notifier->started.is_unattended = true;
    notifier->started.lasts = lasts;
    return program_helper_start(&notifier->helper, &notifier->started, 1, error);
}

bool notifier_start(struct notifier *notifier, const char *option, const char *program,
                    struct error *error) {
    return start(notifier, option, program, false, error);
}

bool notifier_start_lasting(struct notifier *notifier, const char *option, const char *program,
                            struct error *error) {
    return start(notifier, option, program, true, error);
}

void notifier_needs(const struct notifier *notifier, struct confinement *needs) {
    if (notifier->program != NULL)
        program_helper_needs(needs);
}

void notifier_tell(const struct notifier *notifier, jv notice) {
    struct error error;
    if (notifier->program == NULL)
        return;
    char *line = line_of(notice);
    const struct program_run run = {.input = line, .input_size = strlen(line)};
    if (!program_helper_begin(&notifier->helper, 0, &run, &error))
        report(NULL, "%s", error.text);
    free(line);
}

void notifier_wait(struct notifier *notifier) {
    if (notifier->program != NULL)
        program_helper_wait(&notifier->helper);
}

void notifier_end(struct notifier *notifier) {
    if (notifier->program != NULL)
        program_helper_end(&notifier->helper);
    notifier->program = NULL;
}
