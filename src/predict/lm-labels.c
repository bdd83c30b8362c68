/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels as answers: what a decoder makes of a text without having been trained for
 * the question. A label's score is the log-probability of its tokens behind the
 * prompt (or their mean); over all labels,
 *
 *   p(k) = exp s(k) / sum_j exp s(j),   s(k) = sum_i log p(token i of k | what is before)
 *
 * The input runs once for all labels. Behind it each label has a branch that runs
 * every token but its last, whose probability is read one place before; a branch
 * that another one begins with is not run, and a place that several labels pass is
 * read once. With one token each, labels need no branch at all.
 */
#include "predict/lm-labels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- labels ---- */

static glim_status cut_tokens(const glim_lm *lm, glim_label *l, const char *name, glim_error *err) {
    const glim_token *last = &lm->tokens->at[lm->tokens->count - 1];
    const glim_tokenizer *t = lm->model->tokenizer;
    glim_gguf_string before = glim__token_bytes(t, last->id);
    size_t n = strlen(name);
    bool gap = !glim__token_is_control(t, last->id) && last->kind != GLIM_TOKEN_SPECIAL &&
               glim__labels_gap(before.data, before.len, name);
    glim_token_list list = {.ctx = lm->base.ctx};
    char *text = glim__calloc(lm->base.ctx, n + 2, 1);
    if (!text)
        return glim__oom(lm->base.ctx, err, "a label", n);
    snprintf(text, n + 2, "%s%s", gap ? " " : "", name);
    glim_status status = glim__tokenize(t, &list, text, n + gap, 0, false, false, err);
    l->count = list.count;
    if (!status && !list.count)
        status = glim_fail(err, GLIM_EUSAGE, "label '%.60s' has no token", name);
    l->ids = status ? NULL : glim__calloc(lm->base.ctx, list.count, sizeof *l->ids);
    if (!status && !l->ids)
        status = glim__oom(lm->base.ctx, err, "a label", list.count * sizeof *l->ids);
    for (size_t i = 0; i < list.count && !status; i++)
        l->ids[i] = list.at[i].id;
    glim__token_list_release(&list);
    glim__free(lm->base.ctx, text);
    return status;
}

/* Tokens that both begin with. */
size_t glim__label_common(const glim_label *a, const glim_label *b, size_t most) {
    size_t n = 0;
    while (n < most && n < a->count && n < b->count && a->ids[n] == b->ids[n])
        n++;
    return n;
}

static glim_status cut_all(glim_lm *lm, glim_error *err) {
    glim_lm_labels *l = lm->labels;
    for (size_t k = 0; k < l->names.count; k++) {
        glim_status status = cut_tokens(lm, &l->at[k], l->names.at[k], err);
        if (status)
            return status;
        l->at[k].share = l->mean ? 1.0 / (double)l->at[k].count : 1;
        for (size_t i = 0; i < k; i++)
            if (l->at[i].count == l->at[k].count &&
                glim__label_common(&l->at[i], &l->at[k], l->at[k].count) == l->at[k].count)
                return glim_fail(err, GLIM_EUSAGE, "labels '%.60s' and '%.60s' are the same tokens",
                                 l->names.at[i], l->names.at[k]);
    }
    return GLIM_OK;
}

/* Which branches the used labels need, and which rows each of them owns. */
static void choose_branches(glim_lm_labels *l) {
    l->longest = 0;
    for (size_t k = 0; k < l->names.count; k++) {
        glim_label *a = &l->at[k];
        a->branch = a->used && a->count > 1;
        for (size_t i = 0; i < l->names.count && a->branch; i++) {
            const glim_label *b = &l->at[i];
            size_t rows = a->count - 1;
            if (i != k && b->used && b->count > rows && glim__label_common(a, b, rows) == rows &&
                (b->count > a->count || i < k))
                a->branch = false;
        }
        a->owned = 0;
        for (size_t i = 0; i < k && a->branch; i++) {
            size_t n = l->at[i].branch ? glim__label_common(a, &l->at[i], l->at[i].count - 1) : 0;
            a->owned = n > a->owned ? n : a->owned;
        }
        if (a->branch && a->count - 1 > l->longest)
            l->longest = a->count - 1;
    }
}

