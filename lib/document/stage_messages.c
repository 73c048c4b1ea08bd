#include "document/stage_messages.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_STATUS_LIMIT = 255 };

static const char *const answers[] = {NULL, "now", "before", "unknown"};
static const char *const uses[] = {NULL, "used", "not_used", "unknown"};
enum { WORDS = 4 };

struct stage_message stage_message_new(enum stage_kind kind, uint32_t number) {
    return (struct stage_message){.kind = kind,
                                  .number = number,
                                  .document = jv_invalid(),
                                  .entries = jv_invalid(),
                                  .entry = jv_invalid(),
                                  .descriptor = -1};
}

void stage_message_free(struct stage_message *message) {
    jv_free(message->document);
    jv_free(message->entries);
    jv_free(message->entry);
    free(message->text);
    free(message->name);
    free(message->spool);
    free(message->key);
    free(message->claim);
    free(message->error);
    if (message->descriptor >= 0)
        close(message->descriptor);
    *message = stage_message_new(message->kind, 0);
}

/* Adds the value as a line. Takes it. */
static void add_line(struct text *body, jv value) {
    char *text = json_text(value);
    text_add_string(body, text);
    text_add_string(body, "\n");
    free(text);
    jv_free(value);
}

static void add_lines(struct text *body, jv values) {
    if (jv_get_kind(values) != JV_KIND_ARRAY)
        return;
    for (int i = 0, count = jv_array_length(jv_copy(values)); i < count; i++)
        add_line(body, jv_array_get(jv_copy(values), i));
}

static jv flag(jv object, const char *name, bool value) {
    return json_set(object, name, jv_bool(value));
}

/* The first line of the kinds that begin with an object of our own. */
static jv head_of(const struct stage_message *message) {
    jv head = jv_object();
    switch (message->kind) {
    case STAGE_HELLO:
        return flag(head, "many", message->many);
    case STAGE_AUDIT:
        return flag(head, "once", message->once);
    case STAGE_DOCUMENT:
    case STAGE_JOURNAL:
        head = json_set_string(head, "name", message->name);
        head = json_set_string(head, "spool", message->spool);
        return flag(head, "audit", message->audit);
    case STAGE_SPEND:
    case STAGE_SPENT:
        head = json_set_string(json_set_string(head, "name", message->name), "key", message->key);
        head = json_set_string(head, "claim", message->claim);
        return json_set_string(head, "use", uses[message->use]);
    case STAGE_WRITTEN:
        head = json_set_string(head, "spent", answers[message->answer]);
        return message->answer == STAGE_ANSWER_NONE ? head : flag(head, "again", message->again);
    case STAGE_REFUSED:
        head = json_set(head, "status", jv_number(message->status));
        return json_set_string(head, "error", message->error);
    default:
        jv_free(head);
        return jv_invalid();
    }
}

/* The body's size is checked; the frame gets it. */
static bool wrap(const struct stage_message *message, struct text *body, struct frame *frame,
                 struct error *error) {
    uint16_t flags = 0;
    if (message->kind == STAGE_RESULT)
        flags = (uint16_t)((message->status & EXIT_STATUS_LIMIT) |
                           (message->unchanged ? STAGE_UNCHANGED : 0) |
                           (message->last ? STAGE_LAST : 0));
    *frame = (struct frame){.kind = (uint16_t)message->kind,
                            .flags = flags,
                            .number = message->number,
                            .descriptor = -1};
    if (body->size > STAGE_FRAME_LIMIT) {
        free(body->text);
        return fail(
            error, STATUS_INPUT,
            "a message between agent-spool and its stage would have %zu bytes; %d is the most",
            body->size, STAGE_FRAME_LIMIT);
    }
    frame->size = (uint32_t)body->size;
    frame->bytes = body->text;
    return true;
}

bool stage_message_frame(const struct stage_message *message, struct frame *frame,
                         struct error *error) {
    struct text body = {0};
    jv head = head_of(message);
    if (jv_is_valid(head))
        add_line(&body, jv_copy(head));
    jv_free(head);
    if (message->kind == STAGE_DOCUMENT && message->text != NULL) {
        text_add_string(&body, message->text);
        text_add_string(&body, "\n");
    } else if (jv_is_valid(message->document) && !message->unchanged)
        add_line(&body, jv_copy(message->document));
    if (jv_is_valid(message->entry))
        add_line(&body, jv_copy(message->entry));
    if (message->kind == STAGE_DOCUMENT && message->lines != NULL)
        text_add_string(&body, message->lines);
    else
        add_lines(&body, message->entries);
    return wrap(message, &body, frame, error);
}

