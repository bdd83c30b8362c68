/* SPDX-License-Identifier: Apache-2.0 */
/* probe-run.h: what the files of a whole run share. */
#ifndef GLIM_STRUCTURE_PROBE_RUN_H
#define GLIM_STRUCTURE_PROBE_RUN_H

#include "structure/kept-work.h"
#include "structure/probe-baseline.h"

#include <glim/directions.h>
#include <glim/probe.h>

/* What a direction does to the model's output; NaN: not known. */
typedef struct glim_probe_concept {
    double share;             /* of texts whose output it raises */
    double random, deviation; /* the same of random directions: mean, deviation */
    double t, p;
} glim_probe_concept;

typedef struct glim_probe_run {
    glim_context *ctx;
    const glim_model *model;
    glim_probe_options own;      /* with names for columns */
    const glim_probe_options *o; /* that */
    glim_probe_how how;
    glim_probe_data data;
    glim_probe_inputs inputs;
    glim_probe_store store;
    glim_probe_folds folds;
    glim_probe_layer *layers; /* (sites) */
    struct {
        glim_model *model;
        glim_probe_store store;
        glim_probe_layer *layers; /* (sites), or NULL: not asked for */
    } shuffled;                   /* the model with its weights' rows in random order */
    glim_kept_work kept;
    glim_probe_layer baseline;
    double majority;
    glim_direction *directions; /* (sites) while they are asked for; weights owned */
    glim_probe_concept *concepts;
    size_t concept_texts;
    uint64_t forward_tokens, backward_tokens;
    double seconds;
    bool partial;
} glim_probe_run;

/* probe-sites.c: the texts through a store's model, and what is asked of each of its sites; of
   shuffled weights the scores alone. What was kept is taken instead. */
glim_status glim__probe_sites(glim_probe_run *r, glim_probe_store *store, glim_probe_layer *layers,
                              bool shuffled, glim_error *err);
/* The same of the model with shuffled weights, which is there. */
glim_status glim__probe_shuffled(glim_probe_run *r, glim_error *err);

/* probe-concept.c: fills concepts. Errors: EUSAGE (a model without such an output, a class that
   is not there). */
glim_status glim__probe_concept_check(const glim_probe_run *r, glim_error *err);
glim_status glim__probe_concepts(glim_probe_run *r, glim_error *err);
/* Bytes that it takes at least. */
uint64_t glim__probe_concept_plan(const glim_probe_run *r);

/* probe-notes.c; `best` site and those that cannot be told from it. False when memory is
   refused. */
bool glim__probe_notes(glim_document *doc, const glim_probe_run *r, const uint8_t *same,
                       size_t best);
/* probe-document.c */
glim_status glim__probe_document(glim_document **out, const glim_probe_run *r, glim_error *err);

#endif
