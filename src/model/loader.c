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

/* The full name of a key that is about to be read. */
static void full_key(glim_loader *l, const char *suffix, char *out, size_t size) {
    snprintf(out, size, "%.48s.%s", l->arch, suffix);
    glim__loader_key(l, suffix);
}

const glim_gguf_value *glim__loader_key(glim_loader *l, const char *suffix) {
    char key[128];
    snprintf(key, sizeof key, "%.48s.%s", l->arch, suffix);
    const glim_gguf_value *v = glim__gguf_find(l->g, key);
    if (v)
        l->read[v - glim__gguf_value_at(l->g, 0)] = 1;
    return v;
}

glim_status glim__load_int(glim_loader *l, const char *suffix, int min, int max, bool need,
                           int *out, glim_error *err) {
    char key[128];
    full_key(l, suffix, key, sizeof key);
    int64_t value = *out;
    bool found = false;
    const glim_gguf_value *v = glim__gguf_find(l->g, key);
    bool numbers = v && v->type == GLIM_GGUF_ARRAY && v->element != GLIM_GGUF_STRING;
    if (numbers) { /* one value a layer: all must agree */
        for (uint64_t i = 1; i < v->count; i++)
            if (glim__gguf_element(v, i) != glim__gguf_element(v, 0))
                return glim_fail(err, GLIM_EUNSUPPORTED, "key '%s' differs between layers", key);
        if (v->count) {
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

glim_status glim__load_text(glim_loader *l, const char *suffix, glim_gguf_string *out,
                            glim_error *err) {
    char key[128];
    full_key(l, suffix, key, sizeof key);
    return glim__gguf_text(l->g, key, out, NULL, err);
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

/* Which layers see a window of positions only, and how they turn. */
glim_status glim__load_windows(glim_loader *l, int period, double base, glim_error *err) {
    glim_model *m = l->m;
    glim_hyper *h = &m->hyper;
    glim_status status;
    if ((status =
             glim__load_int(l, "attention.sliding_window", 0, MAX_CONTEXT, false, &h->window, err)))
        return status;
    if (!h->window)
        return GLIM_OK;
    const glim_gguf_value *pattern = glim__loader_key(l, "attention.sliding_window_pattern");
    bool each = pattern && pattern->type == GLIM_GGUF_ARRAY;
    if (each && (pattern->element == GLIM_GGUF_STRING || pattern->element == GLIM_GGUF_ARRAY ||
                 pattern->count != (uint64_t)h->L))
        return glim_fail(err, GLIM_EFORMAT,
                         "key '%s.attention.sliding_window_pattern' has %" PRIu64
                         " elements; expected one number for each of %d blocks",
                         l->arch, pattern->count, h->L);
    if ((!each && (status = glim__load_int(l, "attention.sliding_window_pattern", 0, 4096, false,
                                           &period, err))) ||
        (status = glim__load_real(l, "rope.freq_base_swa", false, &base, err)))
        return status;
    if (!each && period < 0 && h->window < h->context)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "key '%s.attention.sliding_window' is %d, but the file lacks "
                         "'%s.attention.sliding_window_pattern', which tells the blocks that slide",
                         l->arch, h->window, l->arch);
    if (base < 0)
        return glim_fail(err, GLIM_EFORMAT, "rope.freq_base_swa %g: expected positive", base);
    if (base > 0) {
        m->ropes[1] = (glim_rope_recipe){.width = h->rope_width, .base = base, .magnitude = 1};
        m->n_ropes = 2;
    }
    for (int i = 0; i < h->L; i++) {
        bool slides = each ? glim__gguf_element(pattern, (uint64_t)i) != 0
                           : period >= 0 && (period == 0 || (i + 1) % period != 0);
        m->layers[i].window = slides ? h->window : 0;
        m->layers[i].rope = slides && m->n_ropes > 1;
    }
    return GLIM_OK;
}

/* Biases of q, k and v: one tensor behind the fused one, or three. */
static glim_status load_qkv_bias(glim_loader *l, int i, glim_layer *w, bool fused,
                                 glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    int q = h->H * h->D, kv = h->G * h->D;
    const float *all = NULL;
    glim_status status = GLIM_OK;
    if (fused)
        status = glim__load_vector(l, "attn_qkv.bias", i, q + 2 * kv, false, &all, err);
    if (status || all) {
        w->q_bias = all;
        w->k_bias = all ? all + q : NULL;
        w->v_bias = all ? all + q + kv : NULL;
        return status;
    }
    if ((status = glim__load_vector(l, "attn_q.bias", i, q, false, &w->q_bias, err)) ||
        (status = glim__load_vector(l, "attn_k.bias", i, kv, false, &w->k_bias, err)))
        return status;
    return glim__load_vector(l, "attn_v.bias", i, kv, false, &w->v_bias, err);
}

/* Rows [Q; K; V] of a fused tensor, or three tensors. */
static glim_status load_qkv(glim_loader *l, int i, glim_layer *w, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    int64_t q = (int64_t)h->H * h->D, kv = (int64_t)h->G * h->D;
    glim_matrix all;
    glim_status status;
    if ((status = glim__load_matrix(l, "attn_qkv.weight", i, q + 2 * kv, h->C, false, &all, err)))
        return status;
    if (all.data) {
        w->q = w->k = w->v = all;
        w->q.rows = q;
        w->k.rows = w->v.rows = kv;
        w->k.first_row = q;
        w->v.first_row = q + kv;
    } else if ((status = glim__load_matrix(l, "attn_q.weight", i, q, h->C, true, &w->q, err)) ||
               (status = glim__load_matrix(l, "attn_k.weight", i, kv, h->C, true, &w->k, err)) ||
               (status = glim__load_matrix(l, "attn_v.weight", i, kv, h->C, true, &w->v, err))) {
        return status;
    }
    return load_qkv_bias(l, i, w, all.data != NULL, err);
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
        (status = glim__load_matrix(l, "ffn_up.weight", i, h->F, h->C, true, &w->up, err)) ||
        (status = glim__load_vector(l, "ffn_gate.bias", i, h->F, false, &w->gate_bias, err)) ||
        (status = glim__load_vector(l, "ffn_up.bias", i, h->F, false, &w->up_bias, err)) ||
        (status = glim__load_vector(l, "ffn_down.bias", i, h->C, false, &w->down_bias, err)))
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
    if (status || (status = glim__load_rope(l, err)) ||
        (status = glim__load_real(l, "attention.layer_norm_rms_epsilon", true, &eps, err)) ||
        (status = glim__load_real(l, "attention.scale", false, &scale, err)))
        return status;
    const glim_gguf_value *causal = glim__loader_key(l, "attention.causal");
    if (causal && causal->type == GLIM_GGUF_BOOL && !*(const unsigned char *)causal->data)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "key '%s.attention.causal' is false: the model sees later tokens too, "
                         "which this version does not run",
                         l->arch);
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
        (status =
             glim__load_vector(l, "output_norm.weight", -1, h->C, true, &m->final_norm, err)) ||
        (status = glim__load_vector(l, "output.bias", -1, h->V, false, &m->head_bias, err)))
        return status;
    if (!m->head.data)
        m->head = m->embedding;
    for (int i = 0; i < h->L && !status; i++)
        status = load_layer(l, i, err);
    return status;
}
