/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beam search, step for step that of transformers 5 (generation/utils.py, one text, no
 * sampling), so that its translations can be had again:
 *
 *   Of all continuations of the B running beginnings the best K = B max(2, 1 + ends) go
 *   on. Those that end (or are full) and lie among the best B may replace a finished
 *   one, by score / length^penalty; the best B that do not end keep running. It is over
 *   when the best running one, at its present length, is not better than the worst
 *   finished one.
 *
 * The cache holds what all running beginnings have in common; each computes the rest
 * again. They differ in their last few words, as a rule.
 */
#include "model/writing.h"

#include <math.h>
#include <string.h>

static const float NEVER = -1e9f;

/* One beginning: n tokens behind the start token, with their log-probabilities. */
struct text {
    int32_t *ids; /* ids[0] is the start token */
    float *each;
    size_t n;
    float score;
    bool ends; /* finished; of a candidate: ends or is full */
};

/* A continuation that is looked at. */
struct step {
    float score;
    int beam;
    int32_t id;
};

struct search {
    struct glim_writer *w;
    const glim_writing *how;
    int B, K;
    struct text *running, *finished, *candidates, *spare; /* B, B, K, B */
    struct step *best;                                    /* K */
    int32_t *all_ids;
    float *all_each;
    bool hopeful; /* a running one may still be better */
};

static glim_status make(struct search *s, glim_error *err) {
    glim_context *ctx = s->w->m->ctx;
    size_t texts = 3 * (size_t)s->B + (size_t)s->K, room = s->w->most + 2;
    s->running = glim__calloc(ctx, texts, sizeof *s->running);
    s->best = glim__calloc(ctx, (size_t)s->K, sizeof *s->best);
    s->all_ids = glim__calloc(ctx, texts * room, sizeof *s->all_ids);
    s->all_each = glim__calloc(ctx, texts * room, sizeof *s->all_each);
    if (!s->running || !s->best || !s->all_ids || !s->all_each)
        return glim__oom(ctx, err, "the beams", texts * room * 8);
    for (size_t i = 0; i < texts; i++)
        s->running[i] = (struct text){
            .ids = s->all_ids + i * room, .each = s->all_each + i * room, .score = NEVER};
    s->finished = s->running + s->B;
    s->spare = s->finished + s->B;
    s->candidates = s->spare + s->B;
    for (int i = 0; i < s->B; i++)
        s->running[i].ids[0] = s->w->m->start;
    s->running[0].score = 0; /* all begin alike: only the first may go on */
    s->hopeful = true;
    return GLIM_OK;
}

static void release(struct search *s) {
    glim_context *ctx = s->w->m->ctx;
    glim__free(ctx, s->running);
    glim__free(ctx, s->best);
    glim__free(ctx, s->all_ids);
    glim__free(ctx, s->all_each);
}

static void copy(struct text *to, const struct text *from) {
    memcpy(to->ids, from->ids, (from->n + 1) * sizeof *to->ids);
    memcpy(to->each, from->each, from->n * sizeof *to->each);
    to->n = from->n;
    to->score = from->score;
    to->ends = from->ends;
}

/* Tokens, the start included, that all running beginnings share. */
static size_t shared(const struct search *s, int live) {
    size_t n = s->running[0].n + 1, k = 0;
    for (; k < n; k++)
        for (int b = 1; b < live; b++)
            if (s->running[b].ids[k] != s->running[0].ids[k])
                return k;
    return n;
}

/* Log-probabilities of the next token of `live` beginnings into w->scores. */
static glim_status look_ahead(struct search *s, int live, glim_error *err) {
    struct glim_writer *w = s->w;
    glim_sequence q[GLIM_MOST_BEAMS];
    uint32_t last[GLIM_MOST_BEAMS];
    size_t n = s->running[0].n + 1, common = shared(s, live), V = (size_t)w->m->outputs;
    common = common < n ? common : n - 1; /* something must be left to compute */
    glim_status status = GLIM_OK;
    if (common > glim_session_length(w->s))
        status = glim__writer_feed(w, s->running[0].ids, common, err);
    if (status)
        return status;
    size_t at = glim_session_length(w->s);
    for (int b = 0; b < live; b++) {
        last[b] = (uint32_t)(n - at - 1);
        q[b] = (glim_sequence){.ids = s->running[b].ids + at,
                               .count = n - at,
                               .prefix = at,
                               .wanted = &last[b],
                               .n_wanted = 1};
    }
    glim_batch b = {.sequences = q,
                    .count = (size_t)live,
                    .hooks = w->hooks,
                    .n_hooks = w->n_hooks,
                    .sources = &w->source,
                    .n_sources = w->read ? 0 : 1};
    status = glim_session_forward(w->s, &b, err);
    w->read = w->read || !status;
    for (int i = 0; i < live && !status; i++)
        glim__writer_judge(w, glim_session_logits(w->s, (size_t)i, 0), n - 1,
                           w->scores + (size_t)i * V);
    return status;
}

