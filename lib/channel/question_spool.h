/* Where Keycloak's questions wait for their answer, and answers for Keycloak: a folder `questions`
 * in the spool directory, with a file for each, a JSON object (question.h). Its name is a digest of
 * the user's name, and the question's id: who is not the user cannot name it.
 *
 * All changes are made under one lock, which is never held while something is awaited. A file is
 * replaced whole, so reading needs no lock. All files are readable by their owner only: they hold
 * Keycloak's Bearer token. Works on one machine and one file system. */
#ifndef CIBA_CHANNEL_QUESTION_SPOOL_H
#define CIBA_CHANNEL_QUESTION_SPOOL_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    QUESTIONS_LIMIT = 1000,       /* in the spool */
    QUESTIONS_OF_USER_LIMIT = 20, /* of one user, that are not settled */
    QUESTION_ID_SIZE = 22         /* characters of an id */
};

/* Creates the folders. False and an error with status 74 or 78. */
bool question_spool_make(const char *directory, struct error *error);

/* The name of a question of this user; the caller frees. NULL if the id is not one. */
char *question_name(const char *user, const char *id);

/* Locks the spool until the descriptor is closed. -1 and an error with status 66, 74 or 78. */
int question_spool_lock(const char *directory, struct error *error);

/* The question; invalid if there is none, or it cannot be read. */
jv question_read(const char *directory, const char *name);

/* Whether question_read would read it again: JSON that is too large, nested too deep, or has too
 * many members can be written, and not read. */
bool question_fits(jv question);

/* Writes it, durably. For the holder of the lock. False and an error with status 74: then it may
 * stand there all the same, and only not be durable. */
bool question_write(const char *directory, const char *name, jv question, struct error *error);

/* Removes it. For the holder of the lock. */
void question_remove(const char *directory, const char *name);

/* The names of the questions of a user, or of all if that is NULL. Also removes what killed
 * processes left. The caller frees with question_names_free. */
struct question_names {
    char **names;
    size_t count;
};
struct question_names question_names(const char *directory, const char *user);
void question_names_free(struct question_names *names);

#endif
