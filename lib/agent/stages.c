#include "agent/stages.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

bool stages_parse(struct stages *stages, char **words) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    stages->programs = must_alloc((count + 1) * sizeof *stages->programs);
    bool good = count > 0;
    for (char **word = words, **first = words; good && word <= words + count; word++) {
        if (*word != NULL && strcmp(*word, "|") != 0)
            continue;
        good = word > first;
        stages->programs[stages->count++] =
            (struct program){.argv = first, .is_stage = true, .output_limit = JSON_SIZE_LIMIT};
        *word = NULL;
        first = word + 1;
    }
    return good;
}

bool stages_can_start(const struct stages *stages, struct error *error) {
    bool good = true;
    for (size_t i = 0; good && i < stages->count; i++) {
        struct program_file file;
        const char *name = stages->programs[i].argv[0];
        process_find(name, &file);
        bool in_one = strpbrk(name, " |") != NULL;
        good =
            file.path != NULL ||
            fail(error, STATUS_UNAVAILABLE, "%s: %s%s", name, process_problem(file.problem),
                 in_one ? "; each word of a stage, and each '|', is an argument of its own" : "");
        process_free_file(&file);
    }
    return good;
}

void stages_free(struct stages *stages) {
    free(stages->programs);
}
