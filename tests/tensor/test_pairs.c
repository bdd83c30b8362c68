/* SPDX-License-Identifier: Apache-2.0 */
/* Points that push and pull, of every kernel set against doubles. */
#include "tensor-testing.h"

enum { MOST = 300 };

static void near(double got, double expected, double scale, const char *what) {
    if (!(fabs(got - expected) <= 3e-6 * scale + 1e-12))
        fail_msg("%s: %.9g, expected %.9g", what, got, expected);
}

static void sums_over_points_are_those_of_doubles(void **state) {
    float *x = random_floats(MOST, 1), *y = random_floats(MOST, 2), *p = random_floats(MOST, 3);
    uint32_t to[MOST];
    uint64_t seed = 4;
    for (size_t i = 0; i < MOST; i++) {
        x[i] *= 9;
        y[i] *= 9;
        to[i] = random_bits(&seed) % MOST;
    }
    FOR_EACH_SET(k) {
        for (size_t n = 1; n <= MOST; n += n < 40 ? 1 : 37) {
            double all[3] = {0}, some[2] = {0}, size[2] = {0};
            float got[3];
            for (size_t i = 0; i < n; i++) {
                double dx = 0.5 - x[i], dy = -2 - y[i], w = 1 / (1 + dx * dx + dy * dy);
                all[0] += w;
                all[1] += w * w * dx;
                all[2] += w * w * dy;
                dx = 0.5 - x[to[i]];
                dy = -2 - y[to[i]];
                w = 1 / (1 + dx * dx + dy * dy);
                some[0] += p[i] * w * dx;
                some[1] += p[i] * w * dy;
                size[0] += fabs(p[i] * w * dx);
                size[1] += fabs(p[i] * w * dy);
            }
            k->repel(x, y, n, 0.5F, -2, got);
            for (int c = 0; c < 3; c++)
                near(got[c], all[c], all[0], "repel");
            k->attract(x, y, to, p, n, 0.5F, -2, got);
            for (int c = 0; c < 2; c++)
                near(got[c], some[c], size[c], "attract");
        }
    }
    free(x);
    free(y);
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_over_points_are_those_of_doubles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
