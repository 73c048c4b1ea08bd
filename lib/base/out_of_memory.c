#include "base/out_of_memory.h"

#include "base/program_name.h"
#include "base/status.h"

#include <stdio.h>
#include <unistd.h>

void out_of_memory(void) {
    /* Not with report, which searches for secrets: nothing here may allocate. */
    char line[300];
    int size = snprintf(line, sizeof line, "%.200s: out of memory\n", program_name());
    if (write(STDERR_FILENO, line, (size_t)size) < 0)
        _exit(STATUS_INTERNAL);
    _exit(STATUS_INTERNAL); /* not exit, whose handlers allocate */
}

void out_of_memory_in(void *library) {
    (void)library;
    out_of_memory();
}
