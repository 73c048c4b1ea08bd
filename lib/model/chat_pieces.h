/* Lists that arrive in pieces in a stream: the parts of a content, and what providers tell of the
 * reasoning (OpenRouter's reasoning_details, Mistral's thinking parts). */
#ifndef CIBA_MODEL_CHAT_PIECES_H
#define CIBA_MODEL_CHAT_PIECES_H

#include "model/chat_api.h"

#include <jv.h>

enum { CHAT_PIECES_LIMIT = 512 }; /* entries of one list, members of one object */

/* The list with what arrived, an array: a piece goes on with the entry of its index and type, if
 * that is one of the last 32, or, without an index, with the last one if both are of the same type
 * and have text. Text grows, other members are set. More than CHAT_PIECES_LIMIT entries are refused
 * (stream->refused). Takes the list; `more` stays the caller's. */
jv chat_pieces_add(struct chat_stream *stream, jv list, jv more);

/* Refuses (stream->refused) an object that has grown to more members than CHAT_PIECES_LIMIT: names
 * can be made to collide (json.h). */
void chat_pieces_check(struct chat_stream *stream, jv object);

/* A content with what arrived: both may be text or a list of parts. Takes the content. */
jv chat_pieces_content(struct chat_stream *stream, jv content, jv more);

#endif
