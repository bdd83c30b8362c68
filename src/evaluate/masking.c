/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the method orders the features alike when they are taken out in another way: the
 * mean tau_b of the scores with those of each other way that the model knows. Where the
 * ways disagree, the scores speak of the way as much as of the text.
 */
#include "evaluate/stability.h"
#include "explain/game.h"
#include "predict/background.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The choices of --absent, one by one. */
static bool next_way(const char **list, char out[16]) {
    size_t n = strcspn(*list, "|");
    snprintf(out, 16, "%.*s", n < 15 ? (int)n : 15, *list);
    *list += n + ((*list)[n] == '|');
    return n > 0;
}

static const char *unfit(const glim_subject *s) {
    if (!s->method)
        return "the method is not at hand to run again";
    if (!s->method->params || !glim_param_find(s->method->params, "absent"))
        return "the method takes nothing out";
    return s->p->columns && !s->p->table ? "columns without a table are taken out in one way only"
                                         : NULL;
}

/* The method's options, of which `absent` may be changed. */
static char *own_opts(const glim_subject *s) {
    char *opts = glim__calloc(s->p->ctx, 1, s->method->opts_size + 1);
    if (opts && s->opts)
        memcpy(opts, s->opts, s->method->opts_size);
    else if (opts)
        glim_param_defaults(s->method->params, opts);
    return opts;
}

static glim_status try_way(const glim_subject *s, const char *opts, glim_twins *t, double *sum,
                           double *n, glim_error *err) {
    glim_document *doc = NULL;
    glim_status status = glim_explain(&doc, s->p, s->method, opts, s->doc->seed, err);
    for (size_t r = 0; r < s->doc->n_rows && !status; r++) {
        glim__twins_fill(t, s, r, s->doc->scores, doc->scores);
        double tau = glim__twins_tau(t);
        sum[r] += isnan(tau) ? 0 : tau;
        n[r] += !isnan(tau);
    }
    glim_document_free(doc);
    return status;
}

/* Whether this way is another one than `own`, and the predictor has it. */
static bool is_other(const glim_subject *s, const char *way, glim_absent own) {
    glim_error none;
    glim_absent other;
    if (!strcmp(way, "auto") || glim__absent_of(s->p, way, &other, &none) || other == own)
        return false;
    return !s->p->columns || other == GLIM_ABSENT_MEAN || other == GLIM_ABSENT_RESAMPLE;
}

static glim_status try_ways(const glim_subject *s, char *opts, glim_twins *t, double *sum,
                            double *n, glim_error *err) {
    const glim_param *absent = glim_param_find(s->method->params, "absent");
    const char **field = (const char **)(void *)(opts + absent->offset), *list = absent->choices;
    char way[16];
    glim_absent own;
    glim_status status = glim__absent_of(s->p, *field, &own, err);
    while (!status && next_way(&list, way)) {
        if (!is_other(s, way, own))
            continue;
        *field = way;
        glim_error why = {0};
        status = try_way(s, opts, t, sum, n, &why);
        if (status == GLIM_EUSAGE || status == GLIM_EUNSUPPORTED)
            status = GLIM_OK; /* the model has no such way */
        else if (status && err)
            *err = why;
    }
    return status;
}

static uint64_t runs(const glim_subject *s, const void *opts) {
    const glim_param *absent = glim_param_find(s->method->params, "absent");
    const char *list = absent->choices;
    char *own_copy = own_opts(s), way[16];
    glim_absent own = GLIM_ABSENT_DELETE;
    glim_error none;
    uint64_t n = 0;
    if (own_copy)
        glim__absent_of(s->p, *(const char **)(void *)(own_copy + absent->offset), &own, &none);
    while (next_way(&list, way)) /* what is resampled is asked for each row of the table */
        if (is_other(s, way, own))
            n += strcmp(way, "resample") ? 1 : glim__background_count(s->p);
    glim__free(s->p->ctx, own_copy);
    return n;
}

static glim_status run(const glim_subject *s, const void *opts, glim_answer *out, glim_error *err) {
    glim_context *ctx = s->p->ctx;
    glim_twins t;
    size_t R = s->doc->n_rows;
    bool room = glim__twins_init(&t, s);
    char *own = own_opts(s);
    double *sums = glim__calloc(ctx, 2 * R, sizeof *sums);
    glim_status status = room && own && sums ? try_ways(s, own, &t, sums, sums + R, err)
                                             : glim__oom(ctx, err, "other ways", R * 16);
    for (size_t r = 0; r < R && !status; r++)
        if (sums[R + r] > 0) {
            out->value[r] = sums[r] / sums[R + r];
            out->chance[r] = 0;
        }
    glim__twins_release(&t);
    glim__free(ctx, own);
    glim__free(ctx, sums);
    return status;
}

const glim_metric glim_metric_masking_kendall = {
    .name = "masking-kendall",
    .summary = "whether other ways of taking features out order them alike (tau_b)",
    .cite = "Hase, Xie, Bansal 2021, arXiv:2106.00786",
    .caption = "Each way asks the model a different question; some difference is to be expected.",
    .quality = GLIM_CONSISTENCY,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_METHOD,
    .cost = "a run of the method for each other way",
    .run = run,
    .unfit = unfit,
    .runs = runs,
};
