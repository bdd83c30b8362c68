/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A comparison over many inputs: texts of a file or rows of a table, drawn by --seed. An
 * input on which one of the runs fails is left out for all, so that every number is about
 * the same inputs. And the plan of a comparison, which goes through them as well.
 */
#include "cli/compare.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

static bool has_units(const glim_predictor *p) {
    for (size_t u = 0; u < p->units->count; u++)
        if (!p->units->at[u].fixed)
            return true;
    return false;
}

/* Whether the others may still be compared. */
static bool goes_on(glim_status status) {
    return status != GLIM_ECANCELLED && status != GLIM_ENOMEM;
}

static glim_status do_row(cli_comparison *c, cli_pick_make *make, void *data, size_t row) {
    cli_run *run = c->run;
    glim_predictor *p = NULL;
    bool begun = c->inputs != NULL;
    glim_status status = glim__check_cancel(run->ctx, &run->err);
    if (!status)
        status = make(run, data, row, &p);
    bool made = p != NULL;
    if (!status && p && has_units(p))
        status = cli_compare_input(c, p, row);
    else if (!status)
        c->empty++;
    glim_predictor_free(p);
    /* before the first is settled the flags are wrong, and no other input would do */
    if (!status || !goes_on(status) || (made && !begun && !c->inputs))
        return status;
    if (!c->failed++)
        c->first = run->err;
    return GLIM_OK;
}

glim_status cli_compare_many(cli_comparison *c, cli_pick_make *make, void *data) {
    cli_run *run = c->run;
    size_t N = c->table->n_rows, want = (size_t)run->o.inputs;
    c->available = N;
    c->chosen = want < N ? want : N;
    uint8_t *taken = glim__calloc(run->ctx, N + 1, 1);
    if (!taken)
        return glim__oom(run->ctx, &run->err, "the inputs", N);
    cli_draw_rows(run, N, c->chosen, taken);
    glim_status status = GLIM_OK;
    glim__progress_begin_items(run->ctx, "inputs", c->chosen);
    for (size_t row = 0; row < N && !status; row++) {
        if (!taken[row])
            continue;
        status = do_row(c, make, data, row);
        glim__progress_add(run->ctx, 1);
    }
    glim__progress_end(run->ctx);
    glim__free(run->ctx, taken);
    return status;
}

/* ---- the plan ---- */

glim_status cli_compare_put_plan(cli_comparison *c) {
    cli_run *run = c->run;
    char name[64];
    snprintf(name, sizeof name, "%zu %s", c->n, c->models ? "models" : "methods");
    if (run->o.json) {
        bool ok = true;
        json_t *o = cli_plan_json(&ok, name, &c->plan, run->o.predictor != NULL);
        if (c->many && !c->models)
            glim__json_set(&ok, o, "masked_inputs", json_integer((json_int_t)c->masked));
        return cli_put_json(run, run->o.json, o, ok);
    }
    glim_status status = cli_put_plan(run, name, &c->plan);
    if (status || !c->many || c->models)
        return status;
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim__buffer_printf(&out,
                        "masked inputs    at most %llu, to judge them; equal ones are asked once\n",
                        (unsigned long long)c->masked);
    return cli_put_buffer(run, &out, "the plan");
}
