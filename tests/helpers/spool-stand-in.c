/* spool-stand-in [OPTION...] COMMAND [ARGUMENT...]: plays the engine of agent-spool for one stage,
 * which gets the documents of stdin, a line each. Prints what comes back, and says on descriptor 3,
 * if that is open, what was said, in the order in which it was:
 *
 *   HELLO, KNOCK, ENTRY N STEP, SPEND N, SPENT N USE, AUDIT N EVENT..., RESULT N STATUS
 * [unchanged], DOCUMENT N, JOURNAL N, WRITTEN N, REFUSED N, BROKEN, SILENT, DIED, END
 *
 *   -j FILE    the journal of each document begins with FILE's lines; new ones are appended to it
 *   -r STEP    refuses entries of that step; or SPEND, SPENT, AUDIT
 *   -p ANSWER  to SPEND: now, before, unknown or again
 *   -d K       dies instead of answering the K-th request, from 1
 *   -s K       is silent instead, until stdin ends, and dies then
 *   -b K:WHAT  sends something broken instead: see break_with
 *   -e         ends its side of the stream when it has given all, and takes what comes back
 *   -1         gives one document at a time, also to a stage that takes many
 *   -a         takes audit records
 *   -o         the command is a program that is not ours: has its document on stdin, and knocks
 *
 * It ends with the status of the command. */
#include "document/stage_messages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOCUMENTS = 1000, KNOCKS = 16, LOG = 3 };

static struct {
    const char *journal, *refused, *spent, *broken;
    long dies, silent, breaks;
    bool audit, one_shot, one, ends;
} options;

static jv documents[DOCUMENTS], journals[DOCUMENTS];
static size_t count, next, back;
static struct frames peers[1 + KNOCKS]; /* the stage, then those who knocked, in their order */
static size_t peer_count = 1;
static bool many, begun, dead;
static long requests;
static pid_t stage;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vdprintf(LOG, format, arguments);
    va_end(arguments);
}

static void send_message(struct frames *to, struct stage_message *message) {
    struct frame frame;
    struct error error;
    if (stage_message_frame(message, &frame, &error))
        frames_send(to, &frame);
    frame_free(&frame);
    stage_message_free(message);
}

static void send_bytes(struct frames *to, int kind, int flags, size_t number, const char *bytes) {
    char *copy = must_copy(bytes);
    struct frame frame = {.kind = (uint16_t)kind,
                          .flags = (uint16_t)flags,
                          .number = (uint32_t)number,
                          .size = (uint32_t)strlen(copy),
                          .bytes = copy,
                          .descriptor = -1};
    frames_send(to, &frame);
    frame_free(&frame);
}

static void read_documents(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    struct error error;
    jv entries = jv_array(), entry;
    FILE *journal = options.journal != NULL ? fopen(options.journal, "re") : NULL;
    while (journal != NULL && (size = getline(&line, &room, journal)) > 0)
        if (json_parse(line, (size_t)size, &entry, &error))
            entries = jv_array_append(entries, entry);
    if (journal != NULL)
        fclose(journal);
    /* -s needs the end of stdin for itself: a single document. */
    while (count + 1 < DOCUMENTS && !(options.silent > 0 && count == 1) &&
           (size = getline(&line, &room, stdin)) > 0)
        if (json_parse(line, (size_t)size, &documents[count + 1], &error))
            journals[++count] = jv_copy(entries);
    jv_free(entries);
    free(line);
}

static void give(size_t number) {
    struct stage_message message = stage_message_new(STAGE_DOCUMENT, (uint32_t)number);
    message.audit = options.audit;
    message.document = jv_copy(documents[number]);
    message.entries = jv_copy(journals[number]);
    say("DOCUMENT %zu\n", number);
    send_message(&peers[0], &message);
}

static void give_next(void) {
    while (begun && next < count && (many || next == back))
        give(++next);
    if (begun && count > 0 && (back == count || (options.ends && next == count))) {
        say("END\n");
        shutdown(peers[0].socket, SHUT_WR);
        begun = false;
    }
}

/* Those who knocked have their turn when the one before has gone. */
static void give_journal(void) {
    struct stage_message message = stage_message_new(STAGE_JOURNAL, 1);
    message.audit = options.audit;
    message.entries = jv_copy(journals[1]);
    say("JOURNAL 1\n");
    send_message(&peers[1], &message);
}

static void die(const char *how) {
    dead = true;
    say("%s\n", how);
    for (size_t i = 0; i < peer_count; i++)
        frames_close(&peers[i]);
}

