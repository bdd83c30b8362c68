/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tiles.h: squares of 256 x 256 bytes cut from attention patterns when they are asked for,
 * so that a page shows 4,096 tokens of a thousand heads without having them. The patterns
 * lie in a file as `glim attention --raw FILE.npy [--half] [--raw-layers A-B]` writes it,
 * which is mapped: (layers, heads, rows, columns), float16 or float32.
 *
 * At level 0 a byte is one weight; at each level above the mean over 2 x 2 of the level
 * below. Means are over the weights that can be seen: of a causal pattern those on and
 * below the diagonal. A byte x stands for scale * (x / 255)^2, which keeps small weights
 * apart; scale is the largest mean of the tile.
 */
#ifndef GLIM_VIEW_TILES_H
#define GLIM_VIEW_TILES_H

#include "file/npy-map.h"

enum { TILE_SIDE = 256, TILE_BYTES = TILE_SIDE * TILE_SIDE };

typedef struct glim_tiles {
    glim_context *ctx;
    glim_npy npy;
    size_t layers, heads, rows, columns;
    bool causal;
} glim_tiles;

/* layer counts those in the file; row and column are tiles, not tokens. */
typedef struct glim_tile {
    size_t layer, head, row, column;
    int level;
} glim_tile;

/* Errors: EIO, EFORMAT (not four dimensions), ENOMEM, EBUDGET. */
glim_status glim__tiles_open(glim_tiles *t, glim_context *ctx, const char *path, bool causal,
                             glim_error *err);
void glim__tiles_close(glim_tiles *t);
/* The level at which a whole pattern is one tile. */
int glim__tiles_top(const glim_tiles *t);
/* Fills out[TILE_BYTES], row after row; what lies beyond the pattern is 0. The same bytes for
   any number of threads. Errors: EUSAGE (there is no such tile), ENOMEM, EBUDGET. */
glim_status glim__tiles_cut(const glim_tiles *t, const glim_tile *at, uint8_t *out, float *scale,
                            glim_error *err);

#endif
