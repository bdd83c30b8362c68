/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of pictures from a directory. MobileNet-V2's blocks follow from a few numbers of
 * config.json, as in transformers' modelling file; what scripts/fetch makes of
 * EfficientNet-Lite lists them. How a picture becomes pixels stands in
 * preprocessor_config.json, or in the member `preprocess`.
 */
#include "model/published.h"
#include "model/vision.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BLOCKS = 512, MOST_CHANNELS = 1 << 16 };

/* Blocks as texts "kernel stride expanded out" (vision-load.c). */
struct blocks {
    int n;
    char text[MOST_BLOCKS][64];
    const char *at[MOST_BLOCKS];
};

static void add_block(struct blocks *b, int64_t kernel, int64_t stride, int64_t expanded,
                      int64_t out) {
    if (b->n == MOST_BLOCKS)
        return;
    snprintf(b->text[b->n], sizeof b->text[0], "%d %d %d %d", (int)kernel, (int)stride,
             (int)expanded, (int)out);
    b->at[b->n] = b->text[b->n];
    b->n++;
}

static void put_blocks(glim_published *p, const struct blocks *b) {
    char key[64];
    snprintf(key, sizeof key, "%s.vision.blocks", p->family->arch);
    if (!p->status && !glim__gguf_put_texts(p->g, key, b->at, (size_t)b->n))
        p->status = glim__oom(p->d->ctx, p->err, "the blocks", (uint64_t)b->n * 64);
}

static void put_size(glim_published *p, int64_t height, int64_t width) {
    glim__published_put_int(p, "vision.height", height);
    glim__published_put_int(p, "vision.width", width);
}

/* Three numbers, from a list or the same for all. */
static void put_three(glim_published *p, const char *name, const json_t *list, float otherwise) {
    float v[3] = {otherwise, otherwise, otherwise};
    for (size_t i = 0; i < 3 && list; i++) {
        const json_t *x = json_array_get(list, i);
        if (!json_is_number(x) || json_array_size(list) != 3)
            glim__published_refuse(p, GLIM_EFORMAT, name, "it is no list of three numbers");
        v[i] = (float)json_number_value(x);
    }
    if (!p->status && !glim__gguf_put_floats(p->g, name, v, 3))
        p->status = glim__oom(p->d->ctx, p->err, name, sizeof v);
}

static void put_classes(glim_published *p) {
    int64_t n = (int64_t)json_object_size(json_object_get(p->config, "id2label"));
    if (!n)
        n = 2; /* transformers' default */
    glim__published_int(p, p->config, "num_labels", &n);
    glim__published_put_int(p, "vision.classes", n);
    glim__published_labels(p);
}

/* ---- EfficientNet-Lite ---- */

static int64_t member(glim_published *p, const json_t *o, const char *key, int64_t min,
                      int64_t max) {
    int64_t v = -1;
    if (!glim__published_int(p, o, key, &v) || v < min || v > max)
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is missing or out of range");
    return v;
}

static void efficientnet_keys(glim_published *p) {
    struct blocks *b = glim__calloc(p->d->ctx, 1, sizeof *b);
    const json_t *list = json_object_get(p->config, "blocks"), *o;
    const json_t *how = json_object_get(p->config, "preprocess");
    const char *layout = json_string_value(json_object_get(p->config, "kernel_layout"));
    size_t i;
    double share = 0;
    if (!b) {
        p->status = p->status ? p->status : glim__oom(p->d->ctx, p->err, "the blocks", sizeof *b);
        return;
    }
    json_array_foreach(list, i, o) {
        add_block(b, member(p, o, "kernel", 1, GLIM_CONV_KERNEL), member(p, o, "stride", 1, 2),
                  member(p, o, "expanded", 0, MOST_CHANNELS),
                  member(p, o, "out", 1, MOST_CHANNELS));
    }
    put_blocks(p, b);
    glim__free(p->d->ctx, b);
    int64_t size = member(p, p->config, "image_size", 1, GLIM_VISION_SIDE);
    put_size(p, size, size);
    glim__published_copy_int(p, "stem_channels", "vision.stem", true);
    glim__published_copy_int(p, "head_channels", "vision.head", true);
    glim__published_copy_real(p, "batch_norm_eps", "vision.eps", true);
    if (layout && strcmp(layout, "hwio") && strcmp(layout, "oihw"))
        glim__published_refuse(p, GLIM_EFORMAT, "kernel_layout", "it is neither hwio nor oihw");
    glim__published_put_text(p, "vision.layout", layout ? layout : "oihw");
    if (glim__published_real(p, how, "crop_share", &share))
        glim__published_put_real(p, "vision.share", share);
    put_three(p, "vision.mean", json_object_get(how, "mean"), 127);
    put_three(p, "vision.std", json_object_get(how, "std"), 128);
    put_classes(p);
}

/* ---- MobileNet-V2 ---- */

struct mobile {
    double multiplier;
    int64_t divisor, least;
};

static int64_t divisible(double value, int64_t divisor, int64_t least) {
    int64_t v = (int64_t)(value + (double)divisor / 2) / divisor * divisor;
    v = v > least ? v : least;
    return (double)v < 0.9 * value ? v + divisor : v;
}

static int64_t times(const struct mobile *m, double channels, double by) {
    return divisible(nearbyint(channels * by), m->divisor, m->least);
}

