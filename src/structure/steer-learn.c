/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A direction behind every block from two lists of texts: the difference of the means of the
 * residual stream at the last token, which has read all of the text. Principal components of
 * paired differences, the other usual way, find the same where one property differs, and an
 * unsigned one where several do; the difference of means needs no pairs.
 */
#include "structure/steer.h"

#include <math.h>
#include <string.h>

struct learning {
    glim_steering *s;
    double *means;  /* (2, L, C), sums at first */
    double *stream; /* [L] sum of lengths */
    int side;       /* 0 = positive */
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

glim_status glim_steering_learn(glim_steering *s, const glim_steering_texts *t, glim_error *err) {
    struct learning w = {.s = s};
    size_t L = s->L, C = s->C;
    if (s->m->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.200s' does not continue texts, so its last token has not read them as "
                         "one that is steered (`glim probe --save` finds directions in any model)",
                         s->m->info.path);
    if (!t->n_positive || !t->n_negative)
        return glim_fail(err, GLIM_EUSAGE, "a direction needs positive and negative texts");
    w.means = glim__calloc(s->ctx, 2 * L, C * sizeof *w.means);
    w.stream = glim__calloc(s->ctx, L, sizeof *w.stream);
    float *d = glim__calloc(s->ctx, C, sizeof *d);
    glim_status status = w.means && w.stream && d
                             ? run_all(&w, t, err)
                             : glim__oom(s->ctx, err, "means", 2 * L * C * sizeof *w.means);
    for (size_t l = 0; l < L && !status; l++) {
        for (size_t c = 0; c < C; c++)
            d[c] = (float)(w.means[l * C + c] / (double)t->n_positive -
                           w.means[(L + l) * C + c] / (double)t->n_negative);
        status = glim_steering_add(s, (int)l, d, C, 1, err);
        s->stream[l] = w.stream[l] / (double)(t->n_positive + t->n_negative);
    }
    glim__free(s->ctx, w.means);
    glim__free(s->ctx, w.stream);
    glim__free(s->ctx, d);
    return status;
}
