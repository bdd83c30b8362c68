/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of all lengths, growth, replacement, refused memory. */
#include "base-testing.h"

#include "base/map.h"

#include <stdio.h>

enum { KEYS = 5000 };

static char keys[KEYS][16];

static void make_keys(void) {
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
}

static void keys_are_found_again_and_others_are_not(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_map map;
    glim__map_init(&map, ctx);
    make_keys();
    assert_int_equal(glim__map_get(&map, "x", 1), -1);
    for (int i = 0; i < KEYS; i++) {
        int32_t old = 99;
        assert_true(glim__map_set(&map, keys[i], strlen(keys[i]), i, &old));
        assert_int_equal(old, -1);
    }
    assert_int_equal(map.count, KEYS);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(glim__map_get(&map, keys[i], strlen(keys[i])), i);
    assert_int_equal(glim__map_get(&map, "key-", 4), -1);
    assert_int_equal(glim__map_get(&map, "key-5000", 8), -1);
    glim__map_release(&map);
    end_context(ctx);
}

static void setting_again_replaces_and_tells_the_old_value(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_map map;
    int32_t old;
    glim__map_init(&map, ctx);
    assert_true(glim__map_set(&map, "same", 4, 1, NULL));
    assert_true(glim__map_set(&map, "same", 4, 2, &old));
    assert_int_equal(old, 1);
    assert_int_equal(map.count, 1);
    assert_int_equal(glim__map_get(&map, "same", 4), 2);
    glim__map_release(&map);
    end_context(ctx);
}

static void keys_may_hold_zeros_or_be_empty(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_map map;
    glim__map_init(&map, ctx);
    static const char zeros[16] = {0};
    for (int n = 0; n <= 16; n++)
        assert_true(glim__map_set(&map, n ? zeros : NULL, (size_t)n, n, NULL));
    for (int n = 0; n <= 16; n++)
        assert_int_equal(glim__map_get(&map, n ? zeros : NULL, (size_t)n), n);
    glim__map_release(&map);
    end_context(ctx);
}

static void a_reserved_map_does_not_allocate(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_map map;
    glim__map_init(&map, ctx);
    make_keys();
    assert_true(glim__map_reserve(&map, KEYS));
    glim__fail_allocation(ctx, 1);
    for (int i = 0; i < KEYS; i++)
        assert_true(glim__map_set(&map, keys[i], strlen(keys[i]), i, NULL));
    assert_int_equal(glim__fail_allocation(ctx, 0), 0);
    glim__map_release(&map);
    end_context(ctx);
}

static void refused_growth_leaves_the_map_whole(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_map map;
    glim__map_init(&map, ctx);
    make_keys();
    glim__fail_allocation(ctx, 3);
    int n = 0;
    while (glim__map_set(&map, keys[n], strlen(keys[n]), n, NULL))
        n++;
    assert_true(n > 10 && n < KEYS);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(glim__map_get(&map, keys[i], strlen(keys[i])), i < n ? i : -1);
    glim__fail_allocation(ctx, 0);
    assert_false(glim__map_reserve(&map, SIZE_MAX));
    glim__map_release(&map);
    end_context(ctx);
}

/* A pure function of the bytes with all 64 bits in use. */
static void hash_spreads_over_its_low_bits(void **state) {
    int buckets[64] = {0};
    make_keys();
    for (int i = 0; i < KEYS; i++)
        buckets[glim__hash(keys[i], strlen(keys[i])) % 64]++;
    for (int b = 0; b < 64; b++)
        assert_in_range(buckets[b], KEYS / 64 / 2, KEYS / 64 * 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_again_and_others_are_not),
        cmocka_unit_test(setting_again_replaces_and_tells_the_old_value),
        cmocka_unit_test(keys_may_hold_zeros_or_be_empty),
        cmocka_unit_test(a_reserved_map_does_not_allocate),
        cmocka_unit_test(refused_growth_leaves_the_map_whole),
        cmocka_unit_test(hash_spreads_over_its_low_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
