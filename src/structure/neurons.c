/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neurons by their weights (Geva et al. 2021, arXiv:2012.14913; Dar et al. 2023): what one unit
 * of a neuron's activation adds to every token's logit along the direct path,
 *
 *   W_U (w o (d - mean d)),   d = the neuron's column of W_out,
 *
 * w being the weight of the final norm, and the mean taken off by a layer norm only. The norm's
 * divisor, which depends on the input, is the same for all tokens, so it changes no order; nor
 * does the mean over the vocabulary, which no probability depends on and which is taken off.
 * A norm behind the feed-forward part (Gemma) is folded in likewise. The other end: the cosine
 * of the neuron's row of W_in (or of the gate, which decides whether it fires), through the norm
 * that it reads by, with every token's embedding.
 *
 * Weights stay packed: a row at a time is read, for all neurons that are asked for.
 */
#include "model/model.h"
#include "structure/report.h"
#include "structure/unembed.h"

#include <glim/lens.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 64, MOST_TOP = 100, DEFAULT_TOP = 10, MOST_NEURONS = 256, SIDES = 2 };

static const glim_report_words words[] = {
    {"structure", "neuron-weights", "the tokens that neurons say, and read, by their weights",
     "Geva et al. 2021, arXiv:2012.14913",
     "Only the direct path: blocks in between read and write, too."}};

struct work {
    glim_context *ctx;
    const glim_model *m;
    const glim_neuron *at;
    size_t n, C, V, top;
    int layer; /* at hand */
    const glim_matrix *matrix;
    float *out, *in; /* (n, C) what is said, and what is read, of length one */
    float *scores;   /* (n, V) */
    bool cosines;
};

/* ---- vectors of neurons ---- */

static double mean_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* A row of W_out has an element of every neuron. */
static void pick_row(void *data, size_t c, int worker) {
    struct work *w = data;
    float *row = glim__scratch(w->ctx, worker);
    glim__matrix_read_row(w->ctx, w->matrix, (int64_t)c, row);
    for (size_t k = 0; k < w->n; k++)
        if (w->at[k].layer == w->layer)
            w->out[k * w->C + c] = row[w->at[k].neuron];
}

/* As if there were no divisor: weight, and of a layer norm the mean taken off. */
static void through_norm(const struct work *w, float *x, const float *weight, bool reads) {
    bool centred = w->m->hyper.layer_norm;
    double mean = centred && !reads ? mean_of(x, w->C) : 0;
    for (size_t c = 0; c < w->C; c++)
        x[c] = (float)((x[c] - mean) * (weight ? weight[c] : 1));
    mean = centred && reads ? mean_of(x, w->C) : 0;
    for (size_t c = 0; c < w->C && mean != 0; c++)
        x[c] = (float)(x[c] - mean);
}

static void bring_to_one(float *x, size_t n) {
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    for (size_t i = 0; i < n && squares > 0; i++)
        x[i] = (float)(x[i] / sqrt(squares));
}

static void read_layer(struct work *w, int layer) {
    const glim_layer *block = &w->m->layers[layer];
    const glim_matrix *in = block->gate.data ? &block->gate : &block->up;
    const float *before = block->ffn_norm ? block->ffn_norm : block->attn_norm; /* in parallel */
    w->layer = layer;
    w->matrix = &block->down;
    glim__parallel(w->ctx, w->C, pick_row, w);
    for (size_t k = 0; k < w->n; k++) {
        float *out = w->out + k * w->C, *reads = w->in + k * w->C;
        if (w->at[k].layer != layer)
            continue;
        for (size_t c = 0; c < w->C && block->ffn_post_norm; c++)
            out[c] *= block->ffn_post_norm[c];
        through_norm(w, out, w->m->final_norm, false);
        glim__matrix_read_row(w->ctx, in, (int64_t)w->at[k].neuron, reads);
        through_norm(w, reads, before, true);
        bring_to_one(reads, w->C);
    }
}

/* ---- against all tokens ---- */

