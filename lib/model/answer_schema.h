/* The schema of an answer in the forms that APIs take. Whatever they take, the answer is checked by
 * the schema itself. */
#ifndef CIBA_MODEL_ANSWER_SCHEMA_H
#define CIBA_MODEL_ANSWER_SCHEMA_H

#include <jv.h>
#include <stdbool.h>

/* The schema for OpenAI's strict structured outputs: each object names all its members, requires
 * them, and allows no others. Objects that say nothing of other members are closed; invalid if an
 * answer that the schema allows would be lost in another way, or a keyword is not supported. */
jv answer_schema_strict(jv schema);

/* The schema for Anthropic's output_config.format: objects are closed as above, and keywords that
 * are not supported become words of the description. Invalid if that cannot be done. */
jv answer_schema_closed(jv schema);

/* {"name", "schema", "strict"}, as both of OpenAI's APIs have it: strict if that is wanted and can
 * be. */
jv answer_schema_format(jv schema, bool strict);

/* What a model is told where an API takes no schema; the caller frees. */
char *answer_schema_words(jv schema);

#endif
