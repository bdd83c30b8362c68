/* SPDX-License-Identifier: Apache-2.0 */
/* embedding.h: what the files behind glim_embed share. */
#ifndef GLIM_REDUCE_EMBED_H
#define GLIM_REDUCE_EMBED_H

#include "reduce/tsne.h"

/* Defaults filled in, for n points; perplexity lowered where they are few. Errors: EUSAGE. */
glim_status glim__embed_options(glim_map_options *out, size_t n, size_t width,
                                const glim_map_options *given, glim_error *err);
/* x as the search sees it: a copy with rows of length one, or x itself; free unless it is x. */
glim_status glim__embed_rows(const float **out, glim_context *ctx, const float *x, size_t n,
                             size_t width, bool normalise, glim_error *err);
/* Rows (m, width) less the mean, times the components: (m, pca). */
void glim__embed_project(const glim_embedding *map, const float *rows, size_t m, float *out);
/* The descent from `start` (n, 2); fills xy, kl, history and snapshots. */
glim_status glim__embed_descend(glim_embedding *map, const glim_affinity *p, const float *start,
                                glim_error *err);

#endif
