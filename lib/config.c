#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { ENV_FILE_LIMIT = 1 << 20, SECRET_LIMIT = 1 << 16, LOCKED_MEMORY = 1 << 16 };

/* The secrets that the commands take from the environment, and what leads to secrets. The only list
 * of them: programs that are started do not find them (process.h). */
const char *const config_secret_names[] = {
    "CIBA_CLIENT_SECRET",   "AUTH0_CLIENT_SECRET",   "OPENAI_API_KEY",      "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY", "APCA_API_KEY_ID",       "APCA_API_SECRET_KEY", "CIBA_SEAL_KEY",
    "CIBA_STORE_KEY",       "CREDENTIALS_DIRECTORY", "CIBA_JOURNAL",        NULL};

/* What -e brought: alternately a name and its value, up to a NULL. */
static char **file_settings;
static size_t file_settings_count;

static struct kept {
    struct kept *next;
    char *text;
} * kept_texts;

const char *config_keep(char *text) {
    struct kept *kept = must_alloc(sizeof *kept);
    *kept = (struct kept){kept_texts, text};
    kept_texts = kept;
    return text;
}

/* Secrets that were taken from where they were set, with their names there. */
static struct taken {
    struct taken *next;
    const char *name, *secret;
} * taken_secrets;

/* A copy in memory that is locked, in no core dump and between guard pages; of a longer one, or
 * where there is none of it, in ordinary memory. The original is wiped. */
static const char *keep_secret(char *secret) {
    size_t size = strlen(secret) + 1;
    if (!CRYPTO_secure_malloc_initialized())
        CRYPTO_secure_malloc_init(LOCKED_MEMORY, sizeof(void *));
    char *copy = OPENSSL_secure_malloc(size);
    if (copy == NULL)
        copy = (char *)config_keep(must_alloc(size));
    memcpy(copy, secret, size);
    OPENSSL_cleanse(secret, size - 1);
    return copy;
}

static void add_setting(const char *name, size_t name_size, char *value) {
    file_settings = must_grow(file_settings, (file_settings_count + 2) * sizeof *file_settings);
    file_settings[file_settings_count++] = must_format("%.*s", (int)name_size, name);
    file_settings[file_settings_count++] = value;
}

/* The value that starts at `from`, as a copy; NULL if a quote is not closed or text follows it. */
static char *dotenv_value(const char *from) {
    char *value = must_alloc(strlen(from) + 1), *to = value;
    char quote = *from == '"' || *from == '\'' ? *from++ : 0;
    for (; *from != '\0' && (quote == 0 || *from != quote); from++) {
        if (quote == 0 && *from == '#' && (to == value || isblank((unsigned char)from[-1])))
            break;
        if (quote == '"' && *from == '\\' && from[1] != '\0' && strchr("\"\\$n", from[1])) {
            from++;
            *to++ = *from == 'n' ? '\n' : *from;
        } else {
            *to++ = *from;
        }
    }
    bool closed = quote == 0 || *from == quote;
    if (quote != 0 && closed) {
        from++;
        from += strspn(from, " \t");
        closed = *from == '\0' || *from == '#';
    }
    while (quote == 0 && to > value && isspace((unsigned char)to[-1]))
        to--;
    *to = '\0';
    if (closed)
        return value;
    free(value);
    return NULL;
}

static bool dotenv_line(char *line) {
    line += strspn(line, " \t");
    line[strcspn(line, "\r")] = '\0';
    if (*line == '\0' || *line == '#')
        return true;
    if (strncmp(line, "export ", 7) == 0)
        line += 7 + strspn(line + 7, " \t");
    size_t size = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    char *equals = line + size + strspn(line + size, " \t");
    if (size == 0 || *equals != '=')
        return false;
    char *value = dotenv_value(equals + 1 + strspn(equals + 1, " \t"));
    if (value == NULL)
        return false;
    add_setting(line, size, value);
    return true;
}

