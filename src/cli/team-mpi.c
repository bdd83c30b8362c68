/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A team by MPI, and the only file that knows of it.
 *
 * Who waits looks for what he waits for, and naps: MPI's own waiting takes a whole processor,
 * and another process on this host may want it. While the first process waits it also looks
 * whether another has failed. That one told why, and waits to be ended: the first prints the
 * message, as its own errors, and ends all. So there is one message, and nobody hangs.
 *
 * Rejected: MPI_Bcast and MPI_Reduce, where a process that failed is waited for for ever, and
 * whose sums have an order of their own.
 */
#include "base/team.h"
#include "cli/mpirun.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG_BYTES = 1, TAG_FAILED };
static const size_t MESSAGE = (size_t)1 << 30; /* MPI counts in int */

struct failure {
    int status;
    char message[sizeof((glim_error *)0)->message + 160];
};

static struct mpi {
    glim_team team;
    const glim_context *ctx;
    MPI_Request request; /* of the message that is sent */
    bool open;
} mpi;

/* ---- waiting ---- */

/* Longer naps the longer it takes: what comes at once is not kept waiting. */
static void nap(unsigned tries) {
    long us = tries < 2000 ? 0 : tries < 4000 ? 50 : 500;
    if (us)
        nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static glim_status broken(const char *what, int other, glim_error *err) {
    return glim_fail(err, GLIM_EIO, "%s process %d failed", what, other + 1);
}

/* Whether another process has failed, or this one is to end. */
static glim_status look(glim_error *err) {
    MPI_Status from;
    struct failure f;
    int there = 0;
    if (!mpi.team.rank && !MPI_Iprobe(MPI_ANY_SOURCE, TAG_FAILED, MPI_COMM_WORLD, &there, &from) &&
        there) {
        memset(&f, 0, sizeof f);
        MPI_Recv(&f, (int)sizeof f, MPI_BYTE, from.MPI_SOURCE, TAG_FAILED, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
        f.message[sizeof f.message - 1] = 0;
        return glim_fail(err, (glim_status)f.status, "%s", f.message);
    }
    return mpi.ctx ? glim__check_cancel(mpi.ctx, err) : GLIM_OK;
}

static glim_status send_piece(int to, const char *bytes, int n, glim_error *err) {
    int done = 0;
    glim_status status = GLIM_OK;
    /* what MPI_Test finds done needs no MPI_Wait: NOLINTNEXTLINE(clang-analyzer-optin.mpi*) */
    if (MPI_Isend(bytes, n, MPI_BYTE, to, TAG_BYTES, MPI_COMM_WORLD, &mpi.request))
        return broken("a message to", to, err);
    for (unsigned tries = 0; !done && !status; tries++) {
        if (MPI_Test(&mpi.request, &done, MPI_STATUS_IGNORE))
            return broken("a message to", to, err);
        if (!done) {
            status = look(err);
            nap(tries);
        }
    }
    return status;
}

static glim_status receive_piece(int from, char *bytes, int n, glim_error *err) {
    int there = 0;
    glim_status status = GLIM_OK;
    for (unsigned tries = 0; !there && !status; tries++) {
        if (MPI_Iprobe(from, TAG_BYTES, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE))
            return broken("a message from", from, err);
        if (!there) {
            status = look(err);
            nap(tries);
        }
    }
    if (!status && MPI_Recv(bytes, n, MPI_BYTE, from, TAG_BYTES, MPI_COMM_WORLD, MPI_STATUS_IGNORE))
        status = broken("a message from", from, err);
    return status;
}

static glim_status send(void *data, int to, const void *bytes, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < n && !status; at += MESSAGE)
        status = send_piece(to, (const char *)bytes + at,
                            (int)(n - at < MESSAGE ? n - at : MESSAGE), err);
    return status;
}

static glim_status receive(void *data, int from, void *bytes, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < n && !status; at += MESSAGE)
        status = receive_piece(from, (char *)bytes + at, (int)(n - at < MESSAGE ? n - at : MESSAGE),
                               err);
    return status;
}

/* ---- beginning and end ---- */

glim_status cli_team_open(cli_run *run) {
    int provided;
    if (cli_team_place().size == 1)
        return GLIM_OK;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided))
        return glim_fail(&run->err, GLIM_EIO, "MPI cannot begin");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &mpi.team.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &mpi.team.size);
    mpi.team.send = send;
    mpi.team.receive = receive;
    mpi.ctx = run->ctx;
    mpi.open = true;
    glim__context_set_team(run->ctx, &mpi.team);
    return GLIM_OK;
}

bool cli_team_is_open(void) {
    return mpi.open;
}

/* Why this process failed, to the first one, which ends it. */
static void tell(const cli_run *run, glim_status status) {
    struct failure f = {.status = (int)status};
    char host[128] = "";
    gethostname(host, sizeof host - 1);
    snprintf(f.message, sizeof f.message, "process %d of %d (on %s): %s", mpi.team.rank + 1,
             mpi.team.size, host, run->err.message);
    MPI_Isend(&f, (int)sizeof f, MPI_BYTE, 0, TAG_FAILED, MPI_COMM_WORLD, &mpi.request);
    for (int done = 0;; nap(UINT32_MAX))
        MPI_Test(&mpi.request, &done, MPI_STATUS_IGNORE);
}

void cli_team_close(const cli_run *run, glim_status status) {
    char end = 0;
    if (!mpi.open)
        return;
    mpi.ctx = NULL;
    if (status && mpi.team.rank)
        tell(run, status);
    if (status)
        MPI_Abort(MPI_COMM_WORLD, glim_status_exit(status));
    for (int r = 1; r < mpi.team.size && !mpi.team.rank; r++)
        send(NULL, r, &end, 1, NULL);
    if (mpi.team.rank) /* napping, until the first has written everything */
        receive(NULL, 0, &end, 1, NULL);
    MPI_Finalize();
}
