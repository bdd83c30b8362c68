/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed reads for architecture files. Hyper-parameters are input like any
 * other: each has a range, and every tensor's shape is compared with them
 * before any arithmetic uses it. Vectors (norms, biases) are copied as floats
 * and checked finite; matrices stay where they are.
 */
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WIDTH = 1 << 20, MAX_VOCABULARY = 1 << 23, MAX_CONTEXT = 1 << 30 };

static void full_key(const glim_loader *l, const char *suffix, char *out, size_t size) {
    snprintf(out, size, "%.48s.%s", l->arch, suffix);
}

glim_status glim__load_int(glim_loader *l, const char *suffix, int min, int max, bool need,
                           int *out, glim_error *err) {
    char key[128];
    full_key(l, suffix, key, sizeof key);
    int64_t value = *out;
    bool found = false;
    const glim_gguf_value *v = glim__gguf_find(l->g, key);
    if (v && v->type == GLIM_GGUF_ARRAY) { /* one value a layer: all must agree */
        for (uint64_t i = 1; i < v->count; i++)
            if (glim__gguf_element(v, i) != glim__gguf_element(v, 0))
                return glim_fail(err, GLIM_EUNSUPPORTED, "key '%s' differs between layers", key);
        if (v->count && v->element != GLIM_GGUF_STRING) {
            double first = glim__gguf_element(v, 0);
            if (!(first >= min && first <= max))
                return glim_fail(err, GLIM_EFORMAT, "key '%s' is %g; expected %d to %d", key, first,
                                 min, max);
            *out = (int)first;
            return GLIM_OK;
        }
    }
    glim_status status = glim__gguf_int(l->g, key, min, max, &value, &found, err);
    if (status)
        return status;
    if (!found && need)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key '%s'", key);
    *out = (int)value;
    return GLIM_OK;
}

glim_status glim__load_real(glim_loader *l, const char *suffix, bool need, double *out,
                            glim_error *err) {
    char key[128];
    full_key(l, suffix, key, sizeof key);
    bool found = false;
    glim_status status = glim__gguf_real(l->g, key, out, &found, err);
    if (!status && !found && need)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key '%s'", key);
    if (!status && found && !isfinite(*out))
        return glim_fail(err, GLIM_EFORMAT, "key '%s' is not finite", key);
    return status;
}

static const glim_tensor *find(glim_loader *l, const char *name, int layer, char *full,
                               size_t size) {
    if (layer < 0)
        snprintf(full, size, "%s", name);
    else
        snprintf(full, size, "blk.%d.%s", layer, name);
    const glim_tensor *t = glim__gguf_tensor(l->g, full);
    if (t)
        l->used[t - glim__gguf_tensor_at(l->g, 0)] = 1;
    return t;
}

static glim_status check_shape(const glim_tensor *t, const char *name, uint64_t cols, uint64_t rows,
                               glim_error *err) {
    if (t->dims[0] == cols && t->dims[1] == rows && t->dims[2] == 1 && t->dims[3] == 1)
        return GLIM_OK;
    return glim_fail(err, GLIM_EFORMAT,
                     "tensor '%s' has shape (%" PRIu64 ", %" PRIu64
                     ") as (out, in); expected (%" PRIu64 ", %" PRIu64 ")",
                     name, t->dims[1], t->dims[0], rows, cols);
}

static glim_status check_type(const glim_tensor *t, const char *name, glim_error *err) {
    const glim_type_info *info = glim__type_info(t->type);
    if (info && info->computes)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUNSUPPORTED,
                     "tensor '%s' has the type %s, which glim cannot compute with (re-quantise the "
                     "model to Q8_0 or F16)",
                     name, info ? info->name : "of an unknown id");
}

