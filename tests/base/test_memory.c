/* SPDX-License-Identifier: Apache-2.0 */
/* Accounting, alignment, budget, failing allocations; arenas on top of them. */
#include "base-testing.h"

#include "base/arena.h"

#include <stdlib.h>

static bool aligned(const void *p) {
    return p && (uintptr_t)p % 64 == 0;
}

static void allocations_are_aligned_and_unique(void **state) {
    glim_context *ctx = make_context(1, 0);
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 5 << 20};
    void *p[7];
    for (size_t i = 0; i < 7; i++) {
        p[i] = glim__alloc(ctx, sizes[i]);
        assert_true(aligned(p[i]));
        memset(p[i], 0xAB, sizes[i]);
        for (size_t k = 0; k < i; k++)
            assert_ptr_not_equal(p[k], p[i]);
    }
    for (size_t i = 0; i < 7; i++)
        glim__free(ctx, p[i]);
    glim__free(ctx, NULL);
    end_context(ctx);
}

static void bytes_count_blocks_with_their_header(void **state) {
    glim_context *ctx = make_context(1, 0);
    void *a = glim__alloc(ctx, 100), *b = glim__alloc(ctx, 64);
    assert_int_equal(glim_context_bytes(ctx), 128 + 64 + 64 + 64);
    glim__free(ctx, a);
    assert_int_equal(glim_context_bytes(ctx), 128);
    assert_int_equal(glim_context_peak(ctx), 320);
    glim_context_reset_peak(ctx);
    assert_int_equal(glim_context_peak(ctx), 128);
    glim__free(ctx, b);
    assert_int_equal(glim_context_peak(ctx), 128);
    end_context(ctx);
}

