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
 */
#include "influence/covariance.h"
#include "base/solve.h"
#include "model/model.h"
#include "predict/lm.h"
#include "structure/tuned-lens.h"
#include "structure/unembed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 512, HELD = 128, LENS_CHUNK = 16, RIDGES = 3, SHARES = 5, MOST_TOKENS = 16384 };

static const double ridges[RIDGES] = {1e-3, 1e-2, 1e-1};
static const double shares[SHARES] = {0, 0.25, 0.5, 0.75, 1};

glim_status glim__tuned_new(glim_tuned_lens **out, const glim_model *m, glim_error *err) {
    size_t L = (size_t)m->hyper.L, C = (size_t)m->hyper.C;
    glim_tuned_lens *t = glim__calloc(m->ctx, 1, sizeof *t);
    if (t) {
        *t = (glim_tuned_lens){.ctx = m->ctx, .m = m, .L = L, .C = C};
        t->a = glim__calloc(m->ctx, L * C * C, sizeof *t->a);
        t->b = glim__calloc(m->ctx, L * C, sizeof *t->b);
        t->layers = glim__calloc(m->ctx, L, sizeof *t->layers);
    }
    *out = t;
    if (t && t->a && t->b && t->layers)
        return GLIM_OK;
    glim_tuned_free(t);
    *out = NULL;
    return glim__oom(m->ctx, err, "translators", L * C * (C + 1) * sizeof(float));
}

void glim_tuned_free(glim_tuned_lens *t) {
    if (!t)
        return;
    glim__free(t->ctx, t->a);
    glim__free(t->ctx, t->b);
    glim__free(t->ctx, t->layers);
    glim__free(t->ctx, t);
}

const glim_tuned_layer *glim_tuned_layers(const glim_tuned_lens *t, size_t *n) {
    *n = t->L;
    return t->layers;
}

struct turn {
    const float *a, *b, *h;
    size_t C;
    float *out;
};

static void turn_row(void *data, size_t i, int worker) {
    const struct turn *t = data;
    size_t C = t->C;
    const float *h = t->h + i * C;
    for (size_t r = 0; r < C; r++) {
        double sum = 0;
        for (size_t c = 0; c < C; c++)
            sum += (double)t->a[r * C + c] * h[c];
        t->out[i * C + r] = (float)(h[r] + sum + t->b[r]);
    }
}

void glim__tuned_turn(const glim_tuned_lens *t, size_t layer, const float *h, size_t n,
                      float *out) {
    struct turn turn = {t->a + layer * t->C * t->C, t->b + layer * t->C, h, t->C, out};
    glim__parallel(t->ctx, n, turn_row, &turn);
}

/* ---- fitting ---- */

struct fit {
    glim_tuned_lens *t;
    const glim_model *m;
    glim_context *ctx;
    glim_error *err;
    int32_t *ids; /* the text, without what the tokenizer puts around it */
    size_t n, length, piece;
    size_t pieces, stride; /* that are read: every `stride`-th */
    int32_t start;         /* before every piece, or -1 */
    glim_session *session;
    float *stream; /* (L + 1, ROWS, C) of the batch at hand */
    size_t rows;
    size_t first, past; /* layers of this round */
    glim_covariance *sums;
    float *joint; /* (2 C + 1) */
    /* tokens held out: every `every`-th piece has some */
    float *held; /* (L + 1, HELD, C) */
    size_t n_held, every;
    size_t n_fitted;
    double *work; /* of each worker: the matrix and a right side */
    size_t room;
    glim_unembed end;
    float *last, *turned; /* (HELD / 2, V) log-probabilities; (HELD, C) */
};

static glim_status take(void *data, const glim_site *s, glim_error *err) {
    struct fit *f = data;
    size_t layer = strstr(s->name, "hook_resid_pre") ? 0 : (size_t)s->layer + 1, C = f->t->C;
    float *to = f->stream + layer * ROWS * C;
    for (size_t i = 0; i < s->sequence; i++)
        to += f->length * C;
    memcpy(to, s->data, s->dims[0] * C * sizeof *to);
    return GLIM_OK;
}

