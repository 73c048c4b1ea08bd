/* Whether this build has sanitizers. */
#ifndef CIBA_BASE_SANITIZED_H
#define CIBA_BASE_SANITIZED_H

/* A build with sanitizers. gcc defines a macro for that; clang needs -DSANITIZED. */
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED
#endif

#endif
