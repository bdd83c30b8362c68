/* SPDX-License-Identifier: Apache-2.0 */
/* Runs with values put in from elsewhere. */
#include "structure/patching.h"

#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 512, MOST_SEQUENCES = 64, NAME = 64 };

static const char *const sites[GLIM_PATCH_KINDS] = {
    "hook_resid_pre", "hook_resid_mid", "hook_attn_out", "hook_mlp_out",
    "attn.hook_z",    "attn.hook_q",    "attn.hook_k",   "attn.hook_v"};
static const char *const names[GLIM_PATCH_KINDS] = {"resid_pre", "resid_mid", "attn_out", "mlp_out",
                                                    "z",         "q",         "k",        "v"};

const char *glim__patch_site(glim_patch_kind kind) {
    return sites[kind];
}

const char *glim__patch_name(glim_patch_kind kind) {
    return names[kind];
}

glim_patch_kind glim__patch_kind_find(const char *name, size_t n) {
    int k = 0;
    while (k < GLIM_PATCH_KINDS && (strlen(names[k]) != n || strncmp(names[k], name, n) != 0))
        k++;
    return (glim_patch_kind)k;
}

static const glim_model *half(const glim_patching *w, bool encoder) {
    return encoder ? w->m->encoder : w->m;
}

static void name_site(char out[NAME], const glim_patching *w, bool encoder, const char *site) {
    snprintf(out, NAME, "%sblocks.*.%s", half(w, encoder)->site_prefix, site);
}

static size_t width_of(const glim_site *s) {
    size_t width = 1;
    for (int i = 1; i < s->n_dims; i++)
        width *= s->dims[i];
    return width;
}

/* ---- passes over whole inputs ---- */

/* Sequences of one input: what is read last, and of an encoder-decoder what its encoder reads. */
struct whole {
    glim_sequence q, text;
    uint32_t *wanted;
};

static glim_status lay_whole(struct whole *x, const glim_lm *lm, glim_error *err) {
    size_t R = lm->base.n_rows;
    x->wanted = glim__calloc(lm->base.ctx, R + 1, sizeof *x->wanted);
    if (!x->wanted)
        return glim__oom(lm->base.ctx, err, "the rows", R * sizeof *x->wanted);
    for (size_t r = 0; r < R; r++)
        x->wanted[r] = (uint32_t)lm->rows[r].at;
    x->text = (glim_sequence){.ids = lm->ids, .types = lm->types, .count = lm->base.T};
    x->q = x->text;
    if (lm->written)
        x->q = (glim_sequence){.ids = lm->written, .count = R, .wanted = lm->every, .n_wanted = R};
    else
        glim__lm_wanted(lm, x->wanted, R, lm->base.T, &x->q);
    return GLIM_OK;
}

double glim__patching_target(const glim_patching *w, const glim_session *s, size_t sequence) {
    double sum = 0;
    for (size_t r = 0; r < w->base->base.n_rows; r++)
        sum +=
            glim__lm_target(w->base, &w->base->rows[r], glim_session_logits(s, sequence, r), NULL);
    return sum;
}

static glim_status keep_stream(void *data, const glim_site *s, glim_error *err) {
    glim_patching *w = data;
    size_t floats = w->T * w->C;
    memcpy(w->stream + (size_t)s->layer * floats, s->data, floats * sizeof *w->stream);
    return GLIM_OK;
}

static glim_status run_base(glim_patching *w, glim_error *err) {
    struct whole x = {0};
    char name[NAME];
    glim_status status = lay_whole(&x, w->base, err);
    name_site(name, w, false, sites[GLIM_PATCH_RESID_PRE]);
    x.q.embeddings = w->embeddings;
    const glim_hook hook = {name, GLIM_HOOK_READ, keep_stream, w};
    glim_batch b = {.sequences = &x.q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = 1,
                    .append = !w->base->whole && !w->base->written,
                    .sources = &x.text,
                    .n_sources = w->base->written != NULL};
    if (!status)
        status = glim_session_forward(w->session, &b, err);
    if (!status)
        w->value = glim__patching_target(w, w->session, 0);
    w->base->forward += w->T;
    glim__free(w->ctx, x.wanted);
    return status;
}

