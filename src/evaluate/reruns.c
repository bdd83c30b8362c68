/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics that run the method again. What several of them need, the scores of other seeds,
 * is made once. A method that gives the same bits with a second seed draws nothing, so it
 * is not asked for a third.
 */
#include "evaluate/judging.h"

#include <math.h>
#include <string.h>

enum { SEEDS = 5 };

const char *glim__reruns_unfit(const struct judging *j, const glim_predictor *p,
                               const glim_metric *m) {
    glim_subject s = {.p = (glim_predictor *)p,
                      .doc = j->doc,
                      .method = j->o->method,
                      .opts = j->o->method_opts,
                      .otherwise = j->o->otherwise};
    if ((m->needs & GLIM_NEEDS_MODEL) && !p->model)
        return "there is no model whose weights could be changed";
    if ((m->needs & GLIM_NEEDS_MODEL) && !j->o->remake)
        return "this input and target cannot be given to a model with other weights";
    if ((m->needs & GLIM_NEEDS_RIVALS) && !(s.otherwise && s.otherwise->rivals))
        return "other classes are not known, or more than can be asked about";
    if ((m->needs & GLIM_NEEDS_WORDING) && !(s.otherwise && s.otherwise->text))
        return "the input is no text that could be put otherwise";
    return m->unfit ? m->unfit(&s) : NULL;
}

static bool wants_seeds(const struct judging *j) {
    for (size_t i = 0; i < j->e->n_measures; i++)
        if (!j->e->measures[i].why && (j->e->measures[i].metric->needs & GLIM_NEEDS_SEEDS))
            return true;
    return false;
}

static glim_subject subject_of(const struct judging *j, glim_predictor *p) {
    return (glim_subject){.p = p,
                          .doc = j->doc,
                          .method = j->o->method,
                          .opts = j->o->method_opts,
                          .seed = j->o->seed,
                          .remake = j->o->remake,
                          .remake_data = j->o->remake_data,
                          .otherwise = j->o->otherwise};
}

static size_t seeds_of(const struct judging *j) {
    return j->o->seeds ? j->o->seeds : SEEDS;
}

/* A document of another run lies beside the first. */
void glim__reruns_count(const struct judging *j, glim_predictor *p, glim_evaluate_cost *out) {
    glim_subject s = subject_of(j, p);
    out->runs = wants_seeds(j) ? seeds_of(j) - 1 : 0;
    for (size_t i = 0; i < j->e->n_measures; i++) {
        const glim_measure *m = &j->e->measures[i];
        if (m->why)
            continue;
        out->runs += m->metric->runs ? m->metric->runs(&s, j->opts[i]) : 0;
    }
}

static glim_status fill_seeds(glim_subject *s, double *again, size_t seeds, size_t n,
                              glim_error *err) {
    memcpy(again, s->doc->scores, n * sizeof *again);
    s->again = again;
    for (s->n_again = 1; s->n_again < seeds && !s->same_bits; s->n_again++) {
        glim_document *doc = NULL;
        glim_status status =
            glim_explain(&doc, s->p, s->method, s->opts, s->doc->seed + s->n_again, err);
        if (!status)
            memcpy(again + s->n_again * n, doc->scores, n * sizeof *again);
        glim_document_free(doc);
        if (status)
            return status;
        s->same_bits = s->n_again == 1 && !memcmp(again, again + n, n * sizeof *again);
    }
    return GLIM_OK;
}

/* ---- ranks over seeds ---- */

/* The rank of each unit into rank (units), of fixed ones 0. phi, order (units) are room. */
static void rank_units(const glim_document *d, const double *scores, double *phi, size_t *order,
                       size_t *rank) {
    size_t U = d->input.n_units, n = 0;
    for (size_t u = 0; u < U; u++) {
        double sum = 0;
        for (size_t r = 0; r < d->n_rows; r++)
            sum += glim__score(scores[r * U + u]);
        rank[u] = 0;
        if (!d->input.units[u].fixed)
            phi[n++] = sum;
    }
    glim__importance_order(phi, n, d->method.is_signed, order);
    for (size_t i = 0; i < n; i++) /* the order counts scored units */
        phi[order[i]] = (double)(i + 1);
    for (size_t u = 0, i = 0; u < U; u++)
        if (!d->input.units[u].fixed)
            rank[u] = (size_t)phi[i++];
}

static size_t sum_of_ranks(const size_t *ranks, size_t U, size_t seeds, size_t u) {
    size_t sum = 0;
    for (size_t k = 0; k < seeds; k++)
        sum += ranks[k * U + u];
    return sum;
}

