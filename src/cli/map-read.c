/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved map. What it must have is checked, with the name of the member that is wrong; indices
 * and sizes are held against the number of points, so that nothing that draws need ask again.
 */
#include "cli/map-told.h"
#include "file/base64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct map_reader {
    cli_map *m;
    const char *name;
    glim_error *err;
} map_reader;

static glim_status bad(const map_reader *r, const char *member) {
    return glim_fail(r->err, GLIM_EFORMAT, "'%.200s': the map's \"%s\" is not as it should be",
                     r->name, member);
}

static glim_status oom(const map_reader *r) {
    return glim__oom(r->m->ctx, r->err, "a saved map", r->m->n * 8);
}

static const char *word(map_reader *r, const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? glim__arena_strdup(&r->m->arena, s) : NULL;
}

static double number(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static size_t count(const json_t *o, const char *key) {
    json_int_t n = json_integer_value(json_object_get(o, key));
    return n > 0 ? (size_t)n : 0;
}

/* ---- arrays ---- */

/* (n, width) of four bytes each. */
static glim_status unpack(map_reader *r, const json_t *v, size_t width, void **out,
                          const char *member) {
    const json_t *data = json_object_get(v, "data");
    size_t n = r->m->n * width * 4, len = json_string_length(data);
    if (!json_is_string(data) || len != (n + 2) / 3 * 4)
        return bad(r, member);
    char *to = glim__arena_alloc(&r->m->arena, n + 4);
    if (!to)
        return oom(r);
    if (glim__base64(json_string_value(data), len, to) != n)
        return bad(r, member);
    *out = to;
    return GLIM_OK;
}

static glim_status read_places(map_reader *r, const json_t *v, float **out, const char *member) {
    size_t n = r->m->n;
    if (json_is_object(v)) {
        glim_status status = unpack(r, v, 2, (void **)out, member);
        for (size_t i = 0; *out && i < 2 * n && !status; i++)
            if (!isfinite((*out)[i]))
                status = bad(r, member);
        return status;
    }
    if (json_array_size(v) != n)
        return bad(r, member);
    float *xy = *out = glim__arena_alloc(&r->m->arena, 2 * n * sizeof *xy);
    if (!xy)
        return oom(r);
    for (size_t i = 0; i < 2 * n; i++) {
        const json_t *x = json_array_get(json_array_get(v, i / 2), i % 2);
        xy[i] = (float)json_number_value(x);
        if (!json_is_number(x) || !isfinite(xy[i]))
            return bad(r, member);
    }
    return GLIM_OK;
}

static glim_status read_words(map_reader *r, const json_t *v, const char ***out, size_t n,
                              const char *member) {
    if (json_array_size(v) != n)
        return bad(r, member);
    *out = glim__arena_calloc(&r->m->arena, n + 1, sizeof **out);
    for (size_t i = 0; i < n && *out; i++) {
        const char *s = json_string_value(json_array_get(v, i));
        if (!s)
            return bad(r, member);
        if (!((*out)[i] = glim__arena_strdup(&r->m->arena, s)))
            return oom(r);
    }
    return *out ? GLIM_OK : oom(r);
}

static glim_status read_category(map_reader *r, const json_t *names, const json_t *of,
                                 cli_map_color *c, const char *member) {
    size_t n = r->m->n;
    c->n_names = json_array_size(names);
    glim_status status = read_words(r, names, &c->names, c->n_names, member);
    if (!status && json_array_size(of) != n)
        status = bad(r, member);
    c->category = status ? NULL : glim__arena_alloc(&r->m->arena, n * sizeof *c->category);
    if (!status && !c->category)
        return oom(r);
    for (size_t i = 0; i < n && !status; i++) {
        const json_t *v = json_array_get(of, i);
        json_int_t at = json_is_integer(v) ? json_integer_value(v) : -1;
        if (at < -1 || (at >= 0 && (size_t)at >= c->n_names))
            status = bad(r, member);
        c->category[i] = (int32_t)at;
    }
    return status;
}

static glim_status read_color(map_reader *r, const json_t *v, cli_map_color *c) {
    c->name = word(r, v, "name");
    const json_t *values = json_object_get(v, "values"), *names = json_object_get(v, "names");
    if (!c->name)
        return bad(r, "colors");
    if (names)
        return read_category(r, names, values, c, "colors");
    if (json_array_size(values) != r->m->n)
        return bad(r, "colors");
    c->number = glim__arena_alloc(&r->m->arena, r->m->n * sizeof *c->number);
    for (size_t i = 0; i < r->m->n && c->number; i++) {
        const json_t *x = json_array_get(values, i);
        c->number[i] = json_is_number(x) ? json_number_value(x) : NAN;
    }
    return c->number ? GLIM_OK : oom(r);
}

static glim_status read_colors(map_reader *r, const json_t *all) {
    cli_map *m = r->m;
    const json_t *labels = json_object_get(all, "labels"), *list = json_object_get(all, "colors");
    glim_status status = GLIM_OK;
    if (json_is_object(labels)) {
        m->label = glim__arena_calloc(&m->arena, 1, sizeof *m->label);
        status = m->label ? read_category(r, json_object_get(labels, "names"),
                                          json_object_get(labels, "of"), m->label, "labels")
                          : oom(r);
    }
    size_t n = json_array_size(list);
    m->colors = glim__arena_calloc(&m->arena, n + 4, sizeof *m->colors);
    if (!status && !m->colors)
        status = oom(r);
    for (size_t k = 0; k < n && !status; k++)
        status = read_color(r, json_array_get(list, k), &m->colors[m->n_colors++]);
    m->color_by = word(r, all, "color_by");
    return status;
}

static glim_status read_neighbours(map_reader *r, const json_t *v) {
    cli_map *m = r->m;
    m->k = 0;
    if (!json_is_object(v))
        return GLIM_OK;
    size_t k = count(v, "k");
    if (k < 1 || k >= 1 << 20)
        return bad(r, "neighbours");
    glim_status status = unpack(r, json_object_get(v, "of"), k, (void **)&m->of, "neighbours");
    if (!status)
        status = unpack(r, json_object_get(v, "distances"), k, (void **)&m->distance, "neighbours");
    for (size_t i = 0; i < m->n * k && !status; i++)
        if (m->of[i] < 0 || (size_t)m->of[i] >= m->n)
            status = bad(r, "neighbours");
    const char *search = json_string_value(json_object_get(v, "search"));
    m->k = status ? 0 : k;
    m->approximate = search && !strcmp(search, "approximate");
    m->index_recall = number(v, "recall");
    return status;
}

static glim_status read_shots(map_reader *r, const json_t *v, cli_map_shot **out, size_t *n,
                              const char *member) {
    *n = json_array_size(v);
    *out = glim__arena_calloc(&r->m->arena, *n + 1, sizeof **out);
    glim_status status = *out ? GLIM_OK : oom(r);
    for (size_t i = 0; i < *n && !status; i++) {
        const json_t *o = json_array_get(v, i), *xy = json_object_get(o, "xy");
        (*out)[i] = (cli_map_shot){count(o, "iteration"), number(o, "kl"), NULL};
        if (xy)
            status = read_places(r, xy, (float **)&(*out)[i].xy, member);
    }
    return status;
}

static void read_quality(cli_map *m, const json_t *q) {
    m->quality = (glim_map_quality){count(q, "sample"),          number(q, "recall_10"),
                                    number(q, "recall_50"),      number(q, "trustworthiness"),
                                    number(q, "continuity"),     number(q, "distance_correlation"),
                                    number(q, "label_accuracy"), number(q, "label_accuracy_map"),
                                    number(q, "silhouette"),     number(q, "silhouette_map")};
}

/* ---- single facts ---- */

static glim_status read_facts(map_reader *r, const json_t *all) {
    cli_map *m = r->m;
    const json_t *source = json_object_get(all, "source"), *cost = json_object_get(all, "cost");
    const json_t *model = json_object_get(all, "model"), *notes = json_object_get(all, "notes");
    char *params = json_dumps(json_object_get(all, "params"), JSON_COMPACT);
    m->params = glim__arena_strdup(&m->arena, params ? params : "{}");
    free(params);
    m->title = word(r, all, "title");
    m->version = word(r, all, "glim");
    m->method = word(r, json_object_get(all, "method"), "name");
    m->file = word(r, source, "file");
    m->kind = word(r, source, "kind");
    m->model = word(r, model, "file");
    m->architecture = word(r, model, "architecture");
    m->quantisation = word(r, model, "quantisation");
    m->digest = word(r, model, "digest");
    m->pool = word(r, all, "pool");
    m->placed = count(all, "placed");
    m->texts_cut = count(all, "texts_cut");
    m->seconds = number(cost, "seconds");
    m->peak = count(cost, "peak_bytes");
    m->threads = (int)count(cost, "threads");
    m->seed = count(all, "seed");
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const char *s = json_string_value(json_array_get(notes, i));
        cli_map_note(m, "%s", s ? s : "");
    }
    if (!m->method || (strcmp(m->method, "tsne") != 0 && strcmp(m->method, "pca") != 0))
        return bad(r, "method");
    return m->title && m->file && m->kind && m->version && m->params && m->placed <= m->n
               ? GLIM_OK
               : bad(r, "source");
}

