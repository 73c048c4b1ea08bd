/* A spool's files: lines of an audit log and of a journal, with any content. */
#include "approval/journal.h"
#include "approval/audit_chain.h"
#include "json/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ignore(const char *path, unsigned long line, const char *what) {
    (void)path, (void)line, (void)what;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static char path[60];
    if (path[0] == '\0')
        snprintf(path, sizeof path, "/tmp/fuzz-journal.%d", (int)getpid());
    struct audit_summary summary = {0};
    struct error error;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
    int log = open(path, O_RDONLY | O_CLOEXEC);
    if (log < 0 || !audit_verify(log, path, NULL, ignore, &summary, &error))
        abort();
    close(log);
    free(summary.head);
    struct journal *journal = journal_open(path, &error);
    if (journal != NULL) {
        jv_free(journal_newest(journal, "ask", "asked", "key"));
        if (!journal_add(journal, "ask", "key", jv_object(), &error))
            abort();
    }
    journal_close(journal);
    unlink(path);
    return 0;
}