glim_status glim__patching_init(glim_patching *w, glim_predictor *p, const float *embeddings,
                                glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    memset(w, 0, sizeof *w);
    if (!p->model || !p->observe || p->image || lm->labels || lm->direction)
        return glim_fail(err, GLIM_EUSAGE,
                         "patches need a language model, and a token or a class as the target");
    w->ctx = p->ctx;
    w->base = lm;
    w->m = lm->model;
    w->embeddings = embeddings;
    w->T = lm->written ? p->n_rows : p->T;
    w->L = (size_t)lm->model->hyper.L;
    w->C = (size_t)lm->model->hyper.C;
    w->stream = glim__calloc(w->ctx, w->L * w->T * w->C, sizeof *w->stream);
    w->rows_first = glim__calloc(w->ctx, MOST_SEQUENCES, sizeof *w->rows_first);
    glim_status status = w->stream && w->rows_first ? GLIM_OK
                                                    : glim__oom(w->ctx, err, "the residual stream",
                                                                w->L * w->T * w->C * 4);
    if (!status)
        status = glim_session_new(&w->session, w->m, lm->whole || lm->written ? 0 : w->T, err);
    if (!status)
        status = run_base(w, err);
    return status;
}

void glim__patching_release(glim_patching *w) {
    if (!w->ctx)
        return;
    for (int e = 0; e < 2; e++)
        for (int k = 0; k < GLIM_PATCH_KINDS; k++)
            glim__free(w->ctx, w->donor[e][k].values);
    glim_session_free(w->session);
    glim__free(w->ctx, w->stream);
    glim__free(w->ctx, w->rows_first);
    w->ctx = NULL;
}

/* ---- donors ---- */

glim_status glim__patching_room(glim_patching *w, glim_patch_kind kind, bool encoder, size_t T,
                                glim_error *err) {
    const glim_hyper *h = &half(w, encoder)->hyper;
    glim_patch_store *s = &w->donor[encoder][kind];
    size_t heads = kind < GLIM_PATCH_Z ? 1 : (size_t)(kind < GLIM_PATCH_K ? h->H : h->G);
    *s = (glim_patch_store){.layers = (size_t)h->L,
                            .T = T,
                            .heads = heads,
                            .width = kind < GLIM_PATCH_Z ? (size_t)h->C : heads * (size_t)h->D};
    s->values = glim__calloc(w->ctx, s->layers * T * s->width, sizeof *s->values);
    return s->values ? GLIM_OK
                     : glim__oom(w->ctx, err, "values to put in",
                                 (uint64_t)s->layers * T * s->width * sizeof *s->values);
}

static glim_status keep_donor(void *data, const glim_site *s, glim_error *err) {
    glim_patch_store *store = data;
    size_t floats = store->T * store->width;
    if (s->dims[0] != store->T || width_of(s) != store->width)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s has %zu rows of %zu numbers", s->name,
                         s->dims[0], width_of(s));
    memcpy(store->values + (size_t)s->layer * floats, s->data, floats * sizeof *store->values);
    store->filled++;
    return GLIM_OK;
}

glim_status glim__patching_donate(glim_patching *w, glim_predictor *p, glim_error *err) {
    glim_hook hooks[2 * GLIM_PATCH_KINDS];
    char patterns[2 * GLIM_PATCH_KINDS][NAME];
    size_t n = 0;
    for (int e = 0; e < 2; e++)
        for (int k = 0; k < GLIM_PATCH_KINDS; k++) {
            if (!w->donor[e][k].values)
                continue;
            name_site(patterns[n], w, e, sites[k]);
            hooks[n] = (glim_hook){patterns[n], GLIM_HOOK_READ, keep_donor, &w->donor[e][k]};
            w->donor[e][k].filled = 0;
            n++;
        }
    glim_status status = n ? p->observe(p, hooks, n, 0, err) : GLIM_OK;
    for (int i = 0; i < 2 * GLIM_PATCH_KINDS && !status; i++) {
        const glim_patch_store *s = &w->donor[i / GLIM_PATCH_KINDS][i % GLIM_PATCH_KINDS];
        if (s->values && s->filled != s->layers)
            status =
                glim_fail(err, GLIM_EUSAGE, "blocks of this model have no %s (glim info --sites)",
                          sites[i % GLIM_PATCH_KINDS]);
    }
    return status;
}

