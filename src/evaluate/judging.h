/* SPDX-License-Identifier: Apache-2.0 */
/* judging.h: one evaluation under way, between the files of the engine. */
#ifndef GLIM_EVALUATE_JUDGING_H
#define GLIM_EVALUATE_JUDGING_H

#include "evaluate/metrics.h"
#include "explain/game.h"

/* Cases: the scores as they are, in reversed order, leave-one-out's, and random orders. */
enum { AS_IT_IS, REVERSED, ORACLE, FIRST_DRAW };

struct judging {
    const glim_document *doc;
    const glim_evaluate_options *o;
    glim_evaluation *e;
    void **opts; /* [measures] with defaults filled in; owned where the caller gave none */
    glim_case *cases;
    size_t n_cases;
    double *phi;                /* (cases, d) */
    size_t *order;              /* (cases, d) */
    uint8_t *rationale, *masks; /* (d); a block */
    double *values, *said;      /* of a block's masks; (measures, cases) */
    double *loo;                /* (d, rows) of the game; (d) of the row behind it */
    bool wants_loo;
    glim_evaluate_cost *cost; /* of a plan, else NULL */
};

/* cases.c: the cases of a row whose scores lie in phi's first d. */
void glim__cases_make(struct judging *j, const glim_case *like);
/* measures.c: one row's numbers into the sums; sums into means, skills and marks. */
void glim__measures_add(struct judging *j);
void glim__measures_close(struct judging *j);
/* evaluate.c: a copy of the text for a measure; NULL when memory is refused. */
char *glim__measure_text(glim_context *ctx, const char *text);
/* A mark of accuracy where a check failed. */
double glim__mark_capped(double mark);
/* reruns.c: the metrics that work by themselves. */
glim_status glim__reruns(struct judging *j, glim_predictor *p, glim_error *err);
void glim__reruns_count(const struct judging *j, glim_predictor *p, glim_evaluate_cost *out);
const char *glim__reruns_unfit(const struct judging *j, const glim_predictor *p,
                               const glim_metric *m);

#endif
