/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of queries, and their vectors V = H^-1 grad f by the Cholesky factor. */
#include "influence/head-query.h"
#include "base/solve.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { STRIP = 32 };

/* ---- targets ---- */

static glim_status find_class(const glim_head *h, const char *name, size_t *out, glim_error *err) {
    for (size_t k = 0; k < h->K; k++)
        if (!strcmp(name, h->linear->info.classes[k])) {
            *out = k;
            return GLIM_OK;
        }
    return glim_fail(
        err, GLIM_EUSAGE,
        h->K ? "there is no class '%.60s'" : "'%.60s': a model of numbers has no classes", name);
}

static glim_status number_target(const char *output, double z, double y, double *a, double *value,
                                 glim_error *err) {
    bool logit = !strcmp(output, "logit") || isnan(y), loss = !strcmp(output, "loss");
    if (!logit && !loss && strcmp(output, "logprob") != 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "output '%.20s' is not one of logprob, loss, logit of a number", output);
    double sign = loss ? 1 : -1;
    *a = logit ? 1 : sign * (z - y);
    *value = logit ? z : sign * (z - y) * (z - y) / 2;
    return GLIM_OK;
}

/* Logits of a class, or of two against each other; of two classes the log odds. */
static void logit_target(const glim_head *h, const double *z, size_t of, size_t against, double *a,
                         double *value) {
    memset(a, 0, h->O * sizeof *a);
    if (h->O == 1) {
        a[0] = of ? 1 : -1;
    } else {
        a[of] += 1;
        if (against != SIZE_MAX)
            a[against] -= 1;
    }
    *value = 0;
    for (size_t k = 0; k < h->O; k++)
        *value += a[k] * z[k];
}

glim_status glim__head_target(const glim_head *h, const glim_influence_target *t, const double *z,
                              double y, double *a, double *value, size_t *of, glim_error *err) {
    const char *output = t->output ? t->output : "logprob";
    size_t against = SIZE_MAX, O = h->O;
    glim_status status = GLIM_OK;
    *of = 0;
    if (h->logistic)
        *of = isnan(y) ? glim__head_class(h, z) : (size_t)y;
    if (t->class_name)
        status = find_class(h, t->class_name, of, err);
    if (!status && t->against)
        status = find_class(h, t->against, &against, err);
    if (status)
        return status;
    if (!h->logistic)
        return number_target(output, z[0], y, a, value, err);
    if (against == *of)
        return glim_fail(err, GLIM_EUSAGE, "class '%.60s' is set against itself", t->against);
    bool loss = !strcmp(output, "loss"), prob = !strcmp(output, "prob");
    if (t->against || !strcmp(output, "logit")) {
        logit_target(h, z, *of, against, a, value);
        return GLIM_OK;
    }
    if (!loss && !prob && strcmp(output, "logprob") != 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "output '%.20s' is not one of logprob, prob, loss, logit", output);
    double log_prob = glim__head_log_prob(h, z, *of);
    double by = loss ? -1 : prob ? exp(log_prob) : 1;
    *value = loss ? -log_prob : prob ? exp(log_prob) : log_prob;
    for (size_t k = 0; k < O; k++) {
        double p = exp(glim__head_log_prob(h, z, O == 1 ? 1 : k));
        a[k] = by * ((double)(O == 1 ? *of == 1 : *of == k) - p);
    }
    return GLIM_OK;
}

/* ---- queries ---- */

struct reading {
    glim_head_queries *q;
    glim_head_block b;
    const glim_influence_target *t;
};

static glim_status take_queries(void *data, size_t first, size_t count, double *x, double *y,
                                glim_error *err) {
    struct reading *r = data;
    glim_head_queries *q = r->q;
    const glim_head *h = q->h;
    glim__head_look(h, &r->b, count, x, y);
    for (size_t i = 0; i < count; i++) {
        double *a = q->a + (first + i) * h->O, value, mean = 0;
        size_t of;
        glim_status status =
            glim__head_target(h, r->t, r->b.z + i * h->lo, y[i], a, &value, &of, err);
        if (status)
            return status;
        for (size_t k = 0; k < h->O && h->O > 1; k++)
            mean += a[k] / (double)h->O;
        for (size_t k = 0; k < h->O; k++)
            a[k] -= mean;
        memcpy(q->x + (first + i) * h->ld, r->b.x + i * h->ld, h->ld * sizeof(double));
        for (size_t j = 0; j < h->p; j++)
            q->beside[j * q->ldn + first + i] = r->b.x[i * h->ld + j];
    }
    return GLIM_OK;
}

