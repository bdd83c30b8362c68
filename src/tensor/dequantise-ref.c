/* SPDX-License-Identifier: Apache-2.0 */
/* Dequantisation compiled for the set ref. */
#define SET(name) name##_ref
#include "tensor/dequantise.inc"
