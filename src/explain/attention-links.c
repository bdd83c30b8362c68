/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From scores to links in a document: shares of each row, the rule, gold, error rates.
 * Of attention every layer is tried, since the one that aligns best differs between
 * models; without gold the one before the last is taken (Garg et al. 2019).
 */
#include "explain/attention-look.h"

#include <math.h>
#include <string.h>

static const double SOFTMAX_THRESHOLD = 0.001; /* Dou, Neubig 2021 */

void glim__align_shares(const double *scores, size_t T, size_t S, double *shares) {
    for (size_t t = 0; t < T; t++) {
        double sum = 0;
        for (size_t s = 0; s < S; s++)
            sum += scores[t * S + s] > 0 ? scores[t * S + s] : 0;
        for (size_t s = 0; s < S; s++) {
            double x = scores[t * S + s];
            shares[t * S + s] = isnan(x) || !(sum > 0) ? NAN : x > 0 ? x / sum : 0;
        }
    }
}

glim_status glim__align_rule(glim_extract *rule, const glim_align_options *o, glim_error *err) {
    *rule = o->extract ? glim__extract_find(o->extract) : GLIM_EXTRACT_ARGMAX;
    if (*rule == GLIM_EXTRACT_RULES)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.40s' is no rule (argmax, intersection, softmax-threshold, "
                         "grow-diag-final-and)",
                         o->extract);
    return GLIM_OK;
}

glim_status glim__align_links(glim_links *out, glim_context *ctx, const double *shares, size_t T,
                              size_t S, glim_extract rule, glim_error *err) {
    if (rule != GLIM_EXTRACT_SOFTMAX)
        return glim__extract_links(out, ctx, shares, T, S, rule, 0, err);
    double *logs = glim__calloc(ctx, T * S + 1, sizeof *logs);
    *out = (glim_links){.ctx = ctx};
    if (!logs)
        return glim__oom(ctx, err, "the links", T * S * sizeof *logs);
    for (size_t i = 0; i < T * S; i++)
        logs[i] = log(shares[i]);
    glim_status status = glim__extract_links(out, ctx, logs, T, S, rule, SOFTMAX_THRESHOLD, err);
    glim__free(ctx, logs);
    return status;
}

glim_status glim__align_gold(glim_links *out, glim_context *ctx, const glim_align_options *o,
                             size_t S, size_t T, glim_error *err) {
    *out = (glim_links){.ctx = ctx};
    return o->gold ? glim__gold_parse(out, ctx, o->gold, o->gold_len,
                                      o->gold_name ? o->gold_name : "gold",
                                      o->gold_line ? o->gold_line : 1, S, T, err)
                   : GLIM_OK;
}

static const glim_document_link *pairs(glim_document *doc, const glim_links *links,
                                       const size_t *unit_of) {
    glim_document_link *out = glim_document_alloc(doc, links->count * sizeof *out);
    for (size_t i = 0; out && i < links->count; i++) {
        const glim_link *l = &links->at[i];
        out[i] = (glim_document_link){l->target, unit_of ? unit_of[l->source] : l->source, l->sure};
    }
    return out;
}

glim_status glim__align_tell(glim_document *doc, const glim_links *found, const glim_links *gold,
                             glim_extract rule, const size_t *unit_of, glim_error *err) {
    glim_document_links *l = &doc->links;
    glim_aer sum = {0};
    *l = (glim_document_links){.rule = glim__extract_name(rule),
                               .found = pairs(doc, found, unit_of),
                               .n_found = found->count,
                               .gold = gold ? pairs(doc, gold, unit_of) : NULL,
                               .n_gold = gold ? gold->count : 0,
                               .has_gold = gold != NULL,
                               .aer = NAN,
                               .precision = NAN,
                               .recall = NAN};
    if (!l->found || (gold && !l->gold))
        return glim__oom(doc->ctx, err, "the links", found->count * sizeof *l->found);
    if (!found->count)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL, "no word found its source by '%s'", l->rule);
    if (!gold)
        return GLIM_OK;
    glim__aer_add(&sum, gold, found);
    l->aer = glim__aer(&sum);
    l->precision = glim__aer_precision(&sum);
    l->recall = glim__aer_recall(&sum);
    if (l->aer > 0.5)
        glim_document_judge(
            doc, GLIM_VERDICT_CAREFUL,
            "against gold the error rate is %.2f: most of these links are not those "
            "of people",
            l->aer);
    return glim_document_check_add(doc, "aer", l->aer, "alignment error rate against gold")
               ? GLIM_OK
               : glim__oom(doc->ctx, err, "the links", 0);
}

