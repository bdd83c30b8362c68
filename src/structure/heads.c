/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads that do one thing. Patterns stream by, a head at a time, and only three sums of each
 * head are kept. Shares of attention are means over queries:
 *
 *   previous    A[i, i - 1]       all of the random tokens but the first
 *   duplicate   A[i, i - r]       those of the second time, r tokens behind the first
 *   induction   A[i, i - r + 1]   the same: what came behind the first time
 */
#include "structure/heads.h"
#include "base/rng.h"
#include "structure/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREVIOUS, DUPLICATE, INDUCTION, KINDS };
enum { LENGTH = 50, DRAWS = 4, TOP = 5, MOST_TRIES = 1000 };

static const struct kind {
    const char *word, *name, *title, *caption;
} kinds[KINDS] = {
    {"previous", "heads-previous", "Heads that look at the token before", NULL},
    {"duplicate", "heads-duplicate", "Heads that look at the same token's first time", NULL},
    {"induction", "heads-induction", "Heads that look behind the same token's first time",
     "An induction head also copies what it looks at; that is not tested here."}};

static const glim_report_words words[] = {
    {"structure", "head-detector", "where heads look in random tokens that come twice",
     "Olsson et al. 2022, arXiv:2209.11895",
     "Shares of attention, means over positions of random tokens that come twice."}};

struct work {
    const glim_model *m;
    glim_heads_text text;
    size_t L, H, seen; /* texts */
    double *sums;      /* (KINDS, L, H) */
    double *now;       /* the same of one text */
};

/* ---- texts ---- */

glim_status glim__heads_lay_out(glim_heads_text *out, const glim_model *m, size_t length,
                                glim_error *err) {
    const glim_model_info *info = glim_model_facts(m);
    if (m->vision || m->encoder)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.200s' has no one run of tokens; heads are told by what they see in a "
                         "text that repeats",
                         info->path);
    size_t from = info->adds_bos && info->bos >= 0, context = (size_t)info->context_length;
    size_t most = context > from ? (context - from) / 2 : 0;
    *out = (glim_heads_text){.from = from, .length = length ? length : LENGTH};
    if (!length && most < LENGTH)
        out->length = most;
    out->n = from + 2 * out->length;
    if (out->length < 2)
        return glim_fail(err, GLIM_EUSAGE, "at least 2 tokens must be repeated");
    return out->n <= context
               ? GLIM_OK
               : glim_fail(err, GLIM_ELIMIT, "%zu tokens twice do not fit the context of %zu",
                           out->length, context);
}

glim_status glim__heads_draw(const glim_heads_text *t, const glim_model *m, uint64_t seed,
                             size_t draw, int32_t *ids, glim_error *err) {
    size_t V = (size_t)glim__tokenizer_info(m->tokenizer)->vocab, n = 0, tries = 0;
    if ((size_t)m->hyper.V < V)
        V = (size_t)m->hyper.V;
    if (t->from)
        ids[0] = glim_model_facts(m)->bos;
    while (n < t->length && tries < MOST_TRIES * t->length) {
        int32_t id = (int32_t)glim__rng_below(seed, 0x6865616473 + draw, tries++, (uint32_t)V);
        bool fits = !glim__token_is_control(m->tokenizer, id) && (!t->from || id != ids[0]);
        for (size_t i = 0; i < n && fits; i++)
            fits = ids[t->from + i] != id;
        if (fits)
            ids[t->from + n++] = id;
    }
    if (n < t->length)
        return glim_fail(err, GLIM_EUSAGE, "the vocabulary has too few tokens for %zu different",
                         t->length);
    memcpy(ids + t->from + n, ids + t->from, n * sizeof *ids);
    return GLIM_OK;
}

/* ---- patterns ---- */

