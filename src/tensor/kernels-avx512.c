/* SPDX-License-Identifier: Apache-2.0 */
/* The set avx512: 12 rows of two 16-float vectors fill 24 of 32 registers. */
#define SET(name) name##_avx512
#define SET_NAME  "avx512"
#define VL        16
#define TILE_ROWS 12
#include "tensor/kernels-vector.inc"
