/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking with AVX2; compiled without contraction. */
#define SET(name) name##_avx2
#define VL        8
#include "tensor/dequantise-vector.inc"
