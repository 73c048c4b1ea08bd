/* The SQL of the spool's schema. For postgres_schema.c. */
#ifndef CIBA_AGENT_POSTGRES_MIGRATIONS_H
#define CIBA_AGENT_POSTGRES_MIGRATIONS_H

/* A step from the version before to its number, counted from 1: statements up to a NULL, executed
 * with the schema as search_path. Never change one that was released: add one. */
enum { POSTGRES_VERSION = 2 };
extern const char *const *const postgres_migrations[POSTGRES_VERSION];

#endif
