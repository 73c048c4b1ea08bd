/* A line of the audit log, read without libjq: a log has millions. What is not as this project
 * writes it is left to libjq, which is 10 times slower. */
#ifndef CIBA_APPROVAL_AUDIT_LINE_H
#define CIBA_APPROVAL_AUDIT_LINE_H

#include "json/span.h"

#include <stdbool.h>
#include <stddef.h>

/* The members that somebody asks for. */
enum audit_member {
    AUDIT_FORMAT,
    AUDIT_N,
    AUDIT_PREVIOUS,
    AUDIT_DIGEST,
    AUDIT_TIME,
    AUDIT_EVENT,
    AUDIT_COMMAND,
    AUDIT_AGENT,
    AUDIT_CLIENT_ID,
    AUDIT_OS_USER,
    AUDIT_HOST,
    AUDIT_SPOOL,
    AUDIT_DOCUMENT,
    AUDIT_CALL,
    AUDIT_CALL_DIGEST,
    AUDIT_TOOL,
    AUDIT_USER,
    AUDIT_APPROVED_BY,
    AUDIT_LOGIN_HINT,
    AUDIT_BINDING_MESSAGE,
    AUDIT_MESSAGE,
    AUDIT_REQUEST_DIGEST,
    AUDIT_SECONDS,
    AUDIT_STATUS,
    AUDIT_ORDER,
    AUDIT_ERROR,
    AUDIT_QUESTION, /* ciba-channel's */
    AUDIT_ANSWER,
    AUDIT_CLIENT,
    AUDIT_MEMBERS
};

/* Zeroed before the first. The spans are in the line, or in `other`, which the owner frees at the
 * end. */
struct audit_line {
    struct json_span member[AUDIT_MEMBERS];
    char *other; /* the line as libjq writes it */
};

/* Reads a line without its newline. False if it is no JSON object, or one that would be changed by
 * reading it (json_parse). */
bool audit_line_read(struct audit_line *line, const char *text, size_t size);

/* The member's text, decoded; the caller frees. NULL if it is missing, no string, or has a NUL. */
char *audit_line_text(const struct audit_line *line, enum audit_member member);

/* Whether the member is a number; if so sets *number. */
bool audit_line_number(const struct audit_line *line, enum audit_member member, double *number);

/* Whether the member is this text, which needs no escapes in JSON. */
bool audit_line_is(const struct audit_line *line, enum audit_member member, const char *text);

/* Whether the line has the member, and it is not null. */
bool audit_line_has(const struct audit_line *line, enum audit_member member);

#endif