static void break_with(struct frames *peer, size_t number) {
    const char *what = options.broken;
    say("BROKEN\n");
    if (strcmp(what, "kind") == 0)
        send_bytes(peer, 77, 0, number, "{}\n");
    else if (strcmp(what, "side") == 0)
        send_bytes(peer, STAGE_ENTRY, 0, number, "{\"step\":\"ask\",\"key\":\"k\"}\n");
    else if (strcmp(what, "number") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number + 1, "{}\n");
    else if (strcmp(what, "none") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, 0, "{}\n");
    else if (strcmp(what, "flags") == 0)
        send_bytes(peer, STAGE_WRITTEN, 1, number, "{}\n");
    else if (strcmp(what, "empty") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "");
    else if (strcmp(what, "json") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "{\"a\":1,\"a\":2}\n");
    else if (strcmp(what, "array") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "[]\n");
    else if (strcmp(what, "line") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "{}");
    else if (strcmp(what, "more") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "{}\n{}\n");
    else if (strcmp(what, "spent") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "{\"spent\":\"perhaps\",\"again\":false}\n");
    else if (strcmp(what, "again") == 0)
        send_bytes(peer, STAGE_WRITTEN, 0, number, "{\"spent\":\"now\",\"again\":1}\n");
    else if (strcmp(what, "status") == 0)
        send_bytes(peer, STAGE_REFUSED, 0, number, "{\"status\":0,\"error\":\"done\"}\n");
    else if (strcmp(what, "words") == 0)
        send_bytes(peer, STAGE_REFUSED, 0, number, "{\"status\":74}\n");
    else if (strcmp(what, "document") == 0)
        send_bytes(peer, STAGE_DOCUMENT, 0, number + 1, "{\"audit\":false}\n{\"calls\":[]}\n");
    else if (strcmp(what, "same") == 0)
        send_bytes(peer, STAGE_DOCUMENT, 0, number, "{\"audit\":false}\n{\"calls\":[]}\n");
    else if (strcmp(what, "journal") == 0)
        send_bytes(peer, STAGE_JOURNAL, 0, number, "{\"audit\":false}\n");
    else if (strcmp(what, "descriptor") == 0)
        frame_send_descriptor(peer->socket, STAGE_WRITTEN, (uint32_t)number, STDIN_FILENO);
    else if (strcmp(what, "size") == 0)
        (void)!write(peer->socket, "\377\377\377\377\43\0\0\0\1\0\0\0", FRAME_HEAD_SIZE);
    else if (strcmp(what, "torn") == 0) {
        (void)!write(peer->socket, "\3\0\0\0\43\0\0\0\1\0\0\0{", FRAME_HEAD_SIZE + 1);
        die("DIED");
    } else {
        say("NOTHING IS CALLED %s\n", what);
    }
}

static void wait_for_end_of_stdin(void) {
    char ignored[100];
    say("SILENT\n");
    while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        continue;
    die("DIED");
}

