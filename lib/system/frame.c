#include "system/frame.h"

#include "base/error.h"
#include "system/durable_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct head {
    size_t size; /* bytes that follow */
    size_t kind;
};

bool frame_write(int fd, const void *bytes, size_t size, int kind) {
    struct head head = {size, (size_t)kind};
    return durable_write_all(fd, (const char *)&head, sizeof head) &&
           durable_write_all(fd, bytes, size);
}

static bool read_all(int fd, void *bytes, size_t size) {
    char *to = bytes;
    while (size > 0) {
        ssize_t got = read(fd, to, size);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        to += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

char *frame_read(int fd, size_t *size, int *kind) {
    struct head head;
    if (!read_all(fd, &head, sizeof head))
        return NULL;
    char *bytes = must_alloc(head.size + 1);
    *size = head.size;
    *kind = (int)head.kind;
    bytes[head.size] = '\0';
    if (read_all(fd, bytes, head.size))
        return bytes;
    free(bytes);
    return NULL;
}
