/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the words keep their order of importance when the text is written otherwise: by our own
 * rules (case, a typo, punctuation, a space), or as people put it. The mean tau_b over the words
 * that both have. A text for which the model changes its answer is another question: it does not
 * count, and how many there were is said.
 */
#include "evaluate/stability.h"
#include "evaluate/variants.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct opts {
    int64_t typos;
};

static const glim_param params[] = {
    {.name = "typos",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, typos),
     .def.i = 3,
     .min = 0,
     .max = 1000,
     .help = "texts with a typo in one word"},
    {0},
};

struct work {
    const glim_subject *s;
    glim_document *likeliest; /* what the model says of the text as it is */
    bool own;                 /* and that is what is explained */
    bool in_order;            /* the text has the same words, however written */
    size_t *other;            /* (units) */
    double *a, *b;            /* (units) */
    size_t asked, flipped, counted;
    double sum;
};

static bool same_text(const char *a, size_t n, const char *b, size_t m) {
    return n == m && (!n || !memcmp(a, b, n));
}

static glim_status told_of(const glim_subject *s, glim_predictor *p, glim_document **out,
                           glim_error *err) {
    glim_status status = glim_document_new(out, s->p->ctx, err);
    return status ? status : p->describe(p, *out, err);
}

static bool same_answer(const glim_document *a, const glim_document *b) {
    return same_text(a->target.text, a->target.text_len, b->target.text, b->target.text_len);
}

/* tau_b of the words that both explanations tell of. */
static glim_status add_tau(struct work *w, const glim_document *doc, glim_error *err) {
    const glim_document *own = w->s->doc;
    size_t n = 0;
    glim_status status = glim__words_align(w->s->p->ctx, own, doc, w->in_order, w->other, err);
    for (size_t u = 0; u < own->input.n_units && !status; u++) {
        double x = own->scores[u], y = w->other[u] < SIZE_MAX ? doc->scores[w->other[u]] : NAN;
        if (isnan(x) || isnan(y))
            continue;
        w->a[n] = x;
        w->b[n++] = y;
    }
    double tau = status ? NAN : glim__kendall_tau_b(w->a, w->b, n, false);
    w->counted += !isnan(tau);
    w->sum += isnan(tau) ? 0 : tau;
    return status;
}

static glim_status explain(struct work *w, glim_predictor *p, glim_error *err) {
    glim_document *doc = NULL;
    glim_status status =
        p->n_rows != 1 ? GLIM_OK
                       : glim_explain(&doc, p, w->s->method, w->s->opts, w->s->doc->seed, err);
    if (!status && doc)
        status = add_tau(w, doc, err);
    glim_document_free(doc);
    return status;
}

/* One of ours that cannot be read, such as a masked word that is none any more, is passed over:
 *out NULL. */
static glim_status bind_text(struct work *w, glim_predictor **out, const char *text, size_t n,
                             glim_error *err) {
    const glim_otherwise *o = w->s->otherwise;
    glim_error why = {0};
    glim_status status = o->bind(o->data, out, NULL, text, n, &why);
    if (status && w->in_order && (status == GLIM_EUSAGE || status == GLIM_EFORMAT))
        return GLIM_OK;
    if (status && err)
        *err = why;
    return status;
}

/* A target that is not the likeliest is asked for by its name. */
static glim_status try_text(struct work *w, const char *text, size_t n, glim_error *err) {
    const glim_otherwise *o = w->s->otherwise;
    glim_predictor *p = NULL;
    glim_document *says = NULL;
    glim_status status = bind_text(w, &p, text, n, err);
    if (status || !p)
        return status;
    status = told_of(w->s, p, &says, err);
    w->asked++;
    bool kept = !status && same_answer(says, w->likeliest);
    w->flipped += !status && !kept;
    glim_document_free(says);
    if (kept && !w->own) {
        glim_predictor_free(p);
        p = NULL;
        status = o->bind(o->data, &p, w->s->doc->target.text, text, n, err);
    }
    if (kept && !status)
        status = explain(w, p, err);
    glim_predictor_free(p);
    return status ? status : glim__check_cancel(w->s->p->ctx, err);
}

