/* Where the records are, from the command line and the settings: the first part of ledger.h. */
#include "approval/audit.h"
#include "approval/audit_origin.h"
#include "approval/ledger.h"
#include "approval/seal.h"
#include "base/clock.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "system/stage_socket.h"

#include <string.h>

bool ledger_configure(struct ledger *ledger, const struct ledger_settings *settings,
                      struct error *error) {
    *ledger = (struct ledger){.journal_path = settings_get(settings->journal, "CIBA_JOURNAL", NULL),
                              .audit = settings_get(settings->audit, "CIBA_AUDIT", NULL),
                              .spent_folder = settings_get(settings->spent, "CIBA_SPENT", NULL)};
    ledger->in_stage = stage_role() != STAGE_ABSENT;
    if (!audit_origin_configure(error))
        return false;
    if (ledger->in_stage && settings->journal != NULL)
        return fail(error, STATUS_USAGE,
                    "--journal-file: here agent-spool keeps the journal of each document");
    if (ledger->in_stage) {
        ledger->journal_path = NULL;
        ledger->spent_folder = settings->spent;
    }
    return settings_secret(&ledger->seal_key, error, settings->seal_key_file, "CIBA_SEAL_KEY",
                           NULL) &&
           seal_key_is_long(ledger->seal_key, "seal", error);
}

bool ledger_configure_store(struct ledger *ledger, const struct ledger_settings *settings,
                            const char *client_id, struct error *error) {
    if (!audit_origin_configure(error))
        return false;
    clock_boot(); /* while it can be read: a lease is of one boot */
    ledger->store.client_id = client_id;
    ledger->store.folder = settings_get(settings->store, "CIBA_STORE", NULL);
    if (ledger->store.folder != NULL &&
        !settings_secret(&ledger->store.key, error, settings->store_key_file, "CIBA_STORE_KEY",
                         NULL))
        return false;
    if (ledger->store.folder != NULL && ledger->store.key == NULL)
        return fail(error, STATUS_CONFIG, "the store has no key: set --store-key-file");
    return seal_key_is_long(ledger->store.key, "store", error);
}

bool ledger_ready(const struct ledger *ledger, struct error *error) {
    const char *journal = ledger->journal_path, *store = ledger->store.folder;
    const char *spent = ledger->spent_folder;
    return (journal == NULL || durable_ready(journal, false, error)) &&
           (store == NULL || durable_ready(store, true, error)) &&
           (spent == NULL || durable_ready(spent, true, error)) &&
           (ledger->audit == NULL || audit_ready(ledger->audit, error));
}

void ledger_needs(const struct ledger *ledger, struct confinement *needs) {
    confine_add(needs->writes, ledger->journal_path);
    confine_add(needs->writes, ledger->audit);
    confine_add(needs->writes, ledger->store.folder);
    confine_add(needs->writes, ledger->spent_folder);
}
