/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacked blocks of every type, in every set, against what the gguf package
   made of the same bytes: equal bit for bit. */
#include "tensor-testing.h"

typedef struct record {
    uint32_t n;
    char *data, *blocks;
    float *floats;
} record;

static record read_record(const char *type, const glim_type_info *info) {
    char path[512];
    record r;
    snprintf(path, sizeof path, "%s/golden/blocks/%s.bin", GLIM_TESTS, type);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(&r.n, 4, 1, file), 1);
    assert_true(r.n >= 1000 && r.n < 10000);
    size_t bytes = r.n / info->block_len * info->block_bytes;
    r.data = malloc(bytes);
    r.floats = malloc(r.n * sizeof *r.floats);
    assert_int_equal(fread(r.data, 1, bytes, file), bytes);
    assert_int_equal(fread(r.floats, sizeof *r.floats, r.n, file), r.n);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    r.blocks = r.data;
    return r;
}

static void free_record(record *r) {
    free(r->data);
    free(r->floats);
}

static void unpacked_blocks_equal_the_reference_package(void **state) {
    FOR_EACH_TYPE(id, info) {
        record r = read_record(info->name, info);
        FOR_EACH_SET(k) {
            char what[64];
            float *out = malloc(r.n * sizeof *out);
            snprintf(what, sizeof what, "%s in set %s", info->name, k->name);
            k->dequantise[id](r.blocks, out, r.n);
            assert_same_bits(out, r.floats, r.n, what);
            free(out);
        }
        free_record(&r);
    }
}

/* A run of any number of blocks, at any address, writes its floats and no more. */
static void runs_of_any_length_write_only_their_floats(void **state) {
    FOR_EACH_TYPE(id, info) {
        record r = read_record(info->name, info);
        FOR_EACH_SET(k) {
            size_t len = info->block_len;
            for (size_t blocks = 0; blocks * len <= 768 && blocks < 40; blocks++)
                for (size_t from = 0; from < 3; from++) {
                    size_t n = blocks * len;
                    float *out = malloc((n + 1) * sizeof *out);
                    char *copy = malloc(n / len * info->block_bytes + 1);
                    memcpy(copy, r.blocks + from * info->block_bytes, n / len * info->block_bytes);
                    out[n] = 42;
                    k->dequantise[id](copy, out, n);
                    assert_same_bits(out, r.floats + from * len, n, info->name);
                    assert_true(out[n] == 42);
                    free(copy);
                    free(out);
                }
        }
        free_record(&r);
    }
}

/* Every half, against its definition: sign, five bits of exponent, ten of fraction. */
static void halves_convert_by_their_definition(void **state) {
    for (uint32_t h = 0; h < 65536; h++) {
        int exponent = h >> 10 & 31, fraction = h & 1023;
        double value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        float f = glim__half_to_float((uint16_t)h);
        if (exponent == 31 && fraction)
            assert_true(isnan(f));
        else
            assert_true((double)f ==
                        copysign(exponent == 31 ? INFINITY : value, h >> 15 ? -1.0 : 1.0));
        assert_int_equal(!!signbit(f), h >> 15);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacked_blocks_equal_the_reference_package),
        cmocka_unit_test(runs_of_any_length_write_only_their_floats),
        cmocka_unit_test(halves_convert_by_their_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
