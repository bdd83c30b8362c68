/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members `attention` and `links` of a document, written and read back. What is read
 * is anybody's: rows and units must be there, and numbers numbers.
 */
#include "base/json.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

enum { MOST_LAYERS = 4096 };

/* ---- writing ---- */

static json_t *whole(size_t x) {
    return json_integer((json_int_t)x);
}

static json_t *head_json(bool *ok, const glim_document_head *h) {
    json_t *o = json_object();
    bool linked = isfinite(h->strongest);
    glim__json_set(ok, o, "layer", json_integer(h->layer));
    glim__json_set(ok, o, "head", json_integer(h->head));
    glim__json_set(ok, o, "entropy", glim__json_number(h->entropy));
    glim__json_set(ok, o, "distance", glim__json_number(h->distance));
    glim__json_set(ok, o, "previous", glim__json_number(h->previous));
    glim__json_set(ok, o, "first", glim__json_number(h->first));
    glim__json_set(ok, o, "self", glim__json_number(h->self));
    glim__json_set(ok, o, "induction", glim__json_number(h->induction));
    glim__json_set(ok, o, "strongest", glim__json_number(h->strongest));
    glim__json_set(ok, o, "strongest_row", linked ? whole(h->strongest_row) : json_null());
    glim__json_set(ok, o, "strongest_unit", linked ? whole(h->strongest_unit) : json_null());
    return o;
}

static json_t *raw_json(bool *ok, const glim_document_attention *a) {
    if (!a->raw)
        return json_null();
    json_t *o = json_object(), *shape = json_array();
    const size_t dims[] = {(size_t)a->raw_layers, (size_t)a->heads, a->raw_rows, a->raw_columns};
    for (int i = 0; i < 4; i++)
        glim__json_add(ok, shape, whole(dims[i]));
    glim__json_set(ok, o, "file", glim__json_text(a->raw, strlen(a->raw)));
    glim__json_set(ok, o, "shape", shape);
    glim__json_set(ok, o, "first_layer", json_integer(a->raw_layer));
    glim__json_set(ok, o, "type", json_string(a->raw_half ? "float16" : "float32"));
    return o;
}

json_t *glim__document_attention_json(bool *ok, const glim_document *d) {
    const glim_document_attention *a = &d->attention;
    json_t *o = json_object(), *sinks = json_array(), *stats = json_array();
    glim__json_set(ok, o, "side", json_string(a->side));
    glim__json_set(ok, o, "layers", json_integer(a->layers));
    glim__json_set(ok, o, "heads", json_integer(a->heads));
    glim__json_set(ok, o, "layer", a->layer < 0 ? json_null() : json_integer(a->layer));
    glim__json_set(ok, o, "head", a->head < 0 ? json_null() : json_integer(a->head));
    glim__json_set(ok, o, "sink", a->sink ? json_string(a->sink) : json_null());
    for (size_t i = 0; i < a->n_sinks; i++)
        glim__json_add(ok, sinks, whole(a->sinks[i]));
    glim__json_set(ok, o, "sinks", sinks);
    glim__json_set(ok, o, "sink_share", glim__json_number(a->sink_share));
    for (size_t i = 0; i < a->n_stats; i++)
        glim__json_add(ok, stats, head_json(ok, &a->stats[i]));
    glim__json_set(ok, o, "head_stats", stats);
    glim__json_set(ok, o, "patterns", raw_json(ok, a));
    if (a->patterns.T)
        glim__json_set(ok, o, "summary", glim__document_patterns_json(ok, d));
    return o;
}

/* Pairs of row and unit; of gold the sure or the possible ones. */
static json_t *pairs_json(bool *ok, const glim_document_link *at, size_t n, bool sure) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (at[i].sure != sure)
            continue;
        json_t *pair = json_array();
        glim__json_add(ok, pair, whole(at[i].row));
        glim__json_add(ok, pair, whole(at[i].unit));
        glim__json_add(ok, list, pair);
    }
    return list;
}

size_t glim__source_word(const glim_document *d, size_t unit) {
    size_t n = 0;
    for (size_t u = 0; u < unit; u++)
        n += !d->input.units[u].fixed && !d->input.units[u].generated;
    return n;
}

bool glim__put_pharaoh(glim_buffer *b, const glim_document *d) {
    for (size_t i = 0; i < d->links.n_found; i++)
        glim__buffer_printf(b, "%s%zu-%zu", i ? " " : "",
                            glim__source_word(d, d->links.found[i].unit), d->links.found[i].row);
    return !b->failed;
}

