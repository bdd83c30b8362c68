/* SPDX-License-Identifier: Apache-2.0 */
/* games.h: games whose answer is known, as predictors: sums of terms c * prod z_i. */
#ifndef GLIM_TESTS_GAMES_H
#define GLIM_TESTS_GAMES_H

#include "analytic.h"

#include <jansson.h>

static glim_context *ctx;

enum { MOST = 16, MOST_TERMS = 64 };

struct term {
    int at[3], n;
    double c;
};

struct game {
    glim_predictor base;
    glim_unit unit[MOST];
    glim_units units;
    const char *text[MOST];
    struct term terms[MOST_TERMS];
    int n_terms, calls;
    size_t d, row_end[2];
    double value[2];
};

/* Row 1 is twice row 0. */
static inline double worth(const struct game *g, const uint8_t *keep) {
    double sum = 0;
    for (int t = 0; t < g->n_terms; t++) {
        bool there = true;
        for (int k = 0; k < g->terms[t].n; k++)
            there = there && keep[g->terms[t].at[k]];
        sum += there ? g->terms[t].c : 0;
    }
    return sum;
}

static inline glim_status values(glim_predictor *p, const uint8_t *keep, size_t n,
                                 glim_absent absent, double *out, glim_error *err) {
    struct game *g = (struct game *)p;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < p->n_rows; r++) {
            uint8_t seen[MOST];
            for (size_t u = 0; u < g->d; u++)
                seen[u] = u >= p->row_end[r] || keep[i * g->d + u];
            out[i * p->n_rows + r] = (double)(r + 1) * worth(g, seen);
        }
    g->calls += (int)n;
    return GLIM_OK;
}

static inline void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                               glim_absent absent, glim_plan *out) {
    out->forward_tokens += n;
}

static inline glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct game *g = (const struct game *)p;
    doc->input.units = glim_document_alloc(doc, g->d * sizeof *doc->input.units);
    doc->rows = p->n_rows > 1 ? glim_document_alloc(doc, 2 * sizeof *doc->rows) : NULL;
    if (!doc->input.units || (p->n_rows > 1 && !doc->rows))
        return glim__oom(p->ctx, err, "units", 0);
    for (size_t r = 0; r < p->n_rows && doc->rows; r++)
        doc->rows[r] = (glim_document_row){.value = p->value[r]};
    for (size_t u = 0; u < g->d; u++)
        doc->input.units[u] = (glim_document_unit){
            .text = g->text[u], .text_len = strlen(g->text[u]), .fixed = g->unit[u].fixed};
    doc->input.n_units = g->d;
    doc->n_rows = p->n_rows;
    return GLIM_OK;
}

static inline void game_begin(struct game *g, size_t d) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                        "i", "j", "k", "l", "m", "n", "o", "p"};
    *g = (struct game){.d = d};
    memcpy(g->text, names, sizeof names);
    for (size_t u = 0; u < d; u++)
        g->unit[u] = (glim_unit){.start = u, .end = u + 1, .first = u, .count = 1, .turn = -1};
    g->units = (glim_units){.ctx = ctx, .at = g->unit, .count = d};
    g->base = (glim_predictor){.ctx = ctx,
                               .name = "game",
                               .can = GLIM_CAN_PREDICT,
                               .units = &g->units,
                               .n_rows = 1,
                               .row_end = g->row_end,
                               .value = g->value,
                               .values = values,
                               .plan_values = plan_values,
                               .describe = describe,
                               .cost = analytic_cost};
}

static inline void add_term(struct game *g, double c, int n, int i, int j, int k) {
    g->terms[g->n_terms++] = (struct term){.at = {i, j, k}, .n = n, .c = c};
}

static inline void game_end(struct game *g) {
    uint8_t all[MOST];
    memset(all, 1, sizeof all);
    for (size_t r = 0; r < 2; r++) {
        g->value[r] = (double)(r + 1) * worth(g, all);
        g->row_end[r] = g->row_end[r] ? g->row_end[r] : g->d;
    }
}

/* The value of a term is shared alike by those who make it. */
static inline void truth(const struct game *g, double *phi) {
    memset(phi, 0, g->d * sizeof *phi);
    for (int t = 0; t < g->n_terms; t++)
        for (int k = 0; k < g->terms[t].n; k++)
            phi[g->terms[t].at[k]] += g->terms[t].c / g->terms[t].n;
}

static inline void random_game(struct game *g, size_t d) {
    game_begin(g, d);
    for (uint64_t t = 0; t < 3 * d; t++) {
        int i = (int)glim__rng_below(4, t, 0, (uint32_t)d), j = (i + 1 + (int)(t % 3)) % (int)d;
        add_term(g, glim__rng_normal(4, t, 1), 1 + (int)(t % 2), i, j, 0);
    }
    game_end(g);
}

/* The game of a recording: as many units as it has values, and its terms. */
static inline void recorded_game(struct game *g, const json_t *one) {
    const json_t *terms = json_object_get(one, "terms");
    game_begin(g, json_array_size(json_object_get(one, "values")));
    for (size_t t = 0; t < json_array_size(terms); t++) {
        const json_t *at = json_array_get(json_array_get(terms, t), 0);
        int i[3] = {0};
        for (size_t k = 0; k < json_array_size(at); k++)
            i[k] = (int)json_integer_value(json_array_get(at, k));
        add_term(g, json_number_value(json_array_get(json_array_get(terms, t), 1)),
                 (int)json_array_size(at), i[0], i[1], i[2]);
    }
    game_end(g);
}

struct setting {
    const char *name, *value;
};

static inline glim_document *explain_seed(struct game *g, const char *method,
                                          const struct setting *s, uint64_t seed) {
    const glim_method *m = glim_method_find(method);
    glim_error err = {0};
    glim_document *doc = NULL;
    void *opts = calloc(1, m->opts_size + 1);
    glim_param_defaults(m->params, opts);
    for (; s && s->name; s++)
        assert_int_equal(glim_param_set(glim_param_find(m->params, s->name), opts, s->value, &err),
                         GLIM_OK);
    if (glim_explain(&doc, &g->base, m, opts, seed, &err))
        fail_msg("%s: %s", method, err.message);
    free(opts);
    return doc;
}

static inline glim_document *explain(struct game *g, const char *method, const struct setting *s) {
    return explain_seed(g, method, s, 3);
}

static inline void assert_near(double a, double b, double off) {
    if (!(fabs(a - b) <= off))
        fail_msg("%.12g is not %.12g", a, b);
}

static inline double total(const glim_document *doc, size_t row) {
    double sum = 0;
    for (size_t u = 0; u < doc->input.n_units; u++)
        if (!isnan(doc->scores[row * doc->input.n_units + u]))
            sum += doc->scores[row * doc->input.n_units + u];
    return sum;
}

static inline double check_value(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

static inline int games_set_up(void **state) {
    glim_context_options o = {.threads = 1};
    return glim_context_new(&ctx, &o, NULL) != GLIM_OK;
}

static inline int games_tear_down(void **state) {
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
    return 0;
}

#endif
