/* What the APIs that the sandbox's model speaks have in common. Inside, a conversation and the
 * answer to it have the form of chat completions. */
#ifndef CIBA_SANDBOX_MODEL_API_H
#define CIBA_SANDBOX_MODEL_API_H

#include <jv.h>
#include <stdio.h>

struct model_api {
    /* The messages of a request; invalid if it has none, or names no model. */
    jv (*messages)(jv body);
    /* The answer to a request. Takes the message. */
    jv (*completion)(jv body, jv message);
    /* The same as events, in many small ones. */
    void (*stream)(jv body, jv completion, FILE *to);
    /* The body of an error. */
    jv (*error)(int status, const char *code, const char *text);
};

extern const struct model_api model_chat;      /* OpenAI's chat completions */
extern const struct model_api model_responses; /* OpenAI's Responses */
extern const struct model_api model_messages;  /* Anthropic's Messages */
extern const struct model_api model_gemini;    /* Google's generateContent */

/* The error of both of OpenAI's. */
jv model_openai_error(int status, const char *code, const char *text);

/* How many tokens a text has, more or less. */
double model_tokens(jv value);

/* The call of an assistant's message, in the form of chat completions. */
jv model_call(const char *id, const char *name, const char *arguments);

/* The messages with the call as one more of the assistant's message that is their last, or as a new
 * one. Takes both. */
jv model_add_call(jv messages, jv call);

/* The messages with this one of that role. Takes `messages`. */
jv model_add_text(jv messages, const char *role, const char *text);

/* The messages of a request that names its model, as each must where the address does not; else
 * invalid. Takes the messages. */
jv model_if_named(jv body, jv messages);

/* An object with that `type`. */
jv model_of_type(const char *type);

/* The messages with the result of a call. Takes `messages`. */
jv model_add_result(jv messages, const char *id, const char *text);

#endif
