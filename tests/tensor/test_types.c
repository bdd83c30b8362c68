/* SPDX-License-Identifier: Apache-2.0 */
/* The table of types against the gguf package's, and where a matrix row lies. */
#include "tensor-testing.h"

static void types_agree_with_the_reference_package(void **state) {
    FILE *file = fopen(GLIM_TESTS "/golden/blocks/types.txt", "r");
    unsigned id, len, bytes;
    char name[32];
    int seen = 0;
    assert_non_null(file);
    while (fscanf(file, "%u %31s %u %u", &id, name, &len, &bytes) == 4) {
        const glim_type_info *info = glim__type_info(id);
        assert_non_null(info);
        assert_string_equal(info->name, name);
        assert_int_equal(info->block_len, len);
        /* The package counts Q8_1 with two floats; ggml-common.h has two halves. */
        assert_int_equal(info->block_bytes, strcmp(name, "Q8_1") ? bytes : 36);
        seen++;
    }
    fclose(file);
    assert_true(seen >= 30);
}

static void removed_and_unknown_types_have_no_row(void **state) {
    static const uint32_t gone[] = {4,    5,         31, 32, 33, 36, 37, 38, GLIM_TYPE_COUNT,
                                    1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_null(glim__type_info(gone[i]));
}

static void every_set_has_every_type_that_computes(void **state) {
    FOR_EACH_SET(k) {
        FOR_EACH_TYPE(id, info) {
            assert_non_null(k->dequantise[id]);
            assert_non_null(k->dot[id]);
        }
    }
}

/* Conversion lays row s*D/2 + i of a head at 2i + s. */
static void paired_rows_undo_the_permutation_of_conversion(void **state) {
    enum { D = 6, HEADS = 3, FIRST = 5 };
    glim_matrix m = {.rows = D * HEADS, .pair_rows = D, .first_row = FIRST};
    bool seen[D * HEADS] = {0};
    for (int h = 0; h < HEADS; h++)
        for (int s = 0; s < 2; s++)
            for (int i = 0; i < D / 2; i++) {
                int64_t at = glim__matrix_row(&m, h * D + s * (D / 2) + i);
                assert_int_equal(at, FIRST + h * D + 2 * i + s);
                assert_false(seen[at - FIRST]);
                seen[at - FIRST] = true;
            }
    m.pair_rows = 0;
    for (int r = 0; r < D * HEADS; r++)
        assert_int_equal(glim__matrix_row(&m, r), FIRST + r);
}

static void contexts_take_each_set_by_name_and_refuse_others(void **state) {
    glim_context *ctx;
    glim_error err;
    FOR_EACH_SET(k) {
        assert_ptr_equal(glim__kernels_find(k->name), k);
        ctx = make_context(k, 1);
        assert_string_equal(glim_context_kernels(ctx), k->name);
        glim_context_free(ctx);
    }
    assert_ptr_equal(glim__kernels_find(NULL), glim__kernels_at(0));
    assert_non_null(glim__kernels_find("ref"));
    assert_null(glim__kernels_find("mmx"));
    glim_context_options options = {.kernels = "mmx"};
    assert_int_equal(glim_context_new(&ctx, &options, &err), GLIM_EUSAGE);
    assert_null(ctx);
    assert_non_null(strstr(err.message, "'mmx'"));
    assert_int_equal(glim_context_new(&ctx, NULL, &err), GLIM_OK);
    assert_ptr_equal(glim__kernels(ctx), glim__kernels_at(0));
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_agree_with_the_reference_package),
        cmocka_unit_test(removed_and_unknown_types_have_no_row),
        cmocka_unit_test(every_set_has_every_type_that_computes),
        cmocka_unit_test(paired_rows_undo_the_permutation_of_conversion),
        cmocka_unit_test(contexts_take_each_set_by_name_and_refuse_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
