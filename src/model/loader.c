/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed reads for architecture files. Hyper-parameters are input like any
 * other: each has a range, and every tensor's shape is compared with them
 * before any arithmetic uses it. Vectors (norms, biases) are copied as floats
 * and checked finite; matrices stay where they are.
 */
#include "model/model.h"
#include "base/names.h"

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
        snprintf(full, size, "%sblk.%d.%s", l->stack ? l->stack : "", layer, name);
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
    for (int i = 0; i < n && l->norm_plus_one && glim__ends_with(name, "norm.weight"); i++)
        v[i] += 1;
    for (int i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return glim_fail(err, GLIM_EFORMAT, "tensor '%s' holds a value that is not finite",
                             full);
    *out = v;
    return GLIM_OK;
}

static glim_matrix matrix_of(const glim_tensor *t, int64_t rows, int64_t cols) {
    const glim_type_info *info = glim__type_info(t->type);
    return (glim_matrix){.data = t->data,
                         .type = (glim_type)t->type,
                         .rows = rows,
                         .cols = cols,
                         .row_bytes = (size_t)cols / info->block_len * info->block_bytes};
}

glim_status glim__load_matrix(glim_loader *l, const char *name, int layer, int64_t rows,
                              int64_t cols, bool need, glim_matrix *out, glim_error *err) {
    char full[96];
    const glim_tensor *t = find(l, name, layer, full, sizeof full);
    *out = (glim_matrix){0};
    if (!t)
        return need ? glim_fail(err, GLIM_EFORMAT, "the file lacks the tensor '%s'", full)
                    : GLIM_OK;
    bool turned = l->turned && layer >= 0;
    glim_status status = check_shape(t, full, (uint64_t)(turned ? rows : cols),
                                     (uint64_t)(turned ? cols : rows), err);
    if (!status)
        status = check_type(t, full, err);
    if (status)
        return status;
    *out = matrix_of(t, rows, cols);
    if (turned) {
        out->turned = true;
        out->row_bytes = (size_t)rows * (size_t)glim__type_info(t->type)->block_bytes;
    }
    return GLIM_OK;
}

glim_status glim__load_stack(glim_loader *l, const char *name, int layer, int count, int64_t rows,
                             int64_t cols, const glim_matrix **out, glim_error *err) {
    char full[96], own[64];
    glim_matrix *all = glim__arena_calloc(&l->m->arena, (size_t)count, sizeof *all);
    if (!all)
        return glim__oom(l->m->ctx, err, name, (uint64_t)count * sizeof *all);
    *out = all;
    snprintf(own, sizeof own, "%s.weight", name);
    const glim_tensor *t = find(l, own, layer, full, sizeof full);
    glim_status status = GLIM_OK;
    for (int e = 0; e < count && !t && !status; e++) {
        snprintf(own, sizeof own, "%s.%d.weight", name, e);
        status = glim__load_matrix(l, own, layer, rows, cols, true, &all[e], err);
    }
    if (!t)
        return status;
    if (t->dims[0] != (uint64_t)cols || t->dims[1] != (uint64_t)rows ||
        t->dims[2] != (uint64_t)count || t->dims[3] != 1)
        return glim_fail(err, GLIM_EFORMAT,
                         "tensor '%s' has shape (%" PRIu64 ", %" PRIu64 ", %" PRIu64
                         ") as (experts, out, in); expected (%d, %" PRId64 ", %" PRId64 ")",
                         full, t->dims[2], t->dims[1], t->dims[0], count, rows, cols);
    if ((status = check_type(t, full, err)))
        return status;
    for (int e = 0; e < count; e++) {
        all[e] = matrix_of(t, rows, cols);
        all[e].first_row = e * rows;
    }
    return GLIM_OK;
}

/* ---- what all decoders share ---- */

