/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site.h: named points inside a model, in the names of TransformerLens
 * (blocks.3.attn.hook_pattern), and hooks that read, replace or differentiate
 * with respect to them. Shapes have no batch axis: a hook is called once for
 * each sequence. A write hook may be called again when a block is computed a
 * second time for its gradient, and must write the same then.
 */
#ifndef GLIM_SITE_H
#define GLIM_SITE_H

#include <glim/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_hook_action {
    GLIM_HOOK_READ = 1,  /* see the value after it is computed */
    GLIM_HOOK_WRITE = 2, /* may change it in place before it is used */
    /* See the gradient of the seeds with respect to it, on backward. What is written to it
       there goes on back instead (not of patterns and scores): zeros stop a path, and what is
       added makes a site's value a target, alone if there are no seeds. */
    GLIM_HOOK_GRAD = 4,
    /* With READ and GRAD, of attention patterns: a visit for each head, (T, S), so that no
       more than one head of them is ever there. The same bits. Without effect elsewhere, and
       with WRITE. */
    GLIM_HOOK_HEADS = 8,
    /* Of weights (glim_model_weights), on backward: what the gradient of a matrix W (F, C) is
       made of. dims are {rows, F, C}; data (rows, F) is the gradient of what the product gave,
       value (rows, C) what it read: dW = data^T value, of which nothing is formed. Names of
       weights are matched by hooks with this action only. With WRITE instead on the way there:
       data (rows, F) is what the product gave, and may be changed, as if W were another. */
    GLIM_HOOK_WEIGHT = 16
} glim_hook_action;

/* One value of one site for one sequence of the batch. */
typedef struct glim_site {
    const char *name; /* "blocks.3.attn.hook_pattern" */
    int layer;        /* -1 outside the blocks */
    size_t sequence;
    int n_dims;
    size_t dims[3];
    float *data;        /* valid during the call; write only with GLIM_HOOK_WRITE */
    bool gradient;      /* data is the gradient */
    int head, heads;    /* with GLIM_HOOK_HEADS: which of how many; else 0 */
    const float *value; /* of such a gradient: the pattern itself; of weights: see there */
} glim_site;

typedef struct glim_hook {
    const char *pattern; /* site name with `*` for any run of characters */
    unsigned actions;
    glim_status (*visit)(void *data, const glim_site *site, glim_error *err);
    void *data;
} glim_hook;

/* A set of rules that take the place of some ops' slopes on a walk back; what a hook sees
   then is what is walked. The names: frozen-norm, direct (a soft cap open besides), frozen-pattern
   (attention's patterns are constant), attnlrp, cp-lrp, guided, deconvnet. NULL for any other. The
   method of attnlrp and cp-lrp may be patented: the authors' own code grants no patent rights. */
typedef struct glim_rules glim_rules;
GLIM_API const glim_rules *glim_rules_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
