#include "ciba/live_line.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool drawn, off;

bool live_line_wanted(void) {
    const char *terminal = settings_get(NULL, "TERM", NULL);
    return !off && isatty(STDERR_FILENO) && settings_get(NULL, "NO_COLOR", NULL) == NULL &&
           terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void live_line_off(void) {
    off = true;
}

static void put(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        drawn = false;
}

void live_line_wipe(void) {
    if (drawn)
        put("\r\033[K");
    drawn = false;
}

/* Cuts the text to the terminal's width, between characters, so that it stays one line. Whether
 * something was cut off. */
static bool cut_to_width(char *text) {
    struct winsize size = {0};
    size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1
                         ? (size_t)size.ws_col - 1
                         : 79;
    size_t all = strlen(text), at = 0, length;
    uint32_t character;
    for (size_t column = 0; at < all && column < columns; column++, at += length)
        if ((length = utf8_decode(text + at, all - at, &character)) == 0)
            length = 1;
    text[at] = '\0';
    return at < all;
}

/* An address that the line has no room for is told once, above it: the user may need it. */
static void tell_address(const char *address) {
    static struct text told;
    char *entry = must_format("\n%s\n", address);
    if (told.text == NULL || strstr(told.text, entry) == NULL) {
        text_add_string(&told, entry);
        report_whole(NULL, "the user can answer at %s", address);
    }
    free(entry);
}

static void draw(jv call, size_t others) {
    jv authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    const char *message = json_string(authorization, "binding_message");
    double expires_at = 0;
    char more[40] = "";
    json_number(authorization, "expires_at", &expires_at);
    double left = expires_at - clock_now();
    if (others > 0)
        snprintf(more, sizeof more, " (and %zu more)", others);
    const char *address = json_string(authorization, "verification_uri");
    char *line = must_format("%.0f s left for %s%s: %s%s%s", left > 0 ? left : 0,
                             user != NULL ? user : "the user", more, message ? message : "",
                             address != NULL ? " at " : "", address != NULL ? address : "");
    utf8_make_plain(line);
    before_report(live_line_wipe);
    if (cut_to_width(line) && address != NULL)
        tell_address(address);
    char *drawing = must_format("\r\033[K%s", line);
    put(drawing);
    drawn = true;
    free(drawing);
    free(line);
    jv_free(authorization);
}

void live_line_show(const struct poller *poller) {
    size_t others;
    jv call = poller_waiting_call(poller, &others);
    if (jv_is_valid(call))
        draw(call, others);
    jv_free(call);
}
