/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document of a probe. "accuracy" (numbers: "r2") has what must be seen together: the probe,
 * its control, what is between them, and what reads no layer. The best site is named only
 * together with those that a paired bootstrap does not tell from it.
 */
#include "base/json.h"
#include "base/names.h"
#include "structure/probe-run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *copy(glim_document *doc, const char *s) {
    return s ? glim_document_text(doc, s, strlen(s)) : NULL;
}

/* Whether a site is in a block, and where its number ends: "blocks.3.hook_resid_post". */
static bool in_block(const char *name, const char **number, const char **behind) {
    const char *at = strstr(name, "blocks.");
    if (!at)
        return false;
    *number = at + 7;
    *behind = *number + strspn(*number, "0123456789");
    return *behind > *number;
}

/* Whether those in blocks are all of one kind, and there are some. */
static bool of_one_kind(const glim_probe_run *r) {
    const char *first = NULL, *number, *behind;
    for (size_t s = 0; s < r->store.n_sites; s++)
        if (in_block(r->store.sites[s].name, &number, &behind)) {
            if (first && strcmp(first, behind) != 0)
                return false;
            first = behind;
        }
    return first != NULL;
}

/* "embed", "0", "1" where that says all (method.params has the names), else whole names. */
static bool name_sites(glim_document *doc, glim_panel_axis *axis, const glim_probe_run *r) {
    bool ok = true, few = of_one_kind(r);
    axis->name = few ? "layer" : "site";
    for (size_t s = 0; s < r->store.n_sites && ok; s++) {
        const char *name = r->store.sites[s].name, *number, *behind;
        if (few && in_block(name, &number, &behind))
            ok = glim_document_label(doc, axis, s, "%.*s", (int)(behind - number), number);
        else
            ok = glim_document_label(doc, axis, s, "%s",
                                     few && strstr(name, "embed") ? "embed" : name);
    }
    return ok;
}

/* ---- lines ---- */

struct series {
    const char *name;
    const glim_probe_layer *layers; /* (sites) */
    size_t offset;                  /* of a score in a layer */
    const glim_probe_score *same;
};

static const double *score_of(const struct series *s, size_t site, glim_probe_score *none) {
    *none = (glim_probe_score){NAN, NAN, NAN};
    if (s->same)
        return &s->same->value;
    const glim_probe_layer *layer = &s->layers[site];
    const glim_probe_score *own =
        (const glim_probe_score *)(const void *)((const char *)layer + s->offset);
    return layer->done ? &own->value : &none->value;
}

static bool add_intervals(glim_document *doc, glim_panel *p, size_t n) {
    p->low = glim_document_alloc(doc, n * sizeof *p->low);
    p->high = glim_document_alloc(doc, n * sizeof *p->high);
    return p->low && p->high;
}

static bool add_lines(glim_document *doc, const glim_probe_run *r) {
    bool numbers = r->data.numbers, controls = r->how.controls;
    glim_probe_score majority = {numbers ? 0 : r->majority, NAN, NAN};
    glim_probe_score chance = {1 / (double)(numbers ? 1 : r->data.target.n_classes), NAN, NAN};
    struct series all[7] = {{"probe", r->layers, offsetof(glim_probe_layer, task), NULL}};
    size_t n = 1, S = r->store.n_sites;
    if (controls) {
        all[n++] = (struct series){"control", r->layers, offsetof(glim_probe_layer, control), NULL};
        all[n++] = (struct series){"selectivity", r->layers,
                                   offsetof(glim_probe_layer, selectivity), NULL};
    }
    if (r->shuffled.layers)
        all[n++] = (struct series){"shuffled weights", r->shuffled.layers,
                                   offsetof(glim_probe_layer, task), NULL};
    if (r->baseline.done)
        all[n++] = (struct series){r->data.words ? "most frequent tag of the word" : "bag of words",
                                   NULL, 0, &r->baseline.task};
    all[n++] = (struct series){numbers ? "mean" : "majority", NULL, 0, &majority};
    if (!numbers)
        all[n++] = (struct series){"chance", NULL, 0, &chance};
    glim_panel *p = glim_document_panel_add(
        doc, GLIM_PANEL_LINES, numbers ? "r2" : "accuracy",
        numbers ? "Share of the variance that a probe explains" : "Accuracy of a probe", n, S);
    if (!p || !name_sites(doc, &p->columns, r) || !add_intervals(doc, p, n * S))
        return false;
    p->scale = GLIM_SCALE_SHARE;
    p->rows.name = "series";
    p->caption = "What can be read off a site need not be used by the model. A probe that does as "
                 "well on its control has learnt labels by heart.";
    for (size_t i = 0; i < n; i++) {
        if (!glim_document_label(doc, &p->rows, i, "%s", all[i].name))
            return false;
        for (size_t s = 0; s < S; s++) {
            glim_probe_score none;
            const double *score = score_of(&all[i], s, &none);
            p->values[i * S + s] = score[0];
            p->low[i * S + s] = score[1];
            p->high[i * S + s] = score[2];
        }
    }
    return true;
}

