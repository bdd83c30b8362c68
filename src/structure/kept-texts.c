/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that is kept has its bytes once, whoever keeps it. Bins are powers of two wide and
 * begin at zero, so that they can be joined in pairs when a value lies outside: the histogram
 * depends on the values alone, not on their order. A sample is those texts whose random
 * numbers are smallest, which are a function of seed and place.
 */
#include "structure/kept-texts.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLED = 256, LEAST_SAMPLED = 16, SAMPLED_VALUES = 8192, FINEST = -30, HALF = 64 };

glim_status glim__kept_init(glim_kept_texts *k, glim_context *ctx, size_t units, size_t most,
                            glim_text_pool pool, uint64_t seed, glim_error *err) {
    size_t room = SAMPLED_VALUES / units;
    room = room > SAMPLED ? SAMPLED : room < LEAST_SAMPLED ? LEAST_SAMPLED : room;
    *k = (glim_kept_texts){
        .ctx = ctx, .units = units, .most = most, .room = room, .pool = pool, .seed = seed};
    k->unit = glim__calloc(ctx, units, sizeof *k->unit);
    k->sample = glim__calloc(ctx, room + 1, sizeof *k->sample);
    bool ok = k->unit && k->sample;
    for (size_t u = 0; u < units && ok; u++) {
        k->unit[u].scale = FINEST;
        k->unit[u].largest = -INFINITY;
        k->unit[u].least = INFINITY;
        k->unit[u].top = glim__calloc(ctx, most + 1, sizeof *k->unit[u].top);
        k->unit[u].bottom = glim__calloc(ctx, most + 1, sizeof *k->unit[u].bottom);
        ok = k->unit[u].top && k->unit[u].bottom;
    }
    if (ok)
        return GLIM_OK;
    glim__kept_release(k);
    return glim__oom(ctx, err, "the kept texts", units * sizeof *k->unit);
}

void glim__kept_drop(glim_kept_texts *k, glim_kept_text *t) {
    if (!t || --t->refs)
        return;
    glim__free(k->ctx, (char *)t->text);
    glim__free(k->ctx, t->ends);
    glim__free(k->ctx, t);
}

static void drop_kept(glim_kept_texts *k, glim_kept *e) {
    glim__free(k->ctx, e->values);
    glim__kept_drop(k, e->text);
}

static void drop_list(glim_kept_texts *k, glim_kept *list, size_t n) {
    for (size_t i = 0; i < n && list; i++)
        drop_kept(k, &list[i]);
    glim__free(k->ctx, list);
}

static void drop_sampled(glim_kept_texts *k, glim_sampled *e) {
    glim__free(k->ctx, e->value);
    glim__free(k->ctx, e->values);
    glim__kept_drop(k, e->text);
}

void glim__kept_release(glim_kept_texts *k) {
    if (!k->ctx)
        return;
    for (size_t u = 0; u < k->units && k->unit; u++) {
        drop_list(k, k->unit[u].top, k->unit[u].n_top);
        drop_list(k, k->unit[u].bottom, k->unit[u].n_bottom);
    }
    for (size_t i = 0; i < k->n_sample && k->sample; i++)
        drop_sampled(k, &k->sample[i]);
    glim__free(k->ctx, k->unit);
    glim__free(k->ctx, k->sample);
    *k = (glim_kept_texts){0};
}

/* ---- pieces ---- */

size_t glim__tokens_free_ones(const glim_tokens *tokens, uint8_t *is_free) {
    size_t n = 0;
    for (size_t t = 0; t < tokens->count; t++) {
        is_free[t] = tokens->at[t].kind == GLIM_TOKEN_TEXT;
        n += is_free[t];
    }
    return n;
}

void glim__tokens_pieces(const glim_tokens *tokens, size_t text_len, uint32_t *ends) {
    size_t n = 0, end = 0;
    for (size_t t = 0; t < tokens->count; t++) {
        if (tokens->at[t].kind != GLIM_TOKEN_TEXT)
            continue;
        end = tokens->at[t].end > end ? tokens->at[t].end : end;
        ends[n++] = (uint32_t)end;
    }
    if (n)
        ends[n - 1] = (uint32_t)text_len; /* spaces that no token has */
}

/* ---- one text ---- */

struct coming {
    const char *bytes;
    size_t n, row, part;
    const glim_tokens *tokens;
    const uint8_t *is_free;
    size_t pieces;
    const float *values;
    bool whole;
    glim_kept_text *text; /* once somebody keeps it */
};

