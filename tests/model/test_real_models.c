/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three real files against short runs of transformers on the dequantised
 * weights: token ids, the largest logits, the residual of every block at the last
 * position, the gradient of the top logit, and twelve greedy tokens. The files
 * come from scripts/fetch; where they are required, a missing one fails.
 */
#include "model-testing.h"

struct real {
    const char *recording, *file;
};

static const struct real files[] = {
    {"smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"},
    {"gemma3", "gemma-3-270m-Q4_K_M.gguf"},
    {"qwen2.5", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"},
};

static bool find_file(const char *name, char *path, size_t size) {
    const char *cache = getenv("GLIM_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache)
        snprintf(path, size, "%s/%s", cache, name);
    else if (xdg && *xdg)
        snprintf(path, size, "%s/glim/%s", xdg, name);
    else
        snprintf(path, size, "%s/.cache/glim/%s", home ? home : "", name);
    FILE *f = fopen(path, "rb");
    if (f)
        fclose(f);
    return f != NULL;
}

struct run {
    glim_context *ctx;
    glim_model *model;
    glim_safetensors *st;
    int prompt;
    double worst;
};

static const glim_st_tensor *tensor(const struct run *r, const char *name) {
    char full[160];
    snprintf(full, sizeof full, "%d.%s", r->prompt, name);
    return glim__safetensors_find(r->st, full);
}

static size_t count(const glim_st_tensor *t) {
    size_t n = 1;
    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
}

static int32_t *ids_of(const struct run *r, const char *name, size_t *n) {
    const glim_st_tensor *t = tensor(r, name);
    if (!t)
        return NULL;
    *n = count(t);
    int32_t *ids = malloc(*n * sizeof *ids);
    for (size_t i = 0; i < *n; i++) {
        int64_t id;
        memcpy(&id, (const char *)t->data + 8 * i, 8);
        ids[i] = (int32_t)id;
    }
    return ids;
}

static void compare(struct run *r, const char *name, const float *have, const float *want, size_t n,
                    double tolerance) {
    double scale = 1e-6, off = 0;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        off = fmax(off, fabs((double)have[i] - want[i]) / scale);
    if (off > tolerance)
        fail_msg("%s differs by %.3g of its largest value", name, off);
    r->worst = fmax(r->worst, off);
}

static glim_status residual(void *data, const glim_site *site, glim_error *err) {
    struct run *r = data;
    char name[96];
    size_t T = site->dims[0], C = site->dims[1];
    snprintf(name, sizeof name, "%s", site->name);
    const glim_st_tensor *t = tensor(r, name);
    if (!t)
        return GLIM_OK;
    float *want = malloc(C * sizeof *want);
    memcpy(want, t->data, C * sizeof *want);
    compare(r, name, site->data + (T - 1) * C, want, C, 1e-3);
    free(want);
    return GLIM_OK;
}

static void check_generation(struct run *r, const char *text) {
    size_t n = 0;
    int32_t *want = ids_of(r, "generate", &n);
    glim_tokens *t = NULL;
    glim_error err = {0};
    if (!want)
        return;
    if (glim_model_tokenize(r->model, &t, text, strlen(text), &err))
        fail_msg("%s", err.message);
    size_t start = t->count;
    if (glim_generate(r->model, t, n, NULL, NULL, NULL, &err))
        fail_msg("%s", err.message);
    for (size_t i = start; i < t->count; i++) /* ours stops at an end token */
        assert_int_equal(t->at[i].id, want[i - start]);
    assert_true(t->count == start + n || glim_model_token_ends(r->model, want[t->count - start]));
    glim_tokens_free(t);
    free(want);
}

static void check_prompt(struct run *r) {
    char key[32];
    size_t T = 0, n = 0;
    glim_error err = {0};
    snprintf(key, sizeof key, "text.%d", r->prompt);
    const char *text = glim__safetensors_metadata(r->st, key);
    int32_t *ids = ids_of(r, "ids", &T), *top = ids_of(r, "top.ids", &n);
    const glim_st_tensor *logits = tensor(r, "top.logits"), *grad = tensor(r, "grad.hook_embed");
    glim_tokens *tokens = NULL;
    assert_true(text && ids && top && logits && grad);
    if (glim_model_tokenize(r->model, &tokens, text, strlen(text), &err))
        fail_msg("%s", err.message);
    assert_int_equal(tokens->count, T);
    for (size_t i = 0; i < T; i++)
        assert_int_equal(tokens->at[i].id, ids[i]);
    glim_session *s = new_session(r->model, 0);
    uint32_t last = (uint32_t)T - 1;
    glim_sequence q = {.ids = ids, .count = T, .wanted = &last, .n_wanted = 1};
    glim_hook hook = {"blocks.*.hook_resid_post", GLIM_HOOK_READ, residual, r};
    glim_batch b = {.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1, .keep = true};
    run_batch(s, &b);
    float *have = malloc(n * sizeof *have), *want = malloc(n * sizeof *want);
    memcpy(want, logits->data, n * sizeof *want);
    for (size_t i = 0; i < n; i++)
        have[i] = glim_session_logits(s, 0, 0)[top[i]];
    compare(r, "logits", have, want, n, 1e-3);
    size_t size = count(grad);
    float *d = malloc(size * sizeof *d), *g = malloc(size * sizeof *g), one = 1;
    memcpy(g, grad->data, size * sizeof *g);
    glim_seed seed = {.ids = top, .weights = &one, .n = 1};
    if (glim_session_backward(s, &seed, 1, d, &err))
        fail_msg("%s", err.message);
    compare(r, "grad.hook_embed", d, g, size, 1e-3);
    check_generation(r, text);
    free(d);
    free(g);
    free(have);
    free(want);
    free(ids);
    free(top);
    glim_tokens_free(tokens);
    glim_session_free(s);
}

static void check_file(const struct real *f) {
    char path[512];
    glim_error err = {0};
    struct run r = {0};
    if (!find_file(f->file, path, sizeof path)) {
        if (getenv("GLIM_REQUIRE_MODELS") || getenv("CI"))
            fail_msg("'%s' is missing (scripts/fetch %s)", path, f->recording);
        print_message("'%s' is not here: skipped (scripts/fetch %s)\n", path, f->recording);
        return;
    }
    r.ctx = context_with(2, 0);
    if (glim_model_open(&r.model, r.ctx, path, &err))
        fail_msg("%s", err.message);
    snprintf(path, sizeof path, GOLDEN "real/%s.safetensors", f->recording);
    if (glim__safetensors_open(&r.st, r.ctx, path, &err))
        fail_msg("%s", err.message);
    for (r.prompt = 0; tensor(&r, "ids"); r.prompt++)
        check_prompt(&r);
    print_message("%s: %d prompts, worst %.2g\n", f->recording, r.prompt, r.worst);
    assert_true(r.prompt >= 2);
    glim__safetensors_close(r.st);
    glim_model_close(r.model);
    glim_context_free(r.ctx);
}

static void real_files_agree_with_transformers(void **state) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_file(&files[i]);
}

/* Forward and twice backward; budget 0 = none. Returns the bytes that were in use
   before plus those of the plan. */
static uint64_t run_within(const char *path, uint64_t budget, size_t rows, size_t wanted) {
    glim_context *ctx = context_with(2, budget);
    glim_model *m = NULL;
    glim_error err = {0};
    if (glim_model_open(&m, ctx, path, &err))
        fail_msg("%s", err.message);
    glim_session *s = new_session(m, 0);
    int32_t ids[64];
    uint32_t at[64];
    some_ids(ids, rows, m->hyper.V, 1);
    for (size_t i = 0; i < wanted; i++)
        at[i] = (uint32_t)(rows - wanted + i);
    float *dense = calloc((size_t)m->hyper.V, sizeof *dense);
    float *d = malloc(rows * (size_t)m->hyper.C * sizeof *d);
    dense[9] = 1;
    glim_sequence q = {.ids = ids, .count = rows, .wanted = at, .n_wanted = wanted};
    glim_seed seed = {.wanted = wanted - 1, .dense = dense};
    glim_batch b = {.sequences = &q, .count = 1, .keep = true};
    uint64_t bytes =
        glim_context_bytes(ctx) + glim_session_plan(m, rows, 1, rows, wanted, true, NULL);
    glim_status status = glim_session_forward(s, &b, &err);
    for (int i = 0; i < 2 && !status; i++)
        status = glim_session_backward(s, &seed, 1, d, &err);
    if (status)
        fail_msg("%s, %zu rows, %zu wanted: %s", path, rows, wanted, err.message);
    free(dense);
    free(d);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
    return bytes;
}

/* The least memory that is named before a run must do, and more must do too. */
static void the_plan_is_enough(void **state) {
    static const size_t shapes[][2] = {{15, 1}, {19, 5}, {5, 5}, {49, 1}};
    char path[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (size_t k = 0; k < 4 && find_file(files[i].file, path, sizeof path); k++) {
            uint64_t least = run_within(path, 0, shapes[k][0], shapes[k][1]);
            for (uint64_t more = 0; more < 24; more += 8)
                run_within(path, least + (more << 20), shapes[k][0], shapes[k][1]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_files_agree_with_transformers),
        cmocka_unit_test(the_plan_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
