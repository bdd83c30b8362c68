/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sanity check: the method explains the same target token of a model whose last blocks
 * have their matrices' rows shuffled. Scores that stay the same say nothing of what the
 * model learnt: the check fails when the sizes correlate by more than 0.5 (Spearman) with
 * all blocks shuffled. One number of blocks is one step of the cascade from the top.
 */
#include "evaluate/stability.h"
#include "model/model.h"

#include <math.h>

static const double FAILS = 0.5;

struct opts {
    int64_t blocks;
};

static const glim_param params[] = {
    {.name = "blocks",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, blocks),
     .def.i = 0,
     .min = 0,
     .max = GLIM_MAX_LAYERS,
     .help = "blocks that are shuffled, from the last one down (0: all)"},
    {0},
};

static glim_status compare(const glim_subject *s, glim_predictor *other, glim_answer *out,
                           glim_error *err) {
    glim_document *doc = NULL;
    glim_twins t;
    if (other->units->count != s->doc->input.n_units || other->n_rows != s->doc->n_rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "the shuffled model's input has %zu units in %zu rows; expected %zu in "
                         "%zu (name the target)",
                         other->units->count, other->n_rows, s->doc->input.n_units, s->doc->n_rows);
    glim_status status = glim_explain(&doc, other, s->method, s->opts, s->doc->seed, err);
    if (!glim__twins_init(&t, s) && !status)
        status = glim__oom(s->p->ctx, err, "pairs of scores", s->doc->input.n_units * 32);
    for (size_t r = 0; r < s->doc->n_rows && !status; r++) {
        glim__twins_fill(&t, s, r, s->doc->scores, doc->scores);
        out->value[r] = glim__spearman(t.a, t.b, t.n, true);
        out->chance[r] = 1;
    }
    glim__twins_release(&t);
    glim_document_free(doc);
    return status;
}

static glim_status run(const glim_subject *s, const void *opts, glim_answer *out, glim_error *err) {
    const struct opts *o = opts;
    glim_model *shuffled = NULL;
    glim_predictor *other = NULL;
    glim_error why = {0};
    glim_status status =
        glim__model_shuffled(&shuffled, s->p->model, (int)o->blocks, s->seed, &why);
    if (status == GLIM_EUNSUPPORTED) {
        out->note = "weights of this kind of model are not shuffled";
        return GLIM_OK;
    }
    if (status && err)
        *err = why;
    if (!status)
        status = s->remake(s->remake_data, &other, shuffled, err);
    if (!status)
        status = compare(s, other, out, err);
    glim_predictor_free(other);
    glim_model_close(shuffled);
    return status;
}

static uint64_t runs(const glim_subject *s, const void *opts) {
    return 1;
}

const glim_metric glim_metric_model_randomisation = {
    .name = "model-randomisation",
    .summary = "whether the scores notice that the weights were shuffled",
    .cite = "Adebayo et al. 2018, arXiv:1810.03292",
    .caption = "To pass says only that the scores depend on the weights.",
    .quality = GLIM_ACCURACY,
    .best = 0,
    .limited = true,
    .limit = FAILS,
    .needs = GLIM_NEEDS_METHOD | GLIM_NEEDS_MODEL,
    .cost = "1 more run of the method, and a copy of the blocks in memory",
    .params = params,
    .opts_size = sizeof(struct opts),
    .run = run,
    .runs = runs,
};
