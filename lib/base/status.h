/* The exit statuses of every command: 0, 1, and those of sysexits(3). ciba-tools(7) lists them. */
#ifndef CIBA_BASE_STATUS_H
#define CIBA_BASE_STATUS_H

enum {
    STATUS_DONE = 0,
    STATUS_NO = 1,           /* the user denied, or did not answer in time */
    STATUS_USAGE = 64,       /* wrong options */
    STATUS_INPUT = 65,       /* a document or an answer is invalid */
    STATUS_NO_FILE = 66,     /* a file named in an option cannot be read */
    STATUS_UNAVAILABLE = 69, /* a server cannot be reached, or is temporarily unavailable */
    STATUS_INTERNAL = 70,    /* out of memory, or a bug */
    STATUS_IO = 74,          /* reading stdin or writing stdout failed */
    STATUS_NOT_YET = 75,     /* pending: run again later */
    STATUS_PROTOCOL = 76,    /* the server broke the protocol */
    STATUS_REFUSED = 77,     /* the client's authentication or permission was refused */
    STATUS_CONFIG = 78       /* a setting is missing or wrong */
};

/* The worse of two exit statuses, for a stream that has both: done, then no, then not yet, then any
 * error; of two errors the first. */
int status_worse(int first, int second);

#endif
