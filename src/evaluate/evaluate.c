/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that judges: it makes, of the scores of each target row, a case for the
 * scores as they are, one in reversed order, and some in random orders; gathers the masks
 * that the metrics want for all of them; asks the predictor once for each that differs;
 * and lets every metric read its values. Masks are held in blocks, so that memory does
 * not grow with the number of metrics.
 */
#include "base/json.h"
#include "evaluate/judging.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 20 };

/* What a metric said of one case of one row; of all cases where their masks are the same. */
struct request {
    size_t metric, kase, n, at; /* n masks from the at-th of the block on */
};

/* Why a metric says nothing of these scores, or NULL. */
static const char *unfit(const struct judging *j, const glim_predictor *p, const glim_metric *m) {
    const char *output = j->doc->target.output ? j->doc->target.output : "";
    if ((m->needs & GLIM_NEEDS_ADDITIVE) && !j->doc->method.additive)
        return "the scores do not claim to sum to the target";
    if ((m->needs & GLIM_NEEDS_SIGNED) && !j->doc->method.is_signed)
        return "the scores have no sign";
    if ((m->needs & GLIM_NEEDS_RATIONALE) && !j->o->rationale)
        return "nobody marked what matters (--rationale)";
    if ((m->needs & (GLIM_NEEDS_METHOD | GLIM_NEEDS_SEEDS)) && !j->o->method)
        return "the method is not at hand to run again";
    if ((m->needs & GLIM_NEEDS_PROB) && strcmp(output, "prob") != 0 &&
        strcmp(output, "logprob") != 0)
        return "the target is no probability (--output logprob)";
    return m->run ? glim__reruns_unfit(j, p, m) : NULL;
}

/* ---- asking ---- */

static glim_status ask(struct judging *j, glim_game *g, size_t row, const struct request *list,
                       size_t n, size_t masks, glim_error *err) {
    g->blocks = g->p->n_rows - g->first - row;
    glim_status status = masks ? glim__game_values(g, j->masks, masks, j->values, err) : GLIM_OK;
    for (size_t i = 0; i < masks && !status; i++) /* the row's column alone */
        j->values[i] = j->values[i * g->rows + row];
    for (size_t i = 0; i < n && !status; i++) {
        const struct request *q = &list[i];
        const glim_metric *m = j->e->measures[q->metric].metric;
        size_t end = m->same_masks && m->ranked ? j->n_cases : q->kase + 1;
        if (m->trace)
            glim__measures_trace(j, q->metric, q->kase, j->values + q->at);
        for (size_t k = q->kase; k < end; k++)
            if (k != ORACLE || j->wants_loo)
                j->said[q->metric * j->n_cases + k] =
                    m->read(&j->cases[k], j->opts[q->metric], j->values + q->at);
    }
    return status;
}

bool glim__judging_asks(const struct judging *j, const glim_measure *m, size_t kase) {
    const glim_metric *metric = m->metric;
    if (!metric->read || m->why)
        return false;
    if (kase == AS_IT_IS)
        return true;
    if (kase == ORACLE && (!j->wants_loo || !isnan(metric->best) || metric->ideal))
        return false;
    return metric->ranked && !metric->same_masks;
}

static glim_status ask_all(struct judging *j, glim_game *g, size_t row, glim_error *err) {
    size_t n_metrics = j->e->n_measures, most = j->most, n = 0, masks = 0;
    glim_context *ctx = g->p->ctx;
    struct request *list = glim__calloc(ctx, n_metrics * j->n_cases + 1, sizeof *list);
    glim_status status = list ? GLIM_OK : glim__oom(ctx, err, "requests", n_metrics * 64);
    for (size_t k = 0; k < j->n_cases && !status; k++)
        for (size_t i = 0; i < n_metrics && !status; i++) {
            const glim_metric *m = j->e->measures[i].metric;
            if (!glim__judging_asks(j, &j->e->measures[i], k))
                continue;
            size_t want = m->masks ? m->masks(&j->cases[k], j->opts[i], NULL) : 0;
            if (masks && masks + want > most) {
                status = ask(j, g, row, list, n, masks, err);
                n = masks = 0;
            }
            if (!status && want)
                m->masks(&j->cases[k], j->opts[i], j->masks + masks * g->d);
            list[n++] = (struct request){i, k, want, masks};
            masks += want;
        }
    if (!status)
        status = ask(j, g, row, list, n, masks, err);
    g->blocks = 0;
    glim__free(ctx, list);
    return status;
}

/* What each row loses without each feature, into loo (d, rows). */
static glim_status leave_one_out(struct judging *j, glim_game *g, glim_error *err) {
    memset(j->masks, 1, g->d * g->d);
    for (size_t i = 0; i < g->d; i++)
        j->masks[i * g->d + i] = 0;
    glim_status status = glim__game_values(g, j->masks, g->d, j->loo, err);
    for (size_t i = 0; i < g->d * g->rows && !status; i++)
        j->loo[i] = g->all[i % g->rows] - j->loo[i];
    return status;
}