/* Runs pieces from `piece` on, as many as a batch takes; every row of them is there. */
static glim_status run_pieces(struct fit *f, size_t *pieces) {
    enum { MOST = ROWS / 8 };
    glim_sequence q[MOST];
    int32_t with_start[ROWS];
    char names[2][64];
    size_t body = f->length - (f->start >= 0), n = 0;
    for (; n < ROWS / f->length && n < MOST && f->piece + n < f->pieces; n++) {
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

static const float *row_of(const struct fit *f, size_t layer, size_t row) {
    return f->stream + (layer * ROWS + row) * f->t->C;
}

/* Every fifth piece or so is held out; one in eight of its tokens is kept, to the number wanted. */
static bool is_held(const struct fit *f, size_t piece) {
    return piece % f->every == f->every - 1;
}

static void hold(struct fit *f, size_t row) {
    for (size_t l = 0; l <= f->t->L; l++)
        memcpy(f->held + (l * HELD + f->n_held) * f->t->C, row_of(f, l, row),
               f->t->C * sizeof *f->held);
    f->n_held++;
}

/* What stands before a piece draws attention whatever it is: its row is no text's. */
static void add_rows(struct fit *f, size_t layer, glim_covariance *sums) {
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
static glim_status sum_up(struct fit *f) {
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
            if (held && r % step == step - 1 && f->n_held < HELD)
                hold(f, r);
        }
        glim__progress_add(f->ctx, f->rows);
        status = glim__check_cancel(f->ctx, f->err);
    }
    return status;
}

/* A and b of one ridge, from the joint sums S of (h, 1, y). */
static bool solve(const struct fit *f, const double *S, double ridge, double *m, float *a,
                  float *b) {
    size_t C = f->t->C, n = 2 * C + 1, k = C + 1;
    double trace = 0;
    for (size_t i = 0; i < C; i++)
        trace += S[i * n + i];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++)
            m[i * k + j] = S[j * n + i];
    for (size_t i = 0; i < C; i++)
        m[i * k + i] += ridge * trace / (double)C;
    if (!glim__cholesky(m, k))
        return false;
    double *x = m + k * k;
    for (size_t c = 0; c < C; c++) {
        for (size_t i = 0; i < k; i++)
            x[i] = S[i * n + k + c];
        glim__cholesky_solve(m, k, x);
        for (size_t i = 0; i < C; i++)
            a[c * C + i] = (float)x[i];
        b[c] = (float)x[C];
    }
    return true;
}

/* Mean squared error on the first half of the held tokens. */
static double miss(const struct fit *f, size_t layer, const float *a, const float *b) {
    size_t C = f->t->C;
    double sum = 0;
    for (size_t r = 0; r < f->n_held; r += 2) {
        const float *h = f->held + (layer * HELD + r) * C,
                    *last = f->held + (f->t->L * HELD + r) * C;
        for (size_t c = 0; c < C; c++) {
            double y = (double)h[c] + b[c] - last[c];
            for (size_t i = 0; i < C; i++)
                y += (double)a[c * C + i] * h[i];
            sum += y * y;
        }
    }
    return sum;
}

static void fit_layer(void *data, size_t i, int worker) {
    struct fit *f = data;
    size_t C = f->t->C, layer = f->first + i, best = 0;
    float *a = f->t->a + layer * C * C, *b = f->t->b + layer * C;
    double *m = f->work + (size_t)worker * f->room, least = INFINITY;
    for (size_t k = 0; k < RIDGES; k++) {
        double now = solve(f, f->sums[i].sum, ridges[k], m, a, b) ? miss(f, layer, a, b) : INFINITY;
        if (now < least) {
            least = now;
            best = k;
        }
    }
    if (!isfinite(least) ||
        (best != RIDGES - 1 && !solve(f, f->sums[i].sum, ridges[best], m, a, b))) {
        memset(a, 0, C * C * sizeof *a);
        memset(b, 0, C * sizeof *b);
    }
}

