/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree that the input has of itself. Clustering features by how they act (as shap
 * does for tables) costs the model's time before the first score, and merging tokens by
 * the look of them (as it does for texts) guesses at what word and sentence breaks
 * tell. Nodes are made breadth first, so that the children of one lie together.
 */
#include "explain/tree.h"
#include "text/breaks.h"

#include <string.h>

struct maker {
    glim_tree *t;
    const glim_document *doc;
    bool picture;
    size_t most;
    size_t *unit;  /* [d] of each feature */
    uint8_t *cut;  /* [d] GLIM_CUT_* before the feature at order[i] */
    size_t *moved; /* [d] scratch */
};

/* ---- texts ---- */

/* The byte that tells which word a unit belongs to: its first that is no space. */
static size_t visible(const glim_document *doc, const glim_document_unit *u) {
    size_t at = u->start;
    while (at + 1 < doc->input.text_len && strchr(" \t", doc->input.text[at]))
        at++;
    return at < doc->input.text_len ? at : doc->input.text_len - 1;
}

/* Raises the cuts between units that lie in different segments. */
static glim_status cut_at_breaks(struct maker *m, size_t d, glim_break kind, uint8_t strength,
                                 glim_error *err) {
    const glim_document *doc = m->doc;
    glim_context *ctx = m->t->ctx;
    size_t n = doc->input.text_len;
    uint8_t *starts = glim__calloc(ctx, n + 1, 1);
    uint32_t *number = glim__calloc(ctx, n + 1, sizeof *number);
    glim_status status = starts && number ? glim__breaks(starts, ctx, doc->input.text, n, kind, err)
                                          : glim__oom(ctx, err, "breaks of the text", 5 * n);
    for (size_t i = 0; i < n && !status; i++)
        number[i] = (i ? number[i - 1] : 0) + starts[i];
    for (size_t i = 1; i < d && !status; i++)
        if (number[visible(doc, &doc->input.units[m->unit[i]])] !=
            number[visible(doc, &doc->input.units[m->unit[i - 1]])])
            m->cut[i] = strength;
    glim__free(ctx, starts);
    glim__free(ctx, number);
    return status;
}

static glim_status cut_text(struct maker *m, size_t d, glim_error *err) {
    const glim_document *doc = m->doc;
    glim_status status = GLIM_OK;
    if (doc->input.text && doc->input.text_len) {
        status = cut_at_breaks(m, d, GLIM_BREAK_WORD, GLIM_CUT_WORD, err);
        if (!status)
            status = cut_at_breaks(m, d, GLIM_BREAK_SENTENCE, GLIM_CUT_SENTENCE, err);
    }
    for (size_t i = 1; i < d && !status; i++)
        if (doc->input.units[m->unit[i]].turn != doc->input.units[m->unit[i - 1]].turn)
            m->cut[i] = GLIM_CUT_TURN;
    return status;
}

/* ---- pictures ---- */

/* Twice the centre of a feature's box, along x or y. */
static int centre(const struct maker *m, size_t at, bool along_y) {
    const glim_document_unit *u = &m->doc->input.units[m->unit[m->t->order[at]]];
    return along_y ? 2 * u->y + u->height : 2 * u->x + u->width;
}

static int spread(const struct maker *m, const glim_tree_node *n, bool along_y, int *middle) {
    int low = centre(m, n->first, along_y), high = low;
    for (size_t i = n->first + 1; i < n->end; i++) {
        int c = centre(m, i, along_y);
        low = c < low ? c : low;
        high = c > high ? c : high;
    }
    *middle = low + (high - low) / 2;
    return high - low;
}

/* Sorts the node's features into two halves of its rectangle; where the second begins. */
static size_t halve_picture(struct maker *m, const glim_tree_node *n) {
    size_t *order = m->t->order, kept = n->first, moved = 0;
    int middle_x, middle_y;
    int wide = spread(m, n, false, &middle_x), high = spread(m, n, true, &middle_y);
    bool along_y = high > wide;
    if (!wide && !high)
        return n->first + (n->end - n->first) / 2;
    for (size_t i = n->first; i < n->end; i++) {
        if (centre(m, i, along_y) <= (along_y ? middle_y : middle_x))
            order[kept++] = order[i];
        else
            m->moved[moved++] = order[i];
    }
    memcpy(order + kept, m->moved, moved * sizeof *order);
    return kept;
}

/* ---- nodes ---- */

static void add_child(glim_tree *t, size_t parent, size_t first, size_t end) {
    glim_tree_node *p = &t->node[parent];
    if (!p->n_children++)
        p->child = t->n_nodes;
    t->node[t->n_nodes++] = (glim_tree_node){.first = first, .end = end};
}

static void divide(struct maker *m, size_t at) {
    glim_tree *t = m->t;
    glim_tree_node n = t->node[at];
    uint8_t top = 0;
    size_t parts = 1, part = 0, from = n.first;
    if (n.end - n.first < 2)
        return;
    if (m->picture && n.end - n.first > m->most) {
        size_t middle = halve_picture(m, &n);
        add_child(t, at, n.first, middle);
        add_child(t, at, middle, n.end);
        return;
    }
    for (size_t i = n.first + 1; i < n.end; i++)
        top = m->cut[i] > top ? m->cut[i] : top;
    for (size_t i = n.first + 1; i < n.end; i++)
        parts += m->cut[i] == top;
    for (size_t i = n.first + 1; i < n.end; i++) {
        part += m->cut[i] == top;
        if (m->cut[i] < top || (parts > m->most && part != parts / 2))
            continue;
        add_child(t, at, from, i);
        from = i;
    }
    add_child(t, at, from, n.end);
}

uint64_t glim__tree_bytes(size_t d) {
    return (uint64_t)d * (3 * sizeof(size_t) + 1 + 2 * sizeof(glim_tree_node)) + 512;
}

void glim__tree_free(glim_tree *t) {
    if (!t->ctx)
        return;
    glim__free(t->ctx, t->order);
    glim__free(t->ctx, t->node);
    *t = (glim_tree){0};
}

glim_status glim__tree_make(glim_tree *t, const glim_game *g, const glim_document *doc, size_t most,
                            glim_error *err) {
    glim_context *ctx = g->p->ctx;
    size_t d = g->d;
    struct maker m = {.t = t, .doc = doc, .picture = g->p->image, .most = most};
    *t = (glim_tree){.ctx = ctx};
    t->order = glim__calloc(ctx, d, sizeof *t->order);
    t->node = glim__calloc(ctx, 2 * d, sizeof *t->node);
    m.unit = glim__calloc(ctx, 2 * d, sizeof *m.unit);
    m.cut = glim__calloc(ctx, d, 1);
    glim_status status = t->order && t->node && m.unit && m.cut
                             ? GLIM_OK
                             : glim__oom(ctx, err, "a tree", glim__tree_bytes(d));
    m.moved = m.unit ? m.unit + d : NULL;
    for (size_t u = 0; u < g->p->units->count && !status; u++)
        if (g->feature[u] != SIZE_MAX)
            m.unit[g->feature[u]] = u;
    for (size_t i = 0; i < d && !status; i++)
        t->order[i] = i;
    if (!status && !g->p->image && !g->p->columns)
        status = cut_text(&m, d, err);
    if (!status)
        t->node[t->n_nodes++] = (glim_tree_node){.first = 0, .end = d};
    for (size_t i = 0; i < t->n_nodes && !status; i++)
        divide(&m, i);
    glim__free(ctx, m.unit);
    glim__free(ctx, m.cut);
    if (status)
        glim__tree_free(t);
    return status;
}
