/* Requests to Anthropic's Messages API. What a thinking block's signature is bound to (system,
 * tools, the messages before it) is made of the document alone, so that it stays the same in later
 * turns. */
#include "model/anthropic.h"

#include "model/answer_schema.h"
#include "model/chat_kept.h"
#include "model/conversation.h"
#include "model/tool_calls.h"
#include "model/tool_results.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* The API requires a limit, and thinking counts. */
enum { MOST_TOKENS = 16384 };

static jv text_block(const char *text) {
    return json_set_string(chat_api_typed("text"), "text", text);
}

static jv source_of(const char *url) {
    char type[100];
    const char *base64;
    if (!chat_api_data_url(url, type, sizeof type, &base64))
        return json_set_string(chat_api_typed("url"), "url", url);
    jv source = json_set_string(chat_api_typed("base64"), "media_type", type);
    return json_set_string(source, "data", base64);
}

/* A part of a user's message. Invalid and an error if this API cannot express it. */
static jv part_block(jv part, struct error *error) {
    jv image = json_get(part, "image_url"), file = json_get(part, "file"), block = jv_invalid();
    const char *text = json_string(part, "text"), *url = json_string(image, "url");
    const char *data = json_string(file, "file_data"), *type = json_string(part, "type");
    if (text != NULL && json_is(part, "type", "text"))
        block = text_block(text);
    else if (url != NULL)
        block = json_set(chat_api_typed("image"), "source", source_of(url));
    else if (data != NULL)
        block = json_set(chat_api_typed("document"), "source", source_of(data));
    else
        fail(error, STATUS_INPUT, "a message has a part that this API cannot take: %.60s",
             type != NULL ? type : "of no type");
    jv_free(image);
    jv_free(file);
    return block;
}

/* The blocks of a message's content. Invalid and an error if one cannot be converted. */
static jv content_blocks(jv content, struct error *error) {
    jv blocks = jv_array();
    const char *words = json_value_string(content);
    if (words != NULL && *words != '\0')
        blocks = jv_array_append(blocks, text_block(words));
    if (jv_get_kind(content) != JV_KIND_ARRAY)
        return blocks;
    bool good = true;
    jv_array_foreach(content, i, part) {
        jv block = good ? part_block(part, error) : jv_invalid();
        good = good && jv_is_valid(block);
        if (good)
            blocks = jv_array_append(blocks, block);
        jv_free(part);
    }
    if (good)
        return blocks;
    jv_free(blocks);
    return jv_invalid();
}

static jv tool_use(jv tool_call) {
    jv function = json_get(tool_call, "function"), input = jv_object();
    const char *arguments = json_string(function, "arguments");
    struct error ignored;
    jv parsed;
    if (arguments != NULL && json_parse(arguments, strlen(arguments), &parsed, &ignored)) {
        if (jv_get_kind(parsed) == JV_KIND_OBJECT) {
            jv_free(input);
            input = parsed;
        } else {
            jv_free(parsed);
        }
    }
    jv block = json_set_string(chat_api_typed("tool_use"), "id", json_string(tool_call, "id"));
    block = json_set_string(block, "name", json_string(function, "name"));
    jv_free(function);
    return json_set(block, "input", input);
}

/* The blocks of the model's message, from OpenAI's form. Invalid and an error. */
static jv form_blocks(jv message, jv content, struct error *error) {
    jv plain = jv_copy(content), blocks;
    if (jv_get_kind(content) == JV_KIND_ARRAY) { /* thinking parts of others are not for this API */
        char *text = conversation_content_text(content);
        jv_free(plain);
        plain = jv_string(text);
        free(text);
    }
    blocks = content_blocks(plain, error);
    jv calls = json_array(message, "tool_calls");
    jv_array_foreach(calls, i, call) {
        if (jv_is_valid(blocks))
            blocks = jv_array_append(blocks, tool_use(call));
        jv_free(call);
    }
    jv_free(calls);
    jv_free(plain);
    return blocks;
}

/* The block with what a tool returned: text stays text. Invalid and an error. */
static jv tool_result(jv message, jv content, struct error *error) {
    jv told, own = json_get(message, "anthropic");
    jv block = json_set_string(chat_api_typed("tool_result"), "tool_use_id",
                               json_string(message, "tool_call_id"));
    if (json_has(own, "is_error"))
        block = json_set(block, "is_error", json_get(own, "is_error"));
    jv_free(own);
    if (tool_result_is_text(content)) {
        char *text = conversation_content_text(content);
        told = jv_string(text);
        free(text);
    } else {
        told = content_blocks(content, error);
    }
    if (jv_is_valid(told))
        return JV_ARRAY(json_set(block, "content", told));
    jv_free(block);
    return told;
}