/* KL(last || lens) of a half of the held tokens, a mean. */
static glim_status divergence(struct fit *f, size_t layer, size_t half, double share, double *out) {
    size_t C = f->t->C, V = (size_t)f->m->outputs, n = 0;
    double sum = 0;
    glim_status status = GLIM_OK;
    for (size_t r = half; r < f->n_held && !status;) {
        size_t count = 0, ids[LENS_CHUNK];
        const float *logits;
        for (; r < f->n_held && count < LENS_CHUNK; r += 2, count++) {
            const float *h = f->held + (layer * HELD + r) * C;
            float *to = f->turned + count * C;
            ids[count] = r;
            memcpy(to, h, C * sizeof *to);
        }
        if (share > 0) {
            float *moved = f->turned + LENS_CHUNK * C;
            glim__tuned_turn(f->t, layer, f->turned, count, moved);
            for (size_t i = 0; i < count * C; i++)
                f->turned[i] += (float)share * (moved[i] - f->turned[i]);
        }
        status = glim__unembed(&f->end, f->turned, count, &logits, NULL, f->err);
        for (size_t i = 0; i < count && !status; i++, n++) {
            const float *x = logits + i * V, *last = f->last + ids[i] * V;
            double lse = glim__log_sum_exp(x, V);
            for (size_t v = 0; v < V; v++)
                sum += exp((double)last[v]) * (last[v] - (x[v] - lse));
        }
        if (!status)
            status = glim__check_cancel(f->ctx, f->err);
    }
    *out = n ? sum / (double)n : NAN;
    return status;
}

/* How much of a layer's translation is used, and what it does on the other half. */
static glim_status choose_share(struct fit *f, size_t layer) {
    glim_tuned_layer *out = &f->t->layers[layer];
    size_t C = f->t->C;
    double least = INFINITY, now;
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < SHARES && !status; k++) {
        status = divergence(f, layer, 0, shares[k], &now);
        if (!status && now < least) {
            least = now;
            out->strength = shares[k];
        }
    }
    if (!status)
        status = divergence(f, layer, 1, 0, &out->logit);
    if (!status)
        status = divergence(f, layer, 1, out->strength, &out->tuned);
    for (size_t i = 0; i < C * C; i++)
        f->t->a[layer * C * C + i] *= (float)out->strength;
    for (size_t i = 0; i < C; i++)
        f->t->b[layer * C + i] *= (float)out->strength;
    return status;
}

/* Log-probabilities of the last layer at the tokens held out. */
static glim_status read_last(struct fit *f) {
    size_t V = (size_t)f->m->outputs, C = f->t->C;
    glim_status status = GLIM_OK;
    for (size_t r = 0; r < f->n_held && !status; r += LENS_CHUNK) {
        size_t n = f->n_held - r < LENS_CHUNK ? f->n_held - r : LENS_CHUNK;
        const float *x;
        status = glim__unembed(&f->end, f->held + (f->t->L * HELD + r) * C, n, &x, NULL, f->err);
        for (size_t i = 0; i < n && !status; i++) {
            double lse = glim__log_sum_exp(x + i * V, V);
            for (size_t v = 0; v < V; v++)
                f->last[(r + i) * V + v] = (float)(x[i * V + v] - lse);
        }
    }
    return status;
}

