/* Where a system has the CA certificates that it trusts: not two distributions agree. */
#ifndef CIBA_HTTP_ROOTS_H
#define CIBA_HTTP_ROOTS_H

/* The hashed directory of CA certificates (of which only those that are needed are read), NULL if
 * there is none. */
const char *http_roots_folder(void);

/* The file with all of them that can be read, NULL if none can. */
const char *http_roots_file(void);

#endif
