#include "json/jq_template.h"

#include "base/text.h"
#include "json/jq_template_strict.h"
#include "json/json.h"

#include <ctype.h>
#include <jq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct template {
    char *text;          /* a text with plain paths only, which needs no jq; else NULL */
    jq_state *jq;        /* otherwise the program */
    char *source;        /* the program as the operator wrote it */
    bool is_pieces;      /* a text: the program returns its pieces */
    struct error *error; /* receives jq's message while it runs */
};

/* The length of `\(.name.name)` at `text`, or 0 if there is none. */
static size_t path_length(const char *text) {
    if (strncmp(text, "\\(.", 3) != 0)
        return 0;
    const char *c = text + 2;
    while (*c == '.') {
        c++;
        if (!isalpha((unsigned char)*c) && *c != '_')
            return 0;
        while (isalnum((unsigned char)*c) || *c == '_')
            c++;
    }
    return *c == ')' ? (size_t)(c + 1 - text) : 0;
}

static bool only_paths(const char *text) {
    for (; *text != '\0'; text++) {
        size_t length = path_length(text);
        if (*text == '\\' && length == 0)
            return false;
        text += length > 0 ? length - 1 : 0;
    }
    return true;
}

/* Adds the text up to the next \( as a jq string, keeping escapes as they are. Returns the rest. */
static const char *add_plain(struct text *program, const char *text) {
    text_add_string(program, "[\"");
    while (*text != '\0' && strncmp(text, "\\(", 2) != 0) {
        size_t size = *text == '\\' && text[1] != '\0' ? 2 : 1;
        text_add(program, *text == '"' ? "\\\"" : text, *text == '"' ? 2 : size);
        text += size;
    }
    text_add_string(program, "\"],");
    return text;
}

/* The program for a text: [piece, …], each an array of its values, so that none and several differ
 * from one. NULL if a \( is not closed. */
static char *pieces_program(const char *text) {
    struct text program = {0};
    text_add_string(&program, template_prelude);
    text_add_string(&program, "[");
    while (*text != '\0') {
        if (strncmp(text, "\\(", 2) != 0) {
            text = add_plain(&program, text);
            continue;
        }
        const char *from = text + 2, *end = template_expression_end(from);
        if (end == NULL) {
            free(program.text);
            return NULL;
        }
        char *strict = template_strict(from, (size_t)(end - 1 - from));
        text_add_string(&program, "[");
        text_add_string(&program, strict);
        text_add_string(&program, "\n],");
        free(strict);
        text = end;
    }
    text_add_string(&program, "[\"\"]]");
    return program.text;
}

static const char *without_prefix(const char *text, const char *prefix) {
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : text;
}

static void keep_message(void *data, jv message) {
    struct template *template = data;
    jv text = jq_format_error(message);
    if (jv_get_kind(text) == JV_KIND_STRING) {
        char *copy = must_copy(jv_string_value(text));
        char *program = strstr(copy, " at <top-level>"); /* not as the operator wrote it */
        if (program != NULL)
            *program = '\0';
        for (char *c = copy; *c != '\0'; c++)
            *c = (char)(*c == '\n' ? ' ' : *c);
        char *shell = strstr(copy, " (Unix shell quoting issues?)");
        if (shell != NULL)
            *shell = '\0';
        /* The first message is the cause; "1 compile error" follows it. */
        if (template->error->text[0] == '\0')
            fail(template->error, STATUS_USAGE, "the jq in '%.300s' is wrong: %.300s",
                 template->source, without_prefix(copy, "jq: error: "));
        free(copy);
    }
    jv_free(text);
}

/* Compiles a program, which is taken, made from what the operator wrote. */
static struct template *compile(char *program, const char *source, struct error *error) {
    struct template *template = must_alloc(sizeof *template);
    template->error = error;
    template->source = must_copy(source);
    template->jq = jq_init();
    if (template->jq == NULL)
        out_of_memory();
    jq_set_nomem_handler(template->jq, out_of_memory_in, NULL);
    jq_set_error_cb(template->jq, keep_message, template);
    error->text[0] = '\0';
    int compiled = jq_compile(template->jq, program);
    free(program);
    if (compiled)
        return template;
    if (error->text[0] == '\0')
        fail(error, STATUS_USAGE, "the jq in '%.300s' is wrong", source);
    template_free(template);
    return NULL;
}

struct template *template_text(const char *text, struct error *error) {
    if (!only_paths(text)) {
        char *program = pieces_program(text);
        if (program == NULL) {
            fail(error, STATUS_USAGE, "'%.300s' has a \\( that is not closed", text);
            return NULL;
        }
        struct template *template = compile(program, text, error);
        if (template != NULL)
            template->is_pieces = true;
        return template;
    }
    struct template *template = must_alloc(sizeof *template);
    template->text = must_copy(text);
    return template;
}

struct template *template_filter(const char *program, struct error *error) {
    char *strict = template_strict(program, strlen(program));
    char *whole = must_format("%s%s", template_prelude, strict);
    free(strict);
    return compile(whole, program, error);
}

void template_free(struct template *template) {
    if (template == NULL)
        return;
    if (template->jq != NULL)
        jq_teardown(&template->jq);
    free(template->text);
    free(template->source);
    free(template);
}

static const char no_value_words[] = "the arguments have no value for";

static bool no_value(struct error *error, const char *path, size_t size) {
    return fail(error, STATUS_INPUT, "the arguments have no value for \\(%.*s)",
                size < 60 ? (int)size : 60, path);
}

