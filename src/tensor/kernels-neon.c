/* SPDX-License-Identifier: Apache-2.0 */
/* The set neon: 12 rows of two 4-float vectors fill 24 of 32 registers. */
#define SET(name) name##_neon
#define SET_NAME  "neon"
#define VL        4
#define TILE_ROWS 12
#include "tensor/kernels-vector.inc"