/* ---- what is a site's own ---- */

static void read_numbers(map_reader *r, const json_t *o) {
    cli_map *m = r->m;
    const json_t *pca = json_object_get(o, "pca"), *done = json_object_get(o, "iterations");
    const json_t *variance = json_object_get(o, "variance");
    m->site = word(r, o, "site");
    m->width = count(o, "dimensions");
    m->pca = count(pca, "dimensions");
    m->pca_explained = number(pca, "explained");
    m->kl = number(o, "kl");
    m->done = count(done, "done");
    m->asked = count(done, "asked");
    for (size_t k = 0; k < 2; k++)
        m->variance[k] = json_array_size(variance) > k
                             ? json_number_value(json_array_get(variance, k))
                         : k ? 0
                             : NAN;
    read_quality(m, json_object_get(o, "quality"));
}

static glim_status read_site(map_reader *r, const json_t *o) {
    cli_map *m = r->m;
    read_numbers(r, o);
    glim_status status = read_places(r, json_object_get(o, "xy"), &m->xy, "xy");
    if (!status)
        status = read_neighbours(r, json_object_get(o, "neighbours"));
    if (!status)
        status = read_shots(r, json_object_get(o, "kl_history"), &m->history, &m->n_history,
                            "kl_history");
    if (!status)
        status =
            read_shots(r, json_object_get(o, "snapshots"), &m->shots, &m->n_shots, "snapshots");
    if (!status)
        cli_map_judge(m);
    return status;
}

