#include "approval/spent.h"

#include "approval/journal.h"
#include "base/clock.h"
#include "document/call.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEPT_SECONDS = 86400, /* after the expiry, because clocks differ */
    LEAST_DIGITS = 9 /* of a time, since 1973: other names that begin with a number are not ours */
};

/* A token that can be refreshed never expires for good, and its new one has another time. */
static char *path_of(const char *folder, jv call, const char *key) {
    double expires_at = 0;
    jv token = json_get(call, "token");
    bool expires = json_number(token, "expires_at", &expires_at) && expires_at < 1e11 &&
                   !json_has(token, "refresh_token");
    jv_free(token);
    return expires ? must_format("%s/%.0f-%s", folder, expires_at, key)
                   : must_format("%s/never-%s", folder, key);
}

static char *folder_for(const char *spool) {
    const char *chosen = settings_get(NULL, "CIBA_SPENT", NULL);
    const char *service = settings_get(NULL, "STATE_DIRECTORY", NULL);
    const char *state = settings_get(NULL, "XDG_STATE_HOME", NULL);
    const char *home = settings_get(NULL, "HOME", NULL);
    if (chosen != NULL)
        return must_copy(chosen);
    if (service != NULL) /* the first of several, separated by colons */
        return must_format("%.*s/spent", (int)strcspn(service, ":"), service);
    if (state != NULL)
        return must_format("%s/ciba-tools/spent", state);
    if (home != NULL && access(home, W_OK | X_OK) == 0) /* system users often have none */
        return must_format("%s/.local/state/ciba-tools/spent", home);
    return must_format("%s/spent", spool);
}

/* Creates the folder and its parents. */
static bool make_folder(char *path, struct error *error) {
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool there = access(path, F_OK) == 0 || durable_folder(path, error);
        *slash = '/';
        if (!there)
            return false;
    }
    return durable_folder(path, error);
}

static void sweep(const char *folder) {
    double before = clock_now() - KEPT_SECONDS;
    DIR *listing = opendir(folder);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        const char *dash = entry->d_name + strspn(entry->d_name, "0123456789");
        if (*dash != '-' || dash - entry->d_name < LEAST_DIGITS ||
            strtod(entry->d_name, NULL) >= before)
            continue;
        char *path = must_format("%s/%s", folder, entry->d_name);
        unlink(path);
        free(path);
    }
    if (listing != NULL)
        closedir(listing);
}

char *spent_for_spool(const char *spool, struct error *error) {
    struct error why;
    char *folder = folder_for(spool);
    if (make_folder(folder, &why)) {
        char *real = realpath(folder, NULL); /* for stages, whatever their working directory */
        sweep(folder);
        if (real == NULL)
            return folder;
        free(folder);
        return real;
    }
    free(folder);
    fail(error, why.status, "the folder of spent approvals: %s; CIBA_SPENT names another",
         why.text);
    return NULL;
}

enum spending spent_begin(struct ledger *ledger, jv call, const char *key, bool *again,
                          struct error *error) {
    if (ledger->spent_folder == NULL)
        return SPENT_NOW;
    char *path = path_of(ledger->spent_folder, call, key);
    ledger->spending =
        durable_folder(ledger->spent_folder, error) ? journal_open(path, NULL, error) : NULL;
    free(path);
    if (ledger->spending == NULL)
        return SPENT_ERROR;
    jv entry = journal_newest(ledger->spending, "execute", "executed", key);
    bool free_to_use = !jv_is_valid(entry) || json_has(entry, "released");
    bool ours = json_is(entry, "claim", ledger->claim);
    bool used = json_is(entry, "step", "executed");
    jv_free(entry);
    enum spending spending = SPENT_NOW;
    ledger->spent_perhaps = ours && !used && !free_to_use;
    if (free_to_use) {
        entry = json_set_string(jv_object(), "claim", ledger->claim);
        if (!journal_add(ledger->spending, "execute", key, entry, error))
            spending = SPENT_ERROR;
    } else if (ledger->spent_perhaps) {
        *again = true;
    } else {
        spending = used && !ours ? SPENT_BEFORE : SPENT_UNKNOWN;
    }
    if (spending != SPENT_NOW) {
        journal_close(ledger->spending);
        ledger->spending = NULL;
    }
    return spending;
}

void spent_end(struct ledger *ledger, jv call, const char *key, enum spent_use use, int *status) {
    struct error error;
    if (ledger->spending == NULL)
        return;
    if (use == NOT_USED && ledger->spent_perhaps)
        use = USE_UNKNOWN;
    jv entry = json_set_string(jv_object(), "claim", ledger->claim);
    if (use == NOT_USED)
        entry = json_set(entry, "released", jv_true());
    if (use == USE_UNKNOWN) {
        jv_free(entry);
    } else if (!journal_add(ledger->spending, "executed", key, entry, &error)) {
        report_failure(status, error.status, call_label(call),
                       "cannot write down that the approval is used: %s", error.text);
    }
    journal_close(ledger->spending);
    ledger->spending = NULL;
}
