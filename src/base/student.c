/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tail of Student's t is half an incomplete beta function, by its continued fraction
 * (Abramowitz, Stegun 26.5.8) in Lentz's way; its inverse by bisection, which is slow and
 * safe, and asked for once a run.
 */
#include "base/student.h"

#include <math.h>

static double away(double x) {
    return fabs(x) < 1e-300 ? 1e-300 : x;
}

static double fraction(double a, double b, double x) {
    enum { MOST = 10000 };
    double c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), h = d;
    for (int m = 1; m <= MOST; m++) {
        double k = m, even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
        double odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
        d = 1 / away(1 + even * d);
        c = away(1 + even / c);
        h *= d * c;
        d = 1 / away(1 + odd * d);
        c = away(1 + odd / c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15)
            break;
    }
    return h;
}

/* The regularised incomplete beta function. */
static double beta_share(double a, double b, double x, double rest) {
    if (x <= 0)
        return 0;
    if (rest <= 0)
        return 1;
    double scale = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(rest));
    if (x < (a + 1) / (a + b + 2))
        return scale * fraction(a, b, x) / a;
    return 1 - scale * fraction(b, a, rest) / b;
}

double glim__student_tail(double t, double df) {
    if (!(df > 0) || isnan(t))
        return NAN;
    double x = df / (df + t * t), half = beta_share(df / 2, 0.5, x, t * t / (df + t * t)) / 2;
    return t > 0 ? half : 1 - half;
}

double glim__student_quantile(double p, double df) {
    double low = 0, high = 1;
    if (!(df > 0) || !(p > 0))
        return p == 0 && df > 0 ? INFINITY : NAN;
    while (glim__student_tail(high, df) > p && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200; i++) {
        double middle = low + (high - low) / 2;
        if (!(middle > low && middle < high))
            break;
        *(glim__student_tail(middle, df) > p ? &low : &high) = middle;
    }
    return high;
}