static bool add_compression(glim_document *doc, const glim_probe_run *r) {
    size_t S = r->store.n_sites;
    if (!r->how.codelength)
        return true;
    glim_panel *p =
        glim_document_panel_add(doc, GLIM_PANEL_LINES, "compression",
                                "How many times shorter the labels' code is than a flat one", 1, S);
    if (!p || !name_sites(doc, &p->columns, r) ||
        !glim_document_label(doc, &p->rows, 0, "compression"))
        return false;
    p->scale = GLIM_SCALE_AMOUNT;
    p->rows.name = "series";
    p->caption = "Of an online code (minimum description length): 1 is no shorter than a code that "
                 "knows nothing. It counts how soon the property is learnt, too.";
    for (size_t s = 0; s < S; s++)
        p->values[s] = r->layers[s].done ? r->layers[s].compression : NAN;
    return true;
}

/* ---- tables ---- */

enum { CONTROL = 5, SELECTIVITY, P_VALUE, BITS, COMPRESSION, STRENGTH, BEST, COLUMNS };

/* What was not asked for has no column. */
static bool has_column(const glim_probe_run *r, size_t c) {
    if (c == CONTROL || c == SELECTIVITY || c == P_VALUE)
        return r->how.controls && !(c == P_VALUE && r->data.words);
    if (c == BITS || c == COMPRESSION)
        return r->how.codelength;
    return true;
}

static bool add_table(glim_document *doc, const glim_probe_run *r, const uint8_t *same,
                      size_t best) {
    static const char *const of_classes[] = {"accuracy", "low",         "high",        "macro F1",
                                             "log-loss", "control",     "selectivity", "p",
                                             "bits",     "compression", "strength",    "best"};
    static const char *const of_numbers[] = {"R2",   "low",         "high",        "",
                                             "RMSE", "control",     "selectivity", "p",
                                             "bits", "compression", "strength",    "best"};
    const char *const *names = r->data.numbers ? of_numbers : of_classes;
    bool mlp = r->how.kind == GLIM_PROBE_MLP;
    size_t at[COLUMNS], n = 0, S = r->store.n_sites;
    for (size_t c = 0; c < COLUMNS; c++)
        if (*names[c] && has_column(r, c))
            at[n++] = c;
    glim_panel *p =
        glim_document_panel_add(doc, GLIM_PANEL_TABLE, "layers", "All numbers by site", S, n);
    if (!p || !name_sites(doc, &p->rows, r))
        return false;
    p->columns.name = "number";
    p->scale = GLIM_SCALE_AMOUNT;
    for (size_t c = 0; c < n; c++)
        if (!glim_document_label(doc, &p->columns, c, "%s",
                                 at[c] == STRENGTH && mlp ? "decay" : names[at[c]]))
            return false;
    for (size_t s = 0; s < S; s++) {
        const glim_probe_layer *l = &r->layers[s];
        const double all[COLUMNS] = {l->task.value, l->task.low,      l->task.high,         l->f1,
                                     l->loss,       l->control.value, l->selectivity.value, l->p,
                                     l->bits,       l->compression,   l->strength,          NAN};
        for (size_t c = 0; c < n && l->done; c++)
            p->cells[s * n + c].number = all[at[c]];
        p->cells[s * n + n - 1].text = s == best ? "best" : same[s] ? "as good" : "";
    }
    return true;
}

