/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each text once, by its number, then the lists that keep it. Lists are written with the numbers
 * of their texts in the order in which texts were first met.
 */
#include "structure/kept-record.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static void write_text(glim_buffer *b, const glim_kept_text *t) {
    glim__pack_number(b, t->number);
    glim__pack_number(b, t->row);
    glim__pack_number(b, t->part);
    glim__pack_number(b, t->n);
    glim__pack_number(b, t->pieces);
    glim__buffer_append(b, t->text, t->n);
    glim__buffer_append(b, t->ends, t->pieces * sizeof *t->ends);
}

static void write_values(glim_buffer *b, const float *values, size_t n) {
    glim__pack_number(b, values != NULL);
    if (values)
        glim__buffer_append(b, values, n * sizeof *values);
}

static void write_list(glim_buffer *b, const glim_kept *list, size_t n) {
    glim__pack_number(b, n);
    for (size_t i = 0; i < n; i++) {
        glim__pack_number(b, list[i].text->number);
        glim__pack_real(b, list[i].value);
        write_values(b, list[i].values, list[i].text->pieces);
    }
}

static int by_number(const void *a, const void *b) {
    uint64_t x = (*(const glim_kept_text *const *)a)->number;
    uint64_t y = (*(const glim_kept_text *const *)b)->number;
    return x < y ? -1 : x > y;
}

static size_t count_held(const glim_kept_texts *k) {
    size_t n = k->n_sample;
    for (size_t u = 0; u < k->units; u++)
        n += k->unit[u].n_top + k->unit[u].n_bottom;
    return n;
}

/* Every text that is held, each once, by number; returns how many. */
static size_t list_texts(const glim_kept_texts *k, glim_kept_text **all) {
    size_t n = 0, different = 0;
    for (size_t i = 0; i < k->n_sample; i++)
        all[n++] = k->sample[i].text;
    for (size_t u = 0; u < k->units; u++) {
        for (size_t i = 0; i < k->unit[u].n_top; i++)
            all[n++] = k->unit[u].top[i].text;
        for (size_t i = 0; i < k->unit[u].n_bottom; i++)
            all[n++] = k->unit[u].bottom[i].text;
    }
    if (n)
        qsort(all, n, sizeof *all, by_number);
    for (size_t i = 0; i < n; i++)
        if (!different || all[different - 1] != all[i])
            all[different++] = all[i];
    return different;
}

static void write_unit(glim_buffer *b, const glim_kept_unit *u) {
    const double reals[] = {u->sum, u->squares, u->largest, u->least, u->of_texts};
    glim__pack_number(b, (uint64_t)(int64_t)u->scale);
    glim__pack_number(b, u->tokens);
    glim__pack_number(b, u->above);
    glim__buffer_append(b, reals, sizeof reals);
    glim__buffer_append(b, u->counts, sizeof u->counts);
    write_list(b, u->top, u->n_top);
    write_list(b, u->bottom, u->n_bottom);
}

void glim__kept_write(glim_buffer *b, const glim_kept_texts *k) {
    glim_kept_text **all = glim__calloc(k->ctx, count_held(k) + 1, sizeof(glim_kept_text *));
    if (!all) {
        b->failed = true;
        return;
    }
    size_t n = list_texts(k, all);
    glim__pack_number(b, k->texts);
    glim__pack_number(b, n);
    for (size_t i = 0; i < n; i++)
        write_text(b, all[i]);
    for (size_t u = 0; u < k->units; u++)
        write_unit(b, &k->unit[u]);
    glim__pack_number(b, k->n_sample);
    for (size_t i = 0; i < k->n_sample; i++) {
        const glim_sampled *s = &k->sample[i];
        glim__pack_number(b, s->key);
        glim__pack_number(b, s->text->number);
        glim__buffer_append(b, s->value, k->units * sizeof *s->value);
        write_values(b, s->values, s->text->pieces * k->units);
    }
    glim__free(k->ctx, all);
}

/* ---- reading ---- */

struct reading {
    glim_unpacking *r;
    glim_kept_texts *k;
    glim_kept_text **all; /* [n] by number */
    size_t n;
    bool refused; /* memory */
};

/* n * size bytes, no more than are there. */
static void *read_bytes(struct reading *x, size_t n, size_t size) {
    if (x->r->failed || (n && size > (size_t)(x->r->end - x->r->at) / n)) {
        x->r->failed = true;
        return NULL;
    }
    void *out = glim__calloc(x->k->ctx, n + 1, size);
    x->refused = x->refused || !out;
    x->r->failed = x->r->failed || !out;
    if (out)
        glim__unpack_bytes(x->r, out, n * size);
    return out;
}