/* ---- all rows ---- */

static bool make_room(struct judging *j, glim_game *g) {
    glim_context *ctx = g->p->ctx;
    size_t n = j->n_cases, d = g->d, most = j->most;
    j->cases = glim__calloc(ctx, n, sizeof *j->cases);
    j->phi = glim__calloc(ctx, n * d, sizeof *j->phi);
    j->order = glim__calloc(ctx, n * d, sizeof *j->order);
    j->rationale = glim__calloc(ctx, d, 1);
    j->said = glim__calloc(ctx, n * j->e->n_measures + 1, sizeof *j->said);
    j->masks = glim__calloc(ctx, most, d);
    j->values = glim__calloc(ctx, most * g->rows, sizeof *j->values);
    j->loo = glim__calloc(ctx, d * (g->rows + 1), sizeof *j->loo);
    j->reach = glim__calloc(ctx, 2 * GLIM_CURVE * j->e->n_measures + 1, sizeof *j->reach);
    return j->cases && j->phi && j->order && j->rationale && j->said && j->masks && j->values &&
           j->loo && j->reach;
}

static void give_room(struct judging *j, glim_context *ctx) {
    glim__free(ctx, j->cases);
    glim__free(ctx, j->phi);
    glim__free(ctx, j->order);
    glim__free(ctx, j->rationale);
    glim__free(ctx, j->said);
    glim__free(ctx, j->masks);
    glim__free(ctx, j->values);
    glim__free(ctx, j->loo);
    glim__free(ctx, j->reach);
}

/* The score of fixed units is told of the whole document alone. */
static glim_case case_of(const struct judging *j, const glim_game *g, size_t row, double none) {
    const glim_document *doc = j->doc;
    size_t r = g->first + row;
    const char *output = doc->target.output;
    return (glim_case){.d = g->d,
                       .rationale = j->o->rationale ? j->rationale : NULL,
                       .loo = j->wants_loo ? j->loo + g->d * g->rows : NULL,
                       .all = g->all[row],
                       .none = none,
                       .claimed =
                           doc->rows ? doc->rows[r].baseline_value : doc->target.baseline_value,
                       .fixed = doc->n_rows > 1 || isnan(doc->fixed_total) ? 0 : doc->fixed_total,
                       .is_signed = doc->method.is_signed,
                       .additive = doc->method.additive,
                       .log = output && !strcmp(output, "logprob"),
                       .seed = j->o->seed};
}

static glim_status judge_row(struct judging *j, glim_game *g, size_t row, double none,
                             glim_error *err) {
    size_t U = g->p->units->count, r = g->first + row;
    glim_case like = case_of(j, g, row, none);
    for (size_t u = 0; u < U; u++)
        if (g->feature[u] != SIZE_MAX) {
            j->phi[g->feature[u]] = j->doc->scores[r * U + u];
            j->rationale[g->feature[u]] = j->o->rationale && j->o->rationale[u];
        }
    for (size_t i = 0; i < g->d; i++)
        j->loo[g->d * g->rows + i] = j->loo[i * g->rows + row];
    glim__cases_make(j, &like);
    for (size_t i = 0; i < j->e->n_measures * j->n_cases; i++)
        j->said[i] = NAN;
    for (size_t i = 0; i < 2 * GLIM_CURVE * j->e->n_measures; i++)
        j->reach[i] = NAN;
    glim_status status = ask_all(j, g, row, err);
    if (!status)
        glim__measures_add(j);
    return status;
}

static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct judging *j = data;
    glim_status status = glim__judging_size(j, g, err);
    if (!status && !make_room(j, g))
        status = glim__oom(g->p->ctx, err, "an evaluation", j->most * (g->d + 8 * g->rows));
    double *none = glim__calloc(g->p->ctx, g->rows, sizeof *none);
    if (!status && !none)
        status = glim__oom(g->p->ctx, err, "an evaluation", g->rows * sizeof *none);
    if (!status) /* masks begin as nothing there */
        status = glim__game_values(g, j->masks, 1, none, err);
    if (!status && j->wants_loo)
        status = leave_one_out(j, g, err);
    for (size_t r = 0; r < g->rows && !status; r++)
        status = judge_row(j, g, r, none[r], err);
    j->e->asked += g->asked;
    glim__free(g->p->ctx, none);
    give_room(j, g->p->ctx);
    return status;
}

/* ---- the whole ---- */

