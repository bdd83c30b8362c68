/* SPDX-License-Identifier: Apache-2.0 */
/*
 * palette.h: the colours of scores, for all views. Signed ones in eleven steps from -5
 * (lowers the target) to +5 (raises it), sizes without a sign in eight; chosen so that
 * neighbours differ for all kinds of colour vision and text keeps a contrast of at least
 * 4.9 : 1. web/src/report.css has the same.
 */
#ifndef GLIM_VIEW_PALETTE_H
#define GLIM_VIEW_PALETTE_H

#include <math.h>
#include <stdint.h>

enum { GLIM_STEPS = 5, GLIM_AMOUNTS = 8 };

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

static const glim_shade glim_amounts[GLIM_AMOUNTS + 1] = {
    {0xffffff, 0x111111, -1}, {0xcbefb0, 0x111111, 193}, {0x7bdd9d, 0x111111, 115},
    {0x0dc3a4, 0x111111, 43}, {0x0aa0a3, 0x111111, 37},  {0x037f99, 0xffffff, 30},
    {0x025e8e, 0xffffff, 24}, {0x1f3c79, 0xffffff, 18},  {0x262348, 0xffffff, 17}};

/* 0 .. 8 for a size up to limit. */
static inline int glim__amount(double score, double limit) {
    if (!(limit > 0) || !isfinite(score))
        return 0;
    double x = round(fabs(score) / limit * GLIM_AMOUNTS);
    return x > GLIM_AMOUNTS ? GLIM_AMOUNTS : (int)x;
}

/* -5 .. 5 for a score within [-limit, limit]. */
static inline int glim__step(double score, double limit) {
    if (!(limit > 0) || !isfinite(score))
        return 0;
    double x = round(score / limit * GLIM_STEPS);
    return x < -GLIM_STEPS ? -GLIM_STEPS : x > GLIM_STEPS ? GLIM_STEPS : (int)x;
}

#endif
