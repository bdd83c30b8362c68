/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front over weights of fluency: of each unit and weight the best text by what was climbed,
 * what it reached and how likely its tokens are. One that another is not below in either, and
 * above in one, is off the front: whatever the weight means, the other is the better answer.
 */
#include "structure/maximize-document.h"

#include <math.h>
#include <stdio.h>

static double score(const glim_found *f, double lambda) {
    return lambda > 0 ? f->value - lambda * f->nll : f->value;
}

static const glim_found *best_of(const glim_maximized *r, size_t unit, double lambda) {
    const glim_found *best = NULL;
    for (size_t i = 0; i < r->n_found; i++) {
        const glim_found *f = &r->found[i];
        if (f->unit == unit && f->lambda == lambda &&
            (!best || score(f, lambda) > score(best, lambda)))
            best = f;
    }
    return best;
}

static bool is_beaten(const glim_found *f, const glim_found *by) {
    return by->value >= f->value && by->nll <= f->nll && (by->value > f->value || by->nll < f->nll);
}

static bool put_row(glim_teller *t, glim_panel *p, size_t row, size_t unit, double lambda) {
    enum { COLUMNS = 5 };
    const glim_maximized *r = t->r;
    const glim_found *f = best_of(r, unit, lambda);
    glim_panel_cell *cells = &p->cells[row * COLUMNS];
    bool beaten = false;
    cells[0].number = lambda;
    for (size_t k = 1; k < COLUMNS; k++)
        cells[k].number = NAN;
    if (!glim__tell_unit(t, p, row, unit))
        return false;
    if (!f)
        return true; /* interrupted before */
    for (size_t i = 0; i < r->n_found; i++)
        beaten = beaten || (r->found[i].unit == unit && is_beaten(f, &r->found[i]));
    cells[1].number = f->value;
    cells[2].number = -f->nll;
    cells[3].text = beaten ? "no" : "yes";
    cells[4].text = glim_document_text(t->doc, f->text, f->n);
    return cells[4].text != NULL;
}

bool glim__tell_front(glim_teller *t) {
    static const char *const names[] = {"fluency", "value", "log p (nats)", "on the front", "text"};
    const glim_maximize_options *o = t->r->o;
    size_t n = o->n_fluencies, units = t->a->n;
    if (n < 2)
        return true;
    glim_panel *p =
        glim_document_panel_add(t->doc, GLIM_PANEL_TABLE, "front",
                                "What is reached against how likely it is", units * n, 5);
    bool ok = p && glim__tell_columns(t->doc, p, names);
    if (p)
        p->caption = "Off the front: another text reaches as much and is at least as likely.";
    for (size_t i = 0; i < units * n && ok; i++)
        ok = put_row(t, p, i, i / n, o->fluencies[i % n]);
    return ok;
}
