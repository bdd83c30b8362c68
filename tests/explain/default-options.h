/* SPDX-License-Identifier: Apache-2.0 */
/* A method's defaults, with the word that one asks for before it does anything. */
#ifndef GLIM_TESTS_DEFAULT_OPTIONS_H
#define GLIM_TESTS_DEFAULT_OPTIONS_H

#include <stdlib.h>

#include <glim/explain.h>

/* Free with free(). */
static inline void *default_options(const glim_method *m) {
    void *opts = calloc(1, m->opts_size + 1);
    const glim_param *word = m->params ? glim_param_find(m->params, "accept-patent-note") : NULL;
    if (m->params)
        glim_param_defaults(m->params, opts);
    if (word && glim_param_set(word, opts, "true", NULL)) {
        free(opts);
        return NULL;
    }
    return opts;
}

#endif