static glim_status read_text(struct fit *f, const char *text, size_t n, size_t most) {
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
static size_t round_of(const struct fit *f) {
    uint64_t each = glim__covariance_plan(2 * f->t->C + 1), room = (uint64_t)1 << 29;
    uint64_t budget = glim_context_budget(f->ctx), used = glim_context_bytes(f->ctx);
    if (budget)
        room = budget > used ? (budget - used) / 2 : 0;
    size_t n = (size_t)(room / each);
    return n < 1 ? 1 : n > f->t->L ? f->t->L : n;
}

static glim_status make_room(struct fit *f) {
    size_t L = f->t->L, C = f->t->C, V = (size_t)f->m->outputs;
    f->room = (C + 1) * (C + 2);
    f->stream = glim__calloc(f->ctx, (L + 1) * ROWS * C, sizeof *f->stream);
    f->held = glim__calloc(f->ctx, (L + 1) * HELD * C, sizeof *f->held);
    f->joint = glim__calloc(f->ctx, 2 * C + 1, sizeof *f->joint);
    f->work = glim__calloc(f->ctx, (size_t)glim_context_threads(f->ctx) * f->room, sizeof *f->work);
    f->last = glim__calloc(f->ctx, HELD * V, sizeof *f->last);
    f->turned = glim__calloc(f->ctx, (size_t)2 * LENS_CHUNK * C, sizeof *f->turned);
    f->sums = glim__calloc(f->ctx, L, sizeof *f->sums);
    bool ok = f->stream && f->held && f->joint && f->work && f->last && f->turned && f->sums;
    glim_status status =
        ok ? GLIM_OK : glim__oom(f->ctx, f->err, "the residual stream", L * ROWS * C * 4);
    if (!status)
        status = glim__unembed_init(&f->end, f->m, LENS_CHUNK, f->err);
    return status ? status : glim_session_new(&f->session, f->m, 0, f->err);
}

/* All rows are one piece. */
static glim_status end_sums(struct fit *f, glim_covariance *c) {
    glim__covariance_flush(c, f->ctx);
    glim_status status = glim__covariance_piece(c, f->ctx, 0, 1, 0, f->err);
    glim__covariance_mean(c);
    return status;
}

static glim_status fit_round(struct fit *f) {
    size_t n = f->past - f->first;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = glim__covariance_init(&f->sums[i], f->ctx, 2 * f->t->C + 1, f->err);
    if (!status)
        status = sum_up(f);
    for (size_t i = 0; i < n && !status; i++)
        status = end_sums(f, &f->sums[i]);
    if (!status)
        glim__parallel(f->ctx, n, fit_layer, f);
    for (size_t i = 0; i < n; i++)
        glim__covariance_release(&f->sums[i], f->ctx);
    return status ? status : glim__check_cancel(f->ctx, f->err);
}

static glim_status run_fit(struct fit *f) {
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
        status = read_last(f);
    for (size_t l = 0; l < L && !status; l++) {
        status = choose_share(f, l);
        glim__progress_add(f->ctx, 1);
    }
    glim__progress_end(f->ctx);
    return status;
}

glim_status glim_tuned_fit(glim_tuned_lens **out, const glim_model *m, const char *text, size_t n,
                           const glim_tuned_options *o, glim_error *err) {
    double held = o->held_out > 0 ? o->held_out : 0.2;
    size_t length = o->length ? o->length : 128, context = (size_t)m->hyper.context;
    length = o->length || length < context ? length : context;
    *out = NULL;
    glim_status status = glim__unembed_check(m, err);
    if (!status && m->task != GLIM_TASK_GENERATE)
        status =
            glim_fail(err, GLIM_EUSAGE,
                      "a tuned lens is fitted for models that go on with a text; this one is read "
                      "by the plain lens (leave out --fit)");
    if (!status && (held >= 0.9 || length < 8 || length > ROWS || length > context))
        status = glim_fail(err, GLIM_EUSAGE,
                           "held out is a share below 0.9, and pieces have 8 to %d tokens", ROWS);
    if (status)
        return status;
    struct fit f = {
        .m = m, .ctx = m->ctx, .err = err, .length = length, .every = (size_t)(1 / held)};
    f.every = f.every < 2 ? 2 : f.every;
    status = glim__tuned_new(&f.t, m, err);
    if (!status)
        status = read_text(&f, text, n, o->tokens ? o->tokens : MOST_TOKENS);
    if (!status)
        status = make_room(&f);
    if (!status)
        status = run_fit(&f);
    glim__unembed_release(&f.end);
    glim_session_free(f.session);
    glim__free(m->ctx, f.ids);
    glim__free(m->ctx, f.stream);
    glim__free(m->ctx, f.held);
    glim__free(m->ctx, f.joint);
    glim__free(m->ctx, f.work);
    glim__free(m->ctx, f.last);
    glim__free(m->ctx, f.turned);
    glim__free(m->ctx, f.sums);
    if (status) {
        glim_tuned_free(f.t);
        return status;
    }
    *out = f.t;
    return GLIM_OK;
}
