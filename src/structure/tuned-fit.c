/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tuned lenses: for each layer an affine map from its residual stream to the last one's,
 *
 *   h + s (A h + b),   A, b = argmin sum |h_L - h - A h - b|^2 + r |A|^2
 *
 * by least squares over a text, where Belrose et al. descend on KL for many more tokens than
 * a processor has time for. The ridge r is chosen by the squared error, and the share s of
 * the translation by KL(last || lens), both on tokens held out; s = 0, the logit lens, is
 * among the choices. What is told of a layer comes from other held-out tokens than those.
 * Nearly all of the time is the text's pass through the model.
 */
#include "structure/tuned-fit.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TOKENS = 16384 };

static glim_status take(void *data, const glim_site *s, glim_error *err) {
    glim_tuned_work *f = data;
    size_t layer = strstr(s->name, "hook_resid_pre") ? 0 : (size_t)s->layer + 1, C = f->t->C;
    float *to = f->stream + layer * GLIM_TUNED_ROWS * C;
    for (size_t i = 0; i < s->sequence; i++)
        to += f->length * C;
    memcpy(to, s->data, s->dims[0] * C * sizeof *to);
    return GLIM_OK;
}

/* Runs pieces from `piece` on, as many as a batch takes; every row of them is there. */
static glim_status run_pieces(glim_tuned_work *f, size_t *pieces) {
    enum { MOST = GLIM_TUNED_ROWS / 8 };
    glim_sequence q[MOST];
    int32_t with_start[GLIM_TUNED_ROWS];
    char names[2][64];
    size_t body = f->length - (f->start >= 0), n = 0;
    for (; n < GLIM_TUNED_ROWS / f->length && n < MOST && f->piece + n < f->pieces; n++) {
        int32_t *to = with_start + n * f->length;
        if (f->start >= 0)
            to[0] = f->start;
        memcpy(to + (f->start >= 0), f->ids + (f->piece + n) * f->stride * body, body * sizeof *to);
        q[n] = (glim_sequence){.ids = to, .count = f->length};
    }
    snprintf(names[0], sizeof names[0], "%sblocks.0.hook_resid_pre", f->m->site_prefix);
    snprintf(names[1], sizeof names[1], "%sblocks.*.hook_resid_post", f->m->site_prefix);
    const glim_hook hooks[] = {{names[0], GLIM_HOOK_READ, take, f},
                               {names[1], GLIM_HOOK_READ, take, f}};
    glim_batch b = {.sequences = q, .count = n, .hooks = hooks, .n_hooks = 2};
    *pieces = n;
    f->rows = n * f->length;
    return n ? glim_session_forward(f->session, &b, f->err) : GLIM_OK;
}

static const float *row_of(const glim_tuned_work *f, size_t layer, size_t row) {
    return f->stream + (layer * GLIM_TUNED_ROWS + row) * f->t->C;
}

/* Every fifth piece or so is held out; one in eight of its tokens is kept, to the number wanted. */
static bool is_held(const glim_tuned_work *f, size_t piece) {
    return piece % f->every == f->every - 1;
}

static void hold(glim_tuned_work *f, size_t row) {
    for (size_t l = 0; l <= f->t->L; l++)
        memcpy(f->held + (l * GLIM_TUNED_HELD + f->n_held) * f->t->C, row_of(f, l, row),
               f->t->C * sizeof *f->held);
    f->n_held++;
}

/* What stands before a piece draws attention whatever it is: its row is no text's. */
static void add_rows(glim_tuned_work *f, size_t layer, glim_covariance *sums) {
    size_t C = f->t->C;
    for (size_t r = 0; r < f->rows; r++) {
        if (is_held(f, f->piece + r / f->length) || r % f->length == 0)
            continue;
        const float *h = row_of(f, layer, r), *last = row_of(f, f->t->L, r);
        memcpy(f->joint, h, C * sizeof *h);
        f->joint[C] = 1;
        for (size_t c = 0; c < C; c++)
            f->joint[C + 1 + c] = last[c] - h[c];
        glim__covariance_add(sums, f->ctx, f->joint, 2 * C + 1, 1);
    }
}

/* One pass over the text for the layers of a round. */
static glim_status sum_up(glim_tuned_work *f) {
    size_t pieces, step = f->length / 32 ? f->length / 32 : 1;
    glim_status status = GLIM_OK;
    bool first_round = f->first == 0;
    for (f->piece = 0; !status; f->piece += pieces) {
        status = run_pieces(f, &pieces);
        if (status || !pieces)
            break;
        for (size_t l = f->first; l < f->past; l++)
            add_rows(f, l, &f->sums[l - f->first]);
        for (size_t r = 0; r < f->rows && first_round; r++) {
            bool held = is_held(f, f->piece + r / f->length);
            f->n_fitted += !held;
            if (held && r % step == step - 1 && f->n_held < GLIM_TUNED_HELD)
                hold(f, r);
        }
        glim__progress_add(f->ctx, f->rows);
        status = glim__check_cancel(f->ctx, f->err);
    }
    return status;
}

