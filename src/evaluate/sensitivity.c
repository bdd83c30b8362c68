/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether scores stay when the input moves a little (max-sensitivity):
 *
 *   max over delta of ||phi(x + delta) - phi(x)|| / ||phi(x)||
 *
 * delta uniform within r = 0.02 std(x) of each number of the embeddings x. The method runs
 * on a predictor that passes everything on but whose embeddings are moved; methods that
 * never ask for embeddings cannot notice. Its random numbers stay the same.
 */
#include "base/rng.h"
#include "evaluate/stability.h"

#include <math.h>

struct opts {
    int64_t draws;
    double radius;
};

static const glim_param params[] = {
    {.name = "draws",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, draws),
     .def.i = 10,
     .min = 1,
     .max = 10000,
     .help = "moved inputs"},
    {.name = "radius",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, radius),
     .def.r = 0.02,
     .min = 0,
     .max = 10,
     .help = "of the move, in standard deviations of the embeddings"},
    {0},
};

/* A predictor whose input is x. */
struct moved {
    glim_predictor base;
    glim_predictor *inner;
    const float *x; /* (T, C) */
};

static glim_predictor *inner(const glim_predictor *p) {
    return ((const struct moved *)p)->inner;
}

static glim_status moved_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                glim_absent absent, double *out, glim_error *err) {
    return inner(p)->values(inner(p), keep, n, absent, out, err);
}

static glim_status moved_embed(glim_predictor *p, float *x, glim_error *err) {
    for (size_t i = 0; i < p->T * p->C; i++)
        x[i] = ((struct moved *)p)->x[i];
    return GLIM_OK;
}

static glim_status moved_baseline(glim_predictor *p, glim_baseline kind, float *x,
                                  glim_error *err) {
    return inner(p)->baseline(inner(p), kind, x, err);
}

static glim_status moved_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                                  double *values, glim_gradient_sink *sink, void *data,
                                  glim_error *err) {
    return inner(p)->gradient(inner(p), xs, n, row, values, sink, data, err);
}

static void moved_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                              glim_absent absent, glim_plan *out) {
    inner(p)->plan_values(inner(p), keep, n, absent, out);
}

static void moved_plan_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    inner(p)->plan_gradient(inner(p), n, out);
}

static glim_status moved_describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    return inner(p)->describe(inner(p), doc, err);
}

static void moved_cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    inner(p)->cost(inner(p), forward, backward);
}

/* Inner values are those of the input as it is, so nobody may look at them. */
static void moved_init(struct moved *m, glim_predictor *p, const float *x, const double *value) {
    *m = (struct moved){.base = *p, .inner = p, .x = x};
    m->base.value = value;
    m->base.values = moved_values;
    m->base.embed = moved_embed;
    m->base.baseline = moved_baseline;
    m->base.gradient = moved_gradient;
    m->base.observe = NULL;
    m->base.plan_observe = NULL;
    m->base.can &= ~(unsigned)(GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS);
    m->base.plan_values = moved_plan_values;
    m->base.plan_gradient = moved_plan_gradient;
    m->base.describe = moved_describe;
    m->base.cost = moved_cost;
    m->base.free = NULL;
}

static const char *unfit(const glim_subject *s) {
    unsigned inside = GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS;
    if (!s->method)
        return "the method is not at hand to run again";
    if (!(s->method->needs & GLIM_CAN_GRADIENT))
        return "the method asks with features absent, and has no input that could move a little";
    return s->method->needs & inside ? "the method looks at inner values of the input as it is"
                                     : NULL;
}

static double deviation(const float *x, size_t n) {
    glim_pairs p = {0};
    for (size_t i = 0; i < n; i++)
        glim__pairs_add(&p, 1, x[i], 0);
    return sqrt(p.xx / p.n);
}

/* How far row r of the moved scores is from the document's; *chance: how far the
   document's would be from themselves in a random order, in the mean of squares. */
static double distance(const glim_subject *s, glim_twins *t, const double *scores, size_t r,
                       double *chance) {
    double off = 0, squares = 0, sum = 0;
    glim__twins_fill(t, s, r, s->doc->scores, scores);
    for (size_t i = 0; i < t->n; i++) {
        off += (t->a[i] - t->b[i]) * (t->a[i] - t->b[i]);
        squares += t->a[i] * t->a[i];
        sum += t->a[i];
    }
    if (!(squares > 0))
        return NAN;
    *chance = sqrt(fmax(0, 2 * (1 - sum * sum / (double)t->n / squares)));
    return sqrt(off / squares);
}

struct work {
    const glim_subject *s;
    float *x, *moved;
    double *value; /* (rows) */
    double radius;
    glim_twins twins;
};

static glim_status run_moved(struct work *w, size_t draw, glim_answer *out, glim_error *err) {
    glim_predictor *p = w->s->p;
    glim_document *doc = NULL;
    struct moved m;
    for (size_t i = 0; i < p->T * p->C; i++)
        w->moved[i] =
            w->x[i] + (float)(w->radius *
                              (2 * glim__rng_uniform(w->s->seed, (uint64_t)2 << 40 | draw, i) - 1));
    glim_status status = p->gradient(p, w->moved, 1, -1, w->value, NULL, NULL, err);
    moved_init(&m, p, w->moved, w->value);
    if (!status)
        status = glim_explain(&doc, &m.base, w->s->method, w->s->opts, w->s->doc->seed, err);
    for (size_t r = 0; r < p->n_rows && !status; r++) {
        double chance = NAN, off = distance(w->s, &w->twins, doc->scores, r, &chance);
        if (isnan(off))
            continue;
        out->value[r] = isnan(out->value[r]) ? off : fmax(off, out->value[r]);
        out->chance[r] = chance;
    }
    glim_document_free(doc);
    return status;
}

static glim_status run(const glim_subject *s, const void *opts, glim_answer *out, glim_error *err) {
    const struct opts *o = opts;
    glim_predictor *p = s->p;
    size_t n = p->T * p->C;
    struct work w = {.s = s};
    bool room = glim__twins_init(&w.twins, s);
    w.x = glim__calloc(p->ctx, 2 * n + 1, sizeof *w.x);
    w.value = glim__calloc(p->ctx, p->n_rows, sizeof *w.value);
    glim_status status =
        room && w.x && w.value ? GLIM_OK : glim__oom(p->ctx, err, "moved inputs", n * 8);
    if (!status)
        status = p->embed(p, w.x, err);
    if (!status) {
        w.moved = w.x + n;
        w.radius = o->radius * deviation(w.x, n);
    }
    for (size_t i = 0; i < (size_t)o->draws && !status; i++)
        status = run_moved(&w, i, out, err);
    glim__twins_release(&w.twins);
    glim__free(p->ctx, w.x);
    glim__free(p->ctx, w.value);
    return status;
}

static uint64_t runs(const glim_subject *s, const void *opts) {
    return (uint64_t)((const struct opts *)opts)->draws;
}

const glim_metric glim_metric_sensitivity_max = {
    .name = "sensitivity-max",
    .summary = "how far scores move when the embeddings move by a fiftieth",
    .cite = "Yeh et al. 2019, arXiv:1901.09392",
    .caption = "A map that never changes is stable too: read it beside the accuracy.",
    .quality = GLIM_CONSISTENCY,
    .best = 0,
    .needs = GLIM_NEEDS_METHOD,
    .cost = "10 more runs of the method",
    .params = params,
    .opts_size = sizeof(struct opts),
    .run = run,
    .unfit = unfit,
    .runs = runs,
};
