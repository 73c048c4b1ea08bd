#include "model/tool_results.h"

#include "base/memory.h"
#include "model/chat_api.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static jv text_part(jv text) {
    return json_set(chat_api_typed("text"), "text", text);
}

/* A text part. Takes the words. */
static jv words_part(char *words) {
    jv part = text_part(jv_string(words));
    free(words);
    return part;
}

static bool is_base64(const char *data) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(data), length = strspn(data, digits), padding = strspn(data + length, "=");
    return length > 0 && padding <= 2 && length + padding == size && size % 4 == 0;
}

/* The types of images that all the APIs take that take images. */
static bool is_image(const char *type) {
    static const char *const types[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* The part for data of that type; `what` says what it is. */
static jv data_part(const char *what, const char *type, const char *data) {
    bool image = is_image(type) && is_base64(data);
    if (!image && !(strcmp(type, "application/pdf") == 0 && is_base64(data)))
        return words_part(
            must_format("[%.2000s (%.100s, %zu bytes of base64) cannot be shown here.]", what, type,
                        strlen(data)));
    char *url = must_format("data:%s;base64,%s", type, data);
    jv holder = jv_object(), part;
    if (image) {
        part =
            json_set(chat_api_typed("image_url"), "image_url", json_set_string(holder, "url", url));
    } else {
        holder = json_set_string(holder, "filename", "file.pdf");
        part = json_set(chat_api_typed("file"), "file", json_set_string(holder, "file_data", url));
    }
    free(url);
    return part;
}

static jv link_part(jv block) {
    const char *name = json_string(block, "name"), *uri = json_string(block, "uri");
    const char *words = json_string(block, "description"), *type = json_string(block, "mimeType");
    if (uri == NULL)
        return jv_invalid();
    return words_part(must_format("[A resource: %s%s%s%s%s%s%s]", name != NULL ? name : "",
                                  name != NULL ? ", " : "", uri, type != NULL ? ", " : "",
                                  type != NULL ? type : "", words != NULL ? ": " : "",
                                  words != NULL ? words : ""));
}

static jv resource_part(jv block) {
    jv resource = json_get(block, "resource"), text = json_get(resource, "text"),
       part = jv_invalid();
    const char *uri = json_string(resource, "uri"), *data = json_string(resource, "blob");
    const char *type = json_string(resource, "mimeType");
    if (uri != NULL && jv_get_kind(text) == JV_KIND_STRING) {
        char *title = must_format("[The resource %s]\n", uri);
        part = text_part(jv_string_concat(jv_string(title), jv_copy(text)));
        free(title);
    } else if (uri != NULL && data != NULL) {
        char *what = must_format("The resource %s", uri);
        part = data_part(what, type != NULL ? type : "of no type", data);
        free(what);
    }
    jv_free(text);
    jv_free(resource);
    return part;
}

/* The part for an image in OpenAI's form or Anthropic's; invalid if it is in neither. */
static jv given_part(jv block) {
    jv image = json_get(block, "image_url"), source = json_get(block, "source"), part;
    const char *url = json_string(image, "url"), *data = json_string(source, "data");
    const char *type = json_string(source, "media_type"), *base64;
    char given[100];
    if (url != NULL && chat_api_data_url(url, given, sizeof given, &base64))
        part = data_part("An image", given, base64);
    else if (url != NULL)
        part = json_set(chat_api_typed("image_url"), "image_url", jv_copy(image));
    else if (data != NULL && type != NULL)
        part = data_part("An image", type, data);
    else
        part = jv_invalid();
    jv_free(image);
    jv_free(source);
    return part;
}

/* The part for a content block of MCP, or an image in a form of a model's API; invalid if it is
 * none. */
static jv part_of(jv block) {
    const char *data = json_string(block, "data"), *type = json_string(block, "mimeType");
    jv text = json_get(block, "text"), part = jv_invalid();
    if (jv_get_kind(text) == JV_KIND_STRING && json_is(block, "type", "text"))
        return text_part(text);
    jv_free(text);
    if (json_is(block, "type", "image_url") || json_is(block, "type", "image"))
        part = given_part(block);
    if (jv_is_valid(part))
        return part;
    if (data != NULL && type != NULL && json_is(block, "type", "image"))
        return data_part("An image", type, data);
    if (data != NULL && type != NULL && json_is(block, "type", "audio"))
        return data_part("A sound", type, data);
    if (json_is(block, "type", "resource_link"))
        return link_part(block);
    return json_is(block, "type", "resource") ? resource_part(block) : jv_invalid();
}

/* The parts for a content that is an array of MCP's content blocks, and nothing else; else
 * invalid. */
static jv parts_of(jv content) {
    jv parts = jv_array();
    bool good = jv_get_kind(content) == JV_KIND_ARRAY && jv_array_length(jv_copy(content)) > 0;
    if (good) {
        jv_array_foreach(content, i, block) {
            jv part = good ? part_of(block) : jv_invalid();
            good = good && jv_is_valid(part);
            if (good)
                parts = jv_array_append(parts, part);
            jv_free(block);
        }
    }
    if (good)
        return parts;
    jv_free(parts);
    return jv_invalid();
}

bool tool_result_is_text(jv content) {
    bool all = true;
    if (jv_get_kind(content) != JV_KIND_ARRAY)
        return true;
    jv_array_foreach(content, i, part) {
        all = all && json_is(part, "type", "text");
        jv_free(part);
    }
    return all;
}

/* The words for a part of OpenAI's form. */
static jv part_text(jv part) {
    jv text = json_get(part, "text"), image = json_get(part, "image_url");
    jv file = json_get(part, "file");
    if (jv_get_kind(text) != JV_KIND_STRING) {
        const char *kind = jv_is_valid(image)  ? "An image"
                           : jv_is_valid(file) ? "A file"
                                               : "A part";
        char *words = must_format(
            "[%s that the tool returned is left out: this API takes only text from tools.]", kind);
        jv_free(text);
        text = jv_string(words);
        free(words);
    }
    jv_free(image);
    jv_free(file);
    return text;
}

jv tool_result_text(jv content) {
    jv joined = jv_string("");
    jv_array_foreach(content, i, part) {
        if (i > 0)
            joined = jv_string_append_str(joined, "\n");
        joined = jv_string_concat(joined, part_text(part));
        jv_free(part);
    }
    return joined;
}

/* What is told of a result. */
static jv told(jv result) {
    jv content = json_get(result, "content"), parts = parts_of(content);
    bool failed = json_is(result, "error", "tool_failed");
    if (jv_is_valid(parts)) {
        jv_free(content);
        content = tool_result_is_text(parts) ? tool_result_text(parts) : jv_copy(parts);
    } else if (jv_get_kind(content) != JV_KIND_STRING) {
        char *text = json_text(jv_is_valid(content) ? content : result);
        jv_free(content);
        content = jv_string(text);
        free(text);
    }
    jv_free(parts);
    if (failed && jv_get_kind(content) == JV_KIND_STRING)
        return jv_string_concat(jv_string("The tool reports an error: "), content);
    if (failed)
        return jv_array_concat(JV_ARRAY(words_part(must_copy("The tool reports an error."))),
                               content);
    return content;
}

jv tool_result_message(const char *id, jv result) {
    jv message = json_set_string(jv_object(), "role", "tool");
    message = json_set(json_set_string(message, "tool_call_id", id), "content", told(result));
    if (json_has(result, "error"))
        message = json_set(message, "anthropic", json_set(jv_object(), "is_error", jv_true()));
    return message;
}
