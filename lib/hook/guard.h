/* The guard of a hook: the program that the host starts, ciba-hook. It does nothing but start
 * ciba-hook-ask, which asks, wait for it, and answer the host. Whatever happens to either of them,
 * the answer is a no, unless ciba-hook-ask has said yes and then ended with 0. The guard ends with
 * 0 or 2 and no other status, since most hosts let the tool run on any other. So it uses no library
 * but libc, which could fail to load, and allocates nothing. */
#ifndef CIBA_HOOK_GUARD_H
#define CIBA_HOOK_GUARD_H

enum { HOOK_NO_STATUS = 2 };

/* What the host gets. */
struct hook_answer {
    int status;       /* 0 or HOOK_NO_STATUS */
    char out[2600];   /* stdout: JSON and a newline, or "" */
    char words[1200]; /* stderr: a line, or "" */
};

/* The guard: runs the program of that name with these arguments, and answers. It stands in the
 * folder libexec beside the guard, or where it was installed, and is called PATH/NAME, where PATH
 * is the guard's own. If it ends with 0 without having
 * called guard_prepare, it has printed what it was asked for, such as --help, and the guard ends
 * with 0 as well. */
_Noreturn void guard_run(const char *name, char **argv);

/* Before guard_run: this file has all commands (cmd/one-file), ciba-hook-ask among them, and is
 * what is started. */
void guard_is_in_one_file(void);

/* In the program, before anything that can fail. */
void guard_connect(void);

/* In the program: what the guard answers if there will be no other answer, and after how many
 * seconds from the start it stops waiting; 0 if that is not known yet. */
void guard_prepare(const struct hook_answer *no, double deadline);

/* In the program: the answer, which the guard gives when the program has ended with 0. Returns that
 * status. */
int guard_answer(const struct hook_answer *answer);

/* In the program: seconds since it started. */
double guard_elapsed(void);

#endif
