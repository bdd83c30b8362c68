/* SPDX-License-Identifier: Apache-2.0 */
/* What is told, to every place that the flags name: the same of a run and of a saved document.
   The table of a run is there already. */
#include "cli/influence-told.h"

const cli_share *cli_told_share(const cli_told *t, const cli_told_sample *s, size_t query) {
    for (size_t k = 0; k < t->n_shares; k++)
        if (t->shares[k].sample == s->row && t->shares[k].query == query)
            return &t->shares[k];
    return NULL;
}

glim_status cli_told_answer(cli_run *run, const cli_told *t) {
    const cli_options *o = &run->o;
    glim_status status = GLIM_OK;
    if (o->json) {
        bool ok = true;
        json_t *all = cli_told_json(t, &ok);
        status = cli_put_json(run, o->json, all, ok);
    }
    if (!status && o->csv && !o->train)
        status = cli_told_csv(run, t);
    if (!status && o->html)
        status = cli_told_html(run, t);
    if (!status && cli_wants_terminal(run))
        status = cli_told_show(run, t);
    return status;
}
