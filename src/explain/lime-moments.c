/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weighted moments of LIME's samples. With sqrt(weight) times (features, target, 1) as
 * rows, one product of the samples with themselves holds every sum there is: of weights,
 * of features and target, and of their products. It is made of tiles of doubles, a block
 * of samples at a time, its lower half only; samples that do not count are left out. The
 * target is taken from that of sample 0 on, so that a constant one has no variance at all.
 */
#include "explain/lime.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 128, PANEL = 48, LANES = 16 };

static size_t stride(size_t k) {
    return (k + 2 + LANES - 1) / LANES * LANES;
}

size_t glim__moments_size(size_t d) {
    return (d + 2) * stride(d);
}

size_t glim__moments_scratch(size_t d) {
    return BLOCK * stride(d);
}

/* row = sqrt(u) (features, target, 1) of sample s. */
static void weigh(const glim_lime_data *a, size_t s, double u, const size_t *columns, size_t k,
                  double *row) {
    double root = sqrt(u);
    const uint8_t *z = a->z ? a->z + s * a->d : NULL;
    if (columns)
        for (size_t j = 0; j < k; j++)
            row[j] = root * glim__lime_at(a, s, columns[j]);
    else if (a->z)
        for (size_t j = 0; j < k; j++)
            row[j] = root * z[j];
    else
        for (size_t j = 0; j < k; j++)
            row[j] = root * a->x[s * a->d + j];
    row[k] = root * (a->y[s * a->step] - a->y[0]);
    row[k + 1] = root;
}

void glim__moments_sum(double *sums, const glim_lime_data *a, const double *weight, size_t first,
                       size_t end, const size_t *columns, size_t k, double *scratch) {
    size_t ld = stride(k), all = k + 2;
    memset(sums, 0, all * ld * sizeof *sums);
    for (size_t s = first; s < end;) {
        size_t m = 0;
        for (; s < end && m < BLOCK; s++)
            if (weight[s] > 0)
                weigh(a, s, weight[s], columns, k, scratch + m++ * ld);
        for (size_t i = 0; i < all && m; i += PANEL) { /* the lower half is enough */
            size_t rows = all - i < PANEL ? all - i : PANEL;
            glim__kernels(a->ctx)->tile_f64((int)rows, (int)(i + rows), m, scratch + i, 1,
                                            (ptrdiff_t)ld, scratch, (ptrdiff_t)ld, sums + i * ld,
                                            (ptrdiff_t)ld, true);
        }
    }
}

void glim__moments_centre(glim_moments *m, const glim_lime_data *data, size_t k) {
    size_t ld = stride(k);
    double *y = m->gram + k * ld, *one = y + ld;
    m->d = k;
    m->ld = ld;
    m->cross = y;
    m->mean = one;
    m->weight = one[k + 1];
    double mean_y = one[k] / m->weight; /* from the first target on */
    m->mean_y = data->y[0] + mean_y;
    m->var_y = y[k] - m->weight * mean_y * mean_y;
    for (size_t i = 0; i < k; i++)
        m->mean[i] /= m->weight;
    for (size_t i = 0; i < k; i++) {
        m->cross[i] -= m->weight * m->mean[i] * mean_y;
        for (size_t j = 0; j <= i; j++)
            m->gram[j * ld + i] = m->gram[i * ld + j] -= m->weight * m->mean[i] * m->mean[j];
    }
}

void glim__moments(glim_moments *m, const glim_lime_data *data, const double *weight,
                   const size_t *columns, size_t k, double *scratch) {
    glim__moments_sum(m->gram, data, weight, 0, data->n, columns, k, scratch);
    glim__moments_centre(m, data, k);
}

void glim__moments_about(double *out, const glim_lime_data *data, const double *weight,
                         const size_t *columns, size_t k, const double *mean, glim_moments *room,
                         double *scratch) {
    size_t ld = stride(k);
    const double *sums = room->gram, *one = sums + (k + 1) * ld;
    glim__moments_sum(room->gram, data, weight, 0, data->n, columns, k, scratch);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * k + j] = out[j * k + i] = sums[i * ld + j] - mean[i] * one[j] -
                                              mean[j] * one[i] + one[k + 1] * mean[i] * mean[j];
}
