/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fit goes in rounds. A round has as many weights as their sums fit the room: a pass for
 * the covariances, their eigenvectors, a pass for Lambda. After each half what is made is
 * kept; inside a pass its sums are, behind a piece of the samples (shares.h), once a minute at
 * most and so seldom that writing takes a twentieth of the time. Whoever is interrupted loses
 * what came since. A team keeps no sums inside a pass: they lie with many processes.
 */
#include "influence/factors.h"
#include "influence/covariance.h"
#include "influence/spectrum.h"

#include "tensor/eigen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sums {
    glim_covariance in, out;
    double *lambda; /* (F, C) of a piece of the samples */
    double *total;  /* (F, C) of all, where they are added up */
};

struct fit {
    glim_context *ctx;
    const glim_walk *walk;
    const glim_factor_options *options;
    glim_factors *out;
    size_t samples;
    uint8_t *stage;    /* (n) 0 nothing, 1 the bases, 2 all */
    uint8_t *chosen;   /* of this round, by weight of the model */
    size_t first, end; /* of this round, among out->each */
    struct sums *sums; /* (n) */
    size_t *index;     /* (n_weights) which of out->each */
    glim_spectrum spectrum;
    /* the pass at hand */
    glim_factor_sums *list; /* (n) of its weights */
    size_t n_list, done;    /* done: samples in the sums */
    size_t kept;            /* samples in those that were kept */
    double when, cost;      /* when that was, and the seconds it took */
    uint8_t at;             /* stage of its weights */
    glim_gather gather;
};

/* ---- one factor ---- */

glim_status glim__factor_alloc(glim_factor *f, glim_context *ctx, glim_error *err) {
    f->in = glim__calloc(ctx, f->C * f->C, sizeof *f->in);
    f->out = glim__calloc(ctx, f->F * f->F, sizeof *f->out);
    f->in_at = glim__calloc(ctx, f->C, sizeof *f->in_at);
    f->out_at = glim__calloc(ctx, f->F, sizeof *f->out_at);
    f->lambda = glim__calloc(ctx, f->F * f->C, sizeof *f->lambda);
    if (f->in && f->out && f->in_at && f->out_at && f->lambda)
        return GLIM_OK;
    return glim__oom(ctx, err, "factors", f->C * f->C + f->F * f->F + f->F * f->C);
}

static void factor_release(glim_factor *f, glim_context *ctx) {
    glim__free(ctx, f->in);
    glim__free(ctx, f->out);
    glim__free(ctx, f->in_at);
    glim__free(ctx, f->out_at);
    glim__free(ctx, f->lambda);
}

void glim__factors_release(glim_factors *f) {
    for (size_t i = 0; i < f->n; i++)
        factor_release(&f->each[i], f->ctx);
    glim__free(f->ctx, f->each);
    *f = (glim_factors){0};
}

const glim_factor *glim__factors_of(const glim_factors *f, size_t weight) {
    for (size_t i = 0; i < f->n; i++)
        if (f->each[i].weight == weight)
            return &f->each[i];
    return NULL;
}

double glim__factor_damping(const glim_factor *f, double damping) {
    return isnan(damping) ? 0.1 * f->mean : damping;
}

/* ---- sizes ---- */

static uint64_t sums_of(size_t F, size_t C) {
    uint64_t covariances = glim__covariance_plan(F) + glim__covariance_plan(C);
    uint64_t lambda = 2 * 8 * (uint64_t)F * C;
    return covariances > lambda ? covariances : lambda;
}

/* Eigenvectors in double of the larger side, on top. */
static uint64_t turning_of(size_t F, size_t C) {
    size_t n = F > C ? F : C;
    return glim__eigen_plan(n) + 8 * ((uint64_t)n * n + n);
}

uint64_t glim__factors_plan(const glim_factor_options *o, uint64_t *sums, uint64_t *all) {
    uint64_t kept = 0, each = 0, most = 0, total = 0;
    for (size_t i = 0; i < o->n_weights; i++) {
        if (!o->chosen[i])
            continue;
        uint64_t F = o->weights[i].rows, C = glim__weight_reads(&o->weights[i]);
        kept += 4 * (F * F + C * C + F * C) + 8 * (F + C);
        total += sums_of(F, C);
        each = sums_of(F, C) > each ? sums_of(F, C) : each;
        most = turning_of(F, C) > most ? turning_of(F, C) : most;
    }
    *sums = each + most;
    *all = total + most;
    return kept;
}

