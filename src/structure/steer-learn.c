/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A direction behind every block from two lists of texts, by the residual stream at the last
 * token, which has read all of the text: the difference of the means; or, of pairs, the first
 * principal component of their differences, which leaves out what differs in a few pairs only.
 * A component has no sign of its own. It comes from the eigenvectors of the products of the
 * differences with each other, or of their columns, whichever are fewer.
 */
#include "structure/steer.h"
#include "tensor/eigen.h"

#include <math.h>
#include <string.h>

struct learning {
    glim_steering *s;
    double *means;  /* (2, L, C), sums at first */
    double *stream; /* [L] sum of lengths */
    int side;       /* 0 = positive */
    float *pairs;   /* (texts, L, C) differences, or NULL */
    size_t text;
};

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    struct learning *w = data;
    size_t C = w->s->C, L = w->s->L, layer = (size_t)site->layer;
    double *to = w->means + ((size_t)w->side * L + layer) * C, squares = 0;
    if (site->n_dims != 2 || site->dims[1] != C || !site->dims[0])
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s is not as wide as the stream", site->name);
    const float *x = site->data + (site->dims[0] - 1) * C;
    for (size_t c = 0; c < C; c++) {
        to[c] += x[c];
        squares += (double)x[c] * x[c];
    }
    w->stream[layer] += sqrt(squares);
    float *own = w->pairs ? w->pairs + (w->text * L + layer) * C : NULL;
    for (size_t c = 0; c < C && own; c++)
        own[c] += w->side ? -x[c] : x[c];
    return GLIM_OK;
}

static glim_status run(struct learning *w, glim_session *session, const char *text,
                       const glim_prompt *prompt, glim_error *err) {
    glim_steering *s = w->s;
    glim_tokens *tokens = NULL;
    int32_t *ids = NULL;
    const glim_hook hook = {s->pattern, GLIM_HOOK_READ, see, w};
    glim_status status =
        prompt ? glim_model_tokenize_prompt(s->m, &tokens, prompt, text, strlen(text), err)
               : glim_model_tokenize(s->m, &tokens, text, strlen(text), err);
    size_t n = status ? 0 : tokens->count;
    if (!status && n > (size_t)s->m->hyper.context)
        status = glim_fail(err, GLIM_ELIMIT, "%zu tokens do not fit the context of %d", n,
                           s->m->hyper.context);
    if (!status && !(ids = glim__calloc(s->ctx, n, sizeof *ids)))
        status = glim__oom(s->ctx, err, "the tokens", n * sizeof *ids);
    for (size_t i = 0; i < n && ids; i++)
        ids[i] = tokens->at[i].id;
    glim_sequence q = {.ids = ids, .count = n};
    if (!status)
        status = glim_session_forward(
            session, &(glim_batch){.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1}, err);
    glim__free(s->ctx, ids);
    glim_tokens_free(tokens);
    return status;
}

static glim_status run_all(struct learning *w, const glim_steering_texts *t, glim_error *err) {
    glim_session *session = NULL;
    size_t n[2] = {t->n_positive, t->n_negative};
    const char *const *texts[2] = {t->positive, t->negative};
    glim_status status = glim_session_new(&session, w->s->m, 0, err);
    glim__progress_begin_items(w->s->ctx, "texts", n[0] + n[1]);
    for (w->side = 0; w->side < 2 && !status; w->side++)
        for (size_t i = 0; i < n[w->side] && !status; i++) {
            w->text = i;
            status = run(w, session, texts[w->side][i], t->prompt, err);
            if (status && status != GLIM_ECANCELLED)
                status = glim_prefix(err, status, "%s text %zu", w->side ? "negative" : "positive",
                                     i + 1);
            glim__progress_add(w->s->ctx, 1);
            if (!status)
                status = glim__check_cancel(w->s->ctx, err);
        }
    glim__progress_end(w->s->ctx);
    glim_session_free(session);
    return status;
}

/* ---- the first principal component ---- */

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* Products of rows (n, n), or of columns (C, C) where those are fewer. */
static void multiply(const struct learning *w, size_t layer, size_t n, double *out) {
    size_t C = w->s->C, step = w->s->L * C;
    const float *d = w->pairs + layer * C;
    if (n > C)
        memset(out, 0, C * C * sizeof *out);
    for (size_t i = 0; i < n && n <= C; i++)
        for (size_t j = i; j < n; j++)
            out[i * n + j] = dot(d + i * step, d + j * step, C);
    for (size_t i = 0; i < n && n > C; i++)
        for (size_t a = 0; a < C; a++)
            for (size_t b = a; b < C; b++)
                out[a * C + b] += (double)d[i * step + a] * d[i * step + b];
}

