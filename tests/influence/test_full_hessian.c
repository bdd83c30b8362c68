/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods against influences that leave nothing out. Of one or two matrices of a tiny model
 * (512 and 1,024 weights) the whole Gauss-Newton matrix is made and solved in double, with many
 * draws of every answer. EK-FAC's is the same matrix without what lies between its two weights,
 * in a basis of Kronecker factors; DataInf's is a mean of inverses; products of gradients have
 * none. Bounds are what was measured, less some room.
 *
 * Of a language model EK-FAC is near the whole, in order and size. Of a classifier that pools a
 * text it is ahead of the others, and yet far: its factors are averages of tokens as if each
 * stood alone, and there all of a text share one error. A linear model whose errors do not
 * depend on its inputs is a product of such averages: there it has to be exact.
 */
#include "ekfac-testing.h"
#include "samples-testing.h"

#include "base/solve.h"
#include "influence/truth.h"

enum { TEXTS = 160, ASKED = 12, DRAWS = 8, MOST_DIM = 1024 };

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

/* (n, Q) influences -grad f^T (n (mean + damping))^-1 grad L of samples whose curvature has the
   mean (dim, dim); f is minus the loss of a query. */
static void solve(double *out, const double *mean, double damping, size_t dim, const double *train,
                  size_t n, const double *asked, size_t queries) {
    double *h = malloc(dim * dim * sizeof *h), *u = malloc(dim * sizeof *u);
    memcpy(h, mean, dim * dim * sizeof *h);
    for (size_t r = 0; r < dim; r++)
        h[r * dim + r] += damping;
    assert_true(glim__cholesky(h, dim));
    for (size_t q = 0; q < queries; q++) {
        memcpy(u, asked + q * dim, dim * sizeof *u);
        glim__cholesky_solve(h, dim, u);
        for (size_t i = 0; i < n; i++)
            out[i * queries + q] = dot(train + i * dim, u, dim) / (double)n;
    }
    free(h);
    free(u);
}

/* Adds `by` g g^T to the lower triangle. */
static void add_square(double *mean, double by, const double *g, size_t dim) {
    for (size_t r = 0; r < dim; r++)
        for (size_t c = 0; c <= r; c++)
            mean[r * dim + c] += by * g[r] * g[c];
}

/* ---- a task: words of either class; one label in eight is wrong ---- */

static int make_text(size_t i, char *out, size_t size) {
    static const char *const words[] = {"fine", "great", "film", "the", "in", "end",
                                        "a",    "no",    "dull", "bad", "it", "of"};
    size_t n = 3 + glim__rng_below(1, i, 99, 5), at = 0;
    int sum = 0;
    for (size_t k = 0; k < n; k++) {
        size_t w = glim__rng_below(1, i, k, sizeof words / sizeof *words);
        sum += w < 2 ? 1 : w > 6 && w < 10 ? -1 : 0;
        at += (size_t)snprintf(out + at, size - at, "%s%s", k ? " " : "", words[w]);
    }
    int label = sum > 0 || (!sum && i % 2);
    return glim__rng_below(2, i, 0, 8) == 0 ? !label : label;
}

/* Texts first .. first + n - 1, with their labels where it is a task of classes. */
static const char *rows_of(char sep, size_t first, size_t n, bool labelled) {
    static char all[1 << 14];
    char head[] = {sep, 'l', 'a', 'b', 'e', 'l', 0};
    size_t at = (size_t)snprintf(all, sizeof all, "text%s\n", labelled ? head : "");
    for (size_t i = first; i < first + n; i++) {
        char text[128], label[8];
        snprintf(label, sizeof label, "%c%s", sep,
                 make_text(i, text, sizeof text) ? "good" : "bad");
        at += (size_t)snprintf(all + at, sizeof all - at, "%s%s\n", text, labelled ? label : "");
    }
    return all;
}

/* ---- gradients of samples, formed ---- */

struct scene {
    glim_context *ctx;
    glim_model *base, *m;
    glim_linear *l;
    bool classes;
    const char *patterns;
    uint8_t chosen[MOST];
    size_t at[MOST], dim;          /* where a chosen weight's numbers begin */
    double *mean, trace;           /* (dim, dim) the Gauss-Newton matrix of a sample */
    double *train, *asked, *exact; /* (TEXTS, dim), (ASKED, dim), (TEXTS, ASKED) */
    glim_influence_work w;
};