static glim_status load_sizes(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    glim_status status;
    const char *embedding = l->embedding ? l->embedding : "token_embd.weight";
    const char *blocks = l->blocks ? l->blocks : "block_count";
    const glim_tensor *e = glim__gguf_tensor(l->g, embedding);
    if (!e)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the tensor '%s'", embedding);
    if (e->dims[1] > MAX_VOCABULARY)
        return glim_fail(err, GLIM_ELIMIT, "the vocabulary has %" PRIu64 " rows; at most %d",
                         e->dims[1], MAX_VOCABULARY);
    h->V = (int)e->dims[1];
    if ((status = glim__load_int(l, blocks, 1, GLIM_MAX_LAYERS, true, &h->L, err)) ||
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
    if (l->mixture.count)
        return GLIM_OK;
    if ((status = glim__load_int(l, "expert_count", 0, 1 << 20, false, &experts, err)))
        return status;
    if (experts)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "'%s' as a mixture of %d experts, which this version does not run",
                         l->arch, experts);
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

/* [head][q, k, v][D] -> [q, k, v][head][D]. */
static glim_status regroup_bias(glim_loader *l, const float **bias, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    size_t n = (size_t)h->H * 3 * (size_t)h->D;
    float *own = glim__arena_alloc(&l->m->arena, n * sizeof *own);
    if (!own)
        return glim__oom(l->m->ctx, err, "a bias", n * sizeof *own);
    for (int part = 0; part < 3; part++)
        for (int head = 0; head < h->H; head++)
            memcpy(own + (part * h->H + head) * h->D, *bias + (head * 3 + part) * h->D,
                   (size_t)h->D * sizeof *own);
    *bias = own;
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
    if (!status && all && l->by_head)
        status = regroup_bias(l, &all, err);
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
        w->k.first_row = l->by_head ? h->D : q;
        w->v.first_row = l->by_head ? 2 * h->D : q + kv;
        w->q.group = w->k.group = w->v.group = l->by_head ? h->D : 0;
        w->q.group_stride = w->k.group_stride = w->v.group_stride = 3 * h->D;
    } else if ((status = glim__load_matrix(l, "attn_q.weight", i, q, h->C, true, &w->q, err)) ||
               (status = glim__load_matrix(l, "attn_k.weight", i, kv, h->C, true, &w->k, err)) ||
               (status = glim__load_matrix(l, "attn_v.weight", i, kv, h->C, true, &w->v, err))) {
        return status;
    }
    return load_qkv_bias(l, i, w, all.data != NULL, err);
}

glim_status glim__load_norm(glim_loader *l, const char *name, int i, const float **weight,
                            const float **bias, glim_error *err) {
    int C = l->m->hyper.C;
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    glim_status status = glim__load_vector(l, full, i, C, true, weight, err);
    if (status || !l->m->hyper.layer_norm)
        return status;
    snprintf(full, sizeof full, "%s.bias", name);
    return glim__load_vector(l, full, i, C, false, bias, err);
}

static glim_status load_layer(glim_loader *l, int i, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_layer *w = &l->m->layers[i];
    const char *first = l->attn_norm ? l->attn_norm : "attn_norm";
    const char *second = l->ffn_norm ? l->ffn_norm : "ffn_norm";
    const char *output = l->attn_output ? l->attn_output : "attn_output";
    char weight[32], bias[32];
    snprintf(weight, sizeof weight, "%s.weight", output);
    snprintf(bias, sizeof bias, "%s.bias", output);
    glim_status status;
    if ((status = load_qkv(l, i, w, err)) ||
        (status = glim__load_norm(l, first, i, &w->attn_norm, &w->attn_norm_bias, err)) ||
        (status = glim__load_matrix(l, weight, i, h->C, (int64_t)h->H * h->D, true, &w->o, err)) ||
        (status = glim__load_vector(l, bias, i, h->C, false, &w->o_bias, err)) ||
        (status = glim__load_norm(l, second, i, &w->ffn_norm, &w->ffn_norm_bias, err)))
        return status;
    return glim__load_feed_forward(l, i, err);
}

