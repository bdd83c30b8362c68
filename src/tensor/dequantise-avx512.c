/* SPDX-License-Identifier: Apache-2.0 */
/* Dequantisation compiled for the set avx512. */
#define SET(name) name##_avx512
#include "tensor/dequantise.inc"
