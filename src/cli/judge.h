/* SPDX-License-Identifier: Apache-2.0 */
/* judge.h: what glim evaluate does with one explanation, and with a method over many inputs. */
#ifndef GLIM_CLI_JUDGE_H
#define GLIM_CLI_JUDGE_H

#include "cli/again.h"
#include "cli/pick.h"
#include "view/profile.h"

#include <glim/evaluate.h>

typedef struct cli_kept cli_kept; /* judge-store.c */

typedef struct cli_judged {
    cli_run *run;
    glim_predictor *p;
    glim_document *doc;
    const glim_metric **metrics;
    uint8_t *rationale;
    glim_evaluate_options how;
    cli_kept *kept;  /* evaluations on disk (--store), or NULL */
    cli_again again; /* what how.otherwise points to */
} cli_judged;

/* Makes j->doc: by the method, or from --explanation. */
glim_status cli_judge_scores(cli_judged *j);
/* Judges j->doc: with all that metrics may ask besides, a changed model, another class, other
   words, where these can be bound. */
glim_status cli_judge_scored(cli_judged *j, glim_evaluation **out);
/* A document that claims what the method will, as j->doc; scores of --explanation have theirs. */
glim_status cli_judge_claims(cli_judged *j);
/* Judges j->doc, and keeps the evaluation. */
glim_status cli_judge_evaluate(cli_judged *j, glim_evaluation **out);

/* ---- evaluations on disk (judge-store.c) ---- */

/* Nothing without --store. Errors: those of the store. */
glim_status cli_kept_open(cli_judged *j);
void cli_kept_close(cli_judged *j);
/* What was kept of this input, or NULL; j->doc then has all that is shown of a document. */
glim_status cli_kept_find(cli_judged *j, glim_evaluation **out);
/* On disk when it returns. */
glim_status cli_kept_put(cli_judged *j, const glim_evaluation *e);
/* Says on standard error how many of n were found. */
void cli_kept_tell(const cli_judged *j, size_t n);
/* Whether the store itself failed, so that no other input would do. */
bool cli_kept_failed(const cli_judged *j);

/* What explaining and judging will cost; j->doc claims what the method will. */
typedef struct cli_judge_cost {
    glim_plan plan;       /* of all */
    uint64_t masks, runs; /* masked inputs; further runs of the method */
} cli_judge_cost;
glim_status cli_judge_plan(cli_judged *j, cli_judge_cost *out);
glim_status cli_judge_put_plan(cli_run *run, const char *method, const cli_judge_cost *cost);
/* explain --evaluate: the profile of doc, which was made by run's method, into it, by
   cheap defaults; and what making and judging it will cost. */
glim_status cli_judge_into(cli_run *run, glim_predictor *p, glim_document *doc);
glim_status cli_judge_into_plan(cli_run *run, glim_predictor *p);
/* A profile in the forms that the flags ask for: as it was made, or read back. */
glim_status cli_profile_show(cli_run *run, const glim_profile *profile);
/* To the terminal or the files that are asked for. inputs: NULL for one. */
glim_status cli_judge_show(const cli_judged *j, const glim_evaluation *e,
                           const glim_profile_inputs *inputs);

/* Settles, on the first input, what is the same for all. */
typedef glim_status cli_judge_begin(cli_judged *j);
/* Judges the method on rows of the table (cli_many's arguments). An input that fails, or has
   nothing to explain, is counted and left out; when none is left, its error is returned.
   ECANCELLED: what was reached is shown. */
glim_status cli_judge_many(cli_judged *j, cli_judge_begin *begin, const glim_table *t, size_t texts,
                           cli_pick_make *make, void *data);

#endif
