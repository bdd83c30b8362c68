/* SPDX-License-Identifier: Apache-2.0 */
/* The tile kernel and the products built on it, against loops in double. */
#include "tensor-testing.h"

typedef struct problem {
    int m, n;
    size_t k;
    ptrdiff_t a_row, a_col, b_row, c_row;
    float *a, *b, *c, *before;
} problem;

static problem make_problem(int m, int n, size_t k, bool columns_first) {
    problem p = {.m = m, .n = n, .k = k};
    p.a_row = columns_first ? 1 : (ptrdiff_t)k + 3;
    p.a_col = columns_first ? m + 1 : 1;
    p.b_row = (n + 15) / 16 * 16;
    p.c_row = n + 5;
    p.a = random_floats((size_t)(m + 1) * (k + 3), 1);
    p.b = random_floats((k + 1) * (size_t)p.b_row, 2);
    p.c = random_floats((size_t)(m + 1) * (size_t)p.c_row, 3);
    p.before = random_floats((size_t)(m + 1) * (size_t)p.c_row, 3);
    return p;
}

static void free_problem(problem *p) {
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->before);
}

static void check_problem(const problem *p, bool add) {
    for (int i = 0; i <= p->m; i++)
        for (int j = 0; j < p->c_row; j++) {
            ptrdiff_t at = i * p->c_row + j;
            if (i == p->m || j >= p->n) {
                assert_same_bits(p->c + at, p->before + at, 1, "outside of the tile");
                continue;
            }
            double sum = add ? p->before[at] : 0, size = fabs(sum);
            for (size_t k = 0; k < p->k; k++) {
                double term = (double)p->a[i * p->a_row + (ptrdiff_t)k * p->a_col] *
                              p->b[(ptrdiff_t)k * p->b_row + j];
                sum += term;
                size += fabs(term);
            }
            assert_near(p->c[at], sum, size, "a product");
        }
}

static void tiles_of_all_sizes_equal_plain_loops(void **state) {
    static const size_t ks[] = {0, 1, 2, 3, 17, 64};
    FOR_EACH_SET(k) {
        for (int m = 1; m <= GLIM_TILE_M; m++)
            for (int n = 1; n <= GLIM_TILE_N; n++)
                for (size_t i = 0; i < 6; i++) {
                    problem p = make_problem(m, n, ks[i], (m + n) % 2);
                    bool add = (m + n / 2) % 2;
                    k->tile(m, n, p.k, p.a, p.a_row, p.a_col, p.b, p.b_row, p.c, p.c_row, add);
                    check_problem(&p, add);
                    free_problem(&p);
                }
    }
}

static void products_of_any_size_equal_plain_loops(void **state) {
    static const int ms[] = {1, 11, 13, 24, 25}, ns[] = {1, 31, 33, 64, 70};
    static const size_t ks[] = {1, 16, 129};
    FOR_EACH_SET(set) {
        for (int i = 0; i < 5 * 5 * 3; i++) {
            problem p = make_problem(ms[i % 5], ns[i / 5 % 5], ks[i / 25], i % 2);
            glim__product(set, p.m, p.n, p.k, p.a, p.a_row, p.a_col, p.b, p.b_row, p.c, p.c_row,
                          i % 3 == 0);
            check_problem(&p, i % 3 == 0);
            free_problem(&p);
        }
    }
}

/* One element has the same bits wherever in a tile it lies and however large
   the tile is. */
static void bits_do_not_depend_on_the_tile(void **state) {
    enum { M = 23, N = 61, K = 97, LD = 64 };
    FOR_EACH_SET(k) {
        float *a = random_floats(M * K, 4), *b = random_floats(K * LD, 5);
        float whole[M * LD], one[M * LD], row[LD];
        glim__product(k, M, N, K, a, K, 1, b, LD, whole, LD, false);
        for (int i = 0; i < M; i++) {
            glim__product(k, 1, N, K, a + i * K, K, 1, b, LD, row, LD, false);
            assert_same_bits(row, whole + i * LD, N, "a row alone");
        }
        for (int j = 0; j < N; j += 16) {
            int n = N - j < 16 ? N - j : 16;
            glim__product(k, M, n, K, a, K, 1, b + j, LD, one, LD, false);
            for (int i = 0; i < M; i++)
                assert_same_bits(one + i * LD, whole + i * LD + j, (size_t)n, "some columns alone");
        }
        free(a);
        free(b);
    }
}

static void transpose_moves_each_element(void **state) {
    float in[5 * 9], out[7 * 6];
    for (int i = 0; i < 45; i++)
        in[i] = (float)i;
    for (int i = 0; i < 42; i++)
        out[i] = -1;
    glim__transpose(out, 6, in, 9, 5, 7);
    for (int c = 0; c < 7; c++)
        for (int r = 0; r < 6; r++)
            assert_true(out[c * 6 + r] == (r < 5 ? in[r * 9 + c] : -1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_of_all_sizes_equal_plain_loops),
        cmocka_unit_test(products_of_any_size_equal_plain_loops),
        cmocka_unit_test(bits_do_not_depend_on_the_tile),
        cmocka_unit_test(transpose_moves_each_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