static bool make_text(glim_kept_texts *k, struct coming *c) {
    if (c->text)
        return true;
    glim_kept_text *t = glim__calloc(k->ctx, 1, sizeof *t);
    char *copy = glim__strndup(k->ctx, c->bytes, c->n);
    uint32_t *ends = glim__calloc(k->ctx, c->pieces, sizeof *ends);
    if (!t || !copy || !ends) {
        glim__free(k->ctx, t);
        glim__free(k->ctx, copy);
        glim__free(k->ctx, ends);
        return false;
    }
    glim__tokens_pieces(c->tokens, c->n, ends);
    *t = (glim_kept_text){.text = copy,
                          .n = c->n,
                          .row = c->row,
                          .part = c->part,
                          .refs = 1, /* the one who adds it */
                          .pieces = c->pieces,
                          .number = k->texts,
                          .ends = ends};
    c->text = t;
    return true;
}

/* Values of the free rows, each `width` of them from `first` on. */
static float *free_values(glim_kept_texts *k, const struct coming *c, size_t first, size_t width) {
    float *out = glim__alloc(k->ctx, c->pieces * width * sizeof *out);
    for (size_t t = 0, n = 0; t < c->tokens->count && out; t++)
        if (c->is_free[t])
            memcpy(out + n++ * width, c->values + t * k->units + first, width * sizeof *out);
    return out;
}

/* Bins twice as wide, each of two. */
static void widen(glim_kept_unit *u) {
    uint64_t joined[GLIM_HISTOGRAM_BINS] = {0};
    for (int b = -HALF; b < HALF; b++)
        joined[HALF + (b - (b < 0)) / 2] += u->counts[HALF + b];
    memcpy(u->counts, joined, sizeof joined);
    u->scale++;
}

static void count_one(glim_kept_unit *u, double x) {
    double bin = floor(ldexp(x, -u->scale));
    while (bin < -HALF || bin >= HALF) {
        widen(u);
        bin = floor(bin / 2);
    }
    u->counts[HALF + (int)bin]++;
}

static void count_values(glim_kept_texts *k, const struct coming *c) {
    for (size_t t = 0; t < (c->whole ? 1 : c->tokens->count); t++) {
        if (!c->whole && !c->is_free[t])
            continue;
        for (size_t u = 0; u < k->units; u++) {
            glim_kept_unit *unit = &k->unit[u];
            double x = c->values[t * k->units + u];
            count_one(unit, x);
            unit->sum += x;
            unit->squares += x * x;
            unit->largest = x > unit->largest ? x : unit->largest;
            unit->least = x < unit->least ? x : unit->least;
            unit->above += x > 0;
            unit->tokens++;
        }
    }
}

static double value_of(const glim_kept_texts *k, const struct coming *c, size_t u) {
    size_t at;
    return c->whole ? (double)c->values[u]
                    : glim__text_value(c->values + u, k->units, c->is_free, c->tokens->count,
                                       k->pool, &at);
}

/* Into a list of the largest (sign 1) or the smallest (-1) values. */
static bool add_kept(glim_kept_texts *k, struct coming *c, size_t u, double value, int sign) {
    glim_kept_unit *unit = &k->unit[u];
    glim_kept *list = sign > 0 ? unit->top : unit->bottom;
    size_t *n = sign > 0 ? &unit->n_top : &unit->n_bottom, at = *n;
    if (at == k->most && !(sign * value > sign * list[at - 1].value))
        return true;
    for (size_t i = 0; i < *n; i++) /* a corpus may have forgotten what it has seen */
        if (list[i].value == value && list[i].text->n == c->n &&
            !memcmp(list[i].text->text, c->bytes, c->n))
            return true;
    if (!make_text(k, c))
        return false;
    glim_kept one = {.text = c->text, .value = value};
    if (!c->whole && !(one.values = free_values(k, c, u, 1)))
        return false;
    c->text->refs++;
    for (; at && sign * value > sign * list[at - 1].value; at--)
        list[at] = list[at - 1];
    list[at] = one;
    if (*n < k->most)
        (*n)++;
    else
        drop_kept(k, &list[k->most]);
    return true;
}

/* Of what is largest by its largest token the smallest is by its least. */
static double least_of(const glim_kept_texts *k, const struct coming *c, size_t u, double value) {
    double least = INFINITY;
    if (c->whole || k->pool != GLIM_TEXT_MAX)
        return value;
    for (size_t t = 0; t < c->tokens->count; t++)
        if (c->is_free[t] && (double)c->values[t * k->units + u] < least)
            least = (double)c->values[t * k->units + u];
    return least;
}

