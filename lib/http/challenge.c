#include "http/challenge.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* A token or quoted string at *at; advances it. False if it does not fit. */
static bool take_value(const char **at, char *value, size_t room) {
    const char *from = *at;
    bool quoted = *from == '"';
    size_t size = 0;
    bool fits = true;
    for (from += quoted; *from != '\0'; from++) {
        if (quoted ? *from == '"' : strchr(BLANKS ",", *from) != NULL)
            break;
        if (quoted && *from == '\\' && from[1] != '\0')
            from++;
        fits = size + 1 < room;
        if (fits)
            value[size++] = *from;
    }
    value[size] = '\0';
    *at = from + (quoted && *from == '"');
    return fits;
}

/* Words that no '=' follows are names of schemes. */
bool challenge_parameter(const char *header, const char *name, char *value, size_t room) {
    const char *at = header + strspn(header, BLANKS ",");
    while (*at != '\0') {
        const char *word = at;
        size_t size = strcspn(at, BLANKS ",=\"");
        at += size;
        at += strspn(at, BLANKS);
        if (*at == '=') {
            at += 1 + strspn(at + 1, BLANKS);
            bool fits = take_value(&at, value, room);
            if (size == strlen(name) && strncasecmp(word, name, size) == 0)
                return fits;
        } else if (size == 0 && *at == '"') {
            take_value(&at, value, room);
        }
        at += strspn(at, BLANKS ",");
    }
    return false;
}
