/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lenses: the residual stream behind every block, read as if it were the last. One pass keeps
 * the stream of the positions that are shown; then the end of the model runs a few positions
 * at a time, so that no more than two of their distributions over the vocabulary are there.
 * The last layer goes through the same end, and has the model's own logits.
 */
#include "model/model.h"
#include "structure/report.h"
#include "structure/tuned-lens.h"
#include "structure/unembed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 16, MOST_TOP = 10 };

static const glim_report_words words[] = {
    {"lens", "logit-lens", "what each layer would say if it were the last",
     "nostalgebraist 2020, interpreting GPT: the logit lens",
     "Early layers need not speak the last one's language: what they seem to say there is what "
     "the last layer's reader makes of them."},
    {"lens", "tuned-lens", "what each layer would say, through an affine translation",
     "Belrose et al. 2023, arXiv:2303.08112",
     "A translator may put in what it learnt of the text that it was fitted on; the layer need "
     "not use it so."}};

/* What is kept of one layer at one position. */
struct cell {
    int32_t top[MOST_TOP];
    float prob[MOST_TOP];
    double answer, against; /* log-probabilities */
    double rank, entropy, divergence;
};

struct work {
    glim_predictor *p;
    const glim_model *m;
    const glim_lens_options *o;
    size_t L, C, V, P, first; /* layers, width, vocabulary, positions */
    size_t target;            /* position of the target among them, or SIZE_MAX */
    float *stream;            /* (L + 1, P, C); 0 = what entered the first block */
    size_t seen;
    struct cell *cells; /* (L + 1, P) */
    int32_t *answers;   /* [P] */
    glim_unembed end;
    /* of a chunk */
    const float *logits;
    float *final, *turned; /* (CHUNK, V) log-probabilities of the last layer; (CHUNK, C) */
    size_t at, n, layer;
};

static glim_status take(void *data, const glim_site *s, glim_error *err) {
    struct work *w = data;
    size_t layer = strstr(s->name, "hook_resid_pre") ? 0 : (size_t)s->layer + 1;
    if (s->dims[0] < w->first + w->P)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s has %zu rows", s->name, s->dims[0]);
    memcpy(w->stream + layer * w->P * w->C, s->data + w->first * w->C,
           w->P * w->C * sizeof *w->stream);
    w->seen++;
    return GLIM_OK;
}

static glim_status read_stream(struct work *w, glim_error *err) {
    char names[2][64];
    snprintf(names[0], sizeof names[0], "%sblocks.0.hook_resid_pre", w->m->site_prefix);
    snprintf(names[1], sizeof names[1], "%sblocks.*.hook_resid_post", w->m->site_prefix);
    const glim_hook hooks[] = {{names[0], GLIM_HOOK_READ, take, w},
                               {names[1], GLIM_HOOK_READ, take, w}};
    glim_status status = w->p->observe(w->p, hooks, 2, 0, err);
    if (!status && w->seen != w->L + 1)
        status = glim_fail(err, GLIM_EUNSUPPORTED, "blocks of this model have no hook_resid_post");
    return status;
}

/* The likeliest tokens of a row, the smaller id first among equals. */
static void find_top(const float *logits, size_t V, double lse, size_t k, struct cell *c) {
    float best[MOST_TOP];
    size_t n = 0;
    for (size_t v = 0; v < V; v++) {
        if (n == k && !(logits[v] > best[n - 1]))
            continue;
        size_t i = n < k ? n++ : n - 1;
        for (; i > 0 && logits[v] > best[i - 1]; i--) {
            best[i] = best[i - 1];
            c->top[i] = c->top[i - 1];
        }
        best[i] = logits[v];
        c->top[i] = (int32_t)v;
    }
    for (size_t i = 0; i < n; i++)
        c->prob[i] = (float)exp(best[i] - lse);
}

