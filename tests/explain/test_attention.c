/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of attention on patterns that are written down: sums done by hand, products of
 * whole matrices, and what must hold whatever the numbers are.
 */
#include "scripted.h"

#include "explain/max-flow.h"

#include <stdio.h>

static struct scripted s;

static glim_context *context(int threads) {
    glim_context *ctx = NULL;
    glim_error err = {0};
    glim_context_options options = {.threads = threads};
    assert_int_equal(glim_context_new(&ctx, &options, &err), GLIM_OK);
    return ctx;
}

static const glim_param *param(const char *method, const char *name) {
    const glim_param *p = glim_param_find(glim_method_find(method)->params, name);
    assert_non_null(p);
    return p;
}

/* Options as "name=value name=value". */
static glim_status try_explain(glim_document **doc, const char *method, const char *set,
                               glim_error *err) {
    static double room[32]; /* aligned */
    static char text[200];
    const glim_method *m = glim_method_find(method);
    assert_non_null(m);
    assert_true(m->opts_size <= sizeof room);
    memset(room, 0, sizeof room);
    glim_param_defaults(m->params, room);
    snprintf(text, sizeof text, "%s", set);
    for (char *at = strtok(text, " "); at; at = strtok(NULL, " ")) {
        char *value = strchr(at, '=');
        *value++ = 0;
        if (glim_param_set(param(method, at), room, value, err))
            fail_msg("%s", err->message);
    }
    return glim_explain(doc, &s.base, m, room, 1, err);
}

static glim_document *explain(const char *method, const char *set) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (try_explain(&doc, method, set, &err))
        fail_msg("%s: %s", method, err.message);
    return doc;
}

