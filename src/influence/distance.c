/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples far from the rest: of each the mean distance to its ten nearest among some hundred
 * reference samples, whose vectors are all that is kept. Distances are Euclidean, a
 * coordinate and deviation of the references, so that the few very large coordinates of many
 * models do not decide alone. What is far has Tukey's word: three interquartile ranges above
 * the third quartile of the references.
 *
 * Rejected: the Mahalanobis distance, which needs more samples than the model is wide;
 * cosines, which scatter the members of a narrow cluster in all directions.
 */
#include "influence/influence-methods.h"
#include "influence/shares.h"
#include "influence/vectors.h"
#include "base/rising.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST = 10 };

struct options {
    int64_t references;
};

struct far {
    const glim_influence_work *w;
    glim_vectors v;
    size_t R;
    size_t *index;        /* (R) which samples, rising */
    float *vectors;       /* (R, C) */
    float *own;           /* (C) */
    double *mean, *scale; /* (C) */
    double *spread;       /* (R) distances of references */
    void *records;        /* of a run: vectors of references, or distances */
    size_t first;
    glim_influence_sink sink;
};

static size_t references(const glim_influence_work *w, const struct options *o) {
    return w->n < (size_t)o->references ? w->n : (size_t)o->references;
}

/* ---- references ---- */

/* One of each of R even parts of the samples. */
static void draw(struct far *f, uint64_t seed) {
    size_t n = f->w->n, R = f->R;
    for (size_t r = 0; r < R; r++) {
        size_t from = r * n / R, to = (r + 1) * n / R;
        f->index[r] = from + glim__rng_below(seed, r, 0, (uint32_t)(to - from));
    }
}

static glim_status keep(void *data, size_t sample, const float *vector, glim_error *err) {
    struct far *f = data;
    memcpy(f->records, vector, f->v.width * sizeof *vector);
    f->records = (float *)f->records + f->v.width;
    return GLIM_OK;
}

/* References first .. first + count - 1. */
static glim_status read_references(void *data, size_t first, size_t count, void *records,
                                   glim_error *err) {
    struct far *f = data;
    glim_status status = GLIM_OK;
    f->records = records;
    if (f->R == f->w->n)
        return glim__vectors_run(&f->v, first, count, err);
    for (size_t r = 0; r < count && !status; r++)
        status = glim__vectors_run(&f->v, f->index[first + r], 1, err);
    return status;
}

static glim_status take_references(void *data, size_t first, size_t count, const void *records,
                                   glim_error *err) {
    struct far *f = data;
    memcpy(f->vectors + first * f->v.width, records, count * f->v.width * sizeof *f->vectors);
    return GLIM_OK;
}

/* As deviations from the mean of the references. */
static void standardise(const struct far *f, float *v) {
    for (size_t c = 0; c < f->v.width; c++)
        v[c] = (float)((v[c] - f->mean[c]) * f->scale[c]);
}

static double apart(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t c = 0; c < n; c++)
        sum += ((double)a[c] - b[c]) * ((double)a[c] - b[c]);
    return sqrt(sum / (double)n);
}

/* Mean distance to the nearest references but itself. */
static double distance(const struct far *f, const float *v, size_t sample) {
    double best[NEAREST], sum = 0;
    size_t n = 0, C = f->v.width;
    for (size_t r = 0; r < f->R; r++) {
        if (f->index[r] == sample)
            continue;
        double d = apart(v, f->vectors + r * C, C);
        if (n == NEAREST && d >= best[NEAREST - 1])
            continue;
        size_t at = n < NEAREST ? n++ : NEAREST - 1;
        for (; at && best[at - 1] > d; at--)
            best[at] = best[at - 1];
        best[at] = d;
    }
    for (size_t i = 0; i < n; i++)
        sum += best[i];
    return sum / (double)n;
}