static void mobile_blocks(glim_published *p, struct blocks *b, const struct mobile *m) {
    static const int widths[] = {16, 24, 24, 32, 32,  32,  64,  64, 64,
                                 64, 96, 96, 96, 160, 160, 160, 320};
    static const int strides[] = {2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1};
    double ratio = 6;
    glim__published_real(p, p->config, "expand_ratio", &ratio);
    if (!(ratio > 0 && ratio < 1000))
        glim__published_refuse(p, GLIM_EFORMAT, "expand_ratio", "it is out of range");
    int64_t stem = times(m, 32, m->multiplier), in = times(m, widths[0], m->multiplier);
    bool expands = !glim__published_true(p, "first_layer_is_expansion", true);
    add_block(b, 3, 1, expands ? stem : 0, in);
    for (int i = 0; i < 16; i++) {
        int64_t out = times(m, widths[i + 1], m->multiplier);
        add_block(b, 3, strides[i], times(m, (double)in, ratio), out);
        in = out;
    }
}

/* {"shortest_edge": 256}, {"height": 224, "width": 224} or 224. */
static void read_size(glim_published *p, const json_t *o, const char *key, int64_t *height,
                      int64_t *width, int64_t *shortest) {
    const json_t *size = json_object_get(o, key);
    *shortest = 0;
    if (json_is_integer(size))
        *height = *width = json_integer_value(size);
    else if (json_object_get(size, "shortest_edge"))
        glim__published_int(p, size, "shortest_edge", shortest);
    else if (size && (!glim__published_int(p, size, "height", height) ||
                      !glim__published_int(p, size, "width", width)))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, key, "it is no size that is known");
}

static bool is_on(const json_t *o, const char *key) {
    return !json_is_false(json_object_get(o, key));
}

static void mobile_eye(glim_published *p, int64_t side) {
    json_t *o = NULL;
    int64_t h = side, w = side, shortest, crop_h = side, crop_w = side, none, resample = 2;
    double rescale = 1.0 / 255;
    glim_status status = glim__directory_json(p->d, "preprocessor_config.json", &o, p->err);
    p->status = p->status ? p->status : status;
    read_size(p, o, "size", &h, &w, &shortest);
    read_size(p, o, "crop_size", &crop_h, &crop_w, &none);
    if (!o)
        shortest = 256;
    glim__published_int(p, o, "resample", &resample);
    glim__published_real(p, o, "rescale_factor", &rescale);
    if (resample != 2)
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "resample",
                               "preprocessor_config.json asks for a resize that is not bilinear");
    if (o && (!is_on(o, "do_resize") || !is_on(o, "do_rescale")))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "do_resize",
                               "preprocessor_config.json switches off resizing or rescaling");
    bool crop = is_on(o, "do_center_crop"), normal = is_on(o, "do_normalize");
    if (shortest && !crop)
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "do_center_crop",
                               "without it pictures have no common size");
    put_size(p, crop ? crop_h : h, crop ? crop_w : w);
    if (shortest)
        glim__published_put_int(p, "vision.shortest", shortest);
    glim__published_put_real(p, "vision.rescale", rescale);
    put_three(p, "vision.mean", normal ? json_object_get(o, "image_mean") : NULL,
              normal ? 0.5f : 0);
    put_three(p, "vision.std", normal ? json_object_get(o, "image_std") : NULL, normal ? 0.5f : 1);
    json_decref(o);
}

static void mobilenet_keys(glim_published *p) {
    struct mobile m = {1, 8, 8};
    struct blocks *b = glim__calloc(p->d->ctx, 1, sizeof *b);
    int64_t stride = 32, side = 224, channels = 3;
    double eps = 1e-3;
    glim__published_real(p, p->config, "depth_multiplier", &m.multiplier);
    glim__published_int(p, p->config, "depth_divisible_by", &m.divisor);
    glim__published_int(p, p->config, "min_depth", &m.least);
    glim__published_int(p, p->config, "output_stride", &stride);
    glim__published_int(p, p->config, "image_size", &side);
    glim__published_int(p, p->config, "num_channels", &channels);
    glim__published_real(p, p->config, "layer_norm_eps", &eps);
    if (!b && !p->status)
        p->status = glim__oom(p->d->ctx, p->err, "the blocks", sizeof *b);
    if (!(m.multiplier > 0 && m.multiplier < 100) || m.divisor < 1 || m.divisor > 1024 ||
        m.least < 1 || m.least > 1024)
        glim__published_refuse(p, GLIM_EFORMAT, "depth_multiplier", "the widths are out of range");
    if (stride != 32)
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "output_stride",
                               "kernels with holes are not supported");
    if (channels != 3)
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "num_channels", "pictures have three");
    if (p->status || !b) {
        glim__free(p->d->ctx, b);
        return;
    }
    mobile_blocks(p, b, &m);
    put_blocks(p, b);
    glim__free(p->d->ctx, b);
    bool fine = glim__published_true(p, "finegrained_output", true) && m.multiplier < 1;
    glim__published_put_int(p, "vision.stem", times(&m, 32, m.multiplier));
    glim__published_put_int(p, "vision.head", fine ? 1280 : times(&m, 1280, m.multiplier));
    glim__published_put_real(p, "vision.eps", eps);
    glim__published_put_text(p, "vision.padding",
                             glim__published_true(p, "tf_padding", true) ? "same" : "half");
    put_classes(p);
    mobile_eye(p, side);
}

/* Tensors keep their own names, which are also those that loading asks for. */
static const glim_published_name none[] = {{NULL, NULL}};

const glim_published_family glim__published_efficientnet = {.type = "efficientnet_lite",
                                                            .arch = "efficientnet-lite",
                                                            .act_key = "hidden_act",
                                                            .act = "relu6",
                                                            .names = none,
                                                            .outside = none,
                                                            .tied = true,
                                                            .keys = efficientnet_keys};
const glim_published_family glim__published_mobilenet = {.type = "mobilenet_v2",
                                                         .arch = "mobilenet-v2",
                                                         .act_key = "hidden_act",
                                                         .act = "relu6",
                                                         .names = none,
                                                         .outside = none,
                                                         .tied = true,
                                                         .keys = mobilenet_keys};
