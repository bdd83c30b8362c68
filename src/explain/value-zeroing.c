/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `value-zeroing` (Mohebbi et al. 2023): in each layer, how far the layer's output at the
 * target's position turns when the value vectors of one source are zero in all heads,
 *
 *   1 - cos(y_t, y_t without v_s),  made shares of one, mean over layers
 *
 * Attention is linear in values, so without v_s it adds `out - part_s`; a second pass has a
 * sequence of one token for each source, whose block inputs and attention outputs are
 * written by hooks, and reads what every layer makes of that. Two passes a target and
 * piece of the text instead of one for each source and layer, for any kind of block.
 */
#include "base/cosine.h"
#include "explain/attention-parts.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t layer;
};

static const glim_param params[] = {
    GLIM_LAYER_PARAM(struct opts),
    {0},
};

enum { PIECE = 256 }; /* sources of one second pass */

struct work {
    glim_predictor *p;
    bool pair;
    glim_pattern_shape shape;
    size_t L, C, at, row;
    size_t piece;          /* sources of one second pass at most */
    size_t first, n;       /* those of the piece at hand */
    float *before, *after; /* (L, C) twice: inputs and outputs of the blocks at the target */
    float *own;            /* (L, C) what attention among the written tokens adds */
    float *zeroed;         /* (L, piece, C) what attention adds without each source */
    double *turned;        /* (L, S) */
    double *share;         /* (S) */
    glim_session *session;
    double off;
};

/* ---- the first pass ---- */

static glim_status take(float *into, const struct work *w, const glim_site *site) {
    memcpy(into + (size_t)site->layer * w->C, site->data + w->at * w->C, w->C * sizeof *into);
    return GLIM_OK;
}

static glim_status see_before(void *data, const glim_site *site, glim_error *err) {
    struct work *w = data;
    return take(w->before, w, site);
}

static glim_status see_after(void *data, const glim_site *site, glim_error *err) {
    struct work *w = data;
    return take(w->after, w, site);
}

static glim_status see_own(void *data, const glim_site *site, glim_error *err) {
    struct work *w = data;
    return take(w->own, w, site);
}

static glim_status see_parts(void *data, const glim_parts *one, glim_error *err) {
    struct work *w = data;
    for (size_t i = 0; i < w->n && w->first + i < one->S; i++) {
        float *into = w->zeroed + ((size_t)one->layer * w->piece + i) * w->C;
        const float *part = one->parts + (w->first + i) * w->C;
        double squares = 0;
        for (size_t c = 0; c < w->C && one->norm; c++)
            squares += (one->sum[c] - part[c]) * (one->sum[c] - part[c]);
        double inverse = 1 / sqrt(squares / (double)w->C + one->eps);
        for (size_t c = 0; c < w->C; c++)
            into[c] = one->norm ? (float)((one->sum[c] - part[c]) * inverse * one->norm[c])
                                : one->out[c] - part[c];
    }
    return GLIM_OK;
}

static const char *const names[2][5] = {
    {"blocks.*.hook_resid_pre", "blocks.*.hook_resid_post", "blocks.*.hook_normalized_resid_post",
     "blocks.*.hook_attn_out", NULL},
    {"decoder.blocks.*.hook_resid_pre", "decoder.blocks.*.hook_resid_post",
     "decoder.blocks.*.hook_normalized_resid_post", "decoder.blocks.*.hook_attn_out",
     "decoder.blocks.*.hook_cross_attn_out"}};

static glim_status first_pass(struct work *w, glim_error *err) {
    const char *const *mine = names[w->pair];
    glim_hook more[] = {{mine[0], GLIM_HOOK_READ, see_before, w},
                        {mine[1], GLIM_HOOK_READ, see_after, w},
                        {mine[2], GLIM_HOOK_READ, see_after, w}, /* a norm behind comes later */
                        {mine[3], GLIM_HOOK_READ, see_own, w}};
    glim_parts_how how = {
        .layer = -1, .first = w->row, .n = 1, .raw = true, .more = more, .n_more = w->pair ? 4 : 3};
    return glim__attention_parts(w->p, &how, see_parts, w, &w->off, err);
}

