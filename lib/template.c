#include "template.h"

#include "json.h"

#include <ctype.h>
#include <jq.h>
#include <stdlib.h>
#include <string.h>

struct template {
    char *text;   /* a text of plain paths, done without jq; else NULL */
    jq_state *jq; /* else the program */
    bool gives_text;
    struct error *error; /* where the message of jq goes while it runs */
};

/* The length of `\(.name.name)` at `text`, or 0 if that is not what is there. */
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

/* The template as a jq string literal: quotes outside of \(…) are text. */
static char *quoted(const char *text) {
    char *program = must_alloc(2 * strlen(text) + 3), *to = program;
    int depth = 0;
    bool inner_string = false;
    *to++ = '"';
    for (; *text != '\0'; text++) {
        if (depth == 0 && *text == '"')
            *to++ = '\\';
        if (*text == '\\' && text[1] != '\0' && (depth == 0 || inner_string)) {
            depth += depth == 0 && text[1] == '(';
            *to++ = *text++;
        } else if (depth > 0) {
            inner_string ^= *text == '"';
            depth += inner_string ? 0 : (*text == '(') - (*text == ')');
        }
        *to++ = *text;
    }
    *to++ = '"';
    *to = '\0';
    return program;
}

static void keep_message(void *data, jv message) {
    struct template *template = data;
    jv text = jq_format_error(message);
    if (jv_get_kind(text) == JV_KIND_STRING) {
        char *copy = must_copy(jv_string_value(text));
        for (char *c = copy; *c != '\0'; c++)
            *c = (char)(*c == '\n' ? ' ' : *c);
        /* The first message is the cause; "1 compile error" follows it. */
        if (template->error->text[0] == '\0')
            fail(template->error, STATUS_USAGE, "%s", copy);
        free(copy);
    }
    jv_free(text);
}

static struct template *compile(char *program, struct error *error) {
    struct template *template = must_alloc(sizeof *template);
    template->error = error;
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
        fail(error, STATUS_USAGE, "jq cannot compile it");
    template_free(template);
    return NULL;
}

struct template *template_text(const char *text, struct error *error) {
    if (!only_paths(text)) {
        struct template *template = compile(quoted(text), error);
        if (template != NULL)
            template->gives_text = true;
        return template;
    }
    struct template *template = must_alloc(sizeof *template);
    template->text = must_copy(text);
    template->gives_text = true;
    return template;
}

struct template *template_filter(const char *program, struct error *error) {
    return compile(must_copy(program), error);
}

void template_free(struct template *template) {
    if (template == NULL)
        return;
    if (template->jq != NULL)
        jq_teardown(&template->jq);
    free(template->text);
    free(template);
}

/* The value at `.a.b)` as jq's tostring gives it. False if there is none. */
static bool append_path(jv *text, jv input, const char *path, size_t size) {
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
    if (there && jv_get_kind(value) != JV_KIND_STRING)
        value = jv_dump_string(value, 0);
    if (there)
        *text = jv_string_concat(*text, jv_copy(value));
    jv_free(value);
    return there;
}

static bool run_paths(const char *template, jv input, jv *value, struct error *error) {
    jv text = jv_string("");
    while (*template != '\0') {
        size_t plain = strcspn(template, "\\"), length = path_length(template + plain);
        text = jv_string_append_buf(text, template, (int)plain);
        template += plain;
        if (length > 0 && !append_path(&text, input, template + 2, length - 3)) {
            jv_free(text);
            return fail(error, STATUS_INPUT, "the arguments have no value for %.*s",
                        length < 60 ? (int)length : 60, template);
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
        fail(error, STATUS_INPUT, "jq: %s", has ? jv_string_value(message) : "no value");
        jv_free(message);
        return false;
    }
    jv second = jq_next(template->jq);
    bool more = jv_is_valid(second);
    jv_free(second);
    if (more) {
        jv_free(first);
        return fail(error, STATUS_INPUT, "jq gives more than one value");
    }
    *value = first;
    return true;
}

bool template_run(struct template *template, jv input, jv *value, struct error *error) {
    *value = jv_invalid();
    template->error = error;
    if (template->text != NULL)
        return run_paths(template->text, input, value, error);
    return run_jq(template, input, value, error);
}
