/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owen values: Shapley values of features that join in groups, the nodes of a tree
 * (tree.h). A node is explained in a context c, in which its own features are off:
 * its parts share f(c + node) - f(c) by their Shapley value, and each part is then
 * explained in every context that a set S of its c - 1 sisters makes, by the share
 * |S|! (c - |S| - 1)! / c! of the orders. The node that stands for most is opened
 * first, until the budget is spent; what is left on a node its features share alike. So
 * the scores add up whatever the budget, and a long text is told apart where it matters.
 *
 * With a fixed context each part is explained once, its sisters all off (0) or on (1):
 * few questions, and what parts do together stays on their node.
 */
#include "explain/tree.h"

#include <math.h>
#include <string.h>

enum { AT_ONCE = 32, MOST_PARTS = 6, MOST_SETS = (1 << MOST_PARTS) - 2 };

struct opts {
    const char *absent, *fixed_context;
    int64_t background, max_evals, parts;
    double tolerance;
};

static const glim_param params[] = {
    GLIM_ABSENT_PARAM(struct opts),
    GLIM_BACKGROUND_PARAM(struct opts),
    {.name = "max-evals",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, max_evals),
     .def.i = 500,
     .min = 1,
     .max = 1000000,
     .help = "coalitions that are asked, at most"},
    {.name = "parts",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, parts),
     .def.i = MOST_PARTS,
     .min = 2,
     .max = MOST_PARTS,
     .help = "a node with more is halved first; fewer when the budget does not reach"},
    {.name = "fixed-context",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, fixed_context),
     .def.s = "none",
     .choices = "none|0|1",
     .help = "explain parts with their sisters absent (0) or there (1) alone"},
    {.name = "tolerance",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, tolerance),
     .def.r = 0,
     .min = 0,
     .max = 1,
     .help = "stop when no more than this share is left on nodes"},
    {0},
};

/* A node in a context: that of the part above it, and there the sisters of `mask`. */
struct part {
    size_t node, above; /* above: a part, SIZE_MAX for the root */
    uint32_t mask;      /* children of above's node */
    size_t off, on;     /* values without and with the node */
    double weight, rank;
};

struct owen {
    const struct opts *o;
    glim_game *g;
    const glim_tree *tree;
    int context;         /* -1: both */
    size_t budget, used; /* values, the first two of nothing and everything */
    double *v;           /* (budget + 2, rows) */
    struct part *parts;
    size_t n_parts;
    size_t *heap, n_heap; /* parts that may be opened, the largest rank on top */
    size_t *batch;        /* [AT_ONCE] parts that are being opened */
    uint8_t *z;           /* (AT_ONCE + MOST_SETS, d) */
    double *phi;          /* (rows, d) */
    double open, settled; /* sums of ranks */
};

/* ---- how many questions ---- */

static size_t sets_of(size_t children, int context) {
    return context < 0 ? ((size_t)1 << children) - 2 : children;
}

/* Questions until every node is open, up to `most`. contexts: (n_nodes) scratch. */
static size_t full_cost(const glim_tree *t, int context, size_t most, double *contexts) {
    double sum = 0;
    contexts[0] = 1;
    for (size_t i = 0; i < t->n_nodes; i++) {
        const glim_tree_node *n = &t->node[i];
        if (!n->n_children)
            continue;
        sum += contexts[i] * (double)sets_of(n->n_children, context);
        for (size_t k = 0; k < n->n_children; k++)
            contexts[n->child + k] =
                contexts[i] * (context < 0 ? (double)(1 << (n->n_children - 1)) : 1);
    }
    return sum < (double)most ? (size_t)sum : most;
}

/* ---- the heap ---- */

static bool before(const struct owen *w, size_t a, size_t b) {
    double x = w->parts[a].rank, y = w->parts[b].rank;
    return x > y || (x == y && a < b);
}

