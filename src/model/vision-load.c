/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and tensors of a model of pictures. Kernels stay in the file; a batch norm
 * becomes a factor and a shift a channel:
 *
 *   norm(x) = (x - mean) / sqrt(variance + eps) weight + bias
 */
#include "model/vision.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CHANNELS = 1 << 16, MOST_BLOCKS = 512, NAME = 96 };

struct reading {
    glim_loader *l;
    const glim_vision_names *names;
    glim_vision *v;
    int height, width, channels; /* of the map so far */
    bool same, in_first;
    double eps;
    glim_error *err;
};

/* The kernel as it lies in the file: (out, in, k, k) or (k, k, in, out). */
static glim_status load_kernel(struct reading *r, const char *name, glim_conv *c) {
    uint64_t k = (uint64_t)c->kernel, in = c->depthwise ? 1 : (uint64_t)c->in_c;
    uint64_t out = (uint64_t)c->out_c;
    uint64_t want[2][4] = {{k, k, in, out}, {out, in, k, k}};
    if (c->depthwise && r->in_first)
        want[1][1] = k, want[1][2] = k, want[1][3] = 1;
    const uint64_t *dims = want[r->in_first];
    const glim_tensor *t = glim__gguf_tensor(r->l->g, name);
    if (!t)
        return glim_fail(r->err, GLIM_EFORMAT, "the file lacks the tensor '%s'", name);
    r->l->used[t - glim__gguf_tensor_at(r->l->g, 0)] = 1;
    const glim_type_info *info = glim__type_info(t->type);
    if (!info || !info->computes || info->block_len != 1)
        return glim_fail(r->err, GLIM_EUNSUPPORTED,
                         "tensor '%s' has the type %s; kernels are read as F32, F16 or BF16", name,
                         info ? info->name : "of an unknown id");
    if (memcmp(t->dims, dims, sizeof want[0]))
        return glim_fail(r->err, GLIM_EFORMAT,
                         "tensor '%s' has shape (%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
                         "); expected (%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ")",
                         name, t->dims[3], t->dims[2], t->dims[1], t->dims[0], dims[3], dims[2],
                         dims[1], dims[0]);
    c->w = t->data;
    c->type = (glim_type)t->type;
    c->in_first = r->in_first;
    return GLIM_OK;
}

static glim_status load_norm(struct reading *r, const char *base, glim_conv *c) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const float *p[4];
    for (int i = 0; i < 4; i++) {
        char name[NAME];
        snprintf(name, sizeof name, "%s%s%s", base, r->names->norm, parts[i]);
        glim_status status = glim__load_vector(r->l, name, -1, c->out_c, true, &p[i], r->err);
        if (status)
            return status;
    }
    float *scale = glim__arena_alloc(&r->l->m->arena, 2 * (size_t)c->out_c * sizeof *scale);
    if (!scale)
        return glim__oom(r->l->m->ctx, r->err, base, 2 * (uint64_t)c->out_c * sizeof *scale);
    float *shift = scale + c->out_c;
    for (int o = 0; o < c->out_c; o++) {
        double spread = p[3][o] + r->eps, by = p[0][o] / sqrt(spread);
        if (!(spread > 0))
            return glim_fail(r->err, GLIM_EFORMAT, "the norm of '%s' has the variance %g", base,
                             (double)p[3][o]);
        scale[o] = (float)by;
        shift[o] = (float)(p[1][o] - p[2][o] * by);
    }
    c->scale = scale;
    c->shift = shift;
    return GLIM_OK;
}

/* A convolution over the map so far, which becomes its output. */
static glim_status load_conv(struct reading *r, const char *base, glim_conv *c) {
    char name[NAME];
    snprintf(name, sizeof name, "%s%s", base, r->names->weight);
    c->in_c = r->channels;
    if (c->depthwise)
        c->out_c = c->in_c;
    glim__conv_shape(c, r->height, r->width, r->same);
    if (c->out_h < 1 || c->out_w < 1)
        return glim_fail(r->err, GLIM_EFORMAT, "'%s' leaves nothing of the image", base);
    glim_status status = load_kernel(r, name, c);
    if (!status)
        status = load_norm(r, base, c);
    r->height = c->out_h;
    r->width = c->out_w;
    r->channels = c->out_c;
    return status;
}

