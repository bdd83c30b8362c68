/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steering: one vector a block, the sum of all that was asked for, added by a hook that writes.
 * A strength of 0 adds nothing at all rather than zeros, which would turn -0 into 0; so what is
 * not steered keeps its bits.
 */
#include "structure/steer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

glim_status glim_steering_new(glim_steering **out, const glim_model *m, glim_error *err) {
    *out = NULL;
    if (m->vision)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.200s' is a model of pictures; steering adds to a residual stream of "
                         "tokens",
                         m->info.path);
    glim_steering *s = glim__calloc(m->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(m->ctx, err, "steering", sizeof *s);
    *s = (glim_steering){.ctx = m->ctx, .m = m, .L = (size_t)m->hyper.L, .C = (size_t)m->hyper.C};
    s->sum = glim__calloc(s->ctx, s->L, s->C * sizeof *s->sum);
    s->some = glim__calloc(s->ctx, s->L, sizeof *s->some);
    s->stream = glim__calloc(s->ctx, s->L, sizeof *s->stream);
    if (!s->sum || !s->some || !s->stream) {
        uint64_t bytes = (uint64_t)s->L * s->C * sizeof *s->sum;
        glim_steering_free(s);
        return glim__oom(m->ctx, err, "steering", bytes);
    }
    for (size_t l = 0; l < s->L; l++)
        s->stream[l] = NAN;
    snprintf(s->pattern, sizeof s->pattern, "%sblocks.*.hook_resid_post", m->site_prefix);
    *out = s;
    return GLIM_OK;
}

void glim_steering_free(glim_steering *s) {
    if (!s)
        return;
    glim__free(s->ctx, s->sum);
    glim__free(s->ctx, s->some);
    glim__free(s->ctx, s->stream);
    glim__free(s->ctx, s);
}

int glim__steering_block(const glim_steering *s, const char *site) {
    size_t n = strlen(s->m->site_prefix);
    char *end;
    if (!strncmp(site, s->m->site_prefix, n))
        site += n;
    if (strncmp(site, "blocks.", 7) != 0 || site[7] < '0' || site[7] > '9')
        return -1;
    long layer = strtol(site + 7, &end, 10);
    return strcmp(end, ".hook_resid_post") != 0 || layer > GLIM_MAX_LAYERS ? -1 : (int)layer;
}

glim_status glim_steering_add(glim_steering *s, int layer, const float *d, size_t width,
                              double strength, glim_error *err) {
    if (layer < 0 || (size_t)layer >= s->L)
        return glim_fail(err, GLIM_EUSAGE, "there is no block %d; the model has 0 to %zu", layer,
                         s->L - 1);
    if (width != s->C)
        return glim_fail(
            err, GLIM_EUSAGE,
            "a direction of %zu numbers for block %d; the model's stream has %zu, so it "
            "was made for another model",
            width, layer, s->C);
    float *sum = s->sum + (size_t)layer * s->C, by = (float)strength;
    for (size_t c = 0; c < width; c++)
        if (!isfinite(sum[c] + by * d[c]))
            return glim_fail(err, GLIM_ENUMERIC, "the direction for block %d is not finite", layer);
    if (by == 0)
        return GLIM_OK;
    for (size_t c = 0; c < width; c++)
        sum[c] += by * d[c];
    s->some[layer] = true;
    return GLIM_OK;
}

glim_steering_layer glim_steering_at(const glim_steering *s, int layer) {
    if (layer < 0 || (size_t)layer >= s->L || !s->some[layer])
        return (glim_steering_layer){.stream = NAN};
    const float *v = s->sum + (size_t)layer * s->C;
    double squares = 0;
    for (size_t c = 0; c < s->C; c++)
        squares += (double)v[c] * v[c];
    return (glim_steering_layer){v, sqrt(squares), s->stream[layer]};
}

const char *glim_steering_warning(const glim_steering *s) {
    return *s->warning ? s->warning : NULL;
}

static glim_status steer(void *data, const glim_site *site, glim_error *err) {
    const glim_steering *s = data;
    const float *v = s->sum + (size_t)site->layer * s->C;
    if (!s->some[site->layer])
        return GLIM_OK;
    if (site->n_dims != 2 || site->dims[1] != s->C)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s is not as wide as the stream", site->name);
    for (size_t t = 0; t < site->dims[0]; t++)
        for (size_t c = 0; c < s->C; c++)
            site->data[t * s->C + c] += v[c];
    return GLIM_OK;
}

glim_status glim_steering_model(glim_model **out, const glim_steering *s, const char *told,
                                glim_error *err) {
    *out = NULL;
    glim_model *m = glim__alloc(s->ctx, sizeof *m);
    if (!m)
        return glim__oom(s->ctx, err, "the model", sizeof *m);
    *m = *s->m;
    m->base = s->m;
    glim__arena_init(&m->arena, m->ctx, 1 << 14);
    glim_layer *layers = m->layers = glim__arena_alloc(&m->arena, s->L * sizeof *layers);
    float *v = glim__arena_alloc(&m->arena, s->L * s->C * sizeof *v);
    m->steering = glim__arena_strdup(&m->arena, told);
    if (!layers || !v || !m->steering) {
        glim_model_close(m);
        return glim__oom(s->ctx, err, "the model", s->L * s->C * sizeof *v);
    }
    memcpy(layers, s->m->layers, s->L * sizeof *layers);
    memcpy(v, s->sum, s->L * s->C * sizeof *v);
    for (size_t l = 0; l < s->L; l++)
        layers[l].shift = s->some[l] ? v + l * s->C : layers[l].shift;
    *out = m;
    return GLIM_OK;
}

bool glim_steering_hook(const glim_steering *s, glim_hook *out) {
    bool any = false;
    for (size_t l = 0; l < s->L; l++)
        any = any || s->some[l];
    *out = (glim_hook){s->pattern, GLIM_HOOK_WRITE, steer, (void *)s};
    return any;
}
