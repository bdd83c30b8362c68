/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h: the features of a game as the leaves of a tree, what belongs together under
 * one node. A text is cut at its turns, within them at its sentences, words and units; a
 * picture is halved across its longer side; columns are halved in their order. A
 * node with more parts than are wanted is halved first.
 */
#ifndef GLIM_EXPLAIN_TREE_H
#define GLIM_EXPLAIN_TREE_H

#include "explain/game.h"

typedef struct glim_tree_node {
    size_t first, end;        /* leaves: order[first .. end) */
    size_t child, n_children; /* nodes; none of a leaf, else at least two */
} glim_tree_node;

typedef struct glim_tree {
    glim_context *ctx;
    size_t *order;        /* [d] features */
    glim_tree_node *node; /* [n_nodes]; 0 is the root, parents come before children */
    size_t n_nodes;
} glim_tree;

/* How much parts two neighbours of a text. */
enum { GLIM_CUT_UNIT, GLIM_CUT_WORD, GLIM_CUT_SENTENCE, GLIM_CUT_TURN };

/* The tree of a game's features (d >= 1), nodes with at most `most` >= 2 parts. Free
   with glim__tree_free. Errors: ENOMEM, EBUDGET, and those of word breaking. */
glim_status glim__tree_make(glim_tree *out, const glim_game *g, const glim_document *doc,
                            size_t most, glim_error *err);
void glim__tree_free(glim_tree *t);
/* Bytes of a tree of d features while it is made, over texts without their breaks. */
uint64_t glim__tree_bytes(size_t d);

#endif
