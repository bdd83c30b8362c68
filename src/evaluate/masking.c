/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the method orders the features alike when they are taken out in another way: the
 * mean tau_b of the scores with those of each other way that the model knows. Where the
 * ways disagree, the scores speak of the way as much as of the text.
 */
#include "evaluate/stability.h"
#include "explain/game.h"

#include <math.h>
#include <string.h>

static const char *const ways[] = {"delete", "mask", "mean", "attention", "zero", "blur"};
enum { WAYS = sizeof ways / sizeof *ways };

static const char *unfit(const glim_subject *s) {
    if (!s->method)
        return "the method is not at hand to run again";
    if (!s->method->params || !glim_param_find(s->method->params, "absent"))
        return "the method takes nothing out";
    return s->p->columns ? "columns of a table are taken out in one way only" : NULL;
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

static glim_status try_ways(const glim_subject *s, char *opts, glim_twins *t, double *sum,
                            double *n, glim_error *err) {
    const glim_param *absent = glim_param_find(s->method->params, "absent");
    const char **field = (const char **)(void *)(opts + absent->offset);
    glim_absent own, other;
    glim_status status = glim__absent_of(s->p, *field, &own, err);
    for (size_t i = 0; i < WAYS && !status; i++) {
        glim_error none;
        if (!strstr(absent->choices, ways[i]) || glim__absent_of(s->p, ways[i], &other, &none) ||
            other == own)
            continue;
        *field = ways[i];
        glim_error why = {0};
        status = try_way(s, opts, t, sum, n, &why);
        if (status == GLIM_EUSAGE || status == GLIM_EUNSUPPORTED)
            status = GLIM_OK; /* the model has no such way */
        else if (status && err)
            *err = why;
    }
    return status;
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
};
