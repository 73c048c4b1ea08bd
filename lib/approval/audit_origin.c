#include "approval/audit_origin.h"

#include "base/redact.h"
#include "base/utf8.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_LIMIT = 200 /* bytes */, USERS_LIMIT = 1 << 20 };

static struct { const char *agent, *client_id, *os_user, *host; } origin;

/* The name of a user in the text of /etc/passwd, which is changed; NULL if he has none there. */
static const char *name_in(char *users, const char *id) {
    for (char *line = users, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        char *password = strchr(line, ':');
        char *number = password != NULL ? strchr(password + 1, ':') : NULL;
        char *end = number != NULL ? strchr(number + 1, ':') : NULL;
        if (end == NULL || password == line)
            continue;
        *end = *password = '\0';
        if (strcmp(number + 1, id) == 0)
            return line;
    }
    return NULL;
}

/* The user's name as /etc/passwd has it, else the number. No other source is asked: that could take
 * long, and a static command has none. The caller frees. */
static char *os_user(void) {
    struct error ignored;
    char *id = must_format("%ju", (uintmax_t)getuid());
    char *users = file_read("/etc/passwd", USERS_LIMIT, NULL, &ignored);
    const char *name = users != NULL ? name_in(users, id) : NULL;
    char *known = must_format("%.*s", NAME_LIMIT, name != NULL ? name : id);
    utf8_make_plain(known);
    free(users);
    free(id);
    return known;
}

static char *host(void) {
    char name[NAME_LIMIT + 1] = "";
    gethostname(name, sizeof name - 1);
    utf8_make_plain(name);
    return must_copy(name);
}

static bool is_readable(const char *name) {
    size_t size = strlen(name), length;
    for (size_t at = 0; at < size; at += length) {
        uint32_t character;
        length = utf8_decode(name + at, size - at, &character);
        if (length == 0 || !utf8_visible(character))
            return false;
    }
    return size <= NAME_LIMIT;
}

bool audit_origin_configure(struct error *error) {
    const char *agent = settings_get(NULL, "CIBA_AGENT", NULL);
    if (agent != NULL && !is_readable(agent))
        return fail(error, STATUS_CONFIG,
                    "CIBA_AGENT: is longer than %d bytes, or has what nobody can read", NAME_LIMIT);
    origin.agent = agent;
    if (origin.host == NULL)
        origin.host = settings_keep(host());
    if (origin.os_user == NULL)
        origin.os_user = settings_keep(os_user());
    return true;
}

void audit_origin_client(const char *client_id) {
    origin.client_id = client_id;
}

static jv add(jv record, const char *name, const char *value) {
    if (value == NULL || json_has(record, name))
        return record;
    char *text = must_copy(value);
    redact_text(text);
    record = json_set_string(record, name, text);
    free(text);
    return record;
}

jv audit_origin(jv record) {
    record = add(record, "agent", origin.agent);
    record = add(record, "client_id", origin.client_id);
    record = add(record, "os_user", origin.os_user);
    return add(record, "host", origin.host);
}