static void calloc_is_zero_and_refuses_overflow(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    unsigned char *p = glim__calloc(ctx, 10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    glim__free(ctx, p);
    assert_null(glim__calloc(ctx, SIZE_MAX / 2, 3));
    assert_null(glim__alloc(ctx, SIZE_MAX));
    assert_int_equal(glim__oom(ctx, &err, "a thing", 5), GLIM_ENOMEM);
    end_context(ctx);
}

static void realloc_keeps_contents_and_the_old_block_on_failure(void **state) {
    glim_context *ctx = make_context(1, 4096);
    char *p = glim__realloc(ctx, NULL, 10);
    strcpy(p, "contents");
    p = glim__realloc(ctx, p, 1000);
    assert_true(aligned(p));
    assert_string_equal(p, "contents");
    assert_null(glim__realloc(ctx, p, 1 << 20));
    assert_string_equal(p, "contents");
    p = glim__realloc(ctx, p, 9);
    assert_string_equal(p, "contents");
    assert_int_equal(glim_context_bytes(ctx), 128);
    glim__free(ctx, p);
    end_context(ctx);
}

static void strings_are_copied(void **state) {
    glim_context *ctx = make_context(1, 0);
    char *a = glim__strdup(ctx, "whole"), *b = glim__strndup(ctx, "whole", 3);
    assert_string_equal(a, "whole");
    assert_string_equal(b, "who");
    glim__free(ctx, a);
    glim__free(ctx, b);
    end_context(ctx);
}

static void budget_refuses_what_passes_it_and_says_so(void **state) {
    glim_context *ctx = make_context(1, 1 << 20);
    glim_error err;
    assert_int_equal(glim__budget_left(ctx), 1 << 20);
    void *p = glim__alloc(ctx, (1 << 20) - 64);
    assert_non_null(p);
    assert_int_equal(glim__budget_left(ctx), 0);
    assert_null(glim__alloc(ctx, 1));
    assert_int_equal(glim__oom(ctx, &err, "the model", 3 << 20), GLIM_EBUDGET);
    assert_string_equal(err.message, "the model needs 3.0 MiB; of the memory budget of 1.0 MiB, "
                                     "0 bytes are left (raise --memory)");
    glim__free(ctx, p);
    assert_null(glim__alloc(ctx, (1 << 20) - 63));
    end_context(ctx);
}

static void reserved_bytes_count_like_allocated_ones(void **state) {
    glim_context *ctx = make_context(1, 1000);
    assert_true(glim__reserve(ctx, 900));
    assert_false(glim__reserve(ctx, 101));
    assert_false(glim__reserve(ctx, UINT64_MAX));
    assert_null(glim__alloc(ctx, 64));
    assert_int_equal(glim_context_bytes(ctx), 900);
    glim__unreserve(ctx, 900);
    assert_int_equal(glim_context_peak(ctx), 900);
    assert_int_equal(glim_context_budget(ctx), 1000);
    end_context(ctx);
}

static void without_a_budget_all_is_left(void **state) {
    glim_context *ctx = make_context(1, 0);
    assert_true(glim__budget_left(ctx) == UINT64_MAX);
    assert_true(glim__reserve(ctx, UINT64_MAX - 10));
    assert_false(glim__reserve(ctx, 11));
    glim__unreserve(ctx, UINT64_MAX - 10);
    end_context(ctx);
}

static void the_nth_allocation_fails_and_all_after_it(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim__fail_allocation(ctx, 3);
    void *a = glim__alloc(ctx, 1), *b = glim__alloc(ctx, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(glim__alloc(ctx, 1));
    assert_null(glim__calloc(ctx, 1, 1));
    assert_int_equal(glim__oom(ctx, &err, "x", 1), GLIM_ENOMEM);
    assert_int_equal(glim__fail_allocation(ctx, 0), 4);
    void *c = glim__alloc(ctx, 1);
    assert_non_null(c);
    assert_int_equal(glim__fail_allocation(ctx, 0), 1);
    glim__free(ctx, a);
    glim__free(ctx, b);
    glim__free(ctx, c);
    end_context(ctx);
}

static void sizes_are_written_for_people(void **state) {
    char text[24];
    assert_string_equal(glim__size_text(0, text), "0 bytes");
    assert_string_equal(glim__size_text(1023, text), "1023 bytes");
    assert_string_equal(glim__size_text(1024, text), "1.0 KiB");
    assert_string_equal(glim__size_text(1536u << 20, text), "1.5 GiB");
    assert_string_equal(glim__size_text((1 << 20) - 1, text), "1.0 MiB");
    assert_string_equal(glim__size_text(UINT64_MAX, text), "16.0 EiB");
}

static void arena_hands_out_aligned_room_and_packs_strings(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_arena arena;
    glim__arena_init(&arena, ctx, 1024);
    char *a = glim__arena_strdup(&arena, "one"), *b = glim__arena_strndup(&arena, "twofold", 3);
    assert_string_equal(a, "one");
    assert_string_equal(b, "two");
    assert_ptr_equal(b, a + 4);
    for (size_t n = 0; n < 3000; n = 2 * n + 1) {
        char *p = glim__arena_calloc(&arena, 1, n);
        assert_true(aligned(p));
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 1, n);
    }
    assert_string_equal(a, "one");
    assert_null(glim__arena_calloc(&arena, SIZE_MAX / 2, 4));
    assert_null(glim__arena_alloc(&arena, SIZE_MAX));
    glim__arena_release(&arena);
    end_context(ctx);
}

static void a_large_request_does_not_waste_the_current_block(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_arena arena;
    glim__arena_init(&arena, ctx, 1024);
    char *a = glim__arena_alloc(&arena, 64);
    assert_non_null(glim__arena_alloc(&arena, 5000));
    assert_ptr_equal(glim__arena_alloc(&arena, 64), a + 64);
    glim__arena_release(&arena);
    end_context(ctx);
}

static void arena_reset_keeps_the_largest_block_alone(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_arena arena;
    glim__arena_init(&arena, ctx, 1024);
    for (int i = 0; i < 10; i++)
        glim__arena_alloc(&arena, 200);
    glim__arena_alloc(&arena, 8192);
    glim__arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    uint64_t kept = glim_context_bytes(ctx);
    assert_true(kept >= 8192 && kept < 8192 + 256);
    glim__fail_allocation(ctx, 1);
    assert_non_null(glim__arena_alloc(&arena, 8000));
    assert_null(glim__arena_alloc(&arena, 8000));
    glim__fail_allocation(ctx, 0);
    glim__arena_release(&arena);
    glim__arena_reset(&arena);
    end_context(ctx);
}

static void scratch_grows_for_every_worker_and_survives_refusal(void **state) {
    glim_context *ctx = make_context(3, 1 << 20);
    glim_error err;
    assert_int_equal(glim__scratch_reserve(ctx, 1000, &err), GLIM_OK);
    for (int w = 0; w < 3; w++) {
        assert_true(aligned(glim__scratch(ctx, w)));
        memset(glim__scratch(ctx, w), w, 1000);
    }
    uint64_t used = glim_context_bytes(ctx);
    assert_int_equal(glim__scratch_reserve(ctx, 10, &err), GLIM_OK);
    assert_int_equal(glim_context_bytes(ctx), used);
    assert_int_equal(glim__scratch_reserve(ctx, 1 << 20, &err), GLIM_EBUDGET);
    assert_int_equal(glim_context_bytes(ctx), used);
    for (uint64_t n = 1; n <= 4; n++) {
        glim__fail_allocation(ctx, n);
        assert_int_equal(glim__scratch_reserve(ctx, 2000, &err), GLIM_ENOMEM);
        assert_int_equal(((char *)glim__scratch(ctx, 2))[999], 2);
    }
    glim__fail_allocation(ctx, 0);
    assert_int_equal(glim__scratch_reserve(ctx, 2000, &err), GLIM_OK);
    glim_context_free(ctx);
}

static void spare_buffers_are_used_again_and_never_shared(void **state) {
    glim_context *ctx = make_context(1, 0);
    void *a = glim__spare_take(ctx, 1000), *b = glim__spare_take(ctx, 1000);
    assert_true(aligned(a) && aligned(b) && a != b);
    glim__spare_give(ctx, a);
    glim__spare_give(ctx, NULL);
    assert_ptr_equal(glim__spare_take(ctx, 900), a);
    void *more[6];
    for (int i = 0; i < 6; i++) {
        more[i] = glim__spare_take(ctx, 900);
        assert_true(more[i] != a && more[i] != b);
        memset(more[i], i, 900);
    }
    for (int i = 0; i < 6; i++)
        glim__spare_give(ctx, more[i]);
    void *larger = glim__spare_take(ctx, 5000);
    for (int i = 0; i < 6; i++)
        assert_ptr_not_equal(larger, more[i]);
    memset(larger, 1, 5000);
    glim__spare_give(ctx, larger);
    glim__spare_give(ctx, a);
    glim__spare_give(ctx, b);
    assert_true(glim_context_bytes(ctx) > 0);
    glim__spare_trim(ctx);
    end_context(ctx);
}

static void idle_spare_buffers_give_way_before_a_refusal(void **state) {
    glim_context *ctx = make_context(1, 1 << 20);
    void *spare = glim__spare_take(ctx, 600 << 10);
    assert_null(glim__alloc(ctx, 600 << 10));
    glim__spare_give(ctx, spare);
    void *p = glim__alloc(ctx, 600 << 10);
    assert_non_null(p);
    assert_null(glim__spare_take(ctx, 600 << 10));
    glim__free(ctx, p);
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_unique),
        cmocka_unit_test(bytes_count_blocks_with_their_header),
        cmocka_unit_test(calloc_is_zero_and_refuses_overflow),
        cmocka_unit_test(realloc_keeps_contents_and_the_old_block_on_failure),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(budget_refuses_what_passes_it_and_says_so),
        cmocka_unit_test(reserved_bytes_count_like_allocated_ones),
        cmocka_unit_test(without_a_budget_all_is_left),
        cmocka_unit_test(the_nth_allocation_fails_and_all_after_it),
        cmocka_unit_test(sizes_are_written_for_people),
        cmocka_unit_test(arena_hands_out_aligned_room_and_packs_strings),
        cmocka_unit_test(a_large_request_does_not_waste_the_current_block),
        cmocka_unit_test(arena_reset_keeps_the_largest_block_alone),
        cmocka_unit_test(spare_buffers_are_used_again_and_never_shared),
        cmocka_unit_test(idle_spare_buffers_give_way_before_a_refusal),
        cmocka_unit_test(scratch_grows_for_every_worker_and_survives_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
