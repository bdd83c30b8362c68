/* SPDX-License-Identifier: Apache-2.0 */
/* Effects of patches as panels: a map for every kind of site, the strongest, both inputs. */
#include "structure/patch.h"
#include "influence/truth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const titles[GLIM_PATCH_KINDS] = {
    "What enters a block, by position",
    "Between attention and feed-forward, by position",
    "What attention adds, by position",
    "What the feed-forward part adds, by position",
    "Heads",
    "Queries of heads",
    "Keys of heads",
    "Values of heads"};

bool glim__patch_put_map(const glim_patch_work *w, const glim_report *r, const glim_patch_map *m,
                         const char *unit, glim_panel_scale scale) {
    char name[48], title[96];
    const int32_t *ids;
    bool by_head = m->kind >= GLIM_PATCH_Z, ok = true;
    glim__lm_positions(w->base, m->encoder, &ids);
    snprintf(name, sizeof name, "%s%s", m->encoder ? "encoder-" : "", glim__patch_name(m->kind));
    snprintf(title, sizeof title, "%s%s", m->encoder ? "Encoder: " : "", titles[m->kind]);
    glim_panel *p =
        glim_document_panel_add(r->doc, GLIM_PANEL_GRID, name, title, m->layers, m->columns);
    if (!p)
        return false;
    p->unit = unit;
    p->scale = scale;
    p->rows.name = "layer";
    p->columns.name = by_head ? "head" : "position";
    for (size_t i = 0; i < m->layers && ok; i++) { /* the last layer above */
        ok = glim_document_label(r->doc, &p->rows, i, "%zu", m->layers - 1 - i);
        memcpy(p->values + i * m->columns, m->value + (m->layers - 1 - i) * m->columns,
               m->columns * sizeof *p->values);
    }
    for (size_t i = 0; i < m->columns && ok; i++)
        ok = by_head ? glim_document_label(r->doc, &p->columns, i, "%zu", i)
                     : glim__report_token(r, &p->columns, i, ids[i]);
    return ok;
}

struct input {
    const char *label;
    const glim_predictor *p;
    const int32_t *ids;
    size_t n, first, past; /* tokens that count, when `other` is NULL */
    const int32_t *other;  /* as many, to be compared with */
    double value;
};

static bool fill_input(const glim_report *r, glim_panel_text *out, const struct input *x) {
    const char **pieces = glim_document_alloc(r->doc, x->n * sizeof *pieces);
    double *marks = glim_document_alloc(r->doc, x->n * sizeof *marks);
    if (!pieces || !marks)
        return false;
    for (size_t k = 0; k < x->n; k++) {
        pieces[k] = glim__report_word(r, x->ids[k]);
        marks[k] = x->other ? x->ids[k] != x->other[k] : k >= x->first && k < x->past;
        if (!pieces[k])
            return false;
    }
    *out = (glim_panel_text){.label = x->label,
                             .value = x->value,
                             .n = x->n,
                             .pieces = pieces,
                             .values = marks,
                             .best = SIZE_MAX};
    return true;
}

/* Of inputs of other lengths what lies between their common ends. */
static void compare(struct input *a, struct input *b) {
    size_t head, tail;
    if (a->n == b->n) {
        a->other = b->ids;
        b->other = a->ids;
        return;
    }
    glim__patch_common(a->ids, a->n, b->ids, b->n, &head, &tail);
    a->first = b->first = head;
    a->past = a->n - tail;
    b->past = b->n - tail;
}

static bool put_inputs(const glim_patch_work *w, const glim_report *r) {
    bool reads = ((const glim_lm *)w->base)->written, noise = w->o->noise;
    struct input in[2] = {
        {.label = "clean", .p = w->clean, .value = noise ? w->from : w->to},
        {.label = "corrupted", .p = w->corrupted, .value = noise ? w->to : w->from}};
    size_t n = w->corrupted ? 2 : 1;
    for (size_t i = 0; i < n; i++)
        in[i].n = glim__lm_positions(in[i].p, reads, &in[i].ids);
    if (n == 2) {
        compare(&in[0], &in[1]);
    } else {
        in[0].first = w->marked_first;
        in[0].past = w->marked_first + w->marked_count;
    }
    glim_panel *p = glim_document_panel_add(r->doc, GLIM_PANEL_TEXTS, n == 2 ? "inputs" : "input",
                                            n == 2 ? "The two inputs" : "The input", n, 0);
    if (!p)
        return false;
    p->caption = n == 2 ? "Marked: tokens that differ." : "Marked: tokens under noise.";
    p->scale = GLIM_SCALE_AMOUNT;
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = fill_input(r, &p->strings[i], &in[i]);
    return ok;
}

