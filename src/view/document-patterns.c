/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The member `summary` of a document of attention that a report was asked of, written and
 * read back. Numbers lie in two packed arrays (glim__deflate), little-endian:
 *
 *   cells    of every head the largest cell (float32; NaN: not seen), then bytes
 *            (layers * heads, cell rows, cell columns)
 *   weights  of each head that is kept uint16 columns (T, K), as steps from the one before in
 *            their row, uint16 weights (T, K), and float32 tails (T)
 */
#include "base/json.h"
#include "file/deflate.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

enum { SIDE = 64, MOST_LEVEL = 26 };

static size_t count_of(const glim_document_patterns *p, size_t t) {
    size_t all = p->causal ? t + 1 : p->S;
    return all < p->n_largest ? all : p->n_largest;
}

/* ---- writing ---- */

/* [start, end], or the name. */
static json_t *tokens_json(bool *ok, const glim_document *d, const glim_document_token *at,
                           size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (at[i].name) {
            glim__json_add(ok, list, glim__json_text(at[i].name, strlen(at[i].name)));
            continue;
        }
        json_t *span = json_array();
        glim__json_add(ok, span, glim__document_offset(d, at[i].start));
        glim__json_add(ok, span, glim__document_offset(d, at[i].end));
        glim__json_add(ok, list, span);
    }
    return list;
}

static json_t *packed(bool *ok, const glim_document *d, const glim_buffer *bytes) {
    glim_buffer text;
    glim__buffer_init(&text, d->ctx);
    *ok = *ok && !bytes->failed && !glim__deflate(&text, bytes->data, bytes->len, NULL);
    json_t *out = *ok ? json_stringn(text.data, text.len) : NULL;
    glim__buffer_release(&text);
    return out;
}

static json_t *cells_json(bool *ok, const glim_document *d) {
    const glim_document_patterns *p = &d->attention.patterns;
    size_t heads = (size_t)d->attention.layers * (size_t)d->attention.heads;
    glim_buffer b;
    glim__buffer_init(&b, d->ctx);
    glim__buffer_append(&b, p->most, heads * sizeof *p->most);
    glim__buffer_append(&b, p->cells, heads * p->cell_rows * p->cell_columns);
    json_t *out = packed(ok, d, &b);
    glim__buffer_release(&b);
    return out;
}

static void put_kept(glim_buffer *b, const glim_document_patterns *p,
                     const glim_document_kept *one) {
    size_t K = p->n_largest;
    for (size_t i = 0; i < p->T * K; i++) {
        uint16_t before = i % K ? one->columns[i - 1] : 0;
        uint16_t step = i % K < count_of(p, i / K) ? (uint16_t)(one->columns[i] - before) : 0;
        glim__buffer_append(b, &step, sizeof step);
    }
    glim__buffer_append(b, one->weights, p->T * K * sizeof *one->weights);
    glim__buffer_append(b, one->tail, p->T * sizeof *one->tail);
}

static json_t *weights_json(bool *ok, const glim_document *d) {
    const glim_document_patterns *p = &d->attention.patterns;
    glim_buffer b;
    glim__buffer_init(&b, d->ctx);
    for (size_t i = 0; i < p->n_kept; i++)
        put_kept(&b, p, &p->kept[i]);
    json_t *out = packed(ok, d, &b);
    glim__buffer_release(&b);
    return out;
}

/* The largest and the mean weight that a row of the head has besides those that are kept. */
static json_t *kept_json(bool *ok, const glim_document_patterns *p, const glim_document_kept *one) {
    double sum = 0;
    for (size_t t = 0; t < p->T; t++)
        sum += (double)one->tail[t];
    json_t *o = json_object();
    glim__json_set(ok, o, "layer", json_integer(one->layer));
    glim__json_set(ok, o, "head", json_integer(one->head));
    glim__json_set(ok, o, "tail", glim__json_number(p->T ? sum / (double)p->T : NAN));
    return o;
}

