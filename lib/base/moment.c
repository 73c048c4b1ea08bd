#include "base/moment.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* The largest first. */
static const struct {
    long seconds;
    const char *name;
} units[] = {{DAY, "d"}, {HOUR, "h"}, {MINUTE, "min"}, {1, "s"}};

static char *words(double seconds, bool both) {
    const double most = 1e9;
    long left = seconds > 0 ? (long)fmin(seconds, most) : 0;
    size_t unit = 0;
    while (units[unit].seconds > 1 && left < units[unit].seconds)
        unit++;
    long count = left / units[unit].seconds;
    left -= count * units[unit].seconds;
    long rest = units[unit].seconds > 1 ? left / units[unit + 1].seconds : 0;
    return both && rest > 0
               ? must_format("%ld %s %ld %s", count, units[unit].name, rest, units[unit + 1].name)
               : must_format("%ld %s", count, units[unit].name);
}

char *moment_span(double seconds) {
    return words(seconds, true);
}

char *moment_about(double seconds) {
    return words(seconds, false);
}

/* "90", "90s", "15m", "2h", "3d". */
static bool parse_span(const char *text, double *seconds) {
    static const char letters[] = "smhd";
    static const long lengths[] = {1, MINUTE, HOUR, DAY};
    size_t digits = strspn(text, "0123456789");
    const char *letter = strchr(letters, text[digits]); /* also at the end of the text */
    if (digits == 0 || digits > 9 || letter == NULL ||
        (*letter != '\0' && text[digits + 1] != '\0'))
        return false;
    *seconds = strtod(text, NULL) * (double)(*letter != '\0' ? lengths[letter - letters] : 1);
    return true;
}

/* Local midnight, so many days ago. */
static double midnight(int days) {
    time_t now = (time_t)clock_now();
    struct tm parts;
    localtime_r(&now, &parts);
    struct tm day = {.tm_year = parts.tm_year,
                     .tm_mon = parts.tm_mon,
                     .tm_mday = parts.tm_mday - days,
                     .tm_isdst = -1};
    return (double)mktime(&day);
}

/* Seconds since 1970 of a time in UTC. */
static double utc(const struct tm *parts) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    long year = parts->tm_year + 1900L, leap = parts->tm_mon < 2 ? year - 1 : year;
    double days = (double)(year - 1970) * 365 + (double)(leap / 4 - leap / 100 + leap / 400 - 477) +
                  before[parts->tm_mon] + parts->tm_mday - 1;
    return days * DAY + parts->tm_hour * HOUR + parts->tm_min * MINUTE + parts->tm_sec;
}

/* The digits and signs of "2026-11-26 10:07:00", as many as there are. */
static bool has_form(const char *text, size_t size) {
    static const char form[] = "0000-00-00 00:00:00";
    if (size != 10 && size != 16 && size != 19)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        bool same = text[i] == form[i] || (form[i] == ' ' && text[i] == 'T');
        if (form[i] == '0' ? !digit : !same)
            return false;
    }
    return true;
}

static int number(const char *text, size_t digits) {
    int value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + text[i] - '0';
    return value;
}

static bool parse_date(const char *text, double *moment) {
    size_t size = strlen(text);
    bool zulu = size > 0 && text[size - 1] == 'Z';
    size -= zulu;
    if (!has_form(text, size))
        return false;
    struct tm parts = {.tm_year = number(text, 4) - 1900,
                       .tm_mon = number(text + 5, 2) - 1,
                       .tm_mday = number(text + 8, 2),
                       .tm_isdst = -1};
    parts.tm_hour = size > 10 ? number(text + 11, 2) : 0;
    parts.tm_min = size > 10 ? number(text + 14, 2) : 0;
    parts.tm_sec = size > 16 ? number(text + 17, 2) : 0;
    if (parts.tm_mon < 0 || parts.tm_mon > 11 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
        parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60 || parts.tm_year < 70)
        return false;
    *moment = zulu ? utc(&parts) : (double)mktime(&parts);
    return true;
}

bool moment_parse(const char *text, double *moment) {
    double seconds;
    bool today = strcmp(text, "today") == 0;
    if (today || strcmp(text, "yesterday") == 0)
        *moment = midnight(today ? 0 : 1);
    else if (parse_span(text, &seconds))
        *moment = clock_now() - seconds;
    else
        return parse_date(text, moment);
    return true;
}
