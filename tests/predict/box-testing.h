/* SPDX-License-Identifier: Apache-2.0 */
/* box-testing.h: what the tests of black boxes share. */
#ifndef GLIM_TESTS_BOX_TESTING_H
#define GLIM_TESTS_BOX_TESTING_H

#include "../base/base-testing.h"

#include "predict/black-box.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static inline glim_context *begin(void) {
    glim_context *ctx;
    glim_error err;
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, &err))
        fail_msg("%s", err.message);
    return ctx;
}

static inline glim_black_box *open_box(glim_context *ctx, const char *spec,
                                       const glim_black_box_options *options) {
    glim_black_box *box;
    glim_error err = {0};
    if (glim_black_box_open(&box, ctx, spec, options, &err))
        fail_msg("%s", err.message);
    return box;
}

/* Asks for texts; the values are copied to out. */
static inline glim_status ask(glim_black_box *box, const char *const *texts, size_t n, double *out,
                              glim_error *err) {
    glim_input in[16];
    double *values = NULL;
    for (size_t i = 0; i < n; i++)
        in[i] = (glim_input){texts[i], strlen(texts[i])};
    glim_status status = glim_black_box_ask(box, in, n, &values, err);
    if (values && out)
        memcpy(out, values, n * glim_black_box_facts(box)->n_classes * sizeof *out);
    glim_black_box_values_free(box, values);
    return status;
}

#endif
