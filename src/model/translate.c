/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an encoder-decoder writes about a text: the text is read once, then tokens follow
 * one by one, the most likely or a drawn one, or several beginnings are kept in step
 * (beams.c).
 */
#include "model/writing.h"

#include <math.h>
#include <string.h>

glim_status glim__writer_feed(struct glim_writer *w, const int32_t *ids, size_t count,
                              glim_error *err) {
    size_t at = glim_session_length(w->s), n = count - at;
    uint32_t last = (uint32_t)(n - 1);
    glim_sequence q = {.ids = ids + at, .count = n, .prefix = at, .wanted = &last, .n_wanted = 1};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = w->hooks,
                    .n_hooks = w->n_hooks,
                    .append = true,
                    .decode = n == 1 && at,
                    .sources = &w->source,
                    .n_sources = w->read ? 0 : 1};
    glim_status status = glim_session_forward(w->s, &b, err);
    w->read = w->read || !status;
    return status;
}

/* Logarithms of the probabilities; then what may not come next gets -inf, and at the end
   of a text of full length nothing but its end may. */
void glim__writer_judge(const struct glim_writer *w, const float *logits, size_t written,
                        float *out) {
    const glim_model *m = w->m;
    int V = m->outputs;
    float top = logits[0];
    double sum = 0;
    for (int i = 1; i < V; i++)
        top = logits[i] > top ? logits[i] : top;
    for (int i = 0; i < V; i++)
        sum += exp((double)logits[i] - top);
    double all = top + log(sum);
    bool ends = m->forced_end >= 0 && written + 1 == w->most;
    for (int i = 0; i < V; i++)
        out[i] = i == m->never_written || ends ? -INFINITY : (float)(logits[i] - all);
    if (ends)
        out[m->forced_end] = 0;
}

static glim_status write_one_by_one(struct glim_writer *w, const glim_writing *how,
                                    bool (*each)(void *, int32_t, double), void *data,
                                    glim_error *err) {
    bool more = true;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < w->most && more && !status; i++) {
        if ((status = glim__writer_feed(w, w->ids, i + 1, err)))
            break;
        glim__writer_judge(w, glim_session_logits(w->s, 0, 0), i, w->scores);
        int32_t id = glim_sample(w->scores, w->m->outputs, how->sampling, i);
        more = !glim_model_token_ends(w->m, id);
        if (!more)
            break;
        w->ids[i + 1] = id;
        w->written = i + 1;
        status = glim__writer_append(w, &id, 1, err);
        if (!status && each)
            more = each(data, id, exp((double)w->scores[id]));
    }
    return status;
}

/* The first token starts a line of its own, without the space of its word. */
glim_status glim__writer_append(struct glim_writer *w, const int32_t *ids, size_t n,
                                glim_error *err) {
    return glim__tokens_append_text(w->tokens, w->m->tokenizer, ids, n, err);
}

static glim_status open_writer(struct glim_writer *w, size_t n, int beams, glim_error *err) {
    const glim_model *m = w->m;
    glim_context *ctx = m->ctx;
    glim_tokens *t = w->tokens;
    size_t S = t->count, room = (size_t)m->hyper.context - 1;
    w->most = n < room ? n : room;
    w->read_ids = glim__calloc(ctx, S, sizeof *w->read_ids);
    w->ids = glim__calloc(ctx, w->most + 2, sizeof *w->ids);
    w->scores = glim__calloc(ctx, (size_t)beams * (size_t)m->outputs, sizeof *w->scores);
    if (!w->read_ids || !w->ids || !w->scores)
        return glim__oom(ctx, err, "the text", (S + w->most) * sizeof *w->ids);
    for (size_t i = 0; i < S; i++)
        w->read_ids[i] = t->at[i].id;
    w->ids[0] = m->start;
    w->source = (glim_sequence){.ids = w->read_ids, .count = S};
    return glim_session_new(&w->s, m, w->most + 1, err);
}

glim_status glim__append_target(const glim_model *m, glim_tokens *tokens, const char *text,
                                glim_error *err) {
    glim_tokens *given = NULL;
    const glim_tokenizer *t = m->writer ? m->writer : m->tokenizer;
    glim_status status = glim__tokens_from_text(&given, t, text, strlen(text), err);
    for (size_t i = 0; !status && i < given->count; i++)
        if (given->at[i].kind == GLIM_TOKEN_TEXT)
            status = glim__tokens_append_text(tokens, t, &given->at[i].id, 1, err);
    glim_tokens_free(given);
    return status;
}

glim_status glim_translate(const glim_model *m, glim_tokens *tokens, size_t n,
                           const glim_writing *how, bool (*each)(void *, int32_t, double),
                           void *data, glim_error *err) {
    static const glim_writing greedy = {.beams = 1};
    how = how ? how : &greedy;
    int beams = how->beams > 1 ? how->beams : 1;
    const glim_sampling *draw = how->sampling;
    struct glim_writer w = {.m = m,
                            .tokens = tokens,
                            .hooks = draw ? draw->hooks : NULL,
                            .n_hooks = draw ? draw->n_hooks : 0};
    if (!m->encoder)
        return glim_fail(err, GLIM_EUSAGE, "'%s' is no encoder-decoder", m->info.path);
    if (!tokens->count || tokens->count > (size_t)m->hyper.context || beams > GLIM_MOST_BEAMS)
        return beams > GLIM_MOST_BEAMS
                   ? glim_fail(err, GLIM_EUSAGE, "%d beams; at most %d", beams, GLIM_MOST_BEAMS)
                   : glim_fail(err, tokens->count ? GLIM_ELIMIT : GLIM_EUSAGE,
                               "%zu tokens do not fit the context of %d (shorten the input)",
                               tokens->count, m->hyper.context);
    glim_status status = open_writer(&w, n, beams, err);
    if (!status && beams > 1)
        status = glim__write_in_beams(&w, how, each, data, err);
    else if (!status)
        status = write_one_by_one(&w, how, each, data, err);
    glim_session_free(w.s);
    glim__free(m->ctx, w.read_ids);
    glim__free(m->ctx, w.ids);
    glim__free(m->ctx, w.scores);
    return status;
}