struct formed {
    const struct scene *s;
    double *g;
};

static glim_status form(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                        const float *a, glim_error *err) {
    const struct formed *to = data;
    size_t n;
    const glim_weight *w = &glim_model_weights(to->s->m, &n)[weight];
    double *out = to->g + sample * to->s->dim + to->s->at[weight];
    for (size_t t = 0; t < rows; t++)
        for (size_t f = 0; f < w->rows; f++)
            for (size_t c = 0; c < w->cols; c++)
                out[f * w->cols + c] += (double)g[t * w->rows + f] * (double)a[t * w->cols + c];
    return GLIM_OK;
}

/* (n, dim), of labels that are given, or drawn by `seed`. */
static double *gradients_of(const struct scene *s, glim_samples *samples, uint64_t seed) {
    size_t n = glim__samples_count(samples);
    struct formed to = {s, calloc(n * s->dim, sizeof *to.g)};
    const glim_pass_options o = {.chosen = s->chosen, .sampled = seed != 0, .seed = seed};
    const glim_pass_visitor v = {.weight = form, .data = &to};
    assert_int_equal(glim__pass(s->m, samples, 0, n, &o, &v, NULL), GLIM_OK);
    return to.g;
}

/* Squares of gradients of answers that are drawn: their mean is the Gauss-Newton matrix. */
static void make_mean(struct scene *s) {
    s->mean = calloc(s->dim * s->dim, sizeof *s->mean);
    for (uint64_t seed = 1; seed <= DRAWS; seed++) {
        double *g = gradients_of(s, s->w.samples, 100 + seed);
        for (size_t i = 0; i < TEXTS; i++)
            add_square(s->mean, 1.0 / TEXTS / DRAWS, g + i * s->dim, s->dim);
        free(g);
    }
    for (size_t k = 0; k < s->dim; k++)
        s->trace += s->mean[k * s->dim + k];
}

static void fit_model(struct scene *s) {
    glim_fit_report report;
    glim_error err = {0};
    glim_fit_texts texts = {.path = save_rows("csv", rows_of(',', 0, TEXTS, true)),
                            .text = "text",
                            .label = "label",
                            .site = "blocks.1.hook_resid_post",
                            .pool = "mean"};
    if (glim_fit_representation(&s->l, &report, s->base, &texts, &(glim_fit_options){.strength = 1},
                                &err) ||
        glim_model_open_fitted(&s->m, s->base, s->l, &err))
        fail_msg("%s", err.message);
}

static void choose(struct scene *s, const char *patterns) {
    size_t n;
    const glim_weight *all = glim_model_weights(s->m, &n);
    s->patterns = patterns;
    assert_int_equal(glim__weights_choose(s->m, patterns, s->chosen, NULL), GLIM_OK);
    for (size_t i = 0; i < n; i++)
        if (s->chosen[i]) {
            s->at[i] = s->dim;
            s->dim += all[i].rows * all[i].cols;
        }
    assert_in_range(s->dim, 1, MOST_DIM);
}

static void open_scene(struct scene *s, bool classes, const char *patterns) {
    memset(s, 0, sizeof *s);
    s->ctx = context_with(1, 0);
    s->base = s->m = open_model(s->ctx, "llama.gguf");
    s->classes = classes;
    if (classes)
        fit_model(s);
    choose(s, patterns);
    s->exact = calloc((size_t)TEXTS * ASKED, sizeof *s->exact);
    s->w = (glim_influence_work){
        .ctx = s->ctx,
        .n = TEXTS,
        .n_queries = ASKED,
        .seed = 5,
        .model = s->m,
        .samples = open_samples(s->m, "csv", rows_of(',', 0, TEXTS, classes), NULL),
        .query_samples = open_samples(s->m, "tsv", rows_of('\t', TEXTS, ASKED, classes), NULL)};
    s->train = gradients_of(s, s->w.samples, 0);
    s->asked = gradients_of(s, s->w.query_samples, 0);
    make_mean(s);
}

static void close_scene(struct scene *s) {
    glim__samples_close(s->w.samples);
    glim__samples_close(s->w.query_samples);
    free(s->mean);
    free(s->train);
    free(s->asked);
    free(s->exact);
    if (s->classes)
        glim_model_close(s->m);
    glim_linear_close(s->l);
    glim_model_close(s->base);
    glim_context_free(s->ctx);
}

/* ---- methods ---- */