/* The units with the smallest sums; the earlier of equal ones. */
static void choose_units(glim_seed_ranks *out, const glim_document *d, const size_t *ranks) {
    size_t U = d->input.n_units, last = 0, last_unit = 0;
    while (out->n_units < GLIM_RANKED_UNITS) {
        size_t best = SIZE_MAX, unit = 0;
        for (size_t u = 0; u < U; u++) {
            size_t sum = sum_of_ranks(ranks, U, out->n_seeds, u);
            bool later = sum > last || (sum == last && out->n_units && u > last_unit);
            if (sum && later && sum < best) {
                best = sum;
                unit = u;
            }
        }
        if (best == SIZE_MAX)
            return;
        size_t i = out->n_units++;
        out->units[i].unit = last_unit = unit;
        out->units[i].text = d->input.units[unit].text;
        out->units[i].text_len = d->input.units[unit].text ? d->input.units[unit].text_len : 0;
        for (size_t k = 0; k < out->n_seeds; k++)
            out->units[i].rank[k] = ranks[k * U + unit];
        last = best;
    }
}

static glim_status rank_seeds(struct judging *j, const glim_subject *s, glim_error *err) {
    const glim_document *d = j->doc;
    size_t U = d->input.n_units, n = s->n_again;
    glim_context *ctx = s->p->ctx;
    n = n < GLIM_RANKED_SEEDS ? n : GLIM_RANKED_SEEDS;
    if (n < 2 || s->same_bits || !U)
        return GLIM_OK;
    size_t *ranks = glim__calloc(ctx, (n + 1) * U, sizeof *ranks);
    double *phi = glim__calloc(ctx, U, sizeof *phi);
    j->e->ranks = glim__calloc(ctx, 1, sizeof *j->e->ranks);
    bool room = ranks && phi && j->e->ranks;
    for (size_t k = 0; k < n && room; k++)
        rank_units(d, s->again + k * d->n_rows * U, phi, ranks + n * U, ranks + k * U);
    if (room) {
        j->e->ranks->n_seeds = n;
        choose_units(j->e->ranks, d, ranks);
    }
    glim__free(ctx, ranks);
    glim__free(ctx, phi);
    return room ? GLIM_OK : glim__oom(ctx, err, "ranks over seeds", n * U * sizeof *ranks);
}

/* The rows' numbers become the measure's sums. */
static glim_status add_answer(glim_measure *m, const glim_answer *a, size_t rows, glim_context *ctx,
                              glim_error *err) {
    m->note = a->note;
    if (a->told[0])
        m->note = m->told = glim__measure_text(ctx, a->told);
    for (size_t r = 0; r < rows; r++)
        if (!isnan(a->value[r])) {
            m->n++;
            m->value += a->value[r];
            m->random += a->chance[r];
            m->best += m->metric->best;
        }
    return a->told[0] && !m->told ? glim__oom(ctx, err, "a note", sizeof a->told) : GLIM_OK;
}

static glim_status run_one(glim_subject *s, glim_measure *m, const void *opts, double *room,
                           glim_error *err) {
    size_t rows = s->doc->n_rows;
    glim_answer a = {.value = room, .chance = room + rows};
    for (size_t i = 0; i < 2 * rows; i++)
        room[i] = NAN;
    glim_status status = m->metric->run(s, opts, &a, err);
    if (!status)
        status = glim__check_cancel(s->p->ctx, err);
    return status ? status : add_answer(m, &a, rows, s->p->ctx, err);
}

glim_status glim__reruns(struct judging *j, glim_predictor *p, glim_error *err) {
    size_t n = j->doc->n_rows * j->doc->input.n_units, seeds = seeds_of(j);
    glim_subject s = subject_of(j, p);
    bool again = wants_seeds(j);
    double *room = glim__calloc(p->ctx, (again ? seeds * n : 0) + 2 * j->doc->n_rows + 1, 8);
    if (!room)
        return glim__oom(p->ctx, err, "runs with other seeds", seeds * n * 8);
    glim_status status = GLIM_OK;
    if (again)
        status = fill_seeds(&s, room + 2 * j->doc->n_rows, seeds, n, err);
    if (again && !status)
        status = rank_seeds(j, &s, err);
    for (size_t i = 0; i < j->e->n_measures && !status; i++)
        if (j->e->measures[i].metric->run && !j->e->measures[i].why)
            status = run_one(&s, &j->e->measures[i], j->opts[i], room, err);
    glim__free(p->ctx, room);
    return status;
}