/* One row of the chunk at hand. */
static void look(void *data, size_t i, int worker) {
    struct work *w = data;
    size_t P = w->P, V = w->V, position = w->at + i, above = 0;
    const float *x = w->logits + i * V;
    float *last = w->final + i * V;
    struct cell *c = &w->cells[w->layer * P + position];
    double lse = glim__log_sum_exp(x, V), entropy = 0, divergence = 0;
    find_top(x, V, lse, w->o->top ? w->o->top : 1, c);
    if (w->layer == w->L) {
        for (size_t v = 0; v < V; v++)
            last[v] = (float)(x[v] - lse);
        if (position != w->target)
            w->answers[position] = c->top[0];
    }
    const glim_lm_row *row = ((const glim_lm *)w->p)->rows;
    int32_t answer = w->answers[position];
    for (size_t v = 0; v < V; v++) {
        double p = exp(x[v] - lse), q = exp((double)last[v]);
        entropy -= p > 0 ? p * (x[v] - lse) : 0;
        divergence += q > 0 ? q * (last[v] - (x[v] - lse)) : 0;
        above += x[v] > x[answer] || (x[v] == x[answer] && (int32_t)v < answer);
    }
    c->answer = x[answer] - lse;
    c->against = position == w->target && row->against >= 0 ? x[row->against] - lse : NAN;
    c->rank = (double)above + 1;
    c->entropy = entropy;
    c->divergence = w->layer == w->L ? 0 : divergence;
}

static glim_status look_through(struct work *w, size_t layer, glim_error *err) {
    const float *h = w->stream + (layer * w->P + w->at) * w->C;
    glim_status status = GLIM_OK;
    w->layer = layer;
    if (w->o->tuned && layer < w->L) {
        status = glim__tuned_turn(w->o->tuned, layer, h, w->n, w->turned, err);
        h = w->turned;
    }
    if (!status)
        status = glim__unembed(&w->end, h, w->n, &w->logits, NULL, err);
    if (!status)
        glim__parallel(w->p->ctx, w->n, look, w);
    return status ? status : glim__check_cancel(w->p->ctx, err);
}

static glim_status look_all(struct work *w, glim_error *err) {
    glim_status status = GLIM_OK;
    for (w->at = 0; w->at < w->P && !status; w->at += w->n) {
        w->n = w->P - w->at < CHUNK ? w->P - w->at : CHUNK;
        for (size_t k = 0; k <= w->L && !status; k++) /* the last layer first */
            status = look_through(w, k ? k - 1 : w->L, err);
        glim__progress_add(w->p->ctx, w->n);
    }
    return status;
}

/* ---- panels ---- */

static double share(const struct cell *c) {
    return c->prob[0];
}

static double answer(const struct cell *c) {
    return exp(c->answer);
}

static double rank(const struct cell *c) {
    return c->rank;
}

static double entropy(const struct cell *c) {
    return c->entropy;
}

static double divergence(const struct cell *c) {
    return c->divergence;
}

static const struct map {
    const char *name, *title, *unit, *caption;
    glim_panel_scale scale;
    double (*value)(const struct cell *c);
} maps[] = {
    {"lens", "Most likely token", NULL,
     "Outlined: from here on up the final answer of the column stays on top.", GLIM_SCALE_SHARE,
     share},
    {"lens-answer", "Probability of the final answer", NULL, NULL, GLIM_SCALE_SHARE, answer},
    {"lens-rank", "Rank of the final answer", NULL, NULL, GLIM_SCALE_RANK, rank},
    {"lens-entropy", "Entropy", "nats", NULL, GLIM_SCALE_AMOUNT, entropy},
    {"lens-divergence", "Divergence from the last layer", "nats", NULL, GLIM_SCALE_AMOUNT,
     divergence}};

enum { MAPS = sizeof maps / sizeof *maps };

static bool name_layer(glim_document *d, glim_panel_axis *axis, size_t i, size_t layer) {
    return layer ? glim_document_label(d, axis, i, "%zu", layer - 1)
                 : glim_document_label(d, axis, i, "embed");
}

/* Where the answer of a column is on top for good, counted from the top. */
static size_t settled(const struct work *w, size_t position) {
    size_t layer = w->L;
    while (layer > 0 && w->cells[(layer - 1) * w->P + position].top[0] == w->answers[position])
        layer--;
    return w->cells[w->L * w->P + position].top[0] == w->answers[position] ? layer : SIZE_MAX;
}