bool anthropic_is_empty(jv block) {
    const char *text = json_string(block, "text");
    return json_is(block, "type", "text") && text != NULL && *text == '\0';
}

/* The blocks of an answer as they came, without empty ones. Takes them. */
static jv own_blocks(jv message, jv own) {
    jv blocks = jv_array();
    jv_array_foreach(own, i, block) {
        if (anthropic_is_empty(block))
            jv_free(block);
        else
            blocks = jv_array_append(blocks, block);
    }
    jv_free(own);
    return tool_calls_set_ids(message, blocks, "tool_use", "id");
}

/* Converts a message to its role and blocks. */
static jv message_blocks(const struct chat_wishes *wishes, jv message, const char **role,
                         struct error *error) {
    jv content = json_get(message, "content"), blocks;
    *role = "user";
    if (json_is(message, "role", "tool")) {
        blocks = tool_result(message, content, error);
    } else if (!json_is(message, "role", "assistant")) {
        blocks = content_blocks(content, error);
    } else {
        jv own = chat_kept_own(wishes, message, "anthropic");
        bool kept = jv_get_kind(own) == JV_KIND_ARRAY;
        *role = "assistant";
        blocks = kept ? own_blocks(message, jv_copy(own)) : form_blocks(message, content, error);
        jv_free(own);
    }
    jv_free(content);
    return blocks;
}

/* Adds a message, or extends the last one if that has the same role. Takes all. */
static jv add_blocks(jv messages, const char *role, jv blocks) {
    int count = jv_array_length(jv_copy(messages));
    jv last = count > 0 ? jv_array_get(jv_copy(messages), count - 1) : jv_invalid();
    if (jv_array_length(jv_copy(blocks)) == 0) {
        jv_free(blocks);
        jv_free(last);
        return messages;
    }
    if (json_is(last, "role", role)) {
        blocks = jv_array_concat(json_get(last, "content"), blocks);
        return jv_array_set(messages, count - 1, json_set(last, "content", blocks));
    }
    jv_free(last);
    jv message = json_set_string(jv_object(), "role", role);
    return jv_array_append(messages, json_set(message, "content", blocks));
}

static bool is_system(jv message) {
    return json_is(message, "role", "system") || json_is(message, "role", "developer");
}

/* The messages of a request, as they grow. */
struct growing {
    const struct chat_wishes *wishes;
    jv messages, system;
    jv held; /* system messages within the conversation, which may only follow a user's turn */
};

/* Adds the system messages that wait. */
static void let_go(struct growing *to) {
    int count = jv_array_length(jv_copy(to->messages));
    jv last = count > 0 ? jv_array_get(jv_copy(to->messages), count - 1) : jv_invalid();
    bool turn = json_is(last, "role", "user") && (to->wishes->learned & CHAT_NO_SYSTEM_TURNS) == 0;
    to->messages = add_blocks(to->messages, turn ? "system" : "user", to->held);
    to->held = jv_array();
    jv_free(last);
}

/* Takes the blocks. */
static void add_message(struct growing *to, jv message, const char *role, jv blocks) {
    bool first = jv_array_length(jv_copy(to->messages)) == 0;
    if (is_system(message) && first) {
        to->system = jv_array_concat(to->system, blocks);
    } else if (is_system(message)) {
        to->held = jv_array_concat(to->held, blocks);
    } else {
        if (strcmp(role, "assistant") == 0)
            let_go(to);
        to->messages = add_blocks(to->messages, role, blocks);
    }
}

/* The body with messages and system. False and an error. */
static bool add_messages(const struct chat_wishes *wishes, jv *body, jv document,
                         struct error *error) {
    struct growing to = {wishes, jv_array(), jv_array(), jv_array()};
    jv all = json_array(document, "messages");
    bool good = true;
    jv_array_foreach(all, i, message) {
        const char *role;
        jv blocks = good ? message_blocks(wishes, message, &role, error) : jv_invalid();
        good = good && jv_is_valid(blocks);
        if (good)
            add_message(&to, message, role, blocks);
        jv_free(message);
    }
    jv_free(all);
    let_go(&to);
    jv_free(to.held);
    *body = json_set(*body, "messages", to.messages);
    if (jv_array_length(jv_copy(to.system)) > 0)
        *body = json_set(*body, "system", to.system);
    else
        jv_free(to.system);
    return good;
}

static jv tool_of(jv definition) {
    jv function = json_get(definition, "function"), schema = json_get(function, "parameters");
    jv tool = json_set_string(jv_object(), "name", json_string(function, "name"));
    tool = json_set_string(tool, "description", json_string(function, "description"));
    jv_free(function);
    return json_set(tool, "input_schema", jv_is_valid(schema) ? schema : chat_api_typed("object"));
}

