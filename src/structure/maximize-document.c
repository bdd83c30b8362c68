/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What activates, as a document: its panels are in include/glim/maximize.h. Texts of several
 * units stand in one panel, a row's label says whose it is. All strips of a panel share one
 * scale, so that a strong example looks stronger than a weak one.
 */
#include "base/buffer.h"
#include "base/json.h"
#include "predict/lm.h"
#include "structure/maximize-document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = GLIM_TOLD_NAME, FREQUENT = 3, SHOWN_BINS = 40, HALF = GLIM_HISTOGRAM_BINS / 2 };

static double value_at(const float *values, size_t i) {
    return values ? (double)values[i] : NAN;
}

/* ---- strips ---- */

bool glim__tell_strip(glim_teller *t, glim_panel_text *out, const char *text, const uint32_t *ends,
                      size_t n, const float *values, size_t stride) {
    const char **pieces = glim_document_alloc(t->doc, n * sizeof *pieces);
    double *numbers = glim_document_alloc(t->doc, n * sizeof *numbers);
    size_t from = 0;
    for (size_t i = 0; i < n && pieces && numbers; i++) {
        pieces[i] = glim_document_text(t->doc, text + from, ends[i] - from);
        if (!pieces[i])
            return false;
        from = ends[i];
        numbers[i] = value_at(values, i * stride);
        if (values && (out->best == SIZE_MAX || numbers[i] > numbers[out->best]))
            out->best = i;
    }
    out->n = n;
    out->pieces = pieces;
    out->values = numbers;
    return pieces && numbers;
}

/* "[123] what", the neuron only where there are several. */
bool glim__tell_label(glim_teller *t, glim_panel_text *out, size_t unit, const char *what) {
    char label[NAME], index[24] = "";
    if (t->a->n > 1)
        snprintf(index, sizeof index, "[%zu] ", t->a->indices[unit]);
    snprintf(label, sizeof label, "%s%.130s", index, what);
    out->label = glim_document_text(t->doc, label, strlen(label));
    return out->label != NULL;
}

static bool put_source(glim_teller *t, glim_panel_text *out, size_t unit,
                       const glim_kept_text *text) {
    char where[NAME], part[32] = "";
    const char *slash = strrchr(t->r->o->data, '/');
    if (text->part)
        snprintf(part, sizeof part, ", part %zu", text->part + 1);
    snprintf(where, sizeof where, "%.80s, row %zu%s", slash ? slash + 1 : t->r->o->data,
             text->row + 1, part);
    return glim__tell_label(t, out, unit, where);
}

glim_panel *glim__tell_texts(glim_teller *t, const char *name, const char *title, size_t rows) {
    glim_panel *p = glim_document_panel_add(t->doc, GLIM_PANEL_TEXTS, name, title, rows, 0);
    if (p) {
        p->scale = GLIM_SCALE_SIGNED;
        p->rows.name = "text";
        p->unit = t->a->kind == GLIM_ACTIVATION_OUTPUT ? "logit" : NULL;
    }
    return p;
}

bool glim__tell_unit(const glim_teller *t, glim_panel *p, size_t row, size_t unit) {
    char name[NAME];
    glim__activation_name(t->a, unit, name, sizeof name);
    return glim_document_label(t->doc, &p->rows, row, "%s", name);
}

static bool put_kept(glim_teller *t, bool bottom) {
    const glim_kept_texts *k = &t->r->kept;
    size_t rows = 0, at = 0;
    for (size_t u = 0; u < k->units; u++)
        rows += bottom ? k->unit[u].n_bottom : k->unit[u].n_top;
    glim_panel *p = bottom ? glim__tell_texts(t, "bottom", "Texts that activate least", rows)
                           : glim__tell_texts(t, "top", "Texts that activate most", rows);
    bool ok = p != NULL;
    for (size_t u = 0; u < k->units && ok; u++)
        for (size_t i = 0; i < (bottom ? k->unit[u].n_bottom : k->unit[u].n_top) && ok; i++, at++) {
            const glim_kept *e = bottom ? &k->unit[u].bottom[i] : &k->unit[u].top[i];
            glim_panel_text *s = &p->strings[at];
            s->value = e->value;
            ok =
                glim__tell_unit(t, p, at, u) && put_source(t, s, u, e->text) &&
                glim__tell_strip(t, s, e->text->text, e->text->ends, e->text->pieces, e->values, 1);
            for (size_t piece = 0; ok && bottom && e->values && piece < s->n; piece++)
                s->best = s->values[piece] < s->values[s->best] ? piece : s->best;
        }
    return ok;
}

