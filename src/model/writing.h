/* SPDX-License-Identifier: Apache-2.0 */
/* writing.h: what greedy writing and beam search share. */
#ifndef GLIM_MODEL_WRITING_H
#define GLIM_MODEL_WRITING_H

#include "model/model.h"

struct glim_writer {
    const glim_model *m;
    glim_session *s; /* its cache holds a beginning of what is written */
    glim_tokens *tokens;
    glim_sequence source;
    const glim_hook *hooks;
    size_t n_hooks;
    int32_t *read_ids;
    bool read;    /* the encoder has run */
    int32_t *ids; /* [most + 2] the start token, then what is written */
    size_t most, written;
    float *scores; /* [beams][V] */
};

/* Puts ids[cached, count) into the cache; the last one's logits are ready then. */
glim_status glim__writer_feed(struct glim_writer *w, const int32_t *ids, size_t count,
                              glim_error *err);
/* Log-probabilities (V) of the token behind `written` others, as far as it may come. */
void glim__writer_judge(const struct glim_writer *w, const float *logits, size_t written,
                        float *out);
glim_status glim__writer_append(struct glim_writer *w, const int32_t *ids, size_t n,
                                glim_error *err);
glim_status glim__write_in_beams(struct glim_writer *w, const glim_writing *how,
                                 bool (*each)(void *, int32_t, double), void *data,
                                 glim_error *err);

#endif