glim_status glim__load_vector(glim_loader *l, const char *name, int layer, int n, bool need,
                              const float **out, glim_error *err) {
    char full[96];
    const glim_tensor *t = find(l, name, layer, full, sizeof full);
    *out = NULL;
    if (!t)
        return need ? glim_fail(err, GLIM_EFORMAT, "the file lacks the tensor '%s'", full)
                    : GLIM_OK;
    glim_status status = check_shape(t, full, (uint64_t)n, 1, err);
    if (!status)
        status = check_type(t, full, err);
    if (status)
        return status;
    float *v = glim__arena_alloc(&l->m->arena, (size_t)n * sizeof *v);
    if (!v)
        return glim__oom(l->m->ctx, err, full, (uint64_t)n * 4);
    glim__kernels_ref.dequantise[t->type](t->data, v, (size_t)n);
    for (int i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return glim_fail(err, GLIM_EFORMAT, "tensor '%s' holds a value that is not finite",
                             full);
    *out = v;
    return GLIM_OK;
}

glim_status glim__load_matrix(glim_loader *l, const char *name, int layer, int64_t rows,
                              int64_t cols, bool need, glim_matrix *out, glim_error *err) {
    char full[96];
    const glim_tensor *t = find(l, name, layer, full, sizeof full);
    *out = (glim_matrix){0};
    if (!t)
        return need ? glim_fail(err, GLIM_EFORMAT, "the file lacks the tensor '%s'", full)
                    : GLIM_OK;
    glim_status status = check_shape(t, full, (uint64_t)cols, (uint64_t)rows, err);
    if (!status)
        status = check_type(t, full, err);
    if (status)
        return status;
    const glim_type_info *info = glim__type_info(t->type);
    *out = (glim_matrix){.data = t->data,
                         .type = (glim_type)t->type,
                         .rows = rows,
                         .cols = cols,
                         .row_bytes = (size_t)cols / info->block_len * info->block_bytes};
    return GLIM_OK;
}

/* ---- what all decoders share ---- */

static glim_status load_sizes(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    glim_status status;
    const glim_tensor *e = glim__gguf_tensor(l->g, "token_embd.weight");
    if (!e)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the tensor 'token_embd.weight'");
    if (e->dims[1] > MAX_VOCABULARY)
        return glim_fail(err, GLIM_ELIMIT, "the vocabulary has %" PRIu64 " rows; at most %d",
                         e->dims[1], MAX_VOCABULARY);
    h->V = (int)e->dims[1];
    if ((status = glim__load_int(l, "block_count", 1, GLIM_MAX_LAYERS, true, &h->L, err)) ||
        (status = glim__load_int(l, "embedding_length", 1, MAX_WIDTH, true, &h->C, err)) ||
        (status = glim__load_int(l, "feed_forward_length", 1, MAX_WIDTH, true, &h->F, err)) ||
        (status = glim__load_int(l, "attention.head_count", 1, 4096, true, &h->H, err)))
        return status;
    h->G = h->H;
    h->context = 2048;
    if ((status = glim__load_int(l, "attention.head_count_kv", 1, 4096, false, &h->G, err)) ||
        (status = glim__load_int(l, "context_length", 1, MAX_CONTEXT, false, &h->context, err)))
        return status;
    if (h->G > h->H || h->H % h->G)
        return glim_fail(err, GLIM_EFORMAT, "%d key/value heads do not divide %d query heads", h->G,
                         h->H);
    h->D = h->C / h->H;
    int width_v = 0;
    if ((status = glim__load_int(l, "attention.key_length", 1, 8192, false, &h->D, err)))
        return status;
    width_v = h->D;
    if ((status = glim__load_int(l, "attention.value_length", 1, 8192, false, &width_v, err)))
        return status;
    if (h->D < 2 || h->D % 2 || width_v != h->D)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "head widths %d (keys) and %d (values): expected "
                         "equal and even",
                         h->D, width_v);
    int experts = 0;
    if ((status = glim__load_int(l, "expert_count", 0, 1 << 20, false, &experts, err)))
        return status;
    if (experts)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "the model is a mixture of %d experts, which "
                         "this version does not run",
                         experts);
    return GLIM_OK;
}

