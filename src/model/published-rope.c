/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rotation of a published model: `rope_parameters` of newer files, or
 * `rope_theta` with `rope_scaling`. Llama 3's correction becomes the tensor of
 * divisors that conversion writes; Phi-3's divisors are in the configuration.
 */
#include "model/published.h"

#include <math.h>
#include <string.h>

enum { MOST_HALF = 4096 };

static const char *kind_of(const json_t *o) {
    const char *kind = json_string_value(json_object_get(o, "rope_type"));
    if (!kind)
        kind = json_string_value(json_object_get(o, "type"));
    return kind ? kind : "default";
}

static int64_t original_context(glim_published *p, const json_t *o) {
    int64_t n = 0;
    if (!glim__published_int(p, o, "original_max_position_embeddings", &n) &&
        !glim__published_int(p, p->config, "original_max_position_embeddings", &n))
        glim__published_int(p, p->config, "max_position_embeddings", &n);
    return n;
}

/* Wavelengths below O/high stay, those above O/low are divided by the factor, and
   between them the divisor changes evenly. */
static void llama3(glim_published *p, const json_t *o, double base, int64_t width) {
    double factor = 8, low = 1, high = 4, turn = 2 * acos(-1.0);
    float divisors[MOST_HALF];
    glim__published_real(p, o, "factor", &factor);
    glim__published_real(p, o, "low_freq_factor", &low);
    glim__published_real(p, o, "high_freq_factor", &high);
    double original = (double)original_context(p, o);
    if (!(factor > 0) || !(high > low) || !(original > 0) || width / 2 > MOST_HALF) {
        glim__published_refuse(p, GLIM_EFORMAT, "rope_scaling", "its numbers are out of range");
        return;
    }
    for (int64_t i = 0; i < width / 2; i++) {
        double wave = turn * pow(base, 2.0 * (double)i / (double)width);
        double u = (original / wave - low) / (high - low);
        divisors[i] = (float)(wave < original / high  ? 1
                              : wave > original / low ? factor
                                                      : 1 / ((1 - u) / factor + u));
    }
    if (!p->status &&
        !glim__gguf_put_floats(p->g, "rope_freqs.weight", divisors, (size_t)width / 2))
        p->status = glim__oom(p->d->ctx, p->err, "rope_freqs.weight", (uint64_t)width * 2);
}

static void divisors(glim_published *p, const json_t *o, const char *key, const char *name,
                     int64_t width) {
    const json_t *list = json_object_get(o, key);
    float f[MOST_HALF];
    if (!json_is_array(list) || json_array_size(list) != (size_t)width / 2 ||
        width / 2 > MOST_HALF) {
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is no list of a divisor for each pair");
        return;
    }
    for (int64_t i = 0; i < width / 2; i++)
        f[i] = (float)json_number_value(json_array_get(list, (size_t)i));
    if (!p->status && !glim__gguf_put_floats(p->g, name, f, (size_t)width / 2))
        p->status = glim__oom(p->d->ctx, p->err, name, (uint64_t)width * 2);
}

static void longrope(glim_published *p, const json_t *o, int64_t width) {
    double given = 0, factor = 0;
    int64_t original = original_context(p, o), context = original;
    divisors(p, o, "short_factor", "rope_factors_short.weight", width);
    divisors(p, o, "long_factor", "rope_factors_long.weight", width);
    glim__published_int(p, p->config, "max_position_embeddings", &context);
    if (p->status || original < 2)
        return;
    glim__published_put_int(p, "rope.scaling.original_context_length", original);
    if (!glim__published_real(p, o, "factor", &factor))
        factor = (double)context / (double)original;
    if (!glim__published_real(p, o, "attention_factor", &given))
        given = factor <= 1 ? 1 : sqrt(1 + log(factor) / log((double)original));
    glim__published_put_real(p, "rope.scaling.attn_factor", given);
}

static void scaled(glim_published *p, const json_t *o, const char *kind) {
    static const struct {
        const char *theirs, *ours;
    } numbers[] = {{"beta_fast", "rope.scaling.yarn_beta_fast"},
                   {"beta_slow", "rope.scaling.yarn_beta_slow"},
                   {"attention_factor", "rope.scaling.yarn_attn_factor"}};
    double factor = 0, x = 0;
    int64_t context = 0, original = original_context(p, o);
    bool given = glim__published_real(p, o, "factor", &factor);
    glim__published_int(p, p->config, "max_position_embeddings", &context);
    if (!given && original > 0)
        factor = (double)context / (double)original;
    if (!(factor > 0)) {
        glim__published_refuse(p, GLIM_EFORMAT, "rope_scaling", "its factor is missing");
        return;
    }
    glim__published_put_text(p, "rope.scaling.type", kind);
    glim__published_put_real(p, "rope.scaling.factor", factor);
    if (strcmp(kind, "yarn"))
        return;
    glim__published_put_int(p, "rope.scaling.original_context_length", original);
    for (size_t i = 0; i < 3; i++)
        if (glim__published_real(p, o, numbers[i].theirs, &x))
            glim__published_put_real(p, numbers[i].ours, x);
    if (json_object_get(o, "mscale") || json_object_get(o, "mscale_all_dim") ||
        json_is_false(json_object_get(o, "truncate")))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "rope_scaling",
                               "yarn with mscale or without truncation is not supported");
}

void glim__published_rope(glim_published *p, int64_t head_width) {
    const json_t *o = json_object_get(p->config, "rope_parameters");
    const json_t *full = json_object_get(o, "full_attention");
    const json_t *slides = json_object_get(o, "sliding_attention");
    double base = 10000, local = 0, part = 1;
    if (!json_is_object(o))
        o = json_object_get(p->config, "rope_scaling");
    if (full)
        o = full;
    if (!glim__published_real(p, o, "rope_theta", &base) &&
        !glim__published_real(p, p->config, "rope_theta", &base))
        glim__published_real(p, p->config, "rotary_emb_base", &base);
    if (!glim__published_real(p, o, "partial_rotary_factor", &part) &&
        !glim__published_real(p, p->config, "partial_rotary_factor", &part))
        glim__published_real(p, p->config, "rotary_pct", &part);
    if (glim__published_real(p, slides, "rope_theta", &local) ||
        glim__published_real(p, p->config, "rope_local_base_freq", &local))
        glim__published_put_real(p, "rope.freq_base_swa", local);
    if (slides && strcmp(kind_of(slides), "default"))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "rope_parameters",
                               "scaling in sliding layers is not supported");
    int64_t width = (int64_t)((double)head_width * part);
    if (!(base > 0) || width < 2 || width > head_width || width % 2) {
        glim__published_refuse(p, GLIM_EFORMAT, "rope_parameters", "its numbers are out of range");
        return;
    }
    glim__published_put_real(p, "rope.freq_base", base);
    glim__published_put_int(p, "rope.dimension_count", width);
    const char *kind = kind_of(o);
    if (!strcmp(kind, "llama3"))
        llama3(p, o, base, width);
    else if (!strcmp(kind, "longrope") || !strcmp(kind, "su"))
        longrope(p, o, width);
    else if (!strcmp(kind, "linear") || !strcmp(kind, "yarn"))
        scaled(p, o, kind);
    else if (strcmp(kind, "default"))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, kind, "this rope scaling is not supported");
}