/* ---- passes ---- */

static glim_status take_covariances(void *data, const glim_gathered *all, glim_error *err) {
    struct fit *s = data;
    struct sums *sums = &s->sums[s->index[all->weight]];
    glim__covariance_add(&sums->in, s->ctx, all->a, all->lda, all->start[all->count]);
    glim__covariance_add(&sums->out, s->ctx, all->g, all->ldg, all->start[all->count]);
    return GLIM_OK;
}

static glim_status take_squares(void *data, const glim_gathered *all, glim_error *err) {
    struct fit *s = data;
    size_t i = s->index[all->weight];
    return glim__spectrum_add(&s->spectrum, &s->out->each[i], all, s->sums[i].lambda, err);
}

/* ---- sums of a pass that was not done ---- */

static void list_sums(struct fit *s, uint8_t stage) {
    s->n_list = 0;
    for (size_t i = s->first; i < s->end; i++) {
        const glim_factor *f = &s->out->each[i];
        glim_factor_sums *at = &s->list[s->n_list];
        if (s->stage[i] != stage)
            continue;
        *at = (glim_factor_sums){.weight = f->weight, .second = stage == 1, .n = 1};
        at->parts[0] = (glim_bytes){s->sums[i].total, f->F * f->C * sizeof(double)};
        if (!at->second) {
            glim__covariance_parts(&s->sums[i].in, at->parts);
            glim__covariance_parts(&s->sums[i].out, at->parts + GLIM_COVARIANCE_PARTS);
            at->n = 2 * GLIM_COVARIANCE_PARTS;
        }
        s->n_list++;
    }
}

static const glim_factor_keeper *keeper_of_sums(const struct fit *s) {
    const glim_factor_keeper *k = s->options->keeper;
    return k && k->put_sums && glim__team(s->ctx)->size == 1 ? k : NULL;
}

static glim_status keep_sums(struct fit *s, glim_error *err) {
    const double least = 60, share = 20;
    const glim_factor_keeper *k = keeper_of_sums(s);
    double now = glim__seconds(), gap = share * s->cost > least ? share * s->cost : least;
    if (!k || s->done == s->samples ||
        (s->options->every ? s->done - s->kept < s->options->every : now - s->when < gap))
        return GLIM_OK;
    glim_status status = k->put_sums(k->data, s->list, s->n_list, s->done, err);
    s->when = glim__seconds();
    s->cost = s->when - now;
    s->kept = s->done;
    return status;
}

static glim_status find_sums(struct fit *s, glim_error *err) {
    const glim_factor_keeper *k = keeper_of_sums(s);
    s->done = s->kept = 0;
    s->when = glim__seconds();
    glim_status status = k ? k->get_sums(k->data, s->list, s->n_list, &s->done, err) : GLIM_OK;
    s->kept = s->done;
    return status;
}

static glim_status forget_sums(struct fit *s, glim_error *err) {
    const glim_factor_keeper *k = keeper_of_sums(s);
    return k && s->kept ? k->put_sums(k->data, s->list, s->n_list, 0, err) : GLIM_OK;
}

static glim_status batch_ends(void *data, size_t first, size_t count, const double *loss,
                              glim_error *err) {
    return glim__gather_flush(data, err);
}

static glim_status piece(void *data, size_t first, size_t count, glim_error *err) {
    struct fit *s = data;
    glim_pass_visitor visitor = {
        .weight = glim__gather_add, .batch = batch_ends, .data = &s->gather};
    glim_status status =
        s->walk->go(s->walk->data, first, count, !s->options->empirical, s->chosen, &visitor, err);
    if (!status)
        status = glim__gather_flush(&s->gather, err);
    for (size_t i = s->first; i < s->end && !status && !s->at; i++) {
        if (s->stage[i] != s->at)
            continue;
        glim__covariance_flush(&s->sums[i].in, s->ctx);
        glim__covariance_flush(&s->sums[i].out, s->ctx);
    }
    return status;
}

static int owner_of(const struct fit *s, size_t i) {
    return glim__sum_owner(s->ctx, i - s->first);
}

static bool owned(const struct fit *s, size_t i) {
    return owner_of(s, i) == glim__team(s->ctx)->rank;
}

