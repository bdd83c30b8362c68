/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EfficientNet-Lite (Tan, Le 2019 without squeezing, with ReLU6) as scripts/fetch writes
 * it, and MobileNet-V2 (Sandler et al. 2018) as published. Their blocks are the same; the
 * lists of them come from config.json (published-vision.c).
 */
#include "model/vision.h"

static glim_status load_efficientnet(glim_loader *l, glim_error *err) {
    static const glim_vision_names names = {.stem = "stem",
                                            .first = "blocks.0.",
                                            .blocks = "blocks.",
                                            .head = "head",
                                            .classifier = "classifier",
                                            .expand = "expand",
                                            .depthwise = "depthwise",
                                            .project = "project",
                                            .weight = ".conv.weight",
                                            .norm = ".norm."};
    return glim__load_vision(l, &names, err);
}

static glim_status load_mobilenet(glim_loader *l, glim_error *err) {
    static const glim_vision_names names = {.stem = "mobilenet_v2.conv_stem.first_conv",
                                            .first = "mobilenet_v2.conv_stem.",
                                            .blocks = "mobilenet_v2.layer.",
                                            .head = "mobilenet_v2.conv_1x1",
                                            .classifier = "classifier",
                                            .expand = "expand_1x1",
                                            .depthwise = "conv_3x3",
                                            .project = "reduce_1x1",
                                            .weight = ".convolution.weight",
                                            .norm = ".normalization.",
                                            .shift = 1};
    return glim__load_vision(l, &names, err);
}

const glim_architecture glim__arch_efficientnet = {.name = "efficientnet-lite",
                                                   .load = load_efficientnet};
const glim_architecture glim__arch_mobilenet = {.name = "mobilenet-v2", .load = load_mobilenet};
