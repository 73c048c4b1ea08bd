/* A list in Prometheus' text format 0.0.4: numbers that an alert can watch. Only the queue is
 * looked into; what is done or failed is counted. */
#include "agent/list_state.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of one spool; NAN for what there is none of. */
struct numbers {
    double up;
    double states[LIST_STATES];
    double retried;           /* documents in the queue whose stage failed */
    double asked, until, due; /* the earliest times */
    double now;
};

/* A document says when: a time that nobody can mean, as a number that no reader of metrics knows,
 * would hide those of all other documents. */
static void earlier(double *than, jv object, const char *name) {
    const double least = 1e9, most = 1e11; /* of the years 2001 and 5138 */
    double time;
    if (json_number(object, name, &time) && time >= least && time <= most)
        *than = fmin(*than, time); /* which ignores NAN */
}

static void add_calls(struct numbers *numbers, jv facts) {
    jv calls = json_get(facts, "calls");
    jv_array_foreach(calls, i, call) {
        const char *outcome = json_string(call, "outcome");
        if (outcome != NULL && strcmp(outcome, "pending") == 0) {
            earlier(&numbers->asked, call, "requested_at");
            earlier(&numbers->until, call, "expires_at");
        }
        jv_free(call);
    }
    jv_free(calls);
}

static bool visit(void *context, const char *name, double time, jv document,
                  const struct error *problem) {
    struct numbers *numbers = context;
    double tries;
    if (problem != NULL) {
        numbers->states[LIST_QUEUED]++;
        return true;
    }
    jv facts = list_facts("", STORE_QUEUE, name, time, document), own = json_get(facts, "spool");
    numbers->states[list_state(facts)]++;
    numbers->retried += json_number(own, "tries", &tries) && tries > 0;
    numbers->due = fmin(numbers->due, time);
    add_calls(numbers, facts);
    jv_free(own);
    jv_free(facts);
    return true;
}

static bool count(struct store *store, enum store_place place, double *number,
                  struct error *error) {
    long counted = store->kind->count(store, place, error);
    *number = (double)counted;
    return counted >= 0;
}

static struct numbers look_at(struct spool_list *list, struct listed *spool) {
    struct numbers numbers = {.asked = NAN, .until = NAN, .due = NAN, .now = clock_now()};
    struct error error;
    struct store *store = spool->store;
    if (store == NULL)
        return numbers; /* which was reported when it was opened */
    bool good = store->kind->each(store, STORE_QUEUE, 0, visit, &numbers, &error) &&
                count(store, STORE_FAILED, &numbers.states[LIST_FAILED], &error) &&
                count(store, STORE_DONE, &numbers.states[LIST_DONE], &error);
    if (!good)
        report_error(&list->status, NULL, &error);
    numbers.up = good;
    return numbers;
}

/* A label's value: what the format escapes, and nothing that steers a terminal. */
static void add_label(struct text *to, const char *value) {
    char *plain = must_copy(value);
    utf8_make_plain(plain);
    for (size_t i = 0; plain[i] != '\0'; i++) {
        if (plain[i] == '\\' || plain[i] == '"')
            text_add(to, "\\", 1);
        text_add(to, &plain[i], 1);
    }
    free(plain);
}

/* `state` may be NULL. Nothing for NAN. */
static void add_sample(struct spool_list *list, const char *metric, size_t spool, const char *state,
                       double value) {
    if (isnan(value))
        return;
    text_add_string(&list->out, metric);
    text_add_string(&list->out, "{spool=\"");
    add_label(&list->out, list->spools[spool].name);
    if (state != NULL) {
        text_add_string(&list->out, "\",state=\"");
        text_add_string(&list->out, state);
    }
    text_add_format(&list->out, "\"} %.*f\n", value == floor(value) ? 0 : 3, value);
}

static void add_head(struct spool_list *list, const char *metric, const char *help) {
    char *head = must_format("# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric);
    text_add_string(&list->out, head);
    free(head);
}

enum metric { UP, RETRIED, ASKED, WAITED, UNTIL, OVERDUE, READ, METRICS };

static double value_of(enum metric metric, const struct numbers *numbers) {
    if (metric == UP)
        return numbers->up;
    if (metric == READ)
        return numbers->now;
    if (numbers->up <= 0)
        return NAN;
    bool asked = !isnan(numbers->asked);
    double late = isnan(numbers->due) ? 0 : fmax(numbers->now - numbers->due, 0);
    return metric == RETRIED  ? numbers->retried
           : metric == ASKED  ? numbers->asked
           : metric == WAITED ? (asked ? fmax(numbers->now - numbers->asked, 0) : 0)
           : metric == UNTIL  ? numbers->until
                              : late;
}

static void add_metrics(struct spool_list *list, const struct numbers *numbers) {
    static const struct {
        const char *name, *help;
    } metrics[METRICS] = {
        [UP] = {"ciba_spool_up", "Whether the spool could be read."},
        [RETRIED] = {"ciba_spool_retried_documents",
                     "Documents in the queue whose last try failed."},
        [ASKED] = {"ciba_spool_oldest_question_timestamp_seconds",
                   "When the user was asked who has not answered for longest."},
        [WAITED] = {"ciba_spool_oldest_question_seconds",
                    "For how long that user has not answered, 0 if nobody is asked."},
        [UNTIL] = {"ciba_spool_next_expiry_timestamp_seconds",
                   "When the first question expires that is not answered."},
        [OVERDUE] = {"ciba_spool_overdue_seconds",
                     "For how long the document is due that nobody has taken for longest."},
        [READ] = {"ciba_spool_read_timestamp_seconds", "When the spool was read."}};
    for (int m = UP; m < METRICS; m++) {
        add_head(list, metrics[m].name, metrics[m].help);
        for (size_t i = 0; i < list->count; i++)
            add_sample(list, metrics[m].name, i, NULL, value_of((enum metric)m, &numbers[i]));
    }
}

void list_metrics(struct spool_list *list) {
    static const char documents[] = "ciba_spool_documents";
    struct numbers *numbers = must_alloc(list->count * sizeof *numbers);
    for (size_t i = 0; i < list->count; i++)
        numbers[i] = look_at(list, &list->spools[i]);
    add_head(list, documents, "Documents, by their state.");
    for (size_t i = 0; i < list->count; i++)
        for (int state = 0; numbers[i].up > 0 && state < LIST_STATES; state++)
            add_sample(list, documents, i, list_states[state], numbers[i].states[state]);
    add_metrics(list, numbers);
    free(numbers);
}
