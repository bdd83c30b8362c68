/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention seen one head at a time has the bits of the whole pattern, on the way forward
 * and back, for every tiny decoder and any number of threads; and takes less memory.
 */
#include "model-testing.h"

enum { COUNT = 61, LAYERS = 8, HEADS = 16, HEAD = COUNT * COUNT };

struct shown {
    float *value, *gradient; /* (LAYERS, HEADS, COUNT, COUNT) */
    size_t heads, back;
    int last;
};

static float *place(const struct shown *s, const glim_site *site, bool gradient) {
    return (gradient ? s->gradient : s->value) + ((size_t)site->layer * HEADS) * HEAD;
}

static glim_status see_whole(void *data, const glim_site *site, glim_error *err) {
    struct shown *s = data;
    size_t n = site->dims[0] * site->dims[1] * site->dims[2];
    assert_true(site->layer < LAYERS && site->dims[0] <= HEADS && site->dims[1] == COUNT);
    assert_int_equal(site->heads, 0);
    memcpy(place(s, site, site->gradient), site->data, n * sizeof(float));
    return GLIM_OK;
}

static glim_status see_head(void *data, const glim_site *site, glim_error *err) {
    struct shown *s = data;
    size_t at = (size_t)site->head * HEAD;
    assert_int_equal(site->n_dims, 2);
    assert_int_equal(site->dims[0] * site->dims[1], HEAD);
    assert_int_equal(site->head, s->last < 0 || s->last + 1 == site->heads ? 0 : s->last + 1);
    s->last = site->head;
    memcpy(place(s, site, site->gradient) + at, site->data, HEAD * sizeof(float));
    if (site->gradient)
        memcpy(place(s, site, false) + at, site->value, HEAD * sizeof(float));
    s->heads += !site->gradient;
    s->back += site->gradient;
    return GLIM_OK;
}

static struct shown new_shown(void) {
    return (struct shown){.value = calloc((size_t)LAYERS * HEADS * HEAD, sizeof(float)),
                          .gradient = calloc((size_t)LAYERS * HEADS * HEAD, sizeof(float)),
                          .last = -1};
}

static void free_shown(struct shown *s) {
    free(s->value);
    free(s->gradient);
}

static void run_hooks(const char *file, int threads, int layers, const glim_hook *hooks, size_t n,
                      float *logits) {
    glim_context *ctx = context_with(threads, 0);
    glim_model *m = open_model(ctx, file);
    size_t V = (size_t)glim_model_facts(m)->outputs, C = (size_t)glim_model_facts(m)->width;
    int32_t ids[COUNT], id = 3;
    float weight = 1, *d = calloc(COUNT * C, sizeof *d);
    uint32_t wanted[] = {COUNT - 1};
    glim_error err = {0};
    some_ids(ids, COUNT, glim_model_facts(m)->vocabulary, 1);
    glim_session *s = new_session(m, 0);
    glim_session_keep_layers(s, layers);
    glim_sequence q = {.ids = ids, .count = COUNT, .wanted = wanted, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1, .hooks = hooks, .n_hooks = n, .keep = true};
    run_batch(s, &b);
    memcpy(logits, glim_session_logits(s, 0, 0), (V < 4096 ? V : 4096) * sizeof *logits);
    glim_seed seed = {.ids = &id, .weights = &weight, .n = 1};
    if (glim_session_backward(s, &seed, 1, d, &err))
        fail_msg("%s: %s", file, err.message);
    free(d);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void compare(const char *file) {
    static float want_logits[4096], logits[4096];
    struct shown want = new_shown();
    glim_hook whole[] = {
        {"*.hook_pattern", GLIM_HOOK_READ | GLIM_HOOK_GRAD, see_whole, &want},
    };
    run_hooks(file, 1, -1, whole, 1, want_logits);
    for (int k = 0; k < 4; k++) { /* threads, layers kept, beside a whole one */
        struct shown got = new_shown(), other = new_shown();
        glim_hook hooks[] = {
            {"*.hook_pattern", GLIM_HOOK_READ | GLIM_HOOK_GRAD | GLIM_HOOK_HEADS, see_head, &got},
            {"*.hook_pattern", GLIM_HOOK_READ | GLIM_HOOK_GRAD, see_whole, &other}};
        run_hooks(file, k & 1 ? 4 : 1, k & 2 ? 0 : -1, hooks, k == 3 ? 2 : 1, logits);
        size_t bytes = (size_t)LAYERS * HEADS * HEAD * sizeof(float);
        assert_true(got.heads && got.heads == got.back);
        assert_memory_equal(got.value, want.value, bytes);
        assert_memory_equal(got.gradient, want.gradient, bytes);
        assert_memory_equal(logits, want_logits, sizeof logits);
        free_shown(&got);
        free_shown(&other);
    }
    free_shown(&want);
}

static void check_file(const char *file) {
    if (!strstr(file, "-q") && !strstr(file, "-f16") && !strstr(file, "-bf16"))
        compare(file);
}

static void heads_have_the_bits_of_the_whole_pattern(void **state) {
    assert_true(each_golden(".gguf", check_file) > 10);
}

/* A hook that writes sees the whole, whatever it says of heads. */
static glim_status damp(void *data, const glim_site *site, glim_error *err) {
    int *calls = data;
    assert_int_equal(site->n_dims, 3);
    site->data[0] *= 0.5f;
    ++*calls;
    return GLIM_OK;
}

static void a_hook_that_writes_sees_the_whole(void **state) {
    static float logits[4096];
    int calls = 0;
    glim_hook hook = {"blocks.0.attn.hook_pattern",
                      GLIM_HOOK_READ | GLIM_HOOK_WRITE | GLIM_HOOK_HEADS, damp, &calls};
    run_hooks("llama.gguf", 1, -1, &hook, 1, logits);
    assert_int_equal(calls, 1);
}

static void heads_are_planned_smaller_than_the_whole(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    uint64_t H = (uint64_t)glim_model_facts(m)->heads, T = 1024, kept = 1;
    glim_hook heads = {"*.hook_pattern", GLIM_HOOK_READ | GLIM_HOOK_HEADS, NULL, NULL};
    glim_hook whole = {"*.hook_pattern", GLIM_HOOK_READ, NULL, NULL};
    assert_int_equal(glim_session_plan_hooks(m, &heads, 1, T, T, true, &kept), 8 * T * T);
    assert_int_equal(kept, 0);
    assert_int_equal(glim_session_plan_hooks(m, &heads, 1, T, T, false, NULL), 4 * T * T);
    assert_int_equal(glim_session_plan_hooks(m, &whole, 1, T, T, false, NULL), 8 * H * T * T);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_have_the_bits_of_the_whole_pattern),
        cmocka_unit_test(a_hook_that_writes_sees_the_whole),
        cmocka_unit_test(heads_are_planned_smaller_than_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
