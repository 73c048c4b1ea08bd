#include "mcp/result.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

const char *mcp_result_problem(jv result) {
    jv type = json_get(result, "resultType"), is_error = json_get(result, "isError");
    const char *name = json_value_string(type), *problem = NULL;
    if (name == NULL && jv_is_valid(type))
        problem = "unknown_result";
    else if (name != NULL && strcmp(name, "complete") != 0)
        problem = strcmp(name, "input_required") == 0 ? "input_required"
                  : strcmp(name, "task") == 0         ? "task"
                                                      : "unknown_result";
    else if (jv_get_kind(is_error) == JV_KIND_TRUE)
        problem = "tool_failed";
    jv_free(type);
    jv_free(is_error);
    return problem;
}

/* Why nothing more comes of a result with this problem; NULL if it is the tool's own failure. */
static const char *words_for(const char *problem) {
    if (problem == NULL || strcmp(problem, "tool_failed") == 0)
        return NULL;
    if (strcmp(problem, "input_required") == 0)
        return "The tool asks for further input, which cannot be given here. It is not known what "
               "it did before.";
    if (strcmp(problem, "task") == 0)
        return "The tool goes on working after this answer, and its result cannot be had here.";
    return "The tool's answer is of a kind that is not known here. It is not known what it did.";
}

/* A part of a kind that is not known is told as JSON. Takes it. */
static jv known_part(jv part) {
    static const char *const types[] = {"text", "image", "audio", "resource_link", "resource"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (json_is(part, "type", types[i]))
            return part;
    char *text = json_text(part);
    jv told = json_set_string(json_set_string(jv_object(), "type", "text"), "text", text);
    free(text);
    jv_free(part);
    return told;
}

/* The text of a content that is one text and nothing else, or else the parts. Takes them. */
static jv plain(jv parts) {
    jv first = jv_array_get(jv_copy(parts), 0), text = jv_invalid();
    if (jv_array_length(jv_copy(parts)) == 1 && json_is(first, "type", "text"))
        text = json_get(first, "text");
    jv_free(first);
    if (jv_get_kind(text) != JV_KIND_STRING) {
        jv_free(text);
        return parts;
    }
    jv_free(parts);
    return text;
}

jv mcp_result_content(jv result) {
    const char *words = words_for(mcp_result_problem(result));
    if (words != NULL)
        return jv_string(words);
    jv content = json_array(result, "content"), parts = jv_array();
    jv_array_foreach(content, i, part) {
        parts = jv_array_append(parts, known_part(part));
    }
    jv_free(content);
    jv structured = json_get(result, "structuredContent");
    if (jv_array_length(jv_copy(parts)) > 0 || !jv_is_valid(structured)) {
        jv_free(structured);
        return jv_array_length(jv_copy(parts)) > 0 ? plain(parts) : (jv_free(parts), jv_string(""));
    }
    char *text = json_text(structured);
    jv_free(structured);
    jv_free(parts);
    jv told = jv_string(text);
    free(text);
    return told;
}
