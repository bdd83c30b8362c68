/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether wrong labels are found: a tenth of the labels is made wrong, the head is fitted
 * to them, and samples are looked at from the most suspicious on, by their influence on
 * their own loss, by that loss alone, and by being more like another class than their own.
 */
#include "influence/truth.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct planting {
    const glim_head *h;
    uint8_t *wrong; /* (n) */
    double *y;      /* (n) labels with errors */
    glim_features f;
    glim_head made; /* fitted to them */
    glim_head_block b;
    double *s;
    double *scores; /* (3, n) */
    double *middle; /* (K, P) sums of standardised rows of each class */
    size_t n;
};

static glim_status read_wrong(void *data, size_t first, size_t count, double *x, double *y,
                              glim_error *err) {
    struct planting *p = data;
    glim_status status = p->h->f->read(p->h->f->data, first, count, x, y, err);
    memcpy(y, p->y + first, count * sizeof *y);
    return status;
}

static glim_status plant(void *data, size_t first, size_t count, double *x, double *y,
                         glim_error *err) {
    struct planting *p = data;
    for (size_t i = 0; i < count; i++) {
        size_t at = first + i, K = p->h->K;
        p->y[at] = y[i];
        if (p->wrong[at])
            p->y[at] =
                (double)(((size_t)y[i] + 1 + glim__rng_below(7, 0xbad, at, (uint32_t)(K - 1))) % K);
    }
    return GLIM_OK;
}

static glim_status add_middles(void *data, size_t first, size_t count, double *x, double *y,
                               glim_error *err) {
    struct planting *p = data;
    const glim_head *h = &p->made;
    glim__head_look(h, &p->b, count, x, y);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < h->P; j++)
            p->middle[(size_t)y[i] * h->P + j] += p->b.x[i * h->ld + j];
    return GLIM_OK;
}

