/* SPDX-License-Identifier: Apache-2.0 */
/* Every question that can be asked of the rules of advice, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "evaluate/advice-rules.h"
#include "influence/influence-methods.h"

static const size_t units[] = {0, 1, 2, 8, 12, 13, 30, 49, 100, 101, 200, 201, 5000};
/* ascending, no limit last */
static const double budgets[] = {1, 2, 3, 10, 30, 100, 300, 600, 1000, 5000, 1e6, 0};
enum {
    UNITS = sizeof units / sizeof *units,
    BUDGETS = sizeof budgets / sizeof *budgets,
    QUALITIES = GLIM_COMPREHENSIVENESS + 1
};

typedef void check(const glim_question *q, const glim_advice *a);

/* Calls fn for every question; budgets go round fastest. */
static void ask_all(check *fn) {
    const size_t all = (size_t)GLIM_ACCESSES * GLIM_JOBS * GLIM_WANTS * QUALITIES * UNITS * BUDGETS;
    for (size_t i = 0; i < all; i++) {
        size_t at = i;
        glim_question q = {.passes = budgets[at % BUDGETS]};
        at /= BUDGETS;
        q.units = units[at % UNITS];
        at /= UNITS;
        q.quality = (glim_quality)(at % QUALITIES);
        at /= QUALITIES;
        q.want = (glim_want)(at % GLIM_WANTS);
        at /= GLIM_WANTS;
        q.job = (glim_job)(at % GLIM_JOBS);
        q.access = (glim_access)(at / GLIM_JOBS);
        glim_advice a;
        glim_error err;
        assert_int_equal(glim_advise(&a, &q, &err), GLIM_OK);
        fn(&q, &a);
    }
}

static unsigned can_of(glim_access access) {
    const unsigned text =
        GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT | GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS;
    static const unsigned other[] = {[GLIM_ACCESS_IMAGE] = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT |
                                                           GLIM_CAN_ACTIVATIONS | GLIM_CAN_MAPS,
                                     [GLIM_ACCESS_FITTED] = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT,
                                     [GLIM_ACCESS_BLACK_BOX] = GLIM_CAN_PREDICT};
    return access == GLIM_ACCESS_DECODER ? text | GLIM_CAN_PROPOSE
           : access < GLIM_ACCESS_IMAGE  ? text
                                         : other[access];
}

static void check_answered(const glim_question *q, const glim_advice *a) {
    int ways = (a->n > 0) + (a->reason != NULL) + (a->least.name != NULL);
    assert_int_equal(ways, 1);
    assert_true(a->n <= GLIM_HINTS && a->units > 0);
    assert_true(a->assumed == !q->units);
    if (a->reason)
        assert_null(strstr(a->reason, "no method of this version"));
    if (a->least.name)
        assert_true(q->passes > 0 && a->least.passes > q->passes);
}

static void every_question_has_a_method_or_an_honest_reason(void **state) {
    ask_all(check_answered);
}

static void check_runs(const glim_question *q, const glim_advice *a) {
    for (size_t i = 0; i < a->n; i++) {
        const glim_hint *h = &a->at[i];
        if (q->want == GLIM_WANT_TRAINING) {
            const glim_influence_method *m = glim__influence_find(h->name);
            assert_true(m && !h->method && !strcmp(h->command, "influence"));
            bool head = m->needs & GLIM_INFLUENCE_HEAD;
            assert_true(!head || q->access == GLIM_ACCESS_FITTED || *h->flags);
        } else {
            assert_ptr_equal(glim_method_find(h->name), h->method);
            assert_int_equal(h->method->needs & ~can_of(q->access), 0);
        }
        assert_true(h->passes >= 1 && (!(q->passes > 0) || h->passes <= q->passes));
        assert_true(*h->why && h->caption && !h->planned);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(a->at[j].name, h->name);
    }
}

static void what_is_advised_exists_can_run_fits_and_comes_once(void **state) {
    ask_all(check_runs);
}

static void check_same(const glim_question *q, const glim_advice *a) {
    glim_advice again;
    assert_int_equal(glim_advise(&again, q, NULL), GLIM_OK);
    assert_int_equal(again.n, a->n);
    for (size_t i = 0; i < a->n; i++)
        assert_string_equal(again.at[i].name, a->at[i].name);
}

static void the_order_is_the_same_each_time(void **state) {
    ask_all(check_same);
}

static double before; /* passes of the first at the next smaller budget */

static void check_cheaper(const glim_question *q, const glim_advice *a) {
    if (q->passes == budgets[0])
        before = 0;
    if (a->n) {
        assert_true(a->at[0].passes >= before);
        before = a->at[0].passes;
    } else {
        assert_true(before == 0); /* nor does a larger budget take the answer away */
    }
}

static void a_smaller_budget_never_puts_a_dearer_method_first(void **state) {
    ask_all(check_cheaper);
}

static bool reached[256];

static void mark(const glim_question *q, const glim_advice *a) {
    for (const glim_rule *r = glim__advice_rules; r->method; r++)
        for (size_t i = 0; i < a->n; i++)
            if (r->why == a->at[i].why)
                reached[r - glim__advice_rules] = true;
}

