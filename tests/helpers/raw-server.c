/* raw-server MODE FILE: an HTTP server that misbehaves, on a free loopback port that it prints.
 *
 *   send    answers every request with the bytes of FILE and closes
 *   drip    sends them byte by byte, with a pause after each
 *   bytes   the same without a pause, each in a packet of its own
 *   stall   sends them, then nothing more
 *   flood   sends them, then endless bytes
 *   repeat  sends them, then repeats the last line endlessly
 *   reset   resets the connection once the request has arrived; does not read FILE
 *
 * It ends within two minutes. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char content[1 << 20];
static size_t content_size;
static const char *mode;

/* Reads a request: its head, and Content-Length bytes. */
static void read_request(int connection) {
    static char request[1 << 20];
    size_t used = 0, wanted = sizeof request - 1;
    ssize_t got;
    while (used < wanted && (got = read(connection, request + used, wanted - used)) > 0) {
        used += (size_t)got;
        request[used] = '\0';
        const char *end = strstr(request, "\r\n\r\n"), *length = strstr(request, "Content-Length:");
        if (end != NULL)
            wanted = (size_t)(end - request) + 4 + (length ? strtoul(length + 15, NULL, 10) : 0);
    }
}

/* False if the peer has closed the connection. */
static int put(int connection, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = write(connection, bytes, size);
        if (sent <= 0)
            return 0;
        bytes += sent;
        size -= (size_t)sent;
    }
    return 1;
}

static void repeat_last_line(int connection) {
    static char lines[1 << 21];
    size_t start = content_size, used = 0;
    while (start > 0 && (start == content_size || content[start - 1] != '\n'))
        start--;
    size_t size = content_size - start;
    for (; size > 0 && used + size <= sizeof lines; used += size)
        memcpy(lines + used, content + start, size);
    while (used > 0 && put(connection, lines, used))
        continue;
}

static void serve(int connection) {
    static char noise[65536];
    read_request(connection);
    if (strcmp(mode, "reset") == 0) {
        struct linger now = {1, 0};
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    } else if (strcmp(mode, "bytes") == 0) {
        int now = 1;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
        for (size_t i = 0; i < content_size && put(connection, content + i, 1); i++)
            continue;
    } else if (strcmp(mode, "drip") == 0) {
        for (size_t i = 0; i < content_size && put(connection, content + i, 1); i++)
            nanosleep(&(struct timespec){0, 100000000}, NULL);
    } else {
        put(connection, content, content_size);
    }
    memset(noise, 'x', sizeof noise);
    if (strcmp(mode, "repeat") == 0)
        repeat_last_line(connection);
    while (strcmp(mode, "flood") == 0 && put(connection, noise, sizeof noise))
        continue;
    if (strcmp(mode, "stall") == 0)
        while (read(connection, noise, sizeof noise) > 0)
            continue;
    close(connection);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    if (argc != 3)
        return 64;
    mode = argv[1];
    FILE *file = fopen(argv[2], "rb");
    if (file != NULL) {
        content_size = fread(content, 1, sizeof content, file);
        fclose(file);
    }
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return 69;
    printf("%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            return 69;
        if (fork() == 0) {
            alarm(120);
            close(listener);
            serve(connection);
            _exit(0);
        }
        signal(SIGCHLD, SIG_IGN);
        close(connection);
    }
}
