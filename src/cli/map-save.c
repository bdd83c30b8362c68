/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map that new points can be put into: .safetensors with the vectors as given ("vectors"), the
 * components that t-SNE saw or that the map is ("mean", "components"), and the document in the
 * metadata. New points are appended to the saved document; what was there does not move.
 */
#include "cli/map-told.h"
#include "file/safetensors.h"

#include <math.h>
#include <string.h>

/* ---- writing ---- */

static glim_status declare(glim_st_writer *w, const char *name, uint64_t rows, uint64_t width,
                           glim_error *err) {
    return glim__st_writer_declare(w, name, "F32", 2, (uint64_t[]){rows, width}, err);
}

static glim_status put_doubles(cli_run *run, glim_st_writer *w, const char *name, const double *x,
                               size_t n) {
    float *copy = glim__alloc(run->ctx, n * sizeof *copy);
    if (!copy)
        return glim__oom(run->ctx, &run->err, name, n * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = (float)x[i];
    glim_status status = glim__st_writer_put(w, name, 0, copy, n, &run->err);
    glim__free(run->ctx, copy);
    return status;
}

static glim_status put_all(cli_run *run, glim_st_writer *w, const glim_embedding *e, const float *x,
                           const char *document) {
    glim_error *err = &run->err;
    glim_status status = declare(w, "vectors", e->n, e->width, err);
    if (!status && e->pca)
        status = declare(w, "mean", 1, e->width, err);
    if (!status && e->pca)
        status = declare(w, "components", e->pca, e->width, err);
    if (!status)
        status = glim__st_writer_metadata(w, "format", "glim.map/1", err);
    if (!status)
        status = glim__st_writer_metadata(w, "document", document, err);
    if (!status)
        status = glim__st_writer_metadata(w, "normalise", e->used.normalise ? "1" : "0", err);
    if (!status)
        status = glim__st_writer_begin(w, err);
    if (!status)
        status = glim__st_writer_put(w, "vectors", 0, x, e->n * e->width, err);
    if (!status && e->pca)
        status = put_doubles(run, w, "mean", e->mean, e->width);
    if (!status && e->pca)
        status = put_doubles(run, w, "components", e->components, e->pca * e->width);
    return status ? status : glim__st_writer_end(w, err);
}

glim_status cli_map_save(cli_run *run, const cli_map *m, const glim_embedding *e, const float *x) {
    bool ok = true;
    json_t *all = cli_map_json(m, &ok);
    glim_buffer text;
    glim_st_writer *w = NULL;
    glim__buffer_init(&text, run->ctx);
    glim_status status = glim__json_write(&text, ok ? all : NULL, 0, false, &run->err);
    json_decref(all);
    if (!status && text.failed)
        status = glim__oom(run->ctx, &run->err, "the map", text.len);
    if (!status)
        status = glim__st_writer_new(&w, run->ctx, run->o.save, &run->err);
    if (!status)
        status = put_all(run, w, e, x, text.data);
    glim__st_writer_free(w);
    glim__buffer_release(&text);
    if (!status)
        cli_wrote(run, run->o.save);
    return status;
}

/* ---- reading ---- */

typedef struct saved {
    glim_safetensors *file;
    glim_embedding map; /* points into the others */
    float *x;           /* (n, width) */
    double *mean, *components;
} saved;

static glim_status bad(cli_run *run, const char *why) {
    return glim_fail(&run->err, GLIM_EFORMAT, "'%.200s': %s", run->o.place, why);
}

/* The tensor's numbers, wherever they lie. */
static glim_status numbers(cli_run *run, const saved *s, const char *name, size_t rows,
                           size_t width, float **out) {
    const glim_st_tensor *t = glim__safetensors_find(s->file, name);
    if (!t || strcmp(t->dtype, "F32") != 0 || t->n_dims != 2 || t->dims[0] != rows ||
        t->dims[1] != width)
        return bad(run, "the saved map's vectors have another shape than its document");
    *out = glim__alloc(run->ctx, t->bytes);
    if (!*out)
        return glim__oom(run->ctx, &run->err, "a saved map", t->bytes);
    memcpy(*out, t->data, t->bytes);
    return GLIM_OK;
}

static glim_status doubles(cli_run *run, const saved *s, const char *name, size_t rows,
                           size_t width, double **out) {
    float *x = NULL;
    glim_status status = numbers(run, s, name, rows, width, &x);
    *out = status ? NULL : glim__alloc(run->ctx, rows * width * sizeof **out);
    if (!status && !*out)
        status = glim__oom(run->ctx, &run->err, "a saved map", rows * width * sizeof **out);
    for (size_t i = 0; x && i < rows * width && !status; i++)
        (*out)[i] = (double)x[i];
    glim__free(run->ctx, x);
    return status;
}

static glim_status read_document(cli_run *run, cli_map *m, const saved *s) {
    const char *format = glim__safetensors_metadata(s->file, "format");
    const char *text = glim__safetensors_metadata(s->file, "document");
    json_t *all = NULL;
    if (!format || strcmp(format, "glim.map/1") != 0 || !text)
        return bad(run, "this is no saved map (glim map --save FILE)");
    glim_status status = glim__json_parse(&all, text, strlen(text), run->o.place, &run->err);
    if (!status)
        status = cli_map_read(m, all, run->o.place, &run->err);
    json_decref(all);
    if (!status && m->placed)
        status = bad(run, "the map has placed points already");
    return status;
}

static glim_status open_saved(cli_run *run, cli_map *m, saved *s) {
    glim_status status = glim__safetensors_open(&s->file, run->ctx, run->o.place, &run->err);
    if (!status)
        status = read_document(run, m, s);
    if (!status)
        status = numbers(run, s, "vectors", m->n, m->width, &s->x);
    bool pca = !strcmp(m->method ? m->method : "", "pca");
    const glim_st_tensor *components =
        status ? NULL : glim__safetensors_find(s->file, "components");
    size_t k = components && components->n_dims == 2 ? (size_t)components->dims[0] : 0;
    if (!status && k)
        status = doubles(run, s, "mean", 1, m->width, &s->mean);
    if (!status && k)
        status = doubles(run, s, "components", k, m->width, &s->components);
    if (!status && pca && !k)
        status = bad(run, "the components of the map are missing");
    if (status)
        return status;
    const char *unit = glim__safetensors_metadata(s->file, "normalise");
    s->map = (glim_embedding){.ctx = run->ctx,
                              .n = m->n,
                              .width = m->width,
                              .xy = m->xy,
                              .pca = k,
                              .mean = s->mean,
                              .components = s->components};
    s->map.used.method = pca ? GLIM_MAP_PCA : GLIM_MAP_TSNE;
    s->map.used.normalise = unit && !strcmp(unit, "1");
    return GLIM_OK;
}

static void close_saved(cli_run *run, saved *s) {
    glim__free(run->ctx, s->x);
    glim__free(run->ctx, s->mean);
    glim__free(run->ctx, s->components);
    glim__safetensors_close(s->file);
}

/* ---- appending ---- */

/* (n, each) and (more, each), one behind the other; NULL when memory is refused. */
static void *append(cli_map *m, const void *old, const void *new, size_t n, size_t more,
                    size_t each) {
    char *all = glim__arena_alloc(&m->arena, (n + more) * each);
    if (all && old)
        memcpy(all, old, n * each);
    if (all && new)
        memcpy(all + n * each, new, more * each);
    return all;
}

static const char **append_words(cli_map *m, const char **old, const char **new, size_t n,
                                 size_t more, bool *ok) {
    if (!old)
        return NULL;
    const char **all = append(m, old, new, n, more, sizeof *all);
    *ok = *ok && all;
    for (size_t i = 0; i < more && all && !new; i++)
        all[n + i] = "";
    return all;
}

/* The place of a group by its name, which may be a new one at the end. */
static int32_t group_of(cli_map_color *c, const char *name) {
    for (size_t k = 0; k < c->n_names; k++)
        if (!strcmp(c->names[k], name))
            return (int32_t)k;
    c->names[c->n_names] = name;
    return (int32_t)c->n_names++;
}

static bool append_color(cli_map *m, cli_map_color *c, const cli_map_color *new, size_t more) {
    size_t n = m->n;
    if (c->number) {
        c->number = append(m, c->number, new ? new->number : NULL, n, more, sizeof *c->number);
        for (size_t i = 0; i < more && c->number && !(new &&new->number); i++)
            c->number[n + i] = NAN;
        return c->number != NULL;
    }
    size_t room = c->n_names + (new ? new->n_names : 0);
    const char **names = append(m, c->names, NULL, c->n_names, room - c->n_names, sizeof *names);
    c->category = append(m, c->category, NULL, n, more, sizeof *c->category);
    if (!names || !c->category)
        return false;
    c->names = names;
    for (size_t i = 0; i < more; i++) {
        int32_t at = new &&new->category ? new->category[i] : -1;
        c->category[n + i] = at < 0 ? -1 : group_of(c, new->names[at]);
    }
    return true;
}

static const cli_map_color *same_name(const cli_map *m, const char *name) {
    for (size_t k = 0; k < m->n_colors; k++)
        if (!strcmp(m->colors[k].name, name))
            return &m->colors[k];
    return NULL;
}

/* new: what is known of the new points, in the same arena. */
static glim_status append_all(cli_run *run, cli_map *m, const cli_map *new, const float *xy,
                              const uint32_t *of, const float *distance) {
    size_t n = m->n, more = new->n;
    bool ok = true;
    m->xy = append(m, m->xy, xy, n, more, 2 * sizeof *xy);
    if (m->k) {
        m->of = append(m, m->of, of, n, more, m->k * sizeof *of);
        m->distance = append(m, m->distance, distance, n, more, m->k * sizeof *distance);
        ok = m->of && m->distance;
    }
    ok = ok && m->xy;
    m->texts = append_words(m, m->texts, new->texts, n, more, &ok);
    m->ids = append_words(m, m->ids, new->ids, n, more, &ok);
    m->texts_cut += m->texts ? new->texts_cut : 0;
    if (ok && m->label)
        ok = append_color(m, m->label, new->label, more);
    for (size_t k = 0; k < m->n_colors && ok; k++)
        ok = append_color(m, &m->colors[k], same_name(new, m->colors[k].name), more);
    m->n_shots = 0; /* there new points were not yet */
    m->n += more;
    m->placed = more;
    return ok ? GLIM_OK : glim__oom(run->ctx, &run->err, "the map", n * 32);
}

static glim_status place(cli_run *run, cli_map *m, saved *s, const cli_points *p) {
    cli_map new = {.ctx = m->ctx, .n = p->n};
    if (p->width != m->width)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "the new points have %zu dimensions, those of '%.200s' %zu", p->width,
                         run->o.place, m->width);
    float *xy = glim__alloc(run->ctx, p->n * 2 * sizeof *xy);
    uint32_t *of = glim__alloc(run->ctx, p->n * (m->k + 1) * sizeof *of);
    float *distance = glim__alloc(run->ctx, p->n * (m->k + 1) * sizeof *distance);
    glim__arena_init(&new.arena, run->ctx, 1 << 16);
    glim_status status = xy && of && distance
                             ? cli_map_facts(run, &new, p)
                             : glim__oom(run->ctx, &run->err, "new points", p->n * 8 * (m->k + 2));
    if (!status)
        status = glim_embed_place(xy, m->k ? of : NULL, distance, m->k, &s->map, s->x, p->x, p->n,
                                  &run->err);
    if (!status)
        status = append_all(run, m, &new, xy, of, distance);
    glim__free(run->ctx, xy);
    glim__free(run->ctx, of);
    glim__free(run->ctx, distance);
    m->later = new.arena; /* names of the new points lie there */
    return status;
}

glim_status cli_map_place(cli_run *run, cli_map *m, const cli_points *p) {
    saved s = {0};
    glim_status status = open_saved(run, m, &s);
    if (!status)
        status = place(run, m, &s, p);
    if (!status)
        cli_map_note(m,
                     "%zu points of '%.200s' were placed; the others and their quality are as "
                     "saved",
                     p->n, strrchr(p->file, '/') ? strrchr(p->file, '/') + 1 : p->file);
    close_saved(run, &s);
    return status;
}