bool stage_text_frame(const struct stage_message *message, const char *text, size_t size,
                      struct frame *frame, struct error *error) {
    struct text body = {0};
    jv head = head_of(message);
    if (jv_is_valid(head))
        add_line(&body, jv_copy(head));
    jv_free(head);
    text_add(&body, text, size);
    if (size > 0 && text[size - 1] != '\n')
        text_add_string(&body, "\n");
    add_lines(&body, message->entries);
    return wrap(message, &body, frame, error);
}

/* --- Reading --- */

static bool breaks(struct error *error, const char *what) {
    return fail(error, STATUS_PROTOCOL,
                "the messages between agent-spool and its stage are broken: "
                "%s",
                what);
}

struct lines {
    const char *at, *end;
};

/* Reads the next line; false and an error if there is none, or it is not JSON. */
static bool next_line(struct lines *lines, jv *value, struct error *error) {
    struct error why;
    const char *line = lines->at;
    size_t left = (size_t)(lines->end - line);
    const char *end = left > 0 ? memchr(line, '\n', left) : NULL;
    *value = jv_invalid();
    if (end == NULL)
        return breaks(error, "a line is missing");
    lines->at = end + 1;
    if (end - line > JSON_SIZE_LIMIT)
        return breaks(error, "a line is too long");
    return json_parse(line, (size_t)(end - line), value, &why) || breaks(error, why.text);
}

static bool next_object(struct lines *lines, jv *value, struct error *error) {
    if (!next_line(lines, value, error))
        return false;
    return jv_get_kind(*value) == JV_KIND_OBJECT || breaks(error, "a line is not an object");
}

static bool read_flag(jv head, const char *name, bool *value, struct error *error) {
    jv member = json_get(head, name);
    jv_kind kind = jv_get_kind(member);
    jv_free(member);
    *value = kind == JV_KIND_TRUE;
    return kind == JV_KIND_TRUE || kind == JV_KIND_FALSE || breaks(error, "a flag is missing");
}

static bool is_entry(jv entry) {
    return json_string(entry, "step") != NULL && json_string(entry, "key") != NULL;
}

/* The rest of the lines: objects, and journal entries unless they are `records`. */
static bool read_rest(struct lines *lines, bool records, jv *all, struct error *error) {
    bool good = true;
    *all = jv_array();
    while (good && lines->at < lines->end) {
        jv one;
        good = next_object(lines, &one, error) &&
               (records || is_entry(one) || breaks(error, "a journal entry has no step or key"));
        *all = jv_array_append(*all, one);
    }
    return good;
}

static bool is_name(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t size = name != NULL ? strlen(name) : 0;
    return size > 0 && size <= STAGE_NAME_LIMIT && strspn(name, letters) == size;
}

