/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ascent of embeddings (Wen et al. 2023): vectors are moved, tokens are read. At each step
 * every vector is taken for the token whose embedding has the largest cosine with it, the
 * gradient is that at the tokens, and the vectors move along it. The best tokens whose text
 * comes back are kept. A step is as long in all texts: a share of a mean embedding's length.
 */
#include "structure/token-search.h"

#include <math.h>
#include <string.h>

static const double RATE = 0.3; /* of the length of a mean embedding, for each token */
enum { ROWS = 256 };

struct ascent {
    glim_search *s;
    const glim_model *m; /* whose embeddings they are */
    size_t V, C;
    float *norms;         /* [V] */
    float *e;             /* (n, C) what is moved, unscaled */
    double mean;          /* length of an embedding */
    int32_t *near, *kept; /* [T] of e; of the best */
};

static void norm_item(void *data, size_t item, int worker) {
    struct ascent *a = data;
    float *row = glim__scratch(a->s->ctx, worker);
    for (size_t v = item * ROWS; v < a->V && v < (item + 1) * ROWS; v++) {
        double sum = 0;
        glim__matrix_read_row(a->s->ctx, &a->m->embedding, (int64_t)v, row);
        for (size_t c = 0; c < a->C; c++)
            sum += (double)row[c] * row[c];
        a->norms[v] = (float)sqrt(sum);
    }
}

static glim_status begin(struct ascent *a, glim_error *err) {
    glim_search *s = a->s;
    a->norms = glim__calloc(s->ctx, a->V, sizeof *a->norms);
    a->e = glim__calloc(s->ctx, s->n * a->C, sizeof *a->e);
    a->near = glim__calloc(s->ctx, s->T, sizeof *a->near);
    a->kept = glim__calloc(s->ctx, s->T, sizeof *a->kept);
    glim_status status = a->norms && a->e && a->near && a->kept
                             ? glim__scratch_reserve(s->ctx, a->C * sizeof(float), err)
                             : glim__oom(s->ctx, err, "embeddings", s->n * a->C * 4);
    if (status)
        return status;
    glim__parallel(s->ctx, (a->V + ROWS - 1) / ROWS, norm_item, a);
    for (size_t i = 0; i < s->w->n_list; i++)
        a->mean += (double)a->norms[s->w->list[i]] / (double)s->w->n_list;
    for (size_t k = 0; k < s->n; k++)
        glim__matrix_read_row(s->ctx, &a->m->embedding, s->ids[s->front + k], a->e + k * a->C);
    return GLIM_OK;
}

/* The tokens that the vectors are nearest to; *moved: they are others than s->ids. */
static glim_status project(struct ascent *a, bool *moved, glim_error *err) {
    glim_search *s = a->s;
    glim_status status =
        glim__linear(s->ctx, s->gain, a->V, a->e, a->C, (int64_t)s->n, &a->m->embedding, NULL, err);
    *moved = false;
    for (size_t k = 0; k < s->n && !status; k++) {
        const float *product = s->gain + k * a->V;
        int32_t best = s->ids[s->front + k];
        double most = -INFINITY;
        for (size_t i = 0; i < s->w->n_list; i++) {
            int32_t v = s->w->list[i];
            double cosine = a->norms[v] > 0 ? (double)product[v] / a->norms[v] : -INFINITY;
            if (cosine > most) {
                most = cosine;
                best = v;
            }
        }
        *moved = *moved || best != s->ids[s->front + k];
        a->near[s->front + k] = best;
    }
    return status;
}

/* Moves along the gradient at s->ids. */
static void climb(struct ascent *a) {
    glim_search *s = a->s;
    const float *d = s->d + s->front * a->C;
    double sum = 0;
    for (size_t i = 0; i < s->n * a->C; i++)
        sum += (double)d[i] * d[i];
    double rate = sum > 0 ? RATE * a->mean * sqrt((double)s->n) / sqrt(sum) : 0;
    for (size_t i = 0; i < s->n * a->C; i++)
        a->e[i] += (float)(rate * d[i]);
}

glim_status glim__search_ascend(glim_search *s, double *best, size_t *done, glim_error *err) {
    const glim_model *m = s->m->encoder ? s->m->encoder : s->m;
    struct ascent a = {.s = s, .m = m, .V = (size_t)m->hyper.V, .C = (size_t)m->hyper.C};
    double top = s->score;
    glim_status status = begin(&a, err);
    if (!status)
        memcpy(a.kept, s->ids, s->T * sizeof *a.kept);
    best[0] = top;
    bool fresh = true; /* the gradient at s->ids is not known */
    for (*done = 0; *done < s->o->steps && !status;) {
        bool yes = false, moved = false;
        if (fresh)
            status = glim__search_gradient(s, err);
        if (!status && fresh)
            status = glim__wording_survives(s->w, s->ids + s->front, s->n, &yes, err);
        if (status)
            break;
        if (yes && s->score > top) {
            top = s->score;
            memcpy(a.kept, s->ids, s->T * sizeof *a.kept);
        }
        best[++*done] = top;
        climb(&a);
        status = project(&a, &moved, err);
        if (!status && moved)
            memcpy(s->ids + s->front, a.near + s->front, s->n * sizeof *s->ids);
        fresh = moved;
        glim__progress_add(s->ctx, 1);
    }
    if (a.kept)
        memcpy(s->ids, a.kept, s->T * sizeof *s->ids);
    glim__free(s->ctx, a.norms);
    glim__free(s->ctx, a.e);
    glim__free(s->ctx, a.near);
    glim__free(s->ctx, a.kept);
    return status;
}
