/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics beside captum, ferret, Quantus, scikit-learn and scipy on the same tables,
   scores and removals (scripts/record-metrics.py). */
#include "../explain/analytic.h"
#include "tabled.h"

#include <jansson.h>

static glim_context *ctx;
static json_t *golden;
static struct tabled t;

static size_t read_numbers(const json_t *list, double *out, size_t most) {
    size_t n = json_array_size(list);
    assert_true(n && n <= most);
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(list, i));
    return n;
}

struct one {
    double phi[TABLED_MOST], loo[TABLED_MOST];
    uint8_t marked[TABLED_MOST];
    glim_case c;
};

static void read_case(const json_t *j, struct one *o) {
    double marked[TABLED_MOST] = {0};
    size_t d = read_numbers(json_object_get(j, "phi"), o->phi, TABLED_MOST);
    assert_int_equal(read_numbers(json_object_get(j, "v"), t.v, 1 << TABLED_MOST), 1 << d);
    read_numbers(json_object_get(j, "loo"), o->loo, TABLED_MOST);
    read_numbers(json_object_get(j, "marked"), marked, TABLED_MOST);
    tabled_init(&t, ctx, d);
    for (size_t i = 0; i < d; i++)
        o->marked[i] = marked[i] > 0;
    o->c = case_of(&t, o->phi);
    o->c.loo = o->loo;
    o->c.rationale = o->marked;
    o->c.seed = (uint64_t)json_integer_value(json_object_get(golden, "seed"));
}

/* Every number under `group`, with an option set or none. */
static size_t compare(const json_t *j, const char *group, const char *const *set) {
    const char *name;
    json_t *value;
    struct one o;
    size_t n = 0;
    read_case(j, &o);
    json_object_foreach(json_object_get(j, group), name, value) {
        double expected = json_number_value(value), got = said(name, &t, &o.c, set);
        double room = !strcmp(name, "gini") ? 1e-5 : 1e-9; /* Quantus adds 1e-7 to each size */
        if (!(fabs(got - expected) <= room * fmax(1, fabs(expected))))
            fail_msg("%s (%s): %.15g, they have %.15g", name, group, got, expected);
        n++;
    }
    return n;
}

static void metrics_agree_with_others(void **state) {
    size_t i, n = 0;
    json_t *j;
    json_array_foreach(json_object_get(golden, "cases"), i, j) {
        n += compare(j, "plain", NULL);
        n += compare(j, "tenths", (const char *const[]){"shares", "tenths", NULL});
        n += compare(j, "five", (const char *const[]){"k", "5", NULL});
        n += compare(j, "normalised", (const char *const[]){"normalise", "true", NULL});
        n += compare(j, "by_kendall", (const char *const[]){"by", "kendall", NULL});
    }
    assert_true(i >= 3 && n >= 15 * i);
}

/* ferret's area by trapezoids is another number: which one it is must be said. */
static void average_precision_is_not_the_area_by_trapezoids(void **state) {
    size_t i, differ = 0;
    json_t *j;
    json_array_foreach(json_object_get(golden, "cases"), i, j) {
        struct one o;
        read_case(j, &o);
        differ += fabs(said("auprc", &t, &o.c, NULL) -
                       json_number_value(json_object_get(j, "auprc_trapezoid"))) > 1e-3;
    }
    assert_true(differ > 0);
}

static void correlations_of_ranks_agree_with_scipy(void **state) {
    size_t i;
    json_t *j;
    json_array_foreach(json_object_get(golden, "pairs"), i, j) {
        double a[32], b[32];
        size_t n = read_numbers(json_object_get(j, "a"), a, 32);
        assert_int_equal(read_numbers(json_object_get(j, "b"), b, 32), n);
        assert_float_equal(glim__kendall_tau_b(a, b, n, false),
                           json_number_value(json_object_get(j, "tau")), 1e-12);
        assert_float_equal(glim__spearman(a, b, n, false),
                           json_number_value(json_object_get(j, "spearman")), 1e-12);
    }
    assert_true(i >= 6);
}

/* Input times gradient of a product, moved by the same draws. */
static void sensitivity_agrees_with_captum(void **state) {
    static const glim_metric *const one[] = {&glim_metric_sensitivity_max, NULL};
    const json_t *moved = json_object_get(golden, "moved");
    struct analytic a;
    double x[AT * AC] = {0};
    glim_document *doc;
    glim_evaluation *e;
    analytic_init(&a, ctx, PRODUCT, false);
    assert_int_equal(read_numbers(json_object_get(moved, "x"), x, AT * AC), AT * AC);
    for (size_t i = 0; i < AT * AC; i++)
        a.x[i] = (float)x[i];
    a.value[0] = analytic_f(&a, a.x, NULL);
    glim_evaluate_options o = {.metrics = one,
                               .method = &glim_method_input_x_gradient,
                               .seed =
                                   (uint64_t)json_integer_value(json_object_get(golden, "seed"))};
    assert_int_equal(glim_explain(&doc, &a.base, o.method, NULL, 1, NULL), GLIM_OK);
    assert_int_equal(glim_evaluate(&e, &a.base, doc, &o, NULL), GLIM_OK);
    assert_float_equal(e->measures[0].value, json_number_value(json_object_get(moved, "value")),
                       1e-6);
    glim_evaluation_free(e);
    glim_document_free(doc);
}

static int open_context(void **state) {
    golden = json_load_file(GLIM_TESTS "/golden/metrics.json", 0, NULL);
    return !golden || glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL);
}

static int close_context(void **state) {
    json_decref(golden);
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_agree_with_others),
        cmocka_unit_test(average_precision_is_not_the_area_by_trapezoids),
        cmocka_unit_test(correlations_of_ranks_agree_with_scipy),
        cmocka_unit_test(sensitivity_agrees_with_captum),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
