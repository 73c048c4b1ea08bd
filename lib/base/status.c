#include "base/status.h"

#include <stddef.h>

int status_worse(int first, int second) {
    static const int rank[] = {STATUS_DONE, STATUS_NO, STATUS_NOT_YET};
    size_t ranks = sizeof rank / sizeof *rank, a = 0, b = 0;
    while (a < ranks && rank[a] != first)
        a++;
    while (b < ranks && rank[b] != second)
        b++;
    return b > a ? second : first;
}
