/* SPDX-License-Identifier: Apache-2.0 */
/* Products with packed matrices of every type, forward, backward and decoding,
   against loops in double; their bits; failing allocations. */
#include "tensor-testing.h"

static const int64_t row_counts[] = {1, 2, 3, 5, 16, 17, 31, 33, 64, 100};

/* Types with blocks of one element take any width: an odd one. */
static int64_t width_for(const glim_type_info *info) {
    return info->block_len == 1 ? 77 : info->block_len == 32 ? 160 : 512;
}

static void check_forward(const packed *p, const float *x, size_t ldx, const float *bias,
                          const float *y, size_t ldy, int64_t T, const char *what) {
    int64_t K = p->m.cols;
    for (int64_t t = 0; t < T; t++)
        for (int64_t r = 0; r < p->m.rows; r++) {
            double sum = bias ? bias[r] : 0, size = fabs(sum);
            for (int64_t k = 0; k < K; k++) {
                double term = (double)p->floats[r * K + k] * x[t * (int64_t)ldx + k];
                sum += term;
                size += fabs(term);
            }
            assert_near(y[t * (int64_t)ldy + r], sum, size, what);
        }
}

static void check_backward(const packed *p, const float *dy, size_t lddy, const float *before,
                           const float *dx, size_t lddx, int64_t T, const char *what) {
    int64_t K = p->m.cols;
    double *sum = malloc((size_t)K * sizeof *sum), *size = malloc((size_t)K * sizeof *size);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t k = 0; k < K; k++)
            size[k] = fabs(sum[k] = before[t * (int64_t)lddx + k]);
        for (int64_t r = 0; r < p->m.rows; r++)
            for (int64_t k = 0; k < K; k++) {
                double term = (double)p->floats[r * K + k] * dy[t * (int64_t)lddy + r];
                sum[k] += term;
                size[k] += fabs(term);
            }
        for (int64_t k = 0; k < K; k++)
            assert_near(dx[t * (int64_t)lddx + k], sum[k], size[k], what);
    }
    free(sum);
    free(size);
}

/* All three products with one matrix and T rows; what lies between the rows of
   a result stays as it was. */
static void check_products(glim_context *ctx, const packed *p, int64_t T, bool with_bias) {
    size_t R = (size_t)p->m.rows, K = (size_t)p->m.cols, ldx = K + 5, ldy = R + 3, n = (size_t)T;
    float *x = random_floats(n * ldx, 11), *dx = random_floats(n * ldx, 12);
    float *before = random_floats(n * ldx, 12), *bias = random_floats(R, 13);
    float *y = random_floats(n * ldy, 14), *gap = random_floats(n * ldy, 14);
    glim_error err;
    char what[96];
    snprintf(what, sizeof what, "%s (%d, %d), %d rows, set %s", glim__type_info(p->m.type)->name,
             (int)R, (int)K, (int)T, glim_context_kernels(ctx));
    const float *b = with_bias ? bias : NULL;
    assert_int_equal(glim__linear(ctx, y, ldy, x, ldx, T, &p->m, b, &err), GLIM_OK);
    check_forward(p, x, ldx, b, y, ldy, T, what);
    assert_int_equal(glim__linear_decode(ctx, y, ldy, x, ldx, T, &p->m, b, &err), GLIM_OK);
    check_forward(p, x, ldx, b, y, ldy, T, what);
    assert_int_equal(glim__linear_backward(ctx, dx, ldx, y, ldy, T, &p->m, &err), GLIM_OK);
    check_backward(p, y, ldy, before, dx, ldx, T, what);
    for (size_t t = 0; t < n; t++) {
        assert_same_bits(y + t * ldy + R, gap + t * ldy + R, 3, what);
        assert_same_bits(dx + t * ldx + K, before + t * ldx + K, 5, what);
    }
    float *all[] = {x, dx, before, bias, y, gap};
    for (size_t i = 0; i < 6; i++)
        free(all[i]);
}

