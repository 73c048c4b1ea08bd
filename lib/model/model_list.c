#include "model/model_list.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/chat_error.h"
#include "system/settings.h"
#include "json/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY = 86400, NAMED = 5 /* models named in an error */ };
static const double latest = 253402300799; /* the last second of the year 9999 */
static const struct backoff between_tries = {.base = 0.5, .cap = 8, .jitter = -0.25};

/* A list as it is read, page after page. */
struct reading {
    jv models;    /* as of model_list_read */
    int listed;   /* how many the server has listed, good or not */
    int left_out; /* because of their names */
    char *after;  /* the id that the next page begins after; NULL for no more */
    double end;   /* as clock_elapsed */
};

/* Whether the text can be printed, stored and sent as it is. */
static bool is_good_name(const char *name) {
    size_t size = name != NULL ? strlen(name) : 0, used = 0;
    bool good = size > 0 && size <= MODEL_NAME_LIMIT;
    while (good && used < size) {
        uint32_t character;
        size_t length = utf8_decode(name + used, size - used, &character);
        good = length > 0 && utf8_visible(character) && character != ' ';
        used += length;
    }
    return good;
}

/* Seconds since 1970 of an RFC 3339 time in UTC; 0 for anything else. The days by Howard Hinnant's
 * days_from_civil. */
static double seconds_of(const char *text) {
    int year, month, day;
    if (text == NULL || strlen(text) < 10 || sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3)
        return 0;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
        return 0;
    year -= month <= 2;
    int era = year / 400, of_era = year % 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (era * 146097.0 + days - 719468) * DAY;
}

static double created_of(jv model) {
    double seconds = 0;
    if (!json_number(model, "created", &seconds))
        seconds = seconds_of(json_string(model, "created_at"));
    return seconds > 0 && seconds < latest ? floor(seconds) : 0;
}

/* Takes the model. */
static void take_model(struct reading *reading, jv model) {
    const char *id = json_string(model, "id"), *owner = json_string(model, "owned_by");
    reading->listed++;
    if (!is_good_name(id)) {
        reading->left_out++;
    } else if (jv_array_length(jv_copy(reading->models)) < MODEL_LIST_LIMIT) {
        jv kept = json_set_string(jv_object(), "id", id);
        kept = json_set(kept, "created", jv_number(created_of(model)));
        if (is_good_name(owner))
            kept = json_set_string(kept, "owner", owner);
        if (json_is(model, "lifecycle", "deprecated") || json_is(model, "lifecycle", "retired"))
            kept = json_set(kept, "leaves", jv_true());
        reading->models = jv_array_append(reading->models, kept);
    }
    jv_free(model);
}

/* Reads a page: {"data": […]}, and as Anthropic pages, has_more and last_id; or the bare array. */
static void take_page(struct reading *reading, jv body) {
    jv data = jv_get_kind(body) == JV_KIND_ARRAY ? jv_copy(body) : json_array(body, "data");
    jv more = json_get(body, "has_more");
    const char *last = json_string(body, "last_id");
    free(reading->after);
    reading->after =
        jv_get_kind(more) == JV_KIND_TRUE && is_good_name(last) ? must_copy(last) : NULL;
    jv_array_foreach(data, i, model) {
        take_model(reading, model);
    }
    jv_free(more);
    jv_free(data);
}

/* Adds what a URL cannot have as it is in hexadecimal. */
static void add_escaped(struct text *to, const char *text) {
    for (; *text != '\0'; text++) {
        char escaped[4];
        bool plain = isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL;
        snprintf(escaped, sizeof escaped, plain ? "%c" : "%%%02X", (unsigned char)*text);
        text_add_string(to, escaped);
    }
}

/* The URL of a page: the base URL without its query and final slash, the path, and both queries. */
static char *url_of(const struct chat_settings *settings, const char *after) {
    const char *base = settings->base_url, *query = strchr(base, '?'),
               *path = settings->api->models_path, *version = strstr(path, "{version}");
    struct text url = {0};
    size_t size = query != NULL ? (size_t)(query - base) : strlen(base);
    text_add(&url, base, size - (size > 0 && base[size - 1] == '/'));
    text_add(&url, path, version != NULL ? (size_t)(version - path) : strlen(path));
    if (version != NULL)
        add_escaped(&url, settings->version);
    if (after != NULL) {
        text_add_string(&url, "&after_id=");
        add_escaped(&url, after);
    }
    if (query != NULL) {
        text_add_string(&url, strchr(path, '?') != NULL ? "&" : "?");
        text_add_string(&url, query + 1);
    }
    return url.text;
}

