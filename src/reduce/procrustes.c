/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The best turn of one map onto another. With both centred and of length one, A'B = U S V' is a
 * matrix of two by two; the turn is V U' (mirrored where that is better), the scale the sum of
 * singular values, and 1 - (s1 + s2)^2 what is left.
 *
 * As complex numbers, sum conj(b) a is what turning reaches, sum b a what turning the mirror
 * image reaches: the larger wins, and s1 + s2 is its length.
 */
#include <glim/map.h>

#include <math.h>

typedef struct moments {
    double x, y, length;
} moments;

static moments measure(const float *xy, size_t n) {
    moments m = {0};
    for (size_t i = 0; i < n; i++) {
        m.x += xy[2 * i] / (double)n;
        m.y += xy[2 * i + 1] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        m.length += pow(xy[2 * i] - m.x, 2) + pow(xy[2 * i + 1] - m.y, 2);
    m.length = sqrt(m.length);
    return m;
}

void glim_procrustes(double *disparity, float *fitted, const float *a, const float *b, size_t n) {
    moments p = measure(a, n), q = measure(b, n);
    double turn[2] = {0}, mirror[2] = {0}, norm = p.length * q.length;
    for (size_t i = 0; i < n; i++) {
        double ax = a[2 * i] - p.x, ay = a[2 * i + 1] - p.y;
        double bx = b[2 * i] - q.x, by = b[2 * i + 1] - q.y;
        turn[0] += ax * bx + ay * by;
        turn[1] += ay * bx - ax * by;
        mirror[0] += ax * bx - ay * by;
        mirror[1] += ay * bx + ax * by;
    }
    bool mirrored = hypot(mirror[0], mirror[1]) > hypot(turn[0], turn[1]);
    const double *best = mirrored ? mirror : turn;
    double sum = norm > 0 ? hypot(best[0], best[1]) / norm : 0;
    if (disparity)
        *disparity = fmax(0, 1 - sum * sum);
    for (size_t i = 0; fitted && i < n; i++) {
        double bx = b[2 * i] - q.x, by = (mirrored ? -1 : 1) * (b[2 * i + 1] - q.y);
        double scale = q.length > 0 ? 1 / (q.length * q.length) : 0;
        fitted[2 * i] = (float)(p.x + scale * (best[0] * bx - best[1] * by));
        fitted[2 * i + 1] = (float)(p.y + scale * (best[1] * bx + best[0] * by));
    }
}