static void bound(glim_conv *c, bool relu6) {
    c->low = relu6 ? 0 : -INFINITY;
    c->high = relu6 ? 6 : INFINITY;
}

static void block_name(const struct reading *r, int i, const char *part, char out[NAME]) {
    if (i)
        snprintf(out, NAME, "%s%d.%s", r->names->blocks, i - r->names->shift, part);
    else
        snprintf(out, NAME, "%s%s", r->names->first, part);
}

/* "kernel stride expanded out": 0 expanded = no expansion. */
static glim_status load_block(struct reading *r, int i, glim_gguf_string how) {
    glim_vision_block *b = &r->v->blocks[i];
    char text[64], name[NAME];
    int kernel, stride, expanded, out, in = r->channels, end = 0;
    snprintf(text, sizeof text, "%.*s", (int)(how.len < 63 ? how.len : 63), how.data);
    if (sscanf(text, "%d %d %d %d%n", &kernel, &stride, &expanded, &out, &end) != 4 || text[end] ||
        kernel < 1 || kernel > GLIM_CONV_KERNEL || kernel % 2 == 0 || stride < 1 || stride > 2 ||
        expanded < 0 || expanded > MOST_CHANNELS || out < 1 || out > MOST_CHANNELS)
        return glim_fail(r->err, GLIM_EFORMAT, "block %d is described as '%s'", i, text);
    b->expand = (glim_conv){.kernel = 1, .stride = 1, .out_c = expanded};
    b->depthwise = (glim_conv){.kernel = kernel, .stride = stride, .depthwise = true};
    b->project = (glim_conv){.kernel = 1, .stride = 1, .out_c = out};
    bound(&b->expand, true);
    bound(&b->depthwise, true);
    bound(&b->project, false);
    glim_status status = GLIM_OK;
    if (expanded) {
        block_name(r, i, r->names->expand, name);
        status = load_conv(r, name, &b->expand);
    }
    if (!status) {
        block_name(r, i, r->names->depthwise, name);
        status = load_conv(r, name, &b->depthwise);
    }
    if (!status) {
        block_name(r, i, r->names->project, name);
        status = load_conv(r, name, &b->project);
    }
    b->residual = i && stride == 1 && in == out;
    return status;
}

static glim_status load_blocks(struct reading *r) {
    glim_model *m = r->l->m;
    const glim_gguf_value *list = glim__loader_key(r->l, "vision.blocks");
    const void *cursor = NULL;
    if (!list || list->type != GLIM_GGUF_ARRAY || list->element != GLIM_GGUF_STRING ||
        !list->count || list->count > MOST_BLOCKS)
        return glim_fail(r->err, GLIM_EFORMAT, "the file lacks the list '%s.vision.blocks'",
                         r->l->arch);
    m->hyper.L = (int)list->count;
    r->v->blocks = glim__arena_calloc(&m->arena, list->count, sizeof *r->v->blocks);
    if (!r->v->blocks)
        return glim__oom(m->ctx, r->err, "the blocks", list->count * sizeof *r->v->blocks);
    glim_status status = GLIM_OK;
    for (int i = 0; i < m->hyper.L && !status; i++)
        status = load_block(r, i, glim__gguf_next_string(list, &cursor));
    return status;
}

