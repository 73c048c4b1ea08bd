#include "template_paths.h"

#include "error.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Behind the closing quote of a jq string whose first character is at `text`; NULL if it has none.
 */
static const char *string_end(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '"')
            return text + 1;
        if (*text != '\\')
            continue;
        if (text[1] == '(') {
            text = template_expression_end(text + 2);
            if (text == NULL)
                return NULL;
            text--;
        } else if (text[1] != '\0') {
            text++;
        }
    }
    return NULL;
}

const char *template_expression_end(const char *text) {
    for (int depth = 0; text != NULL && *text != '\0';) {
        if (*text == '"') {
            text = string_end(text + 1);
            continue;
        }
        if (*text == ')' && depth-- == 0)
            return text + 1;
        depth += *text == '(';
        text++;
    }
    return NULL;
}

static bool is_name_start(char c) {
    return isalpha((unsigned char)c) || c == '_';
}

static size_t name_size(const char *text) {
    size_t size = 0;
    while (is_name_start(text[size]) || (size > 0 && isdigit((unsigned char)text[size])))
        size++;
    return size;
}

/* The scan of one expression. */
struct scan {
    const char *at, *end;
    char *paths;  /* found so far, as template_paths gives them */
    bool settled; /* it says itself what stands for a value that is not there */
};

static void scan_expression(struct scan *scan, char closing, bool of_input);

/* `.name`, `."name"` or `[…]` with a string or a number in it: how far it goes, 0 for none. */
static size_t step_size(const char *text, const char *end) {
    const char *from = text, *to = NULL;
    bool dotted = *text == '.';
    from += dotted;
    if (dotted && is_name_start(*from))
        to = from + name_size(from);
    else if (dotted && *from == '"')
        to = string_end(from + 1);
    else if (*from == '[' && from[1] == '"')
        to = string_end(from + 2);
    else if (*from == '[' && isdigit((unsigned char)from[1]))
        to = from + 1 + strspn(from + 1, "0123456789");
    if (to != NULL && *from == '[')
        to = *to == ']' ? to + 1 : NULL;
    return to != NULL && to <= end ? (size_t)(to - text) : 0;
}

static void add_path(struct scan *scan, const char *dot, const char *path, size_t size) {
    char *longer = must_format("%s[%s%.*s],", scan->paths, dot, (int)size, path);
    free(scan->paths);
    scan->paths = longer;
}

/* A path at a dot. */
static void scan_path(struct scan *scan, bool of_input) {
    const char *from = scan->at;
    size_t step;
    while ((step = step_size(scan->at, scan->end)) > 0)
        scan->at += step;
    if (scan->at == from)
        scan->at++; /* the input itself, or .[…] of something that is worked out */
    else if (of_input)
        add_path(scan, "", from, (size_t)(scan->at - from));
}

static bool is_word(const char *text, size_t size, const char *const *words) {
    for (; *words != NULL; words++)
        if (strlen(*words) == size && memcmp(*words, text, size) == 0)
            return true;
    return false;
}

/* A name, keyword or function at the scan's place; whether an operand may follow it. In an object
 * `{a, b}` the name stands for the path of that name. */
static bool scan_name(struct scan *scan, bool of_input, bool is_member) {
    static const char *const settling[] = {"if", "try", "has", "in", "null", "type", "keys", NULL};
    static const char *const operators[] = {"and",    "or",      "then", "else", "elif", "as",
                                            "reduce", "foreach", "def",  "not",  NULL};
    const char *name = scan->at;
    size_t size = name_size(name);
    scan->at += size;
    scan->settled = scan->settled || is_word(name, size, settling);
    const char *next = scan->at + strspn(scan->at, " \t\n");
    if (is_member && of_input && next < scan->end && (*next == ',' || *next == '}'))
        add_path(scan, ".", name, size);
    if (*scan->at == '(') {
        /* What a function's argument is worked out on, only the function knows. */
        scan->at++;
        scan_expression(scan, ')', false);
        return false;
    }
    return is_word(name, size, operators);
}

/* A string, whose \(…) are expressions on the same input. */
static void scan_string(struct scan *scan, bool of_input) {
    for (scan->at++; scan->at < scan->end && *scan->at != '"'; scan->at++) {
        if (*scan->at != '\\')
            continue;
        scan->at++;
        if (*scan->at == '(') {
            scan->at++;
            scan_expression(scan, ')', of_input);
            scan->at--;
        }
    }
    scan->at++;
}

/* Up to the closing bracket, or the end. `of_input` is whether what stands here is worked out on
 * the input: not so behind a pipe. */
static void scan_expression(struct scan *scan, char closing, bool of_input) {
    bool operand = true; /* one is expected: a dot begins a path, and does not go on with a value */
    bool member = closing == '}';
    while (scan->at < scan->end) {
        char c = *scan->at;
        if (c == closing && c != '\0') {
            scan->at++;
            return;
        }
        if (c == '"') {
            scan_string(scan, of_input);
            operand = false;
        } else if (c == '.') {
            scan_path(scan, of_input && operand);
            operand = false;
        } else if (is_name_start(c)) {
            operand = scan_name(scan, of_input, member);
        } else if (c == '$' || c == '@') {
            scan->at++;
            scan->at += name_size(scan->at);
            operand = c == '@'; /* a format, which a string may follow */
        } else if (c == '(' || c == '[' || c == '{') {
            scan->at++;
            scan_expression(scan, c == '(' ? ')' : c == '[' ? ']' : '}', of_input);
            operand = false;
        } else {
            scan->settled = scan->settled || c == '?' || (c == '/' && scan->at[1] == '/');
            of_input = of_input && c != '|';
            operand = operand || strchr(" \t\n0123456789", c) == NULL;
            scan->at++;
        }
        member = closing == '}' && (c == ',' || (member && strchr(" \t\n", c) != NULL));
    }
}

char *template_paths(const char *expression, size_t size) {
    struct scan scan = {.at = expression, .end = expression + size, .paths = must_copy("")};
    scan_expression(&scan, '\0', true);
    if (scan.settled)
        scan.paths[0] = '\0';
    return scan.paths;
}
