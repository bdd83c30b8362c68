/* SPDX-License-Identifier: Apache-2.0 */
/* Directions as a file; include/glim/directions.h has the layout. */
#include <glim/directions.h>

#include "base/arena.h"
#include "file/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 200 };

static const char FORMAT[] = "glim.directions/1";
static const char WEIGHT[] = ".weight", BIAS[] = ".bias";

/* ---- writing ---- */

static glim_status declare(glim_st_writer *w, const glim_directions *d, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < d->n && !status; i++) {
        const glim_direction *s = &d->at[i];
        char name[LONGEST];
        uint64_t dims[2] = {s->outputs, s->width};
        snprintf(name, sizeof name, "%s%s", s->site, WEIGHT);
        status = glim__st_writer_declare(w, name, "F32", 2, dims, err);
        snprintf(name, sizeof name, "%s%s", s->site, BIAS);
        if (!status)
            status = glim__st_writer_declare(w, name, "F32", 1, dims, err);
    }
    return status;
}

static glim_status put(glim_st_writer *w, const glim_directions *d, glim_error *err) {
    glim_status status = glim__st_writer_begin(w, err);
    for (size_t i = 0; i < d->n && !status; i++) {
        const glim_direction *s = &d->at[i];
        char name[LONGEST];
        snprintf(name, sizeof name, "%s%s", s->site, WEIGHT);
        status = glim__st_writer_put(w, name, 0, s->weights, s->outputs * s->width, err);
        snprintf(name, sizeof name, "%s%s", s->site, BIAS);
        if (!status)
            status = glim__st_writer_put(w, name, 0, s->bias, s->outputs, err);
    }
    return status ? status : glim__st_writer_end(w, err);
}

static glim_status describe(glim_st_writer *w, const glim_directions *d, glim_error *err) {
    const char *const texts[][2] = {{"format", FORMAT},
                                    {"model_digest", d->model_digest},
                                    {"architecture", d->architecture},
                                    {"pool", d->pool},
                                    {"target", d->target}};
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !status; i++)
        if (texts[i][1])
            status = glim__st_writer_metadata(w, texts[i][0], texts[i][1], err);
    if (status || !d->n_classes)
        return status;
    bool ok = true;
    json_t *list = json_array();
    for (size_t k = 0; k < d->n_classes; k++)
        glim__json_add(&ok, list, glim__json_text(d->classes[k], strlen(d->classes[k])));
    char *text = ok && list ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    status = text ? glim__st_writer_metadata(w, "classes", text, err)
                  : glim_fail(err, GLIM_ENOMEM, "out of memory: the classes");
    free(text);
    return status;
}

glim_status glim_directions_save(const glim_directions *d, const char *path, glim_error *err) {
    glim_st_writer *w = NULL;
    glim_status status = glim__st_writer_new(&w, d->ctx, path, err);
    if (!status)
        status = describe(w, d, err);
    if (!status)
        status = declare(w, d, err);
    if (!status)
        status = put(w, d, err);
    glim__st_writer_free(w);
    return status;
}

/* ---- reading ---- */

struct loaded {
    glim_directions d;
    glim_arena arena;
};

static glim_status oom(const struct loaded *l, size_t n, glim_error *err) {
    return glim__oom(l->arena.ctx, err, "the directions", n);
}

static const char *copy(struct loaded *l, const glim_safetensors *st, const char *key) {
    const char *text = glim__safetensors_metadata(st, key);
    return text ? glim__arena_strdup(&l->arena, text) : NULL;
}

static glim_status read_classes(struct loaded *l, const char *text, const char *path,
                                glim_error *err) {
    json_t *list = NULL;
    glim_status status = glim__json_parse(&list, text, strlen(text), "classes", err);
    if (status)
        return glim_prefix(err, status, "'%.200s'", path);
    size_t n = json_array_size(list);
    const char **classes = glim__arena_calloc(&l->arena, n + 1, sizeof *classes);
    if (!classes)
        status = oom(l, n * sizeof *classes, err);
    for (size_t k = 0; k < n && !status; k++) {
        const char *name = json_string_value(json_array_get(list, k));
        if (!name)
            status = glim_fail(err, GLIM_EFORMAT, "'%.200s': class %zu is no string", path, k + 1);
        else if (!(classes[k] = glim__arena_strdup(&l->arena, name)))
            status = oom(l, strlen(name), err);
    }
    l->d.classes = classes;
    l->d.n_classes = status ? 0 : n;
    json_decref(list);
    return status;
}

