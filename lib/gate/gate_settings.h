/* The options of mcp-gate. */
#ifndef CIBA_GATE_GATE_SETTINGS_H
#define CIBA_GATE_GATE_SETTINGS_H

#include "ciba/authorizer.h"
#include "cli/command.h"
#include "gate/gated_tools.h"
#include "system/confine.h"

#include <stdbool.h>

/* NULL, 0 and false where not given. */
struct gate_settings {
    struct gated_tools tools;
    bool without_id_token, verbose, permission_prompt;
    const char *spool; /* of tasks (tasks.h) */
    struct authorizer_settings asking;
    struct confinement needs;
};

/* clang-format off */
#define GATE_OPTIONS(settings) \
    GATED_TOOLS_OPTIONS((settings).tools), \
    {'m', "message", "TEXT", OPTION_TEXT, &(settings).asking.question.message, \
     "what the user reads; \\(.x) is the argument x"}, \
    {0, "permission-prompt", NULL, OPTION_FLAG, &(settings).permission_prompt, \
     "be a server whose tool, approve, is Claude Code's permission prompt"}, \
    {0, "spool", "DIR", OPTION_TEXT, &(settings).spool, \
     "make a task of a call, kept in DIR, if the client knows tasks"}, \
    AUTHORIZER_OPTIONS((settings).asking), \
    {0, "without-id-token", NULL, OPTION_FLAG, &(settings).without_id_token, \
     "accept that the provider gives no ID token"}, \
    AUDIT_OPTION((settings).asking.ledger), \
    SEAL_OPTION((settings).asking.ledger), \
    CLIENT_OPTIONS((settings).asking.client), \
    CONFINE_OPTIONS((settings).needs), \
    {'v', "verbose", NULL, OPTION_FLAG, &(settings).verbose, "say on stderr what is done"}
/* clang-format on */

#endif
