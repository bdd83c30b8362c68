/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run of glim map: the points, what is known of them, and a map of each site. Sites are drawn
 * one behind the other, each as it would be alone, so that its bits are those of a run of its
 * own. Ctrl-C in the descent of t-SNE leaves the map as far as it came, and those before it.
 */
#include "base/names.h"
#include "cli/map-told.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *own_word(cli_map *m, const char *s) {
    return s && *s ? glim__arena_strdup(&m->arena, s) : NULL;
}

/* Where the points are from. */
static glim_status tell_source(cli_run *run, cli_map *m, const cli_points *p) {
    m->title = own_word(m, glim__file_name(p->file));
    m->file = m->title;
    m->kind = p->kind;
    m->n = p->n;
    if (run->model) {
        const glim_model_info *i = glim_model_facts(run->model);
        m->model = own_word(m, glim__file_name(i->path));
        m->architecture = own_word(m, i->architecture);
        m->quantisation = own_word(m, i->quantisation);
        m->digest = own_word(m, i->digest);
        m->pool = own_word(m, p->pool);
    }
    if (p->left_out)
        cli_map_note(m, "%zu rows with missing cells were left out", p->left_out);
    if (p->cut)
        cli_map_note(m, "%zu texts were longer than the model's context and lost their end",
                     p->cut);
    return m->title ? GLIM_OK : glim__oom(run->ctx, &run->err, "the map", 64);
}

static void tell_notes(cli_map *m, const glim_embedding *e, size_t n_sites) {
    const glim_map_options *o = &e->used;
    const char *site = n_sites > 1 ? m->site : "", *of = n_sites > 1 ? ": " : "";
    if (o->method == GLIM_MAP_TSNE && e->n > 1 && o->perplexity < e->asked_perplexity)
        cli_map_note(m, "perplexity %g is too much for %zu points; %.4g was used",
                     e->asked_perplexity, e->n, o->perplexity);
    if (e->approximate)
        cli_map_note(m,
                     "%s%sneighbours by an approximate index, which found %.1f %% of the true ones",
                     site, of, 100 * e->index_recall);
    if (e->duplicates)
        cli_map_note(m, "%s%s%zu points lie where another does", site, of, e->duplicates);
    if (m->asked && m->done < m->asked)
        cli_map_note(m, "%s%sinterrupted after %zu of %zu iterations", site, of, m->done, m->asked);
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
static glim_status tell_map(cli_run *run, cli_map *m, const glim_embedding *e, size_t n_sites) {
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
    m->pca_explained = 0;
    for (size_t k = 0; k < e->pca && tsne; k++)
        m->pca_explained += e->explained[k];
    m->pca = tsne ? e->pca : 0;
    for (size_t k = 0; k < 2 && !tsne; k++)
        m->variance[k] = k < e->pca ? e->explained[k] : 0;
    tell_notes(m, e, n_sites);
    return take_shots(run, m, e);
}

static glim_status judge(cli_run *run, cli_map *m, const cli_points *p) {
    glim_status status =
        glim_embed_quality(&m->quality, run->ctx, p->x, p->n, p->width, m->xy,
                           m->label ? m->label->category : NULL, m->seed, &run->err);
    cli_map_judge(m);
    return status;
}

typedef struct making {
    cli_map *m;
    cli_points *p;
    const glim_map_options *how;
    glim_embedding **e; /* (sites) */
    size_t made;
    glim_status ended; /* an interrupt, once there is something to show */
    glim_error cancelled;
} making;

/* Keeps the error of an interrupted run while what there is of it is shown. */
static glim_status interrupted(cli_run *run, making *k, size_t site, glim_status status) {
    if (status != GLIM_ECANCELLED || (!k->e[site] && !k->made))
        return status;
    k->ended = status;
    k->cancelled = run->err;
    glim_context_reset(run->ctx);
    if (!k->e[site])
        cli_map_note(k->m, "interrupted: %zu of %zu sites are drawn", k->made, k->p->n_sites);
    return GLIM_OK;
}

static glim_status make_site(cli_run *run, making *k, size_t site) {
    cli_map *m = k->m;
    cli_points *p = k->p;
    glim_status status = cli_points_at(run, p, site);
    if (!status && !site)
        status = cli_map_facts(run, m, p);
    if (!status)
        status = glim_embed(&k->e[site], run->ctx, p->x, p->n, p->width, k->how, &run->err);
    status = interrupted(run, k, site, status);
    if (status || !k->e[site])
        return status;
    m->width = p->width;
    m->site = run->model ? own_word(m, p->site) : NULL;
    m->quality = (glim_map_quality){0};
    status = tell_map(run, m, k->e[site], p->n_sites);
    if (!status && k->ended)
        cli_map_judge(m); /* no time for measures */
    else if (!status)
        status = judge(run, m, p);
    if (m->sites && !status)
        m->sites[k->made] = *m;
    k->made += !status;
    return status;
}

static glim_status make_sites(cli_run *run, making *k) {
    cli_map *m = k->m;
    size_t n = k->p->n_sites;
    k->e = glim__arena_calloc(&m->arena, n, sizeof *k->e);
    m->sites = n > 1 ? glim__arena_calloc(&m->arena, n, sizeof *m->sites) : NULL;
    glim_status status = k->e && (n == 1 || m->sites)
                             ? GLIM_OK
                             : glim__oom(run->ctx, &run->err, "the map", n * sizeof *m->sites);
    for (size_t site = 0; site < n && !status && !k->ended; site++)
        status = make_site(run, k, site);
    m->n_sites = k->made > 1 ? k->made : 0;
    for (size_t site = 0; site < m->n_sites; site++)
        m->sites[site].n_notes = m->n_notes;
    return status;
}

glim_status cli_map_make(cli_run *run, cli_map *m, cli_points *p, const glim_map_options *how) {
    making k = {.m = m, .p = p, .how = how};
    double began = glim__seconds();
    glim_status status = tell_source(run, m, p);
    if (!status)
        status = make_sites(run, &k);
    m->seconds = glim__seconds() - began;
    m->peak = glim_context_peak(run->ctx);
    if (!status)
        status = cli_map_answer(run, m);
    if (!status && run->o.save && !k.ended)
        status = cli_map_save(run, m, k.e[0], p->x);
    for (size_t site = 0; k.e && site < p->n_sites; site++)
        glim_embedding_free(k.e[site]);
    if (k.ended && !status)
        run->err = k.cancelled;
    return k.ended && !status ? k.ended : status;
}
