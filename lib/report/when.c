#include "report/when.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static long days_of(long year, long month, long day) {
    year -= month <= 2;
    long era = year / 400, of_era = year - era * 400;
    long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Reads `count` digits, of a number from `least` to `most`; -1 if they are not. */
static long digits(const char *text, int count, long least, long most) {
    long number = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        number = 10 * number + (text[i] - '0');
    }
    return number >= least && number <= most ? number : -1;
}

static bool read_date(const char *text, long *days) {
    static const char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    long year = digits(text, 4, 1, 9999), month = digits(text + 5, 2, 1, 12);
    if (year < 0 || month < 0 || text[4] != '-' || text[7] != '-')
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    long day = digits(text + 8, 2, 1, lengths[month - 1] + (month == 2 && leap));
    *days = days_of(year, month, day);
    return day > 0;
}

/* The offset in seconds, which ends the text. */
static bool read_offset(const char *at, const char *end, long *offset) {
    *offset = 0;
    if (end - at == 1 && (*at == 'Z' || *at == 'z'))
        return true;
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':')
        return false;
    long hours = digits(at + 1, 2, 0, 23), minutes = digits(at + 4, 2, 0, 59);
    *offset = (hours * 3600 + minutes * 60) * (*at == '-' ? -1 : 1);
    return hours >= 0 && minutes >= 0;
}

bool when_read(const char *text, size_t size, double *seconds) {
    enum { SHORTEST = 20 };
    long days, offset;
    if (size < SHORTEST || !read_date(text, &days) || !strchr("Tt ", text[10]) || text[13] != ':' ||
        text[16] != ':')
        return false;
    long hour = digits(text + 11, 2, 0, 23), minute = digits(text + 14, 2, 0, 59),
         second = digits(text + 17, 2, 0, 60);
    const char *at = text + 19, *end = text + size;
    double fraction = 0, unit = 1;
    if (*at == '.')
        for (at++; at < end && isdigit((unsigned char)*at); at++)
            fraction += (*at - '0') * (unit /= 10);
    if (hour < 0 || minute < 0 || second < 0 || !read_offset(at, end, &offset))
        return false;
    *seconds = (double)(days * 86400 + hour * 3600 + minute * 60 + second - offset) + fraction;
    return true;
}

/* The start of the local day, `back` days before it. */
static double day_start(double now, int back) {
    time_t time = (time_t)now;
    struct tm day;
    localtime_r(&time, &day);
    day.tm_mday -= back;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    return (double)mktime(&day);
}

static bool read_day(const char *text, double *seconds) {
    long days;
    if (strlen(text) != WHEN_DATE - 1 || !read_date(text, &days))
        return false;
    struct tm day = {.tm_year = (int)digits(text, 4, 1, 9999) - 1900,
                     .tm_mon = (int)digits(text + 5, 2, 1, 12) - 1,
                     .tm_mday = (int)digits(text + 8, 2, 1, 31),
                     .tm_isdst = -1};
    *seconds = (double)mktime(&day);
    return true;
}

/* A number and its unit. */
static bool read_ago(const char *text, double now, double *seconds) {
    static const struct {
        char unit;
        long seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    enum { MOST_DIGITS = 7 };
    size_t size = strspn(text, "0123456789");
    if (size == 0 || size > MOST_DIGITS || strlen(text) != size + 1)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (text[size] == units[i].unit) {
            *seconds = floor(now) - (double)(strtol(text, NULL, 10) * units[i].seconds);
            return true;
        }
    return false;
}

bool when_option(const char *name, const char *text, double now, double *seconds,
                 struct error *error) {
    if (strcmp(text, "now") == 0)
        *seconds = now;
    else if (strcmp(text, "today") == 0)
        *seconds = day_start(now, 0);
    else if (strcmp(text, "yesterday") == 0)
        *seconds = day_start(now, 1);
    else if (!when_read(text, strlen(text), seconds) && !read_day(text, seconds) &&
             !read_ago(text, now, seconds))
        return fail(error, STATUS_USAGE,
                    "%s: '%s' is no time; write 2026-11-26, 2026-11-26T10:00:00Z, today, "
                    "yesterday, 12h or 7d",
                    name, text);
    return true;
}

void when_text(double seconds, char *text, size_t size) {
    char whole[WHEN_TIME];
    time_t time = (time_t)seconds;
    struct tm local;
    if (seconds < 0 || localtime_r(&time, &local) == NULL ||
        strftime(whole, sizeof whole, "%Y-%m-%d %H:%M:%S", &local) == 0)
        strcpy(whole, "-");
    snprintf(text, size, "%.*s", (int)size - 1, whole);
}

void when_utc(double seconds, char text[WHEN_TIME + 1]) {
    time_t time = (time_t)seconds;
    struct tm utc;
    if (gmtime_r(&time, &utc) == NULL ||
        strftime(text, WHEN_TIME + 1, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        *text = '\0';
}