static void products_of_every_type_equal_sums_in_double(void **state) {
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        FOR_EACH_TYPE(id, info) {
            packed p = make_packed(id, 61, width_for(info), 0, 0);
            check_products(ctx, &p, 1, false);
            check_products(ctx, &p, 7, true);
            check_products(ctx, &p, 37, false);
            free_packed(&p);
        }
        glim_context_free(ctx);
    }
}

static void any_number_of_rows_is_right(void **state) {
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        packed p = make_packed(GLIM_TYPE_Q4_1, 50, 96, 0, 0);
        for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++)
            check_products(ctx, &p, row_counts[i], i % 2);
        free_packed(&p);
        glim_context_free(ctx);
    }
}

/* More rows of W than are unpacked at a time, more columns than one chain has. */
static void large_matrices_are_right(void **state) {
    static const int64_t shapes[][2] = {{1000, 32}, {13, 1600}, {385, 544}, {1, 32}, {49, 1056}};
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 3);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            packed p = make_packed(GLIM_TYPE_Q8_0, shapes[i][0], shapes[i][1], 0, 0);
            check_products(ctx, &p, 5, true);
            free_packed(&p);
        }
        packed p = make_packed(GLIM_TYPE_F32, 53, 1, 0, 0);
        check_products(ctx, &p, 3, false);
        free_packed(&p);
        glim_context_free(ctx);
    }
}

static void paired_and_partial_matrices_are_right(void **state) {
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        packed p = make_packed(GLIM_TYPE_Q5_0, 64, 64, 16, 0);
        packed q = make_packed(GLIM_TYPE_Q4_K, 40, 256, 8, 24);
        packed r = make_packed(GLIM_TYPE_F16, 30, 33, 0, 17);
        float row[256];
        check_products(ctx, &p, 18, true);
        check_products(ctx, &q, 18, false);
        check_products(ctx, &r, 18, true);
        for (int64_t i = 0; i < q.m.rows; i++) {
            glim__matrix_read_row(ctx, &q.m, i, row);
            assert_same_bits(row, q.floats + i * 256, 256, "a row that is read");
        }
        free_packed(&p);
        free_packed(&q);
        free_packed(&r);
        glim_context_free(ctx);
    }
}

/* The same numbers stored by columns, and as every third group of five rows. */
static void turned_and_grouped_matrices_are_right(void **state) {
    enum { R = 70, K = 33, GROUP = 5 };
    static const glim_type types[] = {GLIM_TYPE_F32, GLIM_TYPE_F16, GLIM_TYPE_BF16};
    for (size_t i = 0; i < 3; i++) {
        packed p = make_packed(types[i], R, K, 0, 0), turned = p, grouped = p;
        size_t element = glim__type_info(types[i])->block_bytes, row = K * element;
        char *columns = malloc((R + 3) * row), *groups = malloc(3 * R * row);
        memset(groups, 0, 3 * R * row);
        for (size_t r = 0; r < R; r++) {
            const char *from = (const char *)p.data + r * row;
            for (size_t c = 0; c < K; c++) /* three columns before, which belong to others */
                memcpy(columns + (c * (R + 3) + 3 + r) * element, from + c * element, element);
            memcpy(groups + (r / GROUP * 3 * GROUP + GROUP + r % GROUP) * row, from, row);
        }
        turned.m = (glim_matrix){.data = columns,
                                 .type = types[i],
                                 .rows = R,
                                 .cols = K,
                                 .row_bytes = (R + 3) * element,
                                 .first_row = 3,
                                 .turned = true};
        grouped.m.data = groups;
        grouped.m.first_row = GROUP;
        grouped.m.group = GROUP;
        grouped.m.group_stride = 3 * GROUP;
        FOR_EACH_SET(k) {
            glim_context *ctx = make_context(k, 2);
            check_products(ctx, &turned, 18, true);
            check_products(ctx, &grouped, 18, true);
            glim_context_free(ctx);
        }
        free(columns);
        free(groups);
        free_packed(&p);
    }
}

