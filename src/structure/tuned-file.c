/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tuned lenses as files: safetensors with "translators.N.weight" (C, C) and ".bias" (C) of what
 * stands before block N, "quality" (L, 3) as glim_tuned_layer has it, and in the metadata the
 * digest of the model's file.
 */
#include "file/safetensors.h"
#include "model/model.h"
#include "structure/tuned-lens.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void name_of(char out[48], size_t layer, const char *what) {
    snprintf(out, 48, "translators.%zu.%s", layer, what);
}

static glim_status declare(glim_st_writer *w, const glim_tuned_lens *t, glim_error *err) {
    const uint64_t dims[] = {t->C, t->C}, quality[] = {t->L, 3};
    char name[48];
    glim_status status = glim__st_writer_metadata(w, "format", "glim.tuned-lens/1", err);
    if (!status)
        status = glim__st_writer_metadata(w, "model", glim_model_facts(t->m)->digest, err);
    for (size_t l = 0; l < t->L && !status; l++) {
        name_of(name, l, "weight");
        status = glim__st_writer_declare(w, name, "F32", 2, dims, err);
        name_of(name, l, "bias");
        if (!status)
            status = glim__st_writer_declare(w, name, "F32", 1, dims, err);
    }
    if (!status)
        status = glim__st_writer_declare(w, "quality", "F32", 2, quality, err);
    return status ? status : glim__st_writer_begin(w, err);
}

static glim_status put(glim_st_writer *w, const glim_tuned_lens *t, glim_error *err) {
    char name[48];
    glim_status status = GLIM_OK;
    for (size_t l = 0; l < t->L && !status; l++) {
        const glim_tuned_layer *q = &t->layers[l];
        const float quality[] = {(float)q->strength, (float)q->logit, (float)q->tuned};
        name_of(name, l, "weight");
        status = glim__st_writer_put(w, name, 0, t->a + l * t->C * t->C, t->C * t->C, err);
        name_of(name, l, "bias");
        if (!status)
            status = glim__st_writer_put(w, name, 0, t->b + l * t->C, t->C, err);
        if (!status)
            status = glim__st_writer_put(w, "quality", 3 * l, quality, 3, err);
    }
    return status ? status : glim__st_writer_end(w, err);
}

glim_status glim_tuned_save(const glim_tuned_lens *t, const char *path, glim_error *err) {
    glim_st_writer *w = NULL;
    glim_status status = glim__st_writer_new(&w, t->ctx, path, err);
    if (!status)
        status = declare(w, t, err);
    if (!status)
        status = put(w, t, err);
    glim__st_writer_free(w);
    return status;
}

static glim_status read_floats(const glim_safetensors *st, const char *name, float *out, size_t n,
                               const char *path, glim_error *err) {
    const glim_st_tensor *x = glim__safetensors_find(st, name);
    if (!x || strcmp(x->dtype, "F32") != 0 || x->bytes != n * sizeof *out)
        return glim_fail(err, GLIM_EFORMAT, "'%.200s' has no '%s' of %zu numbers (F32)", path, name,
                         n);
    memcpy(out, x->data, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]))
            return glim_fail(err, GLIM_EFORMAT, "'%.200s': '%s' is not finite", path, name);
    return GLIM_OK;
}

static glim_status read_all(glim_tuned_lens *t, const glim_safetensors *st, const char *path,
                            glim_error *err) {
    char name[48];
    glim_status status = GLIM_OK;
    for (size_t l = 0; l < t->L && !status; l++) {
        name_of(name, l, "weight");
        status = read_floats(st, name, t->a + l * t->C * t->C, t->C * t->C, path, err);
        name_of(name, l, "bias");
        if (!status)
            status = read_floats(st, name, t->b + l * t->C, t->C, path, err);
    }
    float *quality = glim__calloc(t->ctx, 3 * t->L, sizeof *quality);
    if (!status && !quality)
        status = glim__oom(t->ctx, err, "a lens", 12 * t->L);
    if (!status)
        status = read_floats(st, "quality", quality, 3 * t->L, path, err);
    for (size_t l = 0; l < t->L && !status; l++)
        t->layers[l] = (glim_tuned_layer){quality[3 * l], quality[3 * l + 1], quality[3 * l + 2]};
    glim__free(t->ctx, quality);
    return status;
}

glim_status glim_tuned_open(glim_tuned_lens **out, const glim_model *m, const char *path,
                            glim_error *err) {
    glim_safetensors *st = NULL;
    glim_tuned_lens *t = NULL;
    *out = NULL;
    glim_status status = glim__safetensors_open(&st, m->ctx, path, err);
    if (status)
        return status;
    const char *format = glim__safetensors_metadata(st, "format");
    const char *made_for = glim__safetensors_metadata(st, "model");
    if (!format || strcmp(format, "glim.tuned-lens/1") != 0)
        status = glim_fail(err, GLIM_EFORMAT,
                           "'%.200s' is no tuned lens (glim lens --fit makes one)", path);
    else if (!made_for || strcmp(made_for, glim_model_facts(m)->digest) != 0)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' was fitted for another model than '%.200s'",
                           path, m->info.path);
    if (!status)
        status = glim__tuned_new(&t, m, err);
    if (!status)
        status = read_all(t, st, path, err);
    glim__safetensors_close(st);
    if (status) {
        glim_tuned_free(t);
        return status;
    }
    *out = t;
    return GLIM_OK;
}