static glim_status add_squares(struct fit *s, size_t i, size_t first, size_t count,
                               glim_error *err) {
    size_t n = s->out->each[i].F * s->out->each[i].C;
    const glim_partial sum = {GLIM_SUM_F64, n, s->sums[i].lambda, s->sums[i].total, owner_of(s, i)};
    glim_status status = glim__pieces_add(s->ctx, first, count, &sum, err);
    memset(s->sums[i].lambda, 0, n * sizeof *s->sums[i].lambda);
    return status;
}

static glim_status add_piece(void *data, size_t first, size_t count, glim_error *err) {
    struct fit *s = data;
    glim_status status = GLIM_OK;
    for (size_t i = s->first; i < s->end && !status; i++) {
        struct sums *sums = &s->sums[i];
        if (s->stage[i] != s->at)
            continue;
        if (s->at) {
            status = add_squares(s, i, first, count, err);
            continue;
        }
        status = glim__covariance_piece(&sums->in, s->ctx, first, count, owner_of(s, i), err);
        if (!status)
            status = glim__covariance_piece(&sums->out, s->ctx, first, count, owner_of(s, i), err);
    }
    s->done = glim__piece_begins(s->samples, first + count);
    return status ? status : keep_sums(s, err);
}

/* One pass over the samples of the fit with the weights of `stage` of this round. */
static glim_status pass(struct fit *s, uint8_t stage,
                        glim_status (*take)(void *, const glim_gathered *, glim_error *),
                        glim_error *err) {
    bool any = false;
    memset(s->chosen, 0, s->options->n_weights);
    for (size_t i = s->first; i < s->end; i++)
        if (s->stage[i] == stage)
            s->chosen[s->out->each[i].weight] = any = true;
    if (!any)
        return GLIM_OK;
    glim_piecewise pieces = {.ctx = s->ctx,
                             .stage = stage ? "curvature" : "covariances",
                             .n = s->samples,
                             .inner = true,
                             .piece = piece,
                             .add = add_piece,
                             .data = s};
    s->at = stage;
    s->gather =
        (glim_gather){.ctx = s->ctx, .weights = s->options->weights, .take = take, .data = s};
    list_sums(s, stage);
    glim_status status = find_sums(s, err);
    pieces.skip = s->done;
    if (!status)
        status = glim__piecewise(&pieces, err);
    glim__gather_release(&s->gather);
    return status;
}

/* ---- from covariances to bases ---- */

static glim_status basis(struct fit *s, glim_covariance *c, const glim_factor *f, float *out,
                         double *values, glim_error *err) {
    glim_error why = {0};
    double *vectors = glim__spare_take(s->ctx, c->n * c->n * sizeof *vectors);
    if (!vectors)
        return glim__oom(s->ctx, err, "eigenvectors", c->n * c->n * sizeof *vectors);
    glim__covariance_mean(c);
    glim_status status = glim__eigen(s->ctx, c->sum, c->n, values, vectors, &why);
    if (status == GLIM_ENUMERIC)
        glim_fail(err, status, "the gradients of '%s' are not finite",
                  s->options->weights[f->weight].name);
    else if (status && err)
        *err = why;
    for (size_t i = 0; i < c->n * c->n && !status; i++)
        out[i] = (float)vectors[i];
    glim__spare_give(s->ctx, vectors);
    return status;
}

static glim_status keep(struct fit *s, size_t i, bool whole, glim_error *err) {
    const glim_factor_keeper *k = s->options->keeper;
    s->stage[i] = whole ? 2 : 1;
    return k ? k->put(k->data, &s->out->each[i], whole, err) : GLIM_OK;
}

/* What `from` has of a factor, everywhere. */
static glim_status spread_bases(struct fit *s, int from, glim_factor *f, glim_error *err) {
    struct {
        void *data;
        size_t bytes;
    } all[] = {{f->in, f->C * f->C * sizeof *f->in},
               {f->out, f->F * f->F * sizeof *f->out},
               {f->in_at, f->C * sizeof *f->in_at},
               {f->out_at, f->F * sizeof *f->out_at}};
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < 4 && !status; i++)
        status = glim__team_broadcast(s->ctx, from, all[i].data, all[i].bytes, err);
    return status;
}

static glim_status spread_lambda(struct fit *s, int from, glim_factor *f, glim_error *err) {
    return glim__team_broadcast(s->ctx, from, f->lambda, f->F * f->C * sizeof *f->lambda, err);
}

