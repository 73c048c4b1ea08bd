#include "ciba/command_call.h"

#include "base/utf8.h"
#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

jv command_call(char *const *words, struct error *error) {
    for (char *const *word = words; *word != NULL; word++)
        if (!utf8_valid(*word, strlen(*word))) {
            fail(error, STATUS_INPUT,
                 "not run: word %d of the command is not UTF-8, so that its approval could be "
                 "taken for that of another; nobody was asked",
                 (int)(word - words) + 1);
            return jv_invalid();
        }
    char *id = random_call_id();
    jv command = jv_array();
    for (char *const *word = words; *word != NULL; word++)
        command = jv_array_append(command, jv_string(*word));
    jv call = json_set_string(json_set_string(jv_object(), "id", id), "name", "ciba-run");
    free(id);
    return json_set(call, "arguments", json_set(jv_object(), "command", command));
}

char *shell_word(const char *word) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-";
    if (*word != '\0' && strspn(word, plain) == strlen(word))
        return must_copy(word);
    char *quoted = must_alloc(4 * strlen(word) + 3), *to = quoted;
    *to++ = '\'';
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            to += strlen(strcpy(to, "'\\'"));
        *to++ = *word;
    }
    *to++ = '\'';
    return quoted;
}

char *command_message(char *const *words) {
    char *message = must_copy("Run");
    for (char *const *word = words; *word != NULL; word++) {
        char *quoted = shell_word(*word), *longer = must_format("%s %s", message, quoted);
        free(message);
        free(quoted);
        message = longer;
    }
    return message;
}