json_t *glim__document_patterns_json(bool *ok, const glim_document *d) {
    const glim_document_patterns *p = &d->attention.patterns;
    json_t *o = json_object(), *shape = json_array(), *kept = json_array();
    bool same = p->rows == p->columns;
    glim__json_set(ok, o, "causal", json_boolean(p->causal));
    glim__json_set(ok, o, "rows", tokens_json(ok, d, p->rows, p->T));
    glim__json_set(ok, o, "columns", same ? json_null() : tokens_json(ok, d, p->columns, p->S));
    glim__json_set(ok, o, "level", json_integer(p->level));
    glim__json_add(ok, shape, json_integer((json_int_t)p->cell_rows));
    glim__json_add(ok, shape, json_integer((json_int_t)p->cell_columns));
    glim__json_set(ok, o, "shape", shape);
    glim__json_set(ok, o, "cells", cells_json(ok, d));
    glim__json_set(ok, o, "largest", json_integer((json_int_t)p->n_largest));
    for (size_t i = 0; i < p->n_kept; i++)
        glim__json_add(ok, kept, kept_json(ok, p, &p->kept[i]));
    glim__json_set(ok, o, "kept", kept);
    glim__json_set(ok, o, "weights", weights_json(ok, d));
    return o;
}

/* ---- reading ---- */

struct reader {
    glim_document *d;
    const json_t *o;
    const char *file;
    glim_error *err;
    glim_status status; /* sticky */
};

static bool wrong(struct reader *r, const char *key) {
    if (!r->status)
        r->status = glim_fail(r->err, GLIM_EFORMAT, "'%s': member '%s' of 'summary' is wrong",
                              r->file, key);
    return false;
}

static void *room(struct reader *r, size_t n) {
    void *p = r->status ? NULL : glim_document_alloc(r->d, n + 1);
    if (!p && !r->status)
        r->status = glim__oom(r->d->ctx, r->err, "the document", n);
    return p;
}

/* A whole number from `least` to `most`. */
static size_t whole(struct reader *r, const json_t *v, const char *key, size_t least, size_t most) {
    json_int_t x = json_integer_value(v);
    if (json_is_integer(v) && x >= (json_int_t)least && x <= (json_int_t)most)
        return (size_t)x;
    wrong(r, key);
    return least;
}

static glim_document_token *read_tokens(struct reader *r, const char *key, size_t *n) {
    const json_t *list = json_object_get(r->o, key);
    *n = json_array_size(list);
    if (!json_is_array(list) || *n > UINT16_MAX + 1)
        wrong(r, key);
    glim_document_token *at = room(r, *n * sizeof *at);
    for (size_t i = 0; at && i < *n && !r->status; i++) {
        const json_t *v = json_array_get(list, i);
        at[i] = (glim_document_token){0};
        if (json_is_string(v)) {
            at[i].name = glim_document_text(r->d, json_string_value(v), json_string_length(v));
            if (!at[i].name)
                r->status = glim__oom(r->d->ctx, r->err, "the document", *n);
            continue;
        }
        at[i].start = whole(r, json_array_get(v, 0), key, 0, r->d->input.text_len);
        at[i].end = whole(r, json_array_get(v, 1), key, at[i].start, r->d->input.text_len);
    }
    return at;
}

/* An unpacked array, which belongs to the document. */
static uint8_t *unpack(struct reader *r, const char *key, uint64_t size) {
    const json_t *v = json_object_get(r->o, key);
    if (!json_is_string(v) || !glim__inflate_fits(size, json_string_length(v)))
        wrong(r, key);
    uint8_t *out = room(r, size);
    if (out)
        r->status = glim__inflate(r->d->ctx, out, size, json_string_value(v), json_string_length(v),
                                  r->file, r->err);
    return out;
}

