/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.h: a fitted linear or logistic model together with what it was fitted on, as a
 * function of its weights that can be differentiated twice.
 *
 *   J(w) = sum_i L_i + strength/2 |W|^2,  L_i = L(z_i, y_i),  z_i = W x_i + b
 *   grad L_i = g_i (x) x_i,  Hessian of L_i = M_i (x) x_i x_i'
 *
 * L is half the squared error (g = z - y, M = 1), or the cross entropy (g = p - onehot(y),
 * M = diag(p) - pp'; of two classes one number z, g = p - y, M = p (1 - p)). x is
 * standardised as the fit was, with a 1 behind it for the intercept, which is free.
 * The softmax does not see what all classes have in common; the Hessian gets a term for
 * that direction, on which no gradient of a loss depends.
 */
#ifndef GLIM_INFLUENCE_HEAD_H
#define GLIM_INFLUENCE_HEAD_H

#include "influence/features.h"

#include "predict/fit.h"

enum { GLIM_HEAD_VECTOR = 16 };
/* n in whole vectors. */
static inline size_t glim__head_whole(size_t n) {
    return (n + GLIM_HEAD_VECTOR - 1) / GLIM_HEAD_VECTOR * GLIM_HEAD_VECTOR;
}

typedef struct glim_head {
    glim_context *ctx;
    const glim_linear *linear;
    const glim_features *f;
    bool logistic;
    size_t P, p, O, K; /* features, with the intercept, outputs, classes (0: numbers) */
    size_t ld, lo;     /* p and O in whole vectors */
    size_t dim;        /* O p */
    double strength;
    double *w;       /* (O, p) */
    double *turned;  /* (p, lo) */
    double *hessian; /* (dim, dim) without damping, or NULL */
    double *factor;  /* (dim, dim) Cholesky's L of it with damping, or NULL */
    double damping;
    double loss;  /* J at w */
    double slope; /* the largest |dJ/dw|, divided by the number of samples */
} glim_head;

/* A block of samples as the head sees them. */
typedef struct glim_head_block {
    size_t count;
    double *x; /* (count, ld) standardised, with the 1 */
    double *z; /* (count, lo) outputs */
    double *g; /* (count, O) */
    double *m; /* (count, O, O) */
    double *loss;
    const double *y;
    double *own; /* all of the above */
} glim_head_block;

/* Weights of the fitted model; reads all samples once, for loss and slope. Errors: EUSAGE
   (an L1 part; width that is another; a class that is none), and those of reading. */
glim_status glim__head_init(glim_head *h, glim_context *ctx, const glim_linear *linear,
                            const glim_features *f, glim_error *err);
void glim__head_release(glim_head *h);

glim_status glim__head_block_init(glim_head_block *b, const glim_head *h, glim_error *err);
void glim__head_block_release(glim_head_block *b, const glim_head *h);
/* Fills the block of x (count, P) and y at the weights w (turned by glim__head_turn); a y of
   NaN has no loss, g and m. */
void glim__head_look(const glim_head *h, glim_head_block *b, size_t count, const double *x,
                     const double *y);
/* h->turned from any weights (O, p). */
void glim__head_turn(glim_head *h, const double *w);
/* Loss, and what g and m are of, of one sample's z. */
double glim__head_loss(const glim_head *h, const double *z, double y, double *g, double *m);
/* The predicted class (or 0), and log-probability of class k. */
size_t glim__head_class(const glim_head *h, const double *z);
double glim__head_log_prob(const glim_head *h, const double *z, size_t k);

/* ---- second order (head-newton.c) ---- */

/* Samples that count: keep (n), 0 or 1; NULL = all. */
typedef struct glim_head_terms {
    double loss;     /* J */
    double *slope;   /* (dim), or NULL */
    double *hessian; /* (dim, dim), or NULL */
} glim_head_terms;
/* J and what is asked for, at w. */
glim_status glim__head_terms(glim_head *h, const double *w, const uint8_t *keep,
                             glim_head_terms *out, glim_error *err);
/* hessian and factor at h->w. The damping is `damping`, or with a negative one what is
   needed: none at an optimum with a penalty, else 1e-3 of the mean of the diagonal. */
glim_status glim__head_factor(glim_head *h, double damping, glim_error *err);
/* Newton steps from h->w until the slope is at rounding; *steps. No damping. */
glim_status glim__head_polish(glim_head *h, size_t *steps, glim_error *err);
/* The weights (O, p) that are best for the samples of keep (n), from those of h on; `most`
   Newton steps. Needs the factor. *left: the slope that is left, as of h->slope. */
glim_status glim__head_refit(glim_head *h, const uint8_t *keep, size_t most, double *w,
                             double *left, glim_error *err);
/* ---- with the factor (head-curvature.c) ---- */

/* S (count, O, O) of the samples of a block: S_kl = (e_k (x) x)' H^-1 (e_l (x) x). */
glim_status glim__head_curvature(const glim_head *h, const glim_head_block *b, double *s,
                                 glim_error *err);
/* Diagonal of H^-1 (dim). */
glim_status glim__head_deviations(const glim_head *h, double *out, glim_error *err);
/* The number of free coefficients: the sum of M_i S_i over the samples, from the above. */
double glim__head_free(const glim_head *h, const double *deviations);
/* Other weights (NULL: the same): loss and slope are found, the matrices forgotten. */
glim_status glim__head_move(glim_head *h, const double *w, glim_error *err);
uint64_t glim__head_bytes(const glim_linear *linear, bool factor);

#endif