static glim_kept_text *read_text(struct reading *x) {
    glim_kept_text *t = glim__calloc(x->k->ctx, 1, sizeof *t);
    x->refused = x->refused || !t;
    if (!t) {
        x->r->failed = true;
        return NULL;
    }
    t->refs = 1; /* the reading's own */
    t->number = glim__unpack_number(x->r);
    t->row = (size_t)glim__unpack_number(x->r);
    t->part = (size_t)glim__unpack_number(x->r);
    t->n = (size_t)glim__unpack_number(x->r);
    t->pieces = (size_t)glim__unpack_number(x->r);
    t->text = read_bytes(x, t->n, 1);
    t->ends = read_bytes(x, t->pieces, sizeof *t->ends);
    return t;
}

static glim_kept_text *find(struct reading *x, uint64_t number) {
    const glim_kept_text wanted = {.number = number}, *key = &wanted;
    glim_kept_text **at =
        x->r->failed || !x->n ? NULL : bsearch(&key, x->all, x->n, sizeof *x->all, by_number);
    x->r->failed = x->r->failed || !at;
    return at ? *at : NULL;
}

static float *read_values(struct reading *x, size_t n) {
    return glim__unpack_number(x->r) && !x->r->failed ? read_bytes(x, n, sizeof(float)) : NULL;
}

static void read_list(struct reading *x, glim_kept *list, size_t most, size_t *n) {
    uint64_t count = glim__unpack_number(x->r);
    x->r->failed = x->r->failed || count > most;
    for (uint64_t i = 0; i < count && !x->r->failed; i++) {
        glim_kept *e = &list[i];
        e->text = find(x, glim__unpack_number(x->r));
        e->value = glim__unpack_real(x->r);
        if (!e->text)
            return;
        e->text->refs++;
        ++*n;
        e->values = read_values(x, e->text->pieces);
    }
}

static void read_unit(struct reading *x, glim_kept_unit *u) {
    double reals[5];
    u->scale = (int)(int64_t)glim__unpack_number(x->r);
    u->tokens = glim__unpack_number(x->r);
    u->above = glim__unpack_number(x->r);
    glim__unpack_bytes(x->r, reals, sizeof reals);
    u->sum = reals[0];
    u->squares = reals[1];
    u->largest = reals[2];
    u->least = reals[3];
    u->of_texts = reals[4];
    glim__unpack_bytes(x->r, u->counts, sizeof u->counts);
    read_list(x, u->top, x->k->most, &u->n_top);
    read_list(x, u->bottom, x->k->most, &u->n_bottom);
}

static void read_sample(struct reading *x) {
    glim_kept_texts *k = x->k;
    uint64_t n = glim__unpack_number(x->r);
    x->r->failed = x->r->failed || n > k->room;
    for (uint64_t i = 0; i < n && !x->r->failed; i++) {
        glim_sampled *s = &k->sample[i];
        s->key = glim__unpack_number(x->r);
        s->text = find(x, glim__unpack_number(x->r));
        if (!s->text)
            return;
        s->text->refs++;
        k->n_sample++;
        s->value = read_bytes(x, k->units, sizeof *s->value);
        s->values = read_values(x, s->text->pieces * k->units);
    }
}

glim_status glim__kept_read(glim_unpacking *r, glim_kept_texts *k, glim_error *err) {
    struct reading x = {.r = r, .k = k};
    k->texts = glim__unpack_number(r);
    uint64_t n = glim__unpack_number(r);
    bool fits = n <= (uint64_t)(r->end - r->at) / 40; /* a text takes more */
    x.all = fits ? glim__calloc(k->ctx, n + 1, sizeof *x.all) : NULL;
    x.refused = fits && !x.all;
    r->failed = r->failed || !x.all;
    for (; x.n < n && !r->failed; x.n++)
        if (!(x.all[x.n] = read_text(&x)))
            break;
    for (size_t u = 0; u < k->units && !r->failed; u++)
        read_unit(&x, &k->unit[u]);
    if (!r->failed)
        read_sample(&x);
    for (size_t i = 0; i < x.n; i++)
        glim__kept_drop(k, x.all[i]);
    glim__free(k->ctx, x.all);
    if (x.refused)
        return glim__oom(k->ctx, err, "the kept texts", n * 40);
    return r->failed ? glim_fail(err, GLIM_EFORMAT, "what the store has of the texts is broken")
                     : GLIM_OK;
}
