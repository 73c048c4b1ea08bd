/* mcp-server LOG [stubborn | deaf]: an MCP server over stdio that appends each line it gets to the
 * file LOG, as it came, and answers what has an id:
 *
 *   tools/list   with the result in the file `tools`, as it stands there, if there is one
 *   tools/call   with the text "did NAME", unless its arguments, or those of another method, say:
 *                  say: TEXT    this is written as it is, `times` times, in place of the answer
 *                  end: STATUS  it exits
 *                  leave: true  it exits, but for a child that has its streams open
 *   test/...     with {}, after what its params say in the same way
 *   all others   with {}
 *
 * It reads as leniently as libjq does: of two members with one name the last. A stubborn one
 * ignores SIGTERM and the end of its input; a deaf one never reads. It ends within two minutes. */
#include <jv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static jv get(jv object, const char *name) {
    if (jv_get_kind(object) != JV_KIND_OBJECT)
        return jv_invalid();
    return jv_object_get(jv_copy(object), jv_string(name));
}

static int is(jv value, const char *text) {
    return jv_get_kind(value) == JV_KIND_STRING && strcmp(jv_string_value(value), text) == 0;
}

static void put(const char *bytes, size_t size) {
    fwrite(bytes, 1, size, stdout);
}

static void put_file(const char *name) {
    char bytes[4096];
    size_t size;
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        printf("{\"tools\":[]}");
        return;
    }
    while ((size = fread(bytes, 1, sizeof bytes, file)) > 0)
        put(bytes, size);
    fclose(file);
}

/* Whether something was said in place of the answer. */
static int misbehave(jv how) {
    jv text = get(how, "say"), times = get(how, "times"), end = get(how, "end"),
       leave = get(how, "leave");
    int says = jv_get_kind(text) == JV_KIND_STRING;
    long count = jv_get_kind(times) == JV_KIND_NUMBER ? (long)jv_number_value(times) : 1;
    for (; says && count > 0; count--)
        put(jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
    fflush(stdout);
    if (jv_get_kind(leave) == JV_KIND_TRUE && fork() == 0) {
        alarm(120);
        for (;;)
            pause();
    }
    if (jv_get_kind(end) == JV_KIND_NUMBER || jv_get_kind(leave) == JV_KIND_TRUE)
        _exit(jv_get_kind(end) == JV_KIND_NUMBER ? (int)jv_number_value(end) : 0);
    jv_free(text);
    jv_free(times);
    jv_free(end);
    jv_free(leave);
    return says;
}

/* Takes the message. */
static void answer(jv message) {
    jv id = get(message, "id"), method = get(message, "method"), params = get(message, "params"),
       name = get(params, "name"), arguments = get(params, "arguments");
    int is_call = is(method, "tools/call"), said = misbehave(is_call ? arguments : params);
    if (jv_is_valid(id) && jv_is_valid(method) && !(is_call && said)) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":");
        jv_dump(jv_copy(id), 0);
        printf(",\"result\":");
        if (is(method, "tools/list"))
            put_file("tools");
        else if (is_call)
            printf("{\"content\":[{\"type\":\"text\",\"text\":\"did %s\"}]}",
                   jv_get_kind(name) == JV_KIND_STRING ? jv_string_value(name) : "?");
        else
            printf("{}");
        printf("}\n");
    }
    jv_free(id);
    jv_free(method);
    jv_free(params);
    jv_free(name);
    jv_free(arguments);
    jv_free(message);
    fflush(stdout);
}

int main(int argc, char **argv) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    FILE *log = argc > 1 ? fopen(argv[1], "ab") : NULL;
    int stubborn = argc > 2 && strcmp(argv[2], "stubborn") == 0;
    if (log == NULL)
        return 64;
    setvbuf(log, NULL, _IOFBF, 1 << 20);
    alarm(120);
    signal(SIGPIPE, SIG_IGN);
    if (stubborn)
        signal(SIGTERM, SIG_IGN);
    while (argc > 2 && strcmp(argv[2], "deaf") == 0)
        pause();
    while ((size = getline(&line, &room, stdin)) > 0) {
        fwrite(line, 1, (size_t)size, log);
        fflush(log);
        jv value = jv_parse_sized(line, (int)size);
        if (jv_get_kind(value) == JV_KIND_ARRAY) {
            jv_array_foreach(value, i, item) {
                answer(item);
            }
            jv_free(value);
        } else {
            answer(value);
        }
    }
    while (stubborn)
        pause();
    free(line);
    return 0;
}
