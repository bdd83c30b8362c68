/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/mpirun.h: the processes of `mpirun -n 4 glim influence ...` as a team (base/team.h). Only
 * the first one talks and writes; the others are hushed before they could say anything.
 *
 * There are two of cli_team_open and cli_team_close: team-mpi.c where glim is built with MPI,
 * else team-alone.c, so that nothing else knows of MPI.
 */
#ifndef GLIM_CLI_MPIRUN_H
#define GLIM_CLI_MPIRUN_H

#include "cli/cli.h"

/* This process's place among those that were started together, by what the launcher left in
   the environment (Open MPI, MPICH); 0 of 1 by itself. */
typedef struct cli_place {
    int rank, size;
    int local; /* processes on this host */
} cli_place;
cli_place cli_team_place(void);
/* Whether this is another process than the first, of a command that works in many. */
bool cli_team_hushed(const cli_run *run);
/* Whether this process says what went wrong. One that is hushed tells the first one, in
   cli_team_close; or, where there is no team yet, waits a moment: if the first one failed of the
   same, the launcher ends this one meanwhile. */
bool cli_team_speaks(const cli_run *run);
/* Before anything is opened: another process than the first says and writes nothing; and
   processes on one host share its processors. */
void cli_team_prepare(cli_run *run);

/* Makes the processes a team, of the context. EUSAGE: there are several, and glim was built
   without MPI. */
glim_status cli_team_open(cli_run *run);
bool cli_team_is_open(void);
/* The last call, once all is said: a process that failed ends all others. Does not return
   then. */
void cli_team_close(const cli_run *run, glim_status status);

#endif