/* Appends the value at `.a.b`. False and an error if it is missing. */
static bool append_path(jv *text, jv input, const char *path, size_t size, struct error *error) {
    const char *whole = path;
    size_t whole_size = size;
    jv value = jv_copy(input);
    while (size > 0) {
        size_t name = 1;
        while (name < size && path[name] != '.')
            name++;
        jv next = jv_get_kind(value) == JV_KIND_OBJECT
                      ? jv_object_get(jv_copy(value), jv_string_sized(path + 1, (int)name - 1))
                      : jv_invalid();
        jv_free(value);
        value = next;
        path += name;
        size -= name;
    }
    bool there = jv_is_valid(value) && jv_get_kind(value) != JV_KIND_NULL;
    jv shown = there ? json_shown(value, error) : jv_invalid();
    jv_free(value);
    if (!there)
        return no_value(error, whole, whole_size);
    if (!jv_is_valid(shown))
        return false;
    *text = jv_string_concat(*text, shown);
    return true;
}

static bool run_paths(const char *template, jv input, jv *value, struct error *error) {
    jv text = jv_string("");
    while (*template != '\0') {
        size_t plain = strcspn(template, "\\"), length = path_length(template + plain);
        text = jv_string_append_buf(text, template, (int)plain);
        template += plain;
        if (length > 0 && !append_path(&text, input, template + 2, length - 3, error)) {
            jv_free(text);
            return false;
        }
        template += length;
    }
    *value = text;
    return true;
}

static bool run_jq(struct template *template, jv input, jv *value, struct error *error) {
    jq_start(template->jq, jv_copy(input), 0);
    jv first = jq_next(template->jq);
    if (!jv_is_valid(first)) {
        jv message = jv_invalid_get_msg(first);
        bool has = jv_get_kind(message) == JV_KIND_STRING;
        const char *text = has ? jv_string_value(message) : "no value";
        bool ours = strncmp(text, no_value_words, strlen(no_value_words)) == 0;
        fail(error, STATUS_INPUT, "%s%s", ours ? "" : "jq: ", text);
        jv_free(message);
        return false;
    }
    jv second = jq_next(template->jq);
    bool more = jv_is_valid(second) || jv_invalid_has_msg(jv_copy(second));
    jv_free(second);
    if (more) {
        jv_free(first);
        return fail(error, STATUS_INPUT, "jq gives more than one value");
    }
    *value = first;
    return true;
}

static bool no_value_for_template(const struct template *template, struct error *error) {
    return fail(error, STATUS_INPUT, "the arguments have no value for the template %.200s",
                template->source);
}

/* Appends a piece, the array of its values. */
static bool append_piece(const struct template *template, jv piece, jv *text, struct error *error) {
    int count = jv_array_length(jv_copy(piece));
    if (count != 1)
        return count == 0 ? no_value_for_template(template, error)
                          : fail(error, STATUS_INPUT, "jq gives more than one value");
    jv value = jv_array_get(jv_copy(piece), 0);
    bool there = jv_get_kind(value) != JV_KIND_NULL;
    jv shown = there ? json_shown(value, error) : jv_invalid();
    jv_free(value);
    if (!there)
        return no_value_for_template(template, error);
    if (!jv_is_valid(shown))
        return false;
    *text = jv_string_concat(*text, shown);
    return true;
}

/* The text of [piece, …], which is taken. */
static bool join_pieces(const struct template *template, jv pieces, jv *value,
                        struct error *error) {
    jv text = jv_string("");
    bool good = true;
    jv_array_foreach(pieces, i, piece) {
        good = good && append_piece(template, piece, &text, error);
        jv_free(piece);
    }
    jv_free(pieces);
    if (good)
        *value = text;
    else
        jv_free(text);
    return good;
}

/* Whether the result contains a null that is in neither the input nor the operator's text: it
 * stands for a missing value. */
static bool has_hole(const struct template *template, jv input, jv made) {
    char *given = json_text(input), *text = json_text(made);
    bool hole = strstr(text, "null") != NULL && strstr(given, "null") == NULL &&
                strstr(template->source, "null") == NULL;
    free(given);
    free(text);
    return hole;
}

/* A model wrote the names, and this text goes back to it, into the document and the audit log: what
 * is no plain name, such as a sentence or a secret, is left out. */
static bool is_plain_name(const char *name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t size = strlen(name);
    return size > 0 && size <= 30 && strspn(name, plain) == size;
}

/* Adds the names that exist to an error about a missing value. */
static bool tell_names(jv input, struct error *error) {
    size_t size = strlen(error->text);
    if (strncmp(error->text, no_value_words, strlen(no_value_words)) != 0 ||
        jv_get_kind(input) != JV_KIND_OBJECT)
        return false;
    const char *before = "; they have ";
    jv_object_foreach(input, name, value) {
        if (size < 500 && is_plain_name(jv_string_value(name))) {
            size += (size_t)snprintf(error->text + size, sizeof error->text - size, "%s%s", before,
                                     jv_string_value(name));
            before = ", ";
        }
        jv_free(name);
        jv_free(value);
    }
    return false;
}

static bool run(struct template *template, jv input, jv *value, struct error *error) {
    if (template->text != NULL)
        return run_paths(template->text, input, value, error);
    jv made = jv_invalid();
    if (!run_jq(template, input, &made, error) ||
        (template->is_pieces && !join_pieces(template, made, &made, error)))
        return false;
    if (has_hole(template, input, made)) {
        jv_free(made);
        return no_value_for_template(template, error);
    }
    *value = made;
    return true;
}

bool template_run(struct template *template, jv input, jv *value, struct error *error) {
    *value = jv_invalid();
    template->error = error;
    return run(template, input, value, error) || tell_names(input, error);
}
