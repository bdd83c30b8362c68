/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recursive attribution by replacement (ReAGent). A probe begins with all units alike, and
 * then again and again
 *
 *   puts other tokens in the place of a random `replace` of the units, so that the target's
 *     probability p becomes q, with d = log((1 + p - q) / (1 - p + q));
 *   adds d to the importance of the units that were replaced, takes it from the others;
 *   replaces all but the most important `keep` of the units: when `stop` of p is left,
 *     `patience` times in a row, the probe is over.
 *
 * Scores are the softmax of a probe's importances, averaged over probes. What differs from
 * the paper: tokens are drawn from the explained model's own predictions (of a decoder, by
 * what stands before them) and not from RoBERTa's, whole units are replaced, probes start
 * even and not at random, and a probe ends by the share of p that is left, `patience` times,
 * where the paper asks once whether the target is among the likeliest three. A target that
 * is a logit counts as odds: p = sigmoid(value - value on the input); a contrast as sigmoid
 * of the difference.
 */
#include "base/rng.h"
#include "explain/methods.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t probes, max_steps, patience, candidates;
    double replace, keep, stop;
};

static const glim_param params[] = {
    {.name = "probes",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, probes),
     .def.i = 8,
     .min = 2,
     .max = 1024,
     .help = "runs that are averaged"},
    {.name = "replace",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, replace),
     .def.r = 0.3,
     .min = 0.01,
     .max = 0.99,
     .help = "share of the units that is replaced in a step"},
    {.name = "keep",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, keep),
     .def.r = 0.3,
     .min = 0.01,
     .max = 0.99,
     .help = "share of the units that must carry the target when all others are replaced"},
    {.name = "stop",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, stop),
     .def.r = 0.1,
     .min = 0,
     .max = 1,
     .help = "share of the target's probability that is then left, for a probe to end"},
    {.name = "patience",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, patience),
     .def.i = 2,
     .min = 1,
     .max = 1000,
     .help = "how often in a row"},
    {.name = "max-steps",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, max_steps),
     .def.i = 30,
     .min = 1,
     .max = 100000,
     .help = "steps of a probe at most"},
    {.name = "candidates",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, candidates),
     .def.i = 16,
     .min = 1,
     .max = 256,
     .help = "likeliest other tokens that are drawn from at each place"},
    {0},
};

struct probe {
    double *s;   /* (d) importance */
    uint8_t *in; /* (d) replaced in this step */
    double left; /* share of p in the last test */
    int64_t calm, steps;
    bool over;
};

struct work {
    glim_predictor *p;
    const struct opts *o;
    uint64_t seed;
    size_t row, d, *unit;          /* units that are scored by this row */
    size_t *order;                 /* (d) scratch */
    int32_t *own, *proposed, *ids; /* (T), (T, candidates), (probes, T) */
    float *shares;
    double *values;
    size_t *running; /* (probes) those that are not over */
    struct probe *probes;
    double odds_from; /* of a logit: its value on the input */
    enum { PROB, LOG, ODDS } scale;
};

static double prob_of(const struct work *w, double value) {
    return w->scale == PROB  ? (value < 0 || value > 1 ? (value + 1) / 2 : value)
           : w->scale == LOG ? exp(value)
                             : 1 / (1 + exp(w->odds_from - value));
}

static double own_prob(const struct work *w) {
    return prob_of(w, w->p->value[w->row]);
}

/* ---- inputs with replaced units ---- */

/* A draw by the shares of a place; depends on seed, row, probe, step and token alone. */
static int32_t draw(const struct work *w, uint64_t sample, size_t token) {
    size_t most = (size_t)w->o->candidates, k = 0;
    double u = glim__rng_uniform(w->seed, sample, token + 1);
    while (k + 1 < most && u >= (double)w->shares[token * most + k])
        k++;
    return w->proposed[token * most + k];
}

static void replace(const struct work *w, const struct probe *b, uint64_t sample, int32_t *ids) {
    size_t T = w->p->T;
    memcpy(ids, w->own, T * sizeof *ids);
    for (size_t i = 0; i < w->d; i++) {
        const glim_unit *unit = &w->p->units->at[w->unit[i]];
        for (size_t t = unit->first; t < unit->first + unit->count && t < T && b->in[i]; t++)
            ids[t] = draw(w, sample, t);
    }
}

