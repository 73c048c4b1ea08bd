/* ciba-hook: the hook of a coding agent. What it does is in cmd/libexec/ciba-hook-ask.c; this is
 * the guard, which answers the agent's host whatever happens. */
#include "hook/guard.h"

int main(int argc, char **argv) {
    if (argc < 1)
        return HOOK_NO_STATUS;
    guard_run("ciba-hook-ask", argv);
}