json_t *glim__document_links_json(bool *ok, const glim_document *d) {
    const glim_document_links *l = &d->links;
    json_t *o = json_object(), *layers = l->layer_aer ? json_array() : json_null();
    glim_buffer words;
    glim__buffer_init(&words, d->ctx);
    *ok = glim__put_pharaoh(&words, d) && *ok;
    glim__json_set(ok, o, "rule", json_string(l->rule));
    glim__json_set(ok, o, "found", pairs_json(ok, l->found, l->n_found, true));
    glim__json_set(ok, o, "pharaoh", json_stringn(words.data ? words.data : "", words.len));
    glim__json_set(ok, o, "sure",
                   l->has_gold ? pairs_json(ok, l->gold, l->n_gold, true) : json_null());
    glim__json_set(ok, o, "possible",
                   l->has_gold ? pairs_json(ok, l->gold, l->n_gold, false) : json_null());
    glim__json_set(ok, o, "aer", glim__json_number(l->aer));
    glim__json_set(ok, o, "precision", glim__json_number(l->precision));
    glim__json_set(ok, o, "recall", glim__json_number(l->recall));
    for (size_t i = 0; l->layer_aer && i < l->n_layers; i++)
        glim__json_add(ok, layers, glim__json_number(l->layer_aer[i]));
    glim__json_set(ok, o, "aer_by_layer", layers);
    glim__buffer_release(&words);
    return o;
}

/* ---- reading ---- */

struct member {
    glim_document *d;
    const char *name, *file;
    glim_error *err;
    glim_status status; /* sticky */
};

static void wrong(struct member *m, const char *key) {
    if (!m->status)
        m->status = glim_fail(m->err, GLIM_EFORMAT, "'%s': member '%s' of '%s' is wrong", m->file,
                              key, m->name);
}

static void *room(struct member *m, size_t n) {
    void *p = glim_document_alloc(m->d, n);
    if (!p && !m->status)
        m->status = glim__oom(m->d->ctx, m->err, "the document", n);
    return p;
}

/* A whole number below `end`; null is -1 where that may be. */
static int64_t index_of(struct member *m, const json_t *v, const char *key, int64_t end,
                        bool may_lack) {
    if (may_lack && (!v || json_is_null(v)))
        return -1;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= end) {
        wrong(m, key);
        return may_lack ? -1 : 0;
    }
    return json_integer_value(v);
}

static double number(struct member *m, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_null(v) && !json_is_number(v))
        wrong(m, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static const char *string(struct member *m, const json_t *o, const char *key, bool need) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v) && (need || (v && !json_is_null(v))))
        wrong(m, key);
    return json_is_string(v) ? glim_document_text(m->d, json_string_value(v), json_string_length(v))
                             : NULL;
}

static void read_head(struct member *m, const json_t *o, glim_document_head *h) {
    const glim_document *d = m->d;
    h->layer = (int)index_of(m, json_object_get(o, "layer"), "layer", d->attention.layers, false);
    h->head = (int)index_of(m, json_object_get(o, "head"), "head", d->attention.heads, false);
    h->entropy = number(m, o, "entropy");
    h->distance = number(m, o, "distance");
    h->previous = number(m, o, "previous");
    h->first = number(m, o, "first");
    h->self = number(m, o, "self");
    h->induction = number(m, o, "induction");
    h->strongest = number(m, o, "strongest");
    if (!isfinite(h->strongest))
        return;
    h->strongest_row = (size_t)index_of(m, json_object_get(o, "strongest_row"), "strongest_row",
                                        (int64_t)d->n_rows, false);
    h->strongest_unit = (size_t)index_of(m, json_object_get(o, "strongest_unit"), "strongest_unit",
                                         (int64_t)d->input.n_units, false);
}

static void read_raw(struct member *m, const json_t *o) {
    glim_document_attention *a = &m->d->attention;
    const json_t *shape = json_object_get(o, "shape");
    if (!o || json_is_null(o))
        return;
    a->raw = string(m, o, "file", true);
    a->raw_layers = (int)index_of(m, json_array_get(shape, 0), "shape", MOST_LAYERS + 1, false);
    const json_t *first = json_object_get(o, "first_layer"), *type = json_object_get(o, "type");
    a->raw_layer = (int)json_integer_value(first);
    a->raw_half = json_is_string(type) && !strcmp(json_string_value(type), "float16");
    a->raw_rows = (size_t)index_of(m, json_array_get(shape, 2), "shape", INT32_MAX, false);
    a->raw_columns = (size_t)index_of(m, json_array_get(shape, 3), "shape", INT32_MAX, false);
}

