/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of samples. A session norms the rows whose outputs are wanted, and here all rows
 * count, so the final norm is made again. Sums are in double, in the order of rows.
 */
#include "influence/vectors.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct run {
    glim_vectors *v;
    const glim_model *half; /* whose rows: the model, or its encoder */
    double *sum;
    float *vector;
};

void glim__vectors_init(glim_vectors *v, const glim_model *model, glim_samples *samples) {
    *v = (glim_vectors){.model = model, .samples = samples, .width = (size_t)model->hyper.C};
}

/* Adds a row behind the final norm, which classifiers and cut models have not. */
static void add_row(const glim_model *m, const float *x, double *sum) {
    size_t C = (size_t)m->hyper.C;
    double mean = 0, square = 0;
    bool normed = m->final_norm && m->task != GLIM_TASK_CLASSIFY;
    for (size_t c = 0; c < C && normed && m->hyper.layer_norm; c++)
        mean += x[c] / (double)C;
    for (size_t c = 0; c < C && normed; c++)
        square += (x[c] - mean) * (x[c] - mean) / (double)C;
    double by = normed ? 1 / sqrt(square + (double)m->hyper.eps) : 1;
    for (size_t c = 0; c < C; c++) {
        double y = (x[c] - mean) * by;
        sum[c] +=
            normed ? y * m->final_norm[c] + (m->final_norm_bias ? m->final_norm_bias[c] : 0) : y;
    }
}

static glim_status see(void *data, size_t sample, const glim_site *site, glim_error *err) {
    struct run *r = data;
    size_t rows = site->dims[0], C = (size_t)r->half->hyper.C, from = 0, to = rows;
    if (r->v->model->pool == GLIM_POOL_LAST)
        from = rows - 1;
    else if (r->v->model->pool == GLIM_POOL_FIRST)
        to = 1;
    memset(r->sum, 0, C * sizeof *r->sum);
    for (size_t t = from; t < to; t++)
        add_row(r->half, site->data + t * C, r->sum);
    for (size_t c = 0; c < C; c++)
        r->vector[c] = (float)(r->sum[c] / (double)(to - from));
    return r->v->take(r->v->data, sample, r->vector, err);
}

static glim_status count_cut(void *data, const glim_pass_sample *s, glim_error *err) {
    struct run *r = data;
    r->v->cut += s->example->cut;
    return GLIM_OK;
}

static glim_status done(void *data, size_t first, size_t count, const double *loss,
                        glim_error *err) {
    const struct run *r = data;
    return r->v->batch ? r->v->batch(r->v->data, first, count, loss, err) : GLIM_OK;
}

/* The end of the last block, behind the norm that an encoder's block has there. */
static void name_site(const glim_model *half, char out[80]) {
    const glim_model *named = half->base ? half->base : half;
    const char *const ends[] = {"hook_normalized_resid_post", "hook_resid_post"};
    size_t n;
    const char *const *sites = glim_model_sites(named, &n);
    for (size_t e = half->bare; e < 2; e++) {
        snprintf(out, 80, "%sblocks.%d.%s", half->site_prefix, half->hyper.L - 1, ends[e]);
        for (size_t i = 0; i < n; i++)
            if (!strcmp(sites[i], out))
                return;
    }
}

glim_status glim__vectors_run(glim_vectors *v, size_t first, size_t count, glim_error *err) {
    glim_context *ctx = v->model->ctx;
    char site[80];
    struct run r = {.v = v, .half = v->model->encoder ? v->model->encoder : v->model};
    r.sum = glim__calloc(ctx, v->width, sizeof *r.sum);
    r.vector = glim__calloc(ctx, v->width, sizeof *r.vector);
    name_site(r.half, site);
    glim_pass_visitor visitor = {.value = see, .forward = count_cut, .batch = done, .data = &r};
    glim_status status = r.sum && r.vector
                             ? glim__pass(v->model, v->samples, first, count,
                                          &(glim_pass_options){.site = site}, &visitor, err)
                             : glim__oom(ctx, err, "a vector", v->width * sizeof *r.sum);
    glim__free(ctx, r.sum);
    glim__free(ctx, r.vector);
    return status;
}

double glim__vector_dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t c = 0; c < n; c++)
        sum += (double)a[c] * b[c];
    return sum;
}

bool glim__vector_unit(float *v, size_t n) {
    double length = sqrt(glim__vector_dot(v, v, n));
    for (size_t c = 0; c < n; c++)
        v[c] = length > 0 ? (float)(v[c] / length) : 0;
    return length > 0;
}
