/* The error codes of OAuth and CIBA: one table. */
#ifndef CIBA_OAUTH_ERRORS_H
#define CIBA_OAUTH_ERRORS_H

/* The exit status for an error code of the two endpoints (CIBA Core §11, §13; RFC 6749 §5.2). */
int oauth_error_status(const char *code);

/* What to do about it, "" if nothing is known. `words` is the provider's error_description, NULL
 * for none. */
const char *oauth_error_advice(const char *code, const char *words);

#endif