/* The site of a name that ends in ".weight", or 0 bytes. */
static size_t site_length(const char *name) {
    size_t n = strlen(name), end = sizeof WEIGHT - 1;
    return n > end && !strcmp(name + n - end, WEIGHT) ? n - end : 0;
}

static glim_status read_one(struct loaded *l, const glim_safetensors *st, const glim_st_tensor *w,
                            const char *path, glim_direction *out, glim_error *err) {
    char name[LONGEST];
    size_t n = site_length(w->name);
    snprintf(name, sizeof name, "%.*s%s", (int)(n < 150 ? n : 150), w->name, BIAS);
    const glim_st_tensor *b = glim__safetensors_find(st, name);
    size_t outputs = l->d.n_classes > 2 ? l->d.n_classes : 1;
    if (strcmp(w->dtype, "F32") != 0 || w->n_dims != 2 || w->dims[0] != outputs)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%.200s': '%.120s' is not F32 of %zu row%s, one for each output", path,
                         w->name, outputs, outputs > 1 ? "s" : "");
    if (!b || strcmp(b->dtype, "F32") != 0 || b->n_dims != 1 || b->dims[0] != outputs)
        return glim_fail(err, GLIM_EFORMAT, "'%.200s' has no '%.120s', F32 (%zu)", path, name,
                         outputs);
    float *weights = glim__arena_alloc(&l->arena, w->bytes), *bias;
    bias = glim__arena_alloc(&l->arena, b->bytes);
    const char *site = glim__arena_strndup(&l->arena, w->name, n);
    if (!weights || !bias || !site)
        return oom(l, w->bytes, err);
    memcpy(weights, w->data, w->bytes);
    memcpy(bias, b->data, b->bytes);
    *out = (glim_direction){site, outputs, (size_t)w->dims[1], weights, bias};
    return GLIM_OK;
}

static glim_status read_all(struct loaded *l, const glim_safetensors *st, const char *path,
                            glim_error *err) {
    const char *format = glim__safetensors_metadata(st, "format");
    const char *classes = glim__safetensors_metadata(st, "classes");
    size_t all = glim__safetensors_count(st), n = 0;
    if (!format || strcmp(format, FORMAT) != 0)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%.200s' holds no directions (its metadata has no \"format\": \"%s\")",
                         path, FORMAT);
    glim_status status = classes ? read_classes(l, classes, path, err) : GLIM_OK;
    glim_direction *at = glim__arena_calloc(&l->arena, all + 1, sizeof *at);
    if (!status && !at)
        status = oom(l, all * sizeof *at, err);
    for (size_t i = 0; i < all && !status; i++)
        if (site_length(glim__safetensors_at(st, i)->name))
            status = read_one(l, st, glim__safetensors_at(st, i), path, &at[n++], err);
    l->d.at = at;
    l->d.n = n;
    l->d.model_digest = copy(l, st, "model_digest");
    l->d.architecture = copy(l, st, "architecture");
    l->d.pool = copy(l, st, "pool");
    l->d.target = copy(l, st, "target");
    return status || n ? status
                       : glim_fail(err, GLIM_EFORMAT, "'%.200s' has no direction in it", path);
}

glim_status glim_directions_load(glim_directions **out, glim_context *ctx, const char *path,
                                 glim_error *err) {
    glim_safetensors *st = NULL;
    *out = NULL;
    glim_status status = glim__safetensors_open(&st, ctx, path, err);
    struct loaded *l = status ? NULL : glim__calloc(ctx, 1, sizeof *l);
    if (!status && !l)
        status = glim__oom(ctx, err, "the directions", sizeof *l);
    if (l) {
        l->d.ctx = ctx;
        l->d.owner = l;
        glim__arena_init(&l->arena, ctx, 1 << 14);
        status = read_all(l, st, path, err);
    }
    glim__safetensors_close(st);
    if (!status)
        *out = &l->d;
    else if (l)
        glim_directions_free(&l->d);
    return status;
}

void glim_directions_free(glim_directions *d) {
    if (!d || !d->owner)
        return;
    struct loaded *l = d->owner;
    glim_context *ctx = d->ctx;
    glim__arena_release(&l->arena);
    glim__free(ctx, l);
}

const glim_direction *glim_directions_find(const glim_directions *d, const char *site) {
    for (size_t i = 0; i < d->n; i++)
        if (!strcmp(d->at[i].site, site))
            return &d->at[i];
    return NULL;
}
