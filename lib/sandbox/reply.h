/* The answers of the sandbox. */
#ifndef CIBA_SANDBOX_REPLY_H
#define CIBA_SANDBOX_REPLY_H

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct sandbox_reply {
    int status;
    jv body;          /* JSON; ignored if `text` is set */
    const char *text; /* text instead of JSON; outlives the reply, or is `made` */
    size_t text_size;
    char *made;               /* freed with the reply; NULL for none */
    const char *content_type; /* NULL for application/json */
    jv headers;               /* an object of strings */
    bool drop;                /* close the connection without an answer */
};

/* Sets a JSON answer; takes the body. */
void reply_json(struct sandbox_reply *reply, int status, jv body);

/* Sets {"error": code, "error_description": text}. */
void reply_error(struct sandbox_reply *reply, int status, const char *code, const char *text);

#endif
