/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct logit attribution: on every tiny decoder the parts are the logit, heads are their
 * layer's attention but for its bias, positions are the heads; and a part is what the
 * residual stream loses without it, seen through the last norm's own divisor.
 */
#include "structure-testing.h"

#include <glim/lens.h>

static const char *const text = "The capital of France is the city of light";

static const glim_target_options logit = {.output = "logit"};

static glim_direct *read_direct(struct bench *b, size_t row) {
    glim_direct *d = NULL;
    glim_error err = {0};
    if (glim_direct_read(&d, b->p, row, 10, &err))
        fail_msg("%s", err.message);
    return d;
}

static double size_of(const glim_direct *d) {
    double size = fabs(d->embedding) + fabs(d->constant);
    for (int l = 0; l < d->layers; l++)
        size +=
            fabs(d->attention[l]) + fabs(d->feed_forward[l]) + (d->cross ? fabs(d->cross[l]) : 0);
    return size;
}

static void check_sums(const struct bench *b, const glim_direct *d, const char *file) {
    double heads = 0, tokens = 0, read = 0, cross = 0, size = size_of(d);
    if (fabs(d->residual) > 1e-5 * size)
        fail_msg("%s: parts add up to %g of %g", file, d->value - d->residual, d->value);
    for (int i = 0; i < d->layers * d->heads; i++) {
        heads += d->head[i];
        cross += d->cross ? d->cross_head[i] : 0;
    }
    for (size_t t = 0; t < d->n_tokens; t++)
        tokens += d->token[t];
    for (size_t t = 0; t < d->n_read; t++)
        read += d->read[t];
    if (fabs(heads - tokens) > 1e-5 * size || fabs(cross - read) > 1e-5 * size)
        fail_msg("%s: positions have %g and %g, heads %g and %g", file, tokens, read, heads, cross);
    for (int l = 0; l < d->layers && !b->m->layers[l].o_bias; l++) {
        double sum = 0;
        for (int h = 0; h < d->heads; h++)
            sum += d->head[l * d->heads + h];
        if (fabs(sum - d->attention[l]) > 1e-5 * size)
            fail_msg("%s: heads of layer %d have %g of %g", file, l, sum, d->attention[l]);
    }
}

static void check_model(const char *file) {
    struct bench b;
    open_bench(&b, file, text, 2, &logit);
    glim_direct *d = read_direct(&b, 0);
    check_sums(&b, d, file);
    assert_true(size_of(d) > 0);
    glim_direct_free(d);
    close_bench(&b);
}

static void parts_are_the_logit_on_every_model(void **state) {
    assert_true(each_golden(".gguf", check_model) > 20);
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* <part, (W_U[a] - W_U[b]) gamma> / sigma, of captured values. */
static void parts_have_the_formula(void **state) {
    struct bench b;
    open_bench(&b, "llama.gguf", text, 1, &(glim_target_options){.output = "logit"});
    const glim_lm *lm = (const glim_lm *)b.p;
    glim_direct *d = read_direct(&b, 0);
    struct reading scale = read_site(&b, "ln_final.hook_scale");
    size_t C = (size_t)b.m->hyper.C, at = lm->rows[0].at;
    float *u = malloc(C * sizeof *u);
    glim__matrix_read_row(b.ctx, &b.m->head, lm->rows[0].id, u);
    for (size_t c = 0; c < C; c++)
        u[c] *= b.m->final_norm[c] / scale.data[0];
    for (int l = 0; l < d->layers; l++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.%d.hook_attn_out", l);
        struct reading attn = read_site(&b, name);
        snprintf(name, sizeof name, "blocks.%d.hook_mlp_out", l);
        struct reading mlp = read_site(&b, name);
        snprintf(name, sizeof name, "blocks.%d.attn.hook_result", l);
        struct reading result = read_site(&b, name);
        assert_true(fabs(dot(attn.data + at * C, u, C) - d->attention[l]) < 1e-5);
        assert_true(fabs(dot(mlp.data + at * C, u, C) - d->feed_forward[l]) < 1e-5);
        for (int h = 0; h < d->heads; h++)
            assert_true(fabs(dot(result.data + (at * (size_t)d->heads + (size_t)h) * C, u, C) -
                             d->head[l * d->heads + h]) < 1e-5);
        free(attn.data);
        free(mlp.data);
        free(result.data);
    }
    for (size_t i = 1; i < d->n_neurons; i++)
        assert_true(fabs(d->neurons[i - 1].part) >= fabs(d->neurons[i].part));
    assert_int_equal(d->n_neurons, 10);
    free(u);
    free(scale.data);
    glim_direct_free(d);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_logit_on_every_model),
        cmocka_unit_test(parts_have_the_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
