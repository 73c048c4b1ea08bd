/* Scripted faults, from the JSON array of --faults-file or POST /faults. Each is an object:
 *
 *   path     which requests, "/oauth/token"
 *   skip     leave this many of them alone first (0)
 *   times    then apply to this many (1)
 *   status   the status to answer with (200)
 *   headers  an object of header lines
 *   body     what to answer: a string goes out as it is, anything else as JSON
 *   type     the Content-Type of a body that is a string (text/html)
 *   drop     true: close the connection without an answer
 *   after    true: handle the request first, and replace its answer only */
#ifndef CIBA_SANDBOX_FAULTS_H
#define CIBA_SANDBOX_FAULTS_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>
#include <stddef.h>

/* Replaces the faults by these, the text of a JSON array. False if it is not one; then nothing has
 * changed. */
bool faults_set(struct sandbox *sandbox, const char *text, size_t size);
void faults_post(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply);

/* Whether a fault is due for this path; if so it sets the reply. With `after`, considers only
 * faults that apply after the request was handled. */
bool fault_due(struct sandbox *sandbox, const char *path, bool after, struct sandbox_reply *reply);

#endif