static void score_rows(void *data, size_t piece, int worker) {
    struct work *w = data;
    float *row = glim__scratch(w->ctx, worker);
    size_t from = piece * ROWS, to = from + ROWS < w->V ? from + ROWS : w->V;
    for (size_t v = from; v < to; v++) {
        double length = 0;
        glim__matrix_read_row(w->ctx, w->matrix, (int64_t)v, row);
        for (size_t c = 0; c < w->C && w->cosines; c++)
            length += (double)row[c] * row[c];
        for (size_t k = 0; k < w->n; k++) {
            const float *d = (w->cosines ? w->in : w->out) + k * w->C;
            double sum = 0;
            for (size_t c = 0; c < w->C; c++)
                sum += (double)row[c] * d[c];
            if (w->cosines)
                sum = length > 0 ? sum / sqrt(length) : 0;
            w->scores[k * w->V + v] = (float)sum;
        }
    }
}

static void score(struct work *w, const glim_matrix *matrix, bool cosines) {
    double scale = w->m->hyper.out_scale > 0 ? w->m->hyper.out_scale : 1;
    w->matrix = matrix;
    w->cosines = cosines;
    glim__parallel(w->ctx, (w->V + ROWS - 1) / ROWS, score_rows, w);
    for (size_t k = 0; k < w->n && !cosines; k++) {
        float *x = w->scores + k * w->V;
        double mean = mean_of(x, w->V);
        for (size_t v = 0; v < w->V; v++)
            x[v] = (float)((x[v] - mean) * scale);
    }
}

/* The `top` tokens with the largest scores times `sign`, the smaller id first among equals. */
static void find_top(const float *x, size_t V, float sign, size_t top, int32_t *ids) {
    size_t n = 0;
    for (size_t v = 0; v < V; v++) {
        if (n == top && !(sign * x[v] > sign * x[ids[n - 1]]))
            continue;
        size_t i = n < top ? n++ : n - 1;
        for (; i > 0 && sign * x[v] > sign * x[ids[i - 1]]; i--)
            ids[i] = ids[i - 1];
        ids[i] = (int32_t)v;
    }
}

static bool put_table(const struct work *w, const glim_report *r, bool reads) {
    static const char *const names[SIDES][5] = {
        {"neuron", "says most", "logit", "says least", "logit (least)"},
        {"neuron", "reads most", "cosine", "reads least", "cosine (least)"}};
    enum { COLUMNS = 5 };
    int32_t ids[SIDES][MOST_TOP];
    glim_panel *p = glim_document_panel_add(
        r->doc, GLIM_PANEL_TABLE, reads ? "neurons-read" : "neurons-say",
        reads ? "Tokens that neurons read" : "Tokens that neurons say", w->n * w->top, COLUMNS);
    bool ok = p != NULL;
    if (ok) {
        p->rows.name = "rank";
        p->unit = reads ? "cosine" : "logit";
        p->caption = reads ? "Of embeddings, which later blocks hardly see any more."
                           : "For one unit of activation, before the final norm divides.";
    }
    for (size_t c = 0; c < COLUMNS && ok; c++)
        ok = glim_document_label(r->doc, &p->columns, c, "%s", names[reads][c]);
    for (size_t i = 0; i < w->n * w->top && ok; i++) {
        size_t k = i / w->top, rank = i % w->top;
        char name[48];
        const float *x = w->scores + k * w->V;
        glim_panel_cell *cell = p->cells + i * COLUMNS;
        for (int s = 0; s < SIDES && !rank; s++)
            find_top(x, w->V, s ? -1 : 1, w->top, ids[s]);
        int n = snprintf(name, sizeof name, "%d:%zu", w->at[k].layer, w->at[k].neuron);
        cell[0].text = glim_document_text(r->doc, name, (size_t)n);
        ok = cell[0].text && glim_document_label(r->doc, &p->rows, i, "%zu", rank + 1);
        for (int s = 0; s < SIDES && ok; s++) {
            cell[1 + 2 * s].text = glim__report_word(r, ids[s][rank]);
            cell[2 + 2 * s].number = x[ids[s][rank]];
            ok = cell[1 + 2 * s].text != NULL;
        }
    }
    return ok;
}

/* ---- the whole ---- */

