/* Texts and values computed from a call's arguments with jq, for `-m` and `-d`. */
#ifndef CIBA_JSON_JQ_TEMPLATE_H
#define CIBA_JSON_JQ_TEMPLATE_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

struct template;

/* A string template: text in which \(…) stands for the value of a jq expression, as in a jq string:
 * strings as they are, other values in RFC 8785 form. \(.name) and \(.a.b) are evaluated here,
 * others by jq, compiled now. NULL and an error with status 64 if jq cannot compile it. */
struct template *template_text(const char *text, struct error *error);

/* A jq filter, which must give exactly one value; also strict (jq_template_strict.h). NULL and an
 * error with status 64. */
struct template *template_filter(const char *program, struct error *error);

void template_free(struct template *template);

/* The value for this input, whose numbers must be as from json_normal. A text template gives a
 * string. False and an error with status 65 if jq fails or gives no value or several, or if a value
 * in a text is null or computed from a missing one (jq_template_strict.h): the user would be asked
 * an incomplete or false question. */
bool template_run(struct template *template, jv input, jv *value, struct error *error);

#endif