static void every_rule_and_every_refusal_is_reached(void **state) {
    ask_all(mark);
    for (const glim_rule *r = glim__advice_rules; r->method; r++) {
        if (!reached[r - glim__advice_rules])
            print_message("%s: %s\n", r->method, r->why);
        assert_true(reached[r - glim__advice_rules]);
        assert_true(!r->elastic ||
                    glim_param_find(glim_method_find(r->method)->params, r->elastic));
    }
    for (const glim_refusal *r = glim__advice_refusals; r->why; r++) {
        bool told = false;
        for (int i = 0; i < GLIM_ACCESSES * GLIM_JOBS * GLIM_WANTS && !told; i++) {
            glim_question q = {.access = (glim_access)(i / GLIM_WANTS / GLIM_JOBS),
                               .job = (glim_job)(i / GLIM_WANTS % GLIM_JOBS),
                               .want = (glim_want)(i % GLIM_WANTS)};
            glim_advice a;
            assert_int_equal(glim_advise(&a, &q, NULL), GLIM_OK);
            told = a.reason == r->why;
        }
        if (!told)
            print_message("%s\n", r->why);
        assert_true(told);
    }
}

static const char *first_of(const glim_question *q) {
    static glim_advice a;
    assert_int_equal(glim_advise(&a, q, NULL), GLIM_OK);
    return a.n ? a.at[0].name : "";
}

/* By accuracy, by speed, and of a head when there is one. */
static void training_samples_are_traced_by_what_there_is(void **state) {
    glim_question q = {.want = GLIM_WANT_TRAINING, .job = GLIM_JOB_GENERATE};
    assert_string_equal(first_of(&q), "ekfac");
    q.passes = 3;
    assert_string_equal(first_of(&q), "gradient-cosine");
    q.passes = 1;
    assert_string_equal(first_of(&q), "similarity");
    q = (glim_question){.want = GLIM_WANT_TRAINING, .job = GLIM_JOB_CLASSIFY, .head = 1};
    assert_string_equal(first_of(&q), "influence-functions");
    q.head = -1;
    assert_string_equal(first_of(&q), "ekfac");
    q = (glim_question){
        .want = GLIM_WANT_TRAINING, .access = GLIM_ACCESS_FITTED, .job = GLIM_JOB_TABLE};
    assert_string_equal(first_of(&q), "influence-functions");
    q.quality = GLIM_SIMPLICITY;
    assert_string_equal(first_of(&q), "diagnostics");
}

static void what_this_version_cannot_tell_is_said(void **state) {
    glim_question q = {.want = GLIM_WANT_INSIDE, .job = GLIM_JOB_GENERATE};
    glim_advice a;
    assert_int_equal(glim_advise(&a, &q, NULL), GLIM_OK);
    assert_non_null(strstr(a.reason, "this version"));
}

static void a_question_out_of_range_is_refused(void **state) {
    glim_advice a;
    glim_error err;
    assert_int_equal(glim_advise(&a, &(glim_question){.access = (glim_access)GLIM_ACCESSES}, &err),
                     GLIM_EUSAGE);
    assert_int_equal(glim_advise(&a, &(glim_question){.quality = GLIM_PLAUSIBILITY}, &err),
                     GLIM_EUSAGE);
    assert_int_equal(glim_advise(&a, &(glim_question){.passes = -1}, &err), GLIM_EUSAGE);
}

static void few_parts_are_exact_and_many_take_the_gradient(void **state) {
    glim_advice a;
    assert_int_equal(glim_advise(&a, &(glim_question){.units = 8}, NULL), GLIM_OK);
    assert_string_equal(a.at[0].method->name, "shapley");
    assert_true(a.at[0].passes == 256);
    assert_int_equal(glim_advise(&a, &(glim_question){.units = 20}, NULL), GLIM_OK);
    assert_string_equal(a.at[0].method->name, "occlusion");
    assert_true(a.at[0].passes == 21);
    assert_int_equal(glim_advise(&a, &(glim_question){.units = 500}, NULL), GLIM_OK);
    assert_string_equal(a.at[0].method->name, "gradient");
    glim_question q = {.units = 20, .passes = 300, .quality = GLIM_SIMPLICITY};
    assert_int_equal(glim_advise(&a, &q, NULL), GLIM_OK);
    assert_string_equal(a.at[0].flags, "--num-features 6 --num-samples 300");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question_has_a_method_or_an_honest_reason),
        cmocka_unit_test(what_is_advised_exists_can_run_fits_and_comes_once),
        cmocka_unit_test(the_order_is_the_same_each_time),
        cmocka_unit_test(a_smaller_budget_never_puts_a_dearer_method_first),
        cmocka_unit_test(every_rule_and_every_refusal_is_reached),
        cmocka_unit_test(training_samples_are_traced_by_what_there_is),
        cmocka_unit_test(what_this_version_cannot_tell_is_said),
        cmocka_unit_test(a_question_out_of_range_is_refused),
        cmocka_unit_test(few_parts_are_exact_and_many_take_the_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
