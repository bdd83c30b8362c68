/* SPDX-License-Identifier: Apache-2.0 */
/* heads.h: the random texts that heads are told by. */
#ifndef GLIM_STRUCTURE_HEADS_H
#define GLIM_STRUCTURE_HEADS_H

#include "model/model.h"

#include <glim/heads.h>

/* How a text of `length` tokens twice is laid out: they begin at `from`. Errors: EUSAGE, ELIMIT. */
typedef struct glim_heads_text {
    size_t from, length, n;
} glim_heads_text;
glim_status glim__heads_lay_out(glim_heads_text *out, const glim_model *m, size_t length,
                                glim_error *err);
/* ids [n] of text number `draw`. Errors: EUSAGE (too few tokens). */
glim_status glim__heads_draw(const glim_heads_text *t, const glim_model *m, uint64_t seed,
                             size_t draw, int32_t *ids, glim_error *err);

#endif
