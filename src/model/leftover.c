/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file holds besides what was read. A tensor or a hyper-parameter that
 * glim does not know may change what the model computes, so it is refused by
 * name; only what is known to change nothing may stay. A key that says "none"
 * (0, false, a scale of 1) is as good as absent.
 */
#include "model/model.h"

#include <string.h>

/* A trailing '*' stands for any ending. */
static const char *const harmless_keys[] = {
    "vocab_size",             /* the embedding's rows decide */
    "tensor_data_layout",     /* how rows of q and k lie, which the architecture says */
    "rope.scaling.finetuned", /* history */
    "rope.scaling.original_context_length", /* yarn's, as the next */
    "rope.scaling.yarn_*",
    "attention.layer_norm_epsilon",     /* of norms that these models do not have */
    "expert_used_count",                /* of no experts */
    "pooling_type",                     /* of embeddings made from the last norm */
    "attention.sliding_window_pattern", /* without a window */
    "rope.freq_base_swa",
    "vision.*", /* the text part is run */
    "mm.*",
    NULL,
};

static const char *const harmless_tensors[] = {
    "blk.*.attn_rot_embd.weight",
    "blk.*.attn.rotary_emb.inv_freq",
    "blk.*.attn.masked_bias",
    "v.*",
    "mm.*",
    "vision_tower.*",
    "multi_modal_projector.*",
    "model.vision_tower.*",
    "model.multi_modal_projector.*",
    NULL,
};

/* One '*' in the pattern stands for anything. */
static bool matches(const char *pattern, const char *name, size_t n) {
    const char *star = strchr(pattern, '*');
    if (!star)
        return n == strlen(pattern) && !memcmp(pattern, name, n);
    size_t head = (size_t)(star - pattern), tail = strlen(star + 1);
    return n >= head + tail && !memcmp(pattern, name, head) &&
           !memcmp(star + 1, name + n - tail, tail);
}

static bool any_matches(const char *const *patterns, const char *name, size_t n) {
    for (; *patterns; patterns++)
        if (matches(*patterns, name, n))
            return true;
    return false;
}

static bool says_nothing(const glim_gguf_value *v, const char *name, size_t n) {
    static const char *const factors[] = {"*scale", "*factor", NULL};
    glim_gguf_value numbers = *v;
    const void *cursor = NULL;
    if (v->type != GLIM_GGUF_ARRAY) {
        numbers.element = v->type;
        numbers.count = 1;
    }
    if (numbers.element == GLIM_GGUF_ARRAY)
        return false;
    for (uint64_t i = 0; i < numbers.count; i++) {
        if (numbers.element == GLIM_GGUF_STRING) {
            if (glim__gguf_next_string(&numbers, &cursor).len)
                return false;
            continue;
        }
        double x = glim__gguf_element(&numbers, i);
        if (x != 0 && !(x == 1 && any_matches(factors, name, n)))
            return false;
    }
    return true;
}

static glim_status check_keys(const glim_loader *l, glim_error *err) {
    size_t arch = strlen(l->arch);
    for (size_t i = 0; i < glim__gguf_value_count(l->g); i++) {
        const glim_gguf_value *v = glim__gguf_value_at(l->g, i);
        if (l->read[i] || v->key.len <= arch + 1 || memcmp(v->key.data, l->arch, arch) ||
            v->key.data[arch] != '.')
            continue;
        const char *name = v->key.data + arch + 1;
        size_t n = v->key.len - arch - 1;
        if (!any_matches(harmless_keys, name, n) && !says_nothing(v, name, n))
            return glim_fail(err, GLIM_EUNSUPPORTED,
                             "key '%.*s' is not known for '%s', so the model cannot be computed "
                             "rightly",
                             (int)(v->key.len < 100 ? v->key.len : 100), v->key.data, l->arch);
    }
    return GLIM_OK;
}

glim_status glim__load_finish(glim_loader *l, glim_error *err) {
    for (size_t i = 0; i < glim__gguf_tensor_count(l->g); i++) {
        const char *name = glim__gguf_tensor_at(l->g, i)->name;
        if (!l->used[i] && !any_matches(harmless_tensors, name, strlen(name)))
            return glim_fail(err, GLIM_EUNSUPPORTED,
                             "tensor '%.80s' is not known for '%s', so the model cannot be "
                             "computed rightly",
                             name, l->arch);
    }
    return check_keys(l, err);
}