static bool add_confusion(glim_document *doc, const glim_probe_run *r, size_t best) {
    enum { MOST = 100 };
    size_t K = r->data.target.n_classes;
    if (r->data.numbers || best == SIZE_MAX || K > MOST)
        return true;
    glim_panel *p = glim_document_panel_add(doc, GLIM_PANEL_GRID, "confusion",
                                            "What was said of what, at the best site", K, K);
    if (!p)
        return false;
    p->texts = glim_document_alloc(doc, K * K * sizeof *p->texts);
    p->caption = copy(doc, r->store.sites[best].name);
    if (!p->texts || !p->caption)
        return false;
    p->scale = GLIM_SCALE_AMOUNT;
    p->rows.name = "true";
    p->columns.name = "said";
    p->unit = r->data.words ? "words" : "texts";
    for (size_t k = 0; k < K; k++) {
        const double *row = r->layers[best].confusion + k * K;
        double all = 0;
        if (!glim_document_label(doc, &p->rows, k, "%s", r->data.target.classes[k]) ||
            !glim_document_label(doc, &p->columns, k, "%s", r->data.target.classes[k]))
            return false;
        for (size_t j = 0; j < K; j++)
            all += row[j];
        for (size_t j = 0; j < K; j++) {
            char text[40];
            snprintf(text, sizeof text, "%.0f %%", all > 0 ? 100 * row[j] / all : 0);
            p->values[k * K + j] = row[j];
            if (!(p->texts[k * K + j] = copy(doc, text)))
                return false;
        }
    }
    return true;
}

static bool add_concepts(glim_document *doc, const glim_probe_run *r) {
    size_t S = r->store.n_sites;
    if (!r->concepts)
        return true;
    glim_panel *p = glim_document_panel_add(
        doc, GLIM_PANEL_LINES, "concept",
        "Share of texts whose output grows along the probe's direction", 2, S);
    if (!p || !name_sites(doc, &p->columns, r) || !add_intervals(doc, p, 2 * S) ||
        !glim_document_label(doc, &p->rows, 0, "concept") ||
        !glim_document_label(doc, &p->rows, 1, "random directions"))
        return false;
    p->scale = GLIM_SCALE_SHARE;
    p->rows.name = "series";
    p->caption =
        "The band of random directions is two deviations. A share outside of it says that "
        "the output listens to the direction, not that it is the cause of a text's answer.";
    glim_panel *t = glim_document_panel_add(doc, GLIM_PANEL_TABLE, "concept-test",
                                            "Is the concept unlike random directions?", S, 5);
    static const char *const names[] = {"share", "random", "deviation", "t", "p"};
    if (!t || !name_sites(doc, &t->rows, r))
        return false;
    p = &doc->panels[doc->n_panels - 2]; /* the list has moved */
    t->columns.name = "number";
    t->scale = GLIM_SCALE_SIGNED;
    for (size_t c = 0; c < 5; c++)
        if (!glim_document_label(doc, &t->columns, c, "%s", names[c]))
            return false;
    for (size_t s = 0; s < S; s++) {
        const glim_probe_concept *c = &r->concepts[s];
        const double all[5] = {c->share, c->random, c->deviation, c->t, c->p};
        p->values[s] = c->share;
        p->low[s] = p->high[s] = NAN;
        p->values[S + s] = c->random;
        p->low[S + s] = c->random - 2 * c->deviation;
        p->high[S + s] = c->random + 2 * c->deviation;
        for (size_t k = 0; k < 5; k++)
            t->cells[s * 5 + k].number = all[k];
    }
    return true;
}

/* ---- all ---- */

