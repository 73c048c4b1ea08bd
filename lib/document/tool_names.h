/* The names of tools in a document: a name on the command line that is none of them may be
 * mistyped.
 */
#ifndef CIBA_DOCUMENT_TOOL_NAMES_H
#define CIBA_DOCUMENT_TOOL_NAMES_H

#include <jv.h>

/* Warns on stderr, once for each name, if the document has a call without a result, but neither a
 * call nor a tool of this name, and knows its tools or has one that is spelled nearly so. No error:
 * the other calls may be for another command. The document stays the caller's. */
void tool_name_check(jv document, const char *option, const char *name);

#endif
