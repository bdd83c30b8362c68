/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that judges: it makes, of the scores of each target row, a case for the
 * scores as they are, one in reversed order, and some in random orders; gathers the masks
 * that the metrics want for all of them; asks the predictor once for each that differs;
 * and lets every metric read its values. Masks are held in blocks, so that memory does
 * not grow with the number of metrics.
 */
#include "base/rng.h"
#include "evaluate/metrics.h"
#include "explain/game.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 20, BLOCK = 16 << 20, AS_IT_IS = 0, REVERSED = 1, FIRST_DRAW = 2 };

/* What a metric said of one case of one row. */
struct request {
    size_t metric, kase, n, at; /* n masks from the at-th of the block on */
};

struct judging {
    const glim_document *doc;
    const glim_evaluate_options *o;
    glim_evaluation *e;
    glim_case *cases; /* 2 + draws */
    size_t n_cases;
    double *phi;                /* (cases, d) */
    size_t *order;              /* (cases, d) */
    uint8_t *rationale, *masks; /* (d); a block */
    double *values, *said;      /* of a block's masks; (metrics, cases) */
};

static const void *opts_of(const struct judging *j, size_t metric) {
    for (size_t i = 0; glim_metrics()[i]; i++)
        if (glim_metrics()[i] == j->e->measures[metric].metric)
            return j->o->metric_opts ? j->o->metric_opts[i] : NULL;
    return NULL;
}

/* ---- cases ---- */

static void put_case(struct judging *j, size_t k, const glim_case *like) {
    glim_case *c = &j->cases[k];
    *c = *like;
    c->phi = j->phi + k * like->d;
    c->order = j->order + k * like->d;
    glim__importance_order(c->phi, c->d, c->is_signed, j->order + k * like->d);
}

/* The scores as they are, reversed along their order, and dealt out at random. */
static void make_cases(struct judging *j, const glim_case *like) {
    size_t d = like->d;
    put_case(j, AS_IT_IS, like);
    const glim_case *own = &j->cases[AS_IT_IS];
    for (size_t i = 0; i < d; i++)
        j->phi[REVERSED * d + own->order[i]] = own->phi[own->order[d - 1 - i]];
    put_case(j, REVERSED, like);
    for (size_t k = FIRST_DRAW; k < j->n_cases; k++) {
        double *phi = j->phi + k * d;
        memcpy(phi, own->phi, d * sizeof *phi);
        for (size_t i = d; i > 1; i--) {
            size_t at = glim__rng_below(j->o->seed, (uint64_t)3 << 40 | k, i, (uint32_t)i);
            double swap = phi[i - 1];
            phi[i - 1] = phi[at];
            phi[at] = swap;
        }
        put_case(j, k, like);
    }
}

/* ---- asking ---- */

/* Why a metric says nothing of these scores, or NULL. */
static const char *unfit(const struct judging *j, const glim_metric *m) {
    if ((m->needs & GLIM_NEEDS_ADDITIVE) && !j->doc->method.additive)
        return "the scores do not claim to sum to the target";
    if ((m->needs & GLIM_NEEDS_SIGNED) && !j->doc->method.is_signed)
        return "the scores have no sign";
    if ((m->needs & GLIM_NEEDS_RATIONALE) && !j->o->rationale)
        return "nobody marked what matters (--rationale)";
    if ((m->needs & GLIM_NEEDS_METHOD) && !j->o->method)
        return "the method is not at hand to run again";
    return NULL;
}

static glim_status ask(struct judging *j, glim_game *g, size_t row, const struct request *list,
                       size_t n, size_t masks, glim_error *err) {
    glim_status status = masks ? glim__game_values(g, j->masks, masks, j->values, err) : GLIM_OK;
    for (size_t i = 0; i < masks && !status; i++) /* the row's column alone */
        j->values[i] = j->values[i * g->rows + row];
    for (size_t i = 0; i < n && !status; i++) {
        const struct request *q = &list[i];
        const glim_metric *m = j->e->measures[q->metric].metric;
        j->said[q->metric * j->n_cases + q->kase] =
            m->read(&j->cases[q->kase], opts_of(j, q->metric), j->values + q->at);
    }
    return status;
}

