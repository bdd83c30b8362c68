/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvectors: A v = value v, orthogonal, whatever is repeated, zero or tiny; the same bits
   for any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tensor/eigen.h"

typedef void fill_fn(double *a, size_t n);

static void symmetric(double *a, size_t n, size_t rank, double scale) {
    double *x = malloc(rank * n * sizeof *x);
    for (size_t i = 0; i < rank * n; i++)
        x[i] = scale * glim__rng_normal(3, n, i);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < rank; k++)
                sum += x[k * n + i] * x[k * n + j];
            a[i * n + j] = a[j * n + i] = sum;
        }
    free(x);
}

static void any(double *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            a[i * n + j] = a[j * n + i] = glim__rng_normal(1, i, j);
}
static void covariance(double *a, size_t n) {
    symmetric(a, n, n, 1);
}
static void few_rows(double *a, size_t n) {
    symmetric(a, n, n < 7 ? 1 : 7, 1e-9);
}
static void zero(double *a, size_t n) {
    memset(a, 0, n * n * sizeof *a);
}
static void identity(double *a, size_t n) {
    zero(a, n);
    for (size_t i = 0; i < n; i++)
        a[i * n + i] = 3;
}
/* Two values only, in every direction, and one element that is far larger. */
static void repeated(double *a, size_t n) {
    symmetric(a, n, 1, 1);
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += i % 2 ? 1 : 2;
    a[0] = 1e8;
}
/* Eigenvalues in pairs that are nearly equal (Wilkinson's W+). */
static void wilkinson(double *a, size_t n) {
    zero(a, n);
    for (size_t i = 0; i < n; i++) {
        a[i * n + i] = fabs((double)i - (double)(n - 1) / 2);
        if (i + 1 < n)
            a[i * n + i + 1] = a[(i + 1) * n + i] = 1;
    }
}

static void check(glim_context *ctx, const double *a, size_t n) {
    double *values = malloc(n * sizeof *values), *v = malloc(n * n * sizeof *v), size = 0;
    glim_error err;
    if (glim__eigen(ctx, a, n, values, v, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n * n; i++)
        size = fmax(size, fabs(a[i]));
    double tol = 1e-14 * (double)n;
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || values[i] >= values[i - 1]);
        for (size_t j = 0; j <= i; j++) {
            double dot = 0;
            for (size_t k = 0; k < n; k++)
                dot += v[i * n + k] * v[j * n + k];
            if (!(fabs(dot - (i == j)) <= tol))
                fail_msg("n = %zu: vectors %zu and %zu: %g", n, i, j, dot);
        }
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += a[j * n + k] * v[i * n + k];
            if (!(fabs(sum - values[i] * v[i * n + j]) <= tol * size))
                fail_msg("n = %zu: vector %zu, element %zu: off by %g", n, i, j,
                         sum - values[i] * v[i * n + j]);
        }
    }
    free(values);
    free(v);
}

static void vectors_are_turned_into_themselves(void **state) {
    static fill_fn *const fills[] = {any,      covariance, few_rows, zero,
                                     identity, repeated,   wilkinson};
    static const size_t sizes[] = {1, 2, 3, 31, 32, 33, 64, 65, 130, 201};
    const glim_kernels *set;
    for (size_t k = 0; (set = glim__kernels_at(k)); k++) {
        glim_context *ctx;
        glim_context_options o = {.threads = 2, .kernels = set->name};
        assert_int_equal(glim_context_new(&ctx, &o, NULL), GLIM_OK);
        for (size_t f = 0; f < sizeof fills / sizeof *fills; f++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                double *a = malloc(sizes[s] * sizes[s] * sizeof *a);
                fills[f](a, sizes[s]);
                check(ctx, a, sizes[s]);
                free(a);
            }
        glim_context_free(ctx);
    }
}

static void threads_change_no_bit(void **state) {
    enum { N = 150 };
    double *a = malloc(N * N * sizeof *a), *v[2], values[2][N];
    covariance(a, N);
    for (int k = 0; k < 2; k++) {
        glim_context *ctx;
        glim_context_options o = {.threads = k ? 3 : 1};
        assert_int_equal(glim_context_new(&ctx, &o, NULL), GLIM_OK);
        v[k] = malloc(N * N * sizeof *a);
        assert_int_equal(glim__eigen(ctx, a, N, values[k], v[k], NULL), GLIM_OK);
        glim_context_free(ctx);
    }
    assert_memory_equal(values[0], values[1], sizeof values[0]);
    assert_memory_equal(v[0], v[1], N * N * sizeof *a);
    free(a);
    free(v[0]);
    free(v[1]);
}

static void what_is_not_finite_is_refused(void **state) {
    glim_context *ctx;
    double a[4] = {1, NAN, NAN, 1}, values[2], v[4];
    assert_int_equal(glim_context_new(&ctx, NULL, NULL), GLIM_OK);
    assert_int_equal(glim__eigen(ctx, a, 2, values, v, NULL), GLIM_ENUMERIC);
    a[1] = INFINITY;
    assert_int_equal(glim__eigen(ctx, a, 2, values, v, NULL), GLIM_ENUMERIC);
    glim_context_free(ctx);
}

static void refused_memory_leaks_nothing(void **state) {
    enum { N = 40 };
    double a[N * N], v[N * N], values[N];
    covariance(a, N);
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx;
        assert_int_equal(glim_context_new(&ctx, NULL, NULL), GLIM_OK);
        glim__fail_allocation(ctx, nth);
        glim_status status = glim__eigen(ctx, a, N, values, v, NULL);
        glim__fail_allocation(ctx, 0);
        glim_context_free(ctx);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(nth < 50);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_turned_into_themselves),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(refused_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
