#include "system/settings.h"

#include "base/redact.h"

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

/* The one list of all environment variables that the commands or their libraries read. The tests
 * compare the code and the man pages with it. A new one needs a row here and a line in the pages of
 * the commands that read it. */
static const struct setting {
    const char *name;
    enum {
        PLAIN,
        SECRET,  /* read only by settings_secret; hidden from programs */
        PRIVATE, /* also hidden from programs: leads to secrets, or is for one document */
        SYSTEM   /* not our setting: exists anyway */
    } kind;
    const char *meaning;
    const char *readers; /* the commands that read it, separated by spaces */
} settings[] = {
    /* clang-format off */
    {"ACCESS_TOKEN", SECRET, "the token that a DPoP proof is for",
     "dpop-proof"},
    {"ANTHROPIC_API_KEY", SECRET, "the key of Anthropic's API",
     "ciba-doctor llm-chat"},
    {"ANTHROPIC_BASE_URL", PLAIN, "the server of Anthropic's API",
     "ciba-doctor llm-chat"},
    {"ANTHROPIC_MODEL", PLAIN, "the model there",
     "ciba-doctor llm-chat"},
    {"APCA_API_BASE_URL", PLAIN, "the server of Alpaca's API",
     "stock-buy"},
    {"APCA_API_KEY_ID", SECRET, "the key of the account at Alpaca",
     "stock-buy"},
    {"APCA_API_SECRET_KEY", SECRET, "its secret",
     "stock-buy"},
    {"AUDIENCE", PLAIN, "the API that tokens are for",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-run jwt-verify mcp-gate stock-buy"},
    {"AUTH0_CLIENT_ID", PLAIN, "the client, where CIBA_CLIENT_ID is not set",
     "ciba-authorize ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"AUTH0_CLIENT_SECRET", SECRET, "its secret, where CIBA_CLIENT_SECRET is not set",
     "ciba-authorize ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"AUTH0_DOMAIN", PLAIN, "the domain of an Auth0 tenant, where CIBA_ISSUER is not set",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"AZURE_OPENAI_API_KEY", SECRET, "the key of Azure's API",
     "ciba-doctor llm-chat"},
    {"AZURE_OPENAI_API_VERSION", PLAIN, "the version of Azure's API",
     "ciba-doctor llm-chat"},
    {"AZURE_OPENAI_DEPLOYMENT", PLAIN, "the deployment to ask there",
     "ciba-doctor llm-chat"},
    {"AZURE_OPENAI_ENDPOINT", PLAIN, "the server of Azure's API",
     "ciba-doctor llm-chat"},
    {"CIBA_AGENT", PLAIN, "the agent's name in the audit log",
     "ciba-authorize ciba-channel ciba-hook ciba-lease ciba-poll ciba-run mcp-gate stock-buy tool-run"},
    {"CIBA_AUDIT", PLAIN, "the file of the audit log",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-lease ciba-poll ciba-run mcp-gate stock-buy tool-run"},
    {"CIBA_CHANNEL_DIR", PLAIN, "the folder in which questions wait for their answer",
     "ciba-channel ciba-doctor"},
    {"CIBA_CHANNEL_SECRET", SECRET, "the end of the address that Keycloak posts questions to",
     "ciba-channel ciba-doctor"},
    {"CIBA_CHANNEL_URL", PLAIN, "the address of the page with the questions",
     "ciba-channel ciba-doctor"},
    {"CIBA_CLIENT_ASSERTION_FILE", PRIVATE, "a file with a JWT that authenticates the client",
     "ciba-authorize ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"CIBA_CLIENT_ID", PLAIN, "the client's identifier at the provider",
     "ciba-authorize ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"CIBA_CLIENT_SECRET", SECRET, "the client's secret",
     "ciba-authorize ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"CIBA_ISSUER", PLAIN, "the URL of the OpenID provider",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify mcp-gate stock-buy tool-run"},
    {"CIBA_JOURNAL", PRIVATE, "the file of the journal",
     "ciba-authorize ciba-poll stock-buy tool-run"},
    {"CIBA_SCOPE", PLAIN, "the scopes that are asked for",
     "ciba-authorize ciba-doctor ciba-hook ciba-run mcp-gate"},
    {"CIBA_SEAL_KEY", SECRET, "the key that approvals are sealed with",
     "ciba-authorize ciba-hook ciba-poll mcp-gate stock-buy tool-run"},
    {"CIBA_SPOOL_KEY", SECRET, "the key that tokens in a database are encrypted with",
     "agent-spool"},
    {"CIBA_SPENT", PLAIN, "the folder of approvals that have been used",
     "agent-spool ciba-authorize ciba-doctor tool-run"},
    {"CIBA_STAGE", PRIVATE, "agent-spool sets it for its stages",
     "agent-spool ciba-authorize ciba-poll llm-chat stock-buy tool-run"},
    {"CIBA_NOTIFICATION_DIR", PLAIN, "the folder in which notifications wait for ciba-poll",
     "ciba-doctor ciba-notify"},
    {"CIBA_NOTIFY_COMMAND", PLAIN, "the program that tells the user of a question",
     "ciba-channel"},
    {"CIBA_STORE", PLAIN, "the folder of approvals that can be used again",
     "ciba-authorize ciba-doctor ciba-hook ciba-lease ciba-poll ciba-run mcp-gate"},
    {"CIBA_STORE_KEY", SECRET, "the key that these are encrypted with",
     "ciba-authorize ciba-hook ciba-lease ciba-poll ciba-run mcp-gate"},
    {"CIBA_USER", PLAIN, "the user who is asked",
     "ciba-authorize ciba-doctor ciba-hook ciba-run mcp-gate"},
    {"CIBA_USER_CLAIM", PLAIN, "the claim of the proxy's token that names the user",
     "ciba-channel"},
    {"COLUMNS", SYSTEM, "the width of a terminal that does not say it",
     "agent-spool"},
    {"CONTENT_LENGTH", PLAIN, "the size of the request's body; set by the web server",
     "ciba-channel ciba-notify"},
    {"CONTENT_TYPE", PLAIN, "the type of the request's body; set by the web server",
     "ciba-channel ciba-notify"},
    {"CLAUDE_CODE_ENTRYPOINT", SYSTEM, "how Claude Code was started, as it tells its hooks",
     "ciba-hook"},
    {"CREDENTIALS_DIRECTORY", PRIVATE, "a folder with files of secrets; set by systemd",
     "agent-spool ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-lease ciba-poll ciba-run dpop-proof jwt-verify llm-chat mcp-gate stock-buy tool-run"},
    {"DPOP_KEY_FILE", PLAIN, "the file of the key that tokens are bound to",
     "dpop-proof"},
    {"HOME", SYSTEM, "the home directory",
     "agent-spool"},
    {"HTTP_AUTHORIZATION", PRIVATE, "the request's Authorization; set by the web server",
     "ciba-channel ciba-notify"},
    {"HTTP_ORIGIN", PLAIN, "the request's Origin; set by the web server",
     "ciba-channel"},
    {"HTTP_SEC_FETCH_SITE", PLAIN, "the request's Sec-Fetch-Site; set by the web server",
     "ciba-channel"},
    {"HTTP_X_FORWARDED_ACCESS_TOKEN", PRIVATE, "the token that a proxy passes; set by the web server",
     "ciba-channel"},
    {"LINES", SYSTEM, "the height of a terminal that does not say it",
     "agent-spool"},
    {"LLM_API", PLAIN, "which API the model has",
     "ciba-doctor llm-chat"},
    {"NO_COLOR", PLAIN, "where set, nothing is drawn on the terminal",
     "ciba-hook ciba-poll ciba-run"},
    {"OPENAI_API_KEY", SECRET, "the key of the model's server",
     "ciba-doctor llm-chat"},
    {"OPENAI_BASE_URL", PLAIN, "the model's server",
     "ciba-doctor llm-chat"},
    {"OPENAI_MODEL", PLAIN, "the model to ask",
     "ciba-doctor llm-chat"},
    {"OPENSSL_CONF", PLAIN, "the file of OpenSSL's settings",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify llm-chat mcp-gate stock-buy tool-run"},
    {"OPENSSL_MODULES", PLAIN, "the folder of OpenSSL's providers",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify llm-chat mcp-gate stock-buy tool-run"},
    {"PATH", SYSTEM, "where programs are looked for",
     ""},
    {"PATH_INFO", PLAIN, "the end of the request's path; set by the web server",
     "ciba-channel"},
    {"PGGSSENCMODE", PLAIN, "whether libpq encrypts by GSSAPI",
     "agent-spool"},
    {"PGHOST", PLAIN, "the database's server, where the URL names none",
     "agent-spool"},
    {"PGPASSFILE", PLAIN, "the file of libpq's passwords",
     "agent-spool"},
    {"PGPASSWORD", SECRET, "the password at the database",
     "agent-spool"},
    {"PGSSLMODE", PLAIN, "how the database's server is checked",
     "agent-spool"},
    {"PGSSLROOTCERT", PLAIN, "a file of CA certificates for that",
     "agent-spool"},
    {"REMOTE_USER", PLAIN, "the user who has logged in; set by the web server",
     "ciba-channel"},
    {"REQUEST_METHOD", PLAIN, "the request's method; set by the web server",
     "ciba-channel ciba-notify"},
    {"SSL_CERT_DIR", PLAIN, "a folder of CA certificates to trust",
     "ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify llm-chat mcp-gate stock-buy tool-run"},
    {"SSL_CERT_FILE", PLAIN, "a file of CA certificates to trust",
     "agent-spool ciba-authorize ciba-channel ciba-doctor ciba-hook ciba-poll ciba-run jwt-verify llm-chat mcp-gate stock-buy tool-run"},
    {"STATE_DIRECTORY", PLAIN, "the folder for what is kept; set by systemd",
     "agent-spool"},
    {"STOCK_API_URL", PLAIN, "where orders are posted",
     "ciba-doctor stock-buy"},
    {"TERM", SYSTEM, "what the terminal can do",
     ""},
    {"XDG_STATE_HOME", PLAIN, "the folder for what is kept, where ~/.local/state is not meant",
     "agent-spool"},
    /* clang-format on */
};

/* A name missing in the table would be missing wherever the table is used: a bug. */
static void must_be_setting(const char *name, bool is_secret) {
    size_t i = 0, count = sizeof settings / sizeof *settings;
    while (i < count && strcmp(settings[i].name, name) != 0)
        i++;
    if (i < count && (settings[i].kind == SECRET) == is_secret)
        return;
    report(NULL, "%s is read as what it is not in the table of settings", name);
    exit(STATUS_INTERNAL);
}

static bool is_read_by(const struct setting *setting, const char *command) {
    size_t size = strlen(command);
    for (const char *at = setting->readers; (at = strstr(at, command)) != NULL; at += size)
        if ((at == setting->readers || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

void settings_print(const char *command) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (is_read_by(&settings[i], command))
            printf("%-24s %s%s\n", settings[i].name, settings[i].meaning,
                   settings[i].kind == SECRET ? " (secret)" : "");
}

void settings_forget_secrets(void) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        bool keep = settings[i].kind == PLAIN || settings[i].kind == SYSTEM;
        char *value = keep ? NULL : getenv(settings[i].name);
        if (value == NULL)
            continue;
        OPENSSL_cleanse(value, strlen(value));
        unsetenv(settings[i].name);
    }
}

/* Whether a web server sets the variable for a request: RFC 3875 §4.1, and what servers add. */
static bool is_of_request(const char *variable) {
    static const char *const names[] = {
        "AUTH_",     "CONTENT_", "DOCUMENT_", "GATEWAY_", "HTTP_",   "PATH_",    "QUERY_",
        "REDIRECT_", "REMOTE_",  "REQUEST_",  "SCRIPT_",  "SERVER_", "CONTEXT_", "SSL_CLIENT_"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

void settings_forget_request(void) {
    for (char **variable = environ; *variable != NULL;) {
        char *value = is_of_request(*variable) ? strchr(*variable, '=') : NULL;
        if (value == NULL) {
            variable++;
            continue;
        }
        char *name = must_format("%.*s", (int)(value - *variable), *variable);
        OPENSSL_cleanse(value + 1, strlen(value + 1));
        unsetenv(name);
        free(name);
    }
}

/* The -e file: names and values alternately, up to a NULL. */
static const char *file_name;
static char **file_settings;
static size_t file_settings_count;

static struct kept {
    struct kept *next;
    char *text;
} * kept_texts;

const char *settings_keep(char *text) {
    struct kept *kept = must_alloc(sizeof *kept);
    *kept = (struct kept){kept_texts, text};
    kept_texts = kept;
    return text;
}

/* Secrets moved from where they were set, with their names. */
static struct taken {
    struct taken *next;
    const char *name, *secret, *place;
} * taken_secrets;

/* A copy in locked memory between guard pages, excluded from core dumps; in ordinary memory if it
 * is longer or none is left. Wipes the original. */
static char *lock_secret(char *secret) {
    size_t size = strlen(secret) + 1;
    if (!CRYPTO_secure_malloc_initialized())
        CRYPTO_secure_malloc_init(LOCKED_MEMORY, sizeof(void *));
    char *copy = OPENSSL_secure_malloc(size);
    if (copy == NULL)
        copy = must_alloc(size);
    memcpy(copy, secret, size);
    OPENSSL_cleanse(secret, size - 1);
    redact_know(copy);
    return copy;
}

/* Keeps what lock_secret returned for as long as the process lives; NULL stays NULL. */
static const char *keep_secret(char *locked) {
    return locked == NULL || CRYPTO_secure_allocated(locked) ? locked : settings_keep(locked);
}

void settings_secret_free(char *secret) {
    if (secret == NULL)
        return;
    redact_forget(secret);
    OPENSSL_cleanse(secret, strlen(secret));
    if (CRYPTO_secure_allocated(secret))
        OPENSSL_secure_free(secret);
    else
        free(secret);
}

/* The last line for a name counts, as in a shell. */
static void add_setting(const char *name, size_t name_size, char *value) {
    for (size_t i = 0; i < file_settings_count; i += 2) {
        char **old = file_settings + i;
        if (strlen(old[0]) != name_size || strncmp(old[0], name, name_size) != 0)
            continue;
        OPENSSL_cleanse(old[1], strlen(old[1]));
        free(old[1]);
        old[1] = value;
        return;
    }
    file_settings = must_grow(file_settings, (file_settings_count + 2) * sizeof *file_settings);
    file_settings[file_settings_count++] = must_format("%.*s", (int)name_size, name);
    file_settings[file_settings_count++] = value;
}

/* A copy of the value that starts at `from`; NULL if a quote is not closed or text follows it. */
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
    size_t end = strlen(line);
    if (end > 0 && line[end - 1] == '\r')
        line[end - 1] = '\0';
    if (strchr(line, '\r') != NULL)
        return false; /* editors would show a second line */
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

bool settings_load(const char *env_file, struct error *error) {
    unsigned long size;
    if (env_file == NULL)
        return true;
    char *text = file_read(env_file, ENV_FILE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    if (strlen(text) != size) {
        free(text);
        return fail(error, STATUS_CONFIG, "%s: has a NUL byte; it must be text", env_file);
    }
    file_name = env_file;
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
        return fail(error, STATUS_CONFIG,
                    "%s: line %d is not NAME=value, or has a carriage return in it", env_file,
                    number);
    return true;
}

/* The value itself in the environment or in the -e file. */
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

static bool is_in_file(const char *place) {
    for (size_t i = 0; i < file_settings_count; i += 2)
        if (place == file_settings[i + 1])
            return true;
    return false;
}

static bool is_secret(const char *name) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings[i].kind == SECRET && strcmp(settings[i].name, name) == 0)
            return true;
    return false;
}

const char *settings_place(const char *name) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *path = must_format("%s/%s", folder != NULL ? folder : "", name);
    bool is_credential = folder != NULL && is_secret(name) && access(path, F_OK) == 0;
    free(path);
    if (is_credential)
        return "CREDENTIALS_DIRECTORY";
    for (const struct taken *taken = taken_secrets; taken != NULL; taken = taken->next)
        if (strcmp(taken->name, name) == 0)
            return taken->place;
    const char *place = place_of_setting(name);
    return place == NULL ? NULL : is_in_file(place) ? file_name : "the environment";
}

const char *settings_meaning(const char *name) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (strcmp(settings[i].name, name) == 0)
            return settings[i].meaning;
    return "";
}

/* Takes a secret that is set by its name, and removes it from there. */
static const char *take_secret(const char *name) {
    for (const struct taken *taken = taken_secrets; taken != NULL; taken = taken->next)
        if (strcmp(taken->name, name) == 0)
            return taken->secret;
    must_be_setting(name, true);
    char *place = place_of_setting(name);
    if (place == NULL)
        return NULL;
    struct taken *taken = must_alloc(sizeof *taken);
    const char *from = settings_place(name);
    *taken = (struct taken){taken_secrets, name, keep_secret(lock_secret(place)), from};
    taken_secrets = taken;
    return taken->secret;
}

const char *settings_get(const char *flag, ...) {
    const char *value = flag, *name;
    va_list names;
    va_start(names, flag);
    while ((name = va_arg(names, const char *)) != NULL) {
        must_be_setting(name, false);
        if (value == NULL)
            value = place_of_setting(name);
    }
    va_end(names);
    return value;
}

char *file_read_descriptor(int fd, const char *path, unsigned long limit, unsigned long *size,
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

char *file_read(const char *path, unsigned long limit, unsigned long *size, struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = file_read_descriptor(fd, path, limit, size, error);
    close(fd);
    return text;
}

bool file_is_private(const char *path, struct error *error) {
    struct stat facts;
    return stat(path, &facts) != 0 || !S_ISREG(facts.st_mode) ||
           (facts.st_mode & (S_IROTH | S_IWOTH)) == 0 ||
           fail(error, STATUS_CONFIG, "%s: every user can read or write this secret; chmod 600 %s",
                path, path);
}

char *settings_secret_read(const char *path, struct error *error) {
    unsigned long size;
    if (!file_is_private(path, error))
        return NULL;
    char *secret = file_read(path, SECRET_LIMIT, &size, error);
    if (secret == NULL)
        return NULL;
    if (size > 0 && secret[size - 1] == '\n')
        secret[--size] = '\0';
    if (size > 0 && secret[size - 1] == '\r')
        secret[--size] = '\0';
    /* A line break or other control character would end a header line. */
    bool plain = true;
    for (unsigned long i = 0; plain && i < size; i++)
        plain = (unsigned char)secret[i] >= ' ' && secret[i] != 127;
    if (size > 0 && plain) {
        char *locked = lock_secret(secret);
        free(secret);
        return locked;
    }
    free(secret);
    fail(error, STATUS_CONFIG,
         "%s: is empty or has a control character; it must hold the secret in one line", path);
    return NULL;
}

bool settings_secret(const char **secret, struct error *error, const char *file, ...) {
    *secret = NULL;
    if (file != NULL)
        return (*secret = keep_secret(settings_secret_read(file, error))) != NULL;
    const char *folder = getenv("CREDENTIALS_DIRECTORY"), *name;
    bool good = true;
    va_list names;
    va_start(names, file);
    while (folder != NULL && good && *secret == NULL &&
           (name = va_arg(names, const char *)) != NULL) {
        char *path = must_format("%s/%s", folder, name);
        if (access(path, F_OK) == 0)
            good = (*secret = keep_secret(settings_secret_read(path, error))) != NULL;
        free(path);
    }
    va_end(names);
    va_start(names, file);
    while (good && *secret == NULL && (name = va_arg(names, const char *)) != NULL)
        *secret = take_secret(name);
    va_end(names);
    return good;
}
