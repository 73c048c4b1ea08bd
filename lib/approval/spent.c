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
static char *name_of(jv call, const char *key) {
    double expires_at = 0;
    jv token = json_get(call, "token");
    bool expires = json_number(token, "expires_at", &expires_at) && expires_at < 1e11 &&
                   !json_has(token, "refresh_token");
    jv_free(token);
    return expires ? must_format("%.0f-%s", expires_at, key) : must_format("never-%s", key);
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

/* What the engine is asked of the approval. The caller frees it. */
static struct stage_message spending_message(const struct ledger *ledger, enum stage_kind kind,
                                             jv call, const char *key) {
    struct stage_message message = stage_message_new(kind, journal_stage(ledger->journal)->number);
    message.name = name_of(call, key);
    message.key = must_copy(key);
    message.claim = must_copy(ledger->claim);
    return message;
}

static enum spending begin_in_stage(struct ledger *ledger, jv call, const char *key, bool *again,
                                    struct error *error) {
    struct stage_message message = spending_message(ledger, STAGE_SPEND, call, key), answer;
    bool good = stage_ask(journal_stage(ledger->journal), &message, &answer, error);
    stage_message_free(&message);
    if (!good)
        return SPENT_ERROR;
    enum stage_answer spent = answer.answer;
    *again = *again || answer.again;
    ledger->spends_in_stage = spent == STAGE_ANSWER_NOW;
    stage_message_free(&answer);
    switch (spent) {
    case STAGE_ANSWER_NOW:
        return SPENT_NOW;
    case STAGE_ANSWER_BEFORE:
        return SPENT_BEFORE;
    case STAGE_ANSWER_UNKNOWN:
        return SPENT_UNKNOWN;
    case STAGE_ANSWER_NONE:
        break;
    }
    fail(error, STATUS_IO, "agent-spool did not say whether the approval may be used");
    return SPENT_ERROR;
}

static void end_in_stage(struct ledger *ledger, jv call, const char *key, enum spent_use use,
                         int *status) {
    struct stage_message message = spending_message(ledger, STAGE_SPENT, call, key);
    struct error error;
    message.use = use == USED       ? STAGE_USE_USED
                  : use == NOT_USED ? STAGE_USE_NOT_USED
                                    : STAGE_USE_UNKNOWN;
    ledger->spends_in_stage = false;
    if (!stage_ask(journal_stage(ledger->journal), &message, NULL, &error))
        report_failure(status, error.status, call_label(call),
                       "cannot write down that the approval is used: %s", error.text);
    stage_message_free(&message);
}

enum spending spent_begin(struct ledger *ledger, jv call, const char *key, bool *again,
                          struct error *error) {
    if (ledger->spent_folder == NULL)
        return ledger->in_stage ? begin_in_stage(ledger, call, key, again, error) : SPENT_NOW;
    char *name = name_of(call, key), *path = must_format("%s/%s", ledger->spent_folder, name);
    ledger->spending =
        durable_folder(ledger->spent_folder, error) ? journal_open(path, error) : NULL;
    free(name);
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
    if (ledger->spends_in_stage)
        end_in_stage(ledger, call, key, use, status);
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

/* Whether the file of spent approvals says that the execution was begun. */
static bool says_begun(const char *path, const char *key) {
    struct error ignored;
    struct journal *spending = journal_open(path, &ignored);
    if (spending == NULL)
        return true;
    jv entry = journal_newest(spending, "execute", "executed", key);
    bool begun = jv_is_valid(entry) && !json_has(entry, "released");
    jv_free(entry);
    journal_close(spending);
    return begun;
}

bool spent_has(const struct ledger *ledger, const char *key) {
    DIR *listing = ledger->spent_folder != NULL ? opendir(ledger->spent_folder) : NULL;
    size_t size = strlen(key);
    bool found = false;
    for (struct dirent *entry; listing != NULL && !found && (entry = readdir(listing)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length <= size || strcmp(entry->d_name + length - size, key) != 0)
            continue;
        char *path = must_format("%s/%s", ledger->spent_folder, entry->d_name);
        found = says_begun(path, key);
        free(path);
    }
    if (listing != NULL)
        closedir(listing);
    return found;
}
