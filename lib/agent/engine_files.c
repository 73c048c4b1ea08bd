#include "agent/engine_files.h"

#include "base/error.h"

#include <sys/resource.h>

enum {
    DESCRIPTORS_EACH = 10, /* of a document, with its stage */
    DESCRIPTORS_OURS = 40
};

void engine_files_allow(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

size_t engine_files_jobs(long jobs) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return (size_t)jobs;
    rlim_t most = limit.rlim_cur > DESCRIPTORS_OURS + DESCRIPTORS_EACH
                      ? (limit.rlim_cur - DESCRIPTORS_OURS) / DESCRIPTORS_EACH
                      : 1;
    if (most >= (rlim_t)jobs)
        return (size_t)jobs;
    report(NULL,
           "-j %ld: no more than %lu at a time, as this process may open only %lu files; raise "
           "ulimit -n for more",
           jobs, (unsigned long)most, (unsigned long)limit.rlim_cur);
    return (size_t)most;
}
