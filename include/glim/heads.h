/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads.h: attention heads that do one thing, found by where they look in random tokens that are
 * repeated. There is nothing to understand in them, so a head that looks back to the last
 * occurrence of a token, or to what followed it, does so by rule (Elhage et al. 2021; Olsson et
 * al. 2022, arXiv:2209.11895, "prefix matching").
 */
#ifndef GLIM_HEADS_H
#define GLIM_HEADS_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glim_heads_options {
    size_t length; /* tokens that are repeated once; 0 = 50, or half of a shorter context */
    size_t draws;  /* texts of them; 0 = 4 */
    size_t top;    /* heads of each kind that are named; 0 = 5 */
    uint64_t seed;
} glim_heads_options;

/* A document of the kind "structure": "heads-previous", "heads-duplicate" and "heads-induction",
   grids (layers, heads) of the mean share of attention that goes to the token before; from the
   second occurrence of a token to the first; and to the token behind the first; and "heads", the
   strongest. Each text begins as the model's texts do (BOS), then come `length` different tokens
   twice. On ECANCELLED a partial document. Errors: EUSAGE (encoder-decoders, pictures, too few
   tokens in the vocabulary), ELIMIT (beyond the context), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_heads_detect(glim_document **out, const glim_model *model,
                                       const glim_heads_options *options, glim_error *err);
/* What that takes. */
GLIM_API glim_status glim_heads_plan(glim_plan *out, const glim_model *model,
                                     const glim_heads_options *options, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
