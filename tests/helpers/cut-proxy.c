/* cut-proxy LISTEN CONNECT: passes connections from one unix(7) socket to another. After SIGUSR1
 * the next bytes from the server, after SIGUSR2 the next bytes from the client, are thrown away,
 * and their connection is closed: an answer, or a request, is lost. With SIGHUP the bytes from the
 * client still arrive, but their connection is closed as soon as they have. Prints a line when it
 * listens and for each cut. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS = 32 };

static volatile sig_atomic_t wanted;
static struct pair { int client, server; /* -1: unused */ } pairs[PAIRS];

static void note(int signal_number) {
    wanted = signal_number;
}

static int open_socket(const char *path, bool listens) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);
    bool good = listens ? bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                              listen(fd, PAIRS) == 0
                        : connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (good)
        return fd;
    close(fd);
    return -1;
}

static void end(struct pair *pair) {
    close(pair->client);
    close(pair->server);
    *pair = (struct pair){-1, -1};
}

static bool write_all(int fd, const char *bytes, ssize_t size) {
    while (size > 0) {
        ssize_t put = write(fd, bytes, (size_t)size);
        if (put < 0 && errno != EINTR)
            return false;
        bytes += put > 0 ? put : 0;
        size -= put > 0 ? put : 0;
    }
    return true;
}

static void cut(struct pair *pair) {
    wanted = 0;
    end(pair);
    printf("cut\n");
    fflush(stdout);
}

/* Passes what has come from one side to the other. */
static void pass(struct pair *pair, bool from_server) {
    char bytes[65536];
    int from = from_server ? pair->server : pair->client;
    int to = from_server ? pair->client : pair->server;
    ssize_t size = read(from, bytes, sizeof bytes);
    if (size > 0 && wanted == (from_server ? SIGUSR1 : SIGUSR2)) {
        cut(pair);
    } else if (size <= 0 || !write_all(to, bytes, size)) {
        end(pair);
    } else if (wanted == SIGHUP && !from_server) {
        cut(pair);
    }
}

static void take(int listener, const char *server) {
    int client = accept(listener, NULL, NULL);
    for (size_t i = 0; client >= 0 && i < PAIRS; i++) {
        if (pairs[i].client >= 0)
            continue;
        pairs[i] = (struct pair){client, open_socket(server, false)};
        if (pairs[i].server < 0)
            end(&pairs[i]);
        return;
    }
    close(client);
}

int main(int argc, char **argv) {
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGHUP};
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    int listener = argc == 3 ? open_socket(argv[1], true) : -1;
    if (listener < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    for (size_t i = 0; i < PAIRS; i++)
        pairs[i] = (struct pair){-1, -1};
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        struct pollfd all[1 + 2 * PAIRS] = {{listener, POLLIN, 0}};
        for (size_t i = 0; i < PAIRS; i++) {
            all[1 + 2 * i] = (struct pollfd){pairs[i].client, POLLIN, 0};
            all[2 + 2 * i] = (struct pollfd){pairs[i].server, POLLIN, 0};
        }
        if (poll(all, 1 + 2 * PAIRS, -1) < 0)
            continue;
        for (size_t i = 0; i < PAIRS; i++) {
            if (all[1 + 2 * i].revents != 0)
                pass(&pairs[i], false);
            if (pairs[i].client >= 0 && all[2 + 2 * i].revents != 0)
                pass(&pairs[i], true);
        }
        if (all[0].revents != 0)
            take(listener, argv[2]);
    }
}
