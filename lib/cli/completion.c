#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

typedef void (*print_option)(const struct command *command, const struct option_spec *option);

static void each(const struct command *command, const struct option_spec *more,
                 print_option print) {
    for (const struct option_spec *o = command->options; o->name != NULL; o++)
        print(command, o);
    for (const struct option_spec *o = more; o->name != NULL; o++)
        print(command, o);
}

/* Whether the argument is completed with file names. */
static bool is_path(const struct option_spec *option) {
    return option->argument != NULL &&
           (strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "DIR") == 0);
}

/* The words of options that take one of a few; each command refuses other ones. */
static const char *words_of(const struct option_spec *option) {
    static const char *const words[][2] = {
        {"api", "auto openai azure anthropic responses"},
        {"approve", "ask yes no never"},
        {"broker", "alpaca"},
        {"client-auth", "tls_client_auth self_signed_tls_client_auth spiffe_jwt private_key_jwt "
                        "client_secret_post client_secret_basic client_secret_jwt"},
        {"completion", "bash zsh fish"},
        {"host", "claude codex copilot gemini cursor"},
        {"outcome", "approved denied expired failed pending not_asked reused leased none executed "
                    "started unanswered refused"},
        {"print-config", "claude codex copilot gemini cursor"},
        {"reuse", "call document agent"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], option->name) == 0)
            return words[i][1];
    return NULL;
}

/* Prints the help in a shell's single quotes, with a backslash before `special` characters. */
static void print_quoted(const char *text, const char *special) {
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            printf("'\\''");
        else
            printf("%s%c", strchr(special, *text) ? "\\" : "", *text);
    }
}

/* Prints the actions of a command, each after `before`: the words in small letters with which lines
 * of its usage begin. Returns how many there are. */
static size_t print_actions(const struct command *command, const char *before, bool prints) {
    size_t count = 0, name = strlen(command->name);
    for (const char *line = command->usage; line != NULL && *line != '\0';) {
        size_t size = strspn(line, "abcdefghijklmnopqrstuvwxyz");
        if (size > 0 && strchr(" \n", line[size]) != NULL && prints)
            printf("%s%.*s", count == 0 ? "" : before, (int)size, line);
        count += size > 0 && strchr(" \n", line[size]) != NULL;
        do { /* to the next line that begins with the command's name */
            line = strchr(line, '\n');
            line = line != NULL ? line + 1 + strspn(line + 1, " ") : NULL;
        } while (line != NULL && strncmp(line, command->name, name) != 0);
        line = line != NULL ? line + name + strspn(line + name, " ") : NULL;
    }
    return count;
}

static bool has_actions(const struct command *command) {
    return print_actions(command, "", false) > 0;
}

static void bash_word(const struct command *command, const struct option_spec *o) {
    (void)command;
    if (o->letter != 0)
        printf(" -%c", o->letter);
    printf(" --%s", o->name);
}

/* The pattern of a case arm: this option if its argument is a path or not, as wanted. */
static void bash_arm(const struct option_spec *o, bool wanted) {
    if (!wanted)
        return;
    printf("|--%s", o->name);
    if (o->letter != 0)
        printf("|-%c", o->letter);
}

static void bash_path(const struct command *command, const struct option_spec *o) {
    (void)command;
    bash_arm(o, is_path(o));
}

static void bash_other(const struct command *command, const struct option_spec *o) {
    (void)command;
    bash_arm(o, o->argument != NULL && !is_path(o));
}

static void bash_words(const struct command *command, const struct option_spec *o) {
    (void)command;
    if (words_of(o) != NULL)
        printf("    --%s) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;\n",
               o->name, words_of(o));
}

static void print_bash(const struct command *command, const struct option_spec *more) {
    printf("_%s() {\n  local word=${COMP_WORDS[COMP_CWORD]}\n"
           "  case ${COMP_WORDS[COMP_CWORD - 1]} in\n",
           command->name);
    each(command, more, bash_words);
    printf("    -%%");
    each(command, more, bash_path);
    printf(") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n    -%%");
    each(command, more, bash_other);
    printf(") COMPREPLY=(); return ;;\n  esac\n"
           "  [[ $word == -* ]] || ");
    if (has_actions(command)) {
        printf("{\n    ((COMP_CWORD > 1)) || mapfile -t COMPREPLY < <(compgen -W '");
        print_actions(command, " ", true);
        printf("' -- \"$word\")\n    return\n  }\n");
    } else {
        printf("return\n");
    }
    printf("  mapfile -t COMPREPLY < <(compgen -W '");
    each(command, more, bash_word);
    printf("' -- \"$word\")\n}\ncomplete -o default -F _%s %s\n", command->name, command->name);
}

static void zsh_option(const struct command *command, const struct option_spec *o) {
    (void)command;
    if (o->letter != 0)
        printf(" \\\n  '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        printf(" \\\n  '%s--%s[", o->kind == OPTION_LIST ? "*" : "", o->name);
    print_quoted(o->help, "[]:\\");
    printf("]");
    if (words_of(o) != NULL)
        printf(":%s:(%s)", o->argument, words_of(o));
    else if (o->argument != NULL)
        printf(":%s:%s", o->argument, is_path(o) ? "_files" : "");
    printf("'");
}

static void print_zsh(const struct command *command, const struct option_spec *more) {
    printf("#compdef %s\n_arguments -s", command->name);
    each(command, more, zsh_option);
    if (has_actions(command)) {
        printf(" \\\n  '1:action:(");
        print_actions(command, " ", true);
        printf(")'");
    }
    printf(" \\\n  '%s'\n",
           command->operands_end_options ? "*:::command:_normal" : "*:file:_files");
}

static void fish_option(const struct command *command, const struct option_spec *o) {
    printf("complete -c %s", command->name);
    if (o->letter != 0)
        printf(" -s %c", o->letter);
    printf(" -l %s%s", o->name, o->argument == NULL ? "" : is_path(o) ? " -r -F" : " -x");
    if (words_of(o) != NULL)
        printf(" -a '%s'", words_of(o));
    printf(" -d '");
    print_quoted(o->help, "\\");
    printf("'\n");
}

static void print_fish(const struct command *command, const struct option_spec *more) {
    if (has_actions(command)) {
        printf("complete -c %s -n __fish_use_subcommand -f -a '", command->name);
        print_actions(command, " ", true);
        printf("'\n");
    }
    each(command, more, fish_option);
}

bool completion_print(const struct command *command, const struct option_spec *more,
                      const char *shell) {
    if (strcmp(shell, "bash") == 0)
        print_bash(command, more);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(command, more);
    else if (strcmp(shell, "fish") == 0)
        print_fish(command, more);
    else
        return false;
    return true;
}