static bool add_sample(glim_kept_texts *k, struct coming *c, const double *values) {
    uint64_t key = (uint64_t)glim__rng_u32(k->seed, k->texts, 0) << 32 | (uint32_t)k->texts;
    size_t at = k->n_sample;
    if (at == k->room && key >= k->sample[at - 1].key)
        return true;
    if (!make_text(k, c))
        return false;
    glim_sampled one = {.key = key, .text = c->text};
    one.value = glim__alloc(k->ctx, k->units * sizeof *one.value);
    one.values = c->whole ? NULL : free_values(k, c, 0, k->units);
    if (!one.value || (!c->whole && !one.values)) {
        glim__free(k->ctx, one.value);
        glim__free(k->ctx, one.values);
        return false;
    }
    memcpy(one.value, values, k->units * sizeof *values);
    c->text->refs++;
    for (; at && key < k->sample[at - 1].key; at--)
        k->sample[at] = k->sample[at - 1];
    k->sample[at] = one;
    if (k->n_sample < k->room)
        k->n_sample++;
    else
        drop_sampled(k, &k->sample[k->room]);
    return true;
}

glim_status glim__kept_add(glim_kept_texts *k, const char *text, const glim_tokens *tokens,
                           size_t row, size_t part, const float *values, bool whole,
                           glim_error *err) {
    uint8_t *is_free = glim__calloc(k->ctx, tokens->count, 1);
    double *value = glim__calloc(k->ctx, k->units, sizeof *value);
    struct coming c = {.bytes = text,
                       .n = tokens->text_len,
                       .row = row,
                       .part = part,
                       .tokens = tokens,
                       .is_free = is_free,
                       .values = values,
                       .whole = whole};
    bool ok = is_free && value, bad = false;
    if (ok)
        c.pieces = glim__tokens_free_ones(tokens, is_free);
    for (size_t i = 0; ok && i < (whole ? 1 : tokens->count) * k->units; i++)
        if (!isfinite(values[i]))
            bad = true;
    if (bad) {
        glim__free(k->ctx, is_free);
        glim__free(k->ctx, value);
        return glim_fail(err, GLIM_ENUMERIC, "an activation is not finite");
    }
    if (ok && c.pieces) {
        for (size_t u = 0; u < k->units; u++)
            value[u] = value_of(k, &c, u);
        ok = add_sample(k, &c, value);
        for (size_t u = 0; u < k->units && ok; u++)
            ok = add_kept(k, &c, u, value[u], 1) &&
                 add_kept(k, &c, u, least_of(k, &c, u, value[u]), -1);
        if (ok) {
            count_values(k, &c);
            for (size_t u = 0; u < k->units; u++)
                k->unit[u].of_texts += value[u];
            k->texts++;
        }
        glim__kept_drop(k, c.text);
    }
    glim__free(k->ctx, is_free);
    glim__free(k->ctx, value);
    return ok ? GLIM_OK : glim__oom(k->ctx, err, "the kept texts", tokens->text_len);
}

/* ---- what is told ---- */

struct place {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

size_t glim__kept_about(const glim_kept_texts *k, size_t unit, double share, size_t n,
                        size_t *out) {
    struct place all[SAMPLED];
    size_t N = k->n_sample;
    n = n < N ? n : N;
    if (!n)
        return 0;
    for (size_t i = 0; i < N; i++)
        all[i] = (struct place){k->sample[i].value[unit], i};
    qsort(all, N, sizeof *all, by_value);
    size_t middle = (size_t)llround(share * (double)(N - 1));
    size_t first = middle > n / 2 ? middle - n / 2 : 0;
    first = first + n > N ? N - n : first;
    for (size_t i = 0; i < n; i++)
        out[i] = all[first + i].index;
    return n;
}

/* Bins from the first to the last one that any unit uses. */
static void in_use(const glim_kept_texts *k, int *first, int *n) {
    int last = -1;
    *first = GLIM_HISTOGRAM_BINS;
    for (size_t u = 0; u < k->units; u++)
        for (int b = 0; b < GLIM_HISTOGRAM_BINS; b++)
            if (k->unit[u].counts[b]) {
                *first = b < *first ? b : *first;
                last = b > last ? b : last;
            }
    *n = last >= *first ? last - *first + 1 : 0;
}

double glim__kept_even(glim_kept_texts *k, int most, int *first, int *n) {
    int widest = FINEST;
    for (size_t u = 0; u < k->units; u++)
        widest = k->unit[u].scale > widest ? k->unit[u].scale : widest;
    for (;; widest++) {
        for (size_t u = 0; u < k->units; u++)
            while (k->unit[u].scale < widest)
                widen(&k->unit[u]);
        in_use(k, first, n);
        if (*n <= most)
            return ldexp(1, widest);
    }
}
