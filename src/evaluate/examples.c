/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Example coverage, of a set of explanations W (examples, features): a feature is worth
 * I_j = sqrt(sum_i |W_ij|), and a set V covers c(V), the worth of what at least one of it has
 * (Ribeiro, Singh, Guestrin 2016, section 4). Told is c(V) / c(all) of the B that are picked
 * greedily, which are those to show to a reader, beside B at random.
 */
#include "evaluate/examples.h"
#include "base/rng.h"
#include "explain/submodular.h"

#include <math.h>
#include <string.h>

enum { STREAM = 8, DRAWS = 20, MOST = 1 << 24 }; /* numbers of W at most */

struct opts {
    int64_t picks;
};

static const glim_param params[] = {
    {.name = "picks",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, picks),
     .def.i = 5,
     .min = 1,
     .max = 100000,
     .help = "explanations that are looked at"},
    {0},
};

struct glim_example {
    struct glim_example *before;
    size_t n;
    int32_t *feature; /* [n] */
    double *score;    /* [n] sums over the target rows */
};

void glim__examples_init(glim_examples *x, glim_context *ctx) {
    *x = (glim_examples){0};
    glim__map_init(&x->features, ctx);
    glim__arena_init(&x->texts, ctx, (size_t)1 << 14);
    glim__arena_init(&x->entries, ctx, (size_t)1 << 14);
}

void glim__examples_release(glim_examples *x) {
    if (!x->texts.ctx)
        return;
    glim__map_release(&x->features);
    glim__arena_release(&x->texts);
    glim__arena_release(&x->entries);
    *x = (glim_examples){0};
}

/* The number of a feature, which is made when it is new; -1 when memory is refused. */
static int32_t feature_of(glim_examples *x, const char *text, size_t n) {
    while (n && strchr(" \t\r\n", *text)) {
        text++;
        n--;
    }
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    int32_t at = glim__map_get(&x->features, text, n);
    if (at >= 0)
        return at;
    const char *copy = glim__arena_strndup(&x->texts, text, n);
    at = (int32_t)x->features.count;
    return copy && glim__map_set(&x->features, copy, n, at, NULL) ? at : -1;
}

static double score_of(const glim_document *doc, size_t u) {
    double sum = 0;
    for (size_t r = 0; r < doc->n_rows; r++)
        sum += glim__size(doc->scores[r * doc->input.n_units + u]);
    return sum;
}

glim_status glim__examples_add(glim_examples *x, const glim_document *doc,
                               const char *const *columns, glim_error *err) {
    size_t U = doc->input.n_units;
    struct glim_example *one = glim__arena_calloc(&x->entries, 1, sizeof *one);
    int32_t *feature = glim__arena_calloc(&x->entries, U + 1, sizeof *feature);
    double *score = glim__arena_calloc(&x->entries, U + 1, sizeof *score);
    bool ok = one && feature && score;
    size_t n = 0;
    for (size_t u = 0; u < U && ok; u++) {
        const glim_document_unit *unit = &doc->input.units[u];
        if (unit->fixed || !(score_of(doc, u) > 0))
            continue;
        feature[n] = columns ? feature_of(x, columns[u], strlen(columns[u]))
                             : feature_of(x, unit->text, unit->text_len);
        score[n] = score_of(doc, u);
        ok = feature[n++] >= 0;
    }
    if (!ok)
        return glim__oom(x->texts.ctx, err, "the examples", U * 16);
    *one = (struct glim_example){x->all, n, feature, score};
    x->all = one;
    x->n++;
    return GLIM_OK;
}

/* ---- how much a few cover ---- */

struct table {
    double *w, *worth, *covered; /* (n, d), (d), (picks) */
    size_t *picks;
    uint8_t *seen; /* (d) */
    size_t n, d, k;
};

/* In the order in which they came. */
static void fill(struct table *t, const glim_examples *x) {
    size_t i = x->n;
    for (const struct glim_example *one = x->all; one; one = one->before) {
        i--;
        for (size_t k = 0; k < one->n; k++)
            t->w[i * t->d + (size_t)one->feature[k]] += one->score[k];
    }
}

