#include "cli/help.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 30 /* options; fewer need no headings */ };

/* The headings of ciba-options(7), and what stands under each. A command has those of which it
 * takes the first option: an option of that name in another command is its own. */
static const struct section {
    const char *heading, *about, *options[20];
} sections[] = {
    {"QUESTION",
     "who is asked, for what, and for how long",
     {"user", "login-hint", "login-hint-token-file", "id-token-hint-file", "details", "scope",
      "audience", "resource", "acr-values", "user-code-file", "param", "signed", "expiry",
      "notify-command", "reuse", "lease", "uses", "lease-if"}},
    {"MESSAGES",
     "what becomes of a message that the provider would not accept",
     {"fit", "no-fit", "any-message", "details-type"}},
    {"LEDGER",
     "what is written down",
     {"audit-file", "journal-file", "seal-key-file", "store-dir", "store-key-file"}},
    {"JOBS", "many documents", {"unordered", "jobs"}},
    {"SETTINGS", "", {"env-file"}},
    {"CLIENT",
     "the provider, and how this client proves who it is",
     {"issuer", "client-id", "client-secret-file", "client-auth", "client-key-file",
      "client-key-id", "client-key-alg", "key-password-file", "client-assertion-file",
      "assertion-audience", "dpop-key-file", "id-token-alg", "id-token-key-file"}},
    {"TOKENS", "", {"refresh-for", "revoke"}},
    {"TLS",
     "connections",
     {"tls-ca-file", "tls-crl-file", "tls-cert-file", "tls-key-file", "connect-timeout",
      "max-time"}},
    {"CONFINEMENT", "the rights of the process", {"no-confinement", "require-confinement"}},
    {"COMMON", "", {"help", "verbose", "settings", "version", "completion"}},
};

enum { SECTIONS = sizeof sections / sizeof *sections };

static const struct option_spec *find(const struct option_spec *table, const char *name) {
    while (table->name != NULL && strcmp(table->name, name) != 0)
        table++;
    return table->name != NULL ? table : NULL;
}

/* The section of an option in this command's help, NULL for the command's own. */
static const struct section *section_of(const struct command *command,
                                        const struct option_spec *more, const char *name) {
    for (const struct section *s = sections; s < sections + SECTIONS; s++)
        for (size_t i = 0; s->options[i] != NULL; i++)
            if (strcmp(s->options[i], name) == 0 &&
                (find(command->options, s->options[0]) != NULL ||
                 find(more, s->options[0]) != NULL))
                return s;
    return NULL;
}

static void print_option(const struct option_spec *o) {
    char left[60];
    char letter[4] = {'-', o->letter, ',', 0};
    snprintf(left, sizeof left, "%3s --%s%s%s", o->letter ? letter : "", o->name,
             o->argument ? " " : "", o->argument ? o->argument : "");
    if (strlen(left) <= 28)
        printf("  %-28s %s\n", left, o->help);
    else
        printf("  %s\n%31s%s\n", left, "", o->help);
}

/* Prints the options of the section, with its heading before the first. */
static void print_section(const struct command *command, const struct option_spec *more,
                          const struct section *section) {
    bool any = section == NULL;
    const struct option_spec *tables[] = {command->options, more};
    for (int i = 0; i < 2; i++)
        for (const struct option_spec *o = tables[i]; o->name != NULL; o++) {
            if (section_of(command, more, o->name) != section)
                continue;
            if (!any)
                printf("\n%s%s%s\n", section->heading, *section->about != '\0' ? ": " : "",
                       section->about);
            any = true;
            print_option(o);
        }
}

void help_print(const struct command *command, const struct option_spec *more) {
    size_t count = 0;
    while (command->options[count].name != NULL)
        count++;
    printf("usage: %s %s\n%s\n\n", command->name, command->usage, command->purpose);
    if (count >= MANY) {
        print_section(command, more, NULL);
        for (const struct section *s = sections; s < sections + SECTIONS; s++)
            print_section(command, more, s);
        printf("\nThe manual: man %s; what is under a heading: man ciba-options\n", command->name);
        return;
    }
    for (const struct option_spec *o = command->options; o->name != NULL; o++)
        print_option(o);
    for (const struct option_spec *o = more; o->name != NULL; o++)
        print_option(o);
    printf("\nThe manual: man %s\n", command->name);
}
