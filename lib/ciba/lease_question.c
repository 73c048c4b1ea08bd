#include "ciba/lease_question.h"

#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <unistd.h>

static bool bound_is_sound(const struct lease_bound *bound, struct error *error) {
    if (bound->seconds == 0 && bound->uses == 0)
        return bound->filter == NULL || fail(error, STATUS_USAGE, "--lease-if is for a --lease");
    if (bound->seconds == 0 || bound->uses == 0)
        return fail(error, STATUS_USAGE,
                    "--lease and --uses are needed together: there is no "
                    "lease without an end");
    if (bound->seconds > LEASE_SECONDS_LIMIT)
        return fail(error, STATUS_USAGE, "--lease: at most %d h", LEASE_SECONDS_LIMIT / 3600);
    return bound->uses <= LEASE_USES_LIMIT ||
           fail(error, STATUS_USAGE, "--uses: at most %d", LEASE_USES_LIMIT);
}

bool lease_question_make(struct lease_question *question, const struct lease_bound *bound,
                         struct error *error) {
    *question = (struct lease_question){.bound = *bound, .place = jv_invalid()};
    return bound_is_sound(bound, error) &&
           (bound->filter == NULL ||
            (question->filter = template_filter(bound->filter, error)) != NULL);
}

void lease_question_free(struct lease_question *question) {
    template_free(question->filter);
    question->filter = NULL;
    jv_free(question->place);
}

bool lease_question_covers(const struct lease_question *question, jv arguments, bool *covers,
                           struct error *error) {
    struct error why;
    *covers = question->bound.seconds > 0;
    if (!*covers || question->filter == NULL)
        return true;
    jv value = jv_invalid();
    bool good = template_run(question->filter, arguments, &value, &why);
    jv_kind kind = jv_get_kind(value);
    jv_free(value);
    *covers = kind == JV_KIND_TRUE;
    if (!good)
        return fail(error, STATUS_INPUT, "--lease-if: %s", why.text);
    return kind == JV_KIND_TRUE || kind == JV_KIND_FALSE ||
           fail(error, STATUS_INPUT, "--lease-if gives neither true nor false");
}

char *lease_question_words(const struct lease_question *question) {
    const struct lease_bound *bound = &question->bound;
    long seconds = (long)bound->seconds;
    int unit = seconds % 3600 == 0 ? 3600 : seconds % 60 == 0 ? 60 : 1;
    return must_format(", for %ld %s, at most %ld time%s", seconds / unit,
                       unit == 3600 ? "h"
                       : unit == 60 ? "min"
                                    : "s",
                       bound->uses, bound->uses == 1 ? "" : "s");
}

char *working_folder(void) {
    char *folder = getcwd(NULL, 0);
    return folder != NULL ? folder : random_name(18);
}
