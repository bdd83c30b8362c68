/* SPDX-License-Identifier: Apache-2.0 */
/* Products of packed rows with a few vectors, for decoding. */
#include "tensor-testing.h"

enum { LDX = 1600 };

static void check_dots(const glim_kernels *k, glim_type type, const packed *p, const float *x) {
    size_t n = (size_t)p->m.cols;
    float first[4], out[5];
    for (int count = 4; count >= 1; count--) {
        out[count] = 42;
        k->dot[type](p->data, x, LDX, count, n, out);
        assert_true(out[count] == 42);
        if (count == 4)
            memcpy(first, out, sizeof first);
        assert_same_bits(out, first, (size_t)count, "a dot product with fewer vectors");
    }
    for (int v = 0; v < 4; v++) {
        double sum = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)p->floats[i] * x[v * LDX + (int)i];
            size += fabs((double)p->floats[i] * x[v * LDX + (int)i]);
        }
        char what[64];
        snprintf(what, sizeof what, "%s in set %s over %zu", glim__type_info(type)->name, k->name,
                 n);
        assert_near(first[v], sum, size, what);
    }
}

static void dots_of_every_type_equal_sums_in_double(void **state) {
    float *x = random_floats(4 * LDX, 6);
    FOR_EACH_TYPE(id, info) {
        for (int64_t blocks = 1; blocks * info->block_len <= 1536; blocks += blocks < 20 ? 1 : 7) {
            packed p = make_packed(id, 1, blocks * info->block_len, 0, 0);
            FOR_EACH_SET(k) {
                check_dots(k, id, &p, x);
            }
            free_packed(&p);
        }
    }
    free(x);
}

/* One nonzero element at a time: every weight meets its own element of x. */
static void each_weight_meets_its_own_element(void **state) {
    enum { N = 512 };
    FOR_EACH_TYPE(id, info) {
        packed p = make_packed(id, 1, N, 0, 0);
        FOR_EACH_SET(k) {
            float x[N] = {0}, out;
            for (int i = 0; i < N; i++) {
                x[i] = 1;
                k->dot[id](p.data, x, N, 1, N, &out);
                /* a minimum may be added apart from the scaled part */
                if (!(fabs((double)out - p.floats[i]) <= 1e-5))
                    fail_msg("%s in set %s: weight %d is %.9g, met %.9g", info->name, k->name, i,
                             p.floats[i], out);
                x[i] = 0;
            }
        }
        free_packed(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dots_of_every_type_equal_sums_in_double),
        cmocka_unit_test(each_weight_meets_its_own_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
