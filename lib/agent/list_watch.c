/* A list that is shown on a terminal until its reader has seen enough: on the other screen, so that
 * what was there before comes back. Each picture is one write, over the one before. */
#include "agent/list_state.h"
#include "base/clock.h"
#include "document/reader.h"
#include "system/columns.h"
#include "system/settings.h"
#include "system/signals.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A spool with very many documents takes a fifth of the time at most. */
enum { SECONDS = 1, REST = 4 };

/* The other screen, no cursor, long lines cut off; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave[] = "\033[?7h\033[?25h\033[?1049l";
/* Shown at once where the terminal can: begin and end of a picture. */
static const char begin[] = "\033[?2026h\033[H", end[] = "\033[J\033[?2026l";

static struct termios before;
static int ended = -1; /* readable when a signal has come */

bool list_watch_open(struct confinement *needs, struct error *error) {
    const char *terminal = settings_get(NULL, "TERM", NULL);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || terminal == NULL ||
        strcmp(terminal, "dumb") == 0 || tcgetattr(STDIN_FILENO, &before) != 0)
        return fail(error, STATUS_USAGE,
                    "--watch needs a terminal as stdin and stdout; --json or --metrics do not");
    ended = signals_catch(error);
    needs->terminal = true;
    return ended >= 0;
}

static void put(const char *text) {
    struct error ignored;
    output_write(text, strlen(text), &ignored);
}

/* Keys come one by one, and are not shown. Stopped (Ctrl-Z), it could not tidy up. */
static void take_terminal(void) {
    struct termios now = before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    signal(SIGTSTP, SIG_IGN);
    tcsetattr(STDIN_FILENO, TCSANOW, &now);
    put(enter);
}

static void give_back_terminal(void) {
    put(leave);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* The table as a picture: each line with what clears the rest of it. */
static void draw(struct spool_list *list) {
    struct text picture = {.text = NULL};
    size_t height;
    list->width = columns_of_stdout(&height);
    size_t others = 2 + (list->count > 1 ? list->count : 0); /* totals, and the line about q */
    list->most = height > others + 1 ? height - others : 1;
    list->out.size = 0;
    list_table(list);
    text_add_string(&picture, begin);
    for (size_t from = 0, size; from < list->out.size; from += size + 1) {
        size = strcspn(list->out.text + from, "\n");
        text_add(&picture, list->out.text + from, size);
        text_add_string(&picture, "\033[K\r\n");
    }
    text_add_string(&picture, "q ends this\033[K");
    text_add_string(&picture, end);
    struct error error;
    if (!output_write(picture.text, picture.size, &error))
        list->failed = true;
    free(picture.text);
}

/* Whether it goes on after so many seconds. */
static bool rest(double seconds) {
    double until = clock_elapsed() + seconds, left;
    while ((left = until - clock_elapsed()) > 0) {
        struct pollfd watched[] = {{ended, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        char key = '\0';
        if (poll(watched, 2, (int)ceil(left * 1000)) <= 0)
            continue; /* time, or the window's size has changed */
        if (watched[0].revents != 0 || (watched[1].revents & ~POLLIN) != 0 ||
            read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
            return false;
    }
    return true;
}

void list_watch(struct spool_list *list) {
    double began;
    take_terminal();
    do {
        began = clock_elapsed();
        draw(list);
    } while (!list->failed && rest(fmax(SECONDS, REST * (clock_elapsed() - began))));
    list->out.size = 0;
    give_back_terminal();
}