struct likeness {
    double pearson, spearman; /* with the exact influences, means over queries */
    double slope;             /* on them, of all together: 1 is the right size */
};

static struct likeness compare(const struct scene *s, const double *have) {
    struct likeness out = {0};
    double a[TEXTS], b[TEXTS], rho;
    for (size_t q = 0; q < ASKED; q++) {
        for (size_t i = 0; i < TEXTS; i++) {
            a[i] = have[i * ASKED + q];
            b[i] = s->exact[i * ASKED + q];
        }
        assert_int_equal(glim__truth_spearman(s->ctx, a, b, TEXTS, &rho, NULL), GLIM_OK);
        out.pearson += glim__truth_pearson(a, b, TEXTS) / ASKED;
        out.spearman += rho / ASKED;
    }
    out.slope =
        dot(have, s->exact, (size_t)TEXTS * ASKED) / dot(s->exact, s->exact, (size_t)TEXTS * ASKED);
    return out;
}

/* damping: NAN where the method has none */
static struct likeness judge(const struct scene *s, const char *method, double damping) {
    const glim_influence_method *m = glim__influence_find(method);
    char own[256] = {0}, number[40];
    glim_error err = {0};
    table t = {0};
    glim_param_defaults(m->params, own);
    snprintf(number, sizeof number, "%.12g", damping);
    assert_int_equal(glim_param_set(glim_param_find(m->params, "weights"), own, s->patterns, NULL),
                     GLIM_OK);
    if (!isnan(damping))
        assert_int_equal(glim_param_set(glim_param_find(m->params, "damping"), own, number, NULL),
                         GLIM_OK);
    glim_influence_out out = {.begin = table_begin, .data = &t};
    if (glim__influence_run(&s->w, m, own, &out, &err))
        fail_msg("%s: %s", method, err.message);
    assert_true(t.n_columns == ASKED && t.rows == TEXTS);
    struct likeness like = compare(s, t.values);
    print_message("%-16s damping %-8.3g Pearson %.3f  Spearman %.3f  slope %.3f\n", method, damping,
                  like.pearson, like.spearman, like.slope);
    free(t.values);
    return like;
}

struct bounds {
    double share;             /* damping, of the mean eigenvalue; DataInf is given it as such */
    double pearson, spearman; /* of EK-FAC at least */
    double ahead;             /* of products of gradients, both */
    double slope[2];
};

static void check(struct scene *s, const struct bounds *b) {
    double damping = b->share * s->trace / (double)s->dim;
    solve(s->exact, s->mean, damping, s->dim, s->train, TEXTS, s->asked, ASKED);
    struct likeness ekfac = judge(s, "ekfac", damping), datainf = judge(s, "datainf", b->share),
                    product = judge(s, "gradient-product", NAN),
                    cosine = judge(s, "gradient-cosine", NAN);
    assert_true(ekfac.pearson > b->pearson && ekfac.spearman > b->spearman);
    assert_true(ekfac.pearson > product.pearson + b->ahead);
    assert_true(ekfac.spearman > product.spearman + b->ahead);
    assert_true(ekfac.pearson > cosine.pearson + b->ahead);
    assert_true(ekfac.slope > b->slope[0] && ekfac.slope < b->slope[1]);
    /* little more than the product, and of no right size */
    assert_true(datainf.pearson > product.pearson);
    assert_true(ekfac.pearson > datainf.pearson + b->ahead / 2);
}

/* A tenth is EK-FAC's default. */
static void of_a_language_model_ekfac_is_near_the_whole_curvature(void **state) {
    static const struct bounds one[] = {{0.1, 0.95, 0.8, 0.15, {0.8, 1.5}},
                                        {1, 0.97, 0.92, 0.1, {0.8, 1.4}}};
    static const struct bounds two = {0.1, 0.94, 0.75, 0.15, {0.8, 1.6}};
    struct scene s;
    open_scene(&s, false, "blocks.1.attn.W_V");
    for (size_t k = 0; k < 2; k++)
        check(&s, &one[k]);
    close_scene(&s);
    open_scene(&s, false, "blocks.1.attn.W_V,blocks.1.attn.W_K");
    check(&s, &two);
    close_scene(&s);
}

static void of_a_classifier_it_is_ahead_and_not_near(void **state) {
    static const struct bounds b = {1, 0.8, 0.35, 0.15, {1, 4}};
    struct scene s;
    open_scene(&s, true, "blocks.1.attn.W_V");
    check(&s, &b);
    close_scene(&s);
}

