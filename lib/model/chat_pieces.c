#include "model/chat_pieces.h"

#include "json/json.h"

#include <string.h>

enum { LAST_FEW = 32 }; /* entries that may grow by turns; a search through all would take long */

/* Members whose text arrives bit by bit. */
static bool grows(const char *name) {
    static const char *const names[] = {"text", "summary", "data", "thinking"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Whether both lack the member, or have it alike. */
static bool alike(jv one, jv other, const char *name) {
    jv its = json_get(one, name), others = json_get(other, name);
    bool same =
        jv_is_valid(its) == jv_is_valid(others) && (!jv_is_valid(its) || json_equal(its, others));
    jv_free(its);
    jv_free(others);
    return same;
}

static bool goes_on(jv entry, jv piece, bool is_last) {
    double index;
    if (jv_get_kind(entry) != JV_KIND_OBJECT ||
        (json_has(piece, "type") && !alike(entry, piece, "type")) ||
        (json_has(entry, "id") && json_has(piece, "id") && !alike(entry, piece, "id")))
        return false;
    if (json_number(piece, "index", &index) || json_number(entry, "index", &index))
        return alike(entry, piece, "index");
    return is_last && json_has(piece, "type") &&
           (json_has(piece, "text") || json_has(piece, "summary") || json_has(piece, "thinking") ||
            json_has(piece, "signature"));
}

static jv merge(struct chat_stream *stream, jv entry, jv piece) {
    jv_object_foreach(piece, key, value) {
        const char *name = jv_string_value(key);
        jv_kind kind = jv_get_kind(value);
        jv before = kind == JV_KIND_NULL ? jv_invalid() : json_take(&entry, name);
        jv_kind was = jv_get_kind(before);
        if (grows(name) && kind == JV_KIND_STRING && was == JV_KIND_STRING)
            entry = json_set(entry, name, jv_string_concat(before, jv_copy(value)));
        else if (kind == JV_KIND_ARRAY && was == JV_KIND_ARRAY)
            entry = json_set(entry, name, chat_pieces_add(stream, before, value));
        else if (kind == JV_KIND_NULL)
            jv_free(before);
        else
            entry = (jv_free(before), json_set(entry, name, jv_copy(value)));
        jv_free(key);
        jv_free(value);
    }
    return entry;
}

static void refuse(struct chat_stream *stream) {
    fail(&stream->refused, STATUS_PROTOCOL, "the model's answer is in more than %d parts",
         CHAT_PIECES_LIMIT);
}

void chat_pieces_check(struct chat_stream *stream, jv object) {
    if (jv_get_kind(object) == JV_KIND_OBJECT &&
        jv_object_length(jv_copy(object)) > CHAT_PIECES_LIMIT)
        refuse(stream);
}

/* The index of the entry that a piece goes on with, one of the last few, or the number of entries.
 */
static int entry_of(jv list, jv piece) {
    int count = jv_array_length(jv_copy(list)), found = count;
    for (int i = count - 1; i >= 0 && i >= count - LAST_FEW && found == count; i--) {
        jv entry = jv_array_get(jv_copy(list), i);
        if (goes_on(entry, piece, i == count - 1))
            found = i;
        jv_free(entry);
    }
    return found;
}

jv chat_pieces_add(struct chat_stream *stream, jv list, jv more) {
    jv_array_foreach(more, i, piece) {
        bool taken = stream->refused.status == STATUS_DONE;
        int count = jv_array_length(jv_copy(list));
        int at = taken && jv_get_kind(piece) == JV_KIND_OBJECT ? entry_of(list, piece) : count;
        if (taken && at < count) {
            jv entry = jv_array_get(jv_copy(list), at);
            list = jv_array_set(list, at, jv_null()); /* so that this is the only reference */
            entry = merge(stream, entry, piece);
            chat_pieces_check(stream, entry);
            list = jv_array_set(list, at, entry);
        } else if (taken && count < CHAT_PIECES_LIMIT) {
            list = jv_array_append(list, jv_copy(piece));
        } else if (taken) {
            refuse(stream);
        }
        jv_free(piece);
    }
    return list;
}

/* A content as a list of parts. Takes it. */
static jv parts_of(jv content) {
    if (jv_get_kind(content) == JV_KIND_ARRAY)
        return content;
    if (jv_get_kind(content) == JV_KIND_STRING && jv_string_length_bytes(jv_copy(content)) > 0)
        return JV_ARRAY(json_set(chat_api_typed("text"), "text", content));
    jv_free(content);
    return jv_array();
}

jv chat_pieces_content(struct chat_stream *stream, jv content, jv more) {
    jv_kind kind = jv_get_kind(more), was = jv_get_kind(content);
    if (kind != JV_KIND_STRING && kind != JV_KIND_ARRAY)
        return was == JV_KIND_INVALID ? jv_copy(more) : content;
    if (kind == JV_KIND_STRING && was == JV_KIND_STRING)
        return jv_string_concat(content, jv_copy(more));
    if (kind == JV_KIND_STRING && was != JV_KIND_ARRAY) {
        jv_free(content);
        return jv_copy(more);
    }
    jv parts = parts_of(jv_copy(more));
    content = chat_pieces_add(stream, parts_of(content), parts);
    jv_free(parts);
    return content;
}
