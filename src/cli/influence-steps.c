/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --check of a model that cannot be trained again: N samples are drawn, a real step of
 * training is taken on each, and what that changed of the queries is set beside the
 * influences. All steps have one rate, at which the middle sample's own loss falls by 0.05.
 */
#include "base/rising.h"
#include "base/rng.h"
#include "cli/influence.h"
#include "influence/shares.h"
#include "influence/tail-patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* N of the samples, each one once: Floyd's way (Bentley, Floyd 1987). */
static void draw(size_t *out, size_t n, size_t of, uint64_t seed) {
    enum { STREAM = 0x57e95 };
    for (size_t k = 0; k < n; k++) {
        size_t last = of - n + k, pick = glim__rng_below(seed, STREAM, k, (uint32_t)(last + 1));
        for (size_t i = 0; i < k; i++)
            if (out[i] == pick) {
                pick = last;
                break;
            }
        out[k] = pick;
    }
    qsort(out, n, sizeof *out, glim__rising_size);
}

/* Whether the method was asked for --biases, which steps here leave as they are. */
static bool has_biases(const cli_influence *c) {
    const glim_param *p = c->method->params ? glim_param_find(c->method->params, "biases") : NULL;
    const char *opts = c->run->method_opts;
    return p && opts && *(const bool *)(const void *)(opts + p->offset);
}

glim_status cli_influence_choose_steps(cli_influence *c) {
    cli_run *run = c->run;
    cli_steps *s = &c->steps;
    size_t asked = (size_t)run->o.check, n = asked < c->train.n ? asked : c->train.n;
    if (!asked)
        return GLIM_OK;
    if (!c->query.n)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--check compares influences with steps of training, on a query (a TEXT "
                         "or --query FILE)");
    if (has_biases(c))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--check takes steps on matrices, not on what is added to their products "
                         "(leave out --biases)");
    s->samples = glim__calloc(run->ctx, n, sizeof *s->samples);
    s->influence = glim__calloc(run->ctx, n * c->query.n, sizeof *s->influence);
    s->change = glim__calloc(run->ctx, n * c->query.n, sizeof *s->change);
    if (!s->samples || !s->influence || !s->change)
        return glim__oom(run->ctx, &run->err, "the steps", n * c->query.n * 16);
    s->n = n;
    s->queries = c->query.n;
    draw(s->samples, n, c->train.n, (uint64_t)run->o.seed);
    for (size_t i = 0; i < n * s->queries; i++)
        s->influence[i] = NAN;
    return GLIM_OK;
}

/* Similarity is set beside the steps too: a baseline that is hard to beat. */
static bool is_influence(const char *name) {
    return !strcmp(name, "influence") || !strcmp(name, "similarity");
}

void cli_influence_take_steps(cli_influence *c, const glim_influence_block *b) {
    cli_steps *s = &c->steps;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0;
             k < c->n_columns && s->samples[i] >= b->first && s->samples[i] < b->first + b->count;
             k++)
            if (is_influence(c->names[k]))
                s->influence[i * s->queries + c->columns[k].query] =
                    b->values[(s->samples[i] - b->first) * c->n_columns + k];
}

static const char *chosen_weights(const cli_influence *c) {
    const glim_param *p = c->method->params ? glim_param_find(c->method->params, "weights") : NULL;
    const char *opts = c->run->method_opts;
    return p && opts ? *(const char *const *)(const void *)(opts + p->offset) : NULL;
}

/* Steps, parted among the processes of a team. */
struct stepping {
    cli_steps *s;
    glim_tail_patch *t;
    double rate;
    double *out;
    size_t each; /* numbers of a step */
};

static glim_status find_squares(void *data, size_t first, size_t count, void *records,
                                glim_error *err) {
    const struct stepping *p = data;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < count && !status; i++)
        status =
            glim__tail_patch_square(p->t, p->s->samples[first + i], (double *)records + i, err);
    return status;
}

static glim_status take_steps(void *data, size_t first, size_t count, void *records,
                              glim_error *err) {
    const struct stepping *p = data;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = glim__tail_patch_try(p->t, p->s->samples[first + i], p->rate,
                                      (double *)records + i * p->each, err);
    return status;
}

