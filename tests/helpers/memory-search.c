/* memory-search PID TEXT...: prints for each text, on a line of its own, where it is in the memory
 * of the process: `TEXT: N locked, N elsewhere`. Locked memory is excluded from core dumps (`dd` in
 * its VmFlags). Linux, as root. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AREAS = 4096 };

static struct area {
    unsigned long from, to;
    int locked;
} areas[AREAS];
static size_t count;

static void read_areas(const char *pid) {
    char path[100], line[4096];
    unsigned long from, to;
    snprintf(path, sizeof path, "/proc/%s/smaps", pid);
    FILE *smaps = fopen(path, "r");
    while (smaps != NULL && fgets(line, sizeof line, smaps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2 && count < AREAS)
            areas[count++] = (struct area){from, to, 0};
        if (strncmp(line, "VmFlags:", 8) == 0 && count > 0)
            areas[count - 1].locked = strstr(line, " dd") != NULL;
    }
    if (smaps != NULL)
        fclose(smaps);
}

int main(int argc, char **argv) {
    char path[100];
    if (argc < 3)
        return 64;
    read_areas(argv[1]);
    snprintf(path, sizeof path, "/proc/%s/mem", argv[1]);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || count == 0)
        return 77;
    for (int i = 2; i < argc; i++) {
        size_t size = strlen(argv[i]), hits[2] = {0, 0};
        for (size_t a = 0; a < count; a++) {
            size_t room = areas[a].to - areas[a].from;
            char *bytes = malloc(room);
            ssize_t got = bytes ? pread(fd, bytes, room, (off_t)areas[a].from) : -1;
            for (ssize_t at = 0; at + (ssize_t)size <= got; at++)
                if (memcmp(bytes + at, argv[i], size) == 0)
                    hits[areas[a].locked]++;
            free(bytes);
        }
        printf("%s: %zu locked, %zu elsewhere\n", argv[i], hits[1], hits[0]);
    }
    return 0;
}
