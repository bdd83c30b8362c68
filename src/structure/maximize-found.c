/* SPDX-License-Identifier: Apache-2.0 */
/* What was searched for, in the document: each beside where it began, beside the corpus and
   beside texts by chance. */
#include "structure/maximize-document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = GLIM_TOLD_NAME };

/* By what it was searched for, and with several weights of fluency by which. */
static const char *way(const glim_teller *t, const glim_found *f) {
    char text[64];
    if (t->r->o->n_fluencies < 2)
        return f->how;
    snprintf(text, sizeof text, "%s, fluency %g", f->how, f->lambda);
    return glim_document_text(t->doc, text, strlen(text));
}

static bool put_optimised(glim_teller *t) {
    static const char *const names[] = {"text",          "value",       "start",
                                        "random texts",  "corpus best", "corpus mean",
                                        "-log p (nats)", "inputs run",  "search"};
    enum { COLUMNS = sizeof names / sizeof *names };
    const glim_maximized *r = t->r;
    glim_panel *p = glim_document_panel_add(t->doc, GLIM_PANEL_TABLE, "optimised",
                                            "Inputs that were searched for", r->n_found, COLUMNS);
    bool ok = p && glim__tell_columns(t->doc, p, names);
    if (p)
        p->caption = "This is nothing natural: it says what can activate, not what usually does.";
    for (size_t i = 0; i < r->n_found && ok; i++) {
        const glim_found *f = &r->found[i];
        glim_panel_cell *row = &p->cells[i * COLUMNS];
        bool seen = r->read && r->kept.texts;
        const glim_kept_unit *x = seen ? &r->kept.unit[f->unit] : NULL;
        row[0].text = glim_document_text(t->doc, f->text, f->n);
        row[1].number = f->value;
        row[2].number = f->start;
        row[3].number = r->ordinary ? r->ordinary[f->unit] : NAN;
        row[4].number = x && x->n_top ? x->top[0].value : NAN;
        row[5].number = x ? x->of_texts / (double)r->kept.texts : NAN;
        row[6].number = f->nll;
        row[7].number = (double)f->asked;
        row[8].text = way(t, f);
        ok = row[0].text && row[8].text && glim__tell_unit(t, p, i, f->unit);
    }
    return ok;
}

static bool put_found(glim_teller *t) {
    const glim_maximized *r = t->r;
    glim_panel *p = glim__tell_texts(t, "found", "The same, token by token", r->n_found);
    bool ok = p != NULL;
    for (size_t i = 0; i < r->n_found && ok; i++) {
        const glim_found *f = &r->found[i];
        const char *how = way(t, f);
        p->strings[i].value = f->value;
        ok = how && glim__tell_unit(t, p, i, f->unit) &&
             glim__tell_label(t, &p->strings[i], f->unit, how) &&
             glim__tell_strip(t, &p->strings[i], f->text, f->ends, f->pieces, f->values, 1);
    }
    return ok;
}

static bool put_progress(glim_teller *t) {
    const glim_maximized *r = t->r;
    size_t steps = 0;
    for (size_t i = 0; i < r->n_found; i++)
        steps = r->found[i].n_best > steps ? r->found[i].n_best : steps;
    glim_panel *p = glim_document_panel_add(t->doc, GLIM_PANEL_LINES, "progress",
                                            "The best so far, by step", r->n_found, steps);
    bool ok = p != NULL;
    for (size_t c = 0; c < steps && ok; c++)
        ok = glim_document_label(t->doc, &p->columns, c, "%zu", c);
    for (size_t i = 0; i < r->n_found && ok; i++) {
        const glim_found *f = &r->found[i];
        char name[NAME];
        glim__activation_name(t->a, f->unit, name, sizeof name);
        const char *how = way(t, f);
        ok = how && glim_document_label(t->doc, &p->rows, i, "%.150s, %s %zu", name, how, i + 1);
        for (size_t c = 0; c < steps && f->n_best; c++)
            p->values[i * steps + c] = f->best[c < f->n_best ? c : f->n_best - 1];
    }
    if (p) {
        p->rows.name = "series";
        p->columns.name = "step";
        p->scale = GLIM_SCALE_SIGNED;
    }
    return ok;
}

bool glim__tell_found(glim_teller *t) {
    size_t n = t->r->alike;
    if (n)
        glim_document_note(t->doc,
                           "%zu near-duplicate%s among what was found %s left out: three quarters "
                           "of the tokens were those of a better one",
                           n, n == 1 ? "" : "s", n == 1 ? "was" : "were");
    return put_optimised(t) && glim__tell_front(t) && put_found(t) && put_progress(t);
}
