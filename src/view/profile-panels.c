/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a profile shows besides its measures, as panels, so that the terminal, the report and the
 * figures draw it as they draw any other: a curve for each metric that is an area, and the ranks
 * that other seeds give to the units that matter most.
 */
#include "view/profile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char DELETION[] =
    "0 is the target with nothing there, 1 with everything; the area below is deletion-auc. What a "
    "line loses at its beginning is comprehensiveness. Shaded: the lowest and highest of random "
    "orders, and over many inputs the interval of the mean.";
static const char INSERTION[] =
    "0 is the target with nothing there, 1 with everything; the area below is insertion-auc. What "
    "a line lacks at its beginning is sufficiency. Shaded: the lowest and highest of random "
    "orders, and over many inputs the interval of the mean.";

struct making {
    glim_document *d;
    glim_panel *next;
    bool failed;
};

static void *room(struct making *m, size_t n) {
    void *p = glim_document_alloc(m->d, n);
    if (p)
        memset(p, 0, n);
    m->failed = m->failed || !p;
    return p;
}

static const char **labels(struct making *m, glim_panel_axis *axis, const char *name, size_t n) {
    const char **list = room(m, (n + 1) * sizeof *list);
    *axis = (glim_panel_axis){.name = name, .n = list ? n : 0, .labels = list};
    return list;
}

static void label(struct making *m, const char **to, const char *s, size_t n) {
    *to = glim_document_text(m->d, s, n);
    m->failed = m->failed || !*to;
}

static void add_curve(struct making *m, const glim_measure *measure, size_t every) {
    const size_t n = (GLIM_CURVE - 1) / every + 1;
    static const char *const names[] = {"this explanation", "random orders"};
    const glim_curve *c = measure->curve;
    const double *const lines[][3] = {{c->own, c->low, c->high},
                                      {c->random, c->random_low, c->random_high}};
    glim_panel *p = m->next;
    bool inserts = measure->metric->higher;
    *p = (glim_panel){.kind = GLIM_PANEL_LINES,
                      .name = measure->metric->name,
                      .title = inserts ? "The target while the most important units come first"
                                       : "The target while the most important units go first",
                      .caption = inserts ? INSERTION : DELETION,
                      .scale = GLIM_SCALE_AMOUNT};
    const char **rows = labels(m, &p->rows, "series", 2);
    const char **columns = labels(m, &p->columns, inserts ? "units put in" : "units taken out", n);
    double *all = room(m, 6 * n * sizeof *all);
    for (size_t i = 0; i < 2 && !m->failed; i++)
        rows[i] = names[i];
    for (size_t i = 0; i < n && !m->failed; i++) {
        char text[24];
        int len = snprintf(text, sizeof text, "%zu %%", 100 * i * every / (GLIM_CURVE - 1));
        label(m, &columns[i], text, (size_t)len);
        for (size_t k = 0; k < 6; k++)
            all[k * n + i] = lines[k % 2][k / 2][i * every];
    }
    p->values = all;
    p->low = all ? all + 2 * n : NULL;
    p->high = all ? all + 4 * n : NULL;
    m->next++;
}

static void add_ranks(struct making *m, const glim_profile *f) {
    const glim_seed_ranks *r = f->e->ranks;
    glim_panel *p = m->next;
    *p = (glim_panel){.kind = GLIM_PANEL_GRID,
                      .name = "seed-ranks",
                      .title = "Ranks of the units when the method draws other numbers",
                      .caption = "A unit whose rank jumps from seed to seed is not to be told from "
                                 "its neighbours.",
                      .scale = GLIM_SCALE_RANK};
    const char **rows = labels(m, &p->rows, "unit", r->n_units);
    const char **columns = labels(m, &p->columns, "run", r->n_seeds);
    p->values = room(m, (r->n_units * r->n_seeds + 1) * sizeof *p->values);
    for (size_t i = 0; i < r->n_units && !m->failed; i++) {
        label(m, &rows[i], r->units[i].text ? r->units[i].text : "", r->units[i].text_len);
        for (size_t k = 0; k < r->n_seeds; k++)
            p->values[i * r->n_seeds + k] = r->units[i].rank[k] ? (double)r->units[i].rank[k] : NAN;
    }
    for (size_t k = 0; k < r->n_seeds && !m->failed; k++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%zu", k + 1);
        label(m, &columns[k], text, (size_t)n);
    }
    m->next++;
}

glim_status glim__profile_panels(glim_document **out, const glim_profile *f, size_t every,
                                 glim_error *err) {
    struct making m = {0};
    glim_status status = glim_document_new(out, f->doc->ctx, err);
    if (status)
        return status;
    m.d = *out;
    m.d->kind = "profile";
    m.next = m.d->panels = room(&m, (f->e->n_measures + 2) * sizeof *m.next);
    for (size_t i = 0; i < f->e->n_measures && !m.failed; i++)
        if (f->e->measures[i].curve && !f->e->measures[i].why)
            add_curve(&m, &f->e->measures[i], every);
    if (f->e->ranks && f->e->ranks->n_units && f->e->ranks->n_seeds && !m.failed)
        add_ranks(&m, f);
    if (m.failed) {
        glim_document_free(*out);
        *out = NULL;
        return glim__oom(f->doc->ctx, err, "the profile", sizeof *m.next);
    }
    m.d->n_panels = (size_t)(m.next - m.d->panels);
    return GLIM_OK;
}
