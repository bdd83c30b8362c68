/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim map: many points in two dimensions, and how far to trust that. The run itself is in
 * map-make.c.
 */
#include "cli/commands.h"
#include "cli/map-told.h"

static glim_status put_plan(cli_run *run, const glim_plan *plan) {
    if (!run->o.json)
        return cli_put_plan(run, "map", plan);
    bool ok = true;
    json_t *all = cli_plan_json(&ok, "map", plan, false);
    return cli_put_json(run, run->o.json, all, ok);
}

static glim_status place_points(cli_run *run, cli_map *m, cli_points *p) {
    glim_status status = cli_points_at(run, p, 0);
    if (!status)
        status = cli_map_place(run, m, p);
    return status ? status : cli_map_answer(run, m);
}

/* What holds one map, of many sites. */
static glim_status check_sites(cli_run *run, const cli_points *p) {
    const char *flag = run->o.place  ? "--place puts points into one map"
                       : run->o.save ? "--save keeps one map"
                       : run->o.raw  ? "--raw writes one map"
                                     : NULL;
    if (!flag || p->n_sites == 1)
        return GLIM_OK;
    return glim_fail(&run->err, GLIM_EUSAGE,
                     "%s; --site '%.60s' names %zu sites (the last is %.60s)", flag, run->o.site,
                     p->n_sites, p->site);
}

/* Maps of points that are open. */
static glim_status run_points(cli_run *run, cli_points *p) {
    glim_map_options how = cli_map_options(run);
    glim_plan plan;
    cli_map m;
    glim_status status = check_sites(run, p);
    if (!status)
        status = cli_map_plan(run, p, &how, &plan);
    if (!status && run->o.dry_run)
        return put_plan(run, &plan);
    if (!status && run->o.data)
        status = glim__check_budget(run->ctx, plan.bytes, "the map needs",
                                    "name fewer sites or texts", &run->err);
    cli_map_init(&m, run->ctx);
    if (!status)
        status = run->o.place ? place_points(run, &m, p) : cli_map_make(run, &m, p, &how);
    cli_map_release(&m);
    return status;
}

static glim_status run_map(cli_run *run) {
    const cli_options *o = &run->o;
    cli_points p = {0};
    if (o->place && o->save)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--save is for a map, not for points placed in "
                         "one");
    glim_status status = o->model ? cli_open(run) : GLIM_OK;
    if (status)
        return status;
    run->planned = true;
    status = cli_points_open(run, &p);
    if (!status)
        status = run_points(run, &p);
    cli_points_release(run, &p);
    return status;
}

static const glim_param *const groups[] = {
    cli_flags_model,  cli_map_flags_points, cli_map_flags_own,
    cli_flags_output, cli_flags_raw,        cli_flags_resources,
    cli_flags_plan,   cli_flags_talk,       NULL};
static const char *const examples[] = {
    "glim map -m m.gguf --data texts.csv --site 'blocks.*.hook_resid_post'",
    "glim map --table flowers.csv --method pca", "glim map vectors.npy --labels names.csv", NULL};

const cli_command cli_map_command = {
    .name = "map",
    .summary = "many texts or rows in two dimensions: t-SNE, PCA",
    .family = "visualisation",
    .produces = "glim.map/1",
    .synopsis = "[-m MODEL --data FILE | --table FILE | FILE.npy]",
    .text = "vectors",
    .examples = examples,
    .groups = groups,
    .run = run_map,
};
