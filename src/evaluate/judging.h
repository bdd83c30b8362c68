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
    double *reach;              /* (measures, 2, GLIM_CURVE) lowest and highest of a row's draws */
    double *loo;                /* (d, rows) of the game; (d) of the row behind it */
    bool wants_loo;
    glim_evaluate_cost *cost; /* of a plan, else NULL */
    size_t most;              /* masks of a block */
    uint64_t bytes; /* while planning: what a run needs at least, beside what lies there */
};

/* evaluate.c: options filled in, and what belongs to them; calls fn for each game between. */
void glim__judging_begin(struct judging *j, glim_evaluate_options *o);
glim_status glim__judge(struct judging *j, glim_predictor *p, glim_game_fn *fn, glim_error *err);
void glim__judging_end(struct judging *j, glim_context *ctx);
/* Whether a metric has masks of its own to ask in this case. */
bool glim__judging_asks(const struct judging *j, const glim_measure *m, size_t kase);

/* judging-plan.c: j->most, from the masks that are wanted and the memory that is left. */
glim_status glim__judging_size(struct judging *j, const glim_game *g, glim_error *err);
/* The bytes that explaining and judging need at least, when explaining needs `explain`. */
glim_status glim__judging_bytes(uint64_t *bytes, glim_predictor *p, const glim_document *doc,
                                const glim_evaluate_options *options, uint64_t explain,
                                glim_error *err);

/* cases.c: the cases of a row whose scores lie in phi's first d. */
void glim__cases_make(struct judging *j, const glim_case *like);
/* measures.c: one row's numbers into the sums; sums into means, skills and marks. */
void glim__measures_add(struct judging *j);
void glim__measures_close(struct judging *j);
/* A height as it is told. */
double glim__curve_round(double x);
/* measures.c: a case's curve into the row's; glim__measures_add adds the row's. */
void glim__measures_trace(struct judging *j, size_t metric, size_t kase, const double *values);
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
