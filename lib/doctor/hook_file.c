#include "doctor/hook_file.h"

#include "doctor/hook_command.h"
#include "doctor/verdict.h"
#include "hook/hosts.h"
#include "system/process.h"
#include "json/json.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is known of the whole file. */
struct look {
    const struct hook_host *host;
    int entries;       /* that start ciba-hook before a tool runs */
    bool covers_shell; /* one of them asks about the shell */
};

/* One entry that starts ciba-hook. */
struct entry {
    const char *event; /* its name in the file */
    jv group;          /* where its matcher is */
    jv entry;
    struct hook_command *command;
    const struct hook_host *host;
    bool good; /* nothing has failed */
};

/* Whether the object has all members of the JSON text, with these values. */
static bool has_members(jv object, const char *json) {
    bool has = json != NULL && jv_get_kind(object) == JV_KIND_OBJECT;
    jv wanted = has ? jv_parse(json) : jv_object();
    jv_object_foreach(wanted, key, value) {
        jv there = json_get(object, jv_string_value(key));
        if (jv_get_kind(value) == JV_KIND_OBJECT) {
            char *text = json_text(value);
            has = has && has_members(there, text);
            free(text);
        } else {
            has = has && json_equal(there, value);
        }
        jv_free(key);
        jv_free(value);
        jv_free(there);
    }
    jv_free(wanted);
    return has;
}