/* ---- the second pass ---- */

static glim_status write_before(void *data, const glim_site *site, glim_error *err) {
    const struct work *w = data;
    memcpy(site->data, w->before + (size_t)site->layer * w->C, w->C * sizeof(float));
    return GLIM_OK;
}

static glim_status write_own(void *data, const glim_site *site, glim_error *err) {
    const struct work *w = data;
    memcpy(site->data, w->own + (size_t)site->layer * w->C, w->C * sizeof(float));
    return GLIM_OK;
}

static glim_status write_zeroed(void *data, const glim_site *site, glim_error *err) {
    const struct work *w = data;
    memcpy(site->data, w->zeroed + ((size_t)site->layer * w->piece + site->sequence) * w->C,
           w->C * sizeof(float));
    return GLIM_OK;
}

/* An output that vanishes has turned away wholly. */
static const glim_no_direction VANISHED = {.one = 1, .both = 0};

static glim_status read_after(void *data, const glim_site *site, glim_error *err) {
    struct work *w = data;
    size_t l = (size_t)site->layer;
    w->turned[l * w->shape.S + w->first + site->sequence] =
        glim__cosine_distance(site->data, w->after + l * w->C, w->C, VANISHED);
    return GLIM_OK;
}

static glim_status second_pass(struct work *w, glim_error *err) {
    glim_predictor *p = w->p;
    const char *const *mine = names[w->pair];
    glim_sequence *q = glim__calloc(p->ctx, w->n, sizeof *q);
    float *x = glim__calloc(p->ctx, w->pair ? p->T * w->C : 1, sizeof *x);
    glim_status status = q && x ? GLIM_OK : glim__oom(p->ctx, err, "a batch", w->n * sizeof *q);
    for (size_t i = 0; i < w->n && !status; i++)
        q[i] = (glim_sequence){.embeddings = w->before, .count = 1};
    if (!status && w->pair)
        status = p->embed(p, x, err);
    glim_sequence text = {.embeddings = x, .count = p->T};
    glim_hook hooks[] = {{mine[0], GLIM_HOOK_WRITE, write_before, w},
                         {mine[1], GLIM_HOOK_READ, read_after, w},
                         {mine[2], GLIM_HOOK_READ, read_after, w},
                         {mine[3], GLIM_HOOK_WRITE, w->pair ? write_own : write_zeroed, w},
                         {w->pair ? mine[4] : mine[3], GLIM_HOOK_WRITE, write_zeroed, w}};
    glim_batch b = {.sequences = q,
                    .count = w->n,
                    .hooks = hooks,
                    .n_hooks = w->pair ? 5 : 4,
                    .sources = &text,
                    .n_sources = w->pair};
    if (!status)
        status = glim_session_forward(w->session, &b, err);
    glim__progress_add(p->ctx, w->n);
    glim__free(p->ctx, q);
    glim__free(p->ctx, x);
    return status;
}

/* ---- rows ---- */

static size_t seen_by(const struct work *w, size_t row) {
    return w->shape.causal ? w->p->row_at(w->p, row) + 1 : w->shape.S;
}

static glim_status run_row(struct work *w, const struct opts *o, glim_error *err) {
    size_t S = w->shape.S, seen = seen_by(w, w->row), layers = 0;
    glim_status status = GLIM_OK;
    w->at = w->p->row_at(w->p, w->row);
    memset(w->turned, 0, w->L * S * sizeof *w->turned);
    memset(w->share, 0, S * sizeof *w->share);
    for (w->first = 0; w->first < seen && !status; w->first += w->piece) {
        w->n = seen - w->first < w->piece ? seen - w->first : w->piece;
        status = first_pass(w, err);
        if (!status)
            status = second_pass(w, err);
        if (!status)
            status = glim__check_cancel(w->p->ctx, err);
    }
    for (size_t l = 0; l < w->L && !status; l++) {
        double sum = 0;
        if (o->layer >= 0 && l != (size_t)o->layer)
            continue;
        for (size_t s = 0; s < seen; s++)
            sum += w->turned[l * S + s];
        for (size_t s = 0; s < seen && sum > 0; s++)
            w->share[s] += w->turned[l * S + s] / sum;
        layers += sum > 0;
    }
    for (size_t s = 0; s < seen && layers; s++)
        w->share[s] /= (double)layers;
    return status;
}

