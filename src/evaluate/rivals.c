/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other classes. Class coverage: how many of the classes, or next tokens, that the model thinks
 * possible are explained; one explanation tells of one of them. Random class: scores for the
 * likeliest other one must differ, else they say nothing of why this class (Quantus has it as
 * RandomLogit, with a class at random; the likeliest other is the one that a reader asks about).
 * Attention that does not look at the target fails by construction.
 */
#include "evaluate/stability.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A correlation from which on the map is the same, up to its scale; and the fewest scores of
   which it says something. */
static const double SAME = 0.999;
enum { FEWEST = 3 };

struct opts {
    double least;
};

static const glim_param coverage_params[] = {
    {.name = "least",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, least),
     .def.r = 0.05,
     .min = 0,
     .max = 1,
     .help = "probability from which on a class counts"},
    {0},
};

static bool is_text(const glim_rival *r, const char *text, size_t n) {
    return r->len == n && (!n || !memcmp(r->text, text, n));
}

static bool is_target(const glim_document *d, const glim_rival *r) {
    return is_text(r, d->target.text ? d->target.text : "",
                   d->target.text ? d->target.text_len : 0);
}

/* Of the target, or of a row, which is a class of its own when several are explained. */
static bool is_explained(const glim_document *d, const glim_rival *r) {
    bool yes = is_target(d, r);
    for (size_t i = 0; d->rows && i < d->n_rows && !yes; i++)
        yes = is_text(r, d->rows[i].text, d->rows[i].text_len);
    return yes;
}

static glim_status run_coverage(const glim_subject *s, const void *opts, glim_answer *out,
                                glim_error *err) {
    const struct opts *o = opts;
    const glim_rival *list;
    size_t n, possible = 0, explained = 0;
    glim_status status = s->otherwise->rivals(s->otherwise->data, &list, &n, err);
    for (size_t i = 0; i < n && !status; i++)
        if (list[i].prob >= o->least) {
            possible++;
            explained += is_explained(s->doc, &list[i]);
        }
    if (status || !possible) {
        out->note = n ? "no class is that likely" : "the model gives no class a probability";
        return status;
    }
    out->value[0] = (double)explained / (double)possible;
    out->chance[0] = 0;
    snprintf(out->told, sizeof out->told,
             "explained: %zu of %zu that have a probability of %.3g or more", explained, possible,
             o->least);
    return GLIM_OK;
}

/* ---- another class ---- */

/* Two classes that share all probability mirror each other: their sizes are the same. */
static bool is_mirrored(const glim_subject *s, const glim_rival *list, size_t n, double other) {
    double own = NAN;
    for (size_t i = 0; i < n; i++)
        own = is_target(s->doc, &list[i]) ? list[i].prob : own;
    return !s->doc->method.is_signed && own + other > 1 - 1e-6;
}

/* Pearson's of the scores, or of their sizes; of few, 1 when they are equal to the bit. */
static double likeness(const glim_twins *t, bool sizes) {
    glim_pairs pairs = {0};
    bool same = t->n > 0;
    for (size_t i = 0; i < t->n; i++) {
        double a = sizes ? fabs(t->a[i]) : t->a[i], b = sizes ? fabs(t->b[i]) : t->b[i];
        same = same && a == b;
        glim__pairs_add(&pairs, 1, a, b);
    }
    return same ? 1 : t->n < FEWEST ? NAN : glim__pairs_correlation(&pairs);
}

static glim_status compare(const glim_subject *s, glim_predictor *other, glim_answer *out,
                           glim_error *err) {
    glim_document *doc = NULL;
    glim_twins t;
    glim_status status = GLIM_OK;
    if (other->units->count != s->doc->input.n_units || other->n_rows != 1) {
        out->note = "the other class has other units";
        return GLIM_OK;
    }
    if (!glim__twins_init(&t, s))
        status = glim__oom(s->p->ctx, err, "pairs of scores", s->doc->input.n_units * 32);
    if (!status)
        status = glim_explain(&doc, other, s->method, s->opts, s->doc->seed, err);
    if (!status) {
        glim__twins_fill(&t, s, 0, s->doc->scores, doc->scores);
        out->value[0] = likeness(&t, !s->doc->method.is_signed);
        if (isnan(out->value[0]))
            out->note = "too few scores, or all equal: no correlation";
        out->chance[0] = 1;
    }
    glim__twins_release(&t);
    glim_document_free(doc);
    return status;
}

/* The likeliest one that can be asked about: a token may be a part of a character, which no text
   names. *prob: of it; NAN: there is none. */
static glim_status bind_other(const glim_subject *s, const glim_rival *list, size_t n,
                              glim_predictor **out, double *prob, glim_error *err) {
    const glim_otherwise *o = s->otherwise;
    *prob = NAN;
    for (size_t i = 0; i < n; i++) {
        glim_error why = {0};
        if (is_explained(s->doc, &list[i]) || strlen(list[i].text) != list[i].len)
            continue;
        glim_status status = o->bind(o->data, out, list[i].text, NULL, 0, &why);
        if (!status)
            *prob = list[i].prob;
        if (status && status != GLIM_EUSAGE && err)
            *err = why;
        if (status != GLIM_EUSAGE)
            return status;
    }
    return GLIM_OK;
}

static glim_status run_other(const glim_subject *s, const void *opts, glim_answer *out,
                             glim_error *err) {
    const glim_rival *list;
    size_t n;
    double prob;
    glim_predictor *other = NULL;
    glim_status status = s->otherwise->rivals(s->otherwise->data, &list, &n, err);
    if (!status && s->doc->n_rows == 1)
        status = bind_other(s, list, n, &other, &prob, err);
    if (!status && !other)
        out->note = "there is no other class or next token to ask about";
    else if (!status && is_mirrored(s, list, n, prob))
        out->note = "without signs, the only two classes look alike";
    else if (!status)
        status = compare(s, other, out, err);
    glim_predictor_free(other);
    if (!status && !s->doc->method.is_signed && out->value[0] > SAME)
        snprintf(out->told, sizeof out->told,
                 "%s looks the same for another class: it does not depend on what is asked, as "
                 "attention alone never does",
                 s->method->name);
    return status;
}

static uint64_t runs(const glim_subject *s, const void *opts) {
    return 1;
}

const glim_metric glim_metric_class_coverage = {
    .name = "class-coverage",
    .summary = "share of the likely classes or next tokens that are explained",
    .cite = "Nauta et al. 2023, arXiv:2201.08164",
    .caption = "One explanation tells of one class; explain the others to cover them.",
    .quality = GLIM_COMPREHENSIVENESS,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_RIVALS,
    .cost = "1 forward, of a black box none",
    .params = coverage_params,
    .opts_size = sizeof(struct opts),
    .run = run_coverage,
};

const glim_metric glim_metric_random_class = {
    .name = "random-class",
    .summary = "whether the scores differ for the likeliest other class or token",
    .cite = "Sixt, Granz, Landgraf 2020, arXiv:1912.09818",
    .caption = "To pass says only that the scores depend on the class.",
    .quality = GLIM_ACCURACY,
    .best = NAN, /* how alike two classes are depends on the model: a check, without skill */
    .limited = true,
    .limit = 0.999,
    .needs = GLIM_NEEDS_METHOD | GLIM_NEEDS_RIVALS,
    .cost = "1 more run of the method",
    .run = run_other,
    .runs = runs,
};