static bool put_map(const struct work *w, const glim_report *r, const struct map *m) {
    size_t rows = w->L + 1;
    const int32_t *ids;
    glim__lm_positions(w->p, false, &ids);
    glim_panel *p = glim_document_panel_add(r->doc, GLIM_PANEL_GRID, m->name, m->title, rows, w->P);
    if (!p)
        return false;
    p->unit = m->unit;
    p->caption = m->caption;
    p->scale = m->scale;
    p->rows.name = "layer";
    p->columns.name = "position";
    bool words_too = m == maps, ok = true;
    if (words_too) {
        p->texts = glim_document_alloc(r->doc, rows * w->P * sizeof *p->texts);
        p->marked = glim_document_alloc(r->doc, rows * w->P);
        ok = p->texts && p->marked;
    }
    for (size_t i = 0; i < w->P && ok; i++)
        ok = glim__report_token(r, &p->columns, i, ids[w->first + i]);
    for (size_t i = 0; i < rows && ok; i++) /* the last layer above */
        ok = name_layer(r->doc, &p->rows, i, w->L - i);
    for (size_t i = 0; i < rows * w->P && ok; i++) {
        size_t layer = w->L - i / w->P, position = i % w->P;
        const struct cell *c = &w->cells[layer * w->P + position];
        p->values[i] = c->rank > 0 ? m->value(c) : NAN;
        if (!words_too || !(c->rank > 0))
            continue;
        p->texts[i] = glim__report_word(r, c->top[0]);
        p->marked[i] = settled(w, position) == layer;
        ok = p->texts[i] != NULL;
    }
    return ok;
}

/* The target's own position: its probability through the layers, and their words. */
static bool put_target(const struct work *w, const glim_report *r) {
    const glim_lm_row *row = ((const glim_lm *)w->p)->rows;
    size_t n = row->against >= 0 ? 2 : 1, k = w->o->top ? w->o->top : 1;
    const int32_t ids[] = {row->id, row->against};
    if (w->target == SIZE_MAX)
        return true;
    glim_panel *p = glim_document_panel_add(r->doc, GLIM_PANEL_LINES, "lens-target",
                                            "Probability of the target by layer", n, w->L + 1);
    bool ok = p != NULL;
    if (ok) {
        p->scale = GLIM_SCALE_SHARE;
        p->rows.name = "series";
        p->columns.name = "layer";
    }
    for (size_t s = 0; s < n && ok; s++)
        ok = glim__report_token(r, &p->rows, s, ids[s]);
    for (size_t i = 0; i <= w->L && ok; i++) {
        const struct cell *c = &w->cells[i * w->P + w->target];
        ok = name_layer(r->doc, &p->columns, i, i);
        p->values[i] = c->rank > 0 ? exp(c->answer) : NAN;
        if (n > 1)
            p->values[w->L + 1 + i] = c->rank > 0 ? exp(c->against) : NAN;
    }
    if (!ok || k < 2)
        return ok;
    p = glim_document_panel_add(r->doc, GLIM_PANEL_TABLE, "lens-top",
                                "Most likely tokens at the target's position", w->L + 1, k);
    ok = p != NULL;
    if (ok)
        p->rows.name = "layer";
    for (size_t i = 0; i < k && ok; i++)
        ok = glim_document_label(r->doc, &p->columns, i, "%zu", i + 1);
    for (size_t i = 0; i <= w->L && ok; i++) {
        const struct cell *c = &w->cells[(w->L - i) * w->P + w->target];
        ok = name_layer(r->doc, &p->rows, i, w->L - i);
        for (size_t j = 0; j < k && ok && c->rank > 0; j++) {
            p->cells[i * k + j].number = c->prob[j];
            ok = (p->cells[i * k + j].text = glim__report_word(r, c->top[j])) != NULL;
        }
    }
    return ok;
}

static glim_status show(const struct work *w, const glim_report *r, glim_error *err) {
    bool ok = true;
    for (size_t i = 0; i < MAPS && ok; i++)
        ok = put_map(w, r, &maps[i]);
    ok = ok && put_target(w, r);
    return ok ? GLIM_OK : glim__oom(w->p->ctx, err, "the document", w->L * w->P * 64);
}

/* ---- the whole ---- */

static glim_status check(const glim_predictor *p, const glim_lens_options *o, glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    if (!p->model || !p->observe || lm->labels)
        return glim_fail(err, GLIM_EUSAGE, "a lens needs a model that writes tokens");
    size_t n = glim__lm_positions(p, false, NULL);
    if (o->first >= n || o->count > n - o->first)
        return glim_fail(err, GLIM_EUSAGE, "positions %zu to %zu of %zu", o->first + 1,
                         o->first + o->count, n);
    if (o->top > MOST_TOP)
        return glim_fail(err, GLIM_EUSAGE, "at most %d words of a cell", MOST_TOP);
    return glim__unembed_check(p->model, err);
}