/* Yarn (Peng et al. 2023): frequencies between those kept and those divided. */
static glim_status yarn_factors(glim_loader *l, glim_rope_recipe *rope, double factor,
                                glim_error *err) {
    double original = 0, fast = 32, slow = 1;
    glim_status status;
    if ((status = glim__load_real(l, "rope.scaling.yarn_beta_fast", false, &fast, err)) ||
        (status = glim__load_real(l, "rope.scaling.yarn_beta_slow", false, &slow, err)))
        return status;
    int context = 0;
    if ((status = glim__load_int(l, "rope.scaling.original_context_length", 1, MAX_CONTEXT, true,
                                 &context, err)))
        return status;
    original = context;
    int half = rope->width / 2;
    float *f = glim__arena_alloc(&l->m->arena, (size_t)half * sizeof *f);
    if (!f)
        return glim__oom(l->m->ctx, err, "rope factors", (uint64_t)half * 4);
    double per = rope->width / (2 * log(rope->base)), turn = original / (2 * acos(-1.0));
    double lo = fmax(floor(per * log(turn / fast)), 0);
    double hi = fmin(ceil(per * log(turn / slow)), rope->width - 1);
    for (int i = 0; i < half; i++) {
        double r = 1 - fmin(fmax((i - lo) / fmax(0.001, hi - lo), 0), 1);
        f[i] = (float)(1 / ((1 - r) / factor + r));
    }
    rope->factors = f;
    rope->magnitude = 0.1 * log(factor) + 1;
    return GLIM_OK;
}

static glim_status load_rope(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    glim_rope_recipe *rope = &l->m->ropes[0];
    glim_status status;
    h->rope_width = h->D;
    if ((status = glim__load_int(l, "rope.dimension_count", 2, h->D, false, &h->rope_width, err)))
        return status;
    if (h->rope_width % 2)
        return glim_fail(err, GLIM_EFORMAT, "rope.dimension_count %d is odd", h->rope_width);
    *rope = (glim_rope_recipe){.width = h->rope_width, .base = 10000, .magnitude = 1};
    double factor = 1;
    glim_gguf_string kind = {"none", 4};
    char key[128];
    full_key(l, "rope.scaling.type", key, sizeof key);
    if ((status = glim__load_real(l, "rope.freq_base", false, &rope->base, err)) ||
        (status = glim__load_real(l, "rope.scale_linear", false, &factor, err)) ||
        (status = glim__load_real(l, "rope.scaling.factor", false, &factor, err)) ||
        (status = glim__gguf_text(l->g, key, &kind, NULL, err)))
        return status;
    if (!(rope->base > 0) || !(factor > 0))
        return glim_fail(err, GLIM_EFORMAT, "rope base %g and factor %g: expected positive",
                         rope->base, factor);
    l->m->n_ropes = 1;
    if (kind.len == 4 && !memcmp(kind.data, "yarn", 4))
        return yarn_factors(l, rope, factor, err);
    if (kind.len && !(kind.len == 4 && !memcmp(kind.data, "none", 4)) &&
        !(kind.len == 6 && !memcmp(kind.data, "linear", 6)))
        return glim_fail(err, GLIM_EUNSUPPORTED, "rope scaling '%.*s' is not supported for '%s'",
                         (int)(kind.len < 40 ? kind.len : 40), kind.data, l->arch);
    if ((status = glim__load_vector(l, "rope_freqs.weight", -1, h->rope_width / 2, false,
                                    &rope->factors, err)))
        return status;
    if (factor != 1 && !rope->factors) {
        float *f = glim__arena_alloc(&l->m->arena, (size_t)h->rope_width / 2 * sizeof *f);
        if (!f)
            return glim__oom(l->m->ctx, err, "rope factors", (uint64_t)h->rope_width * 2);
        for (int i = 0; i < h->rope_width / 2; i++)
            f[i] = (float)factor;
        rope->factors = f;
    }
    for (int i = 0; rope->factors && i < h->rope_width / 2; i++)
        if (!(rope->factors[i] > 0))
            return glim_fail(err, GLIM_EFORMAT,
                             "tensor 'rope_freqs.weight' holds a divisor that "
                             "is not positive");
    return GLIM_OK;
}