glim_status glim__head_queries_init(glim_head_queries *q, glim_head *h,
                                    const glim_features *queries, const glim_influence_target *t,
                                    glim_error *err) {
    struct reading r = {.q = q, .t = t};
    size_t n = queries->n;
    *q = (glim_head_queries){.h = h,
                             .n = n,
                             .ldq = glim__head_whole(n * h->O),
                             .ldn = glim__head_whole(n),
                             .residual = NAN};
    if (queries->width != h->P)
        return glim_fail(err, GLIM_EUSAGE, "the queries have %zu features, the model reads %zu",
                         queries->width, h->P);
    q->x = glim__calloc(h->ctx, n, h->ld * sizeof *q->x);
    q->a = glim__calloc(h->ctx, n + 1, h->O * sizeof *q->a);
    q->turned = glim__calloc(h->ctx, h->p * q->ldq + GLIM_HEAD_VECTOR, sizeof *q->turned);
    q->beside = glim__calloc(h->ctx, h->p * q->ldn + GLIM_HEAD_VECTOR, sizeof *q->beside);
    if (!q->x || !q->a || !q->turned || !q->beside)
        return glim__oom(h->ctx, err, "the queries", n * (h->ld + h->p) * 8);
    glim_status status = glim__head_block_init(&r.b, h, err);
    glim__head_turn(h, h->w);
    if (!status)
        status = glim__features_each(h->ctx, queries, take_queries, &r, err);
    glim__head_block_release(&r.b, h);
    return status;
}

void glim__head_queries_release(glim_head_queries *q) {
    if (!q->h)
        return;
    glim__free(q->h->ctx, q->x);
    glim__free(q->h->ctx, q->a);
    glim__free(q->h->ctx, q->turned);
    glim__free(q->h->ctx, q->beside);
    *q = (glim_head_queries){0};
}

static void solve_one(void *data, size_t i, int worker) {
    glim_head_queries *q = data;
    const glim_head *h = q->h;
    double *v = glim__scratch(h->ctx, worker);
    for (size_t k = 0; k < h->O; k++)
        for (size_t j = 0; j < h->p; j++)
            v[k * h->p + j] = q->a[i * h->O + k] * q->x[i * h->ld + j];
    glim__cholesky_solve(h->factor, h->dim, v);
    for (size_t k = 0; k < h->O; k++)
        for (size_t j = 0; j < h->p; j++)
            q->turned[j * q->ldq + i * h->O + k] = v[k * h->p + j];
}

glim_status glim__head_queries_solve(glim_head_queries *q, glim_error *err) {
    glim_status status = glim__scratch_reserve(q->h->ctx, q->h->dim * sizeof(double), err);
    if (!status)
        glim__parallel(q->h->ctx, q->n, solve_one, q);
    return status;
}

/* ---- products ---- */

struct applying {
    const glim_head_queries *q;
    const glim_head_block *b;
    const double *turned; /* (p, ld) */
    double *t;
    size_t n, ld;
};

static void apply_strip(void *data, size_t item, int worker) {
    const struct applying *a = data;
    const glim_head *h = a->q->h;
    size_t from = item * STRIP;
    size_t rows = a->b->count - from < STRIP ? a->b->count - from : STRIP;
    glim__kernels(h->ctx)->tile_f64((int)rows, (int)a->n, h->p, a->b->x + from * h->ld,
                                    (ptrdiff_t)h->ld, 1, a->turned, (ptrdiff_t)a->ld,
                                    a->t + from * a->ld, (ptrdiff_t)a->ld, false);
}

void glim__head_queries_apply(const glim_head_queries *q, const glim_head_block *b,
                              const double *turned, double *t) {
    struct applying a = {q, b, turned, t, q->n * q->h->O, q->ldq};
    glim__parallel(q->h->ctx, (b->count + STRIP - 1) / STRIP, apply_strip, &a);
}

void glim__head_queries_beside(const glim_head_queries *q, const glim_head_block *b, double *c) {
    struct applying a = {q, b, q->beside, c, q->n, q->ldn};
    glim__parallel(q->h->ctx, (b->count + STRIP - 1) / STRIP, apply_strip, &a);
}

uint64_t glim__head_queries_bytes(const glim_linear *l, size_t n, bool steps) {
    uint64_t O = l->info.outputs, p = l->info.width + 1, ldq = glim__head_whole(n * O),
             ld = glim__head_whole(p);
    uint64_t each = n * (ld + O) + p * (ldq + glim__head_whole(n)) + 2 * GLIM_HEAD_VECTOR;
    uint64_t more = steps ? 3 * p * ldq + GLIM_FEATURES_BLOCK * ldq : 0;
    return 8 * (each + more) + 4096;
}