/* Sampled texts: about a share of all, or (NaN) at random. */
static bool put_bin(glim_teller *t, const char *name, const char *title, double share) {
    const glim_kept_texts *k = &t->r->kept;
    size_t each = t->r->o->bins < k->n_sample ? t->r->o->bins : k->n_sample, at = 0;
    glim_panel *p = glim__tell_texts(t, name, title, each * k->units);
    size_t *index = glim__calloc(t->doc->ctx, each, sizeof *index);
    bool ok = p && index;
    for (size_t u = 0; u < k->units && ok; u++) {
        for (size_t i = 0; i < each; i++)
            index[i] = i;
        if (isfinite(share))
            glim__kept_about(k, u, share, each, index);
        for (size_t i = 0; i < each && ok; i++, at++) {
            const glim_sampled *e = &k->sample[index[i]];
            p->strings[at].value = e->value[u];
            ok = glim__tell_unit(t, p, at, u) && put_source(t, &p->strings[at], u, e->text) &&
                 glim__tell_strip(t, &p->strings[at], e->text->text, e->text->ends, e->text->pieces,
                                  e->values ? e->values + u : NULL, k->units);
        }
    }
    glim__free(t->doc->ctx, index);
    return ok;
}

/* ---- numbers of the units ---- */

struct piece {
    const char *text;
    size_t n, count;
};

static void count_piece(struct piece *list, size_t *n, const char *text, size_t len) {
    size_t i = 0;
    while (i < *n && (list[i].n != len || memcmp(list[i].text, text, len) != 0))
        i++;
    if (i == *n)
        list[(*n)++] = (struct piece){text, len, 0};
    list[i].count++;
}

/* Which pieces are the strongest of the top texts most often: " the, a". */
static bool put_frequent(glim_teller *t, const glim_kept_unit *u, glim_panel_cell *cell) {
    struct piece *list = glim__calloc(t->doc->ctx, u->n_top, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < u->n_top && list; i++) {
        const glim_kept *e = &u->top[i];
        size_t k = 0;
        for (size_t p = 1; p < e->text->pieces && e->values; p++)
            k = e->values[p] > e->values[k] ? p : k;
        size_t from = k ? e->text->ends[k - 1] : 0;
        if (e->values)
            count_piece(list, &n, e->text->text + from, e->text->ends[k] - from);
    }
    glim_buffer out;
    glim__buffer_init(&out, t->doc->ctx);
    for (size_t turn = 0; turn < FREQUENT && list; turn++) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            best = list[i].count > list[best].count ? i : best;
        if (!n || !list[best].count)
            break;
        glim__buffer_puts(&out, turn ? ", " : "");
        glim__buffer_append(&out, list[best].text, list[best].n);
        list[best].count = 0;
    }
    bool ok = list && !out.failed;
    cell->text = ok ? glim_document_text(t->doc, out.data ? out.data : "", out.len) : NULL;
    glim__buffer_release(&out);
    glim__free(t->doc->ctx, list);
    return cell->text != NULL;
}

bool glim__tell_columns(glim_document *doc, glim_panel *p, const char *const *names) {
    bool ok = true;
    for (size_t c = 0; c < p->columns.n && ok; c++)
        ok = glim_document_label(doc, &p->columns, c, "%s", names[c]);
    return ok;
}

