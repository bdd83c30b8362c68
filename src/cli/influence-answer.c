/* SPDX-License-Identifier: Apache-2.0 */
/* What is told, to every place that the flags name: the same of a run and of a saved document.
   The table of a run is there already. */
#include "cli/influence-told.h"
#include "cli/show.h"

#include <math.h>

const cli_share *cli_told_share(const cli_told *t, const cli_told_sample *s, size_t query) {
    for (size_t k = 0; k < t->n_shares; k++)
        if (t->shares[k].sample == s->row && t->shares[k].query == query)
            return &t->shares[k];
    return NULL;
}

/* Insertion into a short list, then by place. */
void cli_groups_largest(const cli_told *t, size_t query, size_t n, size_t *out) {
    size_t have = 0;
    for (size_t k = 0; k < t->groups.n && n; k++) {
        double size = fabs(t->groups.sum[k * t->n_queries + query]);
        size_t at = have < n ? have++ : n;
        while (at && !(fabs(t->groups.sum[out[at - 1] * t->n_queries + query]) >= size)) {
            if (at < n)
                out[at] = out[at - 1];
            at--;
        }
        if (at < n)
            out[at] = k;
    }
    for (size_t i = 1; i < have; i++)
        for (size_t k = i; k && out[k - 1] > out[k]; k--) {
            size_t swap = out[k];
            out[k] = out[k - 1];
            out[k - 1] = swap;
        }
}

glim_status cli_told_answer(cli_run *run, const cli_told *t) {
    const cli_options *o = &run->o;
    glim_status status = GLIM_OK;
    if (o->json || cli_wants_figures(run)) {
        bool ok = true;
        json_t *all = cli_told_json(t, &ok);
        status = ok ? cli_show_figures(run, all) : GLIM_OK;
        if (!status && (o->json || !ok))
            status = cli_put_json(run, o->json ? o->json : "-", all, ok);
        else
            json_decref(all);
    }
    if (!status && o->csv && !o->train)
        status = cli_told_csv(run, t);
    if (!status && o->html)
        status = cli_told_html(run, t);
    if (!status && cli_wants_terminal(run))
        status = cli_told_show(run, t);
    return status;
}
