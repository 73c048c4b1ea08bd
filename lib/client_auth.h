/* The ways in which a client authenticates itself: one table, used by client.c. */
#ifndef CIBA_CLIENT_AUTH_H
#define CIBA_CLIENT_AUTH_H

#include "client.h"

#include <stdbool.h>

/* Before anything is asked: the method that was named must be known and have what it needs; without
 * a name there must be some credential. False and an error with status 64 or 78. */
bool client_auth_check(const struct client *client, struct error *error);

/* Unless a method was named: the best that the metadata offer and the client has what it needs for:
 * certificate, then key, then secret. False and an error with status 78 where there is none. */
bool client_auth_choose(struct client *client, struct error *error);

/* Puts the authentication into the message: form parameters, or user and password. False and an
 * error with status 78. */
bool client_auth_apply(const struct client *client, struct client_message *message,
                       struct error *error);

#endif