/* Asks for a page once. *wait is what the server asks for before the next try, -1 for nothing. */
static bool ask_once(struct http *http, const struct chat_settings *settings,
                     struct reading *reading, bool *passes, double *wait, struct error *error) {
    char *url = url_of(settings, reading->after), *key = chat_key_header(settings);
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .headers = {key, settings->api->extra_header},
                                   .max_time = fmax(reading->end - clock_elapsed(), 0.001)};
    struct http_answer answer;
    jv body;
    if (key == NULL)
        request.headers[0] = settings->api->extra_header, request.headers[1] = NULL;
    http_call(http, &request, &answer);
    bool good = chat_answer_body(&answer, &body, passes, error);
    if (!good && answer.outcome == HTTP_ANSWERED && answer.status == 200 &&
        jv_get_kind(body) == JV_KIND_ARRAY)
        good = true; /* as Together AI has it */
    if (good)
        take_page(reading, body);
    *wait = answer.retry_after > 0 ? answer.retry_after : answer.rate_reset;
    jv_free(body);
    http_answer_free(&answer);
    free(url);
    free(key);
    return good;
}

static bool ask(struct http *http, const struct chat_settings *settings, struct reading *reading,
                struct error *error) {
    bool passes;
    double wait;
    for (long tries = 0; !ask_once(http, settings, reading, &passes, &wait, error); tries++) {
        double seconds = wait >= 0 ? wait : backoff_wait(&between_tries, (double)tries);
        if (!passes || tries >= settings->retries || clock_elapsed() + seconds >= reading->end)
            return false;
        report_verbose("model", "%s; trying again in %.1f s", error->text, seconds);
        clock_sleep(seconds);
    }
    return true;
}

static double created(jv model) {
    double seconds = 0;
    json_number(model, "created", &seconds);
    return seconds;
}

/* A model, and where the server had it. */
struct listed {
    jv model;
    size_t place;
};