/* ---- what is kept ---- */

void glim__patching_keep(glim_patching *w, glim_kept_work *kept) {
    const glim_lm *lm = w->base;
    size_t T = lm->base.T, R = lm->base.n_rows;
    w->kept = kept->store ? kept : NULL;
    if (!kept->store)
        return;
    glim_digest d = glim__work_digest(kept, "patches");
    glim__digest_bytes(&d, lm->ids, T * sizeof *lm->ids);
    glim__digest_bytes(&d, lm->types ? lm->types : (const uint8_t *)"", lm->types ? T : 0);
    glim__digest_bytes(&d, lm->written ? lm->written : lm->ids,
                       lm->written ? R * sizeof *lm->written : 0);
    for (size_t r = 0; r < R; r++) {
        const int64_t row[] = {(int64_t)lm->rows[r].at, lm->rows[r].id, lm->rows[r].against};
        glim__digest_bytes(&d, row, sizeof row);
    }
    glim__digest_number(&d, (uint64_t)lm->output);
    glim__digest_bytes(&d, w->embeddings ? w->embeddings : w->stream,
                       w->embeddings ? w->T * w->C * sizeof *w->embeddings : 0);
    for (int e = 0; e < 2; e++) {
        size_t own = e || !lm->written ? T : R;
        glim__digest_bytes(&d, w->map[e] ? w->map[e] : (const int64_t *)"",
                           w->map[e] ? own * sizeof *w->map[e] : 0);
        for (int k = 0; k < GLIM_PATCH_KINDS; k++) {
            const glim_patch_store *s = &w->donor[e][k];
            glim__digest_bytes(&d, s->values ? s->values : (const float *)"",
                               s->values ? s->layers * s->T * s->width * sizeof *s->values : 0);
        }
    }
    kept->key = glim__digest_end(&d);
}

/* An item as a number: half, kind, blocks, and a position or a head. */
static uint64_t number_of(const glim_patch_item *item) {
    bool heads = item->head != GLIM_EVERY;
    uint64_t column = heads ? item->head : item->position; /* GLIM_EVERY + 1 is 0 */
    uint64_t n = (uint64_t)item->encoder << 4 | (uint64_t)item->kind;
    n = n << 12 | item->first;
    n = (n << 12 | item->past) << 1 | heads;
    return n << 32 | (uint32_t)(column + 1);
}

/* ---- patches ---- */

struct pen {
    glim_patching *w;
    glim_patch_kind kind;
    bool encoder;
};

static void put_row(const glim_patch_store *s, const glim_patch_item *item, size_t layer,
                    size_t from, float *to) {
    const float *row = s->values + (layer * s->T + from) * s->width;
    size_t D = s->width / s->heads, head = item->head == GLIM_EVERY ? 0 : item->head;
    size_t n = item->head == GLIM_EVERY ? s->width : D;
    memcpy(to + head * D, row + head * D, n * sizeof *to);
}

static glim_status write_site(void *data, const glim_site *s, glim_error *err) {
    const struct pen *pen = data;
    glim_patching *w = pen->w;
    const glim_patch_item *item = &w->items[s->sequence];
    const glim_patch_store *store = &w->donor[pen->encoder][pen->kind];
    const int64_t *map = w->map[pen->encoder];
    size_t first = w->rows_first[s->sequence], layer = (size_t)s->layer;
    if (item->kind != pen->kind || item->encoder != pen->encoder || layer < item->first ||
        layer >= item->past)
        return GLIM_OK;
    if (width_of(s) != store->width)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s has %zu numbers a row", s->name, width_of(s));
    for (size_t r = 0; r < s->dims[0]; r++) {
        size_t at = first + r;
        int64_t from = map ? map[at] : (int64_t)at;
        if (from >= 0 && (item->position == GLIM_EVERY || item->position == at))
            put_row(store, item, layer, (size_t)from, s->data + r * store->width);
    }
    return GLIM_OK;
}

