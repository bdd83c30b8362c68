/* SPDX-License-Identifier: Apache-2.0 */
/* normal.h: the standard normal distribution. */
#ifndef GLIM_BASE_NORMAL_H
#define GLIM_BASE_NORMAL_H

/* P(X <= x). */
double glim__normal_share(double x);
/* The x below which a share p lies, to 16 digits; -INFINITY and INFINITY for 0 and 1. */
double glim__normal_quantile(double p);

/* Quantiles for many draws: exact to 1e-8, in a third of the time. */
enum { GLIM_NORMAL_STEPS = 1024 };
typedef struct glim_normal {
    double at[GLIM_NORMAL_STEPS + 1], slope[GLIM_NORMAL_STEPS + 1];
} glim_normal;
void glim__normal_fill(glim_normal *table);

/* Hermite's cubic between two points; at both ends the quantile is no cubic. */
static inline double glim__normal_draw(const glim_normal *table, double p) {
    enum { STEEP = 32 };
    double at = p * GLIM_NORMAL_STEPS;
    if (!(at >= STEEP && at < GLIM_NORMAL_STEPS - STEEP))
        return glim__normal_quantile(p);
    int i = (int)at;
    double f = at - i, a = table->at[i], step = table->at[i + 1] - a;
    double u = table->slope[i] - step, v = step - table->slope[i + 1];
    return a + f * (step + (1 - f) * (u * (1 - f) + v * f));
}

#endif