static void read_cells(struct reader *r, glim_document_patterns *p) {
    size_t heads = (size_t)r->d->attention.layers * (size_t)r->d->attention.heads;
    size_t n = p->cell_rows * p->cell_columns;
    uint8_t *bytes = unpack(r, "cells", heads * (sizeof *p->most + (uint64_t)n));
    p->most = (float *)bytes; /* documents' memory is aligned */
    p->cells = bytes ? bytes + heads * sizeof *p->most : NULL;
    for (size_t h = 0; !r->status && h < heads; h++)
        if (!isnan(p->most[h]) && !(p->most[h] >= 0 && isfinite(p->most[h])))
            wrong(r, "cells");
}

/* Steps become columns, which must be there. */
static void read_kept(struct reader *r, const glim_document_patterns *p, glim_document_kept *one) {
    size_t K = p->n_largest;
    for (size_t i = 0; i < p->T * K && !r->status; i++) {
        size_t t = i / K, end = p->causal ? t + 1 : p->S;
        if (i % K >= count_of(p, t))
            continue;
        size_t at = one->columns[i] + (i % K ? one->columns[i - 1] : 0u);
        if (at >= end || (i % K && !one->columns[i]))
            wrong(r, "weights");
        one->columns[i] = (uint16_t)at;
    }
}

static void read_weights(struct reader *r, glim_document_patterns *p) {
    const json_t *list = json_object_get(r->o, "kept");
    const glim_document_attention *a = &r->d->attention;
    size_t numbers = p->T * p->n_largest, n = json_array_size(list);
    size_t each = 2 * numbers * sizeof(uint16_t) + p->T * sizeof(float);
    if (!json_is_array(list) || n > (size_t)a->layers * (size_t)a->heads)
        wrong(r, "kept");
    p->kept = room(r, n * sizeof *p->kept);
    uint8_t *bytes = unpack(r, "weights", (uint64_t)n * each);
    for (size_t i = 0; i < n && !r->status; i++, bytes += each) {
        const json_t *o = json_array_get(list, i);
        glim_document_kept *one = &p->kept[i];
        one->layer = (int)whole(r, json_object_get(o, "layer"), "kept", 0, (size_t)a->layers - 1);
        one->head = (int)whole(r, json_object_get(o, "head"), "kept", 0, (size_t)a->heads - 1);
        one->columns = room(r, each);
        if (!one->columns)
            return;
        memcpy(one->columns, bytes, each);
        one->weights = one->columns + numbers;
        one->tail = (float *)(void *)(one->weights + numbers);
        read_kept(r, p, one);
    }
    p->n_kept = n;
}

glim_status glim__document_patterns_parse(glim_document *d, const json_t *o, const char *file,
                                          glim_error *err) {
    struct reader r = {.d = d, .o = o, .file = file, .err = err};
    glim_document_patterns p = {.causal = json_is_true(json_object_get(o, "causal"))};
    const json_t *shape = json_object_get(o, "shape");
    p.rows = read_tokens(&r, "rows", &p.T);
    p.columns = p.rows;
    p.S = p.T;
    if (!json_is_null(json_object_get(o, "columns")))
        p.columns = read_tokens(&r, "columns", &p.S);
    if (!d->attention.layers || !d->attention.heads || !p.T || !p.S || (p.causal && p.T != p.S))
        wrong(&r, "rows");
    p.level = (int)whole(&r, json_object_get(o, "level"), "level", 0, MOST_LEVEL);
    p.cell_rows = whole(&r, json_array_get(shape, 0), "shape", 1, SIDE);
    p.cell_columns = whole(&r, json_array_get(shape, 1), "shape", 1, SIDE);
    size_t step = (size_t)1 << p.level;
    if (p.cell_rows != (p.T + step - 1) / step || p.cell_columns != (p.S + step - 1) / step)
        wrong(&r, "shape");
    p.n_largest = whole(&r, json_object_get(o, "largest"), "largest", 1, p.S ? p.S : 1);
    if (!r.status)
        read_cells(&r, &p);
    if (!r.status)
        read_weights(&r, &p);
    if (!r.status)
        d->attention.patterns = p;
    return r.status;
}