/* Rows [Q; K; V] of a fused tensor, or three tensors. */
static glim_status load_qkv(glim_loader *l, int i, glim_layer *w, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    int64_t q = (int64_t)h->H * h->D, kv = (int64_t)h->G * h->D;
    glim_matrix all;
    const float *bias;
    glim_status status;
    if ((status = glim__load_matrix(l, "attn_qkv.weight", i, q + 2 * kv, h->C, false, &all, err)))
        return status;
    if (all.data) {
        w->q = w->k = w->v = all;
        w->q.rows = q;
        w->k.rows = w->v.rows = kv;
        w->k.first_row = q;
        w->v.first_row = q + kv;
        status = glim__load_vector(l, "attn_qkv.bias", i, (int)(q + 2 * kv), false, &bias, err);
        if (!status && bias) {
            w->q_bias = bias;
            w->k_bias = bias + q;
            w->v_bias = bias + q + kv;
        }
        return status;
    }
    if ((status = glim__load_matrix(l, "attn_q.weight", i, q, h->C, true, &w->q, err)) ||
        (status = glim__load_matrix(l, "attn_k.weight", i, kv, h->C, true, &w->k, err)) ||
        (status = glim__load_matrix(l, "attn_v.weight", i, kv, h->C, true, &w->v, err)) ||
        (status = glim__load_vector(l, "attn_q.bias", i, (int)q, false, &w->q_bias, err)) ||
        (status = glim__load_vector(l, "attn_k.bias", i, (int)kv, false, &w->k_bias, err)))
        return status;
    return glim__load_vector(l, "attn_v.bias", i, (int)kv, false, &w->v_bias, err);
}

static glim_status load_layer(glim_loader *l, int i, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_layer *w = &l->m->layers[i];
    glim_status status;
    if ((status = load_qkv(l, i, w, err)) ||
        (status = glim__load_vector(l, "attn_norm.weight", i, h->C, true, &w->attn_norm, err)) ||
        (status = glim__load_matrix(l, "attn_output.weight", i, h->C, (int64_t)h->H * h->D, true,
                                    &w->o, err)) ||
        (status = glim__load_vector(l, "attn_output.bias", i, h->C, false, &w->o_bias, err)) ||
        (status = glim__load_vector(l, "ffn_norm.weight", i, h->C, true, &w->ffn_norm, err)) ||
        (status = glim__load_matrix(l, "ffn_gate.weight", i, h->F, h->C, true, &w->gate, err)) ||
        (status = glim__load_matrix(l, "ffn_up.weight", i, h->F, h->C, true, &w->up, err)))
        return status;
    return glim__load_matrix(l, "ffn_down.weight", i, h->C, h->F, true, &w->down, err);
}

glim_status glim__load_decoder(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_hyper *h = &m->hyper;
    h->act = GLIM_ACT_SILU;
    h->embed_scale = 1;
    glim_status status = load_sizes(l, err);
    double eps = 1e-5, scale = 0;
    if (status || (status = load_rope(l, err)) ||
        (status = glim__load_real(l, "attention.layer_norm_rms_epsilon", true, &eps, err)) ||
        (status = glim__load_real(l, "attention.scale", false, &scale, err)))
        return status;
    if (!(eps > 0 && eps < 1) || scale < 0)
        return glim_fail(err, GLIM_EFORMAT, "norm epsilon %g or attention scale %g is out of range",
                         eps, scale);
    h->eps = (float)eps;
    h->score_scale = scale > 0 ? (float)scale : 1.0f / sqrtf((float)h->D);
    m->layers = glim__arena_calloc(&m->arena, (size_t)h->L, sizeof *m->layers);
    if (!m->layers)
        return glim__oom(m->ctx, err, "the layer table", (uint64_t)h->L * sizeof *m->layers);
    if ((status =
             glim__load_matrix(l, "token_embd.weight", -1, h->V, h->C, true, &m->embedding, err)) ||
        (status = glim__load_matrix(l, "output.weight", -1, h->V, h->C, false, &m->head, err)) ||
        (status = glim__load_vector(l, "output_norm.weight", -1, h->C, true, &m->final_norm, err)))
        return status;
    if (!m->head.data)
        m->head = m->embedding;
    for (int i = 0; i < h->L && !status; i++)
        status = load_layer(l, i, err);
    return status;
}
