/* SPDX-License-Identifier: Apache-2.0 */
/* The document of a map, docs/schema/glim.map-1.schema.json. Of up to 2,000 points places are
   readable pairs; of more, and for neighbours and snapshots, they are packed. */
#include "cli/map-told.h"
#include "file/base64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { READABLE = 2000 };

static json_t *word(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

static json_t *count(uint64_t n) {
    return json_integer((json_int_t)n);
}

static json_t *packed(const cli_map *m, bool *ok, const char *type, const void *data, size_t rows,
                      size_t width) {
    glim_buffer b;
    json_t *o = json_object(), *shape = json_array();
    glim__buffer_init(&b, m->ctx);
    glim__base64_write(&b, data, rows * width * 4);
    glim__json_add(ok, shape, count(rows));
    glim__json_add(ok, shape, count(width));
    glim__json_set(ok, o, "dtype", json_string(type));
    glim__json_set(ok, o, "shape", shape);
    glim__json_set(ok, o, "data", b.failed ? NULL : json_stringn(b.data ? b.data : "", b.len));
    glim__buffer_release(&b);
    return o;
}

/* A float with the fewest digits that read back to it, as a double of those digits. */
static double few_digits(float x) {
    char text[40];
    glim__number_text((double)x, true, text);
    return strtod(text, NULL);
}

static json_t *places(const cli_map *m, bool *ok, const float *xy) {
    if (m->n > READABLE)
        return packed(m, ok, "<f4", xy, m->n, 2);
    json_t *all = json_array();
    for (size_t i = 0; i < m->n; i++) {
        json_t *pair = json_array();
        glim__json_add(ok, pair, json_real(few_digits(xy[2 * i])));
        glim__json_add(ok, pair, json_real(few_digits(xy[2 * i + 1])));
        glim__json_add(ok, all, pair);
    }
    return all;
}

static json_t *words(bool *ok, const char *const *at, size_t n) {
    if (!at)
        return json_null();
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        glim__json_add(ok, all, word(at[i]));
    return all;
}

static json_t *indices(bool *ok, const int32_t *at, size_t n) {
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        glim__json_add(ok, all, at[i] < 0 ? json_null() : json_integer(at[i]));
    return all;
}

static json_t *labels(const cli_map *m, bool *ok) {
    if (!m->label)
        return json_null();
    json_t *o = json_object();
    glim__json_set(ok, o, "names", words(ok, m->label->names, m->label->n_names));
    glim__json_set(ok, o, "of", indices(ok, m->label->category, m->n));
    return o;
}

static json_t *color(const cli_map *m, bool *ok, const cli_map_color *c) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", word(c->name));
    glim__json_set(ok, o, "kind", json_string(c->number ? "number" : "category"));
    if (!c->number) {
        glim__json_set(ok, o, "names", words(ok, c->names, c->n_names));
        glim__json_set(ok, o, "values", indices(ok, c->category, m->n));
        return o;
    }
    json_t *all = json_array();
    for (size_t i = 0; i < m->n; i++)
        glim__json_add(ok, all, glim__json_number(c->number[i]));
    glim__json_set(ok, o, "values", all);
    return o;
}

static json_t *colors(const cli_map *m, bool *ok) {
    json_t *all = json_array();
    const cli_map_color *first = cli_map_drawn(m);
    for (size_t k = 0; k < m->n_colors; k++)
        if (&m->colors[k] == first)
            glim__json_add(ok, all, color(m, ok, first));
    for (size_t k = 0; k < m->n_colors; k++)
        if (&m->colors[k] != first)
            glim__json_add(ok, all, color(m, ok, &m->colors[k]));
    return all;
}

static json_t *method(const cli_map *m, bool *ok) {
    bool tsne = !strcmp(m->method, "tsne");
    json_t *o = json_object();
    glim__json_set(ok, o, "name", word(m->method));
    glim__json_set(ok, o, "summary",
                   json_string(tsne ? "t-distributed stochastic neighbour embedding"
                                    : "the two directions of most variance"));
    glim__json_set(ok, o, "cite",
                   json_string(tsne ? "van der Maaten, Hinton 2008, JMLR 9:2579"
                                    : "Pearson 1901, Philosophical Magazine 2:559"));
    return o;
}

static json_t *model(const cli_map *m, bool *ok) {
    if (!m->model)
        return json_null();
    json_t *o = json_object();
    glim__json_set(ok, o, "file", word(m->model));
    glim__json_set(ok, o, "architecture", word(m->architecture));
    glim__json_set(ok, o, "quantisation", word(m->quantisation));
    glim__json_set(ok, o, "digest", word(m->digest));
    return o;
}

static json_t *neighbours(const cli_map *m, bool *ok) {
    if (!m->k)
        return json_null();
    json_t *o = json_object();
    glim__json_set(ok, o, "k", count(m->k));
    glim__json_set(ok, o, "of", packed(m, ok, "<i4", m->of, m->n, m->k));
    glim__json_set(ok, o, "distances", packed(m, ok, "<f4", m->distance, m->n, m->k));
    glim__json_set(ok, o, "search", json_string(m->approximate ? "approximate" : "exact"));
    glim__json_set(ok, o, "recall",
                   m->approximate ? glim__json_number(m->index_recall) : json_null());
    glim__json_set(ok, o, "metric", json_string("euclidean"));
    return o;
}

