/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of other processes before MPI begins, which it does late: what is wrong with
   the command line has to be said once, by one of them. */
#include "cli/mpirun.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

cli_place cli_team_place(void) {
    cli_place p = {number("OMPI_COMM_WORLD_RANK", number("PMI_RANK", 0)),
                   number("OMPI_COMM_WORLD_SIZE", number("PMI_SIZE", 1)),
                   number("OMPI_COMM_WORLD_LOCAL_SIZE", number("MPI_LOCALNRANKS", 1))};
    bool sound = p.rank >= 0 && p.rank < p.size && p.local >= 1 && p.local <= p.size;
    return sound ? p : (cli_place){0, 1, 1};
}

bool cli_team_hushed(const cli_run *run) {
    return run->command && run->command->takes_influence && cli_team_place().rank > 0;
}

bool cli_team_speaks(const cli_run *run) {
    const struct timespec moment = {.tv_sec = 3};
    if (!cli_team_hushed(run))
        return true;
    return !cli_team_is_open() && !nanosleep(&moment, NULL); /* a signal cuts it short */
}

/* Processors that this process may run on: its own, or a part of those that all may. */
static int own_processors(int local) {
    cpu_set_t set;
    int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int n = sched_getaffinity(0, sizeof set, &set) ? all : CPU_COUNT(&set);
    n = n < all ? n : all / local;
    return n < 1 ? 1 : n < 256 ? n : 256;
}

void cli_team_prepare(cli_run *run) {
    cli_options *o = &run->o;
    cli_place p = cli_team_place();
    if (!run->command->takes_influence || p.size == 1)
        return;
    if (!o->threads)
        o->threads = own_processors(p.local);
    if (!p.rank)
        return;
    o->quiet = true;
    o->json = o->csv = o->html = o->raw = o->store = NULL;
    o->svg = o->png = o->pdf = NULL;
    o->alt = false;
}
