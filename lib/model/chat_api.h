/* The APIs of model servers. A document is always in OpenAI's form; the differences between servers
 * are in one table (chat_apis.c), the conversions in one file per dialect. */
#ifndef CIBA_MODEL_CHAT_API_H
#define CIBA_MODEL_CHAT_API_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* What servers refuse, or want, that others do not: learned from a server's words (chat_adapt.h).
 */
enum chat_learned {
    CHAT_NO_STRICT = 1,        /* no strict schema of the answer */
    CHAT_NO_FORMAT = 2,        /* no schema of the answer at all: words, or a tool */
    CHAT_NO_FORCED_TOOL = 4,   /* no tool that must be called */
    CHAT_NO_KEPT = 8,          /* nothing that answers left in messages (chat_kept.h) */
    CHAT_NO_SYSTEM_TURNS = 16, /* no system message within the conversation */
    CHAT_FILL_REASONING = 32,  /* each answer with calls must have reasoning_content */
    CHAT_FILL_SIGNATURES = 64, /* the first call of each answer must have a thought signature */
    CHAT_SHORT_IDS = 128       /* ids of calls have 9 letters and digits */
};

/* What a request asks for besides the conversation. */
struct chat_wishes {
    const char *model;
    const char
        *tool_choice; /* auto, none, required, or a tool's name; NULL: the server's default */
    bool no_parallel_calls;
    bool stream;
    long max_tokens; /* tokens of the answer, 0: the server's limit */
    const char
        *reasoning_effort;    /* none, minimal, low, medium, high …; NULL: the server's default */
    const char *verbosity;    /* low, medium, high; NULL: the server's default */
    const char *service_tier; /* NULL: the server's default */
    double temperature;       /* below 0: the server's default */
    bool cache;               /* ask for prompt caching where it must be asked for */
    jv members;               /* set in the request, after all others, objects member by member;
                               * invalid for none; stays the caller's */
    jv schema;                /* of the answer, invalid for free text; stays the caller's */
    const char *server;       /* its host, set by chat_ask */
    unsigned learned;         /* of chat_learned, set by chat_rounds and chat_ask */
};

/* How an answer ended. */
enum chat_end {
    CHAT_END_UNSAID,   /* the server does not say */
    CHAT_END_WHOLE,    /* with its last word, or its calls */
    CHAT_END_CUT,      /* too long */
    CHAT_END_FILTERED, /* by the provider */
    CHAT_END_UNKNOWN   /* with a word that we do not know: an error, perhaps */
};

/* An answer in OpenAI's form. */
struct chat_reply {
    jv message; /* an object; the caller frees both */
    jv usage;   /* prompt_tokens, completion_tokens, total_tokens and more; may be invalid */
    enum chat_end end;
};

enum { CHAT_EVENTS_LIMIT = 1000000 }; /* of one stream */

/* A stream, assembled into the answer that a request without streaming would get. */
struct chat_stream {
    const struct chat_api *api;
    jv body;              /* the answer so far */
    jv failure;           /* an error sent in mid-stream, as an answer's body; else invalid */
    bool finished;        /* the server said that the answer is complete */
    size_t events, size;  /* number of events, and bytes kept of them */
    struct error refused; /* why reading stopped; status 0 if it has not */
    void (*show)(void *context, const char *text, size_t size); /* NULL for none */
    void *context;
    bool shown; /* whether some text has been shown */
};

/* Builds requests and reads answers. */
struct chat_dialect {
    /* The message member that keeps what OpenAI's form has no place for; NULL for none. Never sent
     * to other servers. */
    const char *own_member;

    /* The request's body. Invalid, and an error with status 65, if this API cannot express
     * something in the document. */
    jv (*request)(const struct chat_wishes *wishes, jv document, struct error *error);

    /* Reads an answer's body. False and an error (76) if it is not one. */
    bool (*read)(jv body, struct chat_reply *reply, struct error *error);

    /* Processes an event of a stream: its name, and its data, which stays the caller's. */
    void (*event)(struct chat_stream *stream, const char *name, jv data);

    /* Whether an answer's body is only a beginning that the model wants to be asked on from; the
     * request for that, which is taken; and both answers in one, which are taken. NULL for an API
     * without pauses. */
    bool (*pauses)(jv answer);
    jv (*go_on)(jv request, jv begun);
    jv (*join)(jv begun, jv answer);
};

struct chat_api {
    const char *name; /* for --api */
    bool is_auto;     /* another one is used if the server's words say so */
    const struct chat_dialect *dialect;
    const char *base_url;              /* default, NULL for none */
    const char *base_name;             /* the setting that overrides it */
    const char *key_name, *model_name; /* their settings */
    const char *models_path;     /* after the base URL: the list of models; {version} is replaced */
    const char *const *families; /* the models that may be chosen unasked, up to a NULL
                                  * (model_list.h); NULL for none */
    const char *path;            /* after the base URL; {model} and {version} are replaced */
    const char *version_name, *default_version;
    const char *key_header;      /* its header line up to the key */
    const char *extra_header;    /* NULL for none */
    const char *max_tokens_name; /* for the default server; others get `other_name` */
    const char *other_name;
};

/* Processes an event of a stream as received, by its API. False if its data is not JSON, or if
 * there are too many events or more bytes than an answer without streaming may have; then
 * stream->refused is set. */
bool chat_api_take(struct chat_stream *stream, const char *name, const char *data, size_t size);

/* The API of that name, NULL if there is none; the default for NULL. */
const struct chat_api *chat_api_named(const char *name);

/* The names of all APIs, for messages: "openai, azure or …"; the caller frees. */
char *chat_api_names(void);

/* {"type": type}, for the conversions. */
jv chat_api_typed(const char *type);

/* Whether a tool choice is a tool's name rather than a keyword. */
bool chat_api_names_tool(const char *choice);

/* Parses "data:image/png;base64,AAAA": the type, and where the base64 begins; false for other
 * URLs. */
bool chat_api_data_url(const char *url, char *type, size_t room, const char **base64);

/* A name for the requests that begin with the same tools and first message, for the server's cache
 * of prompts. */
jv chat_api_cache_key(jv document);

/* Counts what an event adds to the answer. Takes `added`. */
void chat_api_count(struct chat_stream *stream, jv added);

/* What the member, a server's word for how its answer ended, means in any API. */
enum chat_end chat_api_end_of(jv object, const char *member);

/* Shows streamed text. */
void chat_api_show(struct chat_stream *stream, const char *text);

/* The message without the members that are never sent as they are: those that dialects keep in it,
 * and `origin` (chat_kept.h). Takes it. */
jv chat_api_bare(jv message);

#endif