/* <W x, y> = <x, W^T y>. */
static void backward_is_the_adjoint_of_forward(void **state) {
    enum { T = 19, R = 75, K = 512 };
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        FOR_EACH_TYPE(id, info) {
            packed p = make_packed(id, R, K, 0, 0);
            float *x = random_floats(T * K, 15), *y = random_floats(T * R, 16);
            float *wx = random_floats(T * R, 17), *wty = random_floats(T * K, 18);
            double left = 0, right = 0, size = 0;
            memset(wty, 0, T * K * sizeof *wty);
            assert_int_equal(glim__linear(ctx, wx, R, x, K, T, &p.m, NULL, NULL), GLIM_OK);
            assert_int_equal(glim__linear_backward(ctx, wty, K, y, R, T, &p.m, NULL), GLIM_OK);
            for (int i = 0; i < T * R; i++)
                left += (double)wx[i] * y[i], size += fabs((double)wx[i] * y[i]);
            for (int i = 0; i < T * K; i++)
                right += (double)x[i] * wty[i];
            assert_near(left, right, size, info->name);
            float *all[] = {x, y, wx, wty};
            for (size_t i = 0; i < 4; i++)
                free(all[i]);
            free_packed(&p);
        }
        glim_context_free(ctx);
    }
}

enum { BITS_T = 37, BITS_R = 401, BITS_K = 1056 };

/* The results of T rows from `first` on: Y, then dX. */
static float *run_rows(const glim_kernels *k, int threads, const packed *p, const float *x,
                       const float *dy, int first, int T) {
    glim_context *ctx = make_context(k, threads);
    float *out = random_floats((size_t)T * (BITS_R + BITS_K), 19), *dx = out + T * BITS_R;
    for (int i = 0; i < T * BITS_K; i++)
        dx[i] = 0.5f;
    assert_int_equal(
        glim__linear(ctx, out, BITS_R, x + first * BITS_K, BITS_K, T, &p->m, NULL, NULL), GLIM_OK);
    assert_int_equal(
        glim__linear_backward(ctx, dx, BITS_K, dy + first * BITS_R, BITS_R, T, &p->m, NULL),
        GLIM_OK);
    glim_context_free(ctx);
    return out;
}

static void check_bits(const glim_kernels *k, const packed *p, const float *x, const float *dy) {
    float *whole = run_rows(k, 1, p, x, dy, 0, BITS_T);
    static const int threads[] = {1, 2, 3, 7};
    for (size_t i = 0; i < 4; i++) {
        float *again = run_rows(k, threads[i], p, x, dy, 0, BITS_T);
        assert_same_bits(again, whole, BITS_T * (BITS_R + BITS_K), "more threads");
        free(again);
    }
    for (int t = 0; t < BITS_T; t += 3) {
        float *one = run_rows(k, 1 + t % 3, p, x, dy, t, 1);
        assert_same_bits(one, whole + t * BITS_R, BITS_R, "forward, a row alone");
        assert_same_bits(one + BITS_R, whole + BITS_T * BITS_R + t * BITS_K, BITS_K,
                         "backward, a row alone");
        free(one);
    }
    free(whole);
}

static void bits_do_not_depend_on_other_rows_or_threads(void **state) {
    float *x = random_floats(BITS_T * BITS_K, 20), *dy = random_floats(BITS_T * BITS_R, 21);
    static const glim_type types[] = {GLIM_TYPE_Q4_1, GLIM_TYPE_F32};
    for (int i = 0; i < 2; i++) {
        packed p = make_packed(types[i], BITS_R, BITS_K, 0, 0);
        FOR_EACH_SET(k) {
            check_bits(k, &p, x, dy);
        }
        free_packed(&p);
    }
    free(x);
    free(dy);
}

static void no_rows_are_no_work(void **state) {
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        packed p = make_packed(GLIM_TYPE_Q4_0, 8, 32, 0, 0);
        float x = 1, y = 2;
        assert_int_equal(glim__linear(ctx, &y, 8, &x, 32, 0, &p.m, NULL, NULL), GLIM_OK);
        assert_int_equal(glim__linear_decode(ctx, &y, 8, &x, 32, 0, &p.m, NULL, NULL), GLIM_OK);
        assert_int_equal(glim__linear_backward(ctx, &x, 32, &y, 8, 0, &p.m, NULL), GLIM_OK);
        assert_true(x == 1 && y == 2);
        free_packed(&p);
        glim_context_free(ctx);
    }
}