static glim_status see(void *data, const glim_site *s, glim_error *err) {
    struct work *w = data;
    size_t T = w->text.n, S = s->dims[1], r = w->text.length, second = w->text.from + r;
    size_t LH = w->L * w->H, at = (size_t)s->layer * w->H + (size_t)s->head;
    double sum[KINDS] = {0};
    if (s->n_dims != 2 || s->dims[0] != T || S != T || (size_t)s->head >= w->H)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s is no pattern of all positions", s->name);
    for (size_t i = w->text.from + 1; i < T; i++)
        sum[PREVIOUS] += s->data[i * S + i - 1] / (double)(2 * r - 1);
    for (size_t i = second; i < T; i++) {
        sum[DUPLICATE] += s->data[i * S + i - r] / (double)r;
        sum[INDUCTION] += s->data[i * S + i - r + 1] / (double)r;
    }
    for (int k = 0; k < KINDS; k++)
        w->now[(size_t)k * LH + at] = sum[k];
    return GLIM_OK;
}

static const glim_hook *hook_of(const struct work *w, glim_hook *hook, char name[64]) {
    snprintf(name, 64, "%sblocks.*.attn.hook_pattern", w->m->site_prefix);
    *hook = (glim_hook){name, GLIM_HOOK_READ | GLIM_HOOK_HEADS, see, (void *)w};
    return hook;
}

static glim_status run(struct work *w, const glim_heads_options *o, size_t draws, glim_error *err) {
    glim_context *ctx = w->m->ctx;
    glim_session *session = NULL;
    glim_hook hook;
    char name[64];
    int32_t *ids = glim__calloc(ctx, w->text.n, sizeof *ids);
    glim_status status = ids ? glim_session_new(&session, w->m, 0, err)
                             : glim__oom(ctx, err, "the tokens", w->text.n * sizeof *ids);
    glim__progress_begin_items(ctx, "texts", draws);
    for (size_t d = 0; d < draws && !status; d++) {
        glim_sequence q = {.ids = ids, .count = w->text.n};
        glim_batch b = {
            .sequences = &q, .count = 1, .hooks = hook_of(w, &hook, name), .n_hooks = 1};
        status = glim__heads_draw(&w->text, w->m, o->seed, d, ids, err);
        if (!status)
            status = glim_session_forward(session, &b, err);
        for (size_t i = 0; i < KINDS * w->L * w->H && !status; i++)
            w->sums[i] += w->now[i];
        w->seen += !status;
        glim__progress_add(ctx, 1);
        if (!status && d + 1 < draws)
            status = glim__check_cancel(ctx, err);
    }
    glim__progress_end(ctx);
    glim_session_free(session);
    glim__free(ctx, ids);
    return status;
}

/* ---- the document ---- */

static double score(const struct work *w, size_t kind, size_t i) {
    return w->seen ? w->sums[kind * w->L * w->H + i] / (double)w->seen : NAN;
}

static bool put_grid(const struct work *w, glim_document *doc, size_t kind) {
    glim_panel *p = glim_document_panel_add(doc, GLIM_PANEL_GRID, kinds[kind].name,
                                            kinds[kind].title, w->L, w->H);
    bool ok = p != NULL;
    if (ok) {
        p->scale = GLIM_SCALE_SHARE;
        p->caption = kinds[kind].caption;
        p->rows.name = "layer";
        p->columns.name = "head";
    }
    for (size_t h = 0; h < w->H && ok; h++)
        ok = glim_document_label(doc, &p->columns, h, "%zu", h);
    for (size_t i = 0; i < w->L && ok; i++) { /* the last layer above */
        size_t layer = w->L - 1 - i;
        ok = glim_document_label(doc, &p->rows, i, "%zu", layer);
        for (size_t h = 0; h < w->H; h++)
            p->values[i * w->H + h] = score(w, kind, layer * w->H + h);
    }
    return ok;
}

/* The heads of a kind, strongest first. */
static void find_top(const struct work *w, size_t kind, size_t top, size_t *at) {
    size_t n = 0;
    for (size_t h = 0; h < w->L * w->H; h++) {
        double x = score(w, kind, h);
        if (n == top && !(x > score(w, kind, at[n - 1])))
            continue;
        size_t i = n < top ? n++ : n - 1;
        for (; i > 0 && x > score(w, kind, at[i - 1]); i--)
            at[i] = at[i - 1];
        at[i] = h;
    }
}

