/* The hosts, the programs that run agents and start us as their hook, and what each of their events
 * looks like: one row for each. ciba-hook(1) says what a host does when a hook fails. */
#ifndef CIBA_HOOK_HOSTS_H
#define CIBA_HOOK_HOSTS_H

#include <jv.h>
#include <stdbool.h>

struct hook_host {
    const char *name;
    double limit; /* seconds: its own time limit, if its settings have none */
    double unit;  /* of a time limit in its settings, in seconds */
    /* Its settings, as JSON with "%TIMEOUT%", "%PROGRAM%" (a path), "%ARGUMENTS%" (an array),
     * "%COMMAND%" (for a shell). */
    const char *settings;
    const char *file; /* where they go */
    /* What ciba-doctor looks for in them: */
    const char *limit_name, *other_limit_name; /* of the time limit */
    const char *fail_closed;                   /* JSON members of an entry that make the host stop
                                                  the tool if the hook fails; NULL for none */
    const char *off;        /* JSON members of the whole that switch all hooks off; NULL for none */
    const char *background; /* the same of an entry whose end the host does not wait for */
    const char *narrows;    /* a member of an entry that leaves out calls; NULL for none */
    /* A matcher of letters, digits and these is a list of names, otherwise a regular expression;
     * NULL for always that. */
    const char *list_characters;
    bool matches_whole; /* the regular expression must match all of the name; `*` is none */
    const char *shell;  /* the tool that runs commands, as a matcher sees it; NULL if a matcher does
                           not see names */
    const char *note;   /* what no setting of the file changes; NULL for nothing */
};

/* An event before a tool call. */
struct hook_event {
    const char *host;
    const char *name_member, *name; /* the member that names the event, and its value; NULL if the
                                       input does not say it */
    const char *has, *lacks;        /* members that tell it from another host's; NULL for none */
    const char *tool_member, *tool; /* the tool's name: a member, or for all events the same */
    const char *input_member;       /* its arguments: an object, or one as JSON text; NULL if the
                                       event's `command` and `cwd` are the arguments */
    const char *id_member;          /* the call's id; NULL if the host has none */
    const char *session_member;
    const char *yes;     /* stdout */
    const char *no;      /* the same: JSON in which each "%REASON%" is the reason, a string */
    int no_status;       /* exit status for a no */
    const char *left;    /* stdout where we have no opinion: the host decides */
    const char *defer;   /* stdout: the call is kept for a later run; NULL if the host cannot */
    const char *setting; /* the event's name in settings; NULL if it is `name` */
    bool prompts_only;   /* it comes only where the host would ask */
};

/* The host of that name, NULL if there is none. */
const struct hook_host *hook_host(const char *name);

/* The first host that has an event of that name in its settings, after `after`, NULL for all. NULL
 * if there is none. */
const struct hook_host *hook_host_with(const char *event, const struct hook_host *after);

/* All names, separated by ", "; the caller frees. */
char *hook_host_names(void);

/* The deadline, in seconds, that is before the host's own limit. */
double hook_deadline(const struct hook_host *host);

/* The host's event before a tool call that has this name in settings; NULL if there is none. */
const struct hook_event *hook_event_in_settings(const struct hook_host *host, const char *name);

/* A row for events that are not recognised: its no is one for each host. */
extern const struct hook_event hook_event_unknown;

/* The row for an event, recognised by its members; only rows of the host if it is not NULL. NULL
 * for an event that is none before a tool call. */
const struct hook_event *hook_event_of(jv input, const char *host);

/* The JSON text with each string in it that is a name in `values` (an object) replaced by that
 * value.
 */
jv hook_fill(const char *text, jv values);

#endif
