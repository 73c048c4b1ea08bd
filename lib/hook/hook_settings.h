/* The options of ciba-hook: what its command line says, and what ciba-doctor reads of one. */
#ifndef CIBA_HOOK_HOOK_SETTINGS_H
#define CIBA_HOOK_HOOK_SETTINGS_H

#include "ciba/authorizer.h"
#include "cli/command.h"
#include "system/confine.h"

#include <stdbool.h>

/* NULL, 0 and false where not given. */
struct hook_settings {
    bool without_id_token, verbose, defer;
    double deadline; /* seconds */
    const char *host, *condition, *print_config, *journal_dir;
    struct option_list only;
    struct authorizer_settings asking;
    struct confinement needs;
};

/* clang-format off */
#define HOOK_OPTIONS(settings) \
    {0, "host", "NAME", OPTION_TEXT, &(settings).host, \
     "claude, codex, copilot, gemini or cursor (by the event)"}, \
    {0, "only", "REGEX", OPTION_LIST, &(settings).only, \
     "ask only about tools whose name has this in it; may be repeated"}, \
    {0, "if", "FILTER", OPTION_TEXT, &(settings).condition, \
     "ask only if this jq filter over the arguments gives true"}, \
    {0, "deadline", "SECONDS", OPTION_SECONDS, &(settings).deadline, \
     "answer no after this time (less than the host's own limit)"}, \
    {0, "defer", NULL, OPTION_FLAG, &(settings).defer, \
     "at the deadline let the host keep the call for later (claude -p)"}, \
    {0, "journal-dir", "DIR", OPTION_TEXT, &(settings).journal_dir, \
     "keep the question in DIR, for a later run about the same call"}, \
    {0, "print-config", "HOST", OPTION_TEXT, &(settings).print_config, \
     "print the host's settings for this hook, with the other options"}, \
    {'m', "message", "TEXT", OPTION_TEXT, &(settings).asking.question.message, \
     "what the user reads; \\(.x) is the argument x"}, \
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
