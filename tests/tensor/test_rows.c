/* SPDX-License-Identifier: Apache-2.0 */
/* Row kernels of every set against libm in double, over odd sizes and special
   values; that tails have the bits of full vectors; slopes by differences. */
#include "tensor-testing.h"

static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 577};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 600 };

static const glim_act acts[] = {GLIM_ACT_SILU, GLIM_ACT_GELU_TANH, GLIM_ACT_GELU_ERF,
                                GLIM_ACT_RELU};

static double act_exact(double x, glim_act act) {
    switch (act) {
    case GLIM_ACT_SILU:
        return x / (1 + exp(-x));
    case GLIM_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case GLIM_ACT_GELU_ERF:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case GLIM_ACT_RELU:
        return x > 0 ? x : 0;
    }
    return NAN;
}

static void assert_close(double got, double expected, double relative, double absolute,
                         const char *what) {
    if (!(fabs(got - expected) <= relative * fabs(expected) + absolute))
        fail_msg("%s: %.9g, expected %.9g", what, got, expected);
}

static void sums_equal_sums_in_double(void **state) {
    float *x = random_floats(MOST, 31), *y = random_floats(MOST, 32);
    FOR_EACH_SET(k) {
        for (size_t s = 0; s < SIZES; s++) {
            double squares = 0, dot = 0, size = 0;
            float top = -INFINITY;
            for (size_t i = 0; i < sizes[s]; i++) {
                squares += (double)x[i] * x[i];
                dot += (double)x[i] * y[i];
                size += fabs((double)x[i] * y[i]);
                top = fmaxf(top, x[i]);
            }
            assert_close(k->sum_squares(x, sizes[s]), squares, 1e-14, 0, "sum_squares");
            assert_near(k->dot_f32(x, y, sizes[s]), dot, size, "dot_f32");
            assert_true(k->max(x, sizes[s]) == top);
        }
        static const float low[] = {-INFINITY, -3, -INFINITY};
        assert_true(k->max(low, 3) == -3);
        assert_true(k->max(low, 1) == -INFINITY);
    }
    free(x);
    free(y);
}

static void vectors_add_and_scale(void **state) {
    float *x = random_floats(MOST, 33), *w = random_floats(MOST, 34);
    FOR_EACH_SET(k) {
        for (size_t s = 0; s < SIZES; s++) {
            size_t n = sizes[s];
            float y[MOST], z[MOST];
            for (size_t i = 0; i <= n; i++)
                y[i] = z[i] = w[i];
            k->axpy(y, 0.7f, x, n);
            for (size_t i = 0; i < n; i++)
                assert_close(y[i], w[i] + 0.7 * (double)x[i], 0, 3e-7, "axpy");
            k->add(z, x, z, n); /* in place */
            for (size_t i = 0; i < n; i++)
                assert_true(z[i] == x[i] + w[i]);
            assert_true(y[n] == w[n] && z[n] == w[n]);
            k->scale_mul(y, 1.3f, x, w, n);
            for (size_t i = 0; i < n; i++)
                assert_close(y[i], 1.3 * (double)x[i] * w[i], 3e-7, 0, "scale_mul");
            assert_true(y[n] == w[n]);
        }
    }
    free(x);
    free(w);
}

static void taps_and_affine_are_sums_held_in_bounds(void **state) {
    float *x = random_floats(3 * MOST, 41), *w = random_floats(3 * MOST, 42);
    FOR_EACH_SET(k) {
        for (size_t s = 0; s < SIZES; s++) {
            size_t n = sizes[s];
            float y[MOST], long_y[MOST];
            const float *xs[3] = {x, x + MOST, x + 2 * MOST};
            const float *ws[3] = {w, w + MOST, w + 2 * MOST};
            y[n] = 7;
            k->taps(y, xs, ws, 3, n);
            k->taps(long_y, xs, ws, 3, 599);
            for (size_t i = 0; i < n; i++) {
                double sum =
                    (double)x[i] * w[i] + (double)xs[1][i] * ws[1][i] + (double)xs[2][i] * ws[2][i];
                assert_close(y[i], sum, 3e-7, 3e-7, "taps");
                assert_true(y[i] == long_y[i]); /* a tail is like the rest */
            }
            k->affine(y, x, w, -0.2f, 0.3f, n);
            k->affine(long_y, x, w, -0.2f, 0.3f, 599);
            for (size_t i = 0; i < n; i++)
                assert_true(y[i] == long_y[i] && y[i] >= -0.2f && y[i] <= 0.3f);
            assert_true(y[n] == 7);
            k->taps(y, xs, ws, 0, n);
            assert_true(y[0] == 0);
        }
        float odd[3] = {NAN, -INFINITY, 1e30f}, ones[3] = {1, 1, 1}, none[3] = {0};
        k->affine(odd, ones, none, 0, 6, 3);
        assert_true(isnan(odd[0]) && odd[1] == 0 && odd[2] == 6);
    }
    free(x);
    free(w);
}