static glim_status read_sites(map_reader *r, const json_t *all) {
    cli_map *m = r->m;
    const json_t *earlier = json_object_get(all, "earlier");
    size_t n = json_array_size(earlier);
    m->sites = n ? glim__arena_calloc(&m->arena, n + 1, sizeof *m->sites) : NULL;
    glim_status status = !n || m->sites ? GLIM_OK : oom(r);
    for (size_t k = 0; k < n && !status; k++) {
        status = read_site(r, json_array_get(earlier, k));
        if (!status && !m->site)
            status = bad(r, "earlier");
        m->sites[k] = *m;
    }
    if (!status)
        status = read_site(r, all);
    if (n && !status) {
        m->sites[n] = *m;
        m->n_sites = n + 1;
    }
    return status;
}

glim_status cli_map_read(cli_map *m, const json_t *all, const char *name, glim_error *err) {
    map_reader r = {m, name, err};
    const char *schema = json_string_value(json_object_get(all, "schema"));
    if (!schema || strcmp(schema, "glim.map/1") != 0)
        return glim_fail(err, GLIM_EUNSUPPORTED, "'%.200s' is not a glim.map/1 document", name);
    m->n = count(all, "points");
    if (m->n < 1 || m->n > 1 << 28)
        return bad(&r, "points");
    glim_status status = read_facts(&r, all);
    if (!status)
        status = read_colors(&r, all);
    if (!status && json_is_array(json_object_get(all, "texts")))
        status = read_words(&r, json_object_get(all, "texts"), &m->texts, m->n, "texts");
    if (!status && json_is_array(json_object_get(all, "ids")))
        status = read_words(&r, json_object_get(all, "ids"), &m->ids, m->n, "ids");
    return status ? status : read_sites(&r, all);
}
