/* SPDX-License-Identifier: Apache-2.0 */
/* A model that is steered: the bits of a hook that writes, gradients that see it, documents that
   say so, and direct parts that still are the logit. */
#include "structure-testing.h"

#include "base/rng.h"
#include "structure/steer.h"

#include <glim/lens.h>

static glim_steering *new_steering(const glim_model *m) {
    glim_steering *s;
    glim_error err = {0};
    if (glim_steering_new(&s, m, &err))
        fail_msg("%s", err.message);
    return s;
}

static glim_status keep_gradient(void *data, size_t sample, size_t row, const float *gradient,
                                 glim_error *err) {
    struct kept {
        float *d;
        size_t n;
    } *kept = data;
    memcpy(kept->d, gradient, kept->n * sizeof *gradient);
    return GLIM_OK;
}

/* The next token's logit at embeddings that are moved by h along a direction drawn by chance. */
static double moved(glim_predictor *p, const float *x, double h, double *slope, float *d) {
    glim_error err = {0};
    size_t n = p->T * p->C;
    float *own = calloc(n, sizeof *own);
    double value;
    struct {
        float *d;
        size_t n;
    } kept = {d, n};
    for (size_t i = 0; i < n; i++)
        own[i] = x[i] + (float)(h * glim__rng_normal(3, 1, i));
    if (p->gradient(p, own, 1, 0, &value, keep_gradient, &kept, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n && slope; i++)
        *slope += (double)d[i] * glim__rng_normal(3, 1, i);
    free(own);
    return value;
}

static void a_steered_model_is_the_hook_and_its_slopes_are_differences(void **state) {
    static const char *const files[] = {"llama.gguf", "gemma3-text.gguf", "gpt2.gguf",
                                        "published/bert-classes"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, files[f]), *steered;
        glim_steering *s = new_steering(m);
        glim_error err = {0};
        size_t C = (size_t)m->hyper.C;
        float *v = calloc(C, sizeof *v);
        for (size_t c = 0; c < C; c++)
            v[c] = (float)glim__rng_normal(9, 0, c);
        glim_hook hook;
        if (glim_steering_add(s, 0, v, C, 0.5, &err) ||
            glim_steering_model(&steered, s, "by chance", &err))
            fail_msg("%s", err.message);
        assert_true(glim_steering_hook(s, &hook));
        struct bench plain = {.ctx = ctx, .m = m}, bent = {.ctx = ctx, .m = steered};
        const glim_target_options target = {.output = "logit"};
        bind_bench(&plain, "Hello small world", &target);
        bind_bench(&bent, "Hello small world", &target);
        glim_document *doc = NULL;
        if (glim_document_new(&doc, ctx, &err) || bent.p->describe(bent.p, doc, &err))
            fail_msg("%s", err.message);
        assert_string_equal(doc->notes[0], "the model is steered: by chance");
        glim_document_free(doc);
        /* the same bits as a hook that writes */
        size_t n = bent.p->T * C;
        int32_t ids[64];
        for (size_t i = 0; i < bent.tokens->count; i++)
            ids[i] = bent.tokens->at[i].id;
        const uint32_t last = (uint32_t)bent.tokens->count - 1;
        glim_sequence q = {.ids = ids, .count = bent.tokens->count, .wanted = &last, .n_wanted = 1};
        glim_session *one = NULL, *two = NULL;
        if (glim_session_new(&one, m, 0, &err) || glim_session_new(&two, steered, 0, &err) ||
            glim_session_forward(
                one, &(glim_batch){.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1},
                &err) ||
            glim_session_forward(two, &(glim_batch){.sequences = &q, .count = 1}, &err))
            fail_msg("%s", err.message);
        assert_memory_equal(glim_session_logits(one, 0, 0), glim_session_logits(two, 0, 0),
                            (size_t)m->outputs * sizeof(float));
        glim_session_free(one);
        glim_session_free(two);
        /* and slopes that are differences, which are not those of the model as it was */
        float *x = calloc(n, sizeof *x), *d = calloc(n, sizeof *d);
        double slope = 0, unsteered = 0, h = 1e-3;
        assert_int_equal(bent.p->embed(bent.p, x, &err), GLIM_OK);
        moved(bent.p, x, 0, &slope, d);
        double up = moved(bent.p, x, h, NULL, d), down = moved(bent.p, x, -h, NULL, d);
        ((glim_lm *)plain.p)->rows[0].id = ((glim_lm *)bent.p)->rows[0].id;
        moved(plain.p, x, 0, &unsteered, d);
        assert_true(fabs((up - down) / (2 * h) - slope) < 0.02 * fmax(fabs(slope), 1));
        assert_true(fabs(unsteered - slope) > 1e-3);
        if (!m->hyper.both_ways) {
            glim_direct *parts;
            if (glim_direct_read(&parts, bent.p, 0, 0, &err))
                fail_msg("%s", err.message);
            assert_true(fabs(parts->residual) < 1e-4);
            glim_direct_free(parts);
        }
        free(x);
        free(d);
        free(v);
        glim_predictor_free(plain.p);
        glim_tokens_free(plain.tokens);
        glim_predictor_free(bent.p);
        glim_tokens_free(bent.tokens);
        glim_steering_free(s);
        glim_model_close(steered);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steered_model_is_the_hook_and_its_slopes_are_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