static glim_status bases(struct fit *s, size_t i, glim_error *err) {
    glim_factor *f = &s->out->each[i];
    glim_status status = basis(s, &s->sums[i].in, f, f->in, f->in_at, err);
    return status ? status : basis(s, &s->sums[i].out, f, f->out, f->out_at, err);
}

static glim_status first_half(struct fit *s, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = s->first; i < s->end && !status; i++)
        if (!s->stage[i]) {
            status = glim__covariance_init(&s->sums[i].in, s->ctx, s->out->each[i].C, err);
            if (!status)
                status = glim__covariance_init(&s->sums[i].out, s->ctx, s->out->each[i].F, err);
        }
    if (!status)
        status = pass(s, 0, take_covariances, err);
    /* each its own at the same time, and only then what others have made */
    for (size_t i = s->first; i < s->end && !status; i++)
        if (s->sums[i].in.sum && owned(s, i)) {
            status = bases(s, i, err);
            if (!status)
                status = keep(s, i, false, err);
        }
    for (size_t i = s->first; i < s->end; i++) {
        if (s->sums[i].in.sum && !status)
            status = spread_bases(s, owner_of(s, i), &s->out->each[i], err);
        if (s->sums[i].in.sum && !owned(s, i) && !status)
            status = keep(s, i, false, err);
        glim__covariance_release(&s->sums[i].in, s->ctx);
        glim__covariance_release(&s->sums[i].out, s->ctx);
    }
    return status ? status : forget_sums(s, err);
}

static glim_status mean_squares(struct fit *s, size_t i, glim_error *err) {
    glim_factor *f = &s->out->each[i];
    for (size_t k = 0; k < f->F * f->C && owned(s, i); k++)
        f->lambda[k] = (float)(s->sums[i].total[k] / (double)s->samples);
    glim_status status = spread_lambda(s, owner_of(s, i), f, err);
    return status ? status : keep(s, i, true, err);
}

static glim_status second_half(struct fit *s, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = s->first; i < s->end && !status; i++) {
        size_t n = s->out->each[i].F * s->out->each[i].C;
        if (s->stage[i] == 1)
            s->sums[i].lambda = glim__calloc(s->ctx, n, sizeof(double));
        if (s->stage[i] == 1 && owned(s, i))
            s->sums[i].total = glim__calloc(s->ctx, n, sizeof(double));
        if (s->stage[i] == 1 && (!s->sums[i].lambda || (owned(s, i) && !s->sums[i].total)))
            status = glim__oom(s->ctx, err, "squared gradients", n * sizeof(double));
    }
    if (!status)
        status = pass(s, 1, take_squares, err);
    for (size_t i = s->first; i < s->end; i++) {
        if (s->stage[i] == 1 && !status)
            status = mean_squares(s, i, err);
        glim__free(s->ctx, s->sums[i].lambda);
        glim__free(s->ctx, s->sums[i].total);
        s->sums[i].lambda = s->sums[i].total = NULL;
    }
    return status ? status : forget_sums(s, err);
}

/* ---- rounds ---- */

/* What a round takes so far, and whether another matrix fits. */
struct taken {
    uint64_t sums, turning;
};

static bool fits(struct taken *t, size_t F, size_t C, bool whole, uint64_t room) {
    struct taken more = {t->sums + (whole ? 0 : sums_of(F, C)), turning_of(F, C)};
    more.turning = more.turning > t->turning ? more.turning : t->turning;
    bool first = !t->turning; /* one at least: if it does not fit, that is said when allocated */
    if (!first && more.sums + more.turning > room)
        return false;
    *t = more;
    return true;
}

static uint64_t room_of(uint64_t left) {
    return left / 4 * 3;
}

size_t glim__factors_rounds(const glim_factor_options *o, uint64_t left) {
    struct taken t = {0};
    size_t rounds = 0;
    for (size_t i = 0; i < o->n_weights; i++) {
        size_t F = o->weights[i].rows, C = glim__weight_reads(&o->weights[i]);
        if (!o->chosen[i])
            continue;
        if (!rounds || !fits(&t, F, C, false, room_of(left))) {
            t = (struct taken){0};
            fits(&t, F, C, false, room_of(left));
            rounds++;
        }
    }
    return rounds;
}

