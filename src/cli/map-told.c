/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a map: its verdict, its caption, its largest groups. */
#include "cli/map-told.h"
#include "cli/show.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { MOST_NOTES = 64 };

void cli_map_init(cli_map *m, glim_context *ctx) {
    *m = (cli_map){.ctx = ctx, .version = GLIM_VERSION, .params = "{}"};
    m->kl = m->variance[0] = m->variance[1] = m->index_recall = NAN;
    glim__arena_init(&m->arena, ctx, 1 << 16);
    m->notes = glim__arena_calloc(&m->arena, MOST_NOTES, sizeof *m->notes);
}

void cli_map_release(cli_map *m) {
    if (m->ctx)
        glim__arena_release(&m->arena);
    if (m->later.ctx)
        glim__arena_release(&m->later);
    m->ctx = NULL;
}

void cli_map_note(cli_map *m, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < m->n_notes; i++)
        if (!strcmp(m->notes[i], text)) /* of another site */
            return;
    char *own = m->notes && m->n_notes < MOST_NOTES ? glim__arena_strdup(&m->arena, text) : NULL;
    if (own)
        m->notes[m->n_notes++] = own;
}

const char *cli_map_method_name(const cli_map *m) {
    return strcmp(m->method, "tsne") ? "PCA" : "t-SNE";
}

static const char *caption_of(const cli_map *m) {
    return strcmp(m->method, "tsne")
               ? "Axes are the two directions of most variance; what varies along others is not "
                 "seen."
               : "Near points are alike. The sizes of groups and the distances between them mean "
                 "nothing.";
}

/* Words of what was measured; how far it can be trusted decides which. */
void cli_map_judge(cli_map *m) {
    const glim_map_quality *q = &m->quality;
    char text[320];
    m->caption = caption_of(m);
    if (!q->sample || !isfinite(q->trustworthiness)) {
        m->trust = 1;
        m->verdict = "too few points to measure how far this map can be trusted";
        return;
    }
    double t = q->trustworthiness;
    m->trust = t >= 0.95 ? 0 : t >= 0.85 ? 1 : 2;
    static const char *const words[] = {"points that are near in the map are near in truth",
                                        "some points that are near in the map are not in truth",
                                        "points that are near in the map often are not in truth"};
    snprintf(text, sizeof text,
             "%s (trustworthiness %.3f); of the 10 nearest of a point %.0f %% stay among the 10 "
             "nearest",
             words[m->trust], t, 100 * q->recall_10);
    m->verdict = glim__arena_strdup(&m->arena, text);
    if (!m->verdict)
        m->verdict = words[m->trust];
}

const cli_map_color *cli_map_drawn(const cli_map *m) {
    for (size_t k = 0; m->color_by && k < m->n_colors; k++)
        if (!strcmp(m->colors[k].name, m->color_by))
            return &m->colors[k];
    return m->label;
}

void cli_map_sizes(const cli_map *m, const cli_map_color *c, size_t *order, size_t *counts) {
    for (size_t k = 0; k < c->n_names; k++)
        counts[k] = 0;
    for (size_t i = 0; i < m->n; i++)
        if (c->category[i] >= 0)
            counts[c->category[i]]++;
    for (size_t k = 0; k < c->n_names; k++) {
        size_t at = k;
        for (; at > 0 && counts[order[at - 1]] < counts[k]; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
}

/* A name of the list, or a pattern of it. */
static bool is_listed(const char *list, const char *site) {
    char one[256];
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ","), at);
        if (site && glim__site_match(one, site))
            return true;
    }
    return false;
}

glim_status cli_map_only(cli_map *m, const char *sites, glim_error *err) {
    cli_map all = *m;
    size_t n = 0;
    if (!m->n_sites)
        return is_listed(sites, m->site)
                   ? GLIM_OK
                   : glim_fail(err, GLIM_EUSAGE,
                               "--site '%.60s' is not in the document, whose map is of %.60s",
                               sites, m->site ? m->site : "no site");
    for (size_t k = 0; k < m->n_sites; k++)
        if (is_listed(sites, m->sites[k].site))
            m->sites[n++] = m->sites[k];
    if (!n)
        return glim_fail(err, GLIM_EUSAGE,
                         "--site '%.60s' is not in the document, whose sites are %.60s to %.60s",
                         sites, all.sites[0].site, all.site);
    *m = all.sites[n - 1];
    m->arena = all.arena;
    m->later = all.later;
    m->sites = all.sites;
    m->n_sites = n > 1 ? n : 0;
    m->n_notes = all.n_notes;
    return GLIM_OK;
}

glim_status cli_map_answer(cli_run *run, const cli_map *m) {
    const cli_options *o = &run->o;
    glim_status status = GLIM_OK;
    if (o->json || cli_wants_figures(run)) {
        bool ok = true;
        json_t *all = cli_map_json(m, &ok);
        status = ok ? cli_show_figures(run, all) : GLIM_OK;
        if (!status && (o->json || !ok))
            status = cli_put_json(run, o->json ? o->json : "-", all, ok);
        else
            json_decref(all);
    }
    if (!status && o->csv)
        status = cli_map_csv(run, m);
    if (!status && o->html)
        status = cli_map_html(run, m);
    if (!status && o->raw)
        status = cli_put_raw(run, m->xy, m->n, 2);
    if (!status && cli_wants_terminal(run))
        status = cli_map_show(run, m);
    return status;
}
