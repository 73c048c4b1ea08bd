/* The process that asks the user for the gate, and waits for the answers: the gate itself has no
 * secrets, and nothing that it passes waits for a provider.
 *
 * They speak JSON lines over a pair of sockets. N is the number of a call.
 *
 * To the asker:
 *     {"ask":N,"name":TEXT,"arguments":{...},"inputResponses":{...}}
 *         with "more":true if the call has what the user is not shown
 *     {"forget":N}    nobody waits for its answer any more
 *     {"end":true}    the client is gone: nobody is asked any more
 * From the asker:
 *     {"ready":true} or {"failed":STATUS}    first, and once
 *     {"asked":N,"user":TEXT,"seconds":S}    the question expires in S seconds
 *     {"yes":N}    proven, and in the audit log
 *     {"no":N,"reason":TEXT}
 *
 * With --spool, where NAME is a task's (tasks.h), and PARAMS the text of the params of tools/call,
 * to the asker:
 *     {"ask":N,...,"params":PARAMS}    as a task
 *     {"get":N,"task":NAME}, {"cancel":N,...}, {"update":N,...}
 *     {"ran":NAME,"result":{...}}      or "error", or neither: not known
 * From the asker:
 *     {"told":N,"result":{...}}        the answer to ask, get, cancel, update
 *     {"told":N}    there is no such task; with "elsewhere":true it cannot be cancelled here
 *     {"run":NAME,"params":PARAMS}     a yes; written down as begun
 *
 * Either side may end at any time. A call without a yes is never passed on; an asker whose gate has
 * ended ends too. A line has at most ASKER_LINE_LIMIT bytes. */
#ifndef CIBA_GATE_ASKER_H
#define CIBA_GATE_ASKER_H

#include "base/error.h"
#include "gate/gate_settings.h"

enum { ASKER_LINE_LIMIT = 65 << 20 };

/* Starts it, and waits until it is configured. `words` is the server's command line up to a NULL:
 * approvals that may be used again, and leases, are for this server. Sets *connection, which is
 * non-blocking. Call it before anything else: the new process has what is open then. False and an
 * error, whose status is the asker's; it has reported why. */
bool asker_start(const struct gate_settings *settings, char *const *words, int *connection,
                 struct error *error);

#endif