/* The share that k of the examples have, drawn by Floyd's way. */
static double random_share(struct table *t, uint64_t seed, uint64_t draw) {
    double have = 0, all = 0;
    size_t *taken = t->picks, n = 0;
    memset(t->seen, 0, t->d);
    for (size_t i = t->n - t->k; i < t->n; i++) {
        size_t at = glim__rng_below(seed, (uint64_t)STREAM << 40 | draw, i, (uint32_t)(i + 1));
        for (size_t q = 0; q < n; q++)
            if (taken[q] == at) {
                at = i;
                break;
            }
        taken[n++] = at;
    }
    for (size_t j = 0; j < t->d; j++) {
        for (size_t q = 0; q < n && !t->seen[j]; q++)
            t->seen[j] = t->w[taken[q] * t->d + j] != 0;
        have += t->seen[j] ? t->worth[j] : 0;
        all += t->worth[j];
    }
    return all > 0 ? have / all : NAN;
}

static bool make_table(struct table *t, glim_context *ctx) {
    t->w = glim__calloc(ctx, t->n * t->d, sizeof *t->w);
    t->worth = glim__calloc(ctx, t->d, sizeof *t->worth);
    t->covered = glim__calloc(ctx, t->k, sizeof *t->covered);
    t->picks = glim__calloc(ctx, t->k, sizeof *t->picks);
    t->seen = glim__calloc(ctx, t->d, 1);
    return t->w && t->worth && t->covered && t->picks && t->seen;
}

static void tell(struct table *t, const glim_examples *x, uint64_t seed, glim_measure *m) {
    double sum = 0, squares = 0;
    fill(t, x);
    glim__pick(t->w, t->n, t->d, t->k, t->picks, t->worth, t->covered, t->seen);
    m->value = t->covered[t->k - 1];
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        double share = random_share(t, seed, draw);
        sum += share;
        squares += share * share;
    }
    m->random = sum / DRAWS;
    m->random_se = sqrt(fmax(0, squares / DRAWS - m->random * m->random) / (DRAWS - 1));
    m->best = 1;
    m->skill = m->random < 1 - 1e-9 ? fmax(0, (m->value - m->random) / (1 - m->random)) : NAN;
    m->n = m->inputs = t->n;
    m->why = NULL;
    m->note = "how much of all the explanations the picked ones show; it enters no mark";
}

glim_status glim__examples_tell(const glim_examples *x, const void *opts, uint64_t seed,
                                glim_evaluation *e, glim_error *err) {
    struct opts o;
    glim_measure *m = NULL;
    for (size_t i = 0; i < e->n_measures; i++)
        if (e->measures[i].metric == &glim_metric_example_coverage)
            m = &e->measures[i];
    glim_param_defaults(params, &o);
    o = opts ? *(const struct opts *)opts : o;
    struct table t = {.n = x->n, .d = x->features.count};
    t.k = (size_t)o.picks < t.n ? (size_t)o.picks : t.n;
    if (!m || !t.k || !t.d)
        return GLIM_OK;
    if (t.n > MOST / t.d) {
        m->why = "there are too many inputs and words to look at together";
        return GLIM_OK;
    }
    glim_status status = make_table(&t, e->ctx)
                             ? GLIM_OK
                             : glim__oom(e->ctx, err, "the examples", t.n * t.d * sizeof *t.w);
    if (!status)
        tell(&t, x, seed, m);
    glim__free(e->ctx, t.w);
    glim__free(e->ctx, t.worth);
    glim__free(e->ctx, t.covered);
    glim__free(e->ctx, t.picks);
    glim__free(e->ctx, t.seen);
    return status;
}

static const char *of_many(const glim_subject *s) {
    return "it is of many explanations (--data, or --table without --row)";
}

static glim_status run(const glim_subject *s, const void *opts, glim_answer *out, glim_error *err) {
    return GLIM_OK;
}

const glim_metric glim_metric_example_coverage = {
    .name = "example-coverage",
    .summary = "what the five explanations to look at first show of all (SP-LIME)",
    .cite = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938",
    .caption = "Features are told apart by how they are written, not by what they mean.",
    .quality = GLIM_COMPREHENSIVENESS,
    .higher = true,
    .best = 1,
    .cost = "none; of many inputs only",
    .params = params,
    .opts_size = sizeof(struct opts),
    .run = run,
    .unfit = of_many,
};
