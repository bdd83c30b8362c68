/* SPDX-License-Identifier: Apache-2.0 */
#include "base-testing.h"

#include "team-testing.h"

static glim_context *context_of(const glim_team *team) {
    glim_context *ctx = make_context(1, 0);
    glim__context_set_team(ctx, team);
    return ctx;
}

static void a_context_is_a_team_of_one(void **state) {
    glim_context *ctx = make_context(1, 0);
    uint64_t least = 7;
    size_t total = 5;
    assert_int_equal(glim__team(ctx)->size, 1);
    assert_true(glim__team_first(ctx));
    assert_int_equal(glim__team_broadcast(ctx, 0, &least, sizeof least, NULL), GLIM_OK);
    assert_int_equal(glim__team_least(ctx, &least, NULL), GLIM_OK);
    assert_int_equal(glim__team_total(ctx, &total, NULL), GLIM_OK);
    assert_int_equal(glim__team_same(ctx, "other", "x", 2, NULL), GLIM_OK);
    assert_true(least == 7 && total == 5);
    end_context(ctx);
}

static bool say_all(const glim_team *t, void *data) {
    enum { MANY = 300000 }; /* more than a socket holds */
    static char bytes[MANY];
    glim_context *ctx = context_of(t);
    bool good = true;
    for (int from = 0; from < t->size && good; from++) {
        memset(bytes, t->rank == from ? 'a' + from : 0, MANY);
        good = !glim__team_broadcast(ctx, from, bytes, MANY, NULL);
        for (size_t i = 0; i < MANY && good; i++)
            good = bytes[i] == 'a' + from;
    }
    end_context(ctx);
    return good;
}

static void everyone_hears_everyone(void **state) {
    for (int size = 1; size <= TEAM_MOST; size++)
        assert_true(team_run(size, say_all, NULL));
}

static bool count(const glim_team *t, void *data) {
    glim_context *ctx = context_of(t);
    uint64_t least = t->rank == t->size / 2 ? 3 : UINT64_MAX;
    size_t total = (size_t)t->rank + 1, all = (size_t)(t->size * (t->size + 1) / 2);
    bool good = !glim__team_least(ctx, &least, NULL) && least == 3;
    good = good && !glim__team_total(ctx, &total, NULL) && (t->rank || total == all);
    end_context(ctx);
    return good;
}

static void numbers_of_all_become_one(void **state) {
    for (int size = 1; size <= TEAM_MOST; size++)
        assert_true(team_run(size, count, NULL));
}

static bool differ(const glim_team *t, void *data) {
    char own[600] = {0};
    glim_context *ctx = context_of(t);
    glim_error err = {0};
    own[599] = t->rank == t->size - 1 ? 'x' : 'y'; /* who has no others below */
    glim_status status = glim__team_same(ctx, "another file", own, sizeof own, &err);
    end_context(ctx);
    return t->rank == t->size - 1 ? status == GLIM_EUSAGE && !strcmp(err.message, "another file")
                                  : !status;
}

static void who_has_something_else_says_so(void **state) {
    for (int size = 2; size <= TEAM_MOST; size++)
        assert_true(team_run(size, differ, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_is_a_team_of_one),
        cmocka_unit_test(everyone_hears_everyone),
        cmocka_unit_test(numbers_of_all_become_one),
        cmocka_unit_test(who_has_something_else_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