static glim_status find_label(const glim_lm_labels *l, const char *name, int32_t *id,
                              glim_error *err) {
    char list[240] = "";
    size_t at = 0;
    for (size_t k = 0; k < l->names.count; k++) {
        int n = snprintf(list + at, sizeof list - at, "%s%s", k ? ", " : "", l->names.at[k]);
        at += n > 0 && (size_t)n < sizeof list - at ? (size_t)n : 0;
        if (!strcmp(l->names.at[k], name)) {
            *id = (int32_t)k;
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_EUSAGE, "there is no label '%.60s' (the labels: %s)", name, list);
}

static glim_status open_labels(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    glim_context *ctx = lm->base.ctx;
    glim_lm_labels *l = lm->labels = glim__calloc(ctx, 1, sizeof *l);
    if (!l)
        return glim__oom(ctx, err, "the labels", sizeof *l);
    l->mean = o->length_normalise;
    glim_status status = glim__labels_cut(&l->names, ctx, o->labels, err);
    if (status)
        return status;
    size_t n = l->names.count;
    if (n < 2)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.60s' is a single label, which leaves no choice (--labels A,B)",
                         l->names.at[0]);
    l->at = glim__calloc(ctx, n, sizeof *l->at);
    l->score = glim__calloc(ctx, 2 * n, sizeof *l->score);
    l->shown = glim__calloc(ctx, n, sizeof *l->shown);
    if (!l->at || !l->score || !l->shown)
        return glim__oom(ctx, err, "the labels", n * sizeof *l->at);
    l->slope = l->score + n;
    for (size_t k = 0; k < n; k++)
        l->at[k].used = true;
    return cut_all(lm, err);
}

glim_status glim__lm_label_rows(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    if (lm->whole || lm->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_EUSAGE,
                         "--labels are for models that continue a text; this one has classes of "
                         "its own or none");
    if (o->continuation || o->generate)
        return glim_fail(err, GLIM_EUSAGE,
                         "labels are the target (leave out --continuation and --generate)");
    glim_status status = open_labels(lm, o, err);
    if (status)
        return status;
    lm->kind = o->against ? "contrast" : "class";
    choose_branches(lm->labels);
    status = glim__lm_add_rows(lm, lm->tokens->count - 1, 1, err);
    if (!status && o->target)
        status = find_label(lm->labels, o->target, &lm->rows[0].id, err);
    if (!status && o->against)
        status = find_label(lm->labels, o->against, &lm->rows[0].against, err);
    lm->base.values = glim__lm_label_values;
    lm->base.gradient = glim__lm_label_gradient;
    lm->base.plan_values = glim__lm_label_plan_values;
    lm->base.plan_gradient = glim__lm_label_plan_gradient;
    return status;
}

void glim__lm_labels_free(glim_lm *lm) {
    glim_lm_labels *l = lm->labels;
    if (!l)
        return;
    for (size_t k = 0; l->at && k < l->names.count; k++)
        glim__free(lm->base.ctx, l->at[k].ids);
    glim__labels_release(&l->names);
    glim__free(lm->base.ctx, l->at);
    glim__free(lm->base.ctx, l->score);
    glim__free(lm->base.ctx, l->shown);
    glim__free(lm->base.ctx, l);
}

/* ---- scores ---- */

/* True when the label's token behind row `i` of branch b is read there; b NULL: the
   end of the prompt, where every label's first token is. */
bool glim__label_passes(const glim_label *k, const glim_label *b, size_t i) {
    size_t at = b ? i + 1 : 0;
    return k->used && at < k->count && (!b || glim__label_common(k, b, at) == at);
}

/* Adds the log-probabilities of the tokens behind a place. */
void glim__label_read(const glim_lm *lm, const glim_label *b, size_t i, const float *logits) {
    glim_lm_labels *l = lm->labels;
    double lse = glim__log_sum_exp(logits, lm->outputs);
    for (size_t k = 0; k < l->names.count; k++)
        if (glim__label_passes(&l->at[k], b, i))
            l->score[k] += l->at[k].share * (logits[l->at[k].ids[b ? i + 1 : 0]] - lse);
}

void glim__label_clear(glim_lm_labels *l) {
    memset(l->score, 0, l->names.count * sizeof *l->score);
}

