/* libpq, PostgreSQL's client library, loaded when the first postgresql:// URL is opened: a spool in
 * a folder neither needs it nor pays for it. Built without it if its header is missing, in static
 * builds, and with POSTGRES=no. */
#ifndef CIBA_AGENT_POSTGRES_LIBRARY_H
#define CIBA_AGENT_POSTGRES_LIBRARY_H

#include "base/error.h"

#include <stdbool.h>

#if !defined(NO_POSTGRES) && !defined(STATIC) && defined(__has_include)
#if __has_include(<libpq-fe.h>)
#define POSTGRES
#endif
#endif

#ifdef POSTGRES

#include <libpq-fe.h>

/* Every function that we call. */
#define POSTGRES_FUNCTIONS(FUNCTION)                                                               \
    FUNCTION(PQclear)                                                                              \
    FUNCTION(PQcmdTuples)                                                                          \
    FUNCTION(PQconninfoFree)                                                                       \
    FUNCTION(PQconninfoParse)                                                                      \
    FUNCTION(PQconnectPoll)                                                                        \
    FUNCTION(PQconnectStartParams)                                                                 \
    FUNCTION(PQconsumeInput)                                                                       \
    FUNCTION(PQdb)                                                                                 \
    FUNCTION(PQerrorMessage)                                                                       \
    FUNCTION(PQescapeIdentifier)                                                                   \
    FUNCTION(PQfinish)                                                                             \
    FUNCTION(PQflush)                                                                              \
    FUNCTION(PQfreemem)                                                                            \
    FUNCTION(PQgetisnull)                                                                          \
    FUNCTION(PQgetResult)                                                                          \
    FUNCTION(PQgetvalue)                                                                           \
    FUNCTION(PQhost)                                                                               \
    FUNCTION(PQisBusy)                                                                             \
    FUNCTION(PQnotifies)                                                                           \
    FUNCTION(PQntuples)                                                                            \
    FUNCTION(PQport)                                                                               \
    FUNCTION(PQresultErrorField)                                                                   \
    FUNCTION(PQresultStatus)                                                                       \
    FUNCTION(PQsendPrepare)                                                                        \
    FUNCTION(PQsendQueryParams)                                                                    \
    FUNCTION(PQsendQueryPrepared)                                                                  \
    FUNCTION(PQserverVersion)                                                                      \
    FUNCTION(PQsetErrorVerbosity)                                                                  \
    FUNCTION(PQsetnonblocking)                                                                     \
    FUNCTION(PQsetNoticeReceiver)                                                                  \
    FUNCTION(PQsocket)                                                                             \
    FUNCTION(PQstatus)                                                                             \
    FUNCTION(PQuser)

/* libpq's functions, by their names. */
#define POSTGRES_MEMBER(name) __typeof__(name) *name;
struct postgres_library {
    POSTGRES_FUNCTIONS(POSTGRES_MEMBER)
};
extern struct postgres_library libpq;

#endif

/* Loads it, once. False and an error with status 69 if it is not installed or not built in. Call it
 * before the process is confined, which may not load code. */
bool postgres_library_load(struct error *error);

#endif
