#include "system/start.h"

#include "base/memory.h"
#include "base/program_name.h"
#include "base/sanitized.h"
#include "base/status.h"
#include "system/stage_socket.h"

#include <fcntl.h>
#include <jv.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static void no_core_dump(void) {
#if defined(__linux__) && !defined(SANITIZED)
    /* Not RLIMIT_CORE: programs that a command starts would inherit it. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Skips OpenSSL's cleanup at exit, which frees piecemeal what ends with the process. Its
 * configuration file is the distribution's, as the library is; a static build reads only a file
 * that is named explicitly. */
static void start_openssl(void) {
    uint64_t without = 0;
#ifndef SANITIZED /* which would report a leak */
    without |= OPENSSL_INIT_NO_ATEXIT;
#endif
#ifdef STATIC
    if (getenv("OPENSSL_CONF") == NULL)
        without |= OPENSSL_INIT_NO_LOAD_CONFIG;
#endif
    OPENSSL_init_crypto(without, NULL);
}

/* Otherwise the first file or connection to be opened would replace a closed standard stream.
 * Writing to a closed stdout remains an error. */
static void hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _exit(STATUS_IO);
}

void program_start(const char *name) {
    program_name_set(name);
    hold_standard_streams();
    stage_socket_take();
    no_core_dump();
    start_openssl();
    jv_nomem_handler(out_of_memory_in, NULL); /* by default it would abort */
}
