/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h: many points drawn in two dimensions, and how far to trust the picture. PCA keeps what
 * varies most; t-SNE (van der Maaten, Hinton 2008) keeps who is near whom. Of t-SNE neither the
 * sizes of groups nor the distances between them mean anything.
 *
 * Settings have openTSNE's names and defaults (Policar et al. 2024). Bits depend on the points,
 * the options and the kernels, never on the number of threads.
 */
#ifndef GLIM_MAP_H
#define GLIM_MAP_H

#include <glim/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_map_method { GLIM_MAP_TSNE, GLIM_MAP_PCA } glim_map_method;

/* AUTO: all points to 150,000 and an index (hnswlib) above. */
typedef enum glim_map_search {
    GLIM_MAP_SEARCH_AUTO,
    GLIM_MAP_SEARCH_EXACT,
    GLIM_MAP_SEARCH_APPROXIMATE
} glim_map_search;

/* How points push each other apart. AUTO: exactly to some thousand points, which is the fastest
   there, and on a grid by FFT (Linderman et al. 2019) above. */
typedef enum glim_map_gradient {
    GLIM_MAP_GRADIENT_AUTO,
    GLIM_MAP_GRADIENT_EXACT,
    GLIM_MAP_GRADIENT_BARNES_HUT,
    GLIM_MAP_GRADIENT_FFT
} glim_map_gradient;

typedef enum glim_map_start { GLIM_MAP_START_PCA, GLIM_MAP_START_RANDOM } glim_map_start;

/* Numbers that are 0 mean the default; `early_exaggeration_iter` and `n_iter` as well. */
typedef struct glim_map_options {
    glim_map_method method;
    size_t pca;                     /* of t-SNE: reduce to so many dimensions first; 0: not */
    bool normalise;                 /* rows to length one */
    double perplexity;              /* 30; at most a third of the other points */
    double early_exaggeration;      /* 12 */
    size_t early_exaggeration_iter; /* 250; SIZE_MAX: none */
    double exaggeration;            /* 1 */
    size_t n_iter;                  /* 500 behind the early ones; SIZE_MAX: none */
    double learning_rate;           /* points / exaggeration of each phase */
    double initial_momentum;        /* 0.8, of the early phase */
    double final_momentum;          /* 0.8 */
    double theta;                   /* of Barnes-Hut, 0.5; < 0: 0, all pairs */
    double max_step_norm;           /* 5, of a point; < 0: none */
    glim_map_search search;
    glim_map_gradient gradient;
    glim_map_start start;
    size_t snapshots;  /* so many on the way, evenly */
    size_t neighbours; /* to keep of each point, 5 */
    uint64_t seed;
} glim_map_options;

typedef struct glim_map_snapshot {
    size_t iteration;
    double kl;
    float *xy; /* (n, 2), or NULL in a history */
} glim_map_snapshot;

/* Share of what is near that stays near, and so on; NaN where it is not defined. */
typedef struct glim_map_quality {
    size_t sample; /* points that were asked: all, or a fixed random sample */
    double recall_10, recall_50;
    double trustworthiness, continuity;        /* k = 10 */
    double distance_correlation;               /* Spearman's, of 10,000 random pairs */
    double label_accuracy, label_accuracy_map; /* of the vote of the 10 nearest */
    double silhouette, silhouette_map;
} glim_map_quality;

/* A map; owns all that it points to. */
typedef struct glim_embedding {
    glim_context *ctx;
    size_t n, width;       /* points, dimensions as given */
    float *xy;             /* (n, 2) */
    glim_map_options used; /* with all defaults filled in, and what was lowered */
    double asked_perplexity;
    /* PCA: before t-SNE (used.pca > 0), or the map itself */
    size_t pca;                /* components; 0: none */
    double *mean, *components; /* (width), (pca, width) */
    double *explained;         /* (pca) shares of the variance */
    /* t-SNE */
    size_t done; /* iterations */
    double kl;   /* in nats, without exaggeration */
    glim_map_snapshot *history, *snapshots;
    size_t n_history, n_snapshots;
    bool approximate; /* the search for neighbours */
    double index_recall;
    size_t duplicates; /* points with another at the same place */
    /* in the space as given */
    size_t k;
    uint32_t *of;    /* (n, k) */
    float *distance; /* (n, k) */
} glim_embedding;

/* x (n, width), row by row, finite. On ECANCELLED during t-SNE's iterations *out is a valid map
   of as many as were done. Errors: EUSAGE (settings that make no sense), ENUMERIC (naming the
   row), ENOMEM, EBUDGET, ECANCELLED. */
GLIM_API glim_status glim_embed(glim_embedding **out, glim_context *ctx, const float *x, size_t n,
                                size_t width, const glim_map_options *options, glim_error *err);
GLIM_API void glim_embedding_free(glim_embedding *map); /* NULL is fine */

/* Bytes that glim_embed takes at most besides x, and roughly how many multiplications. */
GLIM_API glim_status glim_embed_plan(uint64_t *bytes, double *work, size_t n, size_t width,
                                     const glim_map_options *options, glim_error *err);

/* Puts new points y (m, width) into a map of x that stays as it is: each is drawn to its
   neighbours in x and pushed off all others; new points do not see each other. xy (m, 2);
   `of` (m, k) and `distance` (m, k), unless NULL, become neighbours in x. Of a PCA map it is
   the projection. Errors: as above. */
GLIM_API glim_status glim_embed_place(float *xy, uint32_t *of, float *distance, size_t k,
                                      const glim_embedding *map, const float *x, const float *y,
                                      size_t m, glim_error *err);

/* label (n): numbers from 0, below 0 for none; NULL: no labels. */
GLIM_API glim_status glim_embed_quality(glim_map_quality *out, glim_context *ctx, const float *x,
                                        size_t n, size_t width, const float *xy,
                                        const int32_t *label, uint64_t seed, glim_error *err);

/* The k leading components of x (n, width): mean (width), components (k, width) of length one,
   their largest loading positive; explained (k), shares of the variance; scores (n, k) unless
   NULL. Exact when the smaller side is at most 2,000, else randomised (Halko, Martinsson, Tropp
   2011). Errors: EUSAGE (k above the smaller side), ENUMERIC, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_pca(double *mean, double *components, double *explained, float *scores,
                              glim_context *ctx, const float *x, size_t n, size_t width, size_t k,
                              uint64_t seed, glim_error *err);

/* Turns, mirrors, scales and moves b (n, 2) onto a; *disparity: what is left, 0 to 1, as
   scipy.spatial.procrustes has it. b may be NULL in `fitted`. */
GLIM_API void glim_procrustes(double *disparity, float *fitted, const float *a, const float *b,
                              size_t n);

#ifdef __cplusplus
}
#endif
#endif
