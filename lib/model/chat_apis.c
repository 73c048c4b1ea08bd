#include "base/text.h"
#include "model/chat_api.h"
#include "json/json.h"

#include <string.h>

/* The table of APIs. A new API needs a row here, and a file for its dialect if that is new. */
extern const struct chat_dialect chat_dialect_openai, chat_dialect_anthropic,
    chat_dialect_responses;

/* The families of models that are known to work, as llm-chat(1) names them too: of those that a
 * server lists, the newest is asked if nobody chose one. '#' is a version; of two made on the same
 * day the first row wins. */
static const char *const openai_families[] = {"gpt-5#",
                                              "gpt-5#-terra",
                                              "gpt-5#-sol",
                                              "gpt-5#-luna",
                                              "gemini-3#-pro",
                                              "gemini-3#-pro-preview",
                                              "gemini-3#-flash",
                                              "gemini-3#-flash-preview",
                                              "deepseek-chat",
                                              "mistral-large-latest",
                                              "mistral-medium-latest",
                                              NULL};
static const char *const anthropic_families[] = {"claude-sonnet-5#",
                                                 "claude-opus-5#",
                                                 "claude-haiku-5#",
                                                 "claude-sonnet-4#",
                                                 "claude-opus-4#",
                                                 "claude-haiku-4#",
                                                 NULL};

/* OpenAI's server, or one like it, by whichever of its APIs. */
#define OPENAI_SERVER                                                                              \
    .base_url = "https://api.openai.com/v1", .base_name = "OPENAI_BASE_URL",                       \
    .key_name = "OPENAI_API_KEY", .model_name = "OPENAI_MODEL", .models_path = "/models",          \
    .families = openai_families, .key_header = "Authorization: Bearer "

static const struct chat_api apis[] = {
    {
        .name = "auto", /* the default: as openai, and as responses where the server says so */
        .is_auto = true,
        .dialect = &chat_dialect_openai,
        OPENAI_SERVER,
        .path = "/chat/completions",
        .max_tokens_name = "max_completion_tokens",
        .other_name = "max_tokens",
    },
    {
        .name = "openai",
        .dialect = &chat_dialect_openai,
        OPENAI_SERVER,
        .path = "/chat/completions",
        .max_tokens_name = "max_completion_tokens",
        .other_name = "max_tokens",
    },
    {
        .name = "azure", /* the model is a deployment and part of the URL */
        .dialect = &chat_dialect_openai,
        .base_name = "AZURE_OPENAI_ENDPOINT",
        .key_name = "AZURE_OPENAI_API_KEY",
        .model_name = "AZURE_OPENAI_DEPLOYMENT",
        .models_path = "/openai/models?api-version={version}", /* no deployments */
        .path = "/openai/deployments/{model}/chat/completions?api-version={version}",
        .version_name = "AZURE_OPENAI_API_VERSION",
        .default_version = "2024-10-21",
        .key_header = "api-key: ",
        .max_tokens_name = "max_completion_tokens",
        .other_name = "max_completion_tokens",
    },
    {
        .name = "anthropic",
        .dialect = &chat_dialect_anthropic,
        .base_url = "https://api.anthropic.com/v1",
        .base_name = "ANTHROPIC_BASE_URL",
        .key_name = "ANTHROPIC_API_KEY",
        .model_name = "ANTHROPIC_MODEL",
        .models_path = "/models?limit=1000",
        .families = anthropic_families,
        .path = "/messages",
        .key_header = "x-api-key: ",
        .extra_header = "anthropic-version: 2023-06-01",
        .max_tokens_name = "max_tokens",
        .other_name = "max_tokens",
    },
    {
        .name = "responses",
        .dialect = &chat_dialect_responses,
        OPENAI_SERVER,
        .path = "/responses",
        .max_tokens_name = "max_output_tokens",
        .other_name = "max_output_tokens",
    },
};

enum { APIS = sizeof apis / sizeof *apis };

const struct chat_api *chat_api_named(const char *name) {
    for (size_t i = 0; i < APIS; i++)
        if (name == NULL || strcmp(apis[i].name, name) == 0)
            return &apis[i];
    return NULL;
}

char *chat_api_names(void) {
    const char *names[APIS];
    for (size_t i = 0; i < APIS; i++)
        names[i] = apis[i].name;
    return text_list(names, APIS, "or");
}

jv chat_api_bare(jv message) {
    for (size_t i = 0; i < APIS; i++) {
        const char *own = apis[i].dialect->own_member;
        if (own != NULL && json_names(message, own))
            message = json_delete(message, own);
    }
    return json_names(message, "origin") ? json_delete(message, "origin") : message;
}
