/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner values of a language model on its input, as hooks see them: one pass over
 * the whole input (of an encoder-decoder: the text and what was written about it), and
 * for hooks that want gradients one walk back for each target row over the same pass.
 * All rows are there in every block, whichever are asked for.
 *
 * Labels that are single tokens are read where the next token is; the others stand
 * behind the prompt in branches of their own, whose gradients are not shown.
 */
#include "predict/lm-labels.h"

#include <string.h>

struct watch {
    glim_lm *lm;
    size_t row, rows; /* target rows row .. row + rows are walked back */
    bool back;
    float *d, *dense;
};

static bool wants_gradients(const glim_hook *hooks, size_t n) {
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any = any || (hooks[i].actions & GLIM_HOOK_GRAD);
    return any;
}

/* Rows whose logits are there: those of the targets. */
static size_t wanted_rows(const glim_lm *lm) {
    return lm->pooled ? lm->base.T : lm->base.n_rows;
}

static glim_status check_labels(const glim_lm *lm, glim_error *err) {
    size_t branches = 0;
    if (lm->labels)
        glim__label_branch_rows(lm->labels, &branches);
    return branches ? glim_fail(err, GLIM_EUNSUPPORTED,
                                "a label of several tokens has no gradient at inner values "
                                "(choose labels of one token, or --target)")
                    : GLIM_OK;
}

static glim_status run_forward(struct watch *w, const glim_hook *hooks, size_t n, glim_error *err) {
    glim_lm *lm = w->lm;
    size_t T = lm->base.T, R = lm->base.n_rows;
    uint32_t *wanted = glim__calloc(lm->base.ctx, R, sizeof *wanted);
    if (!wanted)
        return glim__oom(lm->base.ctx, err, "the rows", R * sizeof *wanted);
    for (size_t r = 0; r < R; r++)
        wanted[r] = (uint32_t)lm->rows[r].at;
    glim_sequence text = {.ids = lm->ids, .types = lm->types, .count = T}, q = text;
    if (lm->written)
        q = (glim_sequence){.ids = lm->written, .count = R, .wanted = lm->every, .n_wanted = R};
    else
        glim__lm_wanted(lm, wanted, R, T, &q);
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = hooks,
                    .n_hooks = n,
                    .rules = w->back ? lm->base.rules : NULL,
                    .keep = w->back,
                    .sources = &text,
                    .n_sources = lm->written != NULL};
    glim_status status = glim_session_forward(lm->work, &b, err);
    if (!status && lm->base.late)
        glim__lm_read_rows(lm, lm->work);
    lm->forward += T + (lm->written ? R : 0);
    glim__progress_add(lm->base.ctx, T);
    glim__free(lm->base.ctx, wanted);
    return status;
}

static glim_status walk_row(struct watch *w, size_t row, glim_error *err) {
    glim_lm *lm = w->lm;
    int32_t ids[2];
    float weights[2];
    size_t T = lm->base.T + (lm->written ? lm->base.n_rows : 0);
    glim_seed seed = {.wanted = row};
    const float *logits = glim_session_logits(lm->work, 0, row);
    if (lm->labels) {
        glim__label_seed(lm, logits, w->dense);
        seed.dense = w->dense;
    } else {
        glim__lm_seed(lm, &lm->rows[row], logits, w->dense, ids, weights, &seed);
    }
    glim_status status = glim_session_backward(lm->work, &seed, 1, w->d, err);
    lm->backward += T;
    glim__progress_add(lm->base.ctx, T);
    return status;
}

glim_status glim__lm_observe(glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                             glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    struct watch w = {.lm = lm,
                      .row = row < 0 ? 0 : (size_t)row,
                      .rows = row < 0 ? p->n_rows : 1,
                      .back = wants_gradients(hooks, n)};
    glim_status status = w.back ? check_labels(lm, err) : GLIM_OK;
    if (!status && !lm->work)
        status = glim_session_new(&lm->work, lm->model, 0, err);
    if (!status && w.back) {
        w.d = glim__calloc(p->ctx, p->T * p->C, sizeof *w.d);
        w.dense = glim__calloc(p->ctx, lm->outputs, sizeof *w.dense);
        if (!w.d || !w.dense)
            status = glim__oom(p->ctx, err, "gradients", p->T * p->C * sizeof *w.d);
    }
    if (!status)
        status = run_forward(&w, hooks, n, err);
    for (size_t r = w.row; r < w.row + w.rows && !status && w.back; r++)
        status = walk_row(&w, r, err);
    glim__free(p->ctx, w.d);
    glim__free(p->ctx, w.dense);
    return status;
}

void glim__lm_plan_observe(const glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                           glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    bool back = wants_gradients(hooks, n);
    size_t T = p->T, R = p->n_rows, longest = lm->written && R > T ? R : T;
    size_t rows = lm->written ? R : T;
    uint64_t each = 0, more = 0, L = (uint64_t)glim_model_facts(lm->model)->layers;
    uint64_t bytes = glim_session_plan(lm->model, rows, 1, longest, wanted_rows(lm), back, &each) +
                     glim_session_plan_hooks(lm->model, hooks, n, rows, longest, back, &more) +
                     4 * R;
    if (lm->written)
        bytes += glim_session_plan_hooks(lm->model->encoder, hooks, n, T, T, back, NULL);
    if (back)
        bytes += 4 * (T * p->C + lm->outputs);
    uint64_t most = bytes + (back ? L * (each + more) : 0);
    out->forward_tokens += T + (lm->written ? R : 0);
    out->backward_tokens += back ? (row < 0 ? R : 1) * (T + (lm->written ? R : 0)) : 0;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = most > out->bytes_wanted ? most : out->bytes_wanted;
}
