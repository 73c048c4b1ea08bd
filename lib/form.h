/* application/x-www-form-urlencoded, written. */
#ifndef CIBA_FORM_H
#define CIBA_FORM_H

/* The text in application/x-www-form-urlencoded; the caller frees. */
char *form_encode(const char *text);

/* Appends `name=value` to a form, which is freed, or begins one where it is NULL. Does nothing
 * where the value is NULL. The caller frees what is returned. */
char *form_add(char *form, const char *name, const char *value);

#endif