static void heap_push(struct owen *w, size_t part) {
    size_t at = w->n_heap++;
    for (; at && before(w, part, w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = part;
}

static size_t heap_pop(struct owen *w) {
    size_t top = w->heap[0], last = w->heap[--w->n_heap], at = 0;
    for (size_t child = 1; child < w->n_heap; at = child, child = 2 * at + 1) {
        if (child + 1 < w->n_heap && before(w, w->heap[child + 1], w->heap[child]))
            child++;
        if (!before(w, w->heap[child], last))
            break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return top;
}

/* ---- credit ---- */

/* Row r of `amount` (rows) goes to the node's features, to each alike. */
static void share(struct owen *w, const glim_tree_node *n, size_t r, double amount) {
    for (size_t i = n->first; i < n->end; i++)
        w->phi[r * w->g->d + w->tree->order[i]] += amount / (double)(n->end - n->first);
}

static void share_part(struct owen *w, const struct part *p) {
    for (size_t r = 0; r < w->g->rows; r++)
        share(w, &w->tree->node[p->node], r,
              p->weight * (w->v[p->on * w->g->rows + r] - w->v[p->off * w->g->rows + r]));
}

/* A feature alone has its credit at once; others wait on the heap. */
static void push(struct owen *w, struct part p) {
    for (size_t r = 0; r < w->g->rows; r++)
        p.rank += p.weight * fabs(w->v[p.on * w->g->rows + r] - w->v[p.off * w->g->rows + r]);
    if (!w->tree->node[p.node].n_children) {
        w->settled += p.rank;
        share_part(w, &p);
        return;
    }
    w->open += p.rank;
    w->parts[w->n_parts] = p;
    heap_push(w, w->n_parts++);
}

/* |S|! (c - |S| - 1)! / c! */
static double order_share(size_t c, size_t s) {
    double choose = 1;
    for (size_t k = 1; k <= s; k++)
        choose = choose * (double)(c - k) / (double)k;
    return 1 / ((double)c * choose);
}

/* The children in every context that their sisters make; values of their sets 1, 2, ..
   begin at `first`. */
static void open_all(struct owen *w, size_t at, size_t first) {
    const struct part p = w->parts[at];
    const glim_tree_node *n = &w->tree->node[p.node];
    size_t c = n->n_children, all = ((size_t)1 << c) - 1;
    for (size_t set = 0; set < all; set++)
        for (size_t k = 0; k < c; k++) {
            size_t with = set | (size_t)1 << k;
            if (with == set)
                continue;
            push(w, (struct part){.node = n->child + k,
                                  .above = at,
                                  .mask = (uint32_t)set,
                                  .off = set ? first + set - 1 : p.off,
                                  .on = with < all ? first + with - 1 : p.on,
                                  .weight = p.weight *
                                            order_share(c, (size_t)__builtin_popcountll(set))});
        }
}

/* The children in one context; what they do together stays. */
static void open_fixed(struct owen *w, size_t at, size_t first) {
    const struct part p = w->parts[at];
    const glim_tree_node *n = &w->tree->node[p.node];
    size_t c = n->n_children, R = w->g->rows;
    uint32_t all = (uint32_t)(1 << c) - 1;
    for (size_t r = 0; r < R; r++) {
        double rest = w->v[p.on * R + r] - w->v[p.off * R + r];
        for (size_t k = 0; k < c; k++)
            rest -= w->context ? w->v[p.on * R + r] - w->v[(first + k) * R + r]
                               : w->v[(first + k) * R + r] - w->v[p.off * R + r];
        share(w, n, r, p.weight * rest);
    }
    for (size_t k = 0; k < c; k++)
        push(w, (struct part){.node = n->child + k,
                              .above = at,
                              .mask = w->context ? all & ~(1U << k) : 0,
                              .off = w->context ? first + k : p.off,
                              .on = w->context ? p.on : first + k,
                              .weight = p.weight});
}

/* ---- questions ---- */

static void put_in(const struct owen *w, size_t node, uint32_t mask, uint8_t *z) {
    const glim_tree_node *n = &w->tree->node[node];
    for (size_t k = 0; k < n->n_children; k++)
        for (size_t i = w->tree->node[n->child + k].first;
             mask >> k & 1 && i < w->tree->node[n->child + k].end; i++)
            z[w->tree->order[i]] = 1;
}

/* The sets of a part's children, each in the part's context. */
static void lay_out(const struct owen *w, size_t at, uint8_t *z) {
    const struct part *p = &w->parts[at];
    size_t d = w->g->d, c = w->tree->node[p->node].n_children, n = sets_of(c, w->context);
    uint32_t all = (uint32_t)(1 << c) - 1;
    memset(z, 0, d);
    for (; p->above != SIZE_MAX; p = &w->parts[p->above])
        put_in(w, w->parts[p->above].node, p->mask, z);
    for (size_t i = 1; i < n; i++)
        memcpy(z + i * d, z, d);
    for (size_t i = 0; i < n; i++)
        put_in(w, w->parts[at].node,
               w->context < 0 ? (uint32_t)i + 1
               : w->context   ? all & ~(1U << i)
                              : 1U << i,
               z + i * d);
}

/* Takes parts from the heap until a batch is full; those that the budget does not
   reach are shared. */
static size_t gather(struct owen *w, size_t *questions) {
    size_t n = 0;
    *questions = 0;
    while (w->n_heap && *questions < AT_ONCE) {
        size_t at = heap_pop(w);
        size_t sets = sets_of(w->tree->node[w->parts[at].node].n_children, w->context);
        if (w->used + *questions + sets > w->budget) {
            share_part(w, &w->parts[at]);
            continue;
        }
        lay_out(w, at, w->z + *questions * w->g->d);
        w->batch[n++] = at;
        *questions += sets;
    }
    return n;
}

static bool good_enough(const struct owen *w) {
    return w->open <= w->o->tolerance * (w->open + w->settled);
}

/* Opens parts. An interrupted batch is shared as it was. */
static glim_status open_parts(struct owen *w, glim_error *err) {
    glim_status status = GLIM_OK;
    while (w->n_heap && !status && !good_enough(w)) {
        size_t questions, n = gather(w, &questions), first = w->used;
        status = glim__game_values(w->g, w->z, questions, w->v + first * w->g->rows, err);
        w->used += questions;
        for (size_t i = 0; i < n; i++) {
            size_t sets = sets_of(w->tree->node[w->parts[w->batch[i]].node].n_children, w->context);
            if (status) {
                share_part(w, &w->parts[w->batch[i]]);
                continue;
            }
            w->open -= w->parts[w->batch[i]].rank;
            (w->context < 0 ? open_all : open_fixed)(w, w->batch[i], first);
            first += sets;
        }
    }
    for (size_t i = 0; i < w->n_heap; i++)
        share_part(w, &w->parts[w->heap[i]]);
    return status;
}

/* ---- a game ---- */

struct work {
    const struct opts *o;
    glim_document *doc;
    uint64_t asked;
    double left; /* largest share that was left on nodes */
    size_t parts;
    bool halved; /* nodes with fewer parts than wanted */
};

static int context_of(const struct opts *o) {
    return !strcmp(o->fixed_context, "none") ? -1 : *o->fixed_context - '0';
}

/* Parts that wait at most: a node's c 2^(c-1) for each 2^c - 2 questions. */
static size_t room_parts(size_t questions) {
    return 4 * questions + 2;
}

static glim_status explain(struct owen *w, struct work *total, glim_error *err) {
    size_t R = w->g->rows;
    memset(w->z, 0, w->g->d);
    glim_status status = glim__game_values(w->g, w->z, 1, w->v, err);
    if (status)
        return status;
    memcpy(w->v + R, w->g->all, R * sizeof *w->v);
    w->used = 2;
    push(w, (struct part){.above = SIZE_MAX, .on = 1, .weight = 1});
    status = open_parts(w, err);
    total->asked += w->g->asked;
    if (w->open > 1e-12 * (w->open + w->settled))
        total->left = fmax(total->left, w->open / (w->open + w->settled));
    glim__game_additive(w->g, total->doc, w->phi, NULL, w->v);
    return status;
}

static glim_status play_on(const glim_tree *t, size_t budget, glim_game *g, struct work *total,
                           glim_error *err) {
    glim_context *ctx = g->p->ctx;
    size_t d = g->d, most = room_parts(budget);
    struct owen w = {
        .o = total->o, .g = g, .tree = t, .context = context_of(total->o), .budget = budget + 2};
    w.v = glim__calloc(ctx, (budget + 2) * g->rows, sizeof *w.v);
    w.parts = glim__calloc(ctx, most, sizeof *w.parts);
    w.heap = glim__calloc(ctx, most + AT_ONCE, sizeof *w.heap);
    w.z = glim__calloc(ctx, AT_ONCE + MOST_SETS, d);
    w.phi = glim__calloc(ctx, g->rows * d, sizeof *w.phi);
    glim_status status = w.v && w.parts && w.heap && w.z && w.phi
                             ? GLIM_OK
                             : glim__oom(ctx, err, "coalitions", most * sizeof *w.parts);
    w.batch = w.heap ? w.heap + most : NULL;
    if (!status)
        status = explain(&w, total, err);
    glim__free(ctx, w.v);
    glim__free(ctx, w.parts);
    glim__free(ctx, w.heap);
    glim__free(ctx, w.z);
    glim__free(ctx, w.phi);
    return status;
}

/* The tree of the most parts to a node that the budget opens wholly, else of two. */
static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct work *w = data;
    size_t budget = (size_t)w->o->max_evals - 1, cost = SIZE_MAX, parts = (size_t)w->o->parts;
    glim_tree tree = {0};
    glim_status status = GLIM_OK;
    double *scratch = glim__calloc(g->p->ctx, 2 * g->d, sizeof *scratch);
    if (!scratch)
        return glim__oom(g->p->ctx, err, "a tree", 2 * g->d * sizeof *scratch);
    for (; !status; parts--) {
        glim__tree_free(&tree);
        status = glim__tree_make(&tree, g, w->doc, parts, err);
        cost = status ? 0 : full_cost(&tree, context_of(w->o), budget + 1, scratch);
        if (cost <= budget || parts == 2)
            break;
    }
    glim__free(g->p->ctx, scratch);
    w->halved = w->halved || parts < (size_t)w->o->parts;
    w->parts = parts;
    if (!status)
        status = play_on(&tree, cost < budget ? cost : budget, g, w, err);
    glim__tree_free(&tree);
    return status;
}

static void tell(const struct work *w) {
    glim_document *doc = w->doc;
    glim_document_check_add(doc, "coalitions", (double)w->asked, "asked of the model");
    glim_document_check_add(doc, "left_on_nodes", w->left,
                            "share of the effects that units of a node split alike, because the "
                            "budget did not open it");
    if (w->halved)
        glim_document_note(doc,
                           "nodes of more than %zu parts were halved: --max-evals would not "
                           "open larger ones",
                           w->parts);
    if (w->left > 0.25)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% of the effects are split alike among units that were not told "
                            "apart; raise --max-evals",
                            100 * w->left);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    struct work w = {.o = opts, .doc = doc};
    glim_status status = glim__scores_new(p, doc, false, err);
    glim__background_set(p, w.o->background, seed);
    if (!status)
        status = glim__games(p, w.o->absent, doc, false, play, &w, err);
    if (!status)
        tell(&w);
    return status;
}

static uint64_t coalitions(const void *opts, size_t d, size_t rows) {
    uint64_t n = (uint64_t)((const struct opts *)opts)->max_evals;
    return d < 20 && n > (uint64_t)1 << d ? (uint64_t)1 << d : n;
}

static uint64_t room(const void *opts, size_t d, size_t rows) {
    uint64_t n = coalitions(opts, d, rows), most = room_parts(n);
    return (n + 2) * 8 * rows + most * (sizeof(struct part) + 8) +
           (AT_ONCE + MOST_SETS) * (d + 24) + 8 * d * (rows + 2) + glim__tree_bytes(d) + 2048;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    uint64_t text = 0;
    glim__background_set(p, o->background, 0);
    glim_status status = glim__games_plan(p, o->absent, coalitions, room, opts, out, err);
    for (size_t u = 0; u < p->units->count; u++)
        text = p->units->at[u].end > text ? p->units->at[u].end : text;
    out->bytes += 16 * text; /* while the tree is made */
    return status;
}

const glim_method glim_method_owen = {
    .name = "owen",
    .summary = "Shapley values over turns and sentences and words",
    .cite = "Owen 1977; Lopez, Saboya 2009; Lundberg, Lee 2017, arXiv:1705.07874",
    .family = "perturbation",
    .costs = "500 passes",
    .caption = "Fair shares within groups first: another tree would share otherwise.",
    .formula = "Shapley values of a node's children, with the rest of the tree in or out, from the "
               "whole text down",
    .use = "of long texts and dialogues: asks most where most happens",
    .avoid = "when the text has no groups that mean something: its tree shapes the shares",
    .needs = GLIM_CAN_PREDICT,
    .additive = true,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