static glim_status keep_numbers(void *data, size_t first, size_t count, const void *records,
                                glim_error *err) {
    const struct stepping *p = data;
    memcpy(p->out + first * p->each, records, count * p->each * sizeof *p->out);
    return GLIM_OK;
}

static glim_status share_steps(cli_influence *c, struct stepping *p,
                               glim_status (*work)(void *, size_t, size_t, void *, glim_error *)) {
    const glim_share share = {.ctx = c->run->ctx,
                              .stage = "steps",
                              .n = p->s->n,
                              .block = 1,
                              .bytes = p->each * sizeof(double),
                              .work = work,
                              .take = keep_numbers,
                              .data = p};
    return glim__share(&share, &c->run->err);
}

static glim_status common_rate(cli_influence *c, glim_tail_patch *t, double *rate) {
    const double fall = 0.05;
    cli_steps *s = &c->steps;
    double *squares = glim__calloc(c->run->ctx, s->n, sizeof *squares);
    struct stepping p = {.s = s, .t = t, .out = squares, .each = 1};
    glim_status status =
        squares ? GLIM_OK : glim__oom(c->run->ctx, &c->run->err, "the steps", s->n * 8);
    if (!status)
        status = share_steps(c, &p, find_squares);
    if (!status)
        status =
            glim__team_broadcast(c->run->ctx, 0, squares, s->n * sizeof *squares, &c->run->err);
    if (!status) {
        qsort(squares, s->n, sizeof *squares, glim__rising_double);
        *rate = fall / squares[s->n / 2];
        if (!(squares[s->n / 2] > 0))
            status = glim_fail(&c->run->err, GLIM_ENUMERIC,
                               "the samples' gradients are zero: no step changes anything");
    }
    glim__free(c->run->ctx, squares);
    return status;
}

/* The mean over queries of how the two orders agree. */
static glim_status agree(cli_influence *c) {
    cli_steps *s = &c->steps;
    size_t defined = 0;
    double sum_pearson = 0;
    double *a = glim__calloc(c->run->ctx, 2 * s->n, sizeof *a), *b = a + s->n, sum = 0;
    glim_status status = a ? GLIM_OK : glim__oom(c->run->ctx, &c->run->err, "ranks", s->n * 16);
    for (size_t q = 0; q < s->queries && !status; q++) {
        double rank = NAN;
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++)
            if (!isnan(s->influence[i * s->queries + q])) {
                a[n] = s->influence[i * s->queries + q];
                b[n++] = s->change[i * s->queries + q];
            }
        status = glim__truth_spearman(c->run->ctx, a, b, n, &rank, &c->run->err);
        if (!isnan(rank)) {
            sum += rank;
            sum_pearson += glim__truth_pearson(a, b, n);
            defined++;
        }
    }
    s->pearson = defined ? sum_pearson / (double)defined : NAN;
    s->rank = defined ? sum / (double)defined : NAN;
    glim__free(c->run->ctx, a);
    return status;
}

static void judge(cli_influence *c) {
    const double low = 0.5;
    const cli_steps *s = &c->steps;
    glim_document_check_add(c->doc, "steps", s->rank,
                            "rank correlation of influences and what a step of training on the "
                            "sample changed; 1 is right");
    if (!(s->rank >= low))
        glim_document_judge(c->doc, GLIM_VERDICT_CAREFUL,
                            "steps of training on samples agree with the influences only in part "
                            "(rank correlation %.2f)",
                            s->rank);
}

glim_status cli_influence_steps(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    cli_steps *s = &c->steps;
    glim_influence_work only = *w;
    glim_gradient_work g;
    glim_tail_patch *t = NULL;
    double rate = 0;
    only.n_checkpoints = 0; /* steps are taken at the model itself */
    glim_status status = glim__gradient_work_init(&g, &only, chosen_weights(c), &run->err);
    if (!status)
        status = glim__tail_patch_new(&t, &g, &run->err);
    if (!status)
        status = common_rate(c, t, &rate);
    struct stepping p = {.s = s, .t = t, .rate = rate, .out = s->change, .each = s->queries};
    if (!status)
        status = share_steps(c, &p, take_steps);
    if (!status && glim__team_first(run->ctx))
        status = agree(c);
    if (!status && glim__team_first(run->ctx))
        judge(c);
    if (status)
        s->n = 0;
    glim__tail_patch_free(t);
    glim__gradient_work_release(&g);
    return status;
}
