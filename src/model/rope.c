/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How positions turn, from a file's keys: the base, and what the frequencies are
 * divided by. Divisors multiply: those of the scaling and those of the tensor
 * rope_freqs.weight (Llama 3.1). A kind of scaling that is not known is refused.
 */
#include "model/model.h"

#include <math.h>
#include <string.h>

enum { MAX_CONTEXT = 1 << 30 };

/* The divisors of a rope, ones at first. */
static float *factors_of(glim_loader *l, glim_rope_recipe *rope, glim_error *err) {
    size_t half = (size_t)rope->width / 2;
    float *f = glim__arena_alloc(&l->m->arena, half * sizeof *f);
    for (size_t i = 0; i < half && f; i++)
        f[i] = 1;
    if (!f)
        glim__oom(l->m->ctx, err, "rope factors", half * sizeof *f);
    rope->factors = f;
    return f;
}

static double yarn_scale(double factor, double strength) {
    return factor <= 1 ? 1 : 0.1 * strength * log(factor) + 1;
}

/* Rotated values are multiplied by 0.1 ln s + 1; by that over the same with the
   "log multiplier" (Mistral's files, 1 = not at all); or by a number that the
   file gives, which conversion takes from transformers' attention_factor. */
static glim_status yarn_magnitude(glim_loader *l, glim_rope_recipe *rope, double factor,
                                  glim_error *err) {
    double given = -1, strength = 0, extrapolate = 1;
    glim_status status;
    if ((status = glim__load_real(l, "rope.scaling.yarn_attn_factor", false, &given, err)) ||
        (status = glim__load_real(l, "rope.scaling.yarn_log_multiplier", false, &strength, err)) ||
        (status = glim__load_real(l, "rope.scaling.yarn_ext_factor", false, &extrapolate, err)))
        return status;
    if (extrapolate >= 0 && extrapolate != 1)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "key '%s.rope.scaling.yarn_ext_factor' is %g; only 1 is supported",
                         l->arch, extrapolate);
    rope->magnitude = yarn_scale(factor, 1);
    if (strength != 0)
        rope->magnitude /= yarn_scale(factor, strength);
    if (given > 0)
        rope->magnitude = given;
    if (rope->magnitude > 0 && isfinite(rope->magnitude))
        return GLIM_OK;
    return glim_fail(err, GLIM_EFORMAT, "yarn scales rotated values by %g: expected positive",
                     rope->magnitude);
}

/* Yarn (Peng et al. 2023): frequencies between those kept and those divided. */
static glim_status yarn(glim_loader *l, glim_rope_recipe *rope, double factor, glim_error *err) {
    double fast = 32, slow = 1;
    int original = l->m->hyper.context;
    glim_status status;
    if ((status = glim__load_real(l, "rope.scaling.yarn_beta_fast", false, &fast, err)) ||
        (status = glim__load_real(l, "rope.scaling.yarn_beta_slow", false, &slow, err)) ||
        (status = glim__load_int(l, "rope.scaling.original_context_length", 1, MAX_CONTEXT, false,
                                 &original, err)))
        return status;
    if (!(fast > 0) || !(slow > 0) || rope->base == 1)
        return glim_fail(err, GLIM_EFORMAT,
                         "yarn with turns %g to %g on base %g: expected positive", fast, slow,
                         rope->base);
    float *f = factors_of(l, rope, err);
    if (!f)
        return GLIM_ENOMEM;
    double per = rope->width / (2 * log(rope->base)), turn = original / (2 * acos(-1.0));
    double lo = fmax(floor(per * log(turn / fast)), 0);
    double hi = fmin(ceil(per * log(turn / slow)), rope->width - 1);
    for (int i = 0; i < rope->width / 2; i++) {
        double r = 1 - fmin(fmax((i - lo) / fmax(0.001, hi - lo), 0), 1);
        f[i] = (float)(1 / ((1 - r) / factor + r));
    }
    return yarn_magnitude(l, rope, factor, err);
}

static glim_status linear(glim_loader *l, glim_rope_recipe *rope, double factor, glim_error *err) {
    float *f = factor != 1 ? factors_of(l, rope, err) : NULL;
    for (int i = 0; i < rope->width / 2 && f; i++)
        f[i] = (float)factor;
    return f || factor == 1 ? GLIM_OK : GLIM_ENOMEM;
}

static glim_status multiply_by_tensor(glim_loader *l, glim_rope_recipe *rope, glim_error *err) {
    const float *more, *scaled = rope->factors;
    int half = rope->width / 2;
    glim_status status = glim__load_vector(l, "rope_freqs.weight", -1, half, false, &more, err);
    if (status || !more)
        return status;
    for (int i = 0; i < half; i++)
        if (!(more[i] > 0))
            return glim_fail(err, GLIM_EFORMAT,
                             "tensor 'rope_freqs.weight' holds a divisor that is not positive");
    rope->factors = more;
    if (!scaled)
        return GLIM_OK;
    float *f = factors_of(l, rope, err);
    for (int i = 0; i < half && f; i++)
        f[i] = scaled[i] * more[i];
    return f ? GLIM_OK : GLIM_ENOMEM;
}

static bool is(glim_gguf_string s, const char *word) {
    return s.len == strlen(word) && !memcmp(s.data, word, s.len);
}

glim_status glim__load_rope(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    glim_rope_recipe *rope = &l->m->ropes[0];
    glim_status status;
    double factor = 1;
    glim_gguf_string kind = {"linear", 6};
    h->rope_width = h->D;
    if ((status = glim__load_int(l, "rope.dimension_count", 2, h->D, false, &h->rope_width, err)))
        return status;
    if (h->rope_width % 2)
        return glim_fail(err, GLIM_EFORMAT, "rope.dimension_count %d is odd", h->rope_width);
    *rope = (glim_rope_recipe){.width = h->rope_width, .base = 10000, .magnitude = 1};
    l->m->n_ropes = 1;
    if ((status = glim__load_real(l, "rope.freq_base", false, &rope->base, err)) ||
        (status = glim__load_real(l, "rope.scale_linear", false, &factor, err)) ||
        (status = glim__load_real(l, "rope.scaling.factor", false, &factor, err)) ||
        (status = glim__load_text(l, "rope.scaling.type", &kind, err)))
        return status;
    if (!(rope->base > 0) || !(factor > 0))
        return glim_fail(err, GLIM_EFORMAT, "rope base %g and factor %g: expected positive",
                         rope->base, factor);
    if (is(kind, "yarn"))
        status = yarn(l, rope, factor, err);
    else if (is(kind, "linear") || !kind.len)
        status = linear(l, rope, factor, err);
    else if (!is(kind, "none") && !(is(kind, "longrope") && l->long_rope))
        return glim_fail(err, GLIM_EUNSUPPORTED, "rope scaling '%.*s' is not supported for '%s'",
                         (int)(kind.len < 40 ? kind.len : 40), kind.data, l->arch);
    return status ? status : multiply_by_tensor(l, rope, err);
}
