#include "spent.h"

#include "clock.h"
#include "config.h"
#include "durable.h"
#include "json.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_SECONDS = 86400 /* behind the expiry, since clocks differ */ };

char *spent_path(const char *folder, jv call, const char *key) {
    double expires_at = 0;
    jv token = json_get(call, "token");
    bool expires = json_number(token, "expires_at", &expires_at) && expires_at < 1e11;
    jv_free(token);
    return expires ? must_format("%s/%.0f-%s", folder, expires_at, key)
                   : must_format("%s/never-%s", folder, key);
}

static char *folder_for(const char *spool) {
    const char *chosen = config_get(NULL, "CIBA_SPENT", NULL);
    const char *service = config_get(NULL, "STATE_DIRECTORY", NULL);
    const char *state = config_get(NULL, "XDG_STATE_HOME", NULL);
    const char *home = config_get(NULL, "HOME", NULL);
    if (chosen != NULL)
        return must_copy(chosen);
    if (service != NULL) /* of several, separated by colons, the first */
        return must_format("%.*s/spent", (int)strcspn(service, ":"), service);
    if (state != NULL)
        return must_format("%s/ciba-tools/spent", state);
    if (home != NULL && access(home, W_OK | X_OK) == 0) /* system users have none */
        return must_format("%s/.local/state/ciba-tools/spent", home);
    return must_format("%s/spent", spool);
}

/* Makes the folder, and those that it is in. */
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
        char *end;
        double expired = strtod(entry->d_name, &end);
        if (end == entry->d_name || *end != '-' || expired >= before)
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
        sweep(folder);
        return folder;
    }
    free(folder);
    fail(error, why.status, "the folder of spent approvals: %s; CIBA_SPENT names another",
         why.text);
    return NULL;
}
