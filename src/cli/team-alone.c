/* SPDX-License-Identifier: Apache-2.0 */
/* A build without MPI: a team of one. */
#include "cli/mpirun.h"

glim_status cli_team_open(cli_run *run) {
    cli_place p = cli_team_place();
    if (p.size == 1)
        return GLIM_OK;
    return glim_fail(&run->err, GLIM_EUSAGE,
                     "this glim was built to work in one process: %d were started (build it with "
                     "meson -Dmpi=enabled, or leave out mpirun)",
                     p.size);
}

bool cli_team_is_open(void) {
    return false;
}

void cli_team_close(const cli_run *run, glim_status status) {}