static json_t *quality(const cli_map *m, bool *ok) {
    const glim_map_quality *q = &m->quality;
    const struct {
        const char *name;
        double value;
    } all[] = {{"recall_10", q->recall_10},
               {"recall_50", q->recall_50},
               {"trustworthiness", q->trustworthiness},
               {"continuity", q->continuity},
               {"distance_correlation", q->distance_correlation},
               {"label_accuracy", q->label_accuracy},
               {"label_accuracy_map", q->label_accuracy_map},
               {"silhouette", q->silhouette},
               {"silhouette_map", q->silhouette_map}};
    if (!q->sample)
        return json_null();
    json_t *o = json_object();
    glim__json_set(ok, o, "sample", count(q->sample));
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        glim__json_set(ok, o, all[k].name, glim__json_number(all[k].value));
    return o;
}

static json_t *shots(const cli_map *m, bool *ok, const cli_map_shot *at, size_t n) {
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_object();
        glim__json_set(ok, o, "iteration", count(at[i].iteration));
        glim__json_set(ok, o, "kl", glim__json_number(at[i].kl));
        if (at[i].xy)
            glim__json_set(ok, o, "xy", packed(m, ok, "<f4", at[i].xy, m->n, 2));
        glim__json_add(ok, all, o);
    }
    return all;
}

static json_t *pair(bool *ok, const char *a, json_t *x, const char *b, json_t *y) {
    json_t *o = json_object();
    glim__json_set(ok, o, a, x);
    glim__json_set(ok, o, b, y);
    return o;
}

static json_t *variance(const cli_map *m, bool *ok) {
    if (!isfinite(m->variance[0]))
        return json_null();
    json_t *all = json_array();
    glim__json_add(ok, all, json_real(m->variance[0]));
    glim__json_add(ok, all, json_real(m->variance[1]));
    return all;
}

/* ---- what is a site's own ---- */

static void put_space(json_t *o, const cli_map *m, bool *ok) {
    glim__json_set(ok, o, "dimensions", count(m->width));
    glim__json_set(
        ok, o, "pca",
        m->pca ? pair(ok, "dimensions", count(m->pca), "explained", json_real(m->pca_explained))
               : json_null());
    glim__json_set(ok, o, "xy", places(m, ok, m->xy));
}

static void put_outcome(json_t *o, const cli_map *m, bool *ok) {
    glim__json_set(ok, o, "variance", variance(m, ok));
    glim__json_set(ok, o, "kl", glim__json_number(m->kl));
    glim__json_set(ok, o, "kl_history", shots(m, ok, m->history, m->n_history));
    glim__json_set(ok, o, "iterations",
                   m->asked ? pair(ok, "done", count(m->done), "asked", count(m->asked))
                            : json_null());
    glim__json_set(ok, o, "quality", quality(m, ok));
    glim__json_set(ok, o, "snapshots", shots(m, ok, m->shots, m->n_shots));
    glim__json_set(ok, o, "verdict", word(m->verdict));
}

/* Sites before the last, which is the document itself. */
static json_t *earlier(const cli_map *m, bool *ok) {
    json_t *all = json_array();
    for (size_t k = 0; k + 1 < m->n_sites; k++) {
        json_t *o = json_object();
        glim__json_set(ok, o, "site", word(m->sites[k].site));
        put_space(o, &m->sites[k], ok);
        glim__json_set(ok, o, "neighbours", neighbours(&m->sites[k], ok));
        put_outcome(o, &m->sites[k], ok);
        glim__json_add(ok, all, o);
    }
    return all;
}

/* ---- the document ---- */

/* What the points are. */
static void put_points(json_t *o, const cli_map *m, bool *ok) {
    glim__json_set(ok, o, "model", model(m, ok));
    glim__json_set(ok, o, "site", word(m->site));
    glim__json_set(ok, o, "pool", word(m->pool));
    glim__json_set(ok, o, "source", pair(ok, "file", word(m->file), "kind", word(m->kind)));
    glim__json_set(ok, o, "points", count(m->n));
    glim__json_set(ok, o, "placed", count(m->placed));
    put_space(o, m, ok);
    glim__json_set(ok, o, "labels", labels(m, ok));
    glim__json_set(ok, o, "colors", colors(m, ok));
    glim__json_set(ok, o, "color_by", word(m->color_by));
    glim__json_set(ok, o, "texts", words(ok, m->texts, m->n));
    glim__json_set(ok, o, "texts_cut", count(m->texts_cut));
    glim__json_set(ok, o, "ids", words(ok, m->ids, m->n));
    glim__json_set(ok, o, "neighbours", neighbours(m, ok));
}

/* How the map came about, and how far to trust it. */
static void put_run(json_t *o, const cli_map *m, bool *ok) {
    json_t *cost = json_object(), *notes = json_array();
    put_outcome(o, m, ok);
    glim__json_set(ok, o, "caption", word(m->caption));
    glim__json_set(ok, cost, "seconds", json_real(m->seconds));
    glim__json_set(ok, cost, "peak_bytes", count(m->peak));
    glim__json_set(ok, cost, "threads", count((uint64_t)m->threads));
    glim__json_set(ok, o, "cost", cost);
    glim__json_set(ok, o, "seed", count(m->seed));
    for (size_t i = 0; i < m->n_notes; i++)
        glim__json_add(ok, notes, word(m->notes[i]));
    glim__json_set(ok, o, "notes", notes);
    if (m->n_sites)
        glim__json_set(ok, o, "earlier", earlier(m, ok));
}

json_t *cli_map_json(const cli_map *m, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "schema", json_string("glim.map/1"));
    glim__json_set(ok, o, "kind", json_string("map"));
    glim__json_set(ok, o, "glim", word(m->version));
    glim__json_set(ok, o, "title", word(m->title));
    glim__json_set(ok, o, "method", method(m, ok));
    glim__json_set(ok, o, "params", json_loads(m->params, 0, NULL));
    put_points(o, m, ok);
    put_run(o, m, ok);
    return o;
}