static glim_status read_text(glim_tuned_work *f, const char *text, size_t n, size_t most) {
    glim_tokens *tokens = NULL;
    glim_status status = glim_model_tokenize(f->m, &tokens, text, n, f->err);
    if (status)
        return status;
    f->start = f->m->info.adds_bos ? f->m->info.bos : -1;
    f->ids = glim__calloc(f->ctx, tokens->count + 1, sizeof *f->ids);
    for (size_t i = 0; i < tokens->count && f->ids; i++)
        if (tokens->at[i].kind == GLIM_TOKEN_TEXT)
            f->ids[f->n++] = tokens->at[i].id;
    status = f->ids ? GLIM_OK : glim__oom(f->ctx, f->err, "the tokens", tokens->count * 4);
    glim_tokens_free(tokens);
    f->pieces = status ? 0 : f->n / (f->length - (f->start >= 0));
    f->stride = 1;
    while (f->pieces / f->stride * f->length > most)
        f->stride++;
    f->pieces /= f->stride;
    if (!status && (f->pieces < 2 * f->every || f->pieces * f->length < 2 * f->t->C))
        status = glim_fail(f->err, GLIM_EUSAGE,
                           "%zu tokens are too few to fit translators of width %zu (at least %zu; "
                           "ten times as many are better)",
                           f->n, f->t->C,
                           2 * f->t->C > 2 * f->every * f->length ? 2 * f->t->C
                                                                  : 2 * f->every * f->length);
    return status;
}

/* Layers whose sums are kept at once: as the budget has it. */
static size_t round_of(const glim_tuned_work *f) {
    uint64_t each = glim__covariance_plan(2 * f->t->C + 1), room = (uint64_t)1 << 29;
    uint64_t budget = glim_context_budget(f->ctx), used = glim_context_bytes(f->ctx);
    if (budget)
        room = budget > used ? (budget - used) / 2 : 0;
    size_t n = (size_t)(room / each);
    return n < 1 ? 1 : n > f->t->L ? f->t->L : n;
}

static glim_status make_room(glim_tuned_work *f) {
    size_t L = f->t->L, C = f->t->C, V = (size_t)f->m->outputs;
    f->room = glim__tuned_regress_room(C);
    f->stream = glim__calloc(f->ctx, (L + 1) * GLIM_TUNED_ROWS * C, sizeof *f->stream);
    f->held = glim__calloc(f->ctx, (L + 1) * GLIM_TUNED_HELD * C, sizeof *f->held);
    f->joint = glim__calloc(f->ctx, 2 * C + 1, sizeof *f->joint);
    f->work = glim__calloc(f->ctx, (size_t)glim_context_threads(f->ctx) * f->room, sizeof *f->work);
    f->last = glim__calloc(f->ctx, GLIM_TUNED_HELD * V, sizeof *f->last);
    f->in = glim__calloc(f->ctx, (size_t)2 * GLIM_TUNED_CHUNK * C, sizeof *f->in);
    f->entropy = glim__calloc(f->ctx, GLIM_TUNED_HELD, sizeof *f->entropy);
    f->sums = glim__calloc(f->ctx, L, sizeof *f->sums);
    bool ok =
        f->stream && f->held && f->joint && f->work && f->last && f->in && f->entropy && f->sums;
    glim_status status =
        ok ? GLIM_OK
           : glim__oom(f->ctx, f->err, "the residual stream", L * GLIM_TUNED_ROWS * C * 4);
    if (!status)
        status = glim__unembed_init(&f->end, f->m, GLIM_TUNED_CHUNK, f->err);
    return status ? status : glim_session_new(&f->session, f->m, 0, f->err);
}

/* All rows are one piece. */
static glim_status end_sums(glim_tuned_work *f, glim_covariance *c) {
    glim__covariance_flush(c, f->ctx);
    glim_status status = glim__covariance_piece(c, f->ctx, 0, 1, 0, f->err);
    glim__covariance_mean(c);
    return status;
}

static glim_status fit_round(glim_tuned_work *f) {
    size_t n = f->past - f->first;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = glim__covariance_init(&f->sums[i], f->ctx, 2 * f->t->C + 1, f->err);
    if (!status)
        status = sum_up(f);
    for (size_t i = 0; i < n && !status; i++)
        status = end_sums(f, &f->sums[i]);
    if (!status)
        glim__parallel(f->ctx, n, glim__tuned_regress, f);
    for (size_t i = 0; i < n; i++)
        glim__covariance_release(&f->sums[i], f->ctx);
    return status ? status : glim__check_cancel(f->ctx, f->err);
}

