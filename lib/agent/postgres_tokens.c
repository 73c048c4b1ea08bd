#include "agent/postgres_tokens.h"

#include "approval/encrypted_file.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

#define ENCRYPTED "encrypted"

/* One walk through a value. */
struct walk {
    const char *key;
    bool hides;
    struct error *error;
    bool failed;
};

static bool is_secret(const char *member) {
    static const char *const names[] = {"token",           "access_token",
                                        "refresh_token",   "id_token",
                                        "auth_req_id",     "client_notification_token",
                                        "login_hint_token"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(member, names[i]) == 0)
            return true;
    return false;
}

/* Takes the value. */
static jv hide(struct walk *walk, const char *path, jv value) {
    if (jv_get_kind(value) == JV_KIND_NULL)
        return value;
    jv hidden = jv_invalid();
    char *text = walk->key != NULL ? encrypted_text(walk->key, path, value) : NULL;
    if (text != NULL)
        hidden = json_set_string(jv_object(), ENCRYPTED, text);
    else
        walk->failed = !fail(walk->error, STATUS_CONFIG,
                             "a document with tokens needs the key to encrypt them with: "
                             "CIBA_SPOOL_KEY, or --spool-key-file");
    free(text);
    jv_free(value);
    return hidden;
}

/* Takes the value. */
static jv show(struct walk *walk, const char *path, jv value) {
    if (jv_get_kind(value) == JV_KIND_NULL || walk->key == NULL)
        return value;
    const char *text = json_string(value, ENCRYPTED);
    jv shown = text != NULL ? encrypted_text_read(walk->key, path, text) : jv_invalid();
    if (!jv_is_valid(shown))
        walk->failed = !fail(walk->error, STATUS_INPUT,
                             "a token in it cannot be decrypted: it was changed, or comes from "
                             "another document");
    jv_free(value);
    return shown;
}

static jv walk_value(struct walk *walk, const char *path, jv value);

static jv walk_object(struct walk *walk, const char *path, jv object) {
    jv names = jv_keys(jv_copy(object));
    jv_array_foreach(names, i, name) {
        const char *member = json_value_string(name);
        if (member == NULL || walk->failed) {
            jv_free(name);
            continue;
        }
        char *below = must_format("%s/%s", path, member);
        jv value = json_take(&object, member);
        value = !is_secret(member) ? walk_value(walk, below, value)
                : walk->hides      ? hide(walk, below, value)
                                   : show(walk, below, value);
        if (jv_is_valid(value))
            object = jv_object_set(object, jv_copy(name), value);
        free(below);
        jv_free(name);
    }
    jv_free(names);
    return object;
}

static jv walk_array(struct walk *walk, const char *path, jv array) {
    int count = jv_array_length(jv_copy(array));
    for (int i = 0; i < count && !walk->failed; i++) {
        jv item = jv_array_get(jv_copy(array), i);
        if (jv_get_kind(item) != JV_KIND_OBJECT && jv_get_kind(item) != JV_KIND_ARRAY) {
            jv_free(item);
            continue;
        }
        char *below = must_format("%s/%d", path, i);
        item = walk_value(walk, below, item);
        array = jv_array_set(array, i, item);
        free(below);
    }
    return array;
}

/* Takes the value. */
static jv walk_value(struct walk *walk, const char *path, jv value) {
    if (jv_get_kind(value) == JV_KIND_OBJECT)
        return walk_object(walk, path, value);
    if (jv_get_kind(value) == JV_KIND_ARRAY)
        return walk_array(walk, path, value);
    return value;
}

static jv walk_whole(struct walk *walk, const char *name, jv value) {
    jv walked = walk_value(walk, name, value);
    if (!walk->failed)
        return walked;
    jv_free(walked);
    return jv_invalid();
}

jv postgres_tokens_hide(const char *key, const char *name, jv value, struct error *error) {
    struct walk walk = {key, true, error, false};
    return walk_whole(&walk, name, value);
}

jv postgres_tokens_show(const char *key, const char *name, jv value, struct error *error) {
    struct walk walk = {key, false, error, false};
    return walk_whole(&walk, name, value);
}

char *postgres_key_check_make(const char *key, const char *name) {
    jv value = jv_string("ciba-tools spool 1");
    char *check = encrypted_text(key, name, value);
    jv_free(value);
    if (check == NULL)
        out_of_memory();
    return check;
}

bool postgres_key_check_fits(const char *key, const char *name, const char *check) {
    jv value = encrypted_text_read(key, name, check);
    bool fits = jv_is_valid(value);
    jv_free(value);
    return fits;
}