/* What was asked, as the text of an object; false when memory is refused. */
static bool add_params(glim_document *doc, const glim_probe_run *r) {
    const glim_probe_how *h = &r->how;
    const char *usual = r->model->hyper.both_ways || r->model->encoder ? "mean" : "last";
    bool ok = true, words = r->data.words;
    const char *pool = words ? r->o->word : r->o->pool;
    json_t *o = json_object(), *sites = json_array();
    for (size_t i = 0; i < r->store.n_sites; i++)
        glim__json_add(&ok, sites, json_string(r->store.sites[i].name));
    glim__json_set(&ok, o, "sites", sites);
    glim__json_set(&ok, o, "each", json_string(words ? "word" : "text"));
    glim__json_set(&ok, o, "pool", json_string(pool ? pool : words ? "last" : usual));
    glim__json_set(&ok, o, "folds", json_integer((json_int_t)h->folds));
    glim__json_set(&ok, o, "repeats", json_integer((json_int_t)h->repeats));
    if (h->kind == GLIM_PROBE_MLP)
        glim__json_set(&ok, o, "hidden", json_integer((json_int_t)h->hidden));
    glim__json_set(&ok, o, h->kind == GLIM_PROBE_MLP ? "decay" : "strength",
                   h->strength < 0 ? json_null() : json_real(h->strength));
    if (h->controls && !words)
        glim__json_set(&ok, o, "permutations", json_integer((json_int_t)h->permutations));
    char *text = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    doc->method.params = copy(doc, text);
    free(text);
    return doc->method.params != NULL;
}

static bool describe(glim_document *doc, const glim_probe_run *r) {
    const glim_model_info *i = glim_model_facts(r->model);
    bool mlp = r->how.kind == GLIM_PROBE_MLP;
    doc->kind = "probe";
    doc->model.file = copy(doc, glim__file_name(i->path));
    doc->model.name = copy(doc, i->name);
    doc->model.architecture = copy(doc, i->architecture);
    doc->model.quantisation = copy(doc, i->quantisation);
    doc->model.digest = copy(doc, i->digest);
    doc->method.name = mlp ? "mlp-probe" : "linear-probe";
    doc->method.summary = mlp ? "a hidden layer on the values of a site, fitted to tell a property"
                              : "a linear model on the values of a site, fitted to tell a property";
    doc->method.cite = "Hewitt, Liang 2019, EMNLP; Voita, Titov 2020, EMNLP";
    doc->method.caption = "What can be read off a site need not be used by the model.";
    doc->target.kind = "property";
    doc->target.output = r->data.numbers ? "r2" : "accuracy";
    doc->target.text = copy(doc, r->data.words ? "tag" : r->o->label);
    doc->target.text_len = doc->target.text ? strlen(doc->target.text) : 0;
    doc->target.id = doc->target.against_id = -1;
    doc->target.value = doc->target.baseline_value = doc->target.prob = NAN;
    doc->fixed_total = doc->fixed_size = NAN;
    doc->seed = r->how.seed;
    doc->partial = r->partial;
    doc->cost.forward_tokens = r->forward_tokens;
    doc->cost.backward_tokens = r->backward_tokens;
    doc->cost.seconds = r->seconds;
    doc->cost.peak_bytes = glim_context_peak(r->ctx);
    doc->cost.threads = glim_context_threads(r->ctx);
    doc->cost.kernels = copy(doc, glim_context_kernels(r->ctx));
    return doc->model.file && doc->target.text && add_params(doc, r);
}

glim_status glim__probe_document(glim_document **out, const glim_probe_run *r, glim_error *err) {
    size_t S = r->store.n_sites, best = SIZE_MAX;
    uint8_t *same = glim__calloc(r->ctx, S, 1);
    glim_document *doc = NULL;
    glim_status status =
        same ? glim_document_new(&doc, r->ctx, err) : glim__oom(r->ctx, err, "the document", S);
    if (!status)
        status = glim__probe_best(r->ctx, r->layers, S, r->data.target.n_groups, r->how.seed, same,
                                  &best, err);
    if (!status) {
        bool ok = describe(doc, r) && add_lines(doc, r) && add_compression(doc, r) &&
                  add_table(doc, r, same, best) && add_confusion(doc, r, best) &&
                  add_concepts(doc, r) && glim__probe_notes(doc, r, same, best);
        status = ok ? GLIM_OK : glim__oom(r->ctx, err, "the document", S * 256);
    }
    glim__free(r->ctx, same);
    if (status) {
        glim_document_free(doc);
        doc = NULL;
    }
    *out = doc;
    return status;
}
