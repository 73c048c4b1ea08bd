#include "report/plot.h"

#include "report/columns.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 220, LEFT = 44, BOTTOM = 28, TOP = 10, RIGHT = 8, LINES = 4 };

/* The bar's parts, from below, and the classes that colour them. */
static const struct {
    const char *word, *class;
    unsigned outcomes; /* a bit for each */
} parts[] = {
    {"approved", "yes", 1U << OUTCOME_APPROVED},
    {"reused or leased", "again", 1U << OUTCOME_REUSED | 1U << OUTCOME_LEASED},
    {"denied", "no", 1U << OUTCOME_DENIED},
    {"expired", "late", 1U << OUTCOME_EXPIRED},
    {"other", "other",
     1U << OUTCOME_FAILED | 1U << OUTCOME_PENDING | 1U << OUTCOME_NOT_ASKED | 1U << OUTCOME_NONE},
};
enum { PARTS = sizeof parts / sizeof *parts };

static unsigned long part_of(const struct group *group, size_t part) {
    unsigned long count = 0;
    for (int i = 0; i < OUTCOMES; i++)
        if ((parts[part].outcomes >> i & 1U) != 0)
            count += group->outcomes[i];
    return count;
}

/* The least of 1, 2, 5, 10, 20, … by which `LINES` lines reach the largest value. */
static double step_for(double most) {
    double step = 1;
    for (int i = 0; step * LINES < most; i++)
        step *= i % 3 == 1 ? 2.5 : 2;
    return step;
}

static double height_of(double value, double step) {
    return value / (step * LINES) * (HEIGHT - TOP - BOTTOM);
}

/* Begins a plot whose lines are `step` apart. */
static void begin(struct text *to, const char *label, double step) {
    text_add_format(
        to, "<div class=\"wide\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
        WIDTH, HEIGHT, label);
    for (int i = 0; i <= LINES; i++) {
        double y = HEIGHT - BOTTOM - height_of(i * step, step);
        text_add_format(to,
                        "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n",
                        LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, i * step);
    }
}

/* A bar, which begins at the height of `from`; its title is the text that is added next, up to
 * end_bar. */
static void begin_bar(struct text *to, const char *class, double x, double width, double from,
                      double value, double step) {
    double height = height_of(value, step);
    text_add_format(
        to, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
        class, x, HEIGHT - BOTTOM - height_of(from, step) - height, width, height);
}

static void end_bar(struct text *to) {
    text_add_string(to, "</title></rect>\n");
}

static void add_label(struct text *to, double x, const char *label) {
    text_add_format(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x,
                    HEIGHT - BOTTOM + 17, label);
}

static void add_legend(struct text *to, const struct group *days, size_t count) {
    text_add_string(to, "<p class=\"legend\">");
    for (size_t part = 0; part < PARTS; part++) {
        unsigned long all = 0;
        for (size_t i = 0; i < count; i++)
            all += part_of(&days[i], part);
        if (all > 0)
            text_add_format(to, "<span><i class=\"%s\"></i>%s (%lu)</span> ", parts[part].class,
                            parts[part].word, all);
    }
    text_add_string(to, "</p>\n");
}

static void add_day(struct text *to, const struct group *day, double x, double width, double step) {
    double from = 0;
    for (size_t part = 0; part < PARTS; part++) {
        unsigned long count = part_of(day, part);
        if (count == 0)
            continue;
        begin_bar(to, parts[part].class, x, width, from, (double)count, step);
        add_html(to, day->name);
        text_add_format(to, ": %lu %s", count, parts[part].word);
        end_bar(to);
        from += (double)count;
    }
}

void plot_days(struct text *to, const struct groups *all) {
    size_t left_out = all->count > PLOT_DAYS ? all->count - PLOT_DAYS : 0;
    size_t count = all->count - left_out;
    const struct group *days = all->groups + left_out;
    double most = 1, each = (double)(WIDTH - LEFT - RIGHT) / (double)(count > 7 ? count : 7);
    for (size_t i = 0; i < count; i++)
        most = fmax(most, (double)days[i].calls);
    double step = step_for(most);
    size_t labelled = (count + 9) / 10;
    begin(to, "Calls by day and outcome", step);
    for (size_t i = 0; i < count; i++) {
        double x = LEFT + (double)i * each;
        add_day(to, &days[i], x + each * 0.1, each * 0.8, step);
        if (i % labelled == 0)
            add_label(to, x + each / 2,
                      days[i].name + (count > 1 && days[i].name[0] != '-' ? 5 : 0));
    }
    text_add_string(to, "</svg></div>\n");
    add_legend(to, days, count);
    if (left_out > 0)
        text_add_format(to, "<p>The newest %d of %zu days with calls.</p>\n", PLOT_DAYS,
                        all->count);
}

/* The bars' ends, in seconds, and what stands under them. */
static const struct {
    double end;
    const char *label;
} bars[] = {{2, "2 s"},    {5, "5 s"},     {10, "10 s"},    {20, "20 s"},    {30, "30 s"},
            {60, "1 min"}, {120, "2 min"}, {300, "5 min"},  {600, "10 min"}, {1800, "30 min"},
            {3600, "1 h"}, {14400, "4 h"}, {43200, "12 h"}, {86400, "1 d"},  {INFINITY, "more"}};
enum { BARS = sizeof bars / sizeof *bars };

void plot_times(struct text *to, const struct times *times) {
    unsigned long counts[BARS] = {0};
    double most = 1, each = (double)(WIDTH - LEFT - RIGHT) / BARS;
    for (size_t place = 0; place < times->room; place++) {
        size_t bar = 0;
        while (times_of_place(place) >= bars[bar].end)
            bar++;
        counts[bar] += times->counts[place];
    }
    for (size_t i = 0; i < BARS; i++)
        most = fmax(most, (double)counts[i]);
    double step = step_for(most);
    begin(to, "How long answers took", step);
    for (size_t i = 0; i < BARS; i++) {
        double x = LEFT + (double)i * each;
        begin_bar(to, "time", x + each * 0.1, each * 0.8, 0, (double)counts[i], step);
        text_add_format(to, "%s %s: %lu", i + 1 < BARS ? "less than" : "1 d or", bars[i].label,
                        counts[i]);
        end_bar(to);
        add_label(to, x + each / 2, bars[i].label);
    }
    text_add_string(
        to, "</svg></div>\n<p class=\"legend\">Answers by the time that they took: each bar "
            "is what took less than it says, and no less than the one before.</p>\n");
}
