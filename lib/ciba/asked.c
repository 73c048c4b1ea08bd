#include "ciba/asked.h"

#include "base/clock.h"
#include "base/memory.h"
#include "document/call.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MESSAGE_SHOWN = 1000, /* bytes, so that the rest of the line is not cut (error.h) */
    TIME_SIZE = 40
};

/* The time of day, local, with the date if it is not today's. */
static const char *local_time(jv authorization, const char *member, char *text) {
    double seconds = 0;
    json_number(authorization, member, &seconds);
    time_t then = (time_t)seconds, now = (time_t)clock_now();
    struct tm parts, today;
    if (localtime_r(&then, &parts) == NULL || localtime_r(&now, &today) == NULL)
        return "at an unknown time";
    bool is_today = parts.tm_yday == today.tm_yday && parts.tm_year == today.tm_year;
    strftime(text, TIME_SIZE, is_today ? "%H:%M" : "%Y-%m-%d %H:%M", &parts);
    return text;
}

/* Who approved it, or else who was asked, by the name that is known. */
static const char *user_of(jv authorization) {
    static const char *const members[] = {"approved_by", "user", "login_hint"};
    const char *user = NULL;
    for (size_t i = 0; user == NULL && i < sizeof members / sizeof *members; i++)
        user = json_string(authorization, members[i]);
    return user != NULL ? user : "the user";
}

/* The caller frees. */
static char *message_of(jv authorization) {
    const char *message = json_string(authorization, "binding_message");
    message = message != NULL ? message : "";
    return must_format("%.*s%s", MESSAGE_SHOWN, message,
                       strlen(message) > MESSAGE_SHOWN ? "..." : "");
}

char *asked_line(jv call) {
    char time[TIME_SIZE];
    jv authorization = json_get(call, "authorization");
    const char *address = json_string(authorization, "verification_uri");
    char *message = message_of(authorization);
    char *line = must_format("asked %s: %s%s%s; expires %s", user_of(authorization), message,
                             address != NULL ? " at " : "", address != NULL ? address : "",
                             local_time(authorization, "expires_at", time));
    free(message);
    jv_free(authorization);
    return line;
}

char *approved_line(jv call) {
    char time[TIME_SIZE];
    jv authorization = json_get(call, "authorization");
    char *message = message_of(authorization);
    char *line = json_has(authorization, "reused")
                     ? must_format("not asked again: %s said yes when asked at %s: %s",
                                   user_of(authorization),
                                   local_time(authorization, "requested_at", time), message)
                     : must_format("approved by %s", user_of(authorization));
    free(message);
    jv_free(authorization);
    return line;
}

char *refusal_line(jv call) {
    enum call_state state = call_state(call);
    if (state == CALL_DENIED)
        return must_copy("the user said no");
    if (state == CALL_EXPIRED)
        return must_copy("the user did not answer in time");
    jv authorization = json_get(call, "authorization");
    const char *why = json_string(authorization, "error_description");
    char *line = must_copy(why != NULL ? why : "it could not be asked");
    jv_free(authorization);
    return line;
}
