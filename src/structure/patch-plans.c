/* SPDX-License-Identifier: Apache-2.0 */
/* What ablation and tracing cost, before they run. */
#include "model/model.h"
#include "structure/patching.h"
#include "structure/report.h"

#include <glim/patch.h>

/* As many passes for each block, from that block upwards; in tokens through the whole stack. */
static uint64_t upwards(const glim_hyper *h, uint64_t passes, uint64_t rows) {
    return passes * rows * ((uint64_t)h->L + 1) / 2;
}

static glim_status check(const glim_predictor *p, glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    if (!p->model || !p->observe || p->image || lm->labels || lm->direction)
        return glim_fail(err, GLIM_EUSAGE,
                         "patches need a language model, and a token or a class as the target");
    return GLIM_OK;
}

/* Decoder or encoder alone, or both of an encoder-decoder: items of a half run its rows. */
static uint64_t rows_of(const glim_lm *lm, bool encoder) {
    return glim__lm_positions(&lm->base, encoder, NULL);
}

static void fill(glim_plan *out, const glim_lm *lm, size_t kinds) {
    *out = (glim_plan){.seconds = -1, .bounded = true};
    out->bytes = out->bytes_wanted =
        glim__patching_plan(lm, kinds) + glim_context_bytes(lm->base.ctx);
}

glim_status glim_patch_ablate_plan(const glim_predictor *p, const glim_ablate_options *o,
                                   glim_plan *out, glim_error *err) {
    enum { KINDS = 3 };
    const glim_lm *lm = (const glim_lm *)p;
    glim_status status = check(p, err);
    if (status)
        return status;
    fill(out, lm, KINDS);
    bool two = lm->written != NULL, again = o->how == GLIM_ABLATE_RESAMPLE;
    uint64_t inputs = o->n_others, rounds = again && inputs ? inputs : 1;
    out->bounded = !o->data; /* how long a corpus is shows when it has been read */
    for (int e = 0; e < 1 + two; e++) {
        const glim_hyper *h = &(e ? lm->model->encoder : lm->model)->hyper;
        out->forward_tokens += rounds * upwards(h, 2 + (uint64_t)h->H, rows_of(lm, e == 1));
        out->forward_tokens += (inputs + 1) * rows_of(lm, e == 1);
    }
    return GLIM_OK;
}

glim_status glim_patch_trace_plan(const glim_predictor *p, const glim_trace_options *o,
                                  glim_plan *out, glim_error *err) {
    enum { KINDS = 3 };
    const glim_lm *lm = (const glim_lm *)p;
    glim_status status = check(p, err);
    if (status)
        return status;
    fill(out, lm, KINDS);
    uint64_t draws = o->draws ? o->draws : 10, own = 0;
    for (int e = 0; e < 1 + (lm->written != NULL); e++) {
        const glim_hyper *h = &(e ? lm->model->encoder : lm->model)->hyper;
        uint64_t T = rows_of(lm, e == 1);
        /* of what reads forwards the rows behind a position: half of them */
        bool behind = !lm->whole && !lm->written;
        own += upwards(h, KINDS * T, behind ? T / 2 + 1 : T) + 2 * T;
    }
    out->forward_tokens = draws * own;
    return GLIM_OK;
}
