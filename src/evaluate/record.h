/* SPDX-License-Identifier: Apache-2.0 */
/* record.h: an evaluation as bytes that are kept, and back, bit by bit (record.c). */
#ifndef GLIM_EVALUATE_RECORD_H
#define GLIM_EVALUATE_RECORD_H

#include "base/buffer.h"

#include <glim/evaluate.h>

/* What is read from the front of bytes on; `failed` stays when they end too soon. */
typedef struct glim_reading {
    const char *at, *end;
    bool failed;
} glim_reading;

void glim__record_number(glim_buffer *b, uint64_t n);
void glim__record_real(glim_buffer *b, double x);      /* by its bits */
void glim__record_text(glim_buffer *b, const char *s); /* NULL stays NULL */
uint64_t glim__reading_number(glim_reading *r);
double glim__reading_real(glim_reading *r);
const char *glim__reading_text(glim_reading *r); /* in the bytes */

/* Appends the evaluation of one explanation. */
void glim__evaluation_write(glim_buffer *b, const glim_evaluation *e);
/* Reads it back by metrics (NULL-terminated; NULL = all), which are those that it was made
   with. Errors: EFORMAT (other metrics, too few bytes), ENOMEM. */
glim_status glim__evaluation_read(glim_evaluation **out, glim_context *ctx, glim_reading *r,
                                  const glim_metric *const *metrics, glim_error *err);

#endif
