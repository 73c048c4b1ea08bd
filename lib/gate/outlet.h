/* What is to be written to a peer that may not read at once. */
#ifndef CIBA_GATE_OUTLET_H
#define CIBA_GATE_OUTLET_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct outlet {
    int descriptor;    /* -1 once it is closed */
    bool never_blocks; /* it is O_NONBLOCK; else its file may be others' too, and stays as it is */
    bool broken;       /* nobody reads any more */
    struct text text;  /* to be written, from `sent` on */
    size_t sent;
};

struct outlet outlet(int descriptor, bool never_blocks);

/* The bytes that are not written yet. */
size_t outlet_left(const struct outlet *outlet);

/* Writes as much as its reader takes now. Afterwards it may be broken: then nothing is left. */
void outlet_write(struct outlet *outlet);

/* Closes it; what is left is lost. */
void outlet_close(struct outlet *outlet);

#endif
