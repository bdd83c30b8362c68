/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ekfac.h: influence by EK-FAC (Grosse et al. 2023): factors, then queries divided by them,
 * then one pass over the training samples for each group of queries that memory holds. The
 * method's descriptor is in ekfac-method.c; a test hands in its own walks.
 *
 * With n training samples, H is n times the mean curvature plus damping: of kronfluence, which
 * has the mean, these are 1/n of the scores.
 */
#ifndef GLIM_INFLUENCE_EKFAC_H
#define GLIM_INFLUENCE_EKFAC_H

#include "influence/factors.h"
#include "influence/influence-methods.h"

typedef struct glim_ekfac {
    glim_context *ctx;
    glim_walk train, queries;    /* queries.count may be 0; theirs go back with what is asked */
    glim_factor_options factors; /* weights, labels, how many samples, where they are kept */
    double damping;              /* as glim__factor_damping */
    double sign;                 /* of the columns of queries: 1, or -1 where f is a loss */
    bool self;                   /* a column of self-influence */
    const char *parts;           /* "layer", "module": columns of those as well; with "token" too
                                    scores are taken apart; or NULL */
    size_t group;                /* queries at a time; 0 = as memory allows */
    size_t rank;                 /* as of glim_query_options */
    uint64_t seed;
} glim_ekfac;

/* What a run tells besides rows. */
typedef struct glim_ekfac_told {
    size_t rounds, groups, zero, weights;
    double damping; /* the mean over weights of what was added */
    double lost;    /* the share of a query that low rank left out, the worst; 0 = all is kept */
} glim_ekfac_told;

/* Queries at a time when the budget leaves so many bytes; 0 without any. */
size_t glim__ekfac_group(const glim_ekfac *k, uint64_t left);
/* Columns: self-influence, then of every query "influence" and its parts
   ("influence.blocks.3"). Errors: those of factors and queries, of `begin` and the sink. */
glim_status glim__ekfac_run(const glim_ekfac *given, const glim_influence_out *out,
                            glim_ekfac_told *told, glim_error *err);

#endif
