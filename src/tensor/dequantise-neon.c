/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking with NEON; compiled without contraction. */
#define SET(name) name##_neon
#define VL        4
#include "tensor/dequantise-vector.inc"
