/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tokens, layers or modules have of the scores that are shown (--by): once the method
 * is through, each sample that a list of a query names is taken apart. Tokens that are parts
 * of one character are one unit.
 */
#include "base/utf8.h"
#include "cli/influence.h"
#include "influence/why.h"

#include <stdlib.h>
#include <string.h>

/* A score that is shown. */
struct shown {
    size_t sample, query;
    double score;
};

struct asking {
    cli_influence *c;
    const glim_why *why;
    struct shown *list;
    size_t n;
    glim_example example; /* of the sample at hand; its words lie in the arena */
    glim_arena arena;
};

static int by_sample(const void *a, const void *b) {
    const struct shown *x = a, *y = b;
    if (x->sample != y->sample)
        return x->sample < y->sample ? -1 : 1;
    return x->query < y->query ? -1 : x->query > y->query;
}

/* Helpful and harmful samples of the queries that can be asked about; returns how many. */
static size_t collect(const cli_influence *c, const glim_why *why, struct shown *out) {
    size_t n = 0;
    for (size_t k = 0; k < c->n_columns; k++) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        size_t q = c->columns[k].query;
        if (q == GLIM_NO_QUERY || q < why->first || q >= why->first + why->count ||
            strcmp(c->names[k], "influence") != 0 || !cli_column_listed(c, k))
            continue;
        for (size_t i = 0; i < e->n_high + e->n_low; i++) {
            bool high = i < e->n_high;
            const glim_influence_entry *one = high ? &e->high[i] : &e->low[i - e->n_high];
            if (!(high ? one->value > 0 : one->value < 0))
                continue;
            if (out)
                out[n] = (struct shown){one->sample, q, one->value};
            n++;
        }
    }
    return n;
}

/* ---- names ---- */

static size_t token_count(const struct asking *a) {
    return a->example.n_source + a->example.count;
}

static int32_t token(const struct asking *a, size_t t) {
    const glim_example *x = &a->example;
    return t < x->n_source ? x->source[t] : x->ids[t - x->n_source];
}

/* Appends the bytes of tokens from t on that make whole characters; returns the next. */
static size_t put_unit(const struct asking *a, size_t t, glim_buffer *out) {
    size_t end = t < a->example.n_source ? a->example.n_source : token_count(a);
    do {
        size_t n;
        const char *bytes = glim_model_token_bytes(a->c->run->model, token(a, t++), &n);
        glim__buffer_append(out, bytes, n);
    } while (t < end && out->data && glim__utf8_check(out->data, out->len) != out->len &&
             out->len < 8);
    return t;
}

/* Units of tokens, with their values summed. */
static bool name_tokens(const struct asking *a, cli_share *s, const double *out, size_t q) {
    glim_document *d = a->c->doc;
    size_t n = token_count(a), Q = a->why->count;
    bool ok = true;
    s->names = glim_document_alloc(d, n * sizeof *s->names);
    s->values = glim_document_alloc(d, n * sizeof *s->values);
    for (size_t t = 0, next; t < n && s->names && s->values && ok; t = next) {
        glim_buffer b;
        glim__buffer_init(&b, d->ctx);
        next = put_unit(a, t, &b);
        json_t *text = glim__json_text(b.data ? b.data : "", b.len); /* no broken bytes */
        for (size_t k = t; k < next; k++)
            s->values[s->n] += out[k * Q + q];
        s->names[s->n] =
            text ? glim_document_text(d, json_string_value(text), json_string_length(text)) : NULL;
        ok = s->names[s->n++] != NULL && !b.failed;
        json_decref(text);
        glim__buffer_release(&b);
    }
    return ok && s->names && s->values;
}

static bool name_parts(const struct asking *a, cli_share *s, const double *out, size_t q) {
    glim_document *d = a->c->doc;
    size_t n = a->why->parts;
    s->names = glim_document_alloc(d, n * sizeof *s->names);
    s->values = glim_document_alloc(d, n * sizeof *s->values);
    bool ok = s->names && s->values;
    for (; s->n < n && ok; s->n++) {
        s->names[s->n] = glim_document_text(d, a->why->names[s->n], strlen(a->why->names[s->n]));
        s->values[s->n] = out[s->n * a->why->count + q];
        ok = s->names[s->n] != NULL;
    }
    return ok;
}

/* ---- asking ---- */

static glim_status keep(struct asking *a, const struct shown *one, const double *out,
                        const double *rest, glim_error *err) {
    cli_influence *c = a->c;
    cli_share *s = &c->shares[c->n_shares];
    size_t q = one->query - a->why->first;
    *s = (cli_share){.query = one->query, .sample = one->sample, .score = one->score};
    s->rest = rest[q];
    bool ok = a->why->parts ? name_parts(a, s, out, q) : name_tokens(a, s, out, q);
    c->n_shares += ok;
    return ok ? GLIM_OK : glim__oom(c->run->ctx, err, "the parts of scores", s->n * 80);
}

/* All shown scores of one sample: list[0 .. n). */
static glim_status ask(struct asking *a, const struct shown *list, size_t n, glim_error *err) {
    cli_influence *c = a->c;
    size_t Q = a->why->count;
    glim__arena_reset(&a->arena);
    glim_status status =
        glim__samples_read(c->train.stream, list->sample, 1, &a->arena, &a->example, err);
    if (status)
        return status;
    size_t size = a->why->parts ? a->why->parts : token_count(a);
    uint8_t *wanted = glim__arena_calloc(&a->arena, Q, 1);
    double *out = glim__calloc(c->run->ctx, (size + 1) * Q, sizeof *out);
    if (!out || !wanted)
        status = glim__oom(c->run->ctx, err, "the parts of scores", (size + 1) * Q * 8);
    for (size_t k = 0; k < n && !status; k++)
        wanted[list[k].query - a->why->first] = 1;
    const glim_why_sample s = {list->sample, a->example.n_source, a->example.count, wanted};
    if (!status)
        status = a->why->tell(a->why->data, &s, out, out ? out + size * Q : NULL, err);
    for (size_t k = 0; k < n && !status; k++)
        status = keep(a, &list[k], out, out + size * Q, err);
    glim__free(c->run->ctx, out);
    return status;
}

glim_status cli_influence_why(void *data, const glim_why *why, glim_error *err) {
    cli_influence *c = data;
    struct asking a = {.c = c, .why = why, .n = collect(c, why, NULL)};
    cli_share *grown =
        glim__realloc(c->run->ctx, c->shares, (c->n_shares + a.n + 1) * sizeof *grown);
    if (grown)
        c->shares = grown;
    a.list = glim__calloc(c->run->ctx, a.n + 1, sizeof *a.list);
    if (!grown || !a.list) {
        glim__free(c->run->ctx, a.list);
        return glim__oom(c->run->ctx, err, "the parts of scores", a.n * sizeof *grown);
    }
    glim__arena_init(&a.arena, c->run->ctx, 1 << 14);
    collect(c, why, a.list);
    qsort(a.list, a.n, sizeof *a.list, by_sample);
    glim_status status = GLIM_OK;
    for (size_t i = 0, end; i < a.n && !status; i = end) {
        for (end = i + 1; end < a.n && a.list[end].sample == a.list[i].sample;)
            end++;
        status = ask(&a, a.list + i, end - i, err);
    }
    glim__arena_release(&a.arena);
    glim__free(c->run->ctx, a.list);
    return status;
}
