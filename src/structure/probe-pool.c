/* SPDX-License-Identifier: Apache-2.0 */
/* One vector of some rows, and the sequence that makes them. */
#include "structure/probe-store.h"

#include <string.h>

void glim__probe_pool(const float *x, size_t width, size_t from, size_t to, const char *how,
                      float *out) {
    size_t one = !strcmp(how, "last") ? to - 1 : from;
    if (strcmp(how, "mean") != 0) {
        memcpy(out, x + one * width, width * sizeof *out);
        return;
    }
    for (size_t j = 0; j < width; j++) {
        double sum = 0;
        for (size_t t = from; t < to; t++)
            sum += (double)x[t * width + j];
        out[j] = (float)(sum / (double)(to - from));
    }
}

/* What writes tokens is asked for none; other models cannot be asked for nothing. */
glim_sequence glim__probe_sequence(const glim_model *m, const glim_probe_input *in,
                                   const uint32_t *zero) {
    if (m->encoder)
        return (glim_sequence){.ids = &m->start, .count = 1};
    return (glim_sequence){.ids = in->ids,
                           .types = in->types,
                           .count = in->n,
                           .wanted = zero,
                           .n_wanted = m->task != GLIM_TASK_GENERATE};
}