static double cosine(const double *a, const double *b, size_t n) {
    double aa = 0, bb = 0, ab = 0;
    for (size_t j = 0; j < n; j++) {
        aa += a[j] * a[j];
        bb += b[j] * b[j];
        ab += a[j] * b[j];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static glim_status suspect(void *data, size_t first, size_t count, double *x, double *y,
                           glim_error *err) {
    struct planting *p = data;
    const glim_head *h = &p->made;
    size_t O = h->O;
    glim__head_look(h, &p->b, count, x, y);
    glim_status status = glim__head_curvature(h, &p->b, p->s, err);
    for (size_t i = 0; i < count && !status; i++) {
        double own = 0, other = -2;
        for (size_t k = 0; k < O * O; k++)
            own += p->b.g[i * O + k / O] * p->s[i * O * O + k] * p->b.g[i * O + k % O];
        for (size_t k = 0; k < h->K; k++) {
            double like = cosine(p->b.x + i * h->ld, p->middle + k * h->P, h->P);
            other = k != (size_t)y[i] && like > other ? like : other;
        }
        p->scores[first + i] = own;
        p->scores[p->n + first + i] = p->b.loss[i];
        p->scores[2 * p->n + first + i] =
            other - cosine(p->b.x + i * h->ld, p->middle + (size_t)y[i] * h->P, h->P);
    }
    return status;
}

struct ranked {
    double score;
    size_t at;
};

static int falling(const void *x, const void *y) {
    const struct ranked *a = x, *b = y;
    return a->score > b->score ? -1 : a->score < b->score ? 1 : a->at < b->at ? -1 : a->at > b->at;
}

static void look_for(const struct planting *p, const double *scores, size_t planted,
                     struct ranked *room, glim_detection *out) {
    size_t found = 0, n = p->n;
    for (size_t i = 0; i < n; i++)
        room[i] = (struct ranked){scores[i], i};
    qsort(room, n, sizeof *room, falling);
    out->area = 0;
    for (size_t i = 0, point = 0; i <= n; i++) {
        for (; point < GLIM_TRUTH_CURVE &&
               i >= (point * n + GLIM_TRUTH_CURVE - 2) / (GLIM_TRUTH_CURVE - 1);
             point++)
            out->curve[point] = (double)found / (double)planted;
        if (i == planted)
            out->recall = (double)found / (double)planted;
        if (i == n)
            break;
        bool hit = p->wrong[room[i].at];
        out->area += ((double)found + (hit ? 0.5 : 0)) / (double)planted / (double)n;
        found += hit;
    }
}

/* From the weights of the right labels to those of the wrong ones. */
static glim_status fit(struct planting *p, glim_error *err) {
    enum { MOST_STEPS = 100 };
    glim_head *h = &p->made;
    double left, *w = glim__calloc(h->ctx, h->dim, sizeof *w);
    uint8_t *keep = glim__calloc(h->ctx, p->n, 1);
    glim_status status = w && keep ? glim__head_move(h, p->h->w, err)
                                   : glim__oom(h->ctx, err, "a refit", h->dim * 8);
    if (!status)
        status = glim__head_factor(h, 0, err);
    if (!status) {
        memset(keep, 1, p->n);
        status = glim__head_refit(h, keep, MOST_STEPS, w, &left, err);
    }
    if (!status)
        status = glim__head_move(h, w, err);
    if (!status)
        status = glim__head_factor(h, -1, err);
    glim__free(h->ctx, w);
    glim__free(h->ctx, keep);
    return status;
}

static glim_status find(struct planting *p, glim_truth *t, glim_error *err) {
    static const char *const names[] = {"own influence", "loss", "similarity"};
    size_t O = p->made.O;
    struct ranked *room = glim__calloc(p->h->ctx, p->n, sizeof *room);
    p->s = glim__calloc(p->h->ctx, GLIM_FEATURES_BLOCK, O * O * sizeof *p->s);
    p->middle = glim__calloc(p->h->ctx, p->h->K, p->h->P * sizeof *p->middle);
    p->scores = glim__calloc(p->h->ctx, 3 * p->n, sizeof *p->scores);
    glim_status status = room && p->s && p->middle && p->scores
                             ? glim__head_block_init(&p->b, &p->made, err)
                             : glim__oom(p->h->ctx, err, "the search", p->n * 40);
    if (!status)
        status = fit(p, err);
    glim__head_turn(&p->made, p->made.w);
    if (!status)
        status = glim__features_each(p->h->ctx, &p->f, add_middles, p, err);
    if (!status)
        status = glim__features_each(p->h->ctx, &p->f, suspect, p, err);
    for (size_t k = 0; k < 3 && !status; k++) {
        t->found[k].name = names[k];
        look_for(p, p->scores + k * p->n, t->planted, room, &t->found[k]);
    }
    glim__free(p->h->ctx, room);
    return status;
}

glim_status glim__truth_mislabel(glim_truth *t, const glim_head *h, uint64_t seed,
                                 glim_error *err) {
    struct planting p = {.h = h, .n = h->f->n, .f = *h->f};
    size_t need = h->f->n / 10;
    if (!h->logistic || need < 5) /* of so few nothing could be told */
        return GLIM_OK;
    p.f.read = read_wrong;
    p.f.data = &p;
    p.wrong = glim__calloc(h->ctx, p.n, 1);
    p.y = glim__calloc(h->ctx, p.n, sizeof *p.y);
    glim_status status =
        p.wrong && p.y ? GLIM_OK : glim__oom(h->ctx, err, "the wrong labels", p.n * 9);
    t->planted = need;
    for (size_t i = 0; i < p.n && !status; i++) {
        p.wrong[i] = glim__rng_below(seed, 0xf11b, i, (uint32_t)(p.n - i)) < need;
        need -= p.wrong[i];
    }
    if (!status)
        status = glim__features_each(h->ctx, h->f, plant, &p, err);
    if (!status)
        status = glim__head_init(&p.made, h->ctx, h->linear, &p.f, err);
    if (!status)
        status = find(&p, t, err);
    if (status == GLIM_ENUMERIC) { /* without a penalty the fit may not exist: nothing is said */
        t->planted = 0;
        status = GLIM_OK;
    }
    if (p.made.ctx)
        glim__head_block_release(&p.b, &p.made);
    glim__head_release(&p.made);
    glim__free(h->ctx, p.s);
    glim__free(h->ctx, p.middle);
    glim__free(h->ctx, p.scores);
    glim__free(h->ctx, p.wrong);
    glim__free(h->ctx, p.y);
    return status;
}