static glim_status begin(struct work *w, glim_error *err) {
    const glim_subject *s = w->s;
    size_t U = s->doc->input.n_units;
    glim_predictor *p = NULL;
    w->other = glim__calloc(s->p->ctx, U + 1, sizeof *w->other);
    w->a = glim__calloc(s->p->ctx, 2 * U + 1, sizeof *w->a);
    if (!w->other || !w->a)
        return glim__oom(s->p->ctx, err, "pairs of words", U * 24);
    w->b = w->a + U;
    glim_status status = s->otherwise->bind(s->otherwise->data, &p, NULL, NULL, 0, err);
    if (!status)
        status = told_of(s, p, &w->likeliest, err);
    glim_predictor_free(p);
    w->own = !status && same_answer(w->likeliest, s->doc);
    return status;
}

static void end(struct work *w, glim_answer *out) {
    size_t kept = w->asked - w->flipped;
    if (w->counted) {
        out->value[0] = w->sum / (double)w->counted;
        out->chance[0] = 0;
    }
    if (!w->asked)
        out->note = "there is no other way to write it";
    else
        snprintf(out->told, sizeof out->told,
                 "ways to write it that keep the model's answer: %zu of %zu%s%s", kept, w->asked,
                 kept && w->flipped ? "; the others do not count" : "",
                 kept && !w->counted ? "; their scores have no order" : "");
    glim__free(w->s->p->ctx, w->other);
    glim__free(w->s->p->ctx, w->a);
    glim_document_free(w->likeliest);
}

static glim_status run_wording(const glim_subject *s, const void *opts, glim_answer *out,
                               glim_error *err) {
    const struct opts *o = opts;
    const glim_otherwise *given = s->otherwise;
    struct work w = {.s = s, .in_order = true};
    glim_buffer text;
    glim__buffer_init(&text, s->p->ctx);
    glim_status status = begin(&w, err);
    for (int kind = 0; kind < GLIM_VARIANTS && !status; kind++) {
        size_t draws = kind == GLIM_VARIANT_TYPO ? (size_t)o->typos : 1;
        for (size_t k = 0; k < draws && !status; k++) {
            if (!glim__variant(&text, given->text, given->len, (glim_variant_kind)kind, s->seed, k))
                continue;
            status = text.failed ? glim__oom(s->p->ctx, err, "a text", given->len)
                                 : try_text(&w, text.data, text.len, err);
        }
    }
    glim__buffer_release(&text);
    end(&w, out);
    return status;
}

static glim_status run_paraphrases(const glim_subject *s, const void *opts, glim_answer *out,
                                   glim_error *err) {
    struct work w = {.s = s};
    glim_status status = begin(&w, err);
    for (size_t i = 0; s->otherwise->paraphrases[i] && !status; i++)
        status =
            try_text(&w, s->otherwise->paraphrases[i], strlen(s->otherwise->paraphrases[i]), err);
    end(&w, out);
    return status;
}

static const char *no_paraphrases(const glim_subject *s) {
    return s->otherwise->paraphrases ? NULL : "nobody put it otherwise (--paraphrases)";
}

static uint64_t wording_runs(const glim_subject *s, const void *opts) {
    return GLIM_VARIANTS - 1 + (uint64_t)((const struct opts *)opts)->typos;
}

static uint64_t paraphrase_runs(const glim_subject *s, const void *opts) {
    uint64_t n = 0;
    while (s->otherwise->paraphrases[n])
        n++;
    return n;
}

const glim_metric glim_metric_wording_kendall = {
    .name = "wording-kendall",
    .summary = "whether typos, case and punctuation leave the words' order (tau_b)",
    .cite = "Alvarez-Melis, Jaakkola 2018, arXiv:1806.08049",
    .caption = "A model that reads a typo as another word may be right to look elsewhere.",
    .quality = GLIM_CONSISTENCY,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_METHOD | GLIM_NEEDS_WORDING,
    .cost = "5 more runs of the method, and 3 for typos",
    .params = params,
    .opts_size = sizeof(struct opts),
    .run = run_wording,
    .runs = wording_runs,
};

const glim_metric glim_metric_paraphrase_kendall = {
    .name = "paraphrase-kendall",
    .summary = "whether paraphrases leave the order of the words that they share (tau_b)",
    .cite = "Alvarez-Melis, Jaakkola 2018, arXiv:1806.08049",
    .caption = "Words that only one of both has are left aside.",
    .quality = GLIM_CONSISTENCY,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_METHOD | GLIM_NEEDS_WORDING,
    .cost = "a run of the method for each paraphrase",
    .run = run_paraphrases,
    .unfit = no_paraphrases,
    .runs = paraphrase_runs,
};
