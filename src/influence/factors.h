/* SPDX-License-Identifier: Apache-2.0 */
/*
 * factors.h: the curvature of a loss by a matrix W (F, C), in Kronecker factors with corrected
 * eigenvalues (George et al. 2018; Grosse et al. 2023). With a the input of a row and g the
 * gradient of its output,
 *
 *   A = mean of a a^T = Q_A^T diag Q_A     S = mean of g g^T = Q_S^T diag Q_S   (over rows)
 *   Lambda = mean over samples of (Q_S G Q_A^T)^2,    G = sum over its rows of g a^T
 *
 * and the curvature of one sample is about Q_S^T Q_A^T diag(Lambda) Q_A Q_S. Two passes over
 * the samples: one for A and S, one for Lambda. The sums of as many weights as memory allows
 * are made at once; more passes for more, which shows in no bit. A team (shares.h) parts the
 * samples, and the matrices whose sums are added up and turned; in the end everyone has all.
 */
#ifndef GLIM_INFLUENCE_FACTORS_H
#define GLIM_INFLUENCE_FACTORS_H

#include "influence/covariance.h"
#include "influence/gather.h"
#include "tensor/types.h"

/* Who shows samples to a visitor, in their order: glim__pass, or a test. */
typedef struct glim_walk {
    glim_status (*go)(void *data, size_t first, size_t count, bool sampled, const uint8_t *chosen,
                      const glim_pass_visitor *visitor, glim_error *err);
    void *data;
    size_t count; /* samples */
} glim_walk;

typedef struct glim_factor {
    size_t weight, F, C;    /* C with one more for a bias */
    float *in, *out;        /* (C, C), (F, F): Q_A, Q_S, an eigenvector a row */
    double *in_at, *out_at; /* (C), (F): their eigenvalues */
    float *lambda;          /* (F, C) */
    double mean;            /* of lambda */
} glim_factor;

/* What a pass has summed up of a weight, in place. */
typedef struct glim_factor_sums {
    size_t weight;
    bool second; /* squares, else covariances */
    glim_bytes parts[2 * GLIM_COVARIANCE_PARTS];
    size_t n;
} glim_factor_sums;

/* Where factors are kept from run to run. All return what went wrong. */
typedef struct glim_factor_keeper {
    /* *found: the factor has been filled in (its arrays are there), and lambda as well. */
    glim_status (*get)(void *data, glim_factor *f, bool *found, bool *whole, glim_error *err);
    glim_status (*put)(void *data, const glim_factor *f, bool whole, glim_error *err);
    void *data;
    /* Sums of the weights of a pass, or NULL. get: *done is the samples that are in all of
       them, which then have been filled in, or 0. put: all of them, or none; with 0 samples
       they are forgotten. */
    glim_status (*get_sums)(void *data, const glim_factor_sums *sums, size_t n, size_t *done,
                            glim_error *err);
    glim_status (*put_sums)(void *data, const glim_factor_sums *sums, size_t n, size_t done,
                            glim_error *err);
} glim_factor_keeper;

typedef struct glim_factor_options {
    const glim_weight *weights; /* of the model */
    const uint8_t *chosen;      /* (n_weights) */
    size_t n_weights;
    bool empirical; /* the labels as they are; else drawn from the model's answers */
    size_t most;    /* samples at most, from the beginning; 0 = all */
    uint64_t room;  /* bytes for the sums of one round; 0 = what the budget leaves */
    const glim_factor_keeper *keeper; /* or NULL */
    size_t every; /* samples after which the sums of a pass are kept; 0 = by time */
} glim_factor_options;

typedef struct glim_factors {
    glim_context *ctx;
    glim_factor *each; /* (n) in the order of weights */
    size_t n, samples; /* what they were made of */
    size_t rounds;     /* of two passes that this took; 0 = all were kept */
    size_t zero;       /* weights that never had a gradient */
} glim_factors;

/* Errors: EUSAGE (no weight, no sample), ENUMERIC (what is not finite, the weight named),
   EBUDGET, ENOMEM, ECANCELLED, and those of the walk and the keeper. */
glim_status glim__factors_fit(glim_factors *out, glim_context *ctx, const glim_walk *walk,
                              const glim_factor_options *options, glim_error *err);
void glim__factors_release(glim_factors *f);
/* The factor of a weight, or NULL. */
const glim_factor *glim__factors_of(const glim_factors *f, size_t weight);
/* Bytes of the factors themselves; *sums: at least, besides, while they are made; *all: for
   one round. */
uint64_t glim__factors_plan(const glim_factor_options *options, uint64_t *sums, uint64_t *all);

/* Rounds that a fit takes when the budget leaves so many bytes and nothing was kept. */
size_t glim__factors_rounds(const glim_factor_options *options, uint64_t left);

/* Arrays of a factor whose F and C are known. Errors: ENOMEM, EBUDGET. */
glim_status glim__factor_alloc(glim_factor *f, glim_context *ctx, glim_error *err);
/* What is added to Lambda: `damping`, or with NAN a tenth of its mean. */
double glim__factor_damping(const glim_factor *f, double damping);
/* rows of g and a in the eigenbasis; ld as glim__gather_ld. `turned_g`, `turned_a` have room for
   all rows and 16 floats. */
glim_status glim__factor_turn(glim_context *ctx, const glim_factor *f, const glim_gathered *all,
                              float *turned_g, float *turned_a, glim_error *err);
/* A matrix of plain floats as products take it. */
glim_matrix glim__plain_matrix(const float *data, size_t rows, size_t cols);

#endif