/* Then no curvature is left: both are products of gradients, and that of the exact size. */
static void with_much_damping_all_agree(void **state) {
    struct scene s;
    open_scene(&s, false, "blocks.1.attn.W_V");
    double damping = 1e5 * s.trace / (double)s.dim;
    solve(s.exact, s.mean, damping, s.dim, s.train, TEXTS, s.asked, ASKED);
    struct likeness ekfac = judge(&s, "ekfac", damping),
                    product = judge(&s, "gradient-product", NAN);
    assert_true(ekfac.pearson > 0.9999 && fabs(ekfac.slope - 1) < 1e-3);
    assert_true(product.pearson > 0.9999);
    assert_true(fabs(product.slope / (damping * TEXTS) - 1) < 1e-3);
    close_scene(&s);
}

/* ---- a linear model: every error with every input ---- */

enum { F = 4, C = 6, ERRORS = 9, INPUTS = 20, PAIRS = ERRORS * INPUTS, DIM = F * C, LINEAR = 5 };

static void make_pair(bool asked, size_t i, float *g, float *a) {
    uint64_t seed = asked ? 8 : 7;
    size_t error = asked ? i : i / INPUTS, input = asked ? i : i % INPUTS;
    for (size_t f = 0; f < F; f++)
        g[f] = (float)((double)(f + 1) * glim__rng_normal(seed, 1000 + error, f)) +
               (f ? 0.4F * g[f - 1] : 0);
    for (size_t c = 0; c < C; c++)
        a[c] = (float)glim__rng_normal(seed, input, c) + (c ? 0.7F * a[c - 1] : 0);
}

static glim_status walk_pairs(void *data, size_t first, size_t count, bool sampled,
                              const uint8_t *chosen, const glim_pass_visitor *v, glim_error *err) {
    const bool *asked = data;
    glim_status status = GLIM_OK;
    for (size_t i = first; i < first + count && !status; i++) {
        float g[F], a[C];
        make_pair(*asked, i, g, a);
        status = v->weight(v->data, i, 0, 1, g, a, err);
        if (!status && v->batch)
            status = v->batch(v->data, i, 1, NULL, err);
    }
    return status;
}

static void pairs_formed(bool asked, size_t n, double *out) {
    for (size_t i = 0; i < n; i++) {
        float g[F], a[C];
        make_pair(asked, i, g, a);
        for (size_t k = 0; k < DIM; k++)
            out[i * DIM + k] = (double)g[k / C] * (double)a[k % C];
    }
}

static void of_a_linear_model_ekfac_is_exact(void **state) {
    static const glim_weight weight = {.name = "W", .rows = F, .cols = C};
    static const uint8_t one = 1;
    static double train[PAIRS * DIM], asked[LINEAR * DIM], mean[DIM * DIM], want[PAIRS * LINEAR];
    bool no = false, yes = true;
    table t = {0};
    glim_ekfac_told told;
    glim_ekfac k = {.ctx = context_with(1, 0),
                    .train = {walk_pairs, &no, PAIRS},
                    .queries = {walk_pairs, &yes, LINEAR},
                    .factors = {.weights = &weight, .chosen = &one, .n_weights = 1},
                    .damping = 0.3,
                    .sign = 1};
    const glim_influence_out out = {.begin = table_begin, .data = &t};
    pairs_formed(false, PAIRS, train);
    pairs_formed(true, LINEAR, asked);
    for (size_t i = 0; i < PAIRS; i++)
        add_square(mean, 1.0 / PAIRS, train + i * DIM, DIM);
    solve(want, mean, 0.3, DIM, train, PAIRS, asked, LINEAR);
    assert_int_equal(glim__ekfac_run(&k, &out, &told, NULL), GLIM_OK);
    double off = 0, most = 0;
    for (size_t i = 0; i < (size_t)PAIRS * LINEAR; i++) {
        off = fmax(off, fabs(t.values[i] - want[i]));
        most = fmax(most, fabs(want[i]));
    }
    if (!(off < 1e-5 * most))
        fail_msg("off by %g of %g", off, most);
    free(t.values);
    glim_context_free(k.ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_language_model_ekfac_is_near_the_whole_curvature),
        cmocka_unit_test(of_a_classifier_it_is_ahead_and_not_near),
        cmocka_unit_test(with_much_damping_all_agree),
        cmocka_unit_test(of_a_linear_model_ekfac_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, clean_rows);
}