glim_status glim__load_head_norms(glim_loader *l, bool need, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_status status = GLIM_OK;
    for (int i = 0; i < h->L && !status; i++) {
        glim_layer *w = &l->m->layers[i];
        status = glim__load_vector(l, "attn_q_norm.weight", i, h->D, need, &w->q_norm, err);
        if (!status)
            status = glim__load_vector(l, "attn_k_norm.weight", i, h->D, need, &w->k_norm, err);
    }
    return status;
}

glim_status glim__load_post_norms(glim_loader *l, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_status status = GLIM_OK;
    for (int i = 0; i < h->L && !status; i++) {
        glim_layer *w = &l->m->layers[i];
        status = glim__load_vector(l, "post_attention_norm.weight", i, h->C, true,
                                   &w->attn_post_norm, err);
        if (!status)
            status =
                glim__load_vector(l, "post_ffw_norm.weight", i, h->C, true, &w->ffn_post_norm, err);
    }
    return status;
}

/* Draft layers at the end of the stack are not part of the model. */
static glim_status skip_drafts(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    int drafts = 0, layer;
    if (!l->drafts)
        return GLIM_OK;
    glim_status status =
        glim__load_int(l, "nextn_predict_layers", 0, h->L - 1, false, &drafts, err);
    h->L -= drafts;
    for (size_t i = 0; i < glim__gguf_tensor_count(l->g) && drafts; i++)
        if (sscanf(glim__gguf_tensor_at(l->g, i)->name, "blk.%d.", &layer) == 1 && layer >= h->L &&
            layer < h->L + drafts)
            l->used[i] = 1;
    return status;
}

/* The final norm and the head of a language model. */
static glim_status load_end(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    const glim_hyper *h = &m->hyper;
    glim_status status;
    if ((status = glim__load_matrix(l, "output.weight", -1, h->V, h->C, false, &m->head, err)) ||
        (status =
             glim__load_norm(l, "output_norm", -1, &m->final_norm, &m->final_norm_bias, err)) ||
        (status = glim__load_vector(l, "output.bias", -1, h->V, false, &m->head_bias, err)))
        return status;
    m->outputs = h->V;
    if (!m->head.data)
        m->head = m->embedding;
    return GLIM_OK;
}

glim_status glim__load_decoder(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_hyper *h = &m->hyper;
    h->act = GLIM_ACT_SILU;
    h->embed_scale = 1;
    glim_status status = load_sizes(l, err);
    double eps = 1e-5, scale = 0;
    const char *eps_key =
        h->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
    if (status || (status = skip_drafts(l, err)) ||
        (status = l->no_rope ? GLIM_OK : glim__load_rope(l, err)) ||
        (status = glim__load_real(l, eps_key, true, &eps, err)) ||
        (status = glim__load_real(l, "attention.scale", false, &scale, err)))
        return status;
    const glim_gguf_value *causal = glim__loader_key(l, "attention.causal");
    if (causal && causal->type == GLIM_GGUF_BOOL && !*(const unsigned char *)causal->data &&
        !l->encoder)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "key '%s.attention.causal' is false: '%s' sees later tokens too, which "
                         "this version does not run",
                         l->arch, l->arch);
    h->both_ways = l->encoder;
    if (!(eps > 0 && eps < 1) || scale < 0)
        return glim_fail(err, GLIM_EFORMAT, "norm epsilon %g or attention scale %g is out of range",
                         eps, scale);
    h->eps = (float)eps;
    h->score_scale = scale > 0 ? (float)scale : 1.0f / sqrtf((float)h->D);
    m->layers = glim__arena_calloc(&m->arena, (size_t)h->L, sizeof *m->layers);
    if (!m->layers)
        return glim__oom(m->ctx, err, "the layer table", (uint64_t)h->L * sizeof *m->layers);
    const char *embedding = l->embedding ? l->embedding : "token_embd.weight";
    if ((status = glim__load_matrix(l, embedding, -1, h->V, h->C, true, &m->embedding, err)) ||
        (status = l->encoder || l->no_end ? GLIM_OK : load_end(l, err)))
        return status;
    for (int i = 0; i < h->L && !status; i++)
        status = load_layer(l, i, err);
    return status;
}
