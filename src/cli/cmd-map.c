/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim map: many points in two dimensions, and how far to trust that. Ctrl-C in the descent of
 * t-SNE leaves the map as far as it came.
 */
#include "cli/commands.h"
#include "base/names.h"
#include "cli/map-told.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- plan ---- */

static glim_status put_plan(cli_run *run, const glim_map_options *how) {
    enum { PRODUCTS = 4000000000U }; /* in a second, of one processor */
    cli_points p;
    uint64_t bytes;
    double work;
    glim_plan plan = {.seconds = -1, .bounded = true};
    glim_status status = cli_points_plan(run, &p, &plan);
    if (!status)
        status = glim_embed_plan(&bytes, &work, p.n, p.width, how, &run->err);
    if (!status) {
        plan.bytes +=
            bytes + (p.x ? 0 : (uint64_t)p.n * p.width * 4) + glim_context_bytes(run->ctx);
        plan.bytes_wanted = plan.bytes;
        if (!plan.forward_tokens)
            plan.seconds = work / PRODUCTS / glim_context_threads(run->ctx);
    }
    cli_points_release(run, &p);
    if (status)
        return status;
    if (!run->o.json)
        return cli_put_plan(run, "map", &plan);
    bool ok = true;
    json_t *all = cli_plan_json(&ok, "map", &plan, false);
    return cli_put_json(run, run->o.json, all, ok);
}

/* ---- a run ---- */

static const char *own_word(cli_map *m, const char *s) {
    return s && *s ? glim__arena_strdup(&m->arena, s) : NULL;
}

/* Where the points are from. */
static glim_status tell_source(cli_run *run, cli_map *m, const cli_points *p) {
    m->title = own_word(m, glim__file_name(p->file));
    m->file = m->title;
    m->kind = p->kind;
    m->n = p->n;
    m->width = p->width;
    if (run->model) {
        const glim_model_info *i = glim_model_facts(run->model);
        m->model = own_word(m, glim__file_name(i->path));
        m->architecture = own_word(m, i->architecture);
        m->quantisation = own_word(m, i->quantisation);
        m->digest = own_word(m, i->digest);
        m->site = own_word(m, p->site);
        m->pool = own_word(m, p->pool);
    }
    if (p->left_out)
        cli_map_note(m, "%zu rows with missing cells were left out", p->left_out);
    if (p->cut)
        cli_map_note(m, "%zu texts were longer than the model's context and lost their end",
                     p->cut);
    return m->title ? GLIM_OK : glim__oom(run->ctx, &run->err, "the map", 64);
}

static void tell_notes(cli_map *m, const glim_embedding *e) {
    const glim_map_options *o = &e->used;
    if (o->method == GLIM_MAP_TSNE && e->n > 1 && o->perplexity < e->asked_perplexity)
        cli_map_note(m, "perplexity %g is too much for %zu points; %.4g was used",
                     e->asked_perplexity, e->n, o->perplexity);
    if (e->approximate)
        cli_map_note(m, "neighbours by an approximate index, which found %.1f %% of the true ones",
                     100 * e->index_recall);
    if (e->duplicates)
        cli_map_note(m, "%zu points lie where another does", e->duplicates);
    if (m->asked && m->done < m->asked)
        cli_map_note(m, "interrupted after %zu of %zu iterations", m->done, m->asked);
}

static glim_status take_shots(cli_run *run, cli_map *m, const glim_embedding *e) {
    m->history = glim__arena_calloc(&m->arena, e->n_history + 1, sizeof *m->history);
    m->shots = glim__arena_calloc(&m->arena, e->n_snapshots + 1, sizeof *m->shots);
    if (!m->history || !m->shots)
        return glim__oom(run->ctx, &run->err, "the map", e->n_history * sizeof *m->history);
    m->n_history = e->n_history;
    m->n_shots = e->n_snapshots;
    for (size_t i = 0; i < e->n_history; i++)
        m->history[i] = (cli_map_shot){e->history[i].iteration, e->history[i].kl, NULL};
    for (size_t i = 0; i < e->n_snapshots; i++)
        m->shots[i] =
            (cli_map_shot){e->snapshots[i].iteration, e->snapshots[i].kl, e->snapshots[i].xy};
    return GLIM_OK;
}

