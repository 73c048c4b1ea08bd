#include "sandbox/terminal.h"

#include "base/error.h"
#include "sandbox/approvals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int terminal_open(void) {
    return isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
}

static struct approval *waiting_approval(const struct sandbox *sandbox) {
    struct approval *oldest = NULL;
    for (struct approval *approval = sandbox->approvals; approval; approval = approval->next)
        if (approval->state == WAITING)
            oldest = approval;
    return oldest;
}

static void write_terminal(int terminal, const char *text) {
    if (write(terminal, text, strlen(text)) < 0)
        report("terminal", "%s", strerror(errno));
}

void terminal_show(struct sandbox *sandbox, int terminal, const struct approval **shown) {
    pthread_mutex_lock(&sandbox->lock);
    const struct approval *approval = waiting_approval(sandbox);
    if (approval != NULL && approval != *shown && !sandbox->quiet) {
        char *line = must_format("\n  %s\n  Approve? Type y or n.\n", approval_message(approval));
        write_terminal(terminal, line);
        free(line);
    }
    *shown = approval;
    pthread_mutex_unlock(&sandbox->lock);
}

void terminal_read(struct sandbox *sandbox, int terminal, const struct approval **shown) {
    char line[100];
    ssize_t size = read(terminal, line, sizeof line);
    if (size <= 0)
        return;
    pthread_mutex_lock(&sandbox->lock);
    struct approval *approval = waiting_approval(sandbox);
    bool yes = line[0] == 'y' || line[0] == 'Y', no = line[0] == 'n' || line[0] == 'N';
    if (approval != NULL && approval == *shown && (yes || no))
        approval_decide(sandbox, approval, yes);
    else if (approval != NULL)
        write_terminal(terminal, "  Please type y or n.\n");
    pthread_mutex_unlock(&sandbox->lock);
}
