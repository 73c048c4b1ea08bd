#include "ciba/shared_requests.h"

#include "base/memory.h"
#include "document/together.h"
#include "json/json.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *one, const void *other) {
    const struct shared_request *first = one, *second = other;
    return strcmp(first->auth_req_id, second->auth_req_id);
}

static struct shared_request *add(struct shared_requests *shared, const char *auth_req_id,
                                  int count) {
    struct shared_request *one = must_alloc(sizeof *one);
    *one = (struct shared_request){.auth_req_id = must_copy(auth_req_id),
                                   .outcome = jv_invalid(),
                                   .seen = must_alloc((size_t)count * sizeof *one->seen),
                                   .count = count,
                                   .missing = count};
    if (tsearch(one, &shared->tree, by_name) == NULL)
        out_of_memory();
    return one;
}

struct shared_request *shared_request_of(struct shared_requests *shared, jv call) {
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    int index = together_index(authorization), count = together_count(authorization);
    struct shared_request *one = NULL;
    if (auth_req_id != NULL && index >= 0 && index < count) {
        struct shared_request wanted = {.auth_req_id = must_copy(auth_req_id)};
        struct shared_request **found = tfind(&wanted, &shared->tree, by_name);
        one = found != NULL ? *found : add(shared, auth_req_id, count);
        free(wanted.auth_req_id);
    }
    jv_free(authorization);
    if (one == NULL || one->count != count)
        return NULL;
    one->missing -= !one->seen[index];
    one->seen[index] = true;
    return one;
}

static void drop(struct shared_requests *shared, struct shared_request *one) {
    tdelete(one, &shared->tree, by_name);
    if (one->left)
        pending_request_free(one->request);
    jv_free(one->outcome);
    free(one->auth_req_id);
    free(one->seen);
    free(one);
}

void shared_request_forget(struct shared_requests *shared, struct shared_request *one) {
    if (one->missing == 0 && (one->left || jv_is_valid(one->outcome)))
        drop(shared, one);
}

void shared_request_decided(struct shared_requests *shared, struct shared_request *one, jv call) {
    one->request = NULL;
    one->outcome = jv_copy(call);
    one->missing = shared->brief ? 0 : one->missing;
    shared_request_forget(shared, one);
}

void shared_request_left(struct shared_requests *shared, struct shared_request *one,
                         struct pending_request *request) {
    one->request = request;
    one->left = true;
    one->missing = shared->brief ? 0 : one->missing;
    shared_request_forget(shared, one);
}

void shared_requests_free(struct shared_requests *shared) {
    while (shared->tree != NULL)
        drop(shared, *(struct shared_request **)shared->tree);
}