static void entry_fails(struct entry *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void entry_fails(struct entry *e, const char *format, ...) {
    char text[1000];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    verdict_fail(STATUS_CONFIG, e->event, "%s", text);
    e->good = false;
}

/* Whether somebody else than its owner, us or root, can change a file or a folder. */
static bool others_write(const struct stat *facts) {
    bool sticky = S_ISDIR(facts->st_mode) && (facts->st_mode & S_ISVTX) != 0;
    return (facts->st_uid != 0 && facts->st_uid != geteuid()) ||
           ((facts->st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky);
}

/* The folder that a path is in; the caller frees. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return must_copy(".");
    return must_format("%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* Who else than this user can change what the path leads to; NULL for nobody. The caller frees. */
static char *changeable(const char *path) {
    struct stat facts;
    char *folder = folder_of(path), *what = NULL;
    if (stat(path, &facts) == 0 && others_write(&facts))
        what = must_format("%s", path);
    else if (stat(folder, &facts) == 0 && others_write(&facts))
        what = must_format("its folder %s", folder);
    free(folder);
    return what;
}

static void check_rights(const char *path) {
    struct stat facts;
    char *what = changeable(path);
    if (what != NULL)
        verdict_fail(STATUS_CONFIG, "rights",
                     "others than this user can change %s, and switch the hook off; chmod go-w, or "
                     "have it owned by root",
                     what);
    else if (stat(path, &facts) == 0 && facts.st_uid == 0)
        verdict_ok("rights", "only root can change it");
    else
        verdict_left_out("rights", "this user can change it, and so can an agent that runs as this "
                                   "user; see man ciba-hook");
    free(what);
}

static void check_program(struct entry *e) {
    const char *program = e->command->program;
    struct program_file file;
    if (strchr(program, '/') != NULL && *program != '/') {
        entry_fails(e, "%s depends on where the host starts it; write the whole path", program);
        return;
    }
    process_find(program, &file);
    if (file.path == NULL) {
        entry_fails(e, "%s: %s; %s lets the tool run", program, process_problem(file.problem),
                    e->host->fail_closed != NULL ? "without the fail-closed switch the host"
                                                 : "the host");
        return;
    }
    if (*program != '/')
        verdict_left_out(e->event,
                         "%s is looked for in the host's PATH, which may be another; "
                         "write %s",
                         program, file.path);
    char *what = changeable(file.path);
    if (what != NULL)
        entry_fails(e, "others than this user can change %s; chmod go-w", what);
    free(what);
    process_free_file(&file);
}

/* How the host gets to ciba-hook, and what it does with its end. */
static void check_start(struct entry *e) {
    const struct hook_command *command = e->command;
    const struct hook_host *host = e->host;
    if (json_has(e->entry, "type") && !json_is(e->entry, "type", "command"))
        entry_fails(e, "\"type\" is not \"command\", so ciba-hook is not started");
    if (has_members(e->entry, host->background))
        entry_fails(e, "%s is set: %s does not wait for the hook; remove it", host->background,
                    host->name);
    if (host->fail_closed != NULL && !has_members(e->entry, host->fail_closed))
        entry_fails(e, "if the hook is killed or not found, %s lets the tool run; add %s",
                    host->name, host->fail_closed);
    if (host->narrows != NULL && json_has(e->entry, host->narrows))
        verdict_left_out(e->event, "asks only about calls that \"%s\" lets through", host->narrows);
    if (!jv_is_valid(command->words)) {
        entry_fails(e, "the command is more than one simple command, so its status may be another "
                       "than ciba-hook's; write nothing but ciba-hook and its options");
        return;
    }
    if (command->starter != NULL)
        entry_fails(e,
                    "%s starts ciba-hook, and its status may be another; write nothing but "
                    "ciba-hook and its options",
                    command->starter);
    else
        check_program(e);
}

/* The limit in seconds; 0 for none. */
static double limit_of(const struct entry *e) {
    double limit = 0;
    if (!json_number(e->entry, e->host->limit_name, &limit) && e->host->other_limit_name != NULL)
        json_number(e->entry, e->host->other_limit_name, &limit);
    return limit * e->host->unit;
}

static void check_limit(struct entry *e) {
    const struct hook_host *host = e->host;
    double limit = limit_of(e), deadline = e->command->deadline;
    const char *milliseconds = host->unit < 1 ? " (the host counts milliseconds)" : "";
    bool assumed = deadline == 0;
    if (assumed)
        deadline = hook_deadline(host);
    if (limit <= 0)
        entry_fails(e,
                    "there is no time limit; add \"%s\":%.12g, later than the deadline of %g s%s",
                    host->limit_name, (deadline + 60) / host->unit, deadline, milliseconds);
    else if (limit <= deadline)
        entry_fails(e,
                    "\"%s\" is %g s%s, not later than the deadline of %g s%s: the tool runs before "
                    "ciba-hook says no; give %.12g%s",
                    host->limit_name, limit, milliseconds, deadline,
                    assumed ? " that is assumed without --deadline" : "",
                    (deadline + 60) / host->unit, assumed ? ", or --deadline" : "");
    else if (assumed)
        verdict_left_out(e->event, "no --deadline: the user has %g s, whatever \"%s\" is", deadline,
                         host->limit_name);
}

static void check_options(struct entry *e) {
    struct error error;
    if (e->command->starter != NULL || !jv_is_valid(e->command->words))
        return;
    if (!hook_command_options(e->command, &error)) {
        entry_fails(e, "%s: ciba-hook will always say no", error.text);
        return;
    }
    if (e->command->prints)
        entry_fails(e,
                    "it prints something and ends with 0, so the tool runs; see ciba-hook "
                    "--print-config %s",
                    e->host->name);
    if (e->command->host == NULL)
        verdict_left_out(e->event, "no --host: the host is told by the event; add --host %s",
                         e->host->name);
    else if (strcmp(e->command->host, e->host->name) != 0)
        entry_fails(e, "--host %s, but this is a file of %s: ciba-hook will always say no",
                    e->command->host, e->host->name);
    if (e->command->defers)
        verdict_left_out(e->event, "--defer is no refusal where the host does not take it; see man "
                                   "ciba-hook");
    check_limit(e);
}

static bool is_list(const struct hook_host *host, const char *matcher) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (; host->list_characters != NULL && *matcher != '\0'; matcher++)
        if (strchr(plain, *matcher) == NULL && strchr(host->list_characters, *matcher) == NULL)
            return false;
    return host->list_characters != NULL;
}

/* Whether the list has the name. */
static bool lists(const char *list, const char *name) {
    while (*list != '\0') {
        list += strspn(list, " ,|");
        size_t size = strcspn(list, " ,|");
        if (size == strlen(name) && strncmp(list, name, size) == 0)
            return true;
        list += size;
    }
    return false;
}

enum match { MATCH_NO, MATCH_YES, MATCH_INVALID, MATCH_UNKNOWN };

/* Whether a regular expression of the host's has the name, as far as a POSIX one can tell. */
static enum match matches(const struct hook_host *host, const char *matcher, const char *name) {
    regex_t expression;
    if (strchr("*+?", *matcher) != NULL)
        return MATCH_INVALID;
    if (strstr(matcher, "(?") != NULL || strchr(matcher, '\\') != NULL)
        return MATCH_UNKNOWN;
    char *whole = must_format(host->matches_whole ? "^(%s)$" : "%s", matcher);
    bool valid = regcomp(&expression, whole, REG_EXTENDED | REG_NOSUB) == 0;
    free(whole);
    if (!valid)
        return MATCH_INVALID;
    bool found = regexec(&expression, name, 0, NULL, 0) == 0;
    regfree(&expression);
    return found ? MATCH_YES : MATCH_NO;
}

static bool matches_all(const struct hook_host *host, const char *matcher) {
    static const char *const all[] = {"", ".*", ".+", "^.*$", "^.+$"};
    bool found = strcmp(matcher, "*") == 0 && !host->matches_whole;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        found = found || strcmp(matcher, all[i]) == 0;
    return found;
}

static void check_matcher(struct entry *e, struct look *look) {
    const struct hook_host *host = e->host;
    const char *matcher = json_string(e->group, "matcher");
    if (matcher == NULL && json_has(e->group, "matcher")) {
        entry_fails(e, "\"matcher\" is no text");
        return;
    }
    if (matcher == NULL || matches_all(host, matcher)) {
        look->covers_shell = true;
        return;
    }
    if (host->shell == NULL) {
        verdict_left_out(e->event,
                         "asks only where '%s' is found; in the text of a command that is "
                         "no wall, see man ciba-hook",
                         matcher);
        look->covers_shell = true;
        return;
    }
    bool list = is_list(host, matcher);
    enum match match = list ? (lists(matcher, host->shell) ? MATCH_YES : MATCH_NO)
                            : matches(host, matcher, host->shell);
    if (match == MATCH_INVALID) {
        entry_fails(e,
                    "'%s' is no regular expression, so %s skips the hook, or takes it for a "
                    "name; leave out \"matcher\" for all tools",
                    matcher, host->name);
        return;
    }
    look->covers_shell = look->covers_shell || match != MATCH_NO;
    if (!list && !host->matches_whole && *matcher != '^')
        verdict_left_out(e->event,
                         "'%s' is taken as a regular expression that is found anywhere in "
                         "a name; ^(%s)$ names tools exactly",
                         matcher, matcher);
    verdict_left_out(e->event,
                     "asks only about tools that '%s' names; all others run unasked, if "
                     "the host's own rules let them",
                     matcher);
}

static void check_entry(struct look *look, const char *event, jv group, jv entry) {
    struct hook_command command;
    if (!hook_command_read(entry, &command))
        return;
    struct entry e = {event, group, entry, &command, look->host, true};
    const struct hook_event *known = hook_event_in_settings(look->host, event);
    if (known == NULL) {
        entry_fails(&e,
                    "is not an event of %s before a tool call, or not one that ciba-hook knows; "
                    "see ciba-hook --print-config %s",
                    look->host->name, look->host->name);
    } else {
        look->entries++;
        if (known->prompts_only)
            verdict_left_out(event, "comes only where the host would ask by itself");
        check_start(&e);
        check_options(&e);
        check_matcher(&e, look);
        if (e.good)
            verdict_ok(event, "starts ciba-hook, and stops the tool if the user does not say yes");
    }
    hook_command_free(&command);
}

/* Calls `see` with each entry for a hook, and with what has its matcher. */
static void each_entry(jv hooks, struct look *look,
                       void (*see)(struct look *look, const char *event, jv group, jv entry)) {
    jv_object_foreach(hooks, event, list) {
        for (int i = 0; jv_get_kind(list) == JV_KIND_ARRAY && i < jv_array_length(jv_copy(list));
             i++) {
            jv group = jv_array_get(jv_copy(list), i), entries = json_get(group, "hooks");
            if (jv_get_kind(entries) != JV_KIND_ARRAY) {
                jv_free(entries);
                entries = JV_ARRAY(jv_copy(group));
            }
            jv_array_foreach(entries, j, entry) {
                see(look, jv_string_value(event), group, entry);
                jv_free(entry);
            }
            jv_free(entries);
            jv_free(group);
        }
        jv_free(event);
        jv_free(list);
    }
}

/* The host that an entry's --host names. */
static void find_named_host(struct look *look, const char *event, jv group, jv entry) {
    struct hook_command command;
    struct error ignored;
    (void)event;
    (void)group;
    if (look->host != NULL || !hook_command_read(entry, &command))
        return;
    if (jv_is_valid(command.words) && hook_command_options(&command, &ignored) &&
        command.host != NULL)
        look->host = hook_host(command.host);
    hook_command_free(&command);
}

/* The host, by the names of its events, if no command names one. */
static void find_host_by_event(struct look *look, jv hooks) {
    jv_object_foreach(hooks, event, list) {
        const struct hook_host *host = hook_host_with(jv_string_value(event), NULL);
        const struct hook_host *other =
            host != NULL ? hook_host_with(jv_string_value(event), host) : NULL;
        if (look->host == NULL && other != NULL)
            verdict_left_out("host",
                             "%s is an event of %s, and of %s; --host in the command says which",
                             jv_string_value(event), host->name, other->name);
        look->host = look->host != NULL ? look->host : host;
        jv_free(event);
        jv_free(list);
    }
}

static void check_off(const struct look *look, jv settings) {
    if (has_members(settings, look->host->off))
        verdict_fail(STATUS_CONFIG, "hooks", "%s switches all hooks off; remove it",
                     look->host->off);
    jv config = json_get(settings, "hooksConfig"), disabled = json_array(config, "disabled");
    if (json_lists(disabled, "ciba-hook"))
        verdict_fail(STATUS_CONFIG, "hooks", "hooksConfig.disabled has ciba-hook; remove it");
    jv_free(disabled);
    jv_free(config);
}

static void check_settings(struct look *look, jv settings) {
    jv hooks = json_get(settings, "hooks");
    if (jv_get_kind(hooks) == JV_KIND_OBJECT) {
        each_entry(hooks, look, find_named_host);
        find_host_by_event(look, hooks);
    }
    if (look->host == NULL) {
        char *names = hook_host_names();
        verdict_fail(STATUS_CONFIG, "hooks",
                     "nothing starts ciba-hook; ciba-hook --print-config HOST prints the settings "
                     "for %s",
                     names);
        free(names);
        jv_free(hooks);
        return;
    }
    verdict_ok("host", "%s", look->host->name);
    check_off(look, settings);
    each_entry(hooks, look, check_entry);
    if (look->entries == 0)
        verdict_fail(STATUS_CONFIG, "hooks",
                     "nothing starts ciba-hook before a tool runs; ciba-hook --print-config %s "
                     "prints the settings",
                     look->host->name);
    else if (!look->covers_shell)
        verdict_fail(STATUS_CONFIG, "hooks",
                     "no entry asks about %s, the shell, by which an agent can do anything",
                     look->host->shell);
    if (look->host->note != NULL)
        verdict_left_out("note", "%s %s", look->host->name, look->host->note);
    jv_free(hooks);
}

void check_hook_file(const char *path, const char *text, size_t size) {
    struct error error;
    struct look look = {NULL, 0, false};
    jv settings;
    check_rights(path);
    if (!json_parse(text, size, &settings, &error))
        verdict_fail(STATUS_CONFIG, "file",
                     "%s: %s; the host cannot read it, or reads it "
                     "otherwise",
                     path, error.text);
    else
        check_settings(&look, settings);
    jv_free(settings);
}
