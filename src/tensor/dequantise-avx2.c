/* SPDX-License-Identifier: Apache-2.0 */
/* Dequantisation compiled for the set avx2. */
#define SET(name) name##_avx2
#include "tensor/dequantise.inc"
