/* Reads and writes application/x-www-form-urlencoded. */
#ifndef CIBA_HTTP_FORM_H
#define CIBA_HTTP_FORM_H

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* The text in application/x-www-form-urlencoded; the caller frees. */
char *form_encode(const char *text);

/* Appends `name=value` to a form, which is freed, or begins one if `form` is NULL. Does nothing if
 * the value is NULL. The caller frees the result. */
char *form_add(char *form, const char *name, const char *value);

/* The parameters of a form, strictly, as an object of strings; `text` has `size` bytes and a 0 byte
 * after them. False if it is malformed or repeats a parameter; then *form is invalid. */
bool form_parse(const char *text, size_t size, jv *form);

#endif
