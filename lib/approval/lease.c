#include "approval/lease.h"

#include "approval/encrypted_file.h"
#include "approval/seal.h"
#include "base/clock.h"
#include "document/call.h"
#include "jose/digest.h"
#include "system/append_file.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LEAST_SECONDS = 30,  /* that a token must be valid for its executor */
    KEPT_SECONDS = 86400 /* a file is kept after its last lease, because clocks are set */
};

static const char prefix[] = "lease-"; /* of the files' names */

/* What the user was asked. */
static const char *const asked[] = {"issuer",
                                    "user",
                                    "login_hint",
                                    "login_hint_token_digest",
                                    "audience",
                                    "resource",
                                    "scope",
                                    "acr_values",
                                    "binding_message",
                                    "message",
                                    "authorization_details"};

/* Copies members that are there. Takes `to`. */
static jv copy_members(jv to, jv from, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (json_has(from, names[i]))
            to = json_set(to, names[i], json_get(from, names[i]));
    return to;
}

static jv copy_asked(jv to, jv from) {
    return copy_members(to, from, asked, sizeof asked / sizeof *asked);
}

/* Takes the value; the caller frees. NULL if no double holds one of its numbers. */
static char *canonical(jv value) {
    struct error ignored;
    char *text = json_canonical(value, &ignored);
    jv_free(value);
    return text;
}

/* A random name that is no option on a command line. The caller frees. */
static char *make_id(void) {
    char *id = random_name(6);
    while (*id == '-') {
        free(id);
        id = random_name(6);
    }
    return id;
}

jv lease_offer(const struct approval_store *store, jv authorization, jv call,
               const struct lease_bound *bound, jv place) {
    jv offer = jv_object();
    if (json_has(call, "name"))
        offer = json_set(offer, "tool", json_get(call, "name"));
    offer = json_set_string(offer, "filter", bound->filter);
    offer = json_set(offer, "seconds", jv_number(bound->seconds));
    offer = json_set(offer, "uses", jv_number((double)bound->uses));
    if (bound->without_token)
        offer = json_set(offer, "without_token", jv_true());
    jv covers = json_set_string(jv_object(), "for", "ciba-tools lease 1");
    covers = json_set(covers, "lease", jv_copy(offer));
    covers = json_set_string(covers, "client_id", store->client_id);
    if (jv_is_valid(place))
        covers = json_set(covers, "place", jv_copy(place));
    if (bound->filter == NULL)
        covers = json_set(covers, "call_digest", json_get(authorization, "call_digest"));
    char *text = canonical(copy_asked(covers, authorization));
    if (text == NULL) {
        jv_free(offer);
        return jv_invalid();
    }
    char *digest = digest_of(text, strlen(text)), *id = make_id();
    offer = json_set_string(offer, "covers", digest + strlen("sha-256:"));
    offer = jv_object_merge(json_set_string(jv_object(), "id", id), offer);
    free(text);
    free(digest);
    free(id);
    return offer;
}

/* The proof of the authorization's lease; the caller frees. NULL if there can be none. */
static char *proof_of(const struct approval_store *store, jv authorization) {
    static const char *const of_request[] = {"auth_req_id", "expires_at", "call_digest"};
    jv subject = json_set_string(jv_object(), "for", "ciba-tools lease proof 1");
    subject = json_set(subject, "lease", json_delete(json_get(authorization, "lease"), "proof"));
    subject = copy_members(subject, authorization, of_request, 3);
    char *text = canonical(copy_asked(subject, authorization));
    char *proof = text != NULL ? seal_of(text, store->key) : NULL;
    free(text);
    return proof;
}

jv lease_promise(const struct approval_store *store, jv authorization, jv offer) {
    authorization = json_set(authorization, "lease", jv_copy(offer));
    char *proof = proof_of(store, authorization);
    authorization = json_set(authorization, "lease", json_set_string(offer, "proof", proof));
    free(proof);
    return authorization;
}

static bool is_promised(const struct approval_store *store, jv authorization) {
    jv lease = json_get(authorization, "lease");
    const char *found = json_string(lease, "proof");
    char *proof = proof_of(store, authorization);
    bool promised = found != NULL && proof != NULL && same_secret(found, proof);
    free(proof);
    jv_free(lease);
    return promised;
}

/* Locks the leases of the store until the descriptor is closed. -1 and an error. */
static int lock(const struct approval_store *store, struct error *error) {
    char *path = must_format("%s/lock", store->folder);
    int fd = durable_folder(store->folder, error) ? append_file_open(path, true, error) : -1;
    free(path);
    return fd;
}

static double number_of(jv object, const char *name) {
    double number = 0;
    json_number(object, name, &number);
    return number;
}

/* Whether the lease has ended. In doubt it has: both the time of day and the time since the boot
 * must say that it has not, so that setting the clock prolongs nothing. */