/* The target from the scores of the used labels, and its slopes. */
double glim__label_target(const glim_lm *lm) {
    const glim_lm_labels *l = lm->labels;
    const glim_lm_row *row = &lm->rows[0];
    size_t t = (size_t)row->id, K = l->names.count;
    size_t a = row->against >= 0 ? (size_t)row->against : SIZE_MAX;
    bool contrast = a != SIZE_MAX, over_all = lm->output == GLIM_OUTPUT_PROB;
    double top = -INFINITY, sum = 0, value = l->score[t] - (contrast ? l->score[a] : 0);
    memset(l->slope, 0, K * sizeof *l->slope);
    l->slope[t] = 1;
    if (contrast)
        l->slope[a] = -1;
    if (!over_all && (lm->output == GLIM_OUTPUT_LOGIT || contrast))
        return value;
    for (size_t k = 0; k < K; k++)
        top = fmax(top, l->score[k]);
    for (size_t k = 0; k < K; k++)
        sum += exp(l->score[k] - top);
    double lse = top + log(sum), p = exp(l->score[t] - lse);
    double q = contrast ? exp(l->score[a] - lse) : 0;
    for (size_t k = 0; k < K; k++) {
        double share = exp(l->score[k] - lse);
        double of_t = (k == t) - share, of_a = contrast ? (k == a) - share : 0;
        l->slope[k] = over_all ? p * of_t - q * of_a : of_t;
    }
    return over_all ? p - q : l->score[t] - lse;
}

/* Rows of all branches, and their number. */
size_t glim__label_branch_rows(const glim_lm_labels *l, size_t *branches) {
    size_t rows = 0;
    *branches = 0;
    for (size_t k = 0; k < l->names.count; k++) {
        rows += l->at[k].branch ? l->at[k].count - 1 : 0;
        *branches += l->at[k].branch;
    }
    return rows;
}

/* ---- the input as it is ---- */

static void choose_used(glim_lm *lm) {
    glim_lm_labels *l = lm->labels;
    bool all = lm->output == GLIM_OUTPUT_PROB ||
               (lm->output == GLIM_OUTPUT_LOGPROB && lm->rows[0].against < 0);
    for (size_t k = 0; k < l->names.count; k++)
        l->at[k].used = all || (int32_t)k == lm->rows[0].id || (int32_t)k == lm->rows[0].against;
    choose_branches(l);
}

glim_status glim__lm_label_pass(glim_lm *lm, glim_error *err) {
    glim_lm_labels *l = lm->labels;
    size_t K = l->names.count, best = 0;
    double sum = 0;
    glim_status status = glim__label_first(lm, err);
    if (status)
        return status;
    for (size_t k = 0; k < K; k++)
        best = l->score[k] > l->score[best] ? k : best;
    for (size_t k = 0; k < K; k++)
        sum += exp(l->score[k] - l->score[best]);
    for (size_t k = 0; k < K; k++) {
        l->at[k].prob = exp(l->score[k] - l->score[best]) / sum;
        l->shown[k] = (glim_label_score){.text = l->names.at[k],
                                         .tokens = l->at[k].count,
                                         .score = l->score[k],
                                         .prob = l->at[k].prob};
    }
    if (lm->rows[0].id < 0)
        lm->rows[0].id = (int32_t)best;
    lm->value[0] = glim__label_target(lm);
    lm->prob[0] = l->at[lm->rows[0].id].prob;
    choose_used(lm);
    return GLIM_OK;
}

const glim_label_score *glim_predictor_label_scores(const glim_predictor *p, size_t *n) {
    const glim_lm *lm = (const glim_lm *)p;
    bool has = p->values == glim__lm_label_values;
    *n = has ? lm->labels->names.count : 0;
    return has ? lm->labels->shown : NULL;
}

bool glim__lm_label_notes(const glim_lm *lm, glim_document *doc) {
    const glim_lm_labels *l = lm->labels;
    char list[400] = "";
    size_t at = 0, K = l->names.count;
    for (size_t k = 0; k < K && at + 100 < sizeof list; k++) {
        int n = snprintf(list + at, sizeof list - at, "%s%.60s %.3g (%zu)", k ? ", " : "",
                         l->names.at[k], l->shown[k].score, l->at[k].count);
        at += n > 0 ? (size_t)n : 0;
    }
    bool ok = glim_document_note(
        doc, "labels as answers, %s log-probability (tokens): %s%s; probabilities are among them",
        l->mean ? "mean" : "total", list, K > 1 && at + 100 >= sizeof list ? ", ..." : "");
    for (size_t k = 0; k < K && ok && !l->mean; k++)
        for (size_t i = 0; i < K && ok; i++)
            if (l->at[i].count < l->at[k].count &&
                glim__label_common(&l->at[i], &l->at[k], l->at[i].count) == l->at[i].count)
                ok = glim_document_note(doc,
                                        "label '%.60s' begins '%.60s', so it is never less likely",
                                        l->names.at[i], l->names.at[k]);
    return ok;
}

const char *glim__lm_label_name(const glim_lm *lm, int32_t k) {
    return lm->labels->names.at[k];
}