static bool put_units(glim_teller *t) {
    static const char *const names[] = {"largest", "mean",          "deviation",
                                        "above 0", "mean of texts", "frequent tokens"};
    enum { COLUMNS = sizeof names / sizeof *names };
    const glim_kept_texts *k = &t->r->kept;
    glim_panel *p = glim_document_panel_add(t->doc, GLIM_PANEL_TABLE, "units",
                                            "Neurons, directions and outputs", k->units, COLUMNS);
    bool ok = p && glim__tell_columns(t->doc, p, names);
    for (size_t u = 0; u < k->units && ok; u++) {
        const glim_kept_unit *x = &k->unit[u];
        glim_panel_cell *row = &p->cells[u * COLUMNS];
        double n = (double)x->tokens, mean = x->sum / n, square = x->squares / n - mean * mean;
        row[0].number = x->n_top ? x->top[0].value : NAN;
        row[1].number = mean;
        row[2].number = sqrt(square > 0 ? square : 0);
        row[3].number = (double)x->above / n;
        row[4].number = x->of_texts / (double)k->texts;
        ok = put_frequent(t, x, &row[5]) && glim__tell_unit(t, p, u, u);
    }
    return ok;
}

static bool put_histogram(glim_teller *t) {
    glim_kept_texts *k = &t->r->kept;
    int first, n;
    double width = glim__kept_even(k, SHOWN_BINS, &first, &n);
    size_t bins = (size_t)n;
    glim_panel *p = glim_document_panel_add(t->doc, GLIM_PANEL_LINES, "histogram",
                                            "How strong tokens are", k->units, bins);
    if (!p)
        return false;
    p->scale = GLIM_SCALE_AMOUNT;
    p->unit = "tokens";
    p->rows.name = "series";
    p->columns.name = "activation from";
    p->caption = "Most tokens lie near zero: read the ends by the logarithm of the counts.";
    bool ok = true;
    for (size_t b = 0; b < bins && ok; b++)
        ok = glim_document_label(t->doc, &p->columns, b, "%.4g", width * ((int)b + first - HALF));
    for (size_t u = 0; u < k->units && ok; u++) {
        ok = glim__tell_unit(t, p, u, u);
        for (size_t b = 0; b < bins; b++)
            p->values[u * bins + b] = (double)k->unit[u].counts[(size_t)first + b];
    }
    return ok;
}

/* Whether all texts that are kept of a unit are strongest at their first token. */
static bool at_first(const glim_kept_unit *u) {
    bool all = u->n_top >= FREQUENT;
    for (size_t i = 0; i < u->n_top && all; i++) {
        const glim_kept *e = &u->top[i];
        all = e->values && e->text->pieces > 1;
        for (size_t p = 1; all && p < e->text->pieces; p++)
            all = e->values[0] >= e->values[p];
    }
    return all;
}

/* Models without a token of their own in front often make a sink of the first one. */
static bool tell_sinks(glim_teller *t) {
    const glim_kept_texts *k = &t->r->kept;
    size_t n = 0;
    for (size_t u = 0; u < k->units; u++)
        n += at_first(&k->unit[u]);
    if (!n)
        return true;
    glim_document_judge(t->doc, GLIM_VERDICT_CAREFUL,
                        "%zu of %zu are strongest at the first token of texts, whatever it says?",
                        n, k->units);
    return glim_document_note(t->doc,
                              "%zu of %zu are strongest at the first token of every text in 'top': "
                              "compare 'random', for it may be the place and not the word",
                              n, k->units);
}

static bool put_corpus(glim_teller *t) {
    const glim_corpus_counts *c = &t->r->counts;
    if (!t->r->read || !t->r->kept.texts)
        return true;
    bool ok = put_units(t) && put_histogram(t) && put_kept(t, false) &&
              put_bin(t, "quantile-90", "Texts about the 90 % quantile", 0.9) &&
              put_bin(t, "quantile-50", "Texts about the median", 0.5) &&
              put_bin(t, "random", "Texts at random", NAN) &&
              (t->a->kind == GLIM_ACTIVATION_HEAD || put_kept(t, true)); /* lengths end at 0 */
    ok = ok && glim_document_note(t->doc,
                                  "%zu texts in %zu passages; %zu were there twice, %zu "
                                  "could not be read",
                                  c->texts, c->passages, c->twice, c->broken);
    ok = ok && tell_sinks(t);
    if (ok && c->forgot)
        ok = glim_document_note(t->doc, "more texts than are remembered: "
                                        "later ones may be there twice");
    return ok && (t->r->kept.texts <= t->r->kept.room ||
                  glim_document_note(t->doc, "quantiles are those of %zu texts drawn at random",
                                     t->r->kept.n_sample));
}

/* ---- head ---- */