/* Weights from `first` on, as many as fit everywhere. */
static glim_status choose_round(struct fit *s, glim_error *err) {
    uint64_t room = s->options->room ? s->options->room : room_of(glim__budget_left(s->ctx));
    glim_status status = glim__team_least(s->ctx, &room, err);
    struct taken t = {0};
    for (s->end = s->first; s->end < s->out->n; s->end++) {
        const glim_factor *f = &s->out->each[s->end];
        if (!fits(&t, f->F, f->C, s->stage[s->end] == 2, room))
            break;
    }
    return status;
}

static glim_status round_of(struct fit *s, glim_error *err) {
    bool whole = true;
    for (size_t i = s->first; i < s->end; i++)
        whole = whole && s->stage[i] == 2;
    if (whole)
        return GLIM_OK;
    s->out->rounds++;
    glim_status status = first_half(s, err);
    return status ? status : second_half(s, err);
}

static glim_status list_factors(struct fit *s, glim_error *err) {
    const glim_factor_options *o = s->options;
    size_t at = 0;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < o->n_weights && !status; i++) {
        if (!o->chosen[i])
            continue;
        glim_factor *f = &s->out->each[at];
        *f = (glim_factor){
            .weight = i, .F = o->weights[i].rows, .C = glim__weight_reads(&o->weights[i])};
        s->index[i] = at;
        bool found = false, whole = false;
        status = glim__factor_alloc(f, s->ctx, err);
        if (!status && o->keeper)
            status = o->keeper->get(o->keeper->data, f, &found, &whole, err);
        s->stage[at++] = whole ? 2 : found;
    }
    return status;
}

/* Only the first process has what was kept. */
static glim_status spread_kept(struct fit *s, glim_error *err) {
    glim_status status = glim__team_broadcast(s->ctx, 0, s->stage, s->out->n, err);
    for (size_t i = 0; i < s->out->n && !status; i++) {
        if (s->stage[i])
            status = spread_bases(s, 0, &s->out->each[i], err);
        if (!status && s->stage[i] == 2)
            status = spread_lambda(s, 0, &s->out->each[i], err);
    }
    return status;
}

static void conclude(glim_factors *out) {
    for (size_t i = 0; i < out->n; i++) {
        glim_factor *f = &out->each[i];
        double sum = 0;
        for (size_t k = 0; k < f->F * f->C; k++)
            sum += (double)f->lambda[k];
        f->mean = sum / (double)(f->F * f->C);
        out->zero += f->mean == 0;
    }
}

static glim_status fit(struct fit *s, glim_error *err) {
    glim_status status = list_factors(s, err);
    if (!status)
        status = spread_kept(s, err);
    for (s->first = 0; s->first < s->out->n && !status; s->first = s->end) {
        status = choose_round(s, err);
        if (!status)
            status = round_of(s, err);
    }
    if (!status)
        conclude(s->out);
    return status;
}

glim_status glim__factors_fit(glim_factors *out, glim_context *ctx, const glim_walk *walk,
                              const glim_factor_options *o, glim_error *err) {
    struct fit s = {.ctx = ctx, .walk = walk, .options = o, .out = out, .spectrum = {.ctx = ctx}};
    *out = (glim_factors){.ctx = ctx};
    for (size_t i = 0; i < o->n_weights; i++)
        out->n += o->chosen[i] != 0;
    if (!out->n || !walk->count)
        return glim_fail(err, GLIM_EUSAGE, "no %s to make factors of",
                         out->n ? "sample" : "weight");
    out->samples = s.samples = o->most && o->most < walk->count ? o->most : walk->count;
    out->each = glim__calloc(ctx, out->n, sizeof *out->each);
    s.sums = glim__calloc(ctx, out->n, sizeof *s.sums);
    s.index = glim__calloc(ctx, o->n_weights, sizeof *s.index);
    s.list = glim__calloc(ctx, out->n, sizeof *s.list);
    s.stage = glim__calloc(ctx, out->n + o->n_weights, 1);
    glim_status status = GLIM_OK;
    if (!out->each || !s.sums || !s.index || !s.list || !s.stage) {
        status = glim__oom(ctx, err, "factors", out->n * sizeof *s.sums);
        out->n = out->each ? out->n : 0;
    }
    s.chosen = s.stage ? s.stage + out->n : NULL;
    if (!status)
        status = fit(&s, err);
    glim__spectrum_release(&s.spectrum);
    glim__free(ctx, s.sums);
    glim__free(ctx, s.index);
    glim__free(ctx, s.list);
    glim__free(ctx, s.stage);
    if (status)
        glim__factors_release(out);
    return status;
}