/* The word's place, 0 if it is none of them. */
static int read_word(jv head, const char *name, const char *const *words) {
    const char *word = json_string(head, name);
    for (int i = 1; word != NULL && i < WORDS; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return 0;
}

static bool read_spending(jv head, struct stage_message *message, struct error *error) {
    const char *name = json_string(head, "name"), *key = json_string(head, "key"),
               *claim = json_string(head, "claim");
    if (!is_name(name) || key == NULL || claim == NULL)
        return breaks(error, "the use of an approval has no name, key or claim");
    message->name = must_copy(name);
    message->key = must_copy(key);
    message->claim = must_copy(claim);
    message->use = (enum stage_use)read_word(head, "use", uses);
    bool has_use = json_names(head, "use");
    bool right = message->kind == STAGE_SPENT ? message->use != STAGE_USE_NONE : !has_use;
    return right || breaks(error, "the use of an approval has no outcome, or an unknown one");
}

static bool read_written(jv head, struct stage_message *message, struct error *error) {
    message->answer = (enum stage_answer)read_word(head, "spent", answers);
    if (message->answer != STAGE_ANSWER_NONE)
        return read_flag(head, "again", &message->again, error);
    return !json_names(head, "spent") || breaks(error, "an unknown answer about an approval");
}

static bool read_refused(jv head, struct stage_message *message, struct error *error) {
    double status = 0;
    const char *text = json_string(head, "error");
    if (!json_number(head, "status", &status) || status != floor(status) ||
        !(status >= STATUS_USAGE && status <= STATUS_CONFIG) || text == NULL)
        return breaks(error, "a refusal has no status or no words");
    message->status = (int)status;
    message->error = must_copy(text);
    return true;
}

/* The same, and keeps its text, which has no 0 byte. */
static bool next_kept(struct lines *lines, jv *value, char **text, struct error *error) {
    const char *line = lines->at;
    if (!next_object(lines, value, error))
        return false;
    size_t size = (size_t)(lines->at - line - 1);
    *text = memcpy(must_alloc(size + 1), line, size);
    (*text)[size] = '\0';
    return true;
}

static bool read_result(struct lines *lines, unsigned flags, struct stage_message *message,
                        struct error *error) {
    message->status = (int)(flags & EXIT_STATUS_LIMIT);
    message->unchanged = (flags & STAGE_UNCHANGED) != 0;
    message->last = (flags & STAGE_LAST) != 0;
    if (lines->at == lines->end)
        return true;
    if (message->unchanged)
        return breaks(error, "an unchanged document has a body");
    return next_kept(lines, &message->document, &message->text, error);
}

/* What audit records need. */
static bool read_place(jv head, struct stage_message *message, struct error *error) {
    const char *name = json_string(head, "name"), *spool = json_string(head, "spool");
    message->name = name != NULL ? must_copy(name) : NULL;
    message->spool = spool != NULL ? must_copy(spool) : NULL;
    return read_flag(head, "audit", &message->audit, error);
}

/* Reads the body but for what may follow its known lines. */
static bool read_body(struct lines *lines, unsigned flags, struct stage_message *message, jv *head,
                      struct error *error) {
    switch (message->kind) {
    case STAGE_KNOCK:
        return true;
    case STAGE_HELLO:
        return next_object(lines, head, error) && read_flag(*head, "many", &message->many, error);
    case STAGE_ENTRY:
        return next_kept(lines, &message->entry, &message->text, error) &&
               (is_entry(message->entry) || breaks(error, "a journal entry has no step or key"));
    case STAGE_SPEND:
    case STAGE_SPENT:
        return next_object(lines, head, error) && read_spending(*head, message, error);
    case STAGE_AUDIT:
        return next_object(lines, head, error) && read_flag(*head, "once", &message->once, error) &&
               read_rest(lines, true, &message->entries, error);
    case STAGE_RESULT:
        return read_result(lines, flags, message, error);
    case STAGE_DOCUMENT:
        return next_object(lines, head, error) && read_place(*head, message, error) &&
               next_object(lines, &message->document, error) &&
               read_rest(lines, false, &message->entries, error);
    case STAGE_JOURNAL:
        return next_object(lines, head, error) && read_place(*head, message, error) &&
               read_rest(lines, false, &message->entries, error);
    case STAGE_WRITTEN:
        return next_object(lines, head, error) && read_written(*head, message, error);
    case STAGE_REFUSED:
        return next_object(lines, head, error) && read_refused(*head, message, error);
    }
    return breaks(error, "a message of an unknown kind");
}

/* Checks all that is not in the body. */
static bool head_is_good(const struct frame *frame, enum stage_side from, struct error *error) {
    bool of_stage = frame->kind >= STAGE_HELLO && frame->kind <= STAGE_RESULT;
    bool of_engine = frame->kind >= STAGE_DOCUMENT && frame->kind <= STAGE_REFUSED;
    bool numbered = frame->kind != STAGE_HELLO && frame->kind != STAGE_KNOCK;
    unsigned most =
        frame->kind == STAGE_RESULT ? EXIT_STATUS_LIMIT | STAGE_UNCHANGED | STAGE_LAST : 0;
    if (!(from == STAGE_SIDE_STAGE ? of_stage : of_engine))
        return breaks(error, "a message of an unknown kind, or of the other side's");
    if ((frame->number != 0) != numbered)
        return breaks(error, "a message has a number that it cannot have");
    if ((frame->flags & ~most) != 0)
        return breaks(error, "a message has unknown flags");
    bool may = frame->kind == STAGE_DOCUMENT || frame->kind == STAGE_JOURNAL;
    return may || (frame->descriptor >= 0) == (frame->kind == STAGE_KNOCK) ||
           breaks(error, "a descriptor is missing, or came with a message that has none");
}

bool stage_message_read(struct frame *frame, enum stage_side from, struct stage_message *message,
                        struct error *error) {
    struct lines lines = {frame->bytes, frame->bytes};
    jv head = jv_invalid();
    *message = stage_message_new((enum stage_kind)frame->kind, frame->number);
    if (frame->size > 0)
        lines.end += frame->size;
    bool good = head_is_good(frame, from, error) &&
                read_body(&lines, frame->flags, message, &head, error) &&
                (lines.at == lines.end || breaks(error, "a message has more than it can have"));
    jv_free(head);
    if (!good) {
        stage_message_free(message);
        return false;
    }
    message->descriptor = frame->descriptor;
    frame->descriptor = -1;
    return true;
}
