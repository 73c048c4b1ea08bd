/* The protocol between agent-spool's engine, which alone writes anything down, and the stages of
 * its documents, which are commands of ours. A stage has an effect (a question, an order) only
 * after the engine answered that its intent is durable. Frames (frames.h) over a stream socket.
 *
 * The engine starts a stage with a socket and CIBA_STAGE="FD:PID"; PID is the stage's own process
 * id. A stage with that id works for the engine until the end of the stream:
 *
 *   stage                               engine
 *   HELLO {"many": bool}           ->                 once, before it reads any document
 *                                  <-   DOCUMENT n    {"audit": bool, "name", "spool"}, the
 *                                                     document, its journal
 *   ENTRY n, SPEND n, SPENT n or
 *   AUDIT n                        ->                 as often as the work needs
 *                                  <-   WRITTEN n     it is durable, or, for an outcome, will
 *                                                     be before anything that follows; or
 *                                  <-   REFUSED n     it is not, and must not be done
 *   RESULT n                       ->                 the document is the engine's again
 *                                  <-   end of stream: there are no more documents; results of
 *                                                     those under way are still taken
 *
 * A command with another id is an inner command of a program that is not ours (sh -c 'a | b'). It
 * sends KNOCK on that socket, with one end of a new pair of sockets, and waits on the other end:
 *
 *                                  <-   JOURNAL n     the same object, the journal; in its turn,
 *                                                     when the commands before have closed theirs
 *   ENTRY n, SPEND n, … as above   <->
 *   end of stream                  ->                 the next command has its turn
 *
 * It reads the document from stdin and writes it on stdout. It sends no HELLO and no RESULT.
 *
 * With DOCUMENT and JOURNAL can come a descriptor: the document's lock, which is held as long as it
 * is open anywhere. The stage closes it with the RESULT, or when it ends, so that an engine that
 * follows a killed one does not begin with the document while the stage is still at work on it. No
 * program that the stage starts has it.
 *
 * A body is JSON lines, each a value as json_parse reads it:
 *
 *   DOCUMENT  an object (`audit`: whether audit records go to the engine, not to a file; for
 *             these records the document's `name` and its `spool`, which may be missing), then the
 *             document, then each journal entry (journal.h)
 *   JOURNAL   the object, then each entry
 *   WRITTEN   an object; for SPEND with `spent` (now, before or unknown) and `again`
 *   REFUSED   an object: `status` (64 to 78; 74 and 75 may pass) and `error`, words for a person
 *   HELLO     an object: `many` is whether the stage takes a document while it has others
 *   ENTRY     one journal entry: an object with strings `step` and `key`
 *   SPEND     an object: `name` (of the record of the approval: STAGE_NAME_LIMIT bytes of letters,
 *             digits, - and _), `key` (of the execution) and `claim` (of this try)
 *   SPENT     the same with `use`: used, not_used or unknown (spent.h)
 *   AUDIT     an object (`once`: leave out what the log has already), then each record
 *   RESULT    the document, or nothing if none is to be written; the flags are the exit status
 *             (0 to 255), plus STAGE_UNCHANGED, without a body, for the document as it was sent,
 *             plus STAGE_LAST if the stage ends after it, and takes no other document
 *
 * Rules. The number n names the document in one engine; it is never 0, which HELLO and KNOCK have.
 * Each ENTRY, SPEND, SPENT and AUDIT is answered by exactly one WRITTEN or REFUSED; the stage waits
 * for it before it sends another about the same document. After REFUSED the stage goes on as its
 * command does when a journal cannot be written. Flags that are not named here are 0. A frame is at
 * most STAGE_FRAME_LIMIT bytes, a line JSON_SIZE_LIMIT.
 *
 * A peer that breaks a rule (an unknown kind, one of the other direction, a wrong number, an answer
 * to nothing, bytes that are not what this page says) is cut off: to the engine it is a stage that
 * died, to a stage an engine that died. A stage whose engine has died does nothing more that has an
 * effect, and ends with status 74. */
#ifndef CIBA_DOCUMENT_STAGE_MESSAGES_H
#define CIBA_DOCUMENT_STAGE_MESSAGES_H

