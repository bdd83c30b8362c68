/* SPDX-License-Identifier: Apache-2.0 */
/*
 * team.h: processes that work on one call together, on one host or several. All of them run
 * the same program on the same input; each does a part of the dear work, and the first, of
 * rank 0, gets what comes of it and is the only one that talks and writes.
 *
 * How bytes get from one to another is whoever made the team's own business: the command does
 * it by MPI (cli/team-mpi.c), a test by sockets. Without a team a context is a team of one,
 * and nothing here does anything.
 *
 * All of a team call the functions below in the same order. A process that fails returns from
 * them as from any other call, with its error; that the others then end too, and that the
 * first says why, is the transport's duty.
 */
#ifndef GLIM_BASE_TEAM_H
#define GLIM_BASE_TEAM_H

#include <glim/base.h>

typedef struct glim_team {
    int rank, size;
    /* Whole messages, between two processes in the order in which they were sent. `send` may
       return before they have arrived. Errors: EIO, ECANCELLED, and at the first process what
       another one failed of. */
    glim_status (*send)(void *data, int to, const void *bytes, size_t n, glim_error *err);
    glim_status (*receive)(void *data, int from, void *bytes, size_t n, glim_error *err);
    void *data;
} glim_team;

/* Borrows the team for as long as the context lives; NULL = of one. */
void glim__context_set_team(glim_context *ctx, const glim_team *team);
/* Never NULL. */
const glim_team *glim__team(const glim_context *ctx);
bool glim__team_first(const glim_context *ctx);

/* What `from` has, everywhere. */
glim_status glim__team_broadcast(glim_context *ctx, int from, void *bytes, size_t n,
                                 glim_error *err);
/* The least of all, everywhere: what a budget leaves. */
glim_status glim__team_least(glim_context *ctx, uint64_t *x, glim_error *err);
/* The sum of all, at the first. */
glim_status glim__team_total(glim_context *ctx, size_t *x, glim_error *err);
/* Whether all have the same bytes as the first: EUSAGE at one that has not. */
glim_status glim__team_same(glim_context *ctx, const char *what, const void *bytes, size_t n,
                            glim_error *err);

#endif