static int compare_age(const void *one, const void *other) {
    const struct listed *a = one, *b = other;
    double first = created(a->model), second = created(b->model);
    if (first != second)
        return first > second ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Newest first; those of the same age as the server has them. Takes the array. */
static jv sorted(jv models) {
    size_t count = (size_t)jv_array_length(jv_copy(models));
    struct listed *all = must_alloc((count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct listed){jv_array_get(jv_copy(models), (int)i), i};
    jv_free(models);
    qsort(all, count, sizeof *all, compare_age);
    models = jv_array();
    for (size_t i = 0; i < count; i++)
        models = jv_array_append(models, all[i].model);
    free(all);
    return models;
}

/* The list, unsorted; in *listed how many the server has, good or not. */
static bool read_list(struct http *http, const struct chat_settings *settings, jv *models,
                      int *listed, struct error *error) {
    double most =
        settings->max_time > 0 ? fmin(settings->max_time, MODEL_LIST_TIME) : MODEL_LIST_TIME;
    struct reading reading = {.models = jv_array(), .end = clock_elapsed() + most};
    bool good = true;
    int pages = 0;
    do
        good = ask(http, settings, &reading, error);
    while (good && reading.after != NULL && ++pages < MODEL_LIST_PAGES &&
           reading.listed < MODEL_LIST_LIMIT);
    int kept = jv_array_length(jv_copy(reading.models));
    int beyond = reading.listed - reading.left_out - kept;
    if (good && reading.left_out > 0)
        report("models", "%d are left out: their names are too long, or cannot be shown",
               reading.left_out);
    if (good && (beyond > 0 || reading.after != NULL))
        report("models", "the server has more than are read, %d", kept);
    *listed = reading.after != NULL ? MODEL_LIST_LIMIT : reading.listed;
    *models = sorted(reading.models);
    free(reading.after);
    return good;
}

bool model_list_read(struct http *http, const struct chat_settings *settings, jv *models,
                     struct error *error) {
    int listed;
    return read_list(http, settings, models, &listed, error);
}

char *model_list_text(jv models, bool verbose) {
    struct text text = {0};
    text_add_string(&text, "");
    jv_array_foreach(models, i, model) {
        const char *owner = json_string(model, "owner");
        time_t seconds = (time_t)created(model);
        struct tm made;
        char day[20] = "-";
        if (seconds > 0 && gmtime_r(&seconds, &made) != NULL)
            strftime(day, sizeof day, "%Y-%m-%d", &made);
        char *line = verbose ? must_format("%s\t%s\t%s\n", json_string(model, "id"), day,
                                           owner != NULL ? owner : "-")
                             : must_format("%s\n", json_string(model, "id"));
        text_add_string(&text, line);
        free(line);
        jv_free(model);
    }
    return text.text;
}

/* Whether a name is of the family: '#' stands for a version, such as nothing, ".6", "-5" or
 * "-5-20261126". */
static bool is_of_family(const char *family, const char *name) {
    for (; *family != '\0'; family++) {
        if (*family != '#') {
            if (*family != *name++)
                return false;
            continue;
        }
        while (isdigit((unsigned char)*name) ||
               (*name != '\0' && strchr(".-", *name) != NULL && isdigit((unsigned char)name[1])))
            name++;
    }
    return *name == '\0';
}

/* The row of the model's family, -1 for none. Some servers have a path before the name. */
static int family_of(const char *const *families, jv model) {
    const char *id = json_string(model, "id"), *path = strrchr(id, '/');
    const char *name = path != NULL ? path + 1 : id;
    for (int i = 0; !json_has(model, "leaves") && families[i] != NULL; i++)
        if (is_of_family(families[i], name))
            return i;
    return -1;
}

/* Whether a model is to be preferred: it was made on a later day, or is of an earlier family, or
 * has the higher version in its name, or is the name without the day of another. */
static bool is_better(jv model, int family, jv other, int others_family) {
    double day = floor(created(model) / DAY), others_day = floor(created(other) / DAY);
    const char *id = json_string(model, "id"), *others_id = json_string(other, "id");
    size_t size = strlen(id), others_size = strlen(others_id);
    if (strncmp(others_id, id, size) == 0 && strncmp(others_id + size, "-20", 3) == 0)
        return true;
    if (strncmp(id, others_id, others_size) == 0 && strncmp(id + others_size, "-20", 3) == 0)
        return false;
    if (day != others_day)
        return day > others_day;
    return family != others_family ? family < others_family : strcmp(id, others_id) > 0;
}

/* The newest model of the families; the caller frees, NULL for none. */
static char *newest_of(const char *const *families, jv models) {
    jv best = jv_invalid();
    int best_family = -1;
    jv_array_foreach(models, i, model) {
        int family = families != NULL ? family_of(families, model) : -1;
        if (family >= 0 && (best_family < 0 || is_better(model, family, best, best_family))) {
            jv_free(best);
            best = jv_copy(model);
            best_family = family;
        }
        jv_free(model);
    }
    char *id = best_family >= 0 ? must_copy(json_string(best, "id")) : NULL;
    jv_free(best);
    return id;
}

/* Says what to set, and what could be set. */
static bool fail_to_choose(const struct chat_settings *settings, jv models, struct error *error) {
    int count = jv_array_length(jv_copy(models));
    struct text names = {0};
    for (int i = 0; i < count && i < NAMED; i++) {
        jv model = jv_array_get(jv_copy(models), i);
        text_add_string(&names, i == 0 ? "" : ", ");
        text_add_string(&names, json_string(model, "id"));
        jv_free(model);
    }
    if (count == 0 || settings->api->families == NULL)
        fail(error, STATUS_CONFIG, "no model: set %s, or --model", settings->api->model_name);
    else
        fail(error, STATUS_CONFIG,
             "no model: set %s, or --model, to one that the server lists (%s%s; llm-chat --models "
             "lists them all)",
             settings->api->model_name, names.text, count > NAMED ? " …" : "");
    free(names.text);
    return false;
}

static bool fail_to_list(const struct chat_settings *settings, struct error *error) {
    struct error why = *error;
    bool is_known = why.status == STATUS_UNAVAILABLE || why.status == STATUS_REFUSED;
    return fail(error, is_known ? why.status : STATUS_CONFIG,
                "no model is set (%s, or --model), and the server's list cannot be read: %.700s",
                settings->api->model_name, why.text);
}

bool model_list_choose(struct http *http, struct chat_settings *settings, jv document,
                       struct error *error) {
    int listed = 0;
    if (settings->model != NULL || settings->default_model != NULL ||
        json_string(document, "model") != NULL)
        return true;
    jv models = jv_array();
    bool may_choose = settings->api->families != NULL;
    if (may_choose) {
        jv_free(models);
        if (!read_list(http, settings, &models, &listed, error)) {
            jv_free(models);
            return fail_to_list(settings, error);
        }
    }
    bool only = listed == 1 && jv_array_length(jv_copy(models)) == 1;
    jv first = only ? jv_array_get(jv_copy(models), 0) : jv_invalid();
    char *name =
        only ? must_copy(json_string(first, "id")) : newest_of(settings->api->families, models);
    if (name == NULL)
        fail_to_choose(settings, models, error);
    else
        report("model", "%s, the %s that the server lists; -M or %s chooses", name,
               only ? "only one" : "newest", settings->api->model_name);
    settings->default_model = name != NULL ? settings_keep(name) : NULL;
    jv_free(first);
    jv_free(models);
    return name != NULL;
}