static void set_up(struct work *w, glim_predictor *p, const glim_lens_options *o) {
    const glim_lm *lm = (const glim_lm *)p;
    size_t n = glim__lm_positions(p, false, NULL), at = lm->written ? 0 : lm->rows[0].at;
    *w = (struct work){.p = p, .m = lm->model, .o = o, .first = o->first};
    w->L = (size_t)lm->model->hyper.L;
    w->C = (size_t)lm->model->hyper.C;
    w->V = lm->outputs;
    w->P = o->count ? o->count : n - o->first;
    w->target = at >= w->first && at < w->first + w->P ? at - w->first : SIZE_MAX;
}

static glim_status make_room(struct work *w, glim_error *err) {
    glim_context *ctx = w->p->ctx;
    size_t cells = (w->L + 1) * w->P;
    w->stream = glim__calloc(ctx, cells * w->C, sizeof *w->stream);
    w->cells = glim__calloc(ctx, cells, sizeof *w->cells);
    w->answers = glim__calloc(ctx, w->P, sizeof *w->answers);
    w->final = glim__calloc(ctx, CHUNK * w->V, sizeof *w->final);
    w->turned = glim__calloc(ctx, CHUNK * w->C, sizeof *w->turned);
    if (!w->stream || !w->cells || !w->answers || !w->final || !w->turned)
        return glim__oom(ctx, err, "the residual stream", cells * w->C * sizeof *w->stream);
    if (w->target != SIZE_MAX)
        w->answers[w->target] = ((const glim_lm *)w->p)->rows[0].id;
    return glim__unembed_init(&w->end, w->m, CHUNK, err);
}

static void release(struct work *w) {
    glim__unembed_release(&w->end);
    glim__free(w->p->ctx, w->stream);
    glim__free(w->p->ctx, w->cells);
    glim__free(w->p->ctx, w->answers);
    glim__free(w->p->ctx, w->final);
    glim__free(w->p->ctx, w->turned);
}

glim_status glim_lens_plan(const glim_predictor *p, const glim_lens_options *o, glim_plan *out,
                           glim_error *err) {
    struct work w;
    glim_status status = check(p, o, err);
    if (status)
        return status;
    set_up(&w, (glim_predictor *)p, o);
    *out = (glim_plan){.seconds = -1, .bounded = true};
    const glim_hook every = {"*hook_resid_post", GLIM_HOOK_READ, take, NULL};
    p->plan_observe(p, &every, 1, 0, out);
    uint64_t mine = (w.L + 1) * w.P * (4 * w.C + sizeof(struct cell)) +
                    CHUNK * (12 * w.V + 8 * w.C) + MAPS * (w.L + 1) * w.P * 48;
    /* ends of the model, as tokens of the whole of it */
    uint64_t end = w.V * w.C, whole = glim_model_facts(p->model)->parameters;
    out->forward_tokens += whole ? (w.L + 1) * w.P * end / whole : 0;
    out->bytes += mine + glim_context_bytes(p->ctx);
    out->bytes_wanted += mine + glim_context_bytes(p->ctx);
    return GLIM_OK;
}

glim_status glim_lens_read(glim_document **out, glim_predictor *p, const glim_lens_options *o,
                           glim_error *err) {
    struct work w;
    glim_report r;
    char params[96];
    *out = NULL;
    glim_status status = check(p, o, err);
    if (status)
        return status;
    set_up(&w, p, o);
    snprintf(params, sizeof params, "{\"first\": %zu, \"count\": %zu, \"top\": %zu}", w.first, w.P,
             o->top ? o->top : 1);
    status = glim__report_begin(&r, p, &words[o->tuned != NULL], params, err);
    if (status)
        return status;
    status = make_room(&w, err);
    glim__progress_begin(p->ctx, words[o->tuned != NULL].name, w.P);
    if (!status)
        status = read_stream(&w, err);
    if (!status)
        status = look_all(&w, err);
    glim__progress_end(p->ctx);
    if ((!status || status == GLIM_ECANCELLED) && w.seen) {
        glim_status shown = show(&w, &r, err);
        status = shown ? shown : status;
    }
    release(&w);
    return glim__report_end(&r, status, out);
}
