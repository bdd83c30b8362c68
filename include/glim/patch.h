/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch.h: where in a model the difference of two inputs is, by putting inner values of one
 * run into the other.
 *
 *   effect = (f(patched) - f(base)) / (f(donor) - f(base))
 *
 * 0: nothing, 1: as much as if everything were the donor's. Denoising puts the clean run's
 * values into the corrupted one (what is enough), noising the corrupted one's into the clean
 * one (what is needed). Sources: Vig et al. 2020; Meng et al. 2022, arXiv:2202.05262 (causal
 * tracing); Wang et al. 2023, arXiv:2211.00593 (path patching); Nanda 2023 (attribution
 * patching); Heimersheim and Nanda 2024, arXiv:2404.15255 (good practice).
 */
#ifndef GLIM_PATCH_H
#define GLIM_PATCH_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glim_patch_options {
    const char *sites; /* by commas: resid_pre, resid_mid, attn_out, mlp_out by position; z, q,
                          k, v by head; NULL = "resid_pre,attn_out,mlp_out,z" */
    bool noise;        /* noising; else denoising */
    bool estimate;     /* attribution patching: all sites by one gradient of the base */
    size_t check;      /* with estimate: so many of the strongest exactly; 0 = 10 */
    size_t top;        /* strongest that are named; 0 = 10 */
    const char *store; /* a file where what is done is kept, so that a run that was killed goes
                          on there (SQLite); NULL = none */
} glim_patch_options;

/* A document of the kind "patch" of two predictors of one model with the same target. Inputs of
   other lengths are aligned at both ends; what lies between is left out, and heads, whose
   patches take all positions, have only those. Errors: EUSAGE (another model, nothing in
   common, runs that differ by less than 0.1), ENOMEM, EBUDGET. On ECANCELLED a partial one. */
GLIM_API glim_status glim_patch_read(glim_document **out, glim_predictor *clean,
                                     glim_predictor *corrupted, const glim_patch_options *options,
                                     glim_error *err);

typedef struct glim_trace_options {
    size_t first, count; /* the tokens of the subject */
    double noise;        /* in standard deviations of the embeddings' entries; 0 = 3 */
    size_t draws;        /* 0 = 10 */
    size_t window;       /* blocks that are restored at once for attn_out and mlp_out; 0 = 10,
                            at most a third of all */
    const char *store;   /* as above */
} glim_trace_options;

/* Causal tracing: noise on the subject's embeddings, and what restores the answer. A document of
   the kind "patch". On ECANCELLED a partial one of the draws that were done, or of the part of
   the first that was. */
GLIM_API glim_status glim_patch_trace(glim_document **out, glim_predictor *clean,
                                      const glim_trace_options *options, uint64_t seed,
                                      glim_error *err);

typedef enum glim_ablation {
    GLIM_ABLATE_MEAN,
    GLIM_ABLATE_ZERO,
    GLIM_ABLATE_RESAMPLE
} glim_ablation;

typedef struct glim_ablate_options {
    glim_ablation how;
    glim_predictor *const *others; /* [n_others] other inputs of the model, borrowed */
    size_t n_others;
    const char *data, *text_column; /* of means: a corpus of any size instead (maximize.h) */
    const char *store;              /* as above */
} glim_ablate_options;

/* What the target loses when a head, or an attention or feed-forward part, has its mean over the
   rows of other inputs (of the input itself without any), nothing, or (the mean over `others` of
   the target with) what it has in another input. Passages that come twice in a corpus count
   once; the first row of a text counts nowhere. On ECANCELLED a partial document. */
GLIM_API glim_status glim_patch_ablate(glim_document **out, glim_predictor *p,
                                       const glim_ablate_options *options, glim_error *err);

/* Path patching: the effect that a sender has through one receiver alone. Both are sites with a
   head in brackets where they have one: "blocks.3.attn.hook_z[5]", "blocks.7.attn.hook_q[2]",
   "blocks.7.hook_mlp_in", "logits". With `mlps` feed-forward parts between pass it on. */
typedef struct glim_path {
    const char *sender, *receiver;
} glim_path;
GLIM_API glim_status glim_patch_path(double *effects, glim_predictor *clean,
                                     glim_predictor *corrupted, const glim_path *paths, size_t n,
                                     bool noise, bool mlps, glim_error *err);

/* Memory and passes of glim_patch_read. */
GLIM_API glim_status glim_patch_plan(const glim_predictor *clean, const glim_predictor *corrupted,
                                     const glim_patch_options *options, glim_plan *out,
                                     glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
