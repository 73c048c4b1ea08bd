/* Texts and values made from a call's arguments by jq: what `-m` and `-d` take. */
#ifndef CIBA_TEMPLATE_H
#define CIBA_TEMPLATE_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

struct template;

/* A string template: text in which \(…) stands for the value of a jq expression, as inside a jq
 * string: text as it is, anything else as RFC 8785 writes it. \(.name) and \(.a.b) are done here,
 * anything else by jq, which is compiled then. NULL and an error with status 64 if jq cannot
 * compile it. */
struct template *template_text(const char *text, struct error *error);

/* A jq filter, which must give one value; strict as well (template_strict.h). NULL and an error
 * with status 64. */
struct template *template_filter(const char *program, struct error *error);

void template_free(struct template *template);

/* The value for this input, whose numbers are as json_normal has them: for a text a string. False
 * and an error with status 65 if jq ends with an error, gives no value, or more than one; or a
 * value of a text is null, or is made of one that is not there (template_paths.h), which would show
 * the user a question with a hole, or with a lie. */
bool template_run(struct template *template, jv input, jv *value, struct error *error);

#endif