static bool put_table(const struct work *w, glim_document *doc, size_t top) {
    static const char *const names[] = {"kind", "head", "share"};
    enum { COLUMNS = 3 };
    if (!w->seen)
        return true;
    top = top < w->L * w->H ? top : w->L * w->H;
    glim_panel *p = glim_document_panel_add(doc, GLIM_PANEL_TABLE, "heads", "The strongest heads",
                                            KINDS * top, COLUMNS);
    size_t *at = glim_document_alloc(doc, top * sizeof *at);
    double even = 0, r = (double)w->text.length;
    char text[120];
    bool ok = p && at;
    for (size_t i = w->text.from + w->text.length; i < w->text.n; i++)
        even += 1 / (w->m->hyper.both_ways ? (double)w->text.n : (double)(i + 1)) / r;
    int n = snprintf(text, sizeof text,
                     "Attention that is spread evenly has %.2g of the last two kinds.", even);
    if (ok)
        ok = (p->caption = glim_document_text(doc, text, (size_t)n)) != NULL;
    for (size_t c = 0; c < COLUMNS && ok; c++)
        ok = glim_document_label(doc, &p->columns, c, "%s", names[c]);
    for (size_t k = 0; k < KINDS && ok; k++) {
        find_top(w, k, top, at);
        for (size_t i = 0; i < top && ok; i++) {
            glim_panel_cell *cell = p->cells + (k * top + i) * COLUMNS;
            cell[0].text = kinds[k].word;
            n = snprintf(text, sizeof text, "%zu.%zu", at[i] / w->H, at[i] % w->H);
            cell[1].text = glim_document_text(doc, text, (size_t)n);
            cell[2].number = score(w, k, at[i]);
            ok = cell[1].text && glim_document_label(doc, &p->rows, k * top + i, "%zu", i + 1);
        }
    }
    if (ok) {
        p->rows.name = "rank";
        p->scale = GLIM_SCALE_SHARE;
    }
    return ok;
}

glim_status glim_heads_plan(glim_plan *out, const glim_model *m, const glim_heads_options *o,
                            glim_error *err) {
    struct work w = {.m = m};
    glim_hook hook;
    char name[64];
    glim_status status = glim__heads_lay_out(&w.text, m, o->length, err);
    if (status)
        return status;
    size_t n = w.text.n, each = (size_t)m->hyper.L * (size_t)m->hyper.H;
    *out = (glim_plan){
        .forward_tokens = n * (o->draws ? o->draws : DRAWS), .seconds = -1, .bounded = true};
    out->bytes = glim_session_plan(m, n, 1, n, 0, false, NULL) +
                 glim_session_plan_hooks(m, hook_of(&w, &hook, name), 1, n, n, false, NULL) +
                 2 * KINDS * each * sizeof(double) + n * sizeof(int32_t) +
                 glim_context_bytes(m->ctx);
    out->bytes_wanted = out->bytes;
    return GLIM_OK;
}

glim_status glim_heads_detect(glim_document **out, const glim_model *m, const glim_heads_options *o,
                              glim_error *err) {
    glim_report r;
    char params[128];
    struct work w = {.m = m, .L = (size_t)m->hyper.L, .H = (size_t)m->hyper.H};
    size_t draws = o->draws ? o->draws : DRAWS, all = KINDS * w.L * w.H;
    *out = NULL;
    glim_status status = glim__heads_lay_out(&w.text, m, o->length, err);
    if (status)
        return status;
    snprintf(params, sizeof params, "{\"length\": %zu, \"draws\": %zu}", w.text.length, draws);
    status = glim__report_begin_model(&r, m, words, params, err);
    if (status)
        return status;
    r.doc->seed = o->seed;
    w.sums = glim__calloc(m->ctx, 2 * all, sizeof *w.sums);
    w.now = w.sums ? w.sums + all : NULL;
    status = w.sums ? run(&w, o, draws, err) : glim__oom(m->ctx, err, "heads", 16 * all);
    r.doc->cost.forward_tokens = w.seen * w.text.n;
    bool ok = true;
    for (size_t k = 0; k < KINDS && ok && (!status || status == GLIM_ECANCELLED); k++)
        ok = put_grid(&w, r.doc, k);
    if (ok && (!status || status == GLIM_ECANCELLED))
        ok = put_table(&w, r.doc, o->top ? o->top : TOP);
    if (!ok)
        status = glim__oom(m->ctx, err, "the document", all * sizeof(double));
    glim__free(m->ctx, w.sums);
    return glim__report_end(&r, status, out);
}
