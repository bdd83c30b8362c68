/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steering from and to files: control vectors of llama.cpp and files of directions.
 *
 * llama.cpp (common_control_vector_load, llama_adapter_cvec) puts "direction.N" at place N - 1
 * of its data, which it hands to the tensor of layer N, and the graph of layer `il`, counted
 * from 0, adds the tensor of `il` to the block's output: N is the N of blocks.N.hook_resid_post,
 * and block 0 never has one. Several of one block are added up. Its loader reads no metadata;
 * "controlvector.model_hint" is the architecture, as its writers have it.
 */
#include "file/gguf-write.h"
#include "file/gguf.h"
#include "structure/steer.h"

#include <glim/directions.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 4 };

static bool taken(const glim_steering_file *f, int layer) {
    return layer >= f->first && (f->last < 0 || layer <= f->last);
}

static glim_status add(glim_steering *s, const glim_steering_file *f, int layer, const float *d,
                       size_t width, glim_error *err) {
    glim_status status =
        glim_steering_add(s, layer, d, width, taken(f, layer) ? f->strength : 0, err);
    return status ? glim_prefix(err, status, "'%.200s'", f->path) : GLIM_OK;
}

/* ---- control vectors ---- */

static glim_status read_direction(glim_steering *s, const glim_steering_file *f,
                                  const glim_tensor *t, size_t *n, glim_error *err) {
    const char *number = strncmp(t->name, "direction.", 10) ? "" : t->name + 10;
    char *end;
    long layer = *number >= '0' && *number <= '9' ? strtol(number, &end, 10) : -1;
    if (layer < 0 || *end || layer > GLIM_MAX_LAYERS)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%.200s': tensor '%.80s' is no direction.N of a control vector", f->path,
                         t->name);
    if (!layer)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%.200s': a control vector has no direction.0 (N is the block whose "
                         "output it is added to, from 1)",
                         f->path);
    if (t->type != GLIM_TYPE_F32 || t->n_dims != 1)
        return glim_fail(err, GLIM_EFORMAT, "'%.200s': '%.80s' is not F32 with one dimension",
                         f->path, t->name);
    float *d = glim__alloc(s->ctx, t->bytes + sizeof *d);
    if (!d)
        return glim__oom(s->ctx, err, "a direction", t->bytes);
    memcpy(d, t->data, t->bytes);
    glim_status status = add(s, f, (int)layer, d, (size_t)t->dims[0], err);
    glim__free(s->ctx, d);
    *n += taken(f, (int)layer);
    return status;
}

static void check_hint(glim_steering *s, const glim_steering_file *f, glim_gguf_string hint) {
    const char *mine = s->m->info.architecture;
    if (hint.len && mine && (strlen(mine) != hint.len || memcmp(mine, hint.data, hint.len) != 0))
        snprintf(s->warning, sizeof s->warning,
                 "'%.150s' was made for the architecture '%.*s'; this model is '%.40s'", f->path,
                 (int)(hint.len < 40 ? hint.len : 40), hint.data, mine);
}

static glim_status load_gguf(glim_steering *s, const glim_steering_file *f, size_t *n,
                             glim_error *err) {
    glim_gguf *g = NULL;
    glim_gguf_string architecture = {0}, hint = {0};
    glim_status status = glim__gguf_open(&g, s->ctx, f->path, err);
    if (!status)
        status = glim__gguf_text(g, "general.architecture", &architecture, NULL, err);
    if (!status)
        status = glim__gguf_text(g, "controlvector.model_hint", &hint, NULL, err);
    if (!status && architecture.len &&
        (architecture.len != 13 || memcmp(architecture.data, "controlvector", 13) != 0))
        status = glim_fail(err, GLIM_EFORMAT,
                           "'%.200s' is no control vector; its architecture is '%.*s'", f->path,
                           (int)(architecture.len < 60 ? architecture.len : 60), architecture.data);
    if (!status && f->class_name)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' is a control vector, which has no classes",
                           f->path);
    for (size_t i = 0; !status && i < glim__gguf_tensor_count(g); i++)
        status = read_direction(s, f, glim__gguf_tensor_at(g, i), n, err);
    if (!status)
        check_hint(s, f, hint);
    glim__gguf_close(g);
    return status;
}

/* ---- directions ---- */

static glim_status find_class(const glim_directions *d, const glim_steering_file *f, size_t *k,
                              glim_error *err) {
    char names[160] = "";
    for (size_t i = 0, at = 0; i < d->n_classes; i++) {
        if (f->class_name && !strcmp(d->classes[i], f->class_name)) {
            *k = i;
            return GLIM_OK;
        }
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%.40s", i ? ", " : "",
                               d->classes[i]);
        if (at >= sizeof names)
            break;
    }
    *k = d->n_classes ? 1 : 0; /* of two the second, as its weights are */
    if (!f->class_name && d->n_classes <= 2)
        return GLIM_OK;
    return f->class_name
               ? glim_fail(err, GLIM_EUSAGE, "'%.200s' has no class '%.60s'%s%s", f->path,
                           f->class_name, *names ? "; there are " : "", names)
               : glim_fail(err, GLIM_EUSAGE,
                           "'%.200s' has a direction for each of %zu classes; name one: FILE#CLASS "
                           "(%s)",
                           f->path, d->n_classes, names);
}

/* Towards class k: of two classes plus or minus the log odds; of more against their mean. */
static void towards(const glim_directions *all, const glim_direction *d, size_t k, float *out) {
    for (size_t c = 0; c < d->width; c++) {
        double mean = 0;
        for (size_t o = 0; o < d->outputs && d->outputs > 1; o++)
            mean += (double)d->weights[o * d->width + c] / (double)d->outputs;
        out[c] = d->outputs > 1         ? (float)(d->weights[k * d->width + c] - mean)
                 : all->n_classes && !k ? -d->weights[c]
                                        : d->weights[c];
    }
}