static void exponentials_are_exact_to_a_few_ulp(void **state) {
    FOR_EACH_SET(k) {
        double worst = 0;
        for (double at = -87.2; at < 88.6; at += 0.0137) {
            float x = (float)at, y;
            assert_true(k->exp_sum(&y, &x, 0, 1) == y);
            double error = fabs(y / exp((double)x) - 1);
            worst = error > worst ? error : worst;
        }
        if (worst > 2.5e-7)
            fail_msg("set %s: relative error %g", k->name, worst);
        static const float special[] = {-INFINITY, 0, -1e30f, -200};
        float out[4];
        assert_true(k->exp_sum(out, special, 0, 4) == 1);
        assert_true(out[0] == 0 && out[1] == 1 && out[2] == 0 && out[3] == 0);
        static const float broken[] = {NAN, 0};
        assert_true(isnan(k->exp_sum(out, broken, 0, 2)) && isnan(out[0]));
    }
}

static void exponentials_sum_and_shift_in_place(void **state) {
    FOR_EACH_SET(k) {
        for (size_t s = 0; s < SIZES; s++) {
            float *x = random_floats(sizes[s], 35), y[MOST];
            double sum = 0;
            for (size_t i = 0; i < sizes[s]; i++)
                sum += exp((double)x[i] * 10 - 3);
            for (size_t i = 0; i < sizes[s]; i++)
                y[i] = x[i] * 10;
            assert_close(k->exp_sum(y, y, 3, sizes[s]), sum, 3e-6, 0, "exp_sum");
            for (size_t i = 0; i < sizes[s]; i++)
                assert_close(y[i], exp((double)x[i] * 10 - 3), 3e-6, 0, "exp");
            free(x);
        }
    }
}

/* A causal mask is a tail of -inf, whose exponentials are exact zeros. */
static void trailing_zeros_do_not_change_sums(void **state) {
    FOR_EACH_SET(k) {
        for (size_t s = 0; s < SIZES; s++) {
            size_t n = sizes[s];
            float *x = random_floats(n, 36), y[MOST], out[MOST], zeros[MOST] = {0};
            float *other = random_floats(MOST, 37);
            for (size_t i = 0; i < MOST; i++) {
                y[i] = i < n ? x[i] : -INFINITY;
                zeros[i] = i < n ? x[i] : 0;
            }
            float sum = k->exp_sum(out, y, 0.3f, n), dot = k->dot_f32(zeros, other, n);
            double squares = k->sum_squares(zeros, n);
            for (size_t more = n; more <= n + 20 && more <= MOST; more++) {
                assert_true(k->exp_sum(out, y, 0.3f, more) == sum);
                assert_true(k->dot_f32(zeros, other, more) == dot);
                assert_true(k->sum_squares(zeros, more) == squares);
            }
            free(x);
            free(other);
        }
    }
}

static void gates_equal_their_formulas(void **state) {
    FOR_EACH_SET(k) {
        for (size_t a = 0; a < 4; a++)
            for (size_t s = 0; s < SIZES; s++) {
                size_t n = sizes[s];
                float *g = random_floats(n + 1, 38), *up = random_floats(n + 1, 39), y[MOST + 1];
                for (size_t i = 0; i < n; i++)
                    g[i] *= i % 3 ? 5.0f : 0.05f;
                y[n] = 42;
                k->gate(y, g, up, n, acts[a]);
                for (size_t i = 0; i < n; i++)
                    assert_close(y[i], act_exact(g[i], acts[a]) * up[i], 2e-6, 3e-7, k->name);
                assert_true(y[n] == 42);
                free(g);
                free(up);
            }
    }
}

static void gates_of_large_values_stay_finite(void **state) {
    static const float g[] = {-1e4f, -100, -50, 0, 50, 100, 1e4f, -88, 88};
    float up[9], y[9], d_gate[9], d_up[9], dy[9];
    FOR_EACH_SET(k) {
        for (size_t a = 0; a < 4; a++) {
            for (int i = 0; i < 9; i++)
                up[i] = dy[i] = 1, d_gate[i] = d_up[i] = 0;
            k->gate(y, g, up, 9, acts[a]);
            k->gate_backward(d_gate, d_up, dy, g, up, 9, acts[a]);
            for (int i = 0; i < 9; i++) {
                assert_close(y[i], act_exact(g[i], acts[a]), 1e-6, 1e-6, "a gate");
                assert_close(d_up[i], act_exact(g[i], acts[a]), 1e-6, 1e-6, "its gradient of up");
                if (g[i] != 0)
                    assert_close(d_gate[i], g[i] > 0, 1e-6, 1e-6, "its slope");
            }
        }
    }
}