/* The K best continuations, best first; ties go to the earlier beam and token. */
static int choose(struct search *s, int live) {
    int V = s->w->m->outputs, n = 0;
    for (int b = 0; b < live; b++)
        for (int32_t id = 0; id < V; id++) {
            float score = s->running[b].score + s->w->scores[(size_t)b * (size_t)V + (size_t)id];
            if (n == s->K && !(score > s->best[n - 1].score))
                continue;
            int at = n < s->K ? n++ : n - 1;
            for (; at && s->best[at - 1].score < score; at--)
                s->best[at] = s->best[at - 1];
            s->best[at] = (struct step){score, b, id};
        }
    return n;
}

static void build_candidates(struct search *s, int n) {
    size_t V = (size_t)s->w->m->outputs;
    for (int i = 0; i < n; i++) {
        const struct step *step = &s->best[i];
        struct text *c = &s->candidates[i];
        copy(c, &s->running[step->beam]);
        c->each[c->n++] = s->w->scores[(size_t)step->beam * V + (size_t)step->id];
        c->ids[c->n] = step->id;
        c->score = step->score;
        c->ends = glim_model_token_ends(s->w->m, step->id) || c->n == s->w->most;
    }
}

/* The better of the finished ones and the candidates that have just ended. */
static void finish(struct search *s, int n) {
    bool full = true;
    float lengths = powf((float)s->candidates[0].n, (float)s->how->length_penalty);
    for (int b = 0; b < s->B; b++)
        full = full && s->finished[b].ends;
    for (int i = 0; i < n && i < s->B; i++) {
        const struct text *c = &s->candidates[i];
        float score = c->score / lengths;
        if (!c->ends || !s->hopeful || (full && s->how->early_stop))
            continue;
        int at = s->B - 1;
        if (s->finished[at].ends && !(score > s->finished[at].score))
            continue;
        struct text room = s->finished[at];
        for (; at && (!s->finished[at - 1].ends || s->finished[at - 1].score < score); at--)
            s->finished[at] = s->finished[at - 1];
        s->finished[at] = room;
        copy(&s->finished[at], c);
        s->finished[at].score = score;
    }
}

/* The best candidates that do not end go on; how many there are. */
static int go_on(struct search *s, int n) {
    int live = 0;
    for (int i = 0; i < n && live < s->B; i++)
        if (!s->candidates[i].ends)
            copy(&s->spare[live++], &s->candidates[i]);
    struct text *were = s->running;
    for (int b = 0; b < live; b++) {
        struct text swap = were[b];
        were[b] = s->spare[b];
        s->spare[b] = swap;
    }
    return live;
}

/* Whether the best running one could still enter, at its present length. */
static bool may_improve(const struct search *s) {
    float best = s->running[0].score / powf((float)s->running[0].n, (float)s->how->length_penalty);
    return !s->finished[s->B - 1].ends || best > s->finished[s->B - 1].score;
}

static glim_status search(struct search *s, glim_error *err) {
    int live = 1;
    glim_status status = GLIM_OK;
    while (live && s->hopeful && !status) {
        status = look_ahead(s, live, err);
        int n = status ? 0 : choose(s, live);
        if (!n)
            break;
        build_candidates(s, n);
        live = go_on(s, n);
        finish(s, n);
        bool full = s->how->early_stop;
        for (int b = 0; b < s->B; b++)
            full = full && s->finished[b].ends;
        s->hopeful = live && may_improve(s) && !full;
    }
    return status;
}

/* Hands the best text over. */
static glim_status hand_over(struct search *s, bool (*each)(void *, int32_t, double), void *data,
                             glim_error *err) {
    const struct text *best = &s->finished[0];
    size_t n = best->ends ? best->n : 0;
    if (n && glim_model_token_ends(s->w->m, best->ids[n]))
        n--;
    glim_status status = n ? glim__writer_append(s->w, best->ids + 1, n, err) : GLIM_OK;
    s->w->written = n;
    for (size_t i = 0; i < n && each && !status; i++)
        if (!each(data, best->ids[i + 1], exp((double)best->each[i])))
            break;
    return status;
}

glim_status glim__write_in_beams(struct glim_writer *w, const glim_writing *how,
                                 bool (*each)(void *, int32_t, double), void *data,
                                 glim_error *err) {
    int ends = 0;
    for (int32_t id = 0; id < w->m->outputs; id++)
        ends += glim_model_token_ends(w->m, id);
    struct search s = {.w = w, .how = how, .B = how->beams};
    s.K = s.B * (1 + ends > 2 ? 1 + ends : 2);
    glim_status status = make(&s, err);
    if (!status)
        status = search(&s, err);
    if (!status)
        status = hand_over(&s, each, data, err);
    release(&s);
    return status;
}
