/* SPDX-License-Identifier: Apache-2.0 */
/* memo.h: what a predictor said of masks, so that methods and metrics ask each once. */
#ifndef GLIM_PREDICT_MEMO_H
#define GLIM_PREDICT_MEMO_H

#include "predict/predictor.h"

typedef struct glim_memo glim_memo;

/* From here on p->values remembers, until the memo is closed, which must be before p is freed.
   It takes some MiB at most, and a sixteenth of what the budget leaves; *out stays NULL where there
   is no use for it. Errors: ENOMEM. */
glim_status glim__memo_open(glim_memo **out, glim_predictor *p, glim_error *err);
void glim__memo_close(glim_memo *m); /* NULL is fine */
/* Masks that were answered from memory so far. */
uint64_t glim__memo_hits(const glim_memo *m);

#endif