static glim_status check(const struct work *w, glim_error *err) {
    const glim_model *m = w->m;
    glim_status status = glim__unembed_check(m, err);
    if (status)
        return status;
    if (!w->n || w->n > MOST_NEURONS || w->top > MOST_TOP)
        return glim_fail(err, GLIM_EUSAGE, "%zu neurons and %zu tokens; at most %d and %d", w->n,
                         w->top, MOST_NEURONS, MOST_TOP);
    if (m->task == GLIM_TASK_FILL || !m->final_norm || !m->head.data)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "'%.200s' has more than a norm between its blocks and its tokens, so a "
                         "neuron's weights say no token (`glim maximize --site "
                         "blocks.N.mlp.hook_post --index I` finds what it answers to)",
                         m->info.path);
    for (size_t k = 0; k < w->n; k++) {
        int layer = w->at[k].layer;
        if (layer < 0 || layer >= m->hyper.L)
            return glim_fail(err, GLIM_EUSAGE, "there is no block %d; the model has 0 to %d", layer,
                             m->hyper.L - 1);
        if (m->layers[layer].mixture)
            return glim_fail(err, GLIM_EUNSUPPORTED,
                             "block %d is a mixture of experts, whose neurons have no one number "
                             "(`glim lens --direct` has the block's part)",
                             layer);
        if (w->at[k].neuron >= (size_t)m->layers[layer].down.cols)
            return glim_fail(err, GLIM_EUSAGE, "block %d has no neuron %zu; it has 0 to %lld",
                             layer, w->at[k].neuron, (long long)m->layers[layer].down.cols - 1);
    }
    return GLIM_OK;
}

static glim_status prepare(struct work *w, glim_error *err) {
    size_t widest = w->C;
    for (int l = 0; l < w->m->hyper.L; l++)
        if ((size_t)w->m->layers[l].down.cols > widest)
            widest = (size_t)w->m->layers[l].down.cols;
    w->out = glim__calloc(w->ctx, w->n, w->C * sizeof *w->out);
    w->in = glim__calloc(w->ctx, w->n, w->C * sizeof *w->in);
    w->scores = glim__calloc(w->ctx, w->n, w->V * sizeof *w->scores);
    if (!w->out || !w->in || !w->scores)
        return glim__oom(w->ctx, err, "neurons", w->n * (w->V + 2 * w->C) * sizeof *w->scores);
    return glim__scratch_reserve(w->ctx, widest * sizeof(float), err);
}

static glim_status fill(struct work *w, const glim_report *r, glim_error *err) {
    const glim_model *m = w->m;
    const glim_matrix *embedding =
        m->embedding.data || !m->encoder ? &m->embedding : &m->encoder->embedding;
    glim_status status = prepare(w, err);
    for (int l = 0; l < m->hyper.L && !status; l++) {
        bool asked = false;
        for (size_t k = 0; k < w->n; k++)
            asked = asked || w->at[k].layer == l;
        if (asked)
            read_layer(w, l);
        status = glim__check_cancel(w->ctx, err);
    }
    if (status)
        return status;
    score(w, &m->head, false);
    bool ok = put_table(w, r, false);
    if (ok && embedding->data && (size_t)embedding->rows >= w->V) {
        score(w, embedding, true);
        ok = put_table(w, r, true);
    }
    return ok ? GLIM_OK : glim__oom(w->ctx, err, "the document", w->n * w->top * 64);
}

glim_status glim_neurons_read(glim_document **out, const glim_model *m, const glim_neuron *neurons,
                              size_t n, size_t top, glim_error *err) {
    glim_report r;
    char params[32];
    struct work w = {.ctx = m->ctx,
                     .m = m,
                     .at = neurons,
                     .n = n,
                     .C = (size_t)m->hyper.C,
                     .top = top ? top : DEFAULT_TOP};
    *out = NULL;
    glim_status status = check(&w, err);
    if (status)
        return status;
    /* rows of the head without a token have no text */
    size_t vocab = (size_t)glim__tokenizer_info(m->tokenizer)->vocab;
    w.V = (size_t)m->head.rows < vocab ? (size_t)m->head.rows : vocab;
    w.top = w.top < w.V ? w.top : w.V;
    snprintf(params, sizeof params, "{\"top\": %zu}", w.top);
    status = glim__report_begin_model(&r, m, words, params, err);
    if (!status)
        status = fill(&w, &r, err);
    glim__free(m->ctx, w.out);
    glim__free(m->ctx, w.in);
    glim__free(m->ctx, w.scores);
    return glim__report_end(&r, status, out);
}