static size_t floats_of(const struct work *w) {
    return w->L * w->C * (3 + w->piece);
}

static glim_status open_work(struct work *w, glim_error *err) {
    glim_context *ctx = w->p->ctx;
    size_t doubles = (w->L + 1) * w->shape.S;
    w->before = glim__calloc(ctx, floats_of(w), sizeof(float));
    w->turned = glim__calloc(ctx, doubles, sizeof *w->turned);
    if (!w->before || !w->turned)
        return glim__oom(ctx, err, "zeroed values", floats_of(w) * sizeof(float));
    w->after = w->before + w->L * w->C;
    w->own = w->after + w->L * w->C;
    w->zeroed = w->own + w->L * w->C;
    w->share = w->turned + w->L * w->shape.S;
    return glim_session_new(&w->session, w->p->model, 0, err);
}

static void shape_work(struct work *w, const glim_predictor *p) {
    w->pair = glim__pattern_source(p) == GLIM_PATTERN_CROSS;
    w->shape = glim__pattern_shape(p, glim__pattern_source(p));
    w->L = (size_t)w->shape.layers;
    w->piece = w->shape.S < PIECE ? w->shape.S : PIECE;
    w->C = (size_t)glim_model_facts(p->model)->width;
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {.p = p};
    glim_shares shares = {0};
    shape_work(&w, p);
    glim_status status = glim__layer_choose(o->layer, &w.shape, err);
    if (!status && p->row_at(p, 0) == SIZE_MAX)
        status = glim_fail(err, GLIM_EUSAGE,
                           "this target is the mean of all positions, and value-zeroing looks at "
                           "one (try --method attention-norm)");
    if (!status)
        status = glim__scores_new(p, doc, false, err);
    if (!status)
        status = open_work(&w, err);
    for (; w.row < p->n_rows && !status; w.row++) {
        status = run_row(&w, o, err);
        double sum = status ? 0 : glim__tokens_total(p, w.share);
        if (!status)
            glim__shares_put(&shares, p, doc, w.row, w.share, sum > 0 ? 1 : 0);
    }
    if (!status) {
        glim__attention_parts_tell(w.off, doc);
        glim__shares_tell(&shares, doc, "how far the shares of a row are from a sum of one");
    }
    glim_session_free(w.session);
    glim__free(p->ctx, w.before);
    glim__free(p->ctx, w.turned);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    struct work w = {0};
    glim_plan parts = {0};
    shape_work(&w, p);
    glim__attention_parts_plan(p, 1, &parts);
    size_t pieces = (w.shape.S + w.piece - 1) / w.piece, n = w.piece;
    uint64_t second = glim_session_plan(p->model, n, n, w.pair ? p->T : 1, 0, false, NULL);
    uint64_t own = 4 * floats_of(&w) + 8 * (w.L + 1) * w.shape.S + n * sizeof(glim_sequence) +
                   (w.pair ? 4 * p->T * w.C : 0) + 4096;
    out->forward_tokens += p->n_rows * (pieces * parts.forward_tokens + w.shape.S);
    out->bytes += own + (parts.bytes > second ? parts.bytes : second);
    out->bytes_wanted += own + parts.bytes + second;
    return GLIM_OK;
}

const glim_method glim_method_value_zeroing = {
    .name = "value-zeroing",
    .summary = "how far outputs turn when a value is zero",
    .cite = "Mohebbi et al. 2023, arXiv:2301.12971",
    .family = "attention",
    .costs = "2 passes a target",
    .caption = "How words mix into the target's position, layer by layer: not what decides the "
               "target. Compare with occlusion.",
    .formula = "score_i = 1 - cos(y_t, y_t without v_i), made shares of one;  layer by layer, and "
               "their mean",
    .use = "to see how words mix, feed-forward layers counted in",
    .avoid = "for the target: it measures how far an output turns, not what is said",
    .needs = GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS,
    .params = params,
    .opts_size = sizeof(struct opts),
    .unit = "share",
    .plan = plan,
    .run = run,
};