static glim_status run_fit(glim_tuned_work *f) {
    size_t L = f->t->L, at_once = round_of(f);
    glim_status status = GLIM_OK;
    glim__progress_begin(f->ctx, "tuned lens",
                         f->pieces * f->length * ((L + at_once - 1) / at_once));
    for (f->first = 0; f->first < L && !status; f->first = f->past) {
        f->past = f->first + at_once < L ? f->first + at_once : L;
        status = fit_round(f);
    }
    glim__progress_end(f->ctx);
    glim__progress_begin(f->ctx, "tuned lens: divergence", L);
    if (!status)
        status = glim__tuned_read_last(f);
    for (size_t l = 0; l < L && !status; l++) {
        status = glim__tuned_choose_share(f, l);
        glim__progress_add(f->ctx, 1);
    }
    glim__progress_end(f->ctx);
    return status;
}

/* Checks, and the text as pieces. */
static glim_status begin(glim_tuned_work *f, const glim_model *m, const char *text, size_t n,
                         const glim_tuned_options *o, glim_error *err) {
    double held = o->held_out > 0 ? o->held_out : 0.2;
    size_t length = o->length ? o->length : 128, context = (size_t)m->hyper.context;
    length = o->length || length < context ? length : context;
    *f = (glim_tuned_work){
        .m = m, .ctx = m->ctx, .err = err, .length = length, .every = (size_t)(1 / held)};
    f->every = f->every < 2 ? 2 : f->every;
    glim_status status = glim__unembed_check(m, err);
    if (!status && m->task != GLIM_TASK_GENERATE)
        status =
            glim_fail(err, GLIM_EUSAGE,
                      "a tuned lens is fitted for models that go on with a text; this one is read "
                      "by the plain lens (leave out --fit)");
    if (!status && (held >= 0.9 || length < 8 || length > GLIM_TUNED_ROWS || length > context))
        status = glim_fail(err, GLIM_EUSAGE,
                           "held out is a share below 0.9, and pieces have 8 to %d tokens",
                           GLIM_TUNED_ROWS);
    if (!status)
        status = glim__tuned_new(&f->t, m, err);
    return status ? status : read_text(f, text, n, o->tokens ? o->tokens : MOST_TOKENS);
}

static void release(glim_tuned_work *f) {
    glim__unembed_release(&f->end);
    glim_session_free(f->session);
    glim__free(f->ctx, f->ids);
    glim__free(f->ctx, f->stream);
    glim__free(f->ctx, f->held);
    glim__free(f->ctx, f->joint);
    glim__free(f->ctx, f->work);
    glim__free(f->ctx, f->last);
    glim__free(f->ctx, f->in);
    glim__free(f->ctx, f->entropy);
    glim__free(f->ctx, f->sums);
    glim_tuned_free(f->t);
}

glim_status glim_tuned_fit(glim_tuned_lens **out, const glim_model *m, const char *text, size_t n,
                           const glim_tuned_options *o, glim_error *err) {
    glim_tuned_work f;
    *out = NULL;
    glim_status status = begin(&f, m, text, n, o, err);
    if (!status)
        status = make_room(&f);
    if (!status)
        status = run_fit(&f);
    if (!status) {
        *out = f.t;
        f.t = NULL;
    }
    release(&f);
    return status;
}

glim_status glim_tuned_plan(const glim_model *m, const char *text, size_t n,
                            const glim_tuned_options *o, glim_plan *out, glim_error *err) {
    glim_tuned_work f;
    glim_status status = begin(&f, m, text, n, o, err);
    if (!status) {
        uint64_t L = f.t->L, C = f.t->C, V = (uint64_t)m->outputs, at_once = round_of(&f);
        uint64_t sums = glim__covariance_plan(2 * C + 1);
        uint64_t room = 4 * (L + 1) * C * (GLIM_TUNED_ROWS + GLIM_TUNED_HELD) +
                        4 * V * (GLIM_TUNED_HELD + GLIM_TUNED_CHUNK) +
                        8 * (uint64_t)glim_context_threads(f.ctx) * glim__tuned_regress_room(C) +
                        glim_session_plan(m, GLIM_TUNED_ROWS, GLIM_TUNED_ROWS / f.length, f.length,
                                          0, false, NULL);
        *out = (glim_plan){.seconds = -1, .bounded = true};
        out->forward_tokens = f.pieces * f.length * ((L + at_once - 1) / at_once);
        out->bytes = glim_context_bytes(f.ctx) + room + sums;
        out->bytes_wanted = glim_context_bytes(f.ctx) + room + at_once * sums;
    }
    release(&f);
    return status;
}