static bool is_over(jv lease) {
    double now = clock_now(), elapsed = clock_elapsed();
    return number_of(lease, "uses_left") < 1 || now >= number_of(lease, "ends_at") ||
           elapsed >= number_of(lease, "ends_elapsed") ||
           clock_went_back(number_of(lease, "seen_at")) ||
           elapsed < number_of(lease, "seen_elapsed") || !json_is(lease, "boot", clock_boot());
}

/* Takes the lease. */
static jv mark_seen(jv lease) {
    lease = json_set(lease, "seen_at", jv_number(clock_now()));
    return json_set(lease, "seen_elapsed", jv_number(clock_elapsed()));
}

/* A file has the `lease`, if there is one, and `begun`: until when the approvals of the leases with
 * these ids could arrive again. */
static bool write_file(const struct approval_store *store, const char *name, jv file,
                       struct error *error) {
    file = json_set(file, "format", jv_number(1));
    bool good = encrypted_file_write(store->folder, store->key, name, file, error);
    jv_free(file);
    return good;
}

static jv read_file(const struct approval_store *store, const char *name) {
    jv file = encrypted_file_read(store->folder, store->key, name);
    if (!json_is_format(file, 1)) {
        jv_free(file);
        return jv_invalid();
    }
    return file;
}

/* Those of the leases that have begun whose approval could still arrive again. */
static jv begun_in(jv file) {
    jv begun = json_get(file, "begun"), kept = jv_object();
    if (jv_get_kind(begun) == JV_KIND_OBJECT) {
        jv_object_foreach(begun, id, until) {
            if (jv_number_value(until) + KEPT_SECONDS > clock_now())
                kept = jv_object_set(kept, jv_copy(id), jv_copy(until));
            jv_free(id);
            jv_free(until);
        }
    }
    jv_free(begun);
    return kept;
}

/* The names of the files of leases, as an array. */
static jv names_in(const struct approval_store *store, struct error *error) {
    jv names = jv_array();
    error->status = STATUS_DONE;
    DIR *listing = opendir(store->folder);
    if (listing == NULL && errno != ENOENT)
        fail(error, STATUS_IO, "%s: %s", store->folder, strerror(errno));
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            names = jv_array_append(names, jv_string(entry->d_name));
    if (listing != NULL)
        closedir(listing);
    return jv_sort(names, jv_copy(names));
}

/* Removes the files of which nothing is needed any more. Called with the lock. */
static void sweep(const struct approval_store *store) {
    struct error ignored;
    jv names = names_in(store, &ignored);
    jv_array_foreach(names, i, name) {
        jv file = read_file(store, jv_string_value(name));
        if (jv_is_valid(file) && jv_object_length(begun_in(file)) == 0) {
            char *path = must_format("%s/%s", store->folder, jv_string_value(name));
            unlink(path);
            free(path);
        }
        jv_free(file);
        jv_free(name);
    }
    jv_free(names);
}

/* The lease as it begins. */
static jv new_lease(const struct approval_store *store, jv authorization, jv token) {
    jv offer = json_get(authorization, "lease");
    double now = clock_now(), seconds = number_of(offer, "seconds"), expires_at;
    double ends_at = floor(fmin(now, number_of(authorization, "expires_at")) + seconds);
    bool with_token = !json_has(offer, "without_token");
    if (with_token && json_number(token, "expires_at", &expires_at))
        ends_at = fmin(ends_at, expires_at - LEAST_SECONDS);
    static const char *const offered[] = {"id", "tool", "filter", "uses"};
    static const char *const answered[] = {"status", "auth_req_id", "approved_by", "expires_at",
                                           "requested_at"};
    jv lease = copy_members(jv_object(), offer, offered, sizeof offered / sizeof *offered);
    jv kept =
        copy_members(jv_object(), authorization, answered, sizeof answered / sizeof *answered);
    lease = json_set(lease, "authorization", copy_asked(kept, authorization));
    if (with_token)
        lease = json_set(lease, "token", jv_copy(token));
    lease = json_set_string(lease, "client_id", store->client_id);
    lease = json_set(lease, "uses_left", jv_number(number_of(offer, "uses") - 1));
    lease = json_set(lease, "began_at", jv_number(floor(now)));
    lease = json_set(lease, "ends_at", jv_number(ends_at));
    lease = json_set(lease, "ends_elapsed", jv_number(clock_elapsed() + ends_at - now));
    jv_free(offer);
    return mark_seen(json_set_string(lease, "boot", clock_boot()));
}

/* Puts the lease into its file, if it was not there before. Called with the lock. */
static bool put(const struct approval_store *store, jv authorization, jv token,
                struct error *error) {
    jv offer = json_get(authorization, "lease");
    const char *id = json_string(offer, "id");
    double until = number_of(authorization, "expires_at") + number_of(offer, "seconds");
    char *name = must_format("%s%s", prefix, json_string(offer, "covers"));
    jv file = read_file(store, name), begun = begun_in(file);
    bool good = true;
    jv lease = json_has(begun, id) ? jv_invalid() : new_lease(store, authorization, token);
    if (jv_is_valid(lease) && !is_over(lease)) {
        file = json_set(jv_is_valid(file) ? file : jv_object(), "lease", jv_copy(lease));
        file = json_set(file, "begun", json_set(jv_copy(begun), id, jv_number(until)));
        good = write_file(store, name, file, error);
    } else {
        jv_free(file);
    }
    jv_free(lease);
    jv_free(begun);
    jv_free(offer);
    free(name);
    return good;
}

