/* SPDX-License-Identifier: Apache-2.0 */
/*
 * palette.h: the signed colours, eleven steps from -5 (lowers the target) to +5
 * (raises it); chosen so that neighbours differ for all kinds of colour vision
 * and text keeps a contrast of at least 4.9 : 1. One table for all views.
 */
#ifndef GLIM_VIEW_PALETTE_H
#define GLIM_VIEW_PALETTE_H

#include <math.h>
#include <stdint.h>

enum { GLIM_STEPS = 5 };

typedef struct glim_shade {
    uint32_t back; /* 0xrrggbb */
    uint32_t text;
    int ansi256; /* background; -1 = none */
} glim_shade;

static const glim_shade glim_shades[2 * GLIM_STEPS + 1] = {
    {0x0060bb, 0xffffff, 25},  {0x3687e7, 0x111111, 32},  {0x67a4f1, 0x111111, 75},
    {0x98c2f9, 0x111111, 117}, {0xcbe0fc, 0x111111, 189}, {0xffffff, 0x111111, -1},
    {0xf9d5c6, 0x111111, 224}, {0xf1ad8f, 0x111111, 216}, {0xe48559, 0x111111, 173},
    {0xd45f1d, 0x111111, 166}, {0xa04001, 0xffffff, 124}};

/* -5 .. 5 for a score within [-limit, limit]. */
static inline int glim__step(double score, double limit) {
    if (!(limit > 0) || !isfinite(score))
        return 0;
    double x = round(score / limit * GLIM_STEPS);
    return x < -GLIM_STEPS ? -GLIM_STEPS : x > GLIM_STEPS ? GLIM_STEPS : (int)x;
}

#endif
