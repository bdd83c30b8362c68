/* SPDX-License-Identifier: Apache-2.0 */
#include "influence/gather.h"

#include <string.h>

enum { ROWS_MOST = 1024 }; /* rows together; one sample may have more */

size_t glim__gather_ld(size_t n) {
    size_t ld = (n + 15) / 16 * 16;
    return ld / 16 % 2 ? ld : ld + 16;
}

size_t glim__weight_reads(const glim_weight *w) {
    return w->cols + w->bias;
}

static glim_status room(glim_context *ctx, float **p, size_t *have, size_t need, glim_error *err) {
    if (need <= *have)
        return GLIM_OK;
    glim__free(ctx, *p);
    *have = 0;
    *p = glim__calloc(ctx, need, sizeof **p);
    if (!*p)
        return glim__oom(ctx, err, "rows of gradients", need * sizeof **p);
    *have = need;
    return GLIM_OK;
}

/* Nothing is gathered: room for the first sample, or for as many as come together. */
static glim_status begin(glim_gather *s, size_t weight, size_t rows, glim_error *err) {
    const glim_weight *w = &s->weights[weight];
    size_t most = rows > ROWS_MOST ? rows : ROWS_MOST;
    s->now = (glim_gathered){.weight = weight, .F = w->rows, .C = glim__weight_reads(w)};
    s->now.ldg = glim__gather_ld(s->now.F);
    s->now.lda = glim__gather_ld(s->now.C);
    glim_status status = room(s->ctx, &s->g, &s->room_g, most * s->now.ldg + 16, err);
    if (!status)
        status = room(s->ctx, &s->a, &s->room_a, most * s->now.lda + 16, err);
    s->now.g = s->g;
    s->now.a = s->a;
    return status;
}

static void copy(glim_gather *s, size_t rows, const float *g, const float *a) {
    const glim_weight *w = &s->weights[s->now.weight];
    size_t at = s->now.start[s->now.count];
    for (size_t t = 0; t < rows; t++) {
        memcpy(s->g + (at + t) * s->now.ldg, g + t * w->rows, w->rows * sizeof *g);
        float *to = s->a + (at + t) * s->now.lda;
        memcpy(to, a + t * w->cols, w->cols * sizeof *a);
        if (w->bias)
            to[w->cols] = 1;
    }
}

/* A sample without an answer is walked or not, by what else is in its batch. */
static bool no_gradient(const float *g, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (g[i] != 0)
            return false;
    return true;
}

glim_status glim__gather_add(void *gather, size_t sample, size_t weight, size_t rows,
                             const float *g, const float *a, glim_error *err) {
    glim_gather *s = gather;
    glim_status status = GLIM_OK;
    if (no_gradient(g, rows * s->weights[weight].rows))
        return GLIM_OK;
    if (s->now.count && (weight != s->now.weight || s->now.count == GLIM_GATHER_MOST ||
                         s->now.start[s->now.count] + rows > ROWS_MOST))
        status = glim__gather_flush(s, err);
    if (!status && !s->now.count)
        status = begin(s, weight, rows, err);
    if (status)
        return status;
    copy(s, rows, g, a);
    s->now.sample[s->now.count++] = sample;
    s->now.start[s->now.count] = s->now.start[s->now.count - 1] + rows;
    return GLIM_OK;
}

glim_status glim__gather_flush(glim_gather *s, glim_error *err) {
    glim_status status = s->now.count ? s->take(s->data, &s->now, err) : GLIM_OK;
    s->now.count = 0;
    return status;
}

void glim__gather_release(glim_gather *s) {
    glim__free(s->ctx, s->g);
    glim__free(s->ctx, s->a);
    s->g = s->a = NULL;
    s->room_g = s->room_a = 0;
}