/* What the map is; places and neighbours stay with the embedding. */
static glim_status tell_map(cli_run *run, cli_map *m, const glim_embedding *e) {
    const glim_map_options *o = &e->used;
    bool ok = true, tsne = o->method == GLIM_MAP_TSNE;
    json_t *params = cli_map_params(o, &ok);
    char *text = ok ? json_dumps(params, JSON_COMPACT) : NULL;
    m->params = text ? glim__arena_strdup(&m->arena, text) : NULL;
    free(text);
    json_decref(params);
    if (!m->params)
        return glim__oom(run->ctx, &run->err, "the map", 1024);
    m->method = tsne ? "tsne" : "pca";
    m->xy = e->xy;
    m->k = e->k;
    m->of = (int32_t *)e->of;
    m->distance = e->distance;
    m->approximate = e->approximate;
    m->index_recall = e->index_recall;
    m->kl = e->kl;
    m->done = e->done;
    m->seed = o->seed;
    m->threads = glim_context_threads(run->ctx);
    if (tsne && e->n > 1)
        m->asked = (o->early_exaggeration_iter == SIZE_MAX ? 0 : o->early_exaggeration_iter) +
                   (o->n_iter == SIZE_MAX ? 0 : o->n_iter);
    for (size_t k = 0; k < e->pca && tsne; k++)
        m->pca_explained += e->explained[k];
    m->pca = tsne ? e->pca : 0;
    for (size_t k = 0; k < 2 && !tsne; k++)
        m->variance[k] = k < e->pca ? e->explained[k] : 0;
    tell_notes(m, e);
    return take_shots(run, m, e);
}

static glim_status judge(cli_run *run, cli_map *m, const cli_points *p) {
    glim_status status =
        glim_embed_quality(&m->quality, run->ctx, p->x, p->n, p->width, m->xy,
                           m->label ? m->label->category : NULL, m->seed, &run->err);
    cli_map_judge(m);
    return status;
}

/* Keeps the error of an interrupted run while what there is of it is shown. */
static glim_status make_map(cli_run *run, cli_map *m, const cli_points *p,
                            const glim_map_options *how) {
    glim_embedding *e = NULL;
    glim_error cancelled = {0};
    double began = glim__seconds();
    glim_status status = tell_source(run, m, p), ended = GLIM_OK;
    if (!status)
        status = cli_map_facts(run, m, p);
    if (!status)
        status = glim_embed(&e, run->ctx, p->x, p->n, p->width, how, &run->err);
    if (status == GLIM_ECANCELLED && e) {
        ended = status;
        cancelled = run->err;
        glim_context_reset(run->ctx);
        status = GLIM_OK;
    }
    if (!status)
        status = tell_map(run, m, e);
    if (!status && ended)
        cli_map_judge(m); /* no time for measures */
    else if (!status)
        status = judge(run, m, p);
    m->seconds = glim__seconds() - began;
    m->peak = glim_context_peak(run->ctx);
    if (!status)
        status = cli_map_answer(run, m);
    if (!status && run->o.save && !ended)
        status = cli_map_save(run, m, e, p->x);
    glim_embedding_free(e);
    if (ended && !status)
        run->err = cancelled;
    return ended && !status ? ended : status;
}

static glim_status place_points(cli_run *run, cli_map *m, const cli_points *p) {
    glim_status status = cli_map_place(run, m, p);
    return status ? status : cli_map_answer(run, m);
}

static glim_status run_map(cli_run *run) {
    const cli_options *o = &run->o;
    cli_points p = {0};
    cli_map m;
    if (o->place && o->save)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--save is for a map, not for points placed in "
                         "one");
    glim_status status = o->model ? cli_open(run) : GLIM_OK;
    if (status)
        return status;
    run->planned = true;
    glim_map_options how = cli_map_options(run);
    if (o->dry_run)
        return put_plan(run, &how);
    status = cli_points_read(run, &p);
    cli_map_init(&m, run->ctx);
    if (!status)
        status = o->place ? place_points(run, &m, &p) : make_map(run, &m, &p, &how);
    cli_map_release(&m);
    cli_points_release(run, &p);
    return status;
}

static const glim_param *const groups[] = {
    cli_flags_model,  cli_map_flags_points, cli_map_flags_own,
    cli_flags_output, cli_flags_raw,        cli_flags_resources,
    cli_flags_plan,   cli_flags_talk,       NULL};
static const char *const examples[] = {
    "glim map -m model.gguf --data reviews.csv --color-by prediction --html map.html",
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