static glim_status load_eye(struct reading *r) {
    glim_vision_eye *eye = &r->v->eye;
    glim_status status;
    eye->rescale = 1;
    if ((status = glim__load_real(r->l, "vision.share", false, &eye->share, r->err)) ||
        (status = glim__load_real(r->l, "vision.rescale", false, &eye->rescale, r->err)) ||
        (status = glim__load_int(r->l, "vision.shortest", 0, GLIM_VISION_SIDE, false,
                                 &eye->shortest, r->err)) ||
        (status = glim__load_vector(r->l, "vision.mean", -1, 3, true, &eye->mean, r->err)) ||
        (status = glim__load_vector(r->l, "vision.std", -1, 3, true, &eye->std, r->err)))
        return status;
    int shorter = r->v->height < r->v->width ? r->v->height : r->v->width;
    bool cut = eye->shortest && (eye->shortest < r->v->height || eye->shortest < r->v->width);
    if (eye->share < 0 || eye->share > 1 || !(eye->rescale > 0) || cut || shorter < 1)
        return glim_fail(r->err, GLIM_EFORMAT,
                         "a share of %g, a scale of %g and a shorter side of %d do not make %d x "
                         "%d pixels",
                         eye->share, eye->rescale, eye->shortest, r->v->width, r->v->height);
    for (int c = 0; c < 3; c++)
        if (!(eye->std[c] > 0))
            return glim_fail(r->err, GLIM_EFORMAT, "a standard deviation of pixels is %g",
                             (double)eye->std[c]);
    return GLIM_OK;
}

static glim_status load_end(struct reading *r) {
    glim_model *m = r->l->m;
    char name[NAME];
    int classes = 0;
    glim_status status = glim__load_int(r->l, "vision.classes", 1, 1 << 20, true, &classes, r->err);
    m->outputs = classes;
    m->hyper.C = r->channels;
    snprintf(name, sizeof name, "%s.weight", r->names->classifier);
    if (!status)
        status = glim__load_matrix(r->l, name, -1, classes, r->channels, true, &m->head, r->err);
    snprintf(name, sizeof name, "%s.bias", r->names->classifier);
    if (!status)
        status = glim__load_vector(r->l, name, -1, classes, true, &m->head_bias, r->err);
    return status ? status : glim__load_labels(r->l, r->err);
}

static glim_status load_settings(struct reading *r, int *stem, int *head) {
    glim_loader *l = r->l;
    glim_gguf_string padding = {"same", 4}, layout = {"oihw", 4};
    glim_status status;
    if ((status = glim__load_int(l, "vision.height", 1, GLIM_VISION_SIDE, true, &r->v->height,
                                 r->err)) ||
        (status =
             glim__load_int(l, "vision.width", 1, GLIM_VISION_SIDE, true, &r->v->width, r->err)) ||
        (status = glim__load_int(l, "vision.stem", 1, MOST_CHANNELS, true, stem, r->err)) ||
        (status = glim__load_int(l, "vision.head", 1, MOST_CHANNELS, true, head, r->err)) ||
        (status = glim__load_real(l, "vision.eps", true, &r->eps, r->err)) ||
        (status = glim__load_text(l, "vision.padding", &padding, r->err)) ||
        (status = glim__load_text(l, "vision.layout", &layout, r->err)))
        return status;
    r->same = padding.len == 4 && !memcmp(padding.data, "same", 4);
    r->in_first = layout.len == 4 && !memcmp(layout.data, "hwio", 4);
    r->height = r->v->height;
    r->width = r->v->width;
    r->channels = 3;
    return GLIM_OK;
}

glim_status glim__load_vision(glim_loader *l, const glim_vision_names *names, glim_error *err) {
    glim_model *m = l->m;
    struct reading r = {.l = l, .names = names, .err = err};
    int stem = 0, head = 0;
    r.v = glim__arena_calloc(&m->arena, 1, sizeof *r.v);
    if (!r.v)
        return glim__oom(m->ctx, err, "the model", sizeof *r.v);
    glim_status status = load_settings(&r, &stem, &head);
    r.v->stem = (glim_conv){.kernel = 3, .stride = 2, .out_c = stem};
    r.v->head = (glim_conv){.kernel = 1, .stride = 1, .out_c = head};
    bound(&r.v->stem, true);
    bound(&r.v->head, true);
    if (status || (status = load_conv(&r, names->stem, &r.v->stem)) || (status = load_blocks(&r)) ||
        (status = load_conv(&r, names->head, &r.v->head)) || (status = load_end(&r)) ||
        (status = load_eye(&r)))
        return status;
    m->task = GLIM_TASK_IMAGE;
    m->vision = r.v;
    return GLIM_OK;
}