#include "base/error.h"
#include "system/frames.h"
#include "json/json.h"

#include <jv.h>
#include <stdbool.h>
#include <stdint.h>

#define STAGE_VARIABLE "CIBA_STAGE"

enum {
    STAGE_FRAME_LIMIT = 2 * JSON_SIZE_LIMIT,
    STAGE_UNCHANGED = 256,
    STAGE_LAST = 512,
    STAGE_NAME_LIMIT = 200
};

enum stage_kind {
    STAGE_HELLO = 1, /* from the stage */
    STAGE_KNOCK,
    STAGE_ENTRY,
    STAGE_SPEND,
    STAGE_SPENT,
    STAGE_AUDIT,
    STAGE_RESULT,
    STAGE_DOCUMENT = 33, /* from the engine */
    STAGE_JOURNAL,
    STAGE_WRITTEN,
    STAGE_REFUSED
};

/* As in the texts above, in their order; 0 is that there is none. */
enum stage_answer {
    STAGE_ANSWER_NONE,
    STAGE_ANSWER_NOW,
    STAGE_ANSWER_BEFORE,
    STAGE_ANSWER_UNKNOWN
};
enum stage_use { STAGE_USE_NONE, STAGE_USE_USED, STAGE_USE_NOT_USED, STAGE_USE_UNKNOWN };

/* Only the members that the kind has are looked at when it is made, and set when it is read; the
 * rest are zero, NULL, invalid or -1. */
struct stage_message {
    enum stage_kind kind;
    uint32_t number;
    bool many;          /* HELLO */
    bool audit;         /* DOCUMENT, JOURNAL */
    bool once;          /* AUDIT */
    bool unchanged;     /* RESULT */
    bool last;          /* RESULT */
    int status;         /* RESULT: the exit status; REFUSED */
    jv document;        /* DOCUMENT; RESULT, invalid for none */
    char *text;         /* of the document or entry, as it came with RESULT or ENTRY; may be set
                           for DOCUMENT,
                           instead of the document, without a line end. NULL for none */
    jv entries;         /* DOCUMENT, JOURNAL: an array; AUDIT: the records */
    const char *lines;  /* may be set for DOCUMENT, instead of the entries: each with a line
                           end. Stays its owner's */
    jv entry;           /* ENTRY */
    char *name;         /* SPEND, SPENT; of the DOCUMENT, also with JOURNAL: NULL if unknown */
    char *spool;        /* DOCUMENT, JOURNAL: where it is, NULL if unknown */
    char *key, *claim;  /* SPEND, SPENT */
    enum stage_use use; /* SPENT */
    enum stage_answer answer; /* WRITTEN */
    bool again;               /* WRITTEN */
    char *error;              /* REFUSED */
    int descriptor; /* KNOCK: the end of the pair; DOCUMENT, JOURNAL: the document's lock, -1 for
                       none. Its owner sets it to -1 */
};

/* A message of that kind without anything else. */
struct stage_message stage_message_new(enum stage_kind kind, uint32_t number);

/* Frees what the message has. */
void stage_message_free(struct stage_message *message);

/* The message as a frame, which the caller frees (frame_free). The message stays the caller's, with
 * its descriptor (for KNOCK: frame_send_descriptor), which is not in the frame. False and an error
 * with status 65 if it is larger than a frame can be. */
bool stage_message_frame(const struct stage_message *message, struct frame *frame,
                         struct error *error);

/* A RESULT or a DOCUMENT whose document is there as text: no line ends in it but at the end.
 * `entries` and `audit` are for a DOCUMENT. */
bool stage_text_frame(const struct stage_message *message, const char *text, size_t size,
                      struct frame *frame, struct error *error);

/* Who sent a frame. */
enum stage_side { STAGE_SIDE_STAGE, STAGE_SIDE_ENGINE };

/* Reads a frame from that side, and takes its descriptor if it is a KNOCK. Whether the number is of
 * a document that the peer has is for the caller to check. False and an error with status 76 for
 * whatever is not said above. */
bool stage_message_read(struct frame *frame, enum stage_side from, struct stage_message *message,
                        struct error *error);

#endif