bool lease_begin(const struct approval_store *store, jv authorization, jv token,
                 struct error *error) {
    if (!is_promised(store, authorization))
        return fail(error, STATUS_INPUT,
                    "what it covers was changed, or was written with another store's key");
    int held = lock(store, error);
    if (held < 0)
        return false;
    sweep(store);
    bool good = put(store, authorization, token, error);
    close(held);
    return good;
}

/* What a call that uses the lease is given. */
static jv grant(jv lease) {
    static const char *const told[] = {"id", "tool", "filter", "uses_left", "ends_at"};
    jv facts = copy_members(jv_object(), lease, told, sizeof told / sizeof *told);
    jv granted = json_set(jv_object(), "authorization",
                          json_set(json_get(lease, "authorization"), "lease", facts));
    return json_has(lease, "token") ? json_set(granted, "token", json_get(lease, "token"))
                                    : granted;
}

/* Counts a use of the lease in the file. Called with the lock. */
static jv take(const struct approval_store *store, const char *name, struct error *error) {
    jv file = read_file(store, name), lease = json_get(file, "lease"), granted = jv_invalid();
    bool over = is_over(lease);
    if (!jv_is_valid(lease)) {
        jv_free(file);
        jv_free(lease);
        return granted;
    }
    double left = number_of(lease, "uses_left") - 1;
    if (!over)
        lease = json_set(mark_seen(lease), "uses_left", jv_number(left));
    file = over || left < 1 ? json_delete(file, "lease") : json_set(file, "lease", jv_copy(lease));
    if (write_file(store, name, file, error) && !over)
        granted = grant(lease);
    jv_free(lease);
    return granted;
}

jv lease_use(const struct approval_store *store, jv offer, struct error *error) {
    error->status = STATUS_DONE;
    const char *covers = json_string(offer, "covers");
    char *name = must_format("%s%s", prefix, covers);
    char *path = must_format("%s/%s", store->folder, name);
    jv granted = jv_invalid();
    int held = access(path, F_OK) == 0 ? lock(store, error) : -1;
    if (held >= 0) {
        granted = take(store, name, error);
        close(held);
    }
    free(name);
    free(path);
    return granted;
}

static jv facts_of(jv lease) {
    static const char *const told[] = {"id",   "tool",      "filter",   "client_id",
                                       "uses", "uses_left", "began_at", "ends_at"};
    static const char *const who[] = {"issuer", "user", "login_hint", "approved_by",
                                      "binding_message"};
    jv authorization = json_get(lease, "authorization");
    jv facts = copy_members(jv_object(), lease, told, sizeof told / sizeof *told);
    facts = copy_members(facts, authorization, who, sizeof who / sizeof *who);
    jv_free(authorization);
    return facts;
}

/* Appends the facts of the lease in the file, if it is not over and has the id (NULL: any). With
 * `end` it is removed from it. */
static bool visit(const struct approval_store *store, const char *name, const char *id, bool end,
                  jv *all, size_t *unreadable, struct error *error) {
    jv file = read_file(store, name), lease = json_get(file, "lease");
    bool good = true,
         wanted = jv_is_valid(lease) && !is_over(lease) && (id == NULL || json_is(lease, "id", id));
    *unreadable += !jv_is_valid(file);
    if (wanted && end)
        good = write_file(store, name, json_delete(jv_copy(file), "lease"), error);
    if (wanted && good)
        *all = jv_array_append(*all, facts_of(lease));
    jv_free(lease);
    jv_free(file);
    return good;
}

static bool visit_all(const struct approval_store *store, const char *id, bool end, jv *all,
                      size_t *unreadable, struct error *error) {
    jv names = names_in(store, error);
    bool good = error->status == STATUS_DONE;
    *unreadable = 0;
    jv_array_foreach(names, i, name) {
        good = good && visit(store, jv_string_value(name), id, end, all, unreadable, error);
        jv_free(name);
    }
    jv_free(names);
    return good;
}

jv lease_list(const struct approval_store *store, size_t *unreadable, struct error *error) {
    jv all = jv_array();
    visit_all(store, NULL, false, &all, unreadable, error);
    return all;
}

bool lease_end(const struct approval_store *store, const char *id, jv *ended, size_t *unreadable,
               struct error *error) {
    int held = lock(store, error);
    bool good = held >= 0 && visit_all(store, id, true, ended, unreadable, error);
    if (held >= 0)
        close(held);
    return good;
}
