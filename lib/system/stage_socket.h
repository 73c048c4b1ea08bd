/* The socket on which agent-spool speaks with a stage. CIBA_STAGE="FD:PID" names it and the process
 * that was started as the stage. Any other process that finds the variable is an inner command: of
 * a shell, say, that was started as the stage. */
#ifndef CIBA_SYSTEM_STAGE_SOCKET_H
#define CIBA_SYSTEM_STAGE_SOCKET_H

enum stage_role {
    STAGE_ABSENT, /* nobody started this process for agent-spool */
    STAGE_OWN,    /* it is the stage */
    STAGE_INNER   /* it is a command in a stage */
};

/* What this process is, from program_start on. */
enum stage_role stage_role(void);

/* The descriptor, -1 if it is not a socket that is open. */
int stage_socket(void);

/* Takes the variable out of the environment and makes the socket close-on-exec, so that programs
 * that this process starts have neither. program_start calls it. */
void stage_socket_take(void);

#endif
