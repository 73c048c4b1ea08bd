#include "approval/shared_entry.h"

#include "approval/seal.h"
#include "document/call.h"
#include "document/together.h"
#include "json/json.h"

#include <string.h>

/* The entry as a call, for the seal: the keys are its arguments. */
static jv as_call(jv entry) {
    jv call = json_set(jv_object(), "authorization", json_get(entry, "authorization"));
    call = json_set(call, "arguments", json_get(entry, "keys"));
    return json_set(call, "token", json_get(entry, "token"));
}

jv shared_entry(jv call, jv keys, const char *seal_key) {
    jv authorization = json_get(call, "authorization");
    jv entry = json_set(jv_object(), "authorization", together_common(authorization));
    jv_free(authorization);
    entry = json_set(json_set(entry, "token", json_get(call, "token")), "keys", jv_copy(keys));
    if (seal_key != NULL) {
        jv sealed = seal_call(as_call(entry), seal_key);
        entry = json_set(entry, "authorization", json_get(sealed, "authorization"));
        jv_free(sealed);
    }
    return entry;
}

bool shared_entry_holds(jv entry, const char *seal_key) {
    struct error ignored;
    jv call = as_call(entry);
    bool holds = seal_key == NULL || seal_holds(call, seal_key, &ignored);
    jv_free(call);
    return holds;
}

void shared_entries_free(struct shared_entries *entries) {
    if (!entries->begun)
        return;
    jv_free(entries->keys);
    jv_free(entries->parts);
    jv_free(entries->taken);
    entries->begun = false;
}

/* The digest in the key of a question, which ends with it. */
static const char *digest_in(const char *key) {
    const char *space = key != NULL ? strrchr(key, ' ') : NULL;
    return space != NULL ? space + 1 : "";
}

/* Makes the entry the newest: its calls' places and paths are computed only once. */
static void take_up(struct shared_entries *entries, jv keys) {
    if (!entries->begun)
        *entries = (struct shared_entries){jv_invalid(), jv_invalid(), jv_object(), true};
    if (jv_identical(jv_copy(entries->keys), jv_copy(keys)))
        return;
    jv digests = jv_array();
    jv_array_foreach(keys, i, key) {
        digests = jv_array_append(digests, jv_string(digest_in(json_value_string(key))));
        jv_free(key);
    }
    jv_free(entries->keys);
    jv_free(entries->parts);
    entries->keys = jv_copy(keys);
    entries->parts = together_parts(digests);
    jv_free(digests);
}

/* The place of the next call with this key, -1 if there is none. */
static int next_place(struct shared_entries *entries, const char *key) {
    double taken = 0, seen = 0;
    int place = -1;
    json_number(entries->taken, key, &taken);
    jv_array_foreach(entries->keys, i, one) {
        const char *text = json_value_string(one);
        if (place < 0 && text != NULL && strcmp(text, key) == 0 && seen++ >= taken)
            place = i;
        jv_free(one);
    }
    if (place >= 0)
        entries->taken = json_set(entries->taken, key, jv_number(taken + 1));
    return place;
}

jv shared_entry_call(struct shared_entries *entries, jv entry, jv call, const char *key,
                     const char *seal_key) {
    struct error ignored;
    jv keys = json_get(entry, "keys");
    if (jv_get_kind(keys) != JV_KIND_ARRAY || !shared_entry_holds(entry, seal_key)) {
        jv_free(keys);
        return jv_invalid();
    }
    take_up(entries, keys);
    jv_free(keys);
    int place = next_place(entries, key);
    if (place < 0)
        return jv_invalid();
    jv part = jv_array_get(jv_copy(entries->parts), place);
    jv common = json_get(entry, "authorization"), before = json_get(call, "authorization");
    jv asked_part = json_get(common, "together"), asked = jv_invalid();
    if (json_is(asked_part, "digest", json_string(part, "digest"))) {
        jv own = together_authorization(json_delete(jv_copy(common), "seal"), digest_in(key), part,
                                        before);
        asked = json_set(jv_copy(call), "authorization", own);
    }
    if (jv_is_valid(asked) && !call_unchanged(asked, &ignored)) {
        jv_free(asked);
        asked = jv_invalid();
    }
    jv_free(part);
    jv_free(common);
    jv_free(before);
    jv_free(asked_part);
    return jv_is_valid(asked) && seal_key != NULL ? seal_call(asked, seal_key) : asked;
}
