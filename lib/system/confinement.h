/* What a process still needs after it has given up the rest (confine.h). */
#ifndef CIBA_SYSTEM_CONFINEMENT_H
#define CIBA_SYSTEM_CONFINEMENT_H

#include <stdbool.h>

enum { CONFINE_PATHS = 64 };

/* What is still needed. Zeroed: only stdin, stdout, stderr and descriptors that are open
 * already. A stage also speaks with agent-spool (stage_socket.h). */
struct confinement {
    bool off;            /* nothing is given up */
    bool required;       /* fail rather than continue with rights that could not be given up */
    bool network;        /* connects to servers; reads the system folders that this takes */
    const char *sockets; /* also connects to unix(7) sockets, in this folder; with network */
    bool jobs;           /* forks copies of itself (stream_jobs) */
    bool helper;         /* runs programs through a helper (program_helper.h) */
    bool times;          /* sets the times of files that it has open */
    bool terminal;       /* sets the modes of a terminal that it has open */
    const char *reads[CONFINE_PATHS];  /* files and folders, up to a NULL */
    const char *writes[CONFINE_PATHS]; /* files to be written, with their folders, and folders that
                                          need not exist yet, up to a NULL */
};

#endif
