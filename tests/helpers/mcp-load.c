/* mcp-load stream|turns METHOD COUNT COMMAND [ARGUMENT...]: starts the command, and sends it that
 * many requests of MCP with this method, a line each, as fast as it reads them (stream) or each
 * after the answer to the one before (turns); each line that it writes is an answer. Prints the
 * wall seconds from the first request on, and the CPU seconds of the command's own process, without
 * what its start took. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_LIMIT = 512 };

struct load {
    int to, from; /* the command's standard input and output */
    pid_t child;
    char *text; /* all requests, one after the other */
    size_t size, sent;
    long answers;
};

static void must(bool good, const char *what) {
    if (good)
        return;
    perror(what);
    exit(1);
}

static void start(struct load *load, char **argv) {
    int up[2], down[2];
    must(pipe(up) == 0 && pipe(down) == 0, "pipe");
    load->child = fork();
    must(load->child >= 0, "fork");
    if (load->child == 0) {
        dup2(up[0], STDIN_FILENO);
        dup2(down[1], STDOUT_FILENO);
        close(up[0]), close(up[1]), close(down[0]), close(down[1]);
        execvp(*argv, argv);
        perror(*argv);
        _exit(127);
    }
    close(up[0]), close(down[1]);
    load->to = up[1];
    load->from = down[0];
}

static void add_request(struct load *load, const char *method, long id) {
    const char *params = strcmp(method, "tools/call") == 0
                             ? ",\"params\":{\"name\":\"list_allowed_directories\",\"arguments\":{"
                               "\"unused\":\"/home/ann\"}}"
                             : "";
    int size =
        snprintf(load->text + load->size, LINE_LIMIT,
                 "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"method\":\"%s\"%s}\n", id, method, params);
    load->size += (size_t)size;
}

static void take_answers(struct load *load) {
    char buffer[65536];
    ssize_t got = read(load->from, buffer, sizeof buffer);
    must(got > 0, "an answer");
    for (const char *at = buffer, *end = buffer + got;
         (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        load->answers++;
}

/* Sends until `size` bytes are sent, and reads until there are that many answers. */
static void exchange(struct load *load, size_t size, long answers) {
    while (load->answers < answers) {
        struct pollfd both[] = {{load->from, POLLIN, 0},
                                {load->sent < size ? load->to : -1, POLLOUT, 0}};
        must(poll(both, 2, -1) > 0, "poll");
        if (both[1].revents != 0) {
            ssize_t put = write(load->to, load->text + load->sent, size - load->sent);
            must(put > 0 || errno == EAGAIN, "a request");
            load->sent += put > 0 ? (size_t)put : 0;
        }
        if (both[0].revents != 0)
            take_answers(load);
    }
}

static void take_turns(struct load *load, long count) {
    while (load->answers < count) {
        const char *end = memchr(load->text + load->sent, '\n', load->size - load->sent);
        exchange(load, (size_t)(end + 1 - load->text), load->answers + 1);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What the process has used of the CPU. */
static double cpu(pid_t pid) {
    char path[64];
    unsigned long long nanoseconds = 0;
    snprintf(path, sizeof path, "/proc/%ld/schedstat", (long)pid);
    FILE *file = fopen(path, "r");
    must(file != NULL && fscanf(file, "%llu", &nanoseconds) == 1, path);
    fclose(file);
    return (double)nanoseconds / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 64;
    struct load load = {0};
    long count = atol(argv[3]);
    bool turns = strcmp(argv[1], "turns") == 0;
    load.text = malloc((size_t)(count + 1) * LINE_LIMIT);
    must(load.text != NULL, "malloc");
    start(&load, argv + 4);
    fcntl(load.to, F_SETFL, O_NONBLOCK);
    add_request(&load, "ping", 0);
    exchange(&load, load.size, 1); /* it has started */
    load.size = load.sent = 0;
    load.answers = 0;
    for (long id = 1; id <= count; id++)
        add_request(&load, argv[2], id);
    double began = now(), used = cpu(load.child);
    if (turns)
        take_turns(&load, count);
    else
        exchange(&load, load.size, count);
    double wall = now() - began;
    printf("%.6f %.6f\n", wall, cpu(load.child) - used);
    close(load.to);
    waitpid(load.child, NULL, 0); /* it answered; a server that is slow to leave is ended */
    free(load.text);
    return 0;
}