/* Rows of a patch begin where it can change something that is read. */
static size_t first_row(const glim_patching *w, const glim_patch_item *item) {
    const glim_lm *lm = w->base;
    if (lm->whole || lm->written || item->position == GLIM_EVERY)
        return 0;
    return item->position < lm->rows[0].at ? item->position : lm->rows[0].at;
}

/* Nothing that reads the target sees the position. */
static bool is_unseen(const glim_patching *w, const glim_patch_item *item) {
    const glim_lm *lm = w->base;
    return !lm->whole && !lm->written && item->position != GLIM_EVERY &&
           item->position > lm->rows[lm->base.n_rows - 1].at;
}

static bool has_donor(const glim_patching *w, const glim_patch_item *item) {
    return item->position == GLIM_EVERY || !w->map[item->encoder] ||
           w->map[item->encoder][item->position] >= 0;
}

struct batch {
    glim_sequence q[MOST_SEQUENCES], text[MOST_SEQUENCES];
    uint32_t *wanted; /* (MOST_SEQUENCES, n_rows) */
    size_t n, rows;
};

static void add_sequence(glim_patching *w, struct batch *b, const struct whole *x,
                         const glim_patch_item *item, size_t layer) {
    const glim_lm *lm = w->base;
    size_t first = first_row(w, item), R = lm->base.n_rows;
    uint32_t *wanted = b->wanted + b->n * R;
    glim_sequence q = x->q;
    if (!lm->whole && !lm->written) {
        q.ids = lm->ids + first;
        q.prefix = first;
        q.count = w->T - first;
        for (size_t r = 0; r < R; r++)
            wanted[r] = (uint32_t)(lm->rows[r].at - first);
        q.wanted = wanted;
        q.n_wanted = R;
    }
    if (layer)
        q.embeddings = w->stream + (layer * w->T + first) * w->C;
    else if (w->embeddings)
        q.embeddings = w->embeddings + first * w->C;
    w->rows_first[b->n] = first;
    b->q[b->n] = q;
    b->text[b->n] = x->text;
    b->rows += q.count + (item->encoder ? x->text.count : 0);
    b->n++;
}

/* Items that run together: the same half and first block. */
static size_t gather(glim_patching *w, struct batch *b, const struct whole *x,
                     const glim_patch_item *items, size_t n) {
    size_t R = w->base->base.n_rows, most = R < MOST_SEQUENCES ? MOST_SEQUENCES / R : 1;
    b->n = b->rows = 0;
    for (size_t i = 0; i < n && b->n < most; i++) {
        bool same = items[i].first == items[0].first && items[i].encoder == items[0].encoder;
        if (!same || (b->n && b->rows >= MOST_ROWS))
            break;
        add_sequence(w, b, x, &items[i], items[0].encoder ? 0 : items[0].first);
    }
    return b->n;
}

static glim_status run_batch(glim_patching *w, struct batch *b, bool encoder, size_t layer,
                             double *out, glim_error *err) {
    struct pen pens[GLIM_PATCH_KINDS];
    glim_hook hooks[GLIM_PATCH_KINDS];
    char patterns[GLIM_PATCH_KINDS][NAME];
    size_t n = 0;
    for (int k = 0; k < GLIM_PATCH_KINDS; k++) {
        if (!w->donor[encoder][k].values)
            continue;
        name_site(patterns[n], w, encoder, sites[k]);
        pens[n] = (struct pen){w, (glim_patch_kind)k, encoder};
        hooks[n] = (glim_hook){patterns[n], GLIM_HOOK_WRITE, write_site, &pens[n]};
        n++;
    }
    bool reads = w->base->written != NULL;
    glim_batch run = {.sequences = b->q,
                      .count = b->n,
                      .hooks = hooks,
                      .n_hooks = n,
                      .sources = b->text,
                      .n_sources = !reads    ? 0
                                   : encoder ? b->n
                                             : 1,
                      .first_layer = encoder ? 0 : (int)layer};
    glim_status status = glim_session_forward(w->session, &run, err);
    for (size_t i = 0; i < b->n && !status; i++)
        out[i] = glim__patching_target(w, w->session, i);
    w->base->forward += b->rows * (w->L - (encoder ? 0 : layer)) / w->L;
    glim__progress_add(w->ctx, b->n);
    return status;
}