/* ---- layers of attention ---- */

struct layers {
    glim_look *look;
    glim_extract rule;
    glim_links gold;
    double *shares; /* (rows, columns) of one layer */
    double *aer;    /* [L], or NULL without gold */
};

/* Shares of layer l. With --sink show they are weights, of which other columns have the rest. */
static void layer_shares(struct layers *a, int l) {
    const glim_look *look = a->look;
    size_t n = look->rows.count * look->columns.count;
    const double *sums = look->layers + (size_t)l * n;
    double heads = look->o->head < 0 ? look->H : 1;
    bool whole = look->o->sink && strcmp(look->o->sink, "renormalise") != 0;
    glim__align_shares(sums, look->rows.count, look->columns.count, a->shares);
    for (size_t i = 0; i < n && whole; i++)
        a->shares[i] = sums[i] / heads;
}

static glim_status layer_links(struct layers *a, int l, glim_links *out, glim_error *err) {
    const glim_look *look = a->look;
    layer_shares(a, l);
    return glim__align_links(out, look->ctx, a->shares, look->rows.count, look->columns.count,
                             a->rule, err);
}

static glim_status try_layers(struct layers *a, int *best, glim_error *err) {
    glim_status status = GLIM_OK;
    *best = 0;
    for (int l = 0; l < a->look->L && !status; l++) {
        glim_links found;
        glim_aer sum = {0};
        status = layer_links(a, l, &found, err);
        if (!status)
            glim__aer_add(&sum, &a->gold, &found);
        a->aer[l] = glim__aer(&sum);
        if (a->aer[l] < a->aer[*best])
            *best = l;
        glim__links_free(&found);
    }
    return status;
}

static glim_status tell(struct layers *a, glim_document *doc, int layer, glim_error *err) {
    const glim_look *look = a->look;
    size_t n = look->rows.count * look->columns.count;
    glim_links found = {0};
    glim_status status = layer_links(a, layer, &found, err);
    if (!status)
        status = glim__align_tell(doc, &found, look->o->links.gold ? &a->gold : NULL, a->rule, NULL,
                                  err);
    glim__links_free(&found);
    doc->scores = glim_document_alloc(doc, (n + 1) * sizeof *doc->scores);
    if (!status && !doc->scores)
        status = glim__oom(look->ctx, err, "the scores", n * sizeof *doc->scores);
    if (!status)
        memcpy(doc->scores, a->shares, n * sizeof *doc->scores);
    if (!status && a->aer) {
        double *aer = glim_document_alloc(doc, (size_t)look->L * sizeof *aer);
        if (!aer)
            return glim__oom(look->ctx, err, "the error rates", (size_t)look->L * sizeof *aer);
        memcpy(aer, a->aer, (size_t)look->L * sizeof *aer);
        doc->links.layer_aer = aer;
        doc->links.n_layers = (size_t)look->L;
    }
    return status;
}

glim_status glim__look_align(glim_look *look, glim_document *doc, int *layer, glim_error *err) {
    struct layers a = {.look = look};
    size_t n = look->rows.count * look->columns.count;
    bool gold = look->o->links.gold;
    glim_status status = glim__align_rule(&a.rule, &look->o->links, err);
    if (!status)
        status = glim__align_gold(&a.gold, look->ctx, &look->o->links, look->columns.count,
                                  look->rows.count, err);
    a.shares = glim__calloc(look->ctx, n + 1, sizeof *a.shares);
    a.aer = gold ? glim__calloc(look->ctx, (size_t)look->L, sizeof *a.aer) : NULL;
    if (!status && (!a.shares || (gold && !a.aer)))
        status = glim__oom(look->ctx, err, "the links", n * sizeof *a.shares);
    int best = look->L > 1 ? look->L - 2 : 0;
    if (!status && gold)
        status = try_layers(&a, &best, err);
    *layer = look->o->layer < 0 ? best : look->o->layer;
    if (!status)
        status = tell(&a, doc, *layer, err);
    glim__links_free(&a.gold);
    glim__free(look->ctx, a.shares);
    glim__free(look->ctx, a.aer);
    return status;
}
