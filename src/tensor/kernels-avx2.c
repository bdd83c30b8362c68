/* SPDX-License-Identifier: Apache-2.0 */
/* The set avx2: 6 rows of two 8-float vectors fill 12 of 16 registers. */
#define SET(name) name##_avx2
#define SET_NAME  "avx2"
#define VL        8
#define TILE_ROWS 6
#include "tensor/kernels-vector.inc"