static double quartile(const double *sorted, size_t n, double at) {
    double place = at * (double)(n - 1);
    size_t i = (size_t)place;
    double part = place - (double)i;
    return i + 1 < n ? sorted[i] * (1 - part) + sorted[i + 1] * part : sorted[i];
}

static double fence(struct far *f) {
    size_t R = f->R, C = f->v.width;
    for (size_t r = 0; r < R; r++)
        f->spread[r] = distance(f, f->vectors + r * C, f->index[r]);
    qsort(f->spread, R, sizeof *f->spread, glim__rising_double);
    double low = quartile(f->spread, R, 0.25), high = quartile(f->spread, R, 0.75);
    return high + 3 * (high - low);
}

/* Mean, and one over the deviation (0 where there is none). */
static void scale(struct far *f) {
    size_t C = f->v.width, R = f->R;
    for (size_t r = 0; r < R; r++)
        for (size_t c = 0; c < C; c++)
            f->mean[c] += f->vectors[r * C + c] / (double)R;
    for (size_t r = 0; r < R; r++)
        for (size_t c = 0; c < C; c++) {
            double off = f->vectors[r * C + c] - f->mean[c];
            f->scale[c] += off * off / (double)R;
        }
    for (size_t c = 0; c < C; c++)
        f->scale[c] = f->scale[c] > 0 ? 1 / sqrt(f->scale[c]) : 0;
    for (size_t r = 0; r < R; r++)
        standardise(f, f->vectors + r * C);
}

static glim_status refer(struct far *f, glim_error *err) {
    const glim_share share = {.ctx = f->w->ctx,
                              .stage = "references",
                              .n = f->R,
                              .block = GLIM_PASS_SAMPLES,
                              .bytes = f->v.width * sizeof *f->vectors,
                              .inner = true,
                              .work = read_references,
                              .take = take_references,
                              .data = f};
    f->v.take = keep;
    glim_status status = glim__share(&share, err);
    if (!status) /* every process measures distances to them */
        status = glim__team_broadcast(f->w->ctx, 0, f->vectors,
                                      f->R * f->v.width * sizeof *f->vectors, err);
    if (status)
        return status;
    scale(f);
    return GLIM_OK;
}

/* ---- the samples ---- */

static glim_status measure(void *data, size_t sample, const float *vector, glim_error *err) {
    struct far *f = data;
    memcpy(f->own, vector, f->v.width * sizeof *vector);
    standardise(f, f->own);
    ((double *)f->records)[sample - f->first] = distance(f, f->own, sample);
    return GLIM_OK;
}

static glim_status measure_run(void *data, size_t first, size_t count, void *records,
                               glim_error *err) {
    struct far *f = data;
    f->first = first;
    f->records = records;
    return glim__vectors_run(&f->v, first, count, err);
}

static glim_status hand_out(void *data, size_t first, size_t count, const void *records,
                            glim_error *err) {
    struct far *f = data;
    const glim_influence_block b = {first, count, records};
    return f->sink.take(f->sink.data, &b, err);
}

static glim_status make_room(struct far *f, glim_error *err) {
    glim_context *ctx = f->w->ctx;
    size_t C = f->v.width;
    f->index = glim__calloc(ctx, f->R, sizeof *f->index);
    f->vectors = glim__calloc(ctx, f->R * C, sizeof *f->vectors);
    f->own = glim__calloc(ctx, C, sizeof *f->own);
    f->mean = glim__calloc(ctx, 2 * C, sizeof *f->mean);
    f->scale = f->mean ? f->mean + C : NULL;
    f->spread = glim__calloc(ctx, f->R, sizeof *f->spread);
    return f->index && f->vectors && f->own && f->mean && f->spread
               ? GLIM_OK
               : glim__oom(ctx, err, "reference samples", f->R * C * sizeof *f->vectors);
}

static void release(struct far *f) {
    glim_context *ctx = f->w->ctx;
    glim__free(ctx, f->index);
    glim__free(ctx, f->vectors);
    glim__free(ctx, f->own);
    glim__free(ctx, f->mean);
    glim__free(ctx, f->spread);
    glim__free(ctx, f);
}