/* Adds the tools, and the one for the answer if there is to be one. Sets *choice for that. */
static jv add_tools(const struct chat_wishes *wishes, jv body, jv document, const char **choice) {
    jv definitions = json_array(document, "tools"), tools = jv_array();
    jv_array_foreach(definitions, i, definition) {
        tools = jv_array_append(tools, tool_of(definition));
        jv_free(definition);
    }
    jv_free(definitions);
    if (jv_is_valid(wishes->schema) && (wishes->learned & CHAT_NO_FORMAT) != 0 &&
        (wishes->learned & CHAT_NO_FORCED_TOOL) == 0) {
        jv tool = json_set_string(jv_object(), "name", ANTHROPIC_ANSWER_TOOL);
        tool = json_set_string(tool, "description", "Gives the answer.");
        tools = jv_array_append(tools, json_set(tool, "input_schema", jv_copy(wishes->schema)));
        bool no_others = jv_array_length(jv_copy(tools)) == 1 ||
                         (*choice != NULL && strcmp(*choice, "none") == 0);
        *choice = no_others ? ANTHROPIC_ANSWER_TOOL : "required";
    }
    if (jv_array_length(jv_copy(tools)) > 0)
        return json_set(body, "tools", tools);
    jv_free(tools);
    return body;
}

static jv add_choice(const struct chat_wishes *wishes, jv body, const char *choice) {
    if (!json_has(body, "tools") || (choice == NULL && !wishes->no_parallel_calls))
        return body;
    choice = choice != NULL ? choice : "auto";
    bool named = chat_api_names_tool(choice);
    jv value = chat_api_typed(named ? "tool" : strcmp(choice, "required") == 0 ? "any" : choice);
    value = json_set_string(value, "name", named ? choice : NULL);
    if (wishes->no_parallel_calls && strcmp(choice, "none") != 0)
        value = json_set(value, "disable_parallel_tool_use", jv_true());
    return json_set(body, "tool_choice", value);
}

/* Where the API takes no schema, the last turn says it. Takes the body. */
static jv tell_schema(jv schema, jv body) {
    char *words = answer_schema_words(schema);
    body = json_set(body, "messages",
                    add_blocks(json_get(body, "messages"), "user", JV_ARRAY(text_block(words))));
    free(words);
    return body;
}

/* Sets how the answer is to be: its schema, and how much thinking it is worth. */
static jv add_output(const struct chat_wishes *wishes, jv body) {
    const char *effort = wishes->reasoning_effort;
    jv output = jv_object(), schema = jv_invalid();
    if (jv_is_valid(wishes->schema) && (wishes->learned & CHAT_NO_FORMAT) == 0) {
        jv_free(schema);
        schema = answer_schema_closed(wishes->schema);
    }
    if (jv_is_valid(schema))
        output = json_set(output, "format",
                          json_set(chat_api_typed("json_schema"), "schema", jv_copy(schema)));
    else if (jv_is_valid(wishes->schema) && ((wishes->learned & CHAT_NO_FORMAT) == 0 ||
                                             (wishes->learned & CHAT_NO_FORCED_TOOL) != 0))
        body = tell_schema(wishes->schema, body);
    jv_free(schema);
    if (effort != NULL && strcmp(effort, "none") == 0) {
        body = json_set(body, "thinking", chat_api_typed("disabled"));
    } else if (effort != NULL) {
        body = json_set(body, "thinking", chat_api_typed("adaptive"));
        output = json_set_string(output, "effort", strcmp(effort, "minimal") == 0 ? "low" : effort);
    }
    if (jv_object_length(jv_copy(output)) > 0)
        return json_set(body, "output_config", output);
    jv_free(output);
    return body;
}

static void say_ignored(const char *verbosity) {
    static bool said;
    if (verbosity != NULL && !said)
        report("model", "Anthropic's API has no verbosity; it is not sent");
    said = said || verbosity != NULL;
}

jv anthropic_request(const struct chat_wishes *wishes, jv document, struct error *error) {
    const char *choice = wishes->tool_choice;
    jv body = json_set_string(jv_object(), "model", wishes->model);
    body = json_set(body, "max_tokens", jv_number(MOST_TOKENS));
    if (wishes->stream)
        body = json_set(body, "stream", jv_true());
    say_ignored(wishes->verbosity);
    body = add_tools(wishes, body, document, &choice);
    body = add_choice(wishes, body, choice);
    body = json_set_string(body, "service_tier", wishes->service_tier);
    if (wishes->temperature >= 0)
        body = json_set(body, "temperature", jv_number(wishes->temperature));
    if (wishes->cache)
        body = json_set(body, "cache_control", chat_api_typed("ephemeral"));
    if (add_messages(wishes, &body, document, error))
        return add_output(wishes, body);
    jv_free(body);
    return jv_invalid();
}
