/* SPDX-License-Identifier: Apache-2.0 */
/* Direct logit attribution as panels. */
#include "structure/report.h"

#include <glim/lens.h>
#include <math.h>
#include <string.h>

static const char *const caption =
    "Direct parts only: what a layer does to later layers is not in its number.";

struct show {
    const glim_direct *d;
    glim_document *doc;
    const glim_model *m;
};

static glim_panel *add_grid(const struct show *s, const char *name, const char *title, size_t rows,
                            size_t columns) {
    glim_panel *p = glim_document_panel_add(s->doc, GLIM_PANEL_GRID, name, title, rows, columns);
    if (!p)
        return NULL;
    p->unit = "logit";
    p->caption = caption;
    p->scale = GLIM_SCALE_SIGNED;
    p->rows.name = "layer";
    return p;
}

/* Layers down, the last above: attention, of an encoder-decoder also to what was read, and
   feed-forward; below the embedding and what is constant. */
static bool put_layers(const struct show *s) {
    const glim_direct *d = s->d;
    size_t L = (size_t)d->layers, columns = d->cross ? 3 : 2;
    glim_panel *p = add_grid(s, "direct", "Direct parts of the target", L + 2, columns);
    if (!p)
        return false;
    p->columns.name = "part";
    bool ok = glim_document_label(s->doc, &p->columns, 0, "attention") &&
              glim_document_label(s->doc, &p->columns, columns - 1, "feed-forward") &&
              (!d->cross || glim_document_label(s->doc, &p->columns, 1, "cross-attention"));
    for (size_t i = 0; i < L && ok; i++) {
        size_t l = L - 1 - i;
        double *row = p->values + i * columns;
        row[0] = d->attention[l];
        row[columns - 1] = d->feed_forward[l];
        if (d->cross)
            row[1] = d->cross[l];
        ok = glim_document_label(s->doc, &p->rows, i, "%zu", l);
    }
    p->values[L * columns] = d->embedding;
    p->values[(L + 1) * columns] = d->constant;
    return ok && glim_document_label(s->doc, &p->rows, L, "embed") &&
           glim_document_label(s->doc, &p->rows, L + 1, "constant");
}

static bool put_heads(const struct show *s, const double *head, const char *name,
                      const char *title) {
    size_t L = (size_t)s->d->layers, H = (size_t)s->d->heads;
    glim_panel *p = head ? add_grid(s, name, title, L, H) : NULL;
    bool ok = p || !head;
    if (p)
        p->columns.name = "head";
    for (size_t h = 0; h < H && ok && p; h++)
        ok = glim_document_label(s->doc, &p->columns, h, "%zu", h);
    for (size_t i = 0; i < L && ok && p; i++) {
        memcpy(p->values + i * H, head + (L - 1 - i) * H, H * sizeof *head);
        ok = glim_document_label(s->doc, &p->rows, i, "%zu", L - 1 - i);
    }
    return ok;
}

static const char *word(const struct show *s, int32_t id) {
    size_t n;
    const char *bytes = glim_model_token_bytes(s->m, id, &n);
    return glim_document_text(s->doc, bytes, n);
}

static bool fill_text(const struct show *s, glim_panel_text *t, const int32_t *ids,
                      const double *values, size_t n) {
    const char **pieces = glim_document_alloc(s->doc, n * sizeof *pieces);
    double *copy = glim_document_alloc(s->doc, n * sizeof *copy);
    double best = -1;
    if (!pieces || !copy)
        return false;
    memcpy(copy, values, n * sizeof *copy);
    *t = (glim_panel_text){.value = 0, .n = n, .pieces = pieces, .values = copy, .best = SIZE_MAX};
    for (size_t i = 0; i < n; i++) {
        t->value += values[i];
        if (fabs(values[i]) > best) {
            best = fabs(values[i]);
            t->best = i;
        }
        if (!(pieces[i] = word(s, ids[i])))
            return false;
    }
    return true;
}

static bool put_tokens(const struct show *s, const glim_lm *lm) {
    const glim_direct *d = s->d;
    size_t n = d->read ? 2 : 1;
    glim_panel *p = glim_document_panel_add(s->doc, GLIM_PANEL_TEXTS, "direct-tokens",
                                            "Where heads took it from", n, 0);
    if (!p)
        return false;
    p->unit = "logit";
    p->scale = GLIM_SCALE_SIGNED;
    p->caption = "A position deep in the model need not stand for its word alone.";
    p->rows.name = "text";
    if (d->read && !fill_text(s, &p->strings[0], lm->ids, d->read, d->n_read))
        return false;
    return fill_text(s, &p->strings[n - 1], lm->written ? lm->written : lm->ids, d->token,
                     d->n_tokens);
}

static bool put_neurons(const struct show *s) {
    static const char *const names[] = {"layer", "neuron", "activation", "part"};
    enum { COLUMNS = 4 };
    const glim_direct *d = s->d;
    if (!d->n_neurons)
        return true;
    glim_panel *p = glim_document_panel_add(s->doc, GLIM_PANEL_TABLE, "direct-neurons",
                                            "Neurons that add most", d->n_neurons, COLUMNS);
    bool ok = p != NULL;
    for (size_t i = 0; i < COLUMNS && ok; i++)
        ok = glim_document_label(s->doc, &p->columns, i, "%s", names[i]);
    for (size_t i = 0; i < d->n_neurons && ok; i++) {
        const glim_direct_neuron *x = &d->neurons[i];
        const double row[COLUMNS] = {x->layer, (double)x->neuron, x->value, x->part};
        for (size_t c = 0; c < COLUMNS; c++)
            p->cells[i * COLUMNS + c].number = row[c];
        ok = glim_document_label(s->doc, &p->rows, i, "%zu", i + 1);
    }
    if (ok) {
        p->unit = "logit";
        p->rows.name = "rank";
    }
    return ok;
}

glim_status glim_direct_show(const glim_direct *d, const glim_predictor *p, glim_document *doc,
                             glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    struct show s = {d, doc, p->model};
    bool ok = put_layers(&s) && put_heads(&s, d->head, "direct-heads", "Direct parts of heads") &&
              put_heads(&s, d->cross_head, "direct-cross-heads",
                        "Direct parts of heads that look at what was read") &&
              put_tokens(&s, lm) && put_neurons(&s) &&
              glim_document_check_add(doc, "direct_residual", d->residual,
                                      "the target minus the sum of all parts");
    if (!ok)
        return glim__oom(p->ctx, err, "the document", 0);
    if (fabs(d->residual) > 1e-2 * (1 + fabs(d->value)))
        glim_document_judge(
            doc, GLIM_VERDICT_CAREFUL,
            "direct parts miss %.2g of the target: norms between blocks have biases", d->residual);
    return GLIM_OK;
}
