#include "json/jq_template_strict.h"

#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char template_prelude[] = "def __there($path): if . == null then error(\"the arguments have "
                                "no value for \" + $path) else . "
                                "end; ";

/* Returns the position after the closing quote of a jq string whose first character is at `text`;
 * NULL if there is none. */
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

/* The state of rewriting one expression. */
struct rewriting {
    const char *at, *end;
    struct text to;
};

static void copy(struct rewriting *work, size_t size) {
    text_add(&work->to, work->at, size);
    work->at += size;
}

static bool more(const struct rewriting *work) {
    return work->at < work->end;
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

static bool is_word(const char *text, size_t size, const char *const *words) {
    for (; *words != NULL; words++)
        if (strlen(*words) == size && memcmp(*words, text, size) == 0)
            return true;
    return false;
}

static void rewrite(struct rewriting *work, char closing, bool lenient);

static void copy_space(struct rewriting *work) {
    while (more(work) && strchr(" \t\r\n", *work->at) != NULL)
        copy(work, 1);
}

/* The next character other than white space, 0 at the end. */
static char next_character(const struct rewriting *work) {
    const char *c = work->at;
    while (c < work->end && strchr(" \t\r\n", *c) != NULL)
        c++;
    return *(c < work->end ? c : "");
}

/* Copies a string from its quote on and rewrites its \(…). */
static void copy_string(struct rewriting *work, bool lenient) {
    copy(work, 1);
    while (more(work) && *work->at != '"') {
        bool escape = *work->at == '\\' && work->at + 1 < work->end;
        bool expression = escape && work->at[1] == '(';
        copy(work, escape ? 2 : 1);
        if (expression)
            rewrite(work, ')', lenient);
    }
    if (more(work))
        copy(work, 1);
}

/* Makes null an error for the expression read from `from` on and written from `start` on. */
static void make_strict(struct rewriting *work, size_t start, const char *from) {
    struct text strict = {0};
    text_add_string(&strict, "(");
    text_add(&strict, work->to.text + start, work->to.size - start);
    text_add_string(&strict, "|__there(\"");
    for (const char *c = from; c < work->at; c++) {
        if (*c == '"' || *c == '\\')
            text_add_string(&strict, "\\");
        text_add(&strict, strchr("\t\r\n", *c) != NULL ? " " : c, 1);
    }
    text_add_string(&strict, "\"))");
    work->to.size = start;
    text_add(&work->to, strict.text, strict.size);
    free(strict.text);
}

/* Copies what may follow a term: .name, ."name", […] and ?. Returns whether it contained a path. */
static bool copy_suffixes(struct rewriting *work, bool lenient) {
    bool path = false;
    while (more(work)) {
        const char *space = work->at;
        while (space < work->end && strchr(" \t\r\n", *space) != NULL)
            space++;
        char c = *(space < work->end ? space : ""), after = c == '\0' ? '\0' : space[1];
        bool dotted = c == '.' && (is_name_start(after) || after == '"' || after == '[');
        if (!dotted && c != '[' && !(c == '?' && strncmp(space, "?//", 3) != 0))
            break;
        copy(work, (size_t)(space - work->at) + (dotted ? 1 : 0));
        if (c == '?') {
            copy(work, 1);
        } else if (*work->at == '"') {
            copy_string(work, lenient);
        } else if (*work->at == '[') {
            copy(work, 1);
            rewrite(work, ']', lenient);
        } else {
            copy(work, name_size(work->at));
        }
        path = path || c != '?';
    }
    return path;
}

/* Copies unchanged up to one of these characters outside brackets, which is not consumed. */
static void copy_until(struct rewriting *work, const char *ends) {
    for (int depth = 0; more(work) && (depth > 0 || strchr(ends, *work->at) == NULL);) {
        depth += strchr("[{", *work->at) != NULL;
        depth -= strchr("]}", *work->at) != NULL;
        copy(work, 1);
    }
}

static void copy_comment(struct rewriting *work) {
    while (more(work) && *work->at != '\n')
        copy(work, 1);
}

/* $name, after a keyword that does not use its value. */
static void copy_variable(struct rewriting *work) {
    copy_space(work);
    if (more(work) && *work->at == '$')
        copy(work, 1);
    copy(work, name_size(work->at));
}

static bool is(const char *word, size_t size, const char *text) {
    return strlen(text) == size && memcmp(word, text, size) == 0;
}

/* Copies a keyword of this size and what it names. False if it is not a keyword. */
static bool copy_keyword(struct rewriting *work, size_t size, bool *condition, bool lenient) {
    static const char *const words[] = {
        "if",     "then", "elif", "else",  "end",     "and",   "or",     "not",     "try", "catch",
        "reduce", "as",   "def",  "label", "foreach", "break", "import", "include", NULL};
    const char *word = work->at;
    if (!is_word(word, size, words))
        return false;
    copy(work, size);
    if (is(word, size, "if") || is(word, size, "elif")) {
        *condition = true;
    } else if (is(word, size, "then")) {
        *condition = false;
    } else if (is(word, size, "as")) {
        copy_until(work, "|(");
        if (more(work) && *work->at == '(') { /* reduce and foreach: not terms by themselves */
            copy(work, 1);
            rewrite(work, ')', lenient);
        }
    } else if (is(word, size, "def")) {
        copy_until(work, ":");
    } else if (is(word, size, "label") || is(word, size, "break")) {
        copy_variable(work);
    } else if (is(word, size, "end")) {
        copy_suffixes(work, lenient);
    }
    return true;
}

/* The key of an object's member; {a} and {"a"} mean the input's member with that name. */
static void copy_member(struct rewriting *work, bool lenient) {
    size_t start = work->to.size;
    const char *from = work->at;
    if (*work->at == '"')
        copy_string(work, lenient);
    else
        copy(work, name_size(work->at));
    char next = next_character(work);
    if (next != ',' && next != '}')
        return;
    char *name = must_format("%.*s", (int)(work->to.size - start), work->to.text + start);
    char *member = must_format("%s:(.%s", name, name);
    work->to.size = start;
    text_add_string(&work->to, member);
    make_strict(work, start + strlen(name) + 1, from);
    text_add_string(&work->to, ")");
    free(name);
    free(member);
}

/* {$x}, the member x with the value of $x. */
static void copy_variable_member(struct rewriting *work, bool lenient) {
    const char *name = work->at + 1;
    size_t size = name_size(name);
    work->at = name + size;
    char next = next_character(work);
    bool whole = !lenient && size > 0 && (next == ',' || next == '}') && !is(name, size, "__loc__");
    char *member = whole ? must_format("%.*s:($%.*s|__there(\"$%.*s\"))", (int)size, name,
                                       (int)size, name, (int)size, name)
                         : must_format("$%.*s", (int)size, name);
    text_add_string(&work->to, member);
    free(member);
}

/* Whether the next operator accepts a missing term: `//`, an assignment, or a comparison. */
static bool is_looked_at(const char *at, const char *end) {
    static const char *const operators[] = {
        "//", "==", "!=", "=", "|=", "+=", "-=", "*=", "/=", "%="};
    while (at < end && strchr(" \t\r\n", *at) != NULL)
        at++;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if ((size_t)(end - at) >= strlen(operators[i]) &&
            memcmp(at, operators[i], strlen(operators[i])) == 0)
            return true;
    return false;
}

/* Whether `//` is next. */
static bool has_alternative(const char *at, const char *end) {
    while (at < end && strchr(" \t\r\n", *at) != NULL)
        at++;
    return at + 1 < end && at[0] == '/' && at[1] == '/';
}

/* Copies a parenthesized expression. Before `//` an error in it selects the alternative, as it does
 * by itself from jq 1.7 on. */
static void copy_parentheses(struct rewriting *work, bool lenient) {
    const char *behind = template_expression_end(work->at + 1);
    bool gives_way = behind != NULL && has_alternative(behind, work->end);
    if (gives_way)
        text_add_string(&work->to, "(try ");
    copy(work, 1);
    rewrite(work, ')', lenient);
    if (gives_way)
        text_add_string(&work->to, " catch null)");
}

/* A term with what follows it. */
static void copy_term(struct rewriting *work, bool lenient) {
    size_t start = work->to.size;
    const char *from = work->at;
    bool path = false;
    char c = *work->at;
    if (c == '"') {
        copy_string(work, lenient);
    } else if (c == '(') {
        copy_parentheses(work, lenient);
    } else if (c == '[' || c == '{') {
        copy(work, 1);
        rewrite(work, c == '[' ? ']' : '}', lenient);
    } else if (c == '.' && work->at + 1 < work->end &&
               (is_name_start(work->at[1]) || work->at[1] == '"')) {
        path = true;
        copy(work, 1);
        if (*work->at == '"')
            copy_string(work, lenient);
        else
            copy(work, name_size(work->at));
    } else if (c == '$') {
        /* It may have been bound to nothing. */
        path = true;
        copy(work, 1);
        copy(work, name_size(work->at));
    } else if (is_name_start(c)) {
        /* Functions that test for presence, or that take paths rather than values. */
        static const char *const about[] = {"select", "del",      "path", "paths",
                                            "pick",   "delpaths", NULL};
        const char *name = work->at;
        size_t size = name_size(name);
        path = is(name, size, "getpath");
        copy(work, size);
        if (next_character(work) == '(') {
            copy_space(work);
            copy(work, 1);
            rewrite(work, ')', lenient || is_word(name, size, about));
        }
    } else {
        copy(work, c == '.' && work->at + 1 < work->end && work->at[1] == '.' ? 2 : 1);
    }
    path = copy_suffixes(work, lenient) || path;
    if (path && !lenient && !is_looked_at(work->at, work->end))
        make_strict(work, start, from);
}

/* Rewrites up to the closing bracket or the end. `lenient`: inside a condition. */
static void rewrite(struct rewriting *work, char closing, bool lenient) {
    bool condition = false, member = closing == '}';
    while (more(work)) {
        char c = *work->at;
        size_t size = name_size(work->at);
        if (c == closing) {
            copy(work, 1);
            return;
        }
        if (strchr(" \t\r\n", c) != NULL) {
            copy_space(work);
        } else if (member && (size > 0 || c == '"')) {
            copy_member(work, lenient || condition);
            member = false;
        } else if (member && c == '$') {
            copy_variable_member(work, lenient || condition);
            member = false;
        } else if (size > 0 && copy_keyword(work, size, &condition, lenient || condition)) {
            continue;
        } else if (isdigit((unsigned char)c) ||
                   (c == '.' && work->at + 1 < work->end && isdigit((unsigned char)work->at[1]))) {
            copy(work, strspn(work->at, "0123456789.eE"));
        } else if (c == '@') {
            copy(work, 1);
            copy(work, name_size(work->at));
        } else if (c == '#') {
            copy_comment(work);
        } else if (size > 0 || strchr(".\"([{$", c) != NULL) {
            copy_term(work, lenient || condition);
            member = false;
        } else {
            member = closing == '}' && c == ',';
            copy(work, 1);
        }
    }
}

char *template_strict(const char *expression, size_t size) {
    struct rewriting work = {.at = expression, .end = expression + size};
    text_add_string(&work.to, "");
    rewrite(&work, '\0', false);
    return work.to.text;
}
