#include "doctor/hook_command.h"

#include "hook/hook_settings.h"
#include "json/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char own_name[] = "ciba-hook";
static const char one_file_name[] = "ciba-tools"; /* `ciba-tools ciba-hook` is ciba-hook */

/* Appends the character that `from` is at, as a shell reads it, to *to. The rest of the text; NULL
 * if a shell would do more than take it for itself. */
static const char *plain_character(const char *from, char quote, char **to) {
    static const char special[] = ";&|<>$`()*?[]{}!~#\n\"'";
    if (quote == '\0' && strchr(special, *from) != NULL)
        return NULL;
    if (quote == '"' && (*from == '$' || *from == '`'))
        return NULL;
    if (*from == '\\' && quote != '\'') {
        if (from[1] == '\0' || from[1] == '\n')
            return NULL;
        if (quote == '\0' || strchr("$`\"\\", from[1]) != NULL)
            from++;
    }
    *(*to)++ = *from;
    return from + 1;
}

/* The words of a simple command, as a shell splits it; invalid if it is more than that. */
static jv shell_words(const char *text) {
    jv words = jv_array();
    char *word = must_alloc(strlen(text) + 1), *to = word;
    bool inside = false;
    char quote = '\0';
    while (text != NULL && *text != '\0') {
        bool is_quote = (*text == '"' || *text == '\'') && (quote == '\0' || quote == *text);
        if (is_quote) {
            quote = quote == '\0' ? *text : '\0';
            inside = true;
            text++;
        } else if (quote == '\0' && (*text == ' ' || *text == '\t')) {
            if (inside)
                words = jv_array_append(words, jv_string_sized(word, (int)(to - word)));
            inside = false;
            to = word;
            text++;
        } else {
            inside = true;
            text = plain_character(text, quote, &to);
        }
    }
    bool good = text != NULL && quote == '\0';
    if (good && inside)
        words = jv_array_append(words, jv_string_sized(word, (int)(to - word)));
    free(word);
    if (good)
        return words;
    jv_free(words);
    return jv_invalid();
}

/* The word at a place, valid while the array lives; NULL if there is none or it is no text. */
static const char *word_at(jv words, int at) {
    jv word = jv_array_get(jv_copy(words), at);
    const char *text = json_value_string(word);
    jv_free(word); /* the array has it */
    return text;
}

static int count_of(jv words) {
    return jv_array_length(jv_copy(words));
}

static bool is_file(const char *word, const char *name) {
    const char *slash = strrchr(word, '/');
    return strcmp(slash != NULL ? slash + 1 : word, name) == 0;
}

static bool is_assignment(const char *word) {
    size_t size = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return size > 0 && word[size] == '=' && !isdigit((unsigned char)*word);
}

/* The entry's command with its arguments; invalid if a shell would do more than start a program.
 * *text is the command as it stands, NULL for none. */
static jv words_of(jv entry, const char **text) {
    static const char *const members[] = {"exec", "command", "bash"};
    jv arguments = json_get(entry, "args");
    bool is_exec = json_string(entry, "exec") != NULL || jv_get_kind(arguments) == JV_KIND_ARRAY;
    *text = NULL;
    for (size_t i = 0; *text == NULL && i < sizeof members / sizeof *members; i++)
        *text = json_string(entry, members[i]);
    if (*text == NULL || !is_exec) {
        jv_free(arguments);
        return *text != NULL ? shell_words(*text) : jv_invalid();
    }
    jv words = JV_ARRAY(jv_string(*text));
    if (jv_get_kind(arguments) == JV_KIND_ARRAY)
        return jv_array_concat(words, arguments);
    jv_free(arguments);
    return words;
}

/* Leaves out what a shell takes before the program. Takes the words. */
static jv from_program(jv words) {
    int first = 0, count = count_of(words);
    const char *word;
    while (first < count && (word = word_at(words, first)) != NULL &&
           (is_assignment(word) || strcmp(word, "exec") == 0))
        first++;
    return jv_array_slice(words, first, count);
}

/* Where the one file is ciba-hook by its first argument, leaves that out, and sets the program. */
static void from_one_file(struct hook_command *command) {
    const char *first = word_at(command->words, 0), *second = word_at(command->words, 1);
    if (first == NULL || !is_file(first, one_file_name) || second == NULL ||
        strcmp(second, own_name) != 0)
        return;
    jv options = jv_array_slice(jv_copy(command->words), 2, count_of(command->words));
    command->words = jv_array_concat(jv_array_slice(command->words, 0, 1), options);
    command->program = word_at(command->words, 0);
}

bool hook_command_read(jv entry, struct hook_command *command) {
    const char *text;
    *command = (struct hook_command){.words = words_of(entry, &text)};
    if (!jv_is_valid(command->words))
        return text != NULL && strstr(text, own_name) != NULL;
    command->words = from_program(command->words);
    from_one_file(command);
    for (int i = 0; command->program == NULL && i < count_of(command->words); i++) {
        const char *word = word_at(command->words, i);
        if (word == NULL || !is_file(word, own_name))
            continue;
        command->program = word;
        command->starter = i > 0 ? word_at(command->words, 0) : NULL;
        if (i > 0)
            return true;
    }
    /* sh -c 'ciba-hook || true' */
    for (int i = 0; command->program == NULL && i < count_of(command->words); i++) {
        const char *word = word_at(command->words, i);
        if (word != NULL && strstr(word, own_name) != NULL)
            command->starter = word_at(command->words, 0);
    }
    if (command->program != NULL || command->starter != NULL)
        return true;
    hook_command_free(command);
    return false;
}