static bool put_strongest(const glim_patch_work *w, const glim_report *r, const size_t *map,
                          const size_t *item, const double *exact, size_t n) {
    const char *const names[] = {"site", "layer", "at", exact ? "guess" : "effect", "exact"};
    size_t columns = exact ? 5 : 4;
    glim_panel *p = glim_document_panel_add(r->doc, GLIM_PANEL_TABLE, "strongest",
                                            "Strongest patches", n, columns);
    bool ok = p != NULL;
    for (size_t c = 0; c < columns && ok; c++)
        ok = glim_document_label(r->doc, &p->columns, c, "%s", names[c]);
    for (size_t i = 0; i < n && ok; i++) {
        const glim_patch_map *m = &w->maps[map[i]];
        const int32_t *ids;
        size_t column = item[i] % m->columns, len = 0;
        char text[64];
        glim__lm_positions(w->base, m->encoder, &ids);
        glim_panel_cell *row = p->cells + i * columns;
        ok = glim_document_label(r->doc, &p->rows, i, "%zu", i + 1);
        snprintf(text, sizeof text, "%s%s", m->encoder ? "encoder " : "",
                 glim__patch_name(m->kind));
        row[0].text = glim_document_text(r->doc, text, strlen(text));
        size_t layer = item[i] / m->columns;
        row[1].number = (double)layer;
        if (m->kind >= GLIM_PATCH_Z) {
            snprintf(text, sizeof text, "head %zu", column);
        } else {
            const char *word = glim_model_token_bytes(r->p->model, ids[column], &len);
            snprintf(text, sizeof text, "%zu \"%.*s\"", column + 1, (int)(len < 40 ? len : 40),
                     word);
        }
        row[2].text = glim_document_text(r->doc, text, strlen(text));
        row[3].number = m->value[item[i]];
        if (exact)
            row[4].number = exact[i];
        ok = ok && row[0].text && row[2].text;
    }
    return ok;
}

/* Pearson's correlation of guesses and what putting them in did; NaN when memory is refused. */
static double agreement(const glim_patch_work *w, const size_t *map, const size_t *item,
                        const double *exact, size_t n) {
    double *guess = glim__calloc(w->base->ctx, n, sizeof *guess), r = NAN;
    for (size_t i = 0; i < n && guess; i++)
        guess[i] = w->maps[map[i]].value[item[i]];
    if (guess)
        r = glim__truth_pearson(guess, exact, n);
    glim__free(w->base->ctx, guess);
    return r;
}

bool glim__patch_show(const glim_patch_work *w, const glim_report *r, const size_t *map,
                      const size_t *item, const double *exact, size_t n) {
    bool ok = put_inputs(w, r);
    for (size_t i = 0; i < w->n_maps && ok; i++)
        ok = glim__patch_put_map(w, r, &w->maps[i], NULL, GLIM_SCALE_EFFECT);
    ok = ok && put_strongest(w, r, map, item, exact, n) &&
         glim_document_check_add(r->doc, "clean", w->o->noise ? w->from : w->to,
                                 "the target on the clean input") &&
         glim_document_check_add(r->doc, "corrupted", w->o->noise ? w->to : w->from,
                                 "the target on the corrupted input");
    if (!ok || !exact || n < 3)
        return ok;
    double r_of = agreement(w, map, item, exact, n);
    if (r_of < 0.7)
        glim_document_judge(r->doc, GLIM_VERDICT_CAREFUL,
                            "guesses and exact effects of the strongest agree little (r = %.2f)",
                            r_of);
    return glim_document_check_add(r->doc, "estimate_agreement", r_of,
                                   "correlation of guessed and exact effects of the strongest");
}
