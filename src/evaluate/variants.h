/* SPDX-License-Identifier: Apache-2.0 */
/* variants.h: the same text written otherwise, in ways that do not change what it says. */
#ifndef GLIM_EVALUATE_VARIANTS_H
#define GLIM_EVALUATE_VARIANTS_H

#include "base/buffer.h"
#include "evaluate/metrics.h"

typedef enum glim_variant_kind {
    GLIM_VARIANT_LOWER,       /* no capitals */
    GLIM_VARIANT_TITLE,       /* A Capital Begins Each Word */
    GLIM_VARIANT_PUNCTUATION, /* a full stop or ! at the end goes, or a full stop comes */
    GLIM_VARIANT_SPACE,       /* one of the spaces twice */
    GLIM_VARIANT_WIDTH,       /* of Chinese: punctuation in the other width */
    GLIM_VARIANT_TYPO /* in one word two letters change places, or one goes or comes twice */
} glim_variant_kind;
enum { GLIM_VARIANTS = 6 };

/* Writes the variant into out, which is cleared first. draw tells typos apart. False when the
   text has none: it would be the same. out.failed when memory is refused. */
bool glim__variant(glim_buffer *out, const char *text, size_t n, glim_variant_kind kind,
                   uint64_t seed, uint64_t draw);

/* Which scored unit of b each of a is, other (units of a), SIZE_MAX = none. Texts are compared
   without case, spaces and punctuation. in_order: by the longest common subsequence, and as many
   that stand between two of it on both sides are the same words, however written; else equal words
   are the same wherever they stand. Errors: ENOMEM, EBUDGET. */
glim_status glim__words_align(glim_context *ctx, const glim_document *a, const glim_document *b,
                              bool in_order, size_t *other, glim_error *err);

#endif
