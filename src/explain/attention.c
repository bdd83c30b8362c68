/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention patterns from a predictor's hooks, head by head: which kinds a model has, how
 * they are visited, the row that tells a target, and how rows become the scores of a
 * document.
 */
#include "explain/attention.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const sites[GLIM_PATTERN_KINDS] = {
    "encoder.blocks.*.attn.hook_pattern",
    "decoder.blocks.*.attn.hook_pattern",
    "decoder.blocks.*.cross_attn.hook_pattern",
};

static bool has_encoder(const glim_predictor *p) {
    return p->model && p->model->info.encoder_layers > 0;
}

glim_pattern_shape glim__pattern_shape(const glim_predictor *p, glim_pattern_kind kind) {
    glim_pattern_shape none = {0};
    if (!p->model || !p->observe)
        return none;
    const glim_model_info *info = &p->model->info;
    bool pair = has_encoder(p);
    glim_pattern_shape shape = {.layers = info->layers,
                                .heads = info->heads,
                                .T = pair ? p->n_rows : p->T,
                                .S = pair ? p->n_rows : p->T,
                                .causal = pair || !info->both_ways};
    if (kind == GLIM_PATTERN_SELF)
        return shape;
    if (!pair)
        return none;
    shape.S = p->T;
    shape.causal = false;
    if (kind == GLIM_PATTERN_ENCODER) {
        shape.T = p->T;
        shape.layers = info->encoder_layers;
    }
    return shape;
}

glim_pattern_kind glim__pattern_source(const glim_predictor *p) {
    return has_encoder(p) ? GLIM_PATTERN_CROSS : GLIM_PATTERN_SELF;
}

/* ---- visiting ---- */

struct watch {
    glim_pattern_kind kind;
    glim_pattern_shape shape;
    glim_pattern_visit *visit;
    void *data;
};

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    const struct watch *w = data;
    glim_pattern one = {.kind = w->kind,
                        .layer = site->layer,
                        .head = site->head,
                        .shape = w->shape,
                        .weights = site->gradient ? site->value : site->data,
                        .gradient = site->gradient ? site->data : NULL};
    return w->visit(w->data, &one, err);
}

static size_t make_hooks(const glim_predictor *p, unsigned kinds, bool gradient,
                         glim_pattern_visit *visit, void *data, struct watch *watch,
                         glim_hook *hooks) {
    size_t n = 0;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++) {
        glim_pattern_kind kind = (glim_pattern_kind)k;
        watch[n] = (struct watch){kind, glim__pattern_shape(p, kind), visit, data};
        if (!(kinds & 1u << k) || !watch[n].shape.layers)
            continue;
        hooks[n] =
            (glim_hook){.pattern = has_encoder(p) ? sites[k] : "blocks.*.attn.hook_pattern",
                        .actions = GLIM_HOOK_HEADS | (gradient ? GLIM_HOOK_GRAD : GLIM_HOOK_READ),
                        .visit = see,
                        .data = &watch[n]};
        n++;
    }
    return n;
}

static glim_status observe(glim_predictor *p, unsigned kinds, bool gradient,
                           glim_pattern_visit *visit, void *data, glim_error *err) {
    struct watch watch[GLIM_PATTERN_KINDS];
    glim_hook hooks[GLIM_PATTERN_KINDS];
    size_t n = make_hooks(p, kinds, gradient, visit, data, watch, hooks);
    return p->observe(p, hooks, n, -1, err);
}

glim_status glim__patterns_each(glim_predictor *p, unsigned kinds, glim_pattern_visit *visit,
                                void *data, glim_error *err) {
    return observe(p, kinds, false, visit, data, err);
}

glim_status glim__patterns_gradient(glim_predictor *p, unsigned kinds, glim_pattern_visit *visit,
                                    void *data, glim_error *err) {
    return observe(p, kinds, true, visit, data, err);
}

void glim__patterns_plan(const glim_predictor *p, unsigned kinds, bool gradient, glim_plan *out) {
    struct watch watch[GLIM_PATTERN_KINDS];
    glim_hook hooks[GLIM_PATTERN_KINDS];
    size_t n = make_hooks(p, kinds, gradient, NULL, NULL, watch, hooks);
    p->plan_observe(p, hooks, n, -1, out);
}

void glim__pattern_row(const glim_predictor *p, size_t row, const float *weights,
                       const glim_pattern_shape *shape, double *out) {
    size_t at = p->row_at(p, row), S = shape->S;
    size_t first = at == SIZE_MAX ? 0 : at, past = at == SIZE_MAX ? shape->T : at + 1;
    memset(out, 0, S * sizeof *out);
    for (size_t t = first; t < past; t++)
        for (size_t s = 0; s < S; s++)
            out[s] += weights[t * S + s];
    for (size_t s = 0; s < S && past - first > 1; s++)
        out[s] /= (double)(past - first);
}

/* ---- choices ---- */

glim_status glim__heads_choose(glim_head_choice *out, const char *text,
                               const glim_pattern_shape *shape, glim_error *err) {
    static const char *const names[] = {"mean", "max", "min"};
    char *end;
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *out = (glim_head_choice){.how = (glim_heads)i};
            return GLIM_OK;
        }
    long n = strtol(text, &end, 10);
    if (!*text || *end)
        return glim_fail(err, GLIM_EUSAGE, "--head '%.40s' is none of mean, max, min and a number",
                         text);
    if (n < 0 || n >= shape->heads)
        return glim_fail(err, GLIM_EUSAGE, "there is no head %ld (0 to %d)", n, shape->heads - 1);
    *out = (glim_head_choice){.how = GLIM_HEADS_ONE, .one = (int)n};
    return GLIM_OK;
}

glim_status glim__layer_choose(int64_t layer, const glim_pattern_shape *shape, glim_error *err) {
    if (layer < shape->layers)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE, "there is no layer %lld (0 to %d, or -1 for all)",
                     (long long)layer, shape->layers - 1);
}

/* ---- scores ---- */

void glim__shares_put(glim_shares *s, const glim_predictor *p, glim_document *doc, size_t row,
                      const double *tokens, double expected) {
    double fixed, sum = glim__tokens_total(p, tokens);
    glim__units_sum(p, row, tokens, doc->scores + row * p->units->count, &fixed);
    if (p->n_rows == 1)
        doc->fixed_total = fixed;
    s->fixed = fabs(fixed) > fabs(s->fixed) ? fixed : s->fixed;
    s->worst = fmax(s->worst, fabs(sum - expected));
}

void glim__shares_tell(const glim_shares *s, glim_document *doc, const char *meaning) {
    glim_document_check_add(doc, "share_residual", s->worst, meaning);
    glim_document_check_add(doc, "fixed_share", s->fixed,
                            "what goes to tokens that are not scored, the most of any row");
    if (s->worst > 1e-3)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "shares miss their sum by %.2g: the model's numbers are too rough",
                            s->worst);
    else if (s->fixed > 0.8)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% goes to tokens that are not scored, so little is said of the "
                            "words",
                            100 * s->fixed);
}