/* top: the last eigenvector; v (C) of length 1, sums (C) what it is made in. */
static glim_status make_component(const struct learning *w, size_t layer, size_t n,
                                  const double *top, double *sums, float *v, glim_error *err) {
    size_t C = w->s->C, step = w->s->L * C;
    const float *d = w->pairs + layer * C;
    double squares = 0, along = 0;
    for (size_t c = 0; c < C; c++)
        sums[c] = n > C ? top[c] : 0;
    for (size_t i = 0; i < n && n <= C; i++)
        for (size_t c = 0; c < C; c++)
            sums[c] += top[i] * d[i * step + c];
    for (size_t c = 0; c < C; c++)
        squares += sums[c] * sums[c];
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < C; c++)
            along += sums[c] * d[i * step + c];
    if (!(squares > 0))
        return glim_fail(err, GLIM_ENUMERIC, "the texts of all pairs are the same to block %zu",
                         layer);
    for (size_t c = 0; c < C; c++)
        v[c] = (float)(sums[c] / sqrt(squares) * (along < 0 ? -1 : 1));
    return GLIM_OK;
}

static glim_status add_components(struct learning *w, size_t n, float *v, glim_error *err) {
    glim_context *ctx = w->s->ctx;
    size_t C = w->s->C, k = n < C ? n : C;
    double *a = glim__calloc(ctx, k, k * sizeof *a), *vectors = glim__calloc(ctx, k, k * sizeof *a);
    double *values = glim__calloc(ctx, k, sizeof *a), *sums = glim__calloc(ctx, C, sizeof *a);
    glim_status status = a && vectors && values && sums
                             ? GLIM_OK
                             : glim__oom(ctx, err, "principal components", 2 * k * k * sizeof *a);
    for (size_t l = 0; l < w->s->L && !status; l++) {
        multiply(w, l, n, a);
        status = glim__eigen(ctx, a, k, values, vectors, err);
        if (!status)
            status = make_component(w, l, n, vectors + (k - 1) * k, sums, v, err);
        if (!status)
            status = glim_steering_add(w->s, (int)l, v, C, 1, err);
        if (!status)
            status = glim__check_cancel(ctx, err);
    }
    glim__free(ctx, a);
    glim__free(ctx, vectors);
    glim__free(ctx, values);
    glim__free(ctx, sums);
    return status;
}

/* ---- both ---- */

static glim_status add_means(struct learning *w, const glim_steering_texts *t, float *d,
                             glim_error *err) {
    size_t L = w->s->L, C = w->s->C;
    glim_status status = GLIM_OK;
    for (size_t l = 0; l < L && !status; l++) {
        for (size_t c = 0; c < C; c++)
            d[c] = (float)(w->means[l * C + c] / (double)t->n_positive -
                           w->means[(L + l) * C + c] / (double)t->n_negative);
        status = glim_steering_add(w->s, (int)l, d, C, 1, err);
    }
    return status;
}

glim_status glim_steering_learn(glim_steering *s, const glim_steering_texts *t, glim_error *err) {
    struct learning w = {.s = s};
    size_t L = s->L, C = s->C;
    if (s->m->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.200s' does not continue texts, so its last token has not read them as "
                         "one that is steered",
                         s->m->info.path);
    if (!t->n_positive || !t->n_negative)
        return glim_fail(err, GLIM_EUSAGE, "a direction needs positive and negative texts");
    if (t->principal && t->n_positive != t->n_negative)
        return glim_fail(err, GLIM_EUSAGE,
                         "%zu positive and %zu negative texts are no pairs, whose differences have "
                         "principal components (text i belongs to text i)",
                         t->n_positive, t->n_negative);
    w.means = glim__calloc(s->ctx, 2 * L, C * sizeof *w.means);
    w.stream = glim__calloc(s->ctx, L, sizeof *w.stream);
    float *d = glim__calloc(s->ctx, C, sizeof *d);
    if (t->principal)
        w.pairs = glim__calloc(s->ctx, t->n_positive, L * C * sizeof *w.pairs);
    glim_status status = w.means && w.stream && d && (w.pairs || !t->principal)
                             ? run_all(&w, t, err)
                             : glim__oom(s->ctx, err, "means", 2 * L * C * sizeof *w.means);
    if (!status)
        status =
            t->principal ? add_components(&w, t->n_positive, d, err) : add_means(&w, t, d, err);
    for (size_t l = 0; l < L && !status; l++)
        s->stream[l] = w.stream[l] / (double)(t->n_positive + t->n_negative);
    glim__free(s->ctx, w.pairs);
    glim__free(s->ctx, w.means);
    glim__free(s->ctx, w.stream);
    glim__free(s->ctx, d);
    return status;
}