bool config_load(const char *env_file, struct error *error) {
    unsigned long size;
    if (env_file == NULL)
        return true;
    char *text = config_read_file(env_file, ENV_FILE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    if (strlen(text) != size) {
        free(text);
        return fail(error, STATUS_CONFIG, "%s: has a NUL byte; it must be text", env_file);
    }
    int number = 0;
    bool good = true;
    for (char *line = text, *next; good && line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        number++;
        good = dotenv_line(line);
    }
    free(text);
    if (!good)
        return fail(error, STATUS_CONFIG, "%s: line %d is not NAME=value", env_file, number);
    return true;
}

/* The value itself in the environment or in what -e brought. */
static char *place_of_setting(const char *name) {
    size_t size = strlen(name);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, size) == 0 && (*entry)[size] == '=' && (*entry)[size + 1] != '\0')
            return *entry + size + 1;
    for (size_t i = 0; i < file_settings_count; i += 2)
        if (strcmp(file_settings[i], name) == 0 && *file_settings[i + 1] != '\0')
            return file_settings[i + 1];
    return NULL;
}

/* A secret that is set by its name; it stands nowhere else then. */
static const char *take_secret(const char *name) {
    for (const struct taken *taken = taken_secrets; taken != NULL; taken = taken->next)
        if (strcmp(taken->name, name) == 0)
            return taken->secret;
    char *place = place_of_setting(name);
    if (place == NULL)
        return NULL;
    struct taken *taken = must_alloc(sizeof *taken);
    *taken = (struct taken){taken_secrets, name, keep_secret(place)};
    taken_secrets = taken;
    return taken->secret;
}

const char *config_get(const char *flag, ...) {
    const char *value = flag, *name;
    va_list names;
    va_start(names, flag);
    while (value == NULL && (name = va_arg(names, const char *)) != NULL)
        value = place_of_setting(name);
    va_end(names);
    return value;
}

char *config_read_descriptor(int fd, const char *path, unsigned long limit, unsigned long *size,
                             struct error *error) {
    size_t used = 0, room = 4096;
    char *text = must_alloc(room + 1);
    ssize_t got;
    while ((got = read(fd, text + used, room - used)) != 0 && used <= limit) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        used += (size_t)got;
        if (used == room) {
            text = must_grow(text, (room *= 2) + 1);
        }
    }
    text[used] = '\0';
    if (got == 0 && used <= limit) {
        if (size != NULL)
            *size = used;
        return text;
    }
    if (got < 0)
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
    else
        fail(error, STATUS_NO_FILE, "%s: larger than %lu bytes", path, limit);
    free(text);
    return NULL;
}

char *config_read_file(const char *path, unsigned long limit, unsigned long *size,
                       struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = config_read_descriptor(fd, path, limit, size, error);
    close(fd);
    return text;
}

bool config_is_private(const char *path, struct error *error) {
    struct stat facts;
    return stat(path, &facts) != 0 || !S_ISREG(facts.st_mode) ||
           (facts.st_mode & (S_IROTH | S_IWOTH)) == 0 ||
           fail(error, STATUS_CONFIG, "%s: every user can read or write this secret; chmod 600 %s",
                path, path);
}

static const char *secret_from_file(const char *path, struct error *error) {
    unsigned long size;
    if (!config_is_private(path, error))
        return NULL;
    char *secret = config_read_file(path, SECRET_LIMIT, &size, error);
    if (secret == NULL)
        return NULL;
    if (size > 0 && secret[size - 1] == '\n')
        secret[--size] = '\0';
    if (size > 0 && secret[size - 1] == '\r')
        secret[--size] = '\0';
    /* A line break or another control character would end a header's line. */
    bool plain = true;
    for (unsigned long i = 0; plain && i < size; i++)
        plain = (unsigned char)secret[i] >= ' ' && secret[i] != 127;
    if (size > 0 && plain) {
        const char *kept = keep_secret(secret);
        free(secret);
        return kept;
    }
    free(secret);
    fail(error, STATUS_CONFIG,
         "%s: is empty or has a control character; it must hold the secret in one line", path);
    return NULL;
}

bool config_secret(const char **secret, struct error *error, const char *file, ...) {
    *secret = NULL;
    if (file != NULL)
        return (*secret = secret_from_file(file, error)) != NULL;
    const char *folder = getenv("CREDENTIALS_DIRECTORY"), *name;
    bool good = true;
    va_list names;
    va_start(names, file);
    while (folder != NULL && good && *secret == NULL &&
           (name = va_arg(names, const char *)) != NULL) {
        char *path = must_format("%s/%s", folder, name);
        if (access(path, F_OK) == 0)
            good = (*secret = secret_from_file(path, error)) != NULL;
        free(path);
    }
    va_end(names);
    va_start(names, file);
    while (good && *secret == NULL && (name = va_arg(names, const char *)) != NULL)
        *secret = take_secret(name);
    va_end(names);
    return good;
}
