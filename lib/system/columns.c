#include "system/columns.h"

#include "base/utf8.h"
#include "system/settings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { USUAL = 80, USUAL_LINES = 24, LEAST = 20, LEAST_LINES = 4, MOST = 10000 };

struct range {
    uint32_t first, last;
};

/* Unicode 16: East_Asian_Width W and F, and what terminals show as emoji. */
static const struct range wide[] = {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},
                                    {0x23E9, 0x23FA},   {0x25FD, 0x25FE},   {0x2600, 0x27BF},
                                    {0x2B1B, 0x2B55},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
                                    {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                                    {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},
                                    {0xFFE0, 0xFFE6},   {0x16FE0, 0x18D08}, {0x1AFF0, 0x1B2FB},
                                    {0x1D300, 0x1D376}, {0x1F000, 0x1FAFF}, {0x20000, 0x3FFFD}};

/* The most common of General_Category Mn and Me, and those that join others. */
static const struct range combining[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F}, {0x1AB0, 0x1ACE},
    {0x1DC0, 0x1DFF}, {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};

static bool is_in(const struct range *ranges, size_t count, uint32_t c) {
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static size_t width_of(uint32_t c) {
    if (c < 0x300)
        return 1;
    if (is_in(combining, sizeof combining / sizeof *combining, c))
        return 0;
    return is_in(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
}

/* The character at `text`: sets *length to its bytes; returns its columns. */
static size_t next(const char *text, size_t size, size_t *length) {
    uint32_t c;
    *length = utf8_decode(text, size, &c);
    if (*length > 0)
        return width_of(c);
    *length = 1;
    return 1;
}

size_t columns_of(const char *text) {
    size_t columns = 0, size = strlen(text), length;
    for (size_t at = 0; at < size; at += length)
        columns += next(text + at, size - at, &length);
    return columns;
}

void columns_pad(struct text *to, const char *text, size_t columns) {
    text_add_string(to, text);
    for (size_t has = columns_of(text); has < columns; has++)
        text_add_string(to, " ");
}

void columns_cut(char *text, size_t columns) {
    static const char dots[] = "...";
    size_t size = strlen(text), at = 0, fits = 0, column = 0, length;
    if (columns_of(text) <= columns)
        return;
    for (; at < size; at += length) {
        column += next(text + at, size - at, &length);
        if (column > columns - (sizeof dots - 1))
            break;
        fits = at + length;
    }
    size_t room = size - fits < sizeof dots - 1 ? size - fits : sizeof dots - 1;
    memcpy(text + fits, dots, room);
    text[fits + room] = '\0';
}

static size_t or_by_environment(size_t number, const char *name, size_t usual) {
    const char *says = number == 0 ? settings_get(NULL, name, NULL) : NULL;
    long value = says != NULL ? strtol(says, NULL, 10) : 0;
    return number > 0 ? number : value > 0 && value < MOST ? (size_t)value : usual;
}

size_t columns_of_stdout(size_t *lines) {
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){0};
    size_t columns = or_by_environment(size.ws_col, "COLUMNS", USUAL);
    size_t rows = or_by_environment(size.ws_row, "LINES", USUAL_LINES);
    if (lines != NULL)
        *lines = rows < LEAST_LINES ? LEAST_LINES : rows;
    return columns < LEAST ? LEAST : columns;
}
