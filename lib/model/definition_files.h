/* Files for the model: tool definitions, the schema of its answers, and texts. */
#ifndef CIBA_MODEL_DEFINITION_FILES_H
#define CIBA_MODEL_DEFINITION_FILES_H

#include "base/error.h"
#include "cli/command.h"

#include <jv.h>
#include <stdbool.h>

/* Reads the definitions in each file into the array *tools, for conversation_add_tools; the caller
 * frees it in any case. Reports which keywords of their schemas are not checked. False and an error
 * with status 66 or 65, which names the file. */
bool tool_files_read(const struct option_list *paths, jv *tools, struct error *error);

/* Adds the result of tool_files_read to a document, which is taken. */
jv tool_files_add(jv tools, jv document);

/* Reads the schema of the answers; the caller frees it in any case. The same errors. */
bool schema_file_read(const char *path, jv *schema, struct error *error);

/* The system message: the text, or of "@FILE" what is in the file; the caller frees it in any case.
 * NULL stays NULL. False and an error with status 66, or 65 if it is not UTF-8. */
bool system_text_read(const char *given, char **text, struct error *error);

/* Adds the text on stdin to the prompt (NULL for none), with an empty line between; it lives as
 * long as the process. False and an error with status 65 if it is empty or not UTF-8, or 66. */
bool raw_prompt_read(const char **prompt, struct error *error);

#endif