static void append_to_journal(jv entry) {
    char *text = json_text(entry);
    int fd = options.journal != NULL
                 ? open(options.journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                 : -1;
    if (fd >= 0) {
        dprintf(fd, "%s\n", text);
        close(fd);
    }
    free(text);
}

/* What is refused is named by its step, or else by its kind. */
static void answer(struct frames *peer, const struct stage_message *message, const char *name) {
    bool refuses = options.refused != NULL && strcmp(options.refused, name) == 0;
    size_t number = message->number;
    struct stage_message reply =
        stage_message_new(refuses ? STAGE_REFUSED : STAGE_WRITTEN, message->number);
    if (refuses) {
        reply.status = STATUS_IO;
        reply.error = must_copy("the disk is full");
    } else if (message->kind == STAGE_ENTRY && number < DOCUMENTS) {
        journals[number] = jv_array_append(journals[number], jv_copy(message->entry));
        append_to_journal(message->entry);
    } else if (message->kind == STAGE_SPEND) {
        const char *spent = options.spent != NULL ? options.spent : "now";
        reply.again = strcmp(spent, "again") == 0;
        reply.answer = strcmp(spent, "before") == 0    ? STAGE_ANSWER_BEFORE
                       : strcmp(spent, "unknown") == 0 ? STAGE_ANSWER_UNKNOWN
                                                       : STAGE_ANSWER_NOW;
    }
    say("%s %zu\n", refuses ? "REFUSED" : "WRITTEN", number);
    send_message(peer, &reply);
}

static void take_request(struct frames *peer, const struct stage_message *message,
                         const char *name) {
    requests++;
    if (requests == options.dies)
        die("DIED");
    else if (requests == options.silent)
        wait_for_end_of_stdin();
    else if (requests == options.breaks)
        break_with(peer, message->number);
    else
        answer(peer, message, name);
}

static void take_result(struct stage_message *message) {
    say("RESULT %u %d%s%s\n", message->number, message->status,
        message->unchanged ? " unchanged" : "", message->last ? " last" : "");
    jv document = message->unchanged ? documents[message->number] : message->document;
    if (jv_is_valid(document)) {
        char *text = json_text(document);
        printf("%s\n", text);
        fflush(stdout);
        free(text);
    }
    back++;
    give_next();
}

static void take_knock(struct stage_message *message) {
    say("KNOCK\n");
    frames_open(&peers[peer_count++], message->descriptor, STAGE_FRAME_LIMIT);
    message->descriptor = -1;
    if (peer_count == 2)
        give_journal();
}

static void take(struct frames *peer, struct stage_message *message) {
    static const char *const uses[] = {"", "used", "not_used", "unknown"};
    const char *name = "";
    switch (message->kind) {
    case STAGE_HELLO:
        say("HELLO\n");
        many = message->many && !options.one;
        begun = true;
        give_next();
        return;
    case STAGE_KNOCK:
        take_knock(message);
        return;
    case STAGE_RESULT:
        take_result(message);
        return;
    case STAGE_ENTRY:
        name = json_string(message->entry, "step");
        say("ENTRY %u %s\n", message->number, name);
        break;
    case STAGE_SPEND:
        name = "SPEND";
        say("SPEND %u\n", message->number);
        break;
    case STAGE_SPENT:
        name = "SPENT";
        say("SPENT %u %s\n", message->number, uses[message->use]);
        break;
    case STAGE_AUDIT:
        name = "AUDIT";
        say("AUDIT %u", message->number);
        jv_array_foreach(message->entries, i, record) {
            say(" %s", json_string(record, "event"));
            jv_free(record);
        }
        say("\n");
        break;
    default:
        break;
    }
    take_request(peer, message, name);
}

/* False if the peer has gone. */
static bool serve(struct frames *peer) {
    struct frame frame;
    struct stage_message message;
    struct error error;
    enum frames_state state = frames_fill(peer);
    while (!dead && frames_next(peer, &frame)) {
        bool good = stage_message_read(&frame, STAGE_SIDE_STAGE, &message, &error);
        frame_free(&frame);
        if (!good) {
            say("WRONG %s\n", error.text);
            return false;
        }
        take(peer, &message);
        stage_message_free(&message);
    }
    return dead || state == FRAMES_GOOD;
}

static void leave(size_t place) {
    frames_close(&peers[place]);
    memmove(&peers[place], &peers[place + 1], (--peer_count - place) * sizeof *peers);
    if (place == 1 && peer_count > 1)
        give_journal();
}

/* Only the first of those who knocked is listened to. */
static void run(void) {
    while (!dead && peers[0].socket >= 0) {
        struct pollfd watched[2] = {{peers[0].socket, POLLIN, 0},
                                    {peer_count > 1 ? peers[1].socket : -1, POLLIN, 0}};
        if (poll(watched, 2, -1) < 0)
            continue;
        if (watched[1].revents != 0 && !serve(&peers[1]) && !dead)
            leave(1);
        if (!dead && watched[0].revents != 0 && !serve(&peers[0]) && !dead)
            return;
    }
}

static void start(char **argv) {
    int ends[2];
    FILE *input = options.one_shot ? tmpfile() : NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || (options.one_shot && input == NULL))
        exit(70);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    if (input != NULL) {
        char *text = json_text(documents[1]);
        fprintf(input, "%s\n", text);
        rewind(input);
        free(text);
    }
    fflush(stdout);
    stage = fork();
    if (stage == 0) {
        char *setting = must_format("%d:%ld", ends[1], (long)getpid());
        setenv("CIBA_STAGE", setting, 1);
        fcntl(LOG, F_SETFD, FD_CLOEXEC);
        if (input != NULL)
            dup2(fileno(input), STDIN_FILENO);
        else
            close(STDIN_FILENO);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    if (input != NULL)
        fclose(input);
    frames_open(&peers[0], ends[0], STAGE_FRAME_LIMIT);
}

static void parse(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "+j:r:p:d:s:b:1aeo")) != -1) {
        switch (option) {
        case 'j':
            options.journal = optarg;
            break;
        case 'r':
            options.refused = optarg;
            break;
        case 'p':
            options.spent = optarg;
            break;
        case 'd':
            options.dies = atol(optarg);
            break;
        case 's':
            options.silent = atol(optarg);
            break;
        case 'b':
            options.breaks = atol(optarg);
            options.broken = strchr(optarg, ':') != NULL ? strchr(optarg, ':') + 1 : "";
            break;
        case 'e':
            options.ends = true;
            break;
        case '1':
            options.one = true;
            break;
        case 'a':
            options.audit = true;
            break;
        case 'o':
            options.one_shot = true;
            break;
        default:
            exit(64);
        }
    }
}

int main(int argc, char **argv) {
    int status = 0;
    signal(SIGPIPE, SIG_IGN);
    while (fcntl(LOG, F_GETFD) < 0)
        if (open("/dev/null", O_WRONLY) < 0)
            return 70;
    parse(argc, argv);
    if (options.silent > 0)
        setvbuf(stdin, NULL, _IONBF, 0);
    read_documents();
    start(argv + optind);
    run();
    while (waitpid(stage, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
