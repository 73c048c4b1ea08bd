/* What happens where there is no memory: the process ends with status 70 and a message. */
#ifndef CIBA_BASE_OUT_OF_MEMORY_H
#define CIBA_BASE_OUT_OF_MEMORY_H

/* Ends the process. For failed allocations in other libraries. */
_Noreturn void out_of_memory(void);

/* The same, as an error handler for a library that takes one. */
void out_of_memory_in(void *library);

#endif