static void read_sinks(struct member *m, const json_t *list) {
    size_t n = json_array_size(list);
    size_t *at = room(m, n * sizeof *at);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (size_t)index_of(m, json_array_get(list, i), "sinks", INT32_MAX, false);
    m->d->attention.sinks = at;
    m->d->attention.n_sinks = at ? n : 0;
}

glim_status glim__document_attention_parse(glim_document *d, const json_t *o, const char *file,
                                           glim_error *err) {
    struct member m = {.d = d, .name = "attention", .file = file, .err = err};
    glim_document_attention *a = &d->attention;
    const json_t *stats = json_object_get(o, "head_stats");
    if (!json_is_object(o))
        return glim_fail(err, GLIM_EFORMAT, "'%s': member 'attention' is not an object", file);
    a->side = string(&m, o, "side", true);
    a->layers = (int)index_of(&m, json_object_get(o, "layers"), "layers", MOST_LAYERS + 1, false);
    a->heads = (int)index_of(&m, json_object_get(o, "heads"), "heads", MOST_LAYERS + 1, false);
    a->layer = (int)index_of(&m, json_object_get(o, "layer"), "layer", a->layers, true);
    a->head = (int)index_of(&m, json_object_get(o, "head"), "head", a->heads, true);
    a->sink = string(&m, o, "sink", false);
    a->sink_share = number(&m, o, "sink_share");
    read_sinks(&m, json_object_get(o, "sinks"));
    size_t n = json_array_size(stats);
    glim_document_head *heads = room(&m, n * sizeof *heads);
    for (size_t i = 0; heads && i < n && !m.status; i++)
        read_head(&m, json_array_get(stats, i), &heads[i]);
    a->stats = heads;
    a->n_stats = heads ? n : 0;
    read_raw(&m, json_object_get(o, "patterns"));
    const json_t *summary = json_object_get(o, "summary");
    if (!m.status && summary)
        m.status = glim__document_patterns_parse(d, summary, file, err);
    return m.status;
}

/* Appends pairs to `out`, which has room for them; returns the new end. */
static size_t read_pairs(struct member *m, const json_t *list, bool sure, glim_document_link *out,
                         size_t n) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        out[n++] = (glim_document_link){
            (size_t)index_of(m, json_array_get(pair, 0), "row", (int64_t)m->d->n_rows, false),
            (size_t)index_of(m, json_array_get(pair, 1), "unit", (int64_t)m->d->input.n_units,
                             false),
            sure};
    }
    return n;
}

static void read_layers(struct member *m, const json_t *list) {
    glim_document_links *l = &m->d->links;
    if (!json_is_array(list))
        return;
    size_t n = json_array_size(list);
    double *at = room(m, n * sizeof *at);
    for (size_t i = 0; at && i < n; i++) {
        const json_t *v = json_array_get(list, i);
        at[i] = json_is_number(v) ? json_number_value(v) : NAN;
    }
    l->layer_aer = at;
    l->n_layers = at ? n : 0;
}

glim_status glim__document_links_parse(glim_document *d, const json_t *o, const char *file,
                                       glim_error *err) {
    struct member m = {.d = d, .name = "links", .file = file, .err = err};
    glim_document_links *l = &d->links;
    const json_t *found = json_object_get(o, "found"), *sure = json_object_get(o, "sure"),
                 *possible = json_object_get(o, "possible");
    if (!json_is_object(o) || !json_is_array(found) || !d->rows)
        return glim_fail(err, GLIM_EFORMAT, "'%s': member 'links' has no pairs of rows and units",
                         file);
    size_t n = json_array_size(found), n_gold = json_array_size(sure) + json_array_size(possible);
    glim_document_link *at = room(&m, n * sizeof *at), *gold = room(&m, n_gold * sizeof *gold);
    l->rule = string(&m, o, "rule", true);
    if (m.status)
        return m.status;
    l->n_found = read_pairs(&m, found, true, at, 0);
    l->n_gold = read_pairs(&m, possible, false, gold, read_pairs(&m, sure, true, gold, 0));
    l->found = at;
    l->gold = gold;
    l->has_gold = json_is_array(sure);
    l->aer = number(&m, o, "aer");
    l->precision = number(&m, o, "precision");
    l->recall = number(&m, o, "recall");
    read_layers(&m, json_object_get(o, "aer_by_layer"));
    return m.status;
}