/* Sorted by key, largest first; equal ones as they stand. */
static void sort_by(const double *key, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && key[order[at - 1]] < key[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static size_t share_of(double share, size_t d) {
    size_t n = (size_t)floor(share * (double)d + 0.5);
    return n < 1 ? 1 : n > d ? d : n;
}

/* Marks a random share of the units. */
static void choose_any(const struct work *w, struct probe *b, uint64_t sample) {
    size_t left = share_of(w->o->replace, w->d);
    for (size_t i = 0; i < w->d; i++) {
        double u = glim__rng_uniform(w->seed, sample, UINT64_MAX - i);
        b->in[i] = u * (double)(w->d - i) < (double)left;
        left -= b->in[i];
    }
}

/* Marks all but the most important. */
static void choose_least(const struct work *w, struct probe *b) {
    size_t keep = share_of(w->o->keep, w->d);
    sort_by(b->s, w->order, w->d);
    for (size_t i = 0; i < w->d; i++)
        b->in[w->order[i]] = i >= keep;
}

/* ---- steps of all probes ---- */

static uint64_t sample_of(const struct work *w, size_t probe, int64_t step, int half) {
    uint64_t steps = (uint64_t)w->o->max_steps;
    return 2 * (((uint64_t)w->row * (uint64_t)w->o->probes + probe) * steps + (uint64_t)step) +
           (uint64_t)half;
}

/* Values of the running probes with their marked units replaced. */
static glim_status ask(struct work *w, size_t n, int64_t step, int half, glim_error *err) {
    for (size_t i = 0; i < n; i++) {
        struct probe *b = &w->probes[w->running[i]];
        uint64_t sample = sample_of(w, w->running[i], step, half);
        if (half)
            choose_least(w, b);
        else
            choose_any(w, b, sample);
        replace(w, b, sample, w->ids + i * w->p->T);
    }
    glim_status status = w->p->values_of(w->p, w->ids, n, w->values, err);
    return status ? status : glim__check_cancel(w->p->ctx, err);
}

static void update(struct work *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct probe *b = &w->probes[w->running[i]];
        double off = own_prob(w) - prob_of(w, w->values[i * w->p->n_rows + w->row]);
        off = fmax(fmin(off, 1 - 1e-6), -(1 - 1e-6));
        double delta = log((1 + off) / (1 - off));
        for (size_t k = 0; k < w->d; k++)
            b->s[k] += b->in[k] ? delta : -delta;
        b->steps++;
    }
}

static void test_probes(struct work *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct probe *b = &w->probes[w->running[i]];
        double q = prob_of(w, w->values[i * w->p->n_rows + w->row]);
        b->left = q / fmax(own_prob(w), 1e-300);
        b->calm = b->left >= w->o->stop ? b->calm + 1 : 0;
        b->over = b->calm >= w->o->patience;
    }
}

static glim_status run_row(struct work *w, glim_error *err) {
    glim_status status = GLIM_OK;
    for (int64_t step = 0; step < w->o->max_steps && !status; step++) {
        size_t n = 0;
        for (size_t k = 0; k < (size_t)w->o->probes; k++)
            if (!w->probes[k].over)
                w->running[n++] = k;
        if (!n)
            break;
        status = ask(w, n, step, 0, err);
        if (!status) {
            update(w, n);
            status = ask(w, n, step, 1, err);
        }
        if (!status)
            test_probes(w, n);
    }
    return status;
}

/* ---- the document ---- */

static void softmax(double *s, size_t n) {
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, s[i]);
    for (size_t i = 0; i < n; i++)
        sum += s[i] = exp(s[i] - top);
    for (size_t i = 0; i < n; i++)
        s[i] /= sum;
}

static void fill_row(const struct work *w, glim_document *doc) {
    size_t P = (size_t)w->o->probes, U = w->p->units->count;
    for (size_t k = 0; k < P; k++)
        softmax(w->probes[k].s, w->d);
    for (size_t i = 0; i < w->d; i++) {
        double sum = 0, squares = 0;
        for (size_t k = 0; k < P; k++) {
            sum += w->probes[k].s[i];
            squares += w->probes[k].s[i] * w->probes[k].s[i];
        }
        double mean = sum / (double)P, spread = fmax(squares / (double)P - mean * mean, 0);
        doc->scores[w->row * U + w->unit[i]] = mean;
        doc->error[w->row * U + w->unit[i]] = sqrt(spread / (double)(P - 1));
    }
}

/* What all rows came to. */
struct sums {
    double settled, left, steps, probes, share;
};

static void add_up(const struct work *w, const glim_document *doc, struct sums *all) {
    double largest = 0, error = 0;
    for (size_t k = 0; k < (size_t)w->o->probes; k++) {
        all->settled += w->probes[k].over;
        all->left += w->probes[k].left;
        all->steps += (double)w->probes[k].steps;
        all->probes++;
    }
    for (size_t i = 0; i < w->d; i++) {
        size_t at = w->row * w->p->units->count + w->unit[i];
        largest = fmax(largest, doc->scores[at]);
        error = fmax(error, doc->error[at]);
    }
    all->share = fmax(all->share, largest > 0 ? error / largest : 0);
}

static void judge(glim_document *doc, const struct sums *all) {
    double n = all->probes > 0 ? all->probes : 1;
    glim_document_check_add(doc, "settled", all->settled / n,
                            "share of the probes that ended by themselves");
    glim_document_check_add(doc, "probability_left", all->left / n,
                            "share of the target's probability with all but the most important "
                            "units replaced");
    glim_document_check_add(doc, "steps", all->steps, "of all probes");
    glim_document_check_add(doc, "largest_error", all->share,
                            "largest standard error as a share of the largest score");
    if (all->probes > 0 && all->settled / n < 0.5)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% of the probes found no few units that carry the target; raise "
                            "--keep or --max-steps",
                            100 * (1 - all->settled / n));
    else if (all->share > 0.3)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "probes differ: standard errors reach %.0f %% of the largest score; "
                            "raise --probes",
                            100 * all->share);
}