struct order {
    glim_patch_item item;
    size_t index;
};

/* An item that need not be run. */
static glim_status settle(glim_patching *w, const glim_patch_item *item, double *out, bool *settled,
                          glim_error *err) {
    uint64_t at = number_of(item);
    bool idle = is_unseen(w, item);
    *out = idle ? w->value : NAN;
    *settled = idle || !has_donor(w, item);
    if (*settled || !w->kept)
        return GLIM_OK;
    glim_status status = glim__work_get_reals(w->kept, &at, out, settled, 1, err);
    glim__progress_add(w->ctx, *settled);
    return status;
}

static glim_status keep(glim_patching *w, const glim_patch_item *items, const double *values,
                        size_t n, glim_error *err) {
    uint64_t at[MOST_SEQUENCES];
    for (size_t i = 0; i < n; i++)
        at[i] = number_of(&items[i]);
    return w->kept ? glim__work_put_reals(w->kept, at, values, n, err) : GLIM_OK;
}

static int by_block(const void *a, const void *b) {
    const struct order *x = a, *y = b;
    if (x->item.encoder != y->item.encoder)
        return x->item.encoder ? -1 : 1;
    if (x->item.first != y->item.first)
        return x->item.first < y->item.first ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

glim_status glim__patching_run(glim_patching *w, const glim_patch_item *items, size_t n,
                               double *out, glim_error *err) {
    struct whole x = {0};
    struct order *order = glim__calloc(w->ctx, n + 1, sizeof *order);
    glim_patch_item *sorted = glim__calloc(w->ctx, n + 1, sizeof *sorted);
    double values[MOST_SEQUENCES];
    struct batch *b = glim__calloc(w->ctx, 1, sizeof *b);
    size_t m = 0;
    glim_status status = order && sorted && b
                             ? lay_whole(&x, w->base, err)
                             : glim__oom(w->ctx, err, "patches", n * sizeof *order);
    if (!status) {
        b->wanted = glim__calloc(w->ctx, MOST_SEQUENCES * w->base->base.n_rows, sizeof *b->wanted);
        if (!b->wanted)
            status = glim__oom(w->ctx, err, "patches", MOST_SEQUENCES * 4);
    }
    for (size_t i = 0; i < n && !status; i++) {
        bool settled = false;
        status = settle(w, &items[i], &out[i], &settled, err);
        if (!settled)
            order[m++] = (struct order){items[i], i};
    }
    if (!status)
        qsort(order, m, sizeof *order, by_block);
    for (size_t i = 0; i < m && !status; i++)
        sorted[i] = order[i].item;
    for (size_t i = 0, done; i < m && !status; i += done) {
        done = gather(w, b, &x, sorted + i, m - i);
        w->items = sorted + i;
        status = run_batch(w, b, sorted[i].encoder, sorted[i].first, values, err);
        if (!status)
            status = keep(w, sorted + i, values, done, err);
        for (size_t k = 0; k < done && !status; k++)
            out[order[i + k].index] = values[k];
    }
    if (b)
        glim__free(w->ctx, b->wanted);
    glim__free(w->ctx, b);
    glim__free(w->ctx, x.wanted);
    glim__free(w->ctx, sorted);
    glim__free(w->ctx, order);
    return status;
}

uint64_t glim__patching_plan(const glim_lm *lm, size_t kinds) {
    const glim_hyper *h = &lm->model->hyper;
    uint64_t L = (uint64_t)h->L, T = lm->written ? lm->base.n_rows : lm->base.T, C = (uint64_t)h->C;
    uint64_t rows = MOST_ROWS + T, logits = (uint64_t)MOST_SEQUENCES * lm->base.n_rows;
    uint64_t cache = lm->whole || lm->written ? 0 : 8 * L * T * (uint64_t)(h->G * h->D);
    return 4 * L * T * C * (1 + kinds) + cache + 4 * logits * lm->outputs +
           glim_session_plan(lm->model, rows, MOST_SEQUENCES, T, logits, false, NULL);
}
