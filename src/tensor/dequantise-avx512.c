/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking with AVX-512; compiled without contraction. */
#define SET(name) name##_avx512
#define VL        16
#include "tensor/dequantise-vector.inc"
