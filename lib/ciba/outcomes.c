#include "ciba/outcomes.h"

#include "base/error.h"
#include "base/memory.h"
#include "ciba/asked.h"
#include "json/json.h"

#include <stdlib.h>

static char *words_for(jv call, enum call_state state) {
    return state == CALL_APPROVED  ? approved_line(call)
           : state == CALL_PENDING ? must_copy("the user has not answered yet")
                                   : refusal_line(call);
}

void outcomes_free(struct outcomes *outcomes) {
    free(outcomes->newest);
}

void outcomes_add(struct outcomes *outcomes, jv document) {
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        enum call_state state = jv_get_kind(call) == JV_KIND_OBJECT ? call_state(call) : CALL_DONE;
        if (state != CALL_DONE && state != CALL_NEW) {
            outcomes->count[state]++;
            free(outcomes->newest);
            outcomes->newest = words_for(call, state);
        }
        jv_free(call);
    }
    jv_free(calls);
}

bool outcomes_have_no(const struct outcomes *outcomes) {
    return outcomes->count[CALL_DENIED] + outcomes->count[CALL_EXPIRED] > 0;
}

void outcomes_tell(const struct outcomes *outcomes) {
    const unsigned long *count = outcomes->count;
    unsigned long all = 0;
    for (int state = 0; state <= CALL_FAILED; state++)
        all += count[state];
    if (all == 1)
        report_whole(NULL, "%s", outcomes->newest);
    else if (all > 1)
        report(NULL, "%lu approved, %lu denied, %lu expired, %lu failed, %lu not answered yet",
               count[CALL_APPROVED], count[CALL_DENIED], count[CALL_EXPIRED], count[CALL_FAILED],
               count[CALL_PENDING]);
}
