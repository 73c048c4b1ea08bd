/* A call's arguments as environment variables. */
#ifndef CIBA_DOCUMENT_ARGUMENT_VARIABLES_H
#define CIBA_DOCUMENT_ARGUMENT_VARIABLES_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the name is safe for a shell variable. */
bool variable_name_holds(const char *name);

/* PREFIXname=value for each argument: strings as they are, other values as JSON. Ends with a NULL;
 * freed by argument_variables_free. NULL and an error with status 65 if a variable cannot have such
 * a name or value. */
char **argument_variables(jv arguments, const char *prefix, struct error *error);
void argument_variables_free(char **variables);

#endif
