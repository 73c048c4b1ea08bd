#include "agent/postgres_tokens.h"

#include "approval/encrypted_file.h"
#include "base/text.h"
#include "json/json.h"
#include "json/span.h"

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

/* The error of that; returns false. */
static bool has_no_key(struct error *error) {
    return fail(error, STATUS_CONFIG,
                "a document with tokens needs the key to encrypt them with: CIBA_SPOOL_KEY, or "
                "--spool-key-file");
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
        walk->failed = !has_no_key(walk->error);
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

/* One walk through a text: what is before `copied` is in `hidden`. */
struct text_walk {
    const char *key;
    struct text path, hidden;
    const char *copied;
    struct error *error;
};

static bool hide_span(struct text_walk *walk, struct json_span value) {
    jv secret = jv_invalid();
    if (json_span_is(value, "null"))
        return true;
    char *text = walk->key != NULL && json_parse(value.text, value.size, &secret, walk->error)
                     ? encrypted_text(walk->key, walk->path.text, secret)
                     : NULL;
    if (text != NULL) {
        text_add(&walk->hidden, walk->copied, (size_t)(value.text - walk->copied));
        text_add_format(&walk->hidden, "{\"" ENCRYPTED "\":\"%s\"}", text);
        walk->copied = value.text + value.size;
    }
    free(text);
    jv_free(secret);
    return text != NULL || has_no_key(walk->error);
}

/* The name of the member, which the caller frees: as json_span_string, but quick. */
static char *name_of(struct json_span key) {
    return memchr(key.text, '\\', key.size) != NULL
               ? json_span_string(key)
               : must_format("%.*s", (int)key.size - 2, key.text + 1);
}

static bool walk_text(struct text_walk *walk, struct json_span container) {
    struct json_walk each = json_walk(container);
    size_t size = walk->path.size;
    bool good = true;
    for (int i = 0; good && json_walk_next(&each); i++) {
        bool inner = *each.value.text == '{' || *each.value.text == '[';
        if (!inner && !each.in_object)
            continue;
        char *name = each.in_object ? name_of(each.key) : must_format("%d", i);
        bool secret = name != NULL && each.in_object && is_secret(name);
        if (name != NULL && (inner || secret)) {
            text_add(&walk->path, "/", 1);
            text_add_string(&walk->path, name);
            good = secret ? hide_span(walk, each.value) : walk_text(walk, each.value);
            walk->path.size = size;
        }
        free(name);
    }
    return good;
}

/* Whether a name in it can be a secret's. */
static bool may_have_secrets(const char *text) {
    return strstr(text, "token\"") != NULL || strstr(text, "auth_req_id\"") != NULL ||
           strstr(text, "\\u") != NULL;
}

char *postgres_tokens_hide_text(const char *key, const char *name, const char *text,
                                struct error *error) {
    struct text_walk walk = {.key = key, .copied = text, .error = error};
    struct json_span value;
    if (!may_have_secrets(text))
        return must_copy(text);
    text_add_string(&walk.path, name);
    text_add_string(&walk.hidden, "");
    bool good = json_span(text, strlen(text), &value, error) && walk_text(&walk, value);
    text_add_string(&walk.hidden, walk.copied);
    free(walk.path.text);
    if (good)
        return walk.hidden.text;
    free(walk.hidden.text);
    return NULL;
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