/* ---- making ---- */

static void choose_scale(struct work *w, const glim_document *doc) {
    const char *output = doc->target.output ? doc->target.output : "logit";
    bool contrast = doc->target.against != NULL;
    w->scale = !strcmp(output, "prob")                   ? PROB
               : !strcmp(output, "logprob") && !contrast ? LOG
                                                         : ODDS;
    w->odds_from = contrast ? 0 : w->p->value[w->row];
}

static size_t begin_row(struct work *w) {
    w->d = 0;
    for (size_t u = 0; u < w->p->row_end[w->row]; u++)
        if (!w->p->units->at[u].fixed)
            w->unit[w->d++] = u;
    for (size_t k = 0; k < (size_t)w->o->probes; k++) {
        struct probe *b = &w->probes[k];
        memset(b->s, 0, w->p->units->count * sizeof *b->s);
        *b = (struct probe){.s = b->s, .in = b->in};
    }
    return w->d;
}

static glim_status set_up(struct work *w, glim_error *err) {
    glim_predictor *p = w->p;
    size_t U = p->units->count, P = (size_t)w->o->probes, most = (size_t)w->o->candidates;
    w->unit = glim__calloc(p->ctx, 2 * U + P + 1, sizeof *w->unit);
    w->own = glim__calloc(p->ctx, p->T * (most + 1 + P), sizeof *w->own);
    w->shares = glim__calloc(p->ctx, p->T * most, sizeof *w->shares);
    w->probes = glim__calloc(p->ctx, P, sizeof *w->probes);
    w->values = glim__calloc(p->ctx, P * (p->n_rows + U), sizeof *w->values);
    uint8_t *in = w->probes ? glim__calloc(p->ctx, P, U + 1) : NULL;
    if (in)
        w->probes[0].in = in; /* the first holds them all */
    if (!w->unit || !w->own || !w->shares || !w->probes || !w->values || !in)
        return glim__oom(p->ctx, err, "the probes", p->T * (most + 1 + P) * 4);
    w->order = w->unit + U;
    w->running = w->order + U;
    w->proposed = w->own + p->T;
    w->ids = w->proposed + p->T * most;
    for (size_t k = 0; k < P; k++)
        w->probes[k] = (struct probe){.s = w->values + P * p->n_rows + k * U, .in = in + k * U};
    return p->propose(p, most, w->own, w->proposed, w->shares, err);
}

static void tear_down(struct work *w) {
    if (w->probes)
        glim__free(w->p->ctx, w->probes[0].in);
    glim__free(w->p->ctx, w->probes);
    glim__free(w->p->ctx, w->unit);
    glim__free(w->p->ctx, w->own);
    glim__free(w->p->ctx, w->shares);
    glim__free(w->p->ctx, w->values);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    struct work w = {.p = p, .o = opts, .seed = seed};
    struct sums all = {0};
    glim_status status = glim__scores_new(p, doc, true, err);
    if (!status)
        status = set_up(&w, err);
    for (; w.row < p->n_rows && !status; w.row++) {
        if (!begin_row(&w))
            continue;
        choose_scale(&w, doc);
        status = run_row(&w, err);
        if (status)
            break;
        fill_row(&w, doc);
        add_up(&w, doc, &all);
    }
    if (!status)
        judge(doc, &all);
    tear_down(&w);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    size_t U = p->units->count, P = (size_t)o->probes, most = (size_t)o->candidates;
    p->plan_propose(p, P, p->n_rows * 2 * P * (size_t)o->max_steps, out);
    out->bytes += 4 * p->T * (2 * most + 1 + P) + 8 * (2 * U + P + 1) +
                  P * (sizeof(struct probe) + 8 * (p->n_rows + U) + U + 1);
    out->bounded = false;
    return GLIM_OK;
}

const glim_method glim_method_reagent = {
    .name = "reagent",
    .summary = "what other words of the model's own do in its place",
    .cite = "Zhao, Shan 2024, arXiv:2402.00794",
    .family = "perturbation",
    .costs = "480 passes",
    .caption = "An order of what carries the target, in shares of one: neither sizes nor signs of "
               "effects.",
    .formula = "others take the place of some units, p becomes q:  d = log((1 + p - q) / (1 - p + "
               "q)) is added to those units, taken from the rest, again and again;  scores = "
               "softmax of that, mean over probes",
    .use = "of language models, when cut-out texts would be unlike any that the model saw",
    .avoid = "for sizes or signs of effects, and for black boxes",
    .needs = GLIM_CAN_PREDICT | GLIM_CAN_PROPOSE,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fold = GLIM_FOLD_SUM,
    .unit = "share",
    .plan = plan,
    .run = run,
};