static void judge(const struct far *f, double beyond, glim_document *doc) {
    if (f->v.cut)
        glim_document_note(doc,
                           "the ends of %zu samples that are longer than the context were not "
                           "read",
                           f->v.cut);
    glim_document_check_add(doc, "references", (double)f->R,
                            "samples that the distances are measured to");
    if (!(beyond > 0))
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "most samples are the same to the model: none can be near or far");
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    const struct options *o = opts;
    struct far *f = glim__calloc(w->ctx, 1, sizeof *f);
    if (!f)
        return glim__oom(w->ctx, err, "reference samples", sizeof *f);
    f->w = w;
    f->R = references(w, o);
    glim__vectors_init(&f->v, w->model, w->samples);
    f->v.data = f;
    glim_status status = make_room(f, err);
    if (!status) {
        draw(f, w->seed);
        status = refer(f, err);
    }
    double beyond = status ? NAN : fence(f);
    const glim_influence_column column = {
        .name = "distance", .query = GLIM_NO_QUERY, .threshold = beyond};
    const glim_share share = {.ctx = w->ctx,
                              .stage = "distance",
                              .n = w->n,
                              .block = GLIM_PASS_SAMPLES,
                              .bytes = sizeof(double),
                              .inner = true,
                              .work = measure_run,
                              .take = hand_out,
                              .data = f};
    f->v.take = measure;
    f->v.cut = 0;
    if (!status && glim__team_first(w->ctx))
        status = out->begin(out->data, &column, 1, &f->sink, err);
    if (!status)
        status = glim__share(&share, err);
    if (!status)
        status = glim__team_total(w->ctx, &f->v.cut, err);
    if (!status)
        judge(f, beyond, out->doc);
    release(f);
    return status;
}

static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    return w->n > NEAREST
               ? GLIM_OK
               : glim_fail(err, GLIM_EUSAGE,
                           "%zu samples are too few to say which are far from the rest (%d at "
                           "least)",
                           w->n, NEAREST + 1);
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    uint64_t R = references(w, opts), C = (uint64_t)glim_model_facts(w->model)->width;
    uint64_t run = (R < GLIM_PASS_SAMPLES ? R : GLIM_PASS_SAMPLES) * C * 4;
    uint64_t own = R * (C * 4 + 16) + run + 20 * C + sizeof(struct far) + 1024;
    glim_pass_size size;
    glim_status status = glim__pass_measure(w->model, w->samples, NULL, false, &size, err);
    if (status)
        return status;
    out->forward_tokens = size.tokens + (uint64_t)((double)size.tokens * (double)R / (double)w->n);
    out->bytes = size.bytes + own;
    out->bytes_wanted = size.wanted + own;
    return GLIM_OK;
}

static const glim_param params[] = {
    {.name = "references",
     .type = GLIM_INT,
     .offset = offsetof(struct options, references),
     .def.i = 512,
     .min = 16,
     .max = 65536,
     .help = "samples that distances are measured to; their vectors are kept"},
    {0},
};

const glim_influence_method glim_influence_distance = {
    .name = "distance",
    .summary = "samples far from the rest: the distance to the nearest samples, as the model sees "
               "them",
    .cite = "Kuan, Mueller 2022, arXiv:2207.03061; Sun et al. 2022, arXiv:2204.06507",
    .formula =
        "mean over the 10 nearest references r of |v_i - v_r|,  each coordinate over its deviation",
    .use = "to find samples of another kind in a set: another language, broken texts",
    .costs = "one pass forward, and 512 samples more",
    .caption = "what is far may be noise, another language, or the only sample of its kind: look "
               "before you remove it",
    .needs = GLIM_INFLUENCE_GRADIENT,
    .params = params,
    .opts_size = sizeof(struct options),
    .fits = fits,
    .plan = plan,
    .run = run,
};
