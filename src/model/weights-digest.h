/* SPDX-License-Identifier: Apache-2.0 */
/* weights-digest.h: a model by its weights, for keys of what is kept (file/store.h). */
#ifndef GLIM_MODEL_WEIGHTS_DIGEST_H
#define GLIM_MODEL_WEIGHTS_DIGEST_H

#include "file/store.h"
#include "model/model.h"

/* Adds all weights in full, since fine-tunes and checkpoints of one model have the same
   header, and what was put on the end of a cut one. Errors: ECANCELLED. */
glim_status glim__digest_weights(glim_digest *d, const glim_model *m, glim_error *err);

#endif
