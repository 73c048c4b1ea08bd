/* The ways in which servers of models are asked. A document is always in OpenAI's form; what
 * differs from server to server stands in one table, and the conversions behind it. */
#ifndef CIBA_CHAT_API_H
#define CIBA_CHAT_API_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

/* What is asked for beside the conversation. */
struct chat_wishes {
    const char *model;
    const char
        *tool_choice; /* auto, none, required, or a tool's name; NULL: the server's default */
    bool one_call;    /* no parallel tool calls */
    bool stream;
    long max_tokens; /* of the answer, 0: the server's limit */
    jv schema;       /* of the answer, invalid for any text; stays the caller's */
};

/* What an answer says, in OpenAI's form. */
struct chat_reply {
    jv message; /* an object; the caller frees both */
    jv usage;   /* prompt_tokens, completion_tokens, total_tokens and more; may be invalid */
    const char *finish; /* stop, length, tool_calls, content_filter, or NULL for anything else */
};

/* A stream that is being put together to the answer that would have come without it. */
struct chat_stream {
    const struct chat_api *api;
    jv body;       /* the answer's, so far */
    jv failure;    /* what the server said in mid-stream, as an answer's body; else invalid */
    bool finished; /* the server said that it is whole */
    void (*show)(void *context, const char *text, size_t size); /* NULL for none */
    void *context;
    bool shown; /* some text has been */
};

struct chat_api {
    const char *name;                  /* for --api */
    const char *base_url;              /* by default, NULL for none */
    const char *base_name;             /* the setting that names another */
    const char *key_name, *model_name; /* the settings for those */
    const char *default_model;         /* NULL for none */
    const char *path;                  /* behind the base URL; {model} and {version} are put in */
    const char *version_name, *default_version;
    const char *key_header;      /* what stands before the key in its header line */
    const char *extra_header;    /* NULL for none */
    const char *max_tokens_name; /* of the default server; another is asked with `other_name` */
    const char *other_name;

    /* The request's body. Invalid, and an error with status 65, if the document has something that
     * this API cannot say. */
    jv (*request)(const struct chat_wishes *wishes, jv document, struct error *error);

    /* Reads an answer's body. False and an error (76) if it is none. */
    bool (*read)(jv body, struct chat_reply *reply, struct error *error);

    /* Takes an event of a stream: its name, and its data, which stays the caller's. */
    void (*event)(struct chat_stream *stream, const char *name, jv data);
};

/* Takes an event of a stream as it came, by its API. False if its data is not JSON. */
bool chat_api_take(struct chat_stream *stream, const char *name, const char *data, size_t size);

/* The API of that name, NULL if there is none. */
const struct chat_api *chat_api_named(const char *name);

extern const struct chat_api chat_api_anthropic, chat_api_responses;

/* For the conversions. {"type": type}. */
jv chat_api_typed(const char *type);

/* Whether a tool choice is the name of a tool, and no word for a rule. */
bool chat_api_names_tool(const char *choice);

/* Of "data:image/png;base64,AAAA" the type and where the base64 begins; false if it is no such URL.
 */
bool chat_api_data_url(const char *url, char *type, size_t room, const char **base64);

/* Shows text of a stream. */
void chat_api_show(struct chat_stream *stream, const char *text);

/* The document's messages without the members that another API keeps in them (`anthropic`,
 * `responses`), which no server but its own may see. */
jv chat_api_messages(jv document);

#endif
