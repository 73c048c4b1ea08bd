/* Which tools of the server are called only after a yes. */
#ifndef CIBA_GATE_GATED_TOOLS_H
#define CIBA_GATE_GATED_TOOLS_H

#include "base/text.h"
#include "cli/command.h"
#include "json/span.h"

#include <jv.h>
#include <stdbool.h>

struct gated_tools {
    struct option_list tools; /* these; without any, all but the others */
    struct option_list free;  /* never these */
    bool unless_read_only;    /* nor those that the server calls read-only */
    bool all;                 /* said aloud what is so without `tools` */
    bool told;                /* which of the names the server does not list: once */
    jv read_only; /* the names that the newest list of tools calls so, each with true or false */
};

/* clang-format off */
#define GATED_TOOLS_OPTIONS(gated) \
    {0, "tool", "NAME", OPTION_LIST, &(gated).tools, \
     "ask only about this tool; may be repeated"}, \
    {0, "all", NULL, OPTION_FLAG, &(gated).all, "ask about every tool (so without --tool)"}, \
    {0, "unless-read-only", NULL, OPTION_FLAG, &(gated).unless_read_only, \
     "do not ask about tools that the server calls read-only"}, \
    {0, "free", "NAME", OPTION_LIST, &(gated).free, "do not ask about this tool; may be repeated"}
/* clang-format on */

/* Whether the user is asked about calls of that tool. Names differ in earnest only if they have the
 * form of a tool's name (2025-11-25, Tools: A-Z a-z 0-9 _ - .) and differ by more than the case of
 * letters: a server may take one for the other. */
bool gated_tools_has(const struct gated_tools *gated, const char *name);

/* Adds the message, a server's answer with this result of tools/list, to the text: unchanged but
 * for the descriptions of gated tools, which say that a person is asked. Learns which tools are
 * read-only; `first` if it is the first page of a list. */
void gated_tools_list(struct gated_tools *gated, struct json_span message, struct json_span result,
                      bool first, struct text *to);

/* The server's tools may be others now: none is known to be read-only until they are listed. */
void gated_tools_forget(struct gated_tools *gated);

void gated_tools_free(struct gated_tools *gated);

#endif