static glim_status ask_all(struct judging *j, glim_game *g, size_t row, glim_error *err) {
    size_t n_metrics = j->e->n_measures, most = BLOCK / (g->d + 8 * g->rows), n = 0, masks = 0;
    glim_context *ctx = g->p->ctx;
    struct request *list = glim__calloc(ctx, n_metrics * j->n_cases + 1, sizeof *list);
    glim_status status = list ? GLIM_OK : glim__oom(ctx, err, "requests", n_metrics * 64);
    for (size_t k = 0; k < j->n_cases && !status; k++)
        for (size_t i = 0; i < n_metrics && !status; i++) {
            const glim_metric *m = j->e->measures[i].metric;
            if (!m->read || j->e->measures[i].why || (k && !m->ranked))
                continue;
            size_t want = m->masks ? m->masks(&j->cases[k], opts_of(j, i), NULL) : 0;
            if (masks && masks + want > most) {
                status = ask(j, g, row, list, n, masks, err);
                n = masks = 0;
            }
            if (want > most)
                status = glim_fail(err, GLIM_ELIMIT, "'%s' wants %zu inputs of %zu units at once",
                                   m->name, want, g->d);
            if (!status && want)
                m->masks(&j->cases[k], opts_of(j, i), j->masks + masks * g->d);
            list[n++] = (struct request){i, k, want, masks};
            masks += want;
        }
    if (!status)
        status = ask(j, g, row, list, n, masks, err);
    glim__free(ctx, list);
    return status;
}

static glim_status run_alone(struct judging *j, glim_game *g, size_t row, glim_error *err) {
    glim_subject s = {.p = g->p,
                      .doc = j->doc,
                      .method = j->o->method,
                      .opts = j->o->method_opts,
                      .row = g->first + row,
                      .of = &j->cases[AS_IT_IS]};
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < j->e->n_measures && !status; i++) {
        const glim_metric *m = j->e->measures[i].metric;
        if (m->run && !j->e->measures[i].why)
            status = m->run(&s, opts_of(j, i), &j->said[i * j->n_cases], err);
    }
    return status;
}

/* ---- one row's numbers into the means ---- */

static void add_row(struct judging *j) {
    for (size_t i = 0; i < j->e->n_measures; i++) {
        glim_measure *m = &j->e->measures[i];
        const double *said = j->said + i * j->n_cases;
        double sum = 0, squares = 0, draws = (double)(j->n_cases - FIRST_DRAW);
        if (m->why || isnan(said[AS_IT_IS]))
            continue;
        m->n++;
        m->value += said[AS_IT_IS];
        if (!m->metric->ranked)
            continue;
        m->reversed += said[REVERSED];
        for (size_t k = FIRST_DRAW; k < j->n_cases; k++) {
            sum += said[k];
            squares += said[k] * said[k];
        }
        double variance = (squares - sum * sum / draws) / (draws - 1) / draws;
        m->random += sum / draws;
        m->random_se += variance > 0 ? variance : 0; /* summed, and rooted at the end */
    }
}

static double skill(const glim_measure *m) {
    double span = m->metric->best - m->random;
    if (isnan(span) || fabs(span) < 1e-12)
        return NAN;
    double s = (m->value - m->random) / span;
    return s < 0 ? 0 : s > 1 ? 1 : s;
}

static void close_measure(glim_measure *m) {
    double n = (double)m->n;
    if (!m->n) {
        m->value = m->random = m->random_se = m->reversed = m->skill = NAN;
        m->why = m->why ? m->why : "it is undefined here";
        return;
    }
    m->value /= n;
    if (m->metric->ranked) {
        m->random /= n;
        m->random_se = sqrt(m->random_se) / n;
        m->reversed /= n;
    } else {
        m->random = m->random_se = m->reversed = NAN;
    }
    m->skill = skill(m);
}

static void mark(glim_evaluation *e) {
    for (size_t q = 0; q < GLIM_QUALITIES; q++) {
        double sum = 0, n = 0;
        for (size_t i = 0; i < e->n_measures; i++)
            if (e->measures[i].metric->quality == q && !isnan(e->measures[i].skill)) {
                sum += e->measures[i].skill;
                n++;
            }
        e->marks[q] = n > 0 ? sum / n : NAN;
    }
}

/* ---- all rows ---- */

static bool make_room(struct judging *j, glim_game *g) {
    glim_context *ctx = g->p->ctx;
    size_t n = j->n_cases, d = g->d;
    j->cases = glim__calloc(ctx, n, sizeof *j->cases);
    j->phi = glim__calloc(ctx, n * d, sizeof *j->phi);
    j->order = glim__calloc(ctx, n * d, sizeof *j->order);
    j->rationale = glim__calloc(ctx, d, 1);
    j->said = glim__calloc(ctx, n * j->e->n_measures + 1, sizeof *j->said);
    size_t most = BLOCK / (d + 8 * g->rows);
    j->masks = glim__calloc(ctx, most, d);
    j->values = glim__calloc(ctx, most * g->rows, sizeof *j->values);
    return j->cases && j->phi && j->order && j->rationale && j->said && j->masks && j->values;
}