/* Products in a fresh context with the n-th allocation failing, for all n. */
static void products_survive_each_failing_allocation(void **state) {
    enum { T = 33, R = 20, K = 64 };
    packed p = make_packed(GLIM_TYPE_Q4_1, R, K, 0, 0);
    float *x = random_floats(T * K, 22), *y = random_floats(T * R, 23);
    FOR_EACH_SET(k) {
        bool refused = true;
        for (uint64_t nth = 1; refused; nth++) {
            glim_context *ctx = make_context(k, 2);
            glim_error err;
            glim__fail_allocation(ctx, nth);
            glim_status a = glim__linear(ctx, y, R, x, K, T, &p.m, NULL, &err);
            glim_status b = glim__linear_backward(ctx, x, K, y, R, T, &p.m, &err);
            refused = a || b;
            assert_true(!a || a == GLIM_ENOMEM);
            assert_true(!b || b == GLIM_ENOMEM);
            assert_true(nth > 1 || refused);
            glim__fail_allocation(ctx, 0);
            assert_int_equal(glim__linear(ctx, y, R, x, K, T, &p.m, NULL, &err), GLIM_OK);
            glim_context_free(ctx);
            assert_true(nth < 20);
        }
    }
    free(x);
    free(y);
    free_packed(&p);
}

static void forward_and_backward(glim_context *ctx, const packed *p, float *x, float *y,
                                 int64_t T) {
    size_t R = (size_t)p->m.rows, K = (size_t)p->m.cols;
    assert_int_equal(glim__linear(ctx, y, R, x, K, T, &p->m, NULL, NULL), GLIM_OK);
    assert_int_equal(glim__linear_backward(ctx, x, K, y, R, T, &p->m, NULL), GLIM_OK);
}

/* What products hold once they have run, and take when they run again, is no
   more than what plans count with, and not much less. */
static void scratch_is_what_products_take(void **state) {
    static const int64_t shapes[][3] = {{300, 576, 5}, {64, 2048, 100}, {1500, 96, 33}};
    for (size_t i = 0; i < 3; i++) {
        int64_t T = shapes[i][2];
        packed p = make_packed(GLIM_TYPE_Q8_0, shapes[i][0], shapes[i][1], 0, 0);
        float *x = random_floats((size_t)(T * p.m.cols), 24);
        float *y = random_floats((size_t)(T * p.m.rows), 25);
        FOR_EACH_SET(k) {
            glim_context *ctx = make_context(k, 2);
            uint64_t before = glim_context_bytes(ctx);
            forward_and_backward(ctx, &p, x, y, T);
            glim_context_reset_peak(ctx);
            forward_and_backward(ctx, &p, x, y, T);
            uint64_t took = glim_context_peak(ctx) - before;
            uint64_t told = glim__linear_scratch(ctx, &p.m, T);
            if (took > told + 65536 || told > 4 * took + (1 << 20))
                fail_msg("set %s took %llu bytes, told %llu", k->name, (unsigned long long)took,
                         (unsigned long long)told);
            glim_context_free(ctx);
        }
        free(x);
        free(y);
        free_packed(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_every_type_equal_sums_in_double),
        cmocka_unit_test(any_number_of_rows_is_right),
        cmocka_unit_test(large_matrices_are_right),
        cmocka_unit_test(paired_and_partial_matrices_are_right),
        cmocka_unit_test(turned_and_grouped_matrices_are_right),
        cmocka_unit_test(backward_is_the_adjoint_of_forward),
        cmocka_unit_test(bits_do_not_depend_on_other_rows_or_threads),
        cmocka_unit_test(no_rows_are_no_work),
        cmocka_unit_test(products_survive_each_failing_allocation),
        cmocka_unit_test(scratch_is_what_products_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