static double check_of(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

static void near(double have, double want, double off, const char *what) {
    if (!(fabs(have - want) <= off))
        fail_msg("%s: %.9g, should be %.9g", what, have, want);
}

/* ---- the same by whole matrices ---- */

typedef double square[ST][ST];

static void joint(int l, double residual, const char *head, square out) {
    for (size_t t = 0; t < s.T; t++)
        for (size_t k = 0; k < s.T; k++) {
            double x = s.a[l][0][t * s.T + k];
            for (int h = 1; h < s.H; h++) {
                double y = s.a[l][h][t * s.T + k];
                x = *head == 'e' ? x + y : *head == 'a' ? fmax(x, y) : fmin(x, y);
            }
            x = *head == 'e' ? x / s.H : x;
            out[t][k] = (t == k) * residual + (1 - residual) * x;
        }
    for (size_t t = 0; t < s.T; t++) {
        double sum = 0;
        for (size_t k = 0; k < s.T; k++)
            sum += out[t][k];
        for (size_t k = 0; k < s.T; k++)
            out[t][k] /= sum;
    }
}

static void multiply(square a, square b, square out) {
    for (size_t i = 0; i < s.T; i++)
        for (size_t j = 0; j < s.T; j++) {
            out[i][j] = 0;
            for (size_t k = 0; k < s.T; k++)
                out[i][j] += a[i][k] * b[k][j];
        }
}

static void whole_rollout(double residual, const char *head, square r) {
    square layer = {{0}}, next = {{0}};
    memset(r, 0, sizeof(square));
    for (size_t i = 0; i < s.T; i++)
        r[i][i] = 1;
    for (int l = 0; l < s.L; l++) {
        joint(l, residual, head + 1, layer);
        multiply(layer, r, next);
        memcpy(r, next, sizeof(square));
    }
}

/* ---- rollout ---- */

static void rollout_is_a_row_of_the_product_of_layers(void **state) {
    static const char *const heads[] = {"mean", "max", "min"};
    static const double residuals[] = {0.5, 0.25, 0, 1};
    glim_context *ctx = context(2);
    square r;
    for (int k = 0; k < 24; k++) {
        char set[80];
        const char *head = heads[k % 3];
        double residual = residuals[k / 3 % 4];
        scripted_init(&s, ctx, 1 + k % SL, SH, 5 + (size_t)k % 19, k & 1, (uint64_t)k);
        whole_rollout(residual, head, r);
        for (s.at = 0; s.at < s.T; s.at += 3) {
            snprintf(set, sizeof set, "sink=show head=%s residual=%g", head, residual);
            glim_document *doc = explain("attention-rollout", set);
            double sum = 0;
            for (size_t t = 0; t < s.T; t++) {
                near(doc->scores[t], r[s.at][t], 1e-6, "rollout");
                assert_true(doc->scores[t] >= 0);
                sum += doc->scores[t];
                if (k & 1 && t > s.at) /* causal: nothing of later tokens */
                    assert_true(doc->scores[t] == 0);
            }
            near(sum, 1, 1e-6, "sum");
            near(check_of(doc, "share_residual"), 0, 1e-6, "share_residual");
            glim_document_free(doc);
        }
    }
    glim_context_free(ctx);
}

static void rollout_of_layers_that_look_at_themselves_stays(void **state) {
    glim_context *ctx = context(1);
    scripted_init(&s, ctx, 3, 2, 6, true, 1);
    for (int l = 0; l < s.L; l++)
        for (int h = 0; h < s.H; h++)
            for (size_t i = 0; i < s.T * s.T; i++)
                s.a[l][h][i] = i % (s.T + 1) == 0;
    glim_document *doc = explain("attention-rollout", "sink=show");
    for (size_t t = 0; t < s.T; t++)
        near(doc->scores[t], t == s.at, 1e-12, "identity");
    glim_document_free(doc);
    glim_context_free(ctx);
}

static void a_pooled_target_is_the_mean_of_all_rows(void **state) {
    glim_context *ctx = context(1);
    square r;
    scripted_init(&s, ctx, 2, SH, 9, false, 4);
    whole_rollout(0.5, "mean", r);
    s.at = SIZE_MAX;
    glim_document *roll = explain("attention-rollout", "sink=show");
    glim_document *raw = explain("attention", "sink=show layer=1 head=2");
    for (size_t t = 0; t < s.T; t++) {
        double rows = 0, weights = 0;
        for (size_t i = 0; i < s.T; i++) {
            rows += r[i][t] / (double)s.T;
            weights += s.a[1][2][i * s.T + t] / (double)s.T;
        }
        near(roll->scores[t], rows, 1e-6, "rollout");
        near(raw->scores[t], weights, 1e-6, "weights");
    }
    glim_document_free(roll);
    glim_document_free(raw);
    glim_context_free(ctx);
}

/* ---- weights and sinks ---- */

static void weights_are_the_chosen_layers_and_heads(void **state) {
    glim_context *ctx = context(1);
    scripted_init(&s, ctx, 3, SH, 7, true, 2);
    size_t row = s.at * s.T;
    glim_document *one = explain("attention", "layer=2 head=1");
    glim_document *most = explain("attention", "layer=0 head=max");
    glim_document *all = explain("attention", "");
    for (size_t t = 0; t < s.T; t++) {
        double max = 0, mean = 0;
        for (int h = 0; h < SH; h++) {
            max = fmax(max, s.a[0][h][row + t]);
            for (int l = 0; l < 3; l++)
                mean += s.a[l][h][row + t] / (3.0 * SH);
        }
        near(one->scores[t], s.a[2][1][row + t], 1e-7, "one head");
        near(most->scores[t], max, 1e-7, "maximum");
        near(all->scores[t], mean, 1e-6, "mean");
    }
    near(check_of(all, "share_residual"), 0, 1e-5, "share_residual");
    glim_document_free(one);
    glim_document_free(most);
    glim_document_free(all);
    glim_context_free(ctx);
}

/* Every row gives position 2 half of its attention. */
static void with_a_sink(glim_context *ctx, size_t T) {
    scripted_init(&s, ctx, 2, SH, T, true, 3);
    for (int l = 0; l < s.L; l++)
        for (int h = 0; h < s.H; h++)
            for (size_t t = 2; t < T; t++) {
                float rest = 1 - s.a[l][h][t * T + 2];
                for (size_t k = 0; k <= t; k++)
                    s.a[l][h][t * T + k] *= k == 2 || rest <= 0 ? 0 : 0.5f / rest;
                s.a[l][h][t * T + 2] = t == 2 ? 1 : 0.5f;
            }
}

static void sinks_are_found_and_taken_out(void **state) {
    glim_context *ctx = context(2);
    with_a_sink(ctx, 24);
    glim_document *show = explain("attention", "sink=show layer=0");
    glim_document *hide = explain("attention", "sink=hide layer=0");
    glim_document *rest = explain("attention", "sink=renormalise layer=0");
    double left = 1 - show->scores[0] - show->scores[2], sum = 0;
    near(show->scores[2], 0.5, 1e-6, "the sink");
    for (size_t t = 0; t < s.T; t++) {
        bool sink = t == 0 || t == 2;
        near(hide->scores[t], sink ? 0 : show->scores[t], 1e-9, "hidden");
        near(rest->scores[t], sink ? 0 : show->scores[t] / left, 1e-6, "renormalised");
        sum += rest->scores[t];
    }
    near(sum, 1, 1e-6, "sum");
    near(check_of(show, "sink_share"), 1 - left, 1e-6, "sink_share");
    assert_int_equal(show->verdict, GLIM_VERDICT_CAREFUL);
    assert_true(strstr(show->notes[0], "0 'a' (1 of 1 layers), 2 'c' (1 of 1 layers)") != NULL);
    glim_document_free(show);
    glim_document_free(hide);
    glim_document_free(rest);
    glim_context_free(ctx);
}

/* By hand: rows without their sinks, an empty one looks at itself. */
static void rollout_without_sinks_is_that_of_what_is_left(void **state) {
    glim_context *ctx = context(1);
    with_a_sink(ctx, 24);
    glim_document *doc = explain("attention-rollout", "sink=renormalise");
    for (int l = 0; l < s.L; l++)
        for (size_t t = 0; t < s.T; t++) {
            double mean[ST] = {0}, rest = 0;
            for (size_t k = 0; k < s.T; k++)
                for (int h = 0; h < s.H; h++)
                    mean[k] += k == 0 || k == 2 ? 0 : (double)s.a[l][h][t * s.T + k] / s.H;
            for (size_t k = 0; k < s.T; k++)
                rest += mean[k];
            for (size_t k = 0; k < s.T; k++)
                for (int h = 0; h < s.H; h++)
                    s.a[l][h][t * s.T + k] = (float)(rest > 0 ? mean[k] / rest : k == t);
        }
    square r;
    whole_rollout(0.5, "mean", r);
    for (size_t t = 0; t < s.T; t++)
        near(doc->scores[t], r[s.at][t], 1e-6, "rollout");
    glim_document_free(doc);
    glim_context_free(ctx);
}

static void rollout_that_drains_to_the_beginning_says_so(void **state) {
    glim_context *ctx = context(1);
    scripted_init(&s, ctx, 4, 1, 20, true, 5);
    for (int l = 0; l < s.L; l++)
        for (size_t t = 1; t < s.T; t++)
            for (size_t k = 0; k < s.T; k++)
                s.a[l][0][t * s.T + k] = k == 0;
    glim_document *doc = explain("attention-rollout", "sink=show");
    assert_int_equal(doc->verdict, GLIM_VERDICT_CAREFUL);
    near(check_of(doc, "beginning_share"), 15.0 / 16, 1e-6, "beginning");
    glim_document_free(doc);
    glim_context_free(ctx);
}

/* ---- flow ---- */

static void flow_through_one_layer_is_its_matrix(void **state) {
    glim_context *ctx = context(2);
    square a;
    for (int causal = 0; causal < 2; causal++) {
        scripted_init(&s, ctx, 1, SH, 12, causal, 6);
        joint(0, 0.5, "ean", a);
        glim_document *doc = explain("attention-flow", "sink=show");
        for (size_t t = 0; t < s.T; t++)
            near(doc->scores[t], a[s.at][t], 1e-6, "flow");
        glim_document_free(doc);
    }
    glim_context_free(ctx);
}

/* At least what the widest path takes and what rollout says, at most one; equal to its cut. */
static void flow_lies_between_its_bounds(void **state) {
    glim_context *ctx = context(3);
    for (uint64_t k = 0; k < 8; k++) {
        scripted_init(&s, ctx, 2 + (int)k % 3, 2, 6 + (size_t)k, k & 1, 10 + k);
        glim_document *flow = explain("attention-flow", "sink=show"),
                      *roll = explain("attention-rollout", "sink=show");
        double wide[ST] = {0}, next[ST];
        wide[s.at] = 1;
        for (int l = s.L - 1; l >= 0; l--) {
            square a;
            joint(l, 0.5, "ean", a);
            for (size_t j = 0; j < s.T; j++) {
                next[j] = 0;
                for (size_t i = 0; i < s.T; i++)
                    next[j] = fmax(next[j], fmin(wide[i], a[i][j]));
            }
            memcpy(wide, next, sizeof wide);
        }
        for (size_t t = 0; t < s.T; t++) {
            assert_true(flow->scores[t] >= wide[t] - 1e-6 && flow->scores[t] <= 1 + 1e-6);
            assert_true(flow->scores[t] >= roll->scores[t] - 1e-6);
        }
        near(check_of(flow, "cut_residual"), 0, 1e-9, "cut");
        glim_document_free(flow);
        glim_document_free(roll);
    }
    glim_context_free(ctx);
}

/* Cormen, Leiserson, Rivest, Stein's example, whose largest flow is 23; it needs a way back. */
static void flow_of_the_textbook_network_is_23(void **state) {
    static const int edges[][3] = {{0, 1, 16}, {0, 2, 13}, {1, 2, 10}, {2, 1, 4},  {1, 3, 12},
                                   {3, 2, 9},  {2, 4, 14}, {4, 3, 7},  {3, 5, 20}, {4, 5, 4}};
    glim_context *ctx = context(1);
    glim_network n;
    glim_flow f;
    glim_error err = {0};
    double cut;
    assert_int_equal(glim__network_init(&n, ctx, 6, 10, &err), GLIM_OK);
    assert_int_equal(glim__flow_init(&f, &n, &err), GLIM_OK);
    for (size_t i = 0; i < 10; i++)
        glim__network_add(&n, (size_t)edges[i][0], (size_t)edges[i][1], edges[i][2]);
    near(glim__max_flow(&n, &f, 0, 5, &cut), 23, 1e-12, "flow");
    near(cut, 23, 1e-12, "cut");
    near(glim__max_flow(&n, &f, 5, 0, &cut), 0, 0, "against the edges");
    near(glim__max_flow(&n, &f, 1, 3, &cut), 12 + 7, 1e-12, "again"); /* 1-2-4-3 beside 1-3 */
    glim__flow_release(&f, &n);
    glim__network_release(&n);
    glim_context_free(ctx);
}

/* ---- gradients ---- */

static void gradient_is_a_row_of_the_rule(void **state) {
    glim_context *ctx = context(2);
    for (uint64_t k = 0; k < 6; k++) {
        scripted_init(&s, ctx, 1 + (int)k % SL, SH, 8 + (size_t)k, k & 1, 30 + k);
        square r = {{0}}, bar = {{0}}, more = {{0}};
        for (size_t i = 0; i < s.T; i++)
            r[i][i] = 1;
        for (int l = 0; l < s.L; l++) {
            for (size_t i = 0; i < s.T * s.T; i++) {
                double sum = 0;
                for (int h = 0; h < s.H; h++)
                    sum += fmax(0, (double)s.a[l][h][i] * s.d[l][h][i]);
                bar[i / s.T][i % s.T] = sum / s.H;
            }
            multiply(bar, r, more);
            for (size_t i = 0; i < s.T; i++)
                for (size_t j = 0; j < s.T; j++)
                    r[i][j] += more[i][j];
        }
        glim_document *doc = explain("attention-gradient", "");
        for (size_t t = 0; t < s.T; t++) {
            near(doc->scores[t], r[s.at][t] - (t == s.at), 1e-5, "rule");
            assert_true(doc->scores[t] >= 0);
        }
        glim_document_free(doc);
    }
    glim_context_free(ctx);
}

static void attention_that_speaks_against_the_target_counts_nothing(void **state) {
    glim_context *ctx = context(1);
    scripted_init(&s, ctx, 2, SH, 6, true, 8);
    for (int l = 0; l < s.L; l++)
        for (int h = 0; h < s.H; h++)
            for (size_t i = 0; i < s.T * s.T; i++)
                s.d[l][h][i] = -fabsf(s.d[l][h][i]);
    glim_document *doc = explain("attention-gradient", "");
    for (size_t t = 0; t < s.T; t++)
        assert_true(doc->scores[t] == 0);
    assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
    glim_document_free(doc);
    glim_context_free(ctx);
}

/* ---- whatever the input is ---- */

static const char *const scripted_methods[] = {"attention", "attention-rollout", "attention-flow",
                                               "attention-gradient"};

static void one_token_and_fixed_tokens_are_no_trouble(void **state) {
    glim_context *ctx = context(1);
    for (size_t i = 0; i < 4; i++) {
        scripted_init(&s, ctx, 2, 2, 1, true, 1);
        glim_document *doc = explain(scripted_methods[i], "");
        assert_true(isfinite(doc->scores[0]));
        glim_document_free(doc);
        scripted_init(&s, ctx, 2, 2, 6, true, 1);
        for (size_t u = 0; u < s.T; u++)
            s.unit[u].fixed = true;
        doc = explain(scripted_methods[i], "");
        for (size_t u = 0; u < s.T; u++)
            assert_true(isnan(doc->scores[u]));
        glim_document_free(doc);
    }
    scripted_init(&s, ctx, 2, 2, 6, true, 1);
    s.unit[1].fixed = true;
    glim_document *doc = explain("attention-rollout", "sink=show");
    double sum = doc->fixed_total;
    for (size_t u = 0; u < s.T; u++)
        sum += u == 1 ? 0 : doc->scores[u];
    near(sum, 1, 1e-6, "shares and the fixed one's");
    glim_document_free(doc);
    glim_context_free(ctx);
}

static void bits_do_not_depend_on_threads(void **state) {
    for (size_t i = 0; i < 4; i++) {
        double want[ST];
        for (int threads = 1; threads <= 4; threads++) {
            glim_context *ctx = context(threads);
            scripted_init(&s, ctx, SL, SH, ST, true, 40);
            glim_document *doc = explain(scripted_methods[i], "");
            if (threads == 1)
                memcpy(want, doc->scores, sizeof want);
            assert_memory_equal(doc->scores, want, sizeof want);
            glim_document_free(doc);
            glim_context_free(ctx);
        }
    }
}

static void interrupted_runs_leave_a_partial_document(void **state) {
    for (size_t i = 1; i < 3; i++) {
        glim_context *ctx = context(2);
        glim_document *doc = NULL;
        glim_error err = {0};
        scripted_init(&s, ctx, 2, 2, 8, true, 1);
        glim_context_cancel(ctx);
        assert_int_equal(try_explain(&doc, scripted_methods[i], "", &err), GLIM_ECANCELLED);
        assert_true(doc && doc->partial);
        assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
        for (size_t u = 0; u < s.T; u++)
            assert_true(isnan(doc->scores[u]));
        glim_document_free(doc);
        glim_context_free(ctx);
    }
}

static void what_is_not_there_is_refused_by_name(void **state) {
    static const struct {
        const char *method, *set, *says;
        glim_status status;
    } cases[] = {
        {"attention", "layer=2", "there is no layer 2 (0 to 1", GLIM_EUSAGE},
        {"attention", "head=3", "there is no head 3 (0 to 1)", GLIM_EUSAGE},
        {"attention-rollout", "head=some", "'some' is none of mean, max, min", GLIM_EUSAGE},
        {"attention-flow", "max-tokens=4", "attention-rollout", GLIM_ELIMIT},
    };
    glim_context *ctx = context(1);
    scripted_init(&s, ctx, 2, 2, 6, true, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_document *doc = NULL;
        glim_error err = {0};
        assert_int_equal(try_explain(&doc, cases[i].method, cases[i].set, &err), cases[i].status);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s: %s", cases[i].method, err.message);
        assert_null(doc);
    }
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollout_is_a_row_of_the_product_of_layers),
        cmocka_unit_test(rollout_of_layers_that_look_at_themselves_stays),
        cmocka_unit_test(a_pooled_target_is_the_mean_of_all_rows),
        cmocka_unit_test(weights_are_the_chosen_layers_and_heads),
        cmocka_unit_test(sinks_are_found_and_taken_out),
        cmocka_unit_test(rollout_without_sinks_is_that_of_what_is_left),
        cmocka_unit_test(rollout_that_drains_to_the_beginning_says_so),
        cmocka_unit_test(flow_through_one_layer_is_its_matrix),
        cmocka_unit_test(flow_lies_between_its_bounds),
        cmocka_unit_test(flow_of_the_textbook_network_is_23),
        cmocka_unit_test(gradient_is_a_row_of_the_rule),
        cmocka_unit_test(attention_that_speaks_against_the_target_counts_nothing),
        cmocka_unit_test(one_token_and_fixed_tokens_are_no_trouble),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(interrupted_runs_leave_a_partial_document),
        cmocka_unit_test(what_is_not_there_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
