/* Plots as inline SVG. Their colours are variables of the page's style. */
#ifndef CIBA_REPORT_PLOT_H
#define CIBA_REPORT_PLOT_H

#include "base/text.h"
#include "report/totals.h"

enum { PLOT_DAYS = 92 /* the newest days that are drawn */ };

/* A bar for each day, in parts by outcome, with a legend. */
void plot_days(struct text *to, const struct groups *days);

/* How often an answer took how long. */
void plot_times(struct text *to, const struct times *times);

#endif