static glim_status load_directions(glim_steering *s, const glim_steering_file *f, size_t *n,
                                   glim_error *err) {
    glim_directions *all = NULL;
    size_t k = 0;
    glim_status status = glim_directions_load(&all, s->ctx, f->path, err);
    if (!status)
        status = find_class(all, f, &k, err);
    for (size_t i = 0; !status && i < all->n; i++) {
        const glim_direction *d = &all->at[i];
        int layer = glim__steering_block(s, d->site);
        if (layer < 0)
            continue;
        float *v = glim__calloc(s->ctx, d->width + 1, sizeof *v);
        if (!v) {
            status = glim__oom(s->ctx, err, "a direction", d->width * sizeof *v);
            break;
        }
        towards(all, d, k, v);
        status = add(s, f, layer, v, d->width, err);
        *n += taken(f, layer);
        glim__free(s->ctx, v);
    }
    if (!status && all->model_digest && s->m->info.digest &&
        strcmp(all->model_digest, s->m->info.digest) != 0)
        snprintf(s->warning, sizeof s->warning, "'%.200s' was made of another model's values",
                 f->path);
    glim_directions_free(all);
    return status;
}

/* ---- both ---- */

static bool is_gguf(const char *path) {
    char magic[MAGIC] = "";
    FILE *file = fopen(path, "rb");
    bool yes = file && fread(magic, 1, MAGIC, file) == MAGIC && !memcmp(magic, "GGUF", MAGIC);
    if (file)
        fclose(file);
    return yes;
}

glim_status glim_steering_load(glim_steering *s, const glim_steering_file *f, glim_error *err) {
    size_t n = 0;
    if (f->first < 0 || (size_t)f->first >= s->L || f->last >= (int)s->L ||
        (f->last >= 0 && f->last < f->first))
        return glim_fail(err, GLIM_EUSAGE, "blocks %d to %d: the model has 0 to %zu", f->first,
                         f->last, s->L - 1);
    glim_status status =
        is_gguf(f->path) ? load_gguf(s, f, &n, err) : load_directions(s, f, &n, err);
    if (!status && !n)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' has no direction for %s", f->path,
                           f->first || f->last >= 0 ? "these blocks"
                                                    : "the end of any block (hook_resid_post)");
    return status;
}

static glim_status save_gguf(const glim_steering *s, const char *path, glim_gguf_floats *t,
                             glim_error *err) {
    char(*names)[32] = glim__calloc(s->ctx, s->L, sizeof *names);
    size_t n = 0;
    if (!names)
        return glim__oom(s->ctx, err, "a control vector", s->L * sizeof *names);
    for (size_t l = 1; l < s->L; l++) {
        if (!s->some[l])
            continue;
        snprintf(names[n], sizeof names[n], "direction.%zu", l);
        t[n] = (glim_gguf_floats){
            .name = names[n], .n_dims = 1, .dims = {s->C}, .data = s->sum + l * s->C};
        n++;
    }
    const glim_gguf_entry entries[] = {
        {"general.architecture", "controlvector", 0},
        {"controlvector.model_hint", s->m->info.architecture ? s->m->info.architecture : "", 0},
        {"controlvector.layer_count", NULL, (uint32_t)n}};
    glim_status status =
        n ? glim__gguf_write(s->ctx, path, entries, 3, t, n, err)
          : glim_fail(err, GLIM_EUSAGE,
                      "a control vector (.gguf) has no direction for block 0; save it as "
                      ".safetensors");
    glim__free(s->ctx, names);
    return status;
}

static glim_status save_directions(const glim_steering *s, const char *path, glim_direction *at,
                                   glim_error *err) {
    static const float none = 0;
    char(*sites)[64] = glim__calloc(s->ctx, s->L, sizeof *sites);
    size_t n = 0;
    if (!sites)
        return glim__oom(s->ctx, err, "directions", s->L * sizeof *sites);
    for (size_t l = 0; l < s->L; l++) {
        if (!s->some[l])
            continue;
        snprintf(sites[n], sizeof sites[n], "%sblocks.%zu.hook_resid_post", s->m->site_prefix, l);
        at[n] = (glim_direction){sites[n], 1, s->C, s->sum + l * s->C, &none};
        n++;
    }
    const glim_directions d = {.ctx = s->ctx,
                               .at = at,
                               .n = n,
                               .model_digest = s->m->info.digest,
                               .architecture = s->m->info.architecture,
                               .pool = "last",
                               .target = "steering"};
    glim_status status = glim_directions_save(&d, path, err);
    glim__free(s->ctx, sites);
    return status;
}

glim_status glim_steering_save(const glim_steering *s, const char *path, glim_error *err) {
    size_t end = strlen(path);
    glim_hook hook;
    if (!glim_steering_hook(s, &hook))
        return glim_fail(err, GLIM_EUSAGE, "there is no direction to save");
    bool gguf = end > 5 && !strcmp(path + end - 5, ".gguf");
    size_t each = gguf ? sizeof(glim_gguf_floats) : sizeof(glim_direction);
    void *list = glim__calloc(s->ctx, s->L, each);
    if (!list)
        return glim__oom(s->ctx, err, "directions", s->L * each);
    glim_status status = gguf ? save_gguf(s, path, list, err) : save_directions(s, path, list, err);
    glim__free(s->ctx, list);
    return status;
}