static const char *params_text(const glim_maximized *r, glim_document *doc) {
    const glim_maximize_options *o = r->o;
    bool ok = true, search = strcmp(o->search, "none") != 0;
    json_t *p = json_object();
    if (o->site)
        glim__json_set(&ok, p, "site", json_string(o->site));
    if (o->n_indices) {
        json_t *list = json_array();
        for (size_t i = 0; i < o->n_indices; i++)
            glim__json_add(&ok, list, json_integer((json_int_t)o->indices[i]));
        glim__json_set(&ok, p, "index", list);
    }
    if (o->head >= 0)
        glim__json_set(&ok, p, "head", json_integer(o->head));
    if (o->direction)
        glim__json_set(&ok, p, "direction", json_string(o->direction));
    glim__json_set(&ok, p, "pool", json_string(o->pool));
    if (o->data) {
        glim__json_set(&ok, p, "top", json_integer((json_int_t)o->top));
        glim__json_set(&ok, p, "bins", json_integer((json_int_t)o->bins));
        glim__json_set(&ok, p, "window", json_integer((json_int_t)o->window));
    }
    glim__json_set(&ok, p, "search", json_string(o->search));
    if (search) {
        glim__json_set(&ok, p, "length", json_integer((json_int_t)o->length));
        glim__json_set(&ok, p, "restarts", json_integer((json_int_t)o->restarts));
        glim__json_set(&ok, p, "steps", json_integer((json_int_t)o->steps));
        glim__json_set(&ok, p, "candidates", json_integer((json_int_t)o->candidates));
        glim__json_set(&ok, p, "choices", json_integer((json_int_t)o->choices));
        json_t *weights = o->n_fluencies > 1 ? json_array() : json_real(o->fluency);
        for (size_t i = 0; i < o->n_fluencies && o->n_fluencies > 1; i++)
            glim__json_add(&ok, weights, json_real(o->fluencies[i]));
        glim__json_set(&ok, p, "fluency", weights);
    }
    char *text = ok ? json_dumps(p, JSON_COMPACT) : NULL;
    const char *copy = text ? glim_document_text(doc, text, strlen(text)) : NULL;
    free(text);
    json_decref(p);
    return copy;
}

static double best_value(const glim_maximized *r) {
    double best = NAN;
    for (size_t u = 0; r->read && u < r->kept.units; u++)
        if (r->kept.unit[u].n_top && !(r->kept.unit[u].top[0].value <= best))
            best = r->kept.unit[u].top[0].value;
    for (size_t i = 0; i < r->n_found; i++)
        best = !(r->found[i].value <= best) ? r->found[i].value : best;
    return best;
}

static bool tell_head(glim_teller *t) {
    glim_document *doc = t->doc;
    char name[NAME];
    glim__activation_name(t->a, 0, name, sizeof name);
    if (t->a->n > 1)
        snprintf(name, sizeof name, "%.100s, %zu neurons", t->a->site, t->a->n);
    doc->kind = "maximize";
    doc->target.kind = "activation";
    doc->target.output = t->a->kind == GLIM_ACTIVATION_OUTPUT ? "logit" : "activation";
    doc->target.text = glim_document_text(doc, name, strlen(name));
    doc->target.text_len = strlen(name);
    doc->target.value = best_value(t->r);
    doc->method.name = "maximize";
    doc->method.summary = "which inputs activate it most";
    doc->method.cite = "Erhan et al. 2009; Ebrahimi et al. 2018, arXiv:1712.06751; Zou et al. "
                       "2023, arXiv:2307.15043; Wen et al. 2023, arXiv:2302.03668";
    doc->method.caption = "The strongest examples alone mislead: look at ordinary ones as well.";
    doc->method.params = params_text(t->r, doc);
    doc->input.text = "";
    doc->input.unit = "token";
    doc->seed = t->r->o->seed;
    doc->cost.forward_tokens = t->r->forward;
    doc->cost.backward_tokens = t->r->backward;
    return doc->target.text && doc->method.params && glim__describe_model(t->a->m, doc);
}

bool glim__maximize_tell(glim_maximized *r, const glim_activation *a, glim_document *doc) {
    glim_teller t = {r, a, doc};
    return tell_head(&t) && put_corpus(&t) && (!r->n_found || glim__tell_found(&t));
}