char *glim__measure_text(glim_context *ctx, const char *text) {
    char *copy = glim__calloc(ctx, strlen(text) + 1, 1);
    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static const void *given_opts(const struct judging *j, const glim_metric *m) {
    for (size_t i = 0; glim_metrics()[i] && j->o->metric_opts; i++)
        if (glim_metrics()[i] == m)
            return j->o->metric_opts[i];
    return NULL;
}

static glim_status fill_measure(struct judging *j, size_t i, const glim_predictor *p,
                                glim_error *err) {
    const glim_metric *m = j->e->measures[i].metric;
    const void *given = given_opts(j, m);
    j->e->measures[i].why = unfit(j, p, m);
    if (!j->e->measures[i].why &&
        ((m->needs & GLIM_NEEDS_LOO) || (m->ranked && isnan(m->best) && !m->ideal)))
        j->wants_loo = true;
    j->opts[i] = glim__calloc(p->ctx, 1, m->opts_size + 1);
    if (!j->opts[i])
        return glim__oom(p->ctx, err, "options", m->opts_size);
    if (given)
        memcpy(j->opts[i], given, m->opts_size);
    else if (m->params)
        glim_param_defaults(m->params, j->opts[i]);
    char *params = glim__params_text(m->params, j->opts[i]);
    j->e->measures[i].params = params ? glim__measure_text(p->ctx, params) : NULL;
    free(params);
    if (m->trace && !j->e->measures[i].why) {
        j->e->measures[i].curve = glim__calloc(p->ctx, 1, sizeof(glim_curve));
        if (!j->e->measures[i].curve)
            return glim__oom(p->ctx, err, "a curve", sizeof(glim_curve));
    }
    return j->e->measures[i].params ? GLIM_OK : glim__oom(p->ctx, err, "options", 0);
}

static glim_status new_evaluation(struct judging *j, const glim_predictor *p, glim_error *err) {
    const glim_metric *const *list = j->o->metrics ? j->o->metrics : glim_metrics();
    size_t n = 0;
    while (list[n])
        n++;
    glim_evaluation *e = j->e = glim__calloc(p->ctx, 1, sizeof *e);
    if (!e)
        return glim__oom(p->ctx, err, "an evaluation", sizeof *e);
    e->ctx = p->ctx;
    e->measures = glim__calloc(p->ctx, n + 1, sizeof *e->measures);
    j->opts = glim__calloc(p->ctx, n + 1, sizeof *j->opts);
    if (!e->measures || !j->opts)
        return glim__oom(p->ctx, err, "an evaluation", n * sizeof *e->measures);
    e->n_measures = n;
    for (size_t q = 0; q < GLIM_QUALITIES; q++)
        e->low[q] = e->high[q] = NAN;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++) {
        e->measures[i].metric = list[i];
        e->measures[i].low = e->measures[i].high = NAN;
        status = fill_measure(j, i, p, err);
    }
    return status;
}

static glim_status check_units(const glim_predictor *p, const glim_document *doc, glim_error *err) {
    if (doc->input.n_units == p->units->count && doc->n_rows == p->n_rows)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE,
                     "the explanation has %zu units in %zu rows, the input %zu in %zu",
                     doc->input.n_units, doc->n_rows, p->units->count, p->n_rows);
}

glim_status glim__judge(struct judging *j, glim_predictor *p, glim_game_fn *fn, glim_error *err) {
    glim_document *notes = NULL;
    glim_status status = new_evaluation(j, p, err);
    if (!status)
        status = glim_document_new(&notes, p->ctx, err);
    if (!status) {
        glim__progress_begin(p->ctx, "evaluate", 0);
        status = glim__games(p, j->o->absent, notes, false, fn, j, err);
        glim__progress_end(p->ctx);
    }
    glim_document_free(notes);
    return status;
}

void glim__judging_begin(struct judging *j, glim_evaluate_options *o) {
    o->absent = o->absent ? o->absent : "auto";
    o->draws = o->draws > 1 ? o->draws : DRAWS;
    j->o = o;
    j->n_cases = FIRST_DRAW + o->draws;
}

void glim__judging_end(struct judging *j, glim_context *ctx) {
    for (size_t i = 0; j->opts && i < j->e->n_measures; i++)
        glim__free(ctx, j->opts[i]);
    glim__free(ctx, j->opts);
}

glim_status glim_evaluate(glim_evaluation **out, glim_predictor *p, const glim_document *doc,
                          const glim_evaluate_options *options, glim_error *err) {
    glim_evaluate_options o = options ? *options : (glim_evaluate_options){0};
    struct judging j = {.doc = doc};
    double began = glim__seconds();
    *out = NULL;
    glim__judging_begin(&j, &o);
    glim_status status = check_units(p, doc, err);
    if (!status)
        status = glim__judge(&j, p, play, err);
    if (!status)
        status = glim__reruns(&j, p, err);
    glim__judging_end(&j, p->ctx);
    if (status) {
        glim_evaluation_free(j.e);
        return status;
    }
    glim__measures_close(&j);
    j.e->seconds = glim__seconds() - began;
    *out = j.e;
    return GLIM_OK;
}

void glim_evaluation_free(glim_evaluation *e) {
    if (!e)
        return;
    for (size_t i = 0; i < e->n_measures; i++) {
        glim__free(e->ctx, e->measures[i].params);
        glim__free(e->ctx, e->measures[i].told);
        glim__free(e->ctx, e->measures[i].curve);
    }
    glim__free(e->ctx, e->measures);
    glim__free(e->ctx, e->ranks);
    glim__free(e->ctx, e->words);
    glim__free(e->ctx, e);
}