static void give_room(struct judging *j, glim_context *ctx) {
    glim__free(ctx, j->cases);
    glim__free(ctx, j->phi);
    glim__free(ctx, j->order);
    glim__free(ctx, j->rationale);
    glim__free(ctx, j->said);
    glim__free(ctx, j->masks);
    glim__free(ctx, j->values);
}

static glim_status judge_row(struct judging *j, glim_game *g, size_t row, double none,
                             glim_error *err) {
    const glim_document *doc = j->doc;
    size_t U = g->p->units->count, r = g->first + row;
    glim_case like = {.d = g->d,
                      .rationale = j->o->rationale ? j->rationale : NULL,
                      .all = g->all[row],
                      .none = none,
                      .claimed =
                          doc->rows ? doc->rows[r].baseline_value : doc->target.baseline_value,
                      .is_signed = doc->method.is_signed,
                      .additive = doc->method.additive,
                      .seed = j->o->seed};
    for (size_t u = 0; u < U; u++)
        if (g->feature[u] != SIZE_MAX) {
            j->phi[g->feature[u]] = doc->scores[r * U + u];
            j->rationale[g->feature[u]] = j->o->rationale && j->o->rationale[u];
        }
    make_cases(j, &like);
    for (size_t i = 0; i < j->e->n_measures * j->n_cases; i++)
        j->said[i] = NAN;
    glim_status status = ask_all(j, g, row, err);
    if (!status)
        status = run_alone(j, g, row, err);
    if (!status)
        add_row(j);
    return status;
}

static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct judging *j = data;
    glim_status status =
        make_room(j, g) ? GLIM_OK : glim__oom(g->p->ctx, err, "an evaluation", BLOCK);
    double *none = glim__calloc(g->p->ctx, g->rows, sizeof *none);
    if (!status && !none)
        status = glim__oom(g->p->ctx, err, "an evaluation", g->rows * sizeof *none);
    if (!status) /* masks begin as nothing there */
        status = glim__game_values(g, j->masks, 1, none, err);
    for (size_t r = 0; r < g->rows && !status; r++)
        status = judge_row(j, g, r, none[r], err);
    j->e->asked += g->asked;
    glim__free(g->p->ctx, none);
    give_room(j, g->p->ctx);
    return status;
}

static glim_status new_evaluation(glim_evaluation **out, struct judging *j, glim_context *ctx,
                                  glim_error *err) {
    const glim_metric *const *list = j->o->metrics ? j->o->metrics : glim_metrics();
    size_t n = 0;
    while (list[n])
        n++;
    glim_evaluation *e = *out = glim__calloc(ctx, 1, sizeof *e);
    if (!e)
        return glim__oom(ctx, err, "an evaluation", sizeof *e);
    e->ctx = ctx;
    e->measures = glim__calloc(ctx, n + 1, sizeof *e->measures);
    if (!e->measures)
        return glim__oom(ctx, err, "an evaluation", n * sizeof *e->measures);
    e->n_measures = n;
    j->e = e;
    for (size_t i = 0; i < n; i++) {
        e->measures[i].metric = list[i];
        e->measures[i].why = unfit(j, list[i]);
    }
    return GLIM_OK;
}

static glim_status check_units(const glim_predictor *p, const glim_document *doc, glim_error *err) {
    if (doc->input.n_units == p->units->count && doc->n_rows == p->n_rows)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE,
                     "the explanation has %zu units in %zu rows, the input %zu in %zu",
                     doc->input.n_units, doc->n_rows, p->units->count, p->n_rows);
}

glim_status glim_evaluate(glim_evaluation **out, glim_predictor *p, const glim_document *doc,
                          const glim_evaluate_options *options, glim_error *err) {
    glim_evaluate_options o = options ? *options : (glim_evaluate_options){0};
    struct judging j = {.doc = doc, .o = &o};
    glim_document *notes = NULL;
    double began = glim__seconds();
    *out = NULL;
    o.absent = o.absent ? o.absent : "auto";
    o.draws = o.draws > 1 ? o.draws : DRAWS;
    j.n_cases = FIRST_DRAW + o.draws;
    glim_status status = check_units(p, doc, err);
    if (!status)
        status = new_evaluation(out, &j, p->ctx, err);
    if (!status)
        status = glim_document_new(&notes, p->ctx, err);
    if (!status)
        status = glim__games(p, o.absent, notes, false, play, &j, err);
    glim_document_free(notes);
    if (status) {
        glim_evaluation_free(*out);
        *out = NULL;
        return status;
    }
    for (size_t i = 0; i < j.e->n_measures; i++)
        close_measure(&j.e->measures[i]);
    mark(j.e);
    j.e->seconds = glim__seconds() - began;
    return GLIM_OK;
}

void glim_evaluation_free(glim_evaluation *e) {
    if (!e)
        return;
    glim__free(e->ctx, e->measures);
    glim__free(e->ctx, e);
}
