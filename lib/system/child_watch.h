/* The ends of a process's children, for poll. */
#ifndef CIBA_SYSTEM_CHILD_WATCH_H
#define CIBA_SYSTEM_CHILD_WATCH_H

/* Once in a process, before it starts children. A descriptor that becomes readable when a child has
 * ended, and does not block; it stays readable until it is read. -1 with errno set. */
int child_watch(void);

#endif
