#include "channel/assistant.h"

#include "base/clock.h"
#include "channel/question.h"
#include "channel/question_spool.h"
#include "channel/rounds.h"
#include "http/http.h"
#include "system/confine.h"
#include "system/process.h"
#include "system/settings.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_ROOM = 100, LONGEST_SECONDS = 60, AGAIN_SECONDS = 2 };

bool assistant_prepare(const struct channel *channel, struct confinement *needs,
                       const struct notifier **notifier, struct error *error) {
    static struct notifier started;
    *notifier = NULL;
    if (channel->notify_command != NULL) {
        if (!notifier_open(&started, channel->notify_command, error))
            return false;
        notifier_needs(&started, needs);
        *notifier = &started;
    }
    http_needs(channel->issuer.http, needs);
    return true;
}

/* The name that it was given, "" for none. False if the command has ended without one. */
static bool wait_for_name(int socket, char *name) {
    size_t used = 0;
    ssize_t got;
    do {
        got = read(socket, name + used, 1);
        if (got == 1 && name[used] == '\n') {
            name[used] = '\0';
            return true;
        }
        used += got > 0;
    } while ((got > 0 && used < NAME_ROOM) || (got < 0 && errno == EINTR));
    return false;
}

/* Makes the rounds; what did not work for the one that was asked for is tried again for a while. */
static void work(const struct channel *channel, const struct notifier *notifier, int socket,
                 const char *name) {
    double until = clock_elapsed() + LONGEST_SECONDS;
    int status = *name != '\0' ? rounds_make(channel, notifier, name) : STATUS_DONE;
    if (write(socket, "", 1) < 0)
        errno = 0; /* nobody waits any more */
    rounds_make_all(channel, notifier);
    while (status != STATUS_DONE && clock_elapsed() < until) {
        clock_sleep(AGAIN_SECONDS);
        jv question = question_read(channel->directory, name);
        bool over = !jv_is_valid(question) || question_is(question, "settled");
        jv_free(question);
        if (over)
            return;
        rounds_make(channel, notifier, name);
    }
}

_Noreturn static void assist(const struct channel *channel, const struct confinement *needs,
                             int socket) {
    struct error error;
    struct confinement ours = *needs;
    const struct notifier *notifier;
    char name[NAME_ROOM + 1];
    setsid();
    signal(SIGPIPE, SIG_IGN);
    process_leave_streams(true);
    process_close_all_but(&socket, 1);
    settings_forget_request();
    if (wait_for_name(socket, name) && assistant_prepare(channel, &ours, &notifier, &error) &&
        confine(&ours, &error))
        work(channel, notifier, socket, name);
    _exit(STATUS_DONE);
}

bool assistant_start(struct assistant *assistant, const struct channel *channel,
                     const struct confinement *needs, struct error *error) {
    int ends[2];
    pid_t process = -1;
    *assistant = (struct assistant){-1, false};
    if (process_close_on_exec(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ends) &&
        (process = fork()) == 0)
        assist(channel, needs, (close(ends[0]), ends[1]));
    if (process < 0)
        return fail(error, STATUS_INTERNAL, "no process can be started: %s", strerror(errno));
    close(ends[1]);
    assistant->socket = ends[0];
    return true;
}

void assistant_go(struct assistant *assistant, const char *name) {
    char line[NAME_ROOM + 1];
    size_t size = name != NULL ? strlen(name) : 0;
    if (assistant->went)
        return;
    assistant->went = true;
    memcpy(line, name != NULL ? name : "", size);
    line[size] = '\n';
    /* if it was killed, --deliver does its work */
    while (send(assistant->socket, line, size + 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

void assistant_wait(const struct assistant *assistant, double seconds) {
    struct pollfd end = {assistant->socket, POLLIN, 0};
    double until = clock_elapsed() + seconds, left;
    while ((left = until - clock_elapsed()) > 0)
        if (poll(&end, 1, (int)ceil(left * 1000)) > 0)
            return;
}

void assistant_join(const struct assistant *assistant) {
    char byte;
    ssize_t got;
    if (!assistant->went)
        return;
    do
        got = read(assistant->socket, &byte, 1);
    while (got > 0 || (got < 0 && errno == EINTR));
}
