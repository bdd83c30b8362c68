/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors.h: samples as vectors: the rows of a model's last block, behind its final norm if
 * it has one, pooled as its head pools them or by their mean; of an encoder-decoder the rows
 * of the text that is read. So a classifier's head reads just these vectors.
 */
#ifndef GLIM_INFLUENCE_VECTORS_H
#define GLIM_INFLUENCE_VECTORS_H

#include "influence/passes.h"

typedef struct glim_vectors {
    const glim_model *model;
    glim_samples *samples;
    size_t width, cut; /* cut: how many samples so far were longer than the context */
    void *data;
    /* A sample's vector (width), valid during the call; samples come in order. */
    glim_status (*take)(void *data, size_t sample, const float *vector, glim_error *err);
    /* Behind samples first .. first + count - 1; may be NULL. */
    glim_status (*batch)(void *data, size_t first, size_t count, const double *loss,
                         glim_error *err);
} glim_vectors;

/* Fills width. */
void glim__vectors_init(glim_vectors *v, const glim_model *model, glim_samples *samples);
/* Vectors of samples first .. first + count - 1. Errors: those of passes and of `take`. */
glim_status glim__vectors_run(glim_vectors *v, size_t first, size_t count, glim_error *err);
/* Divides by the length; false (and all 0) when that is 0. */
bool glim__vector_unit(float *v, size_t n);
double glim__vector_dot(const float *a, const float *b, size_t n);

#endif