/* Slopes against central differences of the formula in double; results are
   added to what is there. */
static void gate_gradients_equal_differences(void **state) {
    FOR_EACH_SET(k) {
        for (size_t a = 0; a < 4; a++)
            for (size_t s = 0; s < SIZES; s++) {
                size_t n = sizes[s];
                float *g = random_floats(n + 1, 40), *up = random_floats(n + 1, 41);
                float *dy = random_floats(n + 1, 42), d_gate[MOST + 1], d_up[MOST + 1];
                for (size_t i = 0; i <= n; i++)
                    d_gate[i] = 0.25f, d_up[i] = -0.5f;
                for (size_t i = 0; i < n; i++)
                    g[i] *= 4;
                k->gate_backward(d_gate, d_up, dy, g, up, n, acts[a]);
                for (size_t i = 0; i < n; i++) {
                    double h = 1e-5, x = g[i];
                    double slope =
                        (act_exact(x + h, acts[a]) - act_exact(x - h, acts[a])) / (2 * h);
                    assert_close(d_gate[i], 0.25 + (double)dy[i] * up[i] * slope, 0, 3e-6,
                                 "d_gate");
                    assert_close(d_up[i], -0.5 + (double)dy[i] * act_exact(x, acts[a]), 0, 3e-6,
                                 "d_up");
                }
                assert_true(d_gate[n] == 0.25f && d_up[n] == -0.5f);
                free(g);
                free(up);
                free(dy);
            }
    }
}

static void soft_caps_equal_their_formula(void **state) {
    FOR_EACH_SET(k) {
        for (size_t s = 0; s < SIZES; s++) {
            float *x = random_floats(sizes[s] + 1, 43), y[MOST + 1];
            for (size_t i = 0; i < sizes[s]; i++)
                y[i] = x[i] *= i % 4 ? 100 : 0.01f;
            y[sizes[s]] = 42;
            k->soft_cap(y, y, 30, sizes[s]);
            for (size_t i = 0; i < sizes[s]; i++)
                assert_close(y[i], 30 * tanh(x[i] / 30.0), 1e-6, 0, "soft_cap");
            assert_true(y[sizes[s]] == 42);
            free(x);
        }
        static const float far[] = {-1e30f, 1e30f, 0};
        float y[3];
        k->soft_cap(y, far, 50, 3);
        assert_true(y[0] == -50 && y[1] == 50 && y[2] == 0);
    }
}

/* One element alone has the bits that it has inside of a long row. */
static void tails_have_the_bits_of_full_vectors(void **state) {
    float *x = random_floats(MOST, 44), *up = random_floats(MOST, 45);
    for (int i = 0; i < MOST; i++)
        x[i] *= 6;
    FOR_EACH_SET(k) {
        float whole[6][MOST], one[6] = {0};
        for (size_t a = 0; a < 4; a++) {
            memset(whole, 0, sizeof whole);
            k->gate(whole[0], x, up, MOST, acts[a]);
            k->gate_backward(whole[1], whole[2], up, x, x, MOST, acts[a]);
            k->exp_sum(whole[3], x, 1, MOST);
            k->soft_cap(whole[4], x, 3, MOST);
            k->axpy(whole[5], 0.3f, x, MOST);
            for (int i = 0; i < MOST; i++) {
                memset(one, 0, sizeof one);
                k->gate(&one[0], x + i, up + i, 1, acts[a]);
                k->gate_backward(&one[1], &one[2], up + i, x + i, x + i, 1, acts[a]);
                k->exp_sum(&one[3], x + i, 1, 1);
                k->soft_cap(&one[4], x + i, 3, 1);
                k->axpy(&one[5], 0.3f, x + i, 1);
                for (int j = 0; j < 6; j++)
                    assert_same_bits(&one[j], &whole[j][i], 1, k->name);
            }
        }
    }
    free(x);
    free(up);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_equal_sums_in_double),
        cmocka_unit_test(vectors_add_and_scale),
        cmocka_unit_test(taps_and_affine_are_sums_held_in_bounds),
        cmocka_unit_test(exponentials_are_exact_to_a_few_ulp),
        cmocka_unit_test(exponentials_sum_and_shift_in_place),
        cmocka_unit_test(trailing_zeros_do_not_change_sums),
        cmocka_unit_test(gates_equal_their_formulas),
        cmocka_unit_test(gates_of_large_values_stay_finite),
        cmocka_unit_test(gate_gradients_equal_differences),
        cmocka_unit_test(soft_caps_equal_their_formula),
        cmocka_unit_test(tails_have_the_bits_of_full_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
