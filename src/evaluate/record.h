/* SPDX-License-Identifier: Apache-2.0 */
/* record.h: an evaluation as bytes that are kept, and back, bit by bit (record.c). */
#ifndef GLIM_EVALUATE_RECORD_H
#define GLIM_EVALUATE_RECORD_H

#include "base/packing.h"

#include <glim/evaluate.h>

/* Appends the evaluation of one explanation. */
void glim__evaluation_write(glim_buffer *b, const glim_evaluation *e);
/* Reads it back by metrics (NULL-terminated; NULL = all), which are those that it was made
   with. Errors: EFORMAT (other metrics, too few bytes), ENOMEM. */
glim_status glim__evaluation_read(glim_evaluation **out, glim_context *ctx, glim_unpacking *r,
                                  const glim_metric *const *metrics, glim_error *err);

#endif
