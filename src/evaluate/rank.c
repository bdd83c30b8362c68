/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How alike two lists are. Plain loops over pairs: few features are ever judged, and
 * nothing need be allocated.
 *
 *   tau_b   = (concordant - discordant) / sqrt((pairs - ties_a) (pairs - ties_b))
 *   RBO_ext = (X_D / D) p^D + ((1 - p) / p) sum_{i=1..D} (X_i / i) p^i
 *
 * with X_i what the first i of both share.
 */
#include "evaluate/metrics.h"

#include <math.h>

void glim__pairs_add(glim_pairs *p, double weight, double x, double y) {
    p->n += weight;
    if (!(p->n > 0))
        return;
    double dx = x - p->x, dy = y - p->y;
    p->x += dx * weight / p->n;
    p->y += dy * weight / p->n;
    p->xx += weight * dx * (x - p->x);
    p->yy += weight * dy * (y - p->y);
    p->xy += weight * dx * (y - p->y);
}

bool glim__pairs_flat(double squares, double mean, double n) {
    return !(squares > 1e-24 * n * mean * mean) || !(squares > 0);
}

double glim__pairs_correlation(const glim_pairs *p) {
    if (glim__pairs_flat(p->xx, p->x, p->n) || glim__pairs_flat(p->yy, p->y, p->n))
        return NAN;
    return p->xy / sqrt(p->xx) / sqrt(p->yy);
}

static int compare(double a, double b, bool sizes) {
    a = sizes ? glim__size(a) : glim__score(a);
    b = sizes ? glim__size(b) : glim__score(b);
    return (a > b) - (a < b);
}

/* The place of x[i] from below, from 1 on; equal ones share the middle. */
static double rank_of(const double *x, size_t n, bool sizes, size_t i) {
    double below = 0, equal = 0;
    for (size_t k = 0; k < n; k++) {
        int than = compare(x[k], x[i], sizes);
        below += than < 0;
        equal += than == 0;
    }
    return below + (equal + 1) / 2;
}

double glim__spearman(const double *a, const double *b, size_t n, bool sizes) {
    glim_pairs p = {0};
    for (size_t i = 0; i < n; i++)
        glim__pairs_add(&p, 1, rank_of(a, n, sizes, i), rank_of(b, n, sizes, i));
    return n > 1 ? glim__pairs_correlation(&p) : NAN;
}

double glim__kendall_tau_b(const double *a, const double *b, size_t n, bool sizes) {
    double sum = 0, in_a = 0, in_b = 0; /* pairs that differ */
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            int x = compare(a[i], a[k], sizes), y = compare(b[i], b[k], sizes);
            sum += x * y;
            in_a += x != 0;
            in_b += y != 0;
        }
    return in_a > 0 && in_b > 0 ? sum / sqrt(in_a * in_b) : NAN;
}

static size_t shared(const size_t *a, const size_t *b, size_t k) {
    size_t both = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t m = 0; m < k; m++)
            both += a[i] == b[m];
    return both;
}

double glim__jaccard_at(const size_t *a, const size_t *b, size_t n, size_t k) {
    k = k < n ? k : n;
    double both = (double)shared(a, b, k);
    return k ? both / (2 * (double)k - both) : NAN;
}

double glim__rbo(const size_t *a, const size_t *b, size_t n, double p) {
    double sum = 0, power = 1, both = 0;
    for (size_t i = 0; i < n; i++) {
        both += a[i] == b[i];
        for (size_t k = 0; k < i; k++)
            both += (a[k] == b[i]) + (b[k] == a[i]);
        power *= p;
        sum += both / (double)(i + 1) * power;
    }
    return n ? both / (double)n * power + (1 - p) / p * sum : NAN;
}

/* The number that both share is hypergeometric: h of k out of n. */
double glim__jaccard_chance(size_t n, size_t k) {
    k = k < n ? k : n;
    double N = (double)n, K = (double)k, sum = 0;
    double all = lgamma(N + 1) - lgamma(K + 1) - lgamma(N - K + 1);
    for (size_t h = 2 * k > n ? 2 * k - n : 0; h <= k; h++) {
        double H = (double)h, rest = K - H;
        double ways = lgamma(K + 1) - lgamma(H + 1) - lgamma(rest + 1) + lgamma(N - K + 1) -
                      lgamma(rest + 1) - lgamma(N - K - rest + 1);
        sum += exp(ways - all) * H / (2 * K - H);
    }
    return k ? sum : NAN;
}

/* X_i is i^2 / n in the mean. */
double glim__rbo_chance(size_t n, double p) {
    double sum = 0, power = 1;
    for (size_t i = 1; i <= n; i++) {
        power *= p;
        sum += (double)i / (double)n * power;
    }
    return n ? power + (1 - p) / p * sum : NAN;
}
