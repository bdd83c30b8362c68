/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The points of a map that are texts: their vectors at sites of a model, all of them read in one
 * pass and then drawn one by one, so that memory holds the vectors of one site. What a run will
 * take is known before it: the larger of the pass and of the map of the widest site, and what is
 * kept of the maps before it.
 */
#include "cli/map-told.h"

#include <string.h>

static glim_status oom(cli_run *run, uint64_t bytes) {
    return glim__oom(run->ctx, &run->err, "the points", bytes);
}

static glim_status choose_texts(cli_run *run, cli_points *p, uint32_t *rows) {
    size_t column;
    glim_status status = glim__table_column(p->facts, run->o.text_column, &column, &run->err);
    for (size_t i = 0; i < p->facts->n_rows && !status; i++) {
        if (*glim__table_cell(p->facts, i, column)) {
            rows[p->n] = (uint32_t)i;
            p->row[p->n++] = i;
        } else if (strcmp(run->o.missing, "drop") != 0) {
            status = glim_fail(&run->err, GLIM_EFORMAT,
                               "row %zu of '%.200s' has no '%.60s' (--missing drop leaves such "
                               "rows out)",
                               i + 1, p->file, run->o.text_column);
        } else {
            p->left_out++;
        }
    }
    return status;
}

static bool wants_classes(const cli_run *run) {
    const char *by = run->o.color_by;
    return by && (!strcmp(by, "prediction") || !strcmp(by, "error"));
}

/* Texts and their rows. */
static glim_status open_rows(cli_run *run, cli_points *p) {
    p->kind = "texts";
    glim_status status = glim__table_open(&p->facts, run->ctx, p->file, &run->err);
    if (!status)
        status = cli_points_named(run, p);
    if (status)
        return status;
    size_t n = p->facts->n_rows;
    p->text_rows = glim__calloc(run->ctx, n + 1, sizeof *p->text_rows);
    p->row = glim__calloc(run->ctx, n + 1, sizeof *p->row);
    status = p->text_rows && p->row ? choose_texts(run, p, p->text_rows) : oom(run, n * 12);
    if (!status && !p->n)
        status = glim_fail(&run->err, GLIM_EUSAGE, "'%.200s' has no texts", p->file);
    return status;
}

glim_status cli_map_texts_open(cli_run *run, cli_points *p) {
    glim_status status = open_rows(run, p);
    if (!status && wants_classes(run) && glim_model_facts(run->model)->task != GLIM_TASK_CLASSIFY)
        status =
            glim_fail(&run->err, GLIM_EUSAGE, "--color-by %s needs a classifier; '%.200s' is none",
                      run->o.color_by, run->o.model);
    if (status)
        return status;
    p->texts = (glim_texts_at_site){.model = run->model,
                                    .path = p->file,
                                    .text = run->o.text_column,
                                    .site = run->o.site,
                                    .pool = run->o.pool,
                                    .rows = p->text_rows,
                                    .n = p->n,
                                    .classes = wants_classes(run)};
    status = glim__texts_open(&p->texts, &run->err);
    if (status)
        return status;
    p->n_sites = p->texts.n_sites;
    p->cut = p->texts.cut;
    p->pool = p->texts.pool_name;
    p->site = glim__texts_site(&p->texts, p->n_sites - 1, &p->width);
    return GLIM_OK;
}

glim_status cli_map_texts_at(cli_run *run, cli_points *p, size_t site) {
    glim_status status = GLIM_OK;
    if (!p->x) {
        status = glim__texts_run(&p->texts, &run->err);
        p->predicted = p->texts.predicted;
        size_t bytes = p->n * p->texts.widest * sizeof *p->x;
        p->x = status ? NULL : glim__alloc(run->ctx, bytes);
        if (!status && !p->x)
            status = oom(run, bytes);
    }
    if (status)
        return status;
    p->site = glim__texts_site(&p->texts, site, &p->width);
    return glim__texts_get(&p->texts, site, p->x, &run->err);
}

void cli_map_texts_release(cli_run *run, cli_points *p) {
    glim__texts_close(&p->texts);
    glim__free(run->ctx, p->text_rows);
}

/* ---- what it takes ---- */

/* What stays of a map when the next one is made: places, neighbours, snapshots. */
static uint64_t kept_bytes(const cli_points *p, const glim_map_options *how) {
    enum { USUAL = 5 };
    size_t k = how->neighbours ? how->neighbours : USUAL;
    return (uint64_t)p->n * (8 + 8 * k + 8 * how->snapshots);
}

glim_status cli_map_plan(cli_run *run, const cli_points *p, const glim_map_options *how,
                         glim_plan *plan) {
    enum { PRODUCTS = 4000000000U }; /* in a second, of one processor */
    bool texts = run->o.data;
    size_t width = texts ? p->texts.widest : p->width;
    uint64_t bytes, pass = texts ? glim__texts_plan(&p->texts) : 0;
    double work;
    *plan = (glim_plan){.seconds = -1, .bounded = true};
    glim_status status = glim_embed_plan(&bytes, &work, p->n, width, how, &run->err);
    if (status)
        return status;
    bytes += (p->n_sites - 1) * kept_bytes(p, how) + (p->x ? 0 : (uint64_t)p->n * width * 4);
    plan->bytes = (bytes > pass ? bytes : pass) + glim_context_bytes(run->ctx);
    plan->bytes_wanted = plan->bytes;
    if (texts)
        plan->forward_tokens = p->texts.tokens * (p->texts.classes ? 2 : 1);
    else
        plan->seconds = work / PRODUCTS / glim_context_threads(run->ctx);
    return GLIM_OK;
}
