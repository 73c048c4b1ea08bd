#include "report/columns.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "report/when.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column_kind {
    TIME_ASKED,
    TIME_DECIDED,
    TIME_DONE,
    OUTCOME,
    DONE,
    SECONDS,
    STATUS,
    WHOLE,
    TEXT
};

static const struct {
    const char *name;
    enum column_kind kind;
    enum call_text text;
} columns[] = {{"time", TIME_ASKED, 0},
               {"agent", TEXT, CALL_AGENT},
               {"user", TEXT, CALL_USER},
               {"tool", TEXT, CALL_TOOL},
               {"outcome", OUTCOME, 0},
               {"seconds", SECONDS, 0},
               {"done", DONE, 0},
               {"status", STATUS, 0},
               {"order", TEXT, CALL_ORDER},
               {"message", TEXT, CALL_MESSAGE},
               {"error", TEXT, CALL_ERROR},
               {"decided_at", TIME_DECIDED, 0},
               {"done_at", TIME_DONE, 0},
               {"client_id", TEXT, CALL_CLIENT_ID},
               {"os_user", TEXT, CALL_OS_USER},
               {"host", TEXT, CALL_HOST},
               {"spool", TEXT, CALL_SPOOL},
               {"document", TEXT, CALL_DOCUMENT},
               {"call", TEXT, CALL_ID},
               {"call_digest", TEXT, CALL_DIGEST},
               {"request_digest", TEXT, CALL_REQUEST_DIGEST},
               {"whole", WHOLE, 0}};

size_t columns_count(void) {
    return sizeof columns / sizeof *columns;
}

const char *column_name(size_t column) {
    return columns[column].name;
}

static struct cell cell_text(const char *text) {
    return (struct cell){text != NULL ? CELL_TEXT : CELL_EMPTY, text};
}

static struct cell cell_time(double time) {
    static char text[WHEN_TIME + 1];
    if (time < 0)
        return cell_text(NULL);
    when_utc(time, text);
    return cell_text(text);
}

static struct cell cell_number(bool known, double number) {
    static char text[40];
    snprintf(text, sizeof text, "%.15g", number);
    return (struct cell){known && isfinite(number) ? CELL_NUMBER : CELL_EMPTY, text};
}

struct cell column_cell(size_t column, const struct reported_call *call) {
    switch (columns[column].kind) {
    case TIME_ASKED:
        return cell_time(call->first);
    case TIME_DECIDED:
        return cell_time(call->decided);
    case TIME_DONE:
        return cell_time(call->completed);
    case OUTCOME:
        return cell_text(call_outcome_words[call->outcome]);
    case DONE:
        return cell_text(call->done != DONE_NOT ? call_done_words[call->done] : NULL);
    case SECONDS:
        return cell_number(call->seconds >= 0, call->seconds);
    case STATUS:
        return cell_number(call->has_status, call->status);
    case WHOLE:
        return (struct cell){CELL_BOOLEAN, call->whole ? "true" : "false"};
    case TEXT:
        break;
    }
    return cell_text(call->text[columns[column].text]);
}

void columns_add_json(struct text *to, const struct reported_call *call) {
    for (size_t i = 0; i < columns_count(); i++) {
        struct cell cell = column_cell(i, call);
        text_add_format(to, "%s\"%s\":", i > 0 ? "," : "", columns[i].name);
        if (cell.kind == CELL_TEXT)
            add_json_string(to, cell.text);
        else
            text_add_string(to, cell.kind == CELL_EMPTY ? "null" : cell.text);
    }
}

static void add_escape(struct text *to, uint32_t character) {
    if (character >= 0x10000)
        text_add_format(to, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (character >> 10)),
                        (unsigned)(0xDC00 + (character & 0x3FF)));
    else
        text_add_format(to, "\\u%04x", (unsigned)character);
}

/* So many characters of ASCII stand for themselves. */
static size_t common(const char *string) {
    size_t size = 0;
    while (string[size] >= ' ' && string[size] < 0x7F && string[size] != '"' &&
           string[size] != '\\')
        size++;
    return size;
}

void add_json_string(struct text *to, const char *string) {
    uint32_t character;
    size_t left = strlen(string), size;
    text_add(to, "\"", 1);
    for (; left > 0; string += size, left -= size) {
        size = common(string);
        if (size > 0) {
            text_add(to, string, size);
            continue;
        }
        size = utf8_decode(string, left, &character);
        if (size == 0) {
            size = 1;
            text_add_string(to, "\\ufffd");
        } else if (character == '"' || character == '\\') {
            text_add_format(to, "\\%c", (int)character);
        } else if (!utf8_visible(character)) {
            add_escape(to, character);
        } else {
            text_add(to, string, size);
        }
    }
    text_add(to, "\"", 1);
}

/* Whether a spreadsheet may take the text for a formula, also one with wide signs. */
static bool is_formula(const char *text) {
    static const char *const signs[] = {"=",  "+",      "-",      "@",      "\t",    "\r",
                                        "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"};
    text += strspn(text, " ");
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(text, signs[i], strlen(signs[i])) == 0)
            return true;
    return false;
}

void add_csv_cell(struct text *to, const struct cell *cell) {
    if (cell->kind == CELL_EMPTY)
        return;
    if (cell->kind != CELL_TEXT) {
        text_add_string(to, cell->text);
        return;
    }
    char *text = must_copy(cell->text);
    bool formula = is_formula(text);
    utf8_make_plain(text);
    bool quoted = formula || strpbrk(text, "\",;") != NULL;
    text_add_string(to, quoted ? "\"" : "");
    text_add_string(to, formula ? "'" : "");
    for (const char *at = text; *at != '\0'; at++)
        text_add(to, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    text_add_string(to, quoted ? "\"" : "");
    free(text);
}

void add_html(struct text *to, const char *string) {
    char *text = must_copy(string);
    utf8_make_plain(text);
    for (const char *at = text; *at != '\0'; at++) {
        const char *escape = *at == '&'    ? "&amp;"
                             : *at == '<'  ? "&lt;"
                             : *at == '>'  ? "&gt;"
                             : *at == '"'  ? "&quot;"
                             : *at == '\'' ? "&#39;"
                                           : NULL;
        text_add(to, escape != NULL ? escape : at, escape != NULL ? strlen(escape) : 1);
    }
    free(text);
}

void add_seconds(struct text *to, double seconds) {
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };
    long whole = (long)seconds;
    if (seconds < 0)
        text_add_string(to, "-");
    else if (whole < MINUTE)
        text_add_format(to, "%ld s", whole);
    else if (whole < HOUR)
        text_add_format(to, "%ld:%02ld min", whole / MINUTE, whole % MINUTE);
    else if (whole < 2 * DAY)
        text_add_format(to, "%ld:%02ld h", whole / HOUR, whole % HOUR / MINUTE);
    else
        text_add_format(to, "%ld d", whole / DAY);
}
