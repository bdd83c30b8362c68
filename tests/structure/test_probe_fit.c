/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of made-up rows: against scikit-learn, by known distributions, by hand. */
#include "probe-testing.h"

#include "base/json.h"
#include "base/normal.h"

/* ---- against scikit-learn ---- */

static double number_at(const json_t *o, const char *name) {
    return json_number_value(json_object_get(o, name));
}

static double *flat(const json_t *list, size_t *n) {
    size_t rows = json_array_size(list), at = 0;
    size_t width =
        json_is_array(json_array_get(list, 0)) ? json_array_size(json_array_get(list, 0)) : 1;
    double *out = malloc(rows * width * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < width; j++, at++) {
            const json_t *row = json_array_get(list, i);
            out[at] = json_number_value(json_is_array(row) ? json_array_get(row, j) : row);
        }
    *n = at;
    return out;
}

static json_t *read_json(const char *name) {
    char path[512];
    snprintf(path, sizeof path, GLIM_TESTS "/golden/probe/%s.json", name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

static void check_recording(const char *name) {
    glim_context *ctx = begin(1);
    glim_error err = {0};
    json_t *root = read_json(name);
    size_t cells, n, n_said, K = (size_t)number_at(root, "classes"), bits_at = 0;
    double *x = flat(json_object_get(root, "x"), &cells), *y = flat(json_object_get(root, "y"), &n);
    double *said = flat(json_object_get(root, "said"), &n_said), bits;
    made m = make_rows(ctx, n, cells / n, K, 0, 2, 1);
    for (size_t i = 0; i < cells; i++)
        m.x[i] = (float)x[i];
    for (size_t i = 0; i < n; i++) {
        m.labels[i] = (int32_t)y[i];
        m.values[i] = y[i];
    }
    m.how.strength = number_at(root, "strength");
    m.how.seed = (uint64_t)number_at(root, "seed");
    m.learner.how = &m.how;
    size_t train = (size_t)number_at(root, "train"), outputs = K ? K : 1;
    double *got = malloc((n - train) * outputs * sizeof *got), loss = 0, want = 0;
    assert_int_equal(glim__probe_fit(&m.learner, m.rows, train, m.how.strength, 0, m.rows + train,
                                     n - train, got, &err),
                     GLIM_OK);
    assert_int_equal(n_said, (n - train) * outputs);
    for (size_t i = 0; i < n_said; i++)
        if (!(fabs(got[i] - said[i]) <= 3e-5 * fmax(1, fabs(said[i]))))
            fail_msg("%s: answer %zu is %.9g, not %.9g", name, i, got[i], said[i]);
    for (size_t i = train; i < n && K; i++) {
        bits_at = (i - train) * K + (size_t)m.labels[i];
        loss -= got[bits_at] / (double)(n - train);
        want -= said[bits_at] / (double)(n - train);
    }
    if (fabs(loss - want) > 1e-6)
        fail_msg("%s: loss %.9g, not %.9g", name, loss, want);
    if (K) {
        assert_int_equal(glim__probe_codelength(&m.learner, &bits, &err), GLIM_OK);
        if (fabs(bits / number_at(root, "bits") - 1) > 1e-4)
            fail_msg("%s: a code of %.9g bits, not %.9g", name, bits, number_at(root, "bits"));
    }
    free(x);
    free(y);
    free(said);
    free(got);
    free_rows(&m);
    json_decref(root);
    glim_context_free(ctx);
}

static void probes_and_codes_agree_with_scikit_learn(void **state) {
    check_recording("two");
    check_recording("three");
    check_recording("numbers");
}

/* ---- known distributions ---- */

static void blobs_are_told_apart_as_often_as_theory_says(void **state) {
    glim_context *ctx = begin(2);
    for (double delta = 0.5; delta < 2; delta += 1) { /* half the distance */
        made m = make_rows(ctx, 2000, 4, 2, 2 * delta, 1, 3);
        glim_probe_layer r = run_layer(&m, true);
        double want = glim__normal_share(delta), error = sqrt(want * (1 - want) / 2000);
        if (fabs(r.task.value - want) > 2 * error)
            fail_msg("accuracy %g at distance %g, not %g", r.task.value, 2 * delta, want);
        assert_true(r.task.low < want && want < r.task.high);
        assert_true(r.task.high - r.task.low < 5 * error);
        glim__probe_layer_release(&r, ctx);
        free_rows(&m);
    }
    glim_context_free(ctx);
}

static void labels_that_mean_nothing_are_guessed(void **state) {
    glim_context *ctx = begin(2);
    made m = make_rows(ctx, 1000, 8, 2, 0, 1, 4);
    size_t most = 0;
    for (size_t i = 0; i < 1000; i++) {
        m.labels[i] = glim__rng_uniform(5, i, 0) < 0.7;
        most += (size_t)m.labels[i];
    }
    m.how.strength = -1;
    glim_probe_layer r = run_layer(&m, false);
    double share = (double)most / 1000, error = sqrt(share * (1 - share) / 1000);
    assert_true(fabs(r.task.value - share) < 3 * error);
    /* At best the code is as short as the entropy of 0.7 says; what it fits to little costs. */
    assert_true(r.compression < 1 / 0.88 && r.compression > 0.85);
    assert_true(fabs(r.selectivity.value) < 3 * error);
    assert_true(r.selectivity.low < 0 && r.selectivity.high > 0);
    assert_true(r.p > 0.02);
    glim__probe_layer_release(&r, ctx);
    free_rows(&m);
    glim_context_free(ctx);
}

static void a_control_of_words_is_at_chance_on_vectors_that_mean_nothing(void **state) {
    glim_context *ctx = begin(2);
    made m = make_rows(ctx, 1200, 6, 4, 3, 4, 6);
    m.learner.target.type = m.type;
    m.learner.target.n_types = 50;
    glim_probe_layer r = run_layer(&m, false);
    /* What can be guessed: between labels drawn by their shares and the most frequent one. */
    int32_t *labels = calloc(1200, sizeof *labels);
    double most = 0, same = 0, share[4] = {0};
    glim_error err;
    assert_int_equal(
        glim__probe_control(ctx, &m.learner.target, m.how.seed, 0x10000, labels, NULL, &err), 0);
    for (size_t i = 0; i < 1200; i++)
        share[labels[i]] += 1 / 1200.0;
    for (int k = 0; k < 4; k++) {
        most = share[k] > most ? share[k] : most;
        same += share[k] * share[k];
    }
    double wide = 3 * sqrt(most * (1 - most) / 1200);
    assert_true(r.control.value < most + wide && r.control.value > same - wide);
    free(labels);
    assert_true(r.task.value > 0.8 && r.selectivity.low > 0.3);
    assert_true(isnan(r.p));
    /* Now the vectors are the spellings: the control can be learnt by heart. */
    for (size_t i = 0; i < 1200; i++)
        for (size_t j = 0; j < 6; j++)
            m.x[i * 6 + j] = (float)glim__rng_normal(9, m.type[i], j);
    m.how.kind = GLIM_PROBE_MLP;
    m.how.strength = 1e-3;
    m.how.hidden = 64;
    m.how.codelength = false;
    glim_probe_layer heart = run_layer(&m, false);
    assert_true(heart.control.value > 0.9);
    glim__probe_layer_release(&r, ctx);
    glim__probe_layer_release(&heart, ctx);
    free_rows(&m);
    glim_context_free(ctx);
}

static void the_code_of_what_says_nothing_is_flat(void **state) {
    glim_context *ctx = begin(1);
    made m = make_rows(ctx, 600, 3, 3, 0, 3, 8);
    double bits;
    glim_error err = {0};
    m.learner.how = &m.how;
    for (size_t i = 0; i < 600; i++) { /* each group has one row of each class */
        m.labels[i] = (int32_t)(i % 3);
        for (size_t j = 0; j < 3; j++)
            m.x[i * 3 + j] = 5;
    }
    assert_int_equal(glim__probe_codelength(&m.learner, &bits, &err), GLIM_OK);
    assert_true(fabs(bits - 600 * log2(3)) < 1e-3);
    /* With the class in plain sight only the first piece and the first fits cost much. */
    for (size_t i = 0; i < 600; i++)
        m.x[i * 3 + i % 3] = 500;
    m.how.strength = 1e-3;
    assert_int_equal(glim__probe_codelength(&m.learner, &bits, &err), GLIM_OK);
    assert_true(bits > 3 * log2(3) && bits < 20);
    free_rows(&m);
    glim_context_free(ctx);
}

/* A probe so weak that it says the mean of what was sent: the code written down here. */
static void the_code_of_numbers_is_that_of_its_formula(void **state) {
    enum { N = 500 };
    glim_context *ctx = begin(1);
    made m = make_rows(ctx, N, 2, 0, 0, 1, 8);
    glim_error err = {0};
    double bits, mean = 0, variance = 0, by_hand = 0, wide = 0;
    uint32_t order[N];
    m.learner.how = &m.how;
    m.how.strength = 1e15;
    for (size_t i = 0; i < N; i++)
        order[i] = (uint32_t)i, mean += m.values[i] / N;
    for (size_t i = 0; i < N; i++)
        variance += (m.values[i] - mean) * (m.values[i] - mean) / N;
    for (size_t i = N; i > 1; i--) {
        uint32_t k = glim__rng_below(m.how.seed, 0x636f6465, i, (uint32_t)i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    const size_t ends[] = {1, 2, 4, 8, 16, 32, 63, 125, 250, 500};
    for (size_t p = 0, sent = 0; p < 10; sent = ends[p++]) {
        double said = 0, errors = 0, t = (double)sent, n = (double)(ends[p] - sent);
        for (size_t i = 0; i < sent; i++)
            said += m.values[order[i]] / t;
        for (size_t i = 0; sent > 1 && i < sent && p == 2; i++)
            wide += (m.values[order[i]] - said) * (m.values[order[i]] - said) / t;
        for (size_t i = sent; i < ends[p]; i++) {
            double y = m.values[order[i]], step = 0.01 * sqrt(variance / 6.283185307179586);
            double flat = step / sqrt(variance) * exp(-(y - mean) * (y - mean) / variance / 2);
            double own =
                sent > 1 ? step / sqrt(wide) * exp(-(y - said) * (y - said) / wide / 2) : flat;
            by_hand -= log2((t * own + flat) / (t + 1));
            errors += (y - said) * (y - said) / n;
        }
        wide = sent > 1 ? errors : 0;
    }
    assert_int_equal(glim__probe_codelength(&m.learner, &bits, &err), GLIM_OK);
    assert_true(fabs(bits - by_hand) < 1e-6 * by_hand);
    double flat = glim__probe_flat_bits(&m.learner.target);
    assert_true(fabs(flat / N - 8.6910) < 1e-3 && bits > 0.99 * flat);
    /* With four fifths of the variance explained a number costs log2(5) / 2 bits less. */
    m.how.strength = 1;
    assert_int_equal(glim__probe_codelength(&m.learner, &bits, &err), GLIM_OK);
    assert_true(fabs((flat - bits) / N - log2(5) / 2) < 0.25);
    free_rows(&m);
    glim_context_free(ctx);
}

static void numbers_are_predicted_with_the_r2_that_they_have(void **state) {
    glim_context *ctx = begin(2);
    made m = make_rows(ctx, 1500, 5, 0, 0, 3, 10); /* 2 x + noise: R2 = 4/5 */
    m.how.strength = -1;
    m.how.permutations = 5;
    glim_probe_layer r = run_layer(&m, false);
    assert_true(fabs(r.task.value - 0.8) < 0.03);
    assert_true(r.task.low < r.task.value && r.task.value < r.task.high);
    assert_true(fabs(r.loss - 1) < 0.08);
    assert_true(r.control.value < 0.01 && r.p < 0.2);
    assert_true(isnan(r.f1) && r.compression > 1.05);
    m.how.kind = GLIM_PROBE_MLP;
    m.how.strength = 1e-3;
    glim_probe_layer deep = run_layer(&m, true);
    assert_true(fabs(deep.task.value - 0.8) < 0.05);
    glim__probe_layer_release(&r, ctx);
    glim__probe_layer_release(&deep, ctx);
    free_rows(&m);
    glim_context_free(ctx);
}

/* A ring around a blob: no line parts them. */
static void a_hidden_layer_finds_what_no_line_parts(void **state) {
    glim_context *ctx = begin(2);
    made m = make_rows(ctx, 600, 2, 2, 0, 1, 11);
    for (size_t i = 0; i < 600; i++) {
        double angle = 6.283 * glim__rng_uniform(12, i, 0), far = 3 * m.labels[i];
        m.x[2 * i] = (float)(far * cos(angle) + 0.5 * m.x[2 * i]);
        m.x[2 * i + 1] = (float)(far * sin(angle) + 0.5 * m.x[2 * i + 1]);
    }
    glim_probe_layer line = run_layer(&m, true);
    m.how.kind = GLIM_PROBE_MLP;
    m.how.strength = 1e-3;
    glim_probe_layer deep = run_layer(&m, true);
    assert_true(line.task.value < 0.75 && deep.task.value > 0.95);
    glim__probe_layer_release(&line, ctx);
    glim__probe_layer_release(&deep, ctx);
    /* Chosen for each fold: no worse than given; of labels that mean nothing the strongest. */
    m.how.strength = -1;
    deep = run_layer(&m, true);
    assert_true(deep.task.value > 0.95 && deep.strength < 0.5);
    glim__probe_layer_release(&deep, ctx);
    for (size_t i = 0; i < 600; i++)
        m.labels[i] = glim__rng_uniform(5, i, 0) < 0.7;
    deep = run_layer(&m, true);
    assert_true(deep.strength > 0.05 && deep.loss < 0.63);
    glim__probe_layer_release(&deep, ctx);
    free_rows(&m);
    glim_context_free(ctx);
}

/* ---- directions ---- */

static void a_direction_is_of_the_vectors_as_they_are(void **state) {
    glim_context *ctx = begin(1);
    glim_error err = {0};
    made m = make_rows(ctx, 400, 3, 2, 2, 1, 13);
    float w[3], b;
    double said[2 * 400];
    m.learner.how = &m.how;
    for (size_t i = 0; i < 400; i++)
        m.x[3 * i + 1] = 100 + 7 * m.x[3 * i + 1];
    assert_int_equal(glim__probe_direction(&m.learner, 1, w, &b, &err), GLIM_OK);
    assert_int_equal(glim__probe_fit(&m.learner, m.rows, 400, 1, 0, m.rows, 400, said, &err),
                     GLIM_OK);
    for (size_t i = 0; i < 400; i++) {
        double z = b, want = said[2 * i + 1] - said[2 * i];
        for (size_t j = 0; j < 3; j++)
            z += (double)w[j] * m.x[3 * i + j];
        assert_true(fabs(z - want) < 1e-3 * fmax(1, fabs(want)));
    }
    assert_true(w[0] > 0);
    free_rows(&m);
    glim_context_free(ctx);
}

/* ---- folds, bits, refusals ---- */

static void groups_stay_whole_and_classes_keep_their_shares(void **state) {
    glim_context *ctx = begin(1);
    glim_error err = {0};
    made m = make_rows(ctx, 1000, 1, 3, 0, 4, 14);
    int32_t fold[1000], other[1000];
    size_t counts[5][3] = {{0}}, all[3] = {0};
    const glim_probe_target *t = &m.learner.target;
    assert_int_equal(glim__probe_split(ctx, t, m.rows, 1000, 5, 1, 0, fold, &err), GLIM_OK);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(fold[i], fold[i / 4 * 4]);
        counts[fold[i]][m.labels[i]]++;
        all[m.labels[i]]++;
    }
    for (size_t f = 0; f < 5; f++)
        for (size_t k = 0; k < 3; k++)
            assert_true(fabs((double)counts[f][k] - (double)all[k] / 5) <= 4);
    assert_int_equal(glim__probe_split(ctx, t, m.rows, 1000, 5, 1, 0, other, &err), GLIM_OK);
    assert_memory_equal(fold, other, sizeof fold);
    assert_int_equal(glim__probe_split(ctx, t, m.rows, 1000, 5, 2, 0, other, &err), GLIM_OK);
    assert_true(memcmp(fold, other, sizeof fold) != 0);
    free_rows(&m);
    glim_context_free(ctx);
}

static void bits_do_not_depend_on_threads(void **state) {
    for (int kind = 0; kind < 2; kind++) {
        glim_probe_layer found[2];
        for (int threads = 1; threads <= 2; threads++) {
            glim_context *ctx = begin(threads);
            made m = make_rows(ctx, 500, 20, 3, 1, 2, 15);
            m.how.kind = (glim_probe_kind)kind;
            m.how.strength = -1;
            m.how.permutations = 2;
            found[threads - 1] = run_layer(&m, false);
            glim__probe_layer_release(&found[threads - 1], ctx);
            free_rows(&m);
            glim_context_free(ctx);
        }
        assert_memory_equal(&found[0].task, &found[1].task, sizeof found[0].task);
        assert_memory_equal(&found[0].bits, &found[1].bits, sizeof(double));
        assert_memory_equal(&found[0].loss, &found[1].loss, sizeof(double));
    }
}

/* Features that depend on each other: other coordinates, the same minimum. */
static void a_basis_changes_steps_and_not_the_minimum(void **state) {
    for (size_t K = 2; K <= 3; K++) {
        glim_context *ctx = begin(2);
        glim_error err = {0};
        glim_fit_basis basis;
        enum { N = 500, P = 80 };
        made m = make_rows(ctx, N, P, K, 1, 1, 18);
        double *said = malloc(2 * N * K * sizeof *said), *other = said + N * K;
        m.learner.how = &m.how;
        for (size_t i = 0; i < N; i++)
            for (size_t j = 1; j < P; j++)
                m.x[i * P + j] += 0.9F * m.x[i * P + j - 1];
        assert_int_equal(glim__probe_basis(&m.learner, &basis, &err), GLIM_OK);
        assert_true(basis.values[P - 1] > 10 * basis.values[0]);
        for (double strength = 0.01; strength < 1e3; strength *= 100) {
            m.learner.basis = NULL;
            assert_int_equal(
                glim__probe_fit(&m.learner, m.rows, 400, strength, 0, m.rows, N, said, &err),
                GLIM_OK);
            m.learner.basis = &basis;
            assert_int_equal(
                glim__probe_fit(&m.learner, m.rows, 400, strength, 0, m.rows, N, other, &err),
                GLIM_OK);
            for (size_t i = 0; i < N * K; i++)
                if (fabs(said[i] - other[i]) > 1e-3 * fmax(1, fabs(said[i])))
                    fail_msg("strength %g: %g, not %g", strength, other[i], said[i]);
        }
        glim__probe_basis_release(&basis, ctx);
        free(said);
        free_rows(&m);
        glim_context_free(ctx);
    }
}

static void no_refused_allocation_leaks(void **state) {
    for (int kind = 0; kind < 4; kind++) {
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status; nth++) {
            glim_context *ctx = begin(1);
            glim_error err = {0};
            glim_probe_layer out;
            size_t n = kind == 3 ? 128 : 60, P = kind == 3 ? 64 : 3; /* with a basis */
            made m = make_rows(ctx, n, P, kind == 1 ? 0 : 3, 1, 2, 16);
            m.how.kind = kind == 2 ? GLIM_PROBE_MLP : GLIM_PROBE_LINEAR;
            m.how.strength = -1;
            m.how.folds = m.how.inner = 2;
            m.how.permutations = 1;
            m.how.hidden = 4;
            m.how.strength = kind == 3 ? 100 : -1;
            m.how.codelength = kind != 3;
            glim__fail_allocation(ctx, nth);
            status = try_layer(&m, false, &out, &err);
            glim__fail_allocation(ctx, 0);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim__probe_layer_release(&out, ctx);
            free_rows(&m);
            glim_context_free(ctx);
            assert_true(nth < 5000);
        }
    }
}

static void an_interrupted_probe_ends(void **state) {
    for (int kind = 0; kind < 2; kind++) {
        glim_context *ctx = begin(1);
        glim_error err = {0};
        glim_probe_layer out;
        made m = make_rows(ctx, 200, 4, 2, 1, 1, 17);
        m.how.kind = (glim_probe_kind)kind;
        glim_context_cancel(ctx);
        assert_int_equal(try_layer(&m, false, &out, &err), GLIM_ECANCELLED);
        assert_false(out.done);
        glim__probe_layer_release(&out, ctx);
        free_rows(&m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_and_codes_agree_with_scikit_learn),
        cmocka_unit_test(blobs_are_told_apart_as_often_as_theory_says),
        cmocka_unit_test(labels_that_mean_nothing_are_guessed),
        cmocka_unit_test(a_control_of_words_is_at_chance_on_vectors_that_mean_nothing),
        cmocka_unit_test(the_code_of_what_says_nothing_is_flat),
        cmocka_unit_test(the_code_of_numbers_is_that_of_its_formula),
        cmocka_unit_test(numbers_are_predicted_with_the_r2_that_they_have),
        cmocka_unit_test(a_hidden_layer_finds_what_no_line_parts),
        cmocka_unit_test(a_direction_is_of_the_vectors_as_they_are),
        cmocka_unit_test(groups_stay_whole_and_classes_keep_their_shares),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(a_basis_changes_steps_and_not_the_minimum),
        cmocka_unit_test(no_refused_allocation_leaks),
        cmocka_unit_test(an_interrupted_probe_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