void hook_command_free(struct hook_command *command) {
    jv_free(command->words);
    command->words = jv_invalid();
}

static struct hook_settings unused;
static const struct option_spec option_table[] = {HOOK_OPTIONS(unused),
                                                  {0, NULL, NULL, OPTION_FLAG, NULL, NULL}};

/* Whether an option that every command has, which prints something. */
static bool is_printing(const char *name, size_t size) {
    static const char *const names[] = {"help", "settings", "version", "completion",
                                        "print-config"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == size && strncmp(names[i], name, size) == 0)
            return true;
    return false;
}

static const struct option_spec *find(const char *name, size_t size, char letter) {
    for (const struct option_spec *o = option_table; o->name != NULL; o++)
        if (name != NULL ? strlen(o->name) == size && strncmp(o->name, name, size) == 0
                         : o->letter == letter)
            return o;
    return NULL;
}

static bool is_number(const struct option_spec *o, const char *text) {
    bool seconds = o->kind == OPTION_SECONDS;
    if (!seconds && o->kind != OPTION_COUNT && o->kind != OPTION_SOME)
        return true;
    char *end;
    double number = strtod(text, &end);
    return end != text && *end == '\0' && number <= 1e9 &&
           number >= (o->kind == OPTION_SOME ? 1 : 0) &&
           strspn(text, seconds ? "0123456789." : "0123456789") == strlen(text);
}

/* Takes an option with its argument, NULL if it has none. */
static bool take(struct hook_command *command, const struct option_spec *o, const char *argument,
                 struct error *error) {
    if (o->argument != NULL && argument == NULL)
        return fail(error, STATUS_CONFIG, "--%s needs an argument", o->name);
    if (o->argument == NULL && argument != NULL)
        return fail(error, STATUS_CONFIG, "--%s takes no argument", o->name);
    if (argument != NULL && !is_number(o, argument))
        return fail(error, STATUS_CONFIG, "--%s: '%s' is not a number that it takes", o->name,
                    argument);
    if (o->value == &unused.host)
        command->host = argument;
    if (o->value == &unused.deadline)
        command->deadline = argument != NULL ? strtod(argument, NULL) : 0;
    command->defers = command->defers || o->value == &unused.defer;
    return true;
}

/* The letters of a word like -vm; *at is the word's place, and then that of the last word taken. */
static bool take_letters(struct hook_command *command, int *at, struct error *error) {
    const char *word = word_at(command->words, *at);
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const struct option_spec *o = find(NULL, 0, *letter);
        if (*letter == 'h') {
            command->prints = true;
            continue;
        }
        if (o == NULL)
            return fail(error, STATUS_CONFIG, "unknown option -%c", *letter);
        if (o->argument == NULL) {
            if (!take(command, o, NULL, error))
                return false;
            continue;
        }
        const char *rest = letter[1] != '\0' ? letter + 1 : word_at(command->words, ++*at);
        return take(command, o, rest, error);
    }
    return true;
}

static bool take_long(struct hook_command *command, int *at, struct error *error) {
    const char *word = word_at(command->words, *at), *name = word + 2;
    size_t size = strcspn(name, "=");
    if (is_printing(name, size)) {
        command->prints = true;
        return true;
    }
    const struct option_spec *o = find(name, size, '\0');
    if (o == NULL)
        return fail(error, STATUS_CONFIG, "unknown option %.*s", (int)size + 2, word);
    const char *argument = name[size] == '=' ? name + size + 1 : NULL;
    if (argument == NULL && o->argument != NULL)
        argument = word_at(command->words, ++*at);
    return take(command, o, argument, error);
}

bool hook_command_options(struct hook_command *command, struct error *error) {
    int count = count_of(command->words);
    bool journal = false, good = true;
    for (int i = 1; good && i < count && !command->prints; i++) {
        const char *word = word_at(command->words, i);
        if (word == NULL)
            return fail(error, STATUS_CONFIG, "an argument is no text");
        journal = journal || strncmp(word, "--journal-dir", strlen("--journal-dir")) == 0;
        if (strncmp(word, "--", 2) == 0 && word[2] != '\0')
            good = take_long(command, &i, error);
        else if (word[0] == '-' && word[1] != '\0' && word[1] != '-')
            good = take_letters(command, &i, error);
        else if (strcmp(word, "--") != 0)
            good =
                fail(error, STATUS_CONFIG, "unknown operand %.*s", (int)strcspn(word, "="), word);
    }
    return good && (!command->defers || journal ||
                    fail(error, STATUS_CONFIG, "--defer needs --journal-dir"));
}
