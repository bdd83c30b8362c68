/* SPDX-License-Identifier: Apache-2.0 */
/* Every directory of tests/golden/images that has a recording: sites, logits and gradients;
   bits for any threads and batch; refusals. */
#include "model-testing.h"

#include <unistd.h>

#include <glim/image.h>

#define IMAGES GLIM_TESTS "/golden/images/"

static glim_model *open_images(glim_context *ctx, const char *name) {
    char path[512];
    glim_model *m = NULL;
    glim_error err = {0};
    snprintf(path, sizeof path, IMAGES "%s", name);
    if (glim_model_open(&m, ctx, path, &err))
        fail_msg("%s", err.message);
    return m;
}

static glim_image_session *new_images(const glim_model *m) {
    glim_image_session *s = NULL;
    assert_int_equal(glim_image_session_new(&s, m, NULL), GLIM_OK);
    return s;
}

static size_t pixels_of(const glim_model *m) {
    const glim_model_info *info = glim_model_facts(m);
    return (size_t)info->image_height * (size_t)info->image_width * 3;
}

struct golden {
    const char *model;
    glim_safetensors *st;
    size_t seen;
};

static void compare(const struct golden *g, const char *name, const float *got, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(g->st, name);
    if (!t)
        return;
    assert_int_equal(t->bytes, n * sizeof(float));
    const float *want = t->data;
    double scale = 0, off = 0;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        off = fmax(off, fabs((double)got[i] - want[i]));
    if (!(off <= 1e-5 * scale))
        fail_msg("%s, %s: off by %g of %g", g->model, name, off, scale);
}

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    struct golden *g = data;
    char name[128];
    size_t n = 1;
    for (int i = 0; i < site->n_dims; i++)
        n *= site->dims[i];
    snprintf(name, sizeof name, "%s%s", site->gradient ? "grad." : "", site->name);
    compare(g, name, site->data, n);
    g->seen += glim__safetensors_find(g->st, name) != NULL;
    return GLIM_OK;
}

/* A seed for one logit. */
static void walk(glim_image_session *s, const glim_model *m, int id, float *d) {
    float *seeds = calloc((size_t)glim_model_facts(m)->outputs, sizeof *seeds);
    glim_error err;
    seeds[id] = 1;
    if (glim_image_session_backward(s, seeds, d, &err))
        fail_msg("%s", err.message);
    free(seeds);
}

static int each_recording(void (*fn)(glim_context *ctx, const char *name, glim_safetensors *st)) {
    DIR *dir = opendir(IMAGES);
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[512], name[256];
        size_t len = strlen(e->d_name);
        if (len < 13 || strcmp(e->d_name + len - 12, ".safetensors") ||
            !strcmp(e->d_name, "pictures.safetensors"))
            continue;
        glim_context *ctx = context_with(2, 0);
        glim_safetensors *st;
        snprintf(path, sizeof path, IMAGES "%s", e->d_name);
        snprintf(name, sizeof name, "%.*s", (int)len - 12, e->d_name);
        assert_int_equal(glim__safetensors_open(&st, ctx, path, NULL), GLIM_OK);
        fn(ctx, name, st);
        glim__safetensors_close(st);
        glim_context_free(ctx);
        n++;
    }
    closedir(dir);
    return n;
}

static void check_recording(glim_context *ctx, const char *name, glim_safetensors *st) {
    glim_model *m = open_images(ctx, name);
    glim_image_session *s = new_images(m);
    struct golden g = {.model = name, .st = st};
    glim_hook hook = {"*", GLIM_HOOK_READ | GLIM_HOOK_GRAD, visit, &g};
    const float *pixels = glim__safetensors_find(st, "hook_pixels")->data;
    int64_t target;
    glim_error err;
    size_t sites, n = pixels_of(m), recorded = 0;
    glim_image_batch b = {.pixels = pixels, .count = 1, .hooks = &hook, .n_hooks = 1, .keep = true};
    if (glim_image_session_forward(s, &b, &err))
        fail_msg("%s: %s", name, err.message);
    memcpy(&target, glim__safetensors_find(st, "target")->data, sizeof target);
    float *d = malloc(n * sizeof *d);
    walk(s, m, (int)target, d);
    compare(&g, "grad.hook_pixels", d, n);
    const char *const *names = glim_model_sites(m, &sites);
    for (size_t i = 0; i < sites; i++)
        recorded += glim__safetensors_find(st, names[i]) != NULL;
    assert_true(recorded >= 2 && g.seen >= recorded);
    free(d);
    glim_image_session_free(s);
    glim_model_close(m);
}

static void models_agree_with_their_recordings(void **state) {
    assert_true(each_recording(check_recording) >= 5);
}

/* Every site that a recording of all has is listed, and the other way round. */
static void all_sites_are_recorded(void **state) {
    static const char *const names[] = {"efficientnet-lite", "mobilenet-v2"};
    for (int k = 0; k < 2; k++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_images(ctx, names[k]);
        glim_safetensors *st;
        char path[512];
        size_t n;
        const char *const *sites = glim_model_sites(m, &n);
        snprintf(path, sizeof path, IMAGES "%s.safetensors", names[k]);
        assert_int_equal(glim__safetensors_open(&st, ctx, path, NULL), GLIM_OK);
        for (size_t i = 0; i < n; i++)
            if (!glim__safetensors_find(st, sites[i]))
                fail_msg("%s is not recorded", sites[i]);
        glim__safetensors_close(st);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* The whole model's slope along a direction, by differences. */
static void gradients_agree_with_differences(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_images(ctx, "efficientnet-lite");
    glim_image_session *s = new_images(m);
    size_t n = pixels_of(m);
    float *x = malloc(3 * n * sizeof *x), *d = malloc(n * sizeof *d);
    double slope = 0, h = 1e-3;
    for (size_t i = 0; i < n; i++)
        x[i] = 0.8f * (float)(2 * glim__rng_uniform(2, 1, i) - 1);
    for (size_t i = 0; i < n; i++) {
        double u = glim__rng_normal(2, 2, i) / sqrt((double)n);
        x[n + i] = (float)(x[i] + h * u);
        x[2 * n + i] = (float)(x[i] - h * u);
    }
    glim_image_batch one = {.pixels = x, .count = 1, .keep = true};
    assert_int_equal(glim_image_session_forward(s, &one, NULL), GLIM_OK);
    walk(s, m, 2, d);
    for (size_t i = 0; i < n; i++)
        slope += d[i] * ((double)x[n + i] - x[2 * n + i]);
    glim_image_batch two = {.pixels = x + n, .count = 2};
    assert_int_equal(glim_image_session_forward(s, &two, NULL), GLIM_OK);
    double numeric =
        (double)glim_image_session_logits(s, 0)[2] - glim_image_session_logits(s, 1)[2];
    if (!(fabs(numeric - slope) < 0.02 * fabs(slope) + 2e-6))
        fail_msg("%g by differences, %g by backward", numeric, slope);
    free(x);
    free(d);
    glim_image_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* Logits of three pictures, and the gradient of the first. */
static void run_three(int threads, size_t at_once, float *logits, float *d) {
    glim_context *ctx = context_with(threads, 0);
    glim_model *m = open_images(ctx, "mobilenet-v2");
    glim_image_session *s = new_images(m);
    size_t n = pixels_of(m), V = (size_t)glim_model_facts(m)->outputs;
    float *x = malloc(3 * n * sizeof *x), *all = malloc(at_once * n * sizeof *all);
    float *seeds = calloc(at_once * V, sizeof *seeds);
    for (size_t i = 0; i < 3 * n; i++)
        x[i] = (float)(2 * glim__rng_uniform(4, 1, i) - 1);
    for (size_t i = 0; i < 3; i += at_once) {
        glim_image_batch b = {.pixels = x + i * n, .count = at_once, .keep = true};
        assert_int_equal(glim_image_session_forward(s, &b, NULL), GLIM_OK);
        for (size_t k = 0; k < at_once; k++)
            memcpy(logits + (i + k) * V, glim_image_session_logits(s, k), V * sizeof *logits);
        seeds[1] = 1;
        if (!i) {
            assert_int_equal(glim_image_session_backward(s, seeds, all, NULL), GLIM_OK);
            memcpy(d, all, n * sizeof *d);
        }
    }
    free(x);
    free(all);
    free(seeds);
    glim_image_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void bits_depend_on_neither_threads_nor_batch(void **state) {
    enum { V = 5, N = 32 * 32 * 3 };
    float *a = calloc(2 * (3 * V + N), sizeof *a), *b = a + 3 * V + N;
    run_three(1, 1, a, a + 3 * V);
    run_three(2, 3, b, b + 3 * V);
    assert_memory_equal(a, b, (3 * V + N) * sizeof *a);
    free(a);
}

static void what_a_model_sees_is_what_transformers_sees(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_images(ctx, "mobilenet-v2");
    glim_safetensors *st;
    assert_int_equal(glim__safetensors_open(&st, ctx, IMAGES "mobilenet-v2.safetensors", NULL), 0);
    const glim_st_tensor *p = glim__safetensors_find(st, "picture");
    glim_image in = {ctx, (int)p->dims[1], (int)p->dims[0], (uint8_t *)p->data}, *seen;
    assert_int_equal(glim_model_sees(m, &seen, &in, NULL), GLIM_OK);
    float *x = malloc(pixels_of(m) * sizeof *x);
    glim_model_pixels(m, seen, x);
    const float *want = glim__safetensors_find(st, "seen")->data;
    for (size_t i = 0; i < pixels_of(m); i++)
        if (fabsf(x[i] - want[i]) > 1e-5f)
            fail_msg("pixel %zu: %g, expected %g", i, (double)x[i], (double)want[i]);
    free(x);
    glim_image_free(seen);
    glim__safetensors_close(st);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void texts_are_refused(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_images(ctx, "efficientnet-lite"), *text = open_model(ctx, "llama.gguf");
    glim_error err;
    glim_tokens *tokens;
    glim_session *s;
    glim_image_session *images;
    glim_image *seen, dot = {ctx, 1, 1, (uint8_t[3]){0}};
    float row[64];
    int32_t id;
    assert_int_equal(glim_model_tokenize(m, &tokens, "x", 1, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "reads pictures"));
    assert_int_equal(glim_model_tokenize_pair(m, &tokens, "x", 1, "y", 1, &err), GLIM_EUSAGE);
    assert_int_equal(glim_model_tokenize_chat(m, &tokens, "[]", 2, "c", NULL, &err), GLIM_EUSAGE);
    assert_int_equal(glim_session_new(&s, m, 0, &err), GLIM_EUSAGE);
    assert_int_equal(glim_model_token(m, "x", &id, &err), GLIM_EUSAGE);
    assert_int_equal(glim_model_embedding(m, 0, row, &err), GLIM_EUSAGE);
    assert_false(glim_model_token_ends(m, 0));
    assert_int_equal(glim_image_session_new(&images, text, &err), GLIM_EUSAGE);
    assert_int_equal(glim_model_sees(text, &seen, &dot, &err), GLIM_EUSAGE);
    glim_model_close(m);
    glim_model_close(text);
    glim_context_free(ctx);
}

/* A copy of the tiny model with some words of its config.json exchanged. */
static glim_status open_changed(const char *from, const char *to, glim_error *err) {
    char dir[] = "/tmp/glim-vision-XXXXXX", path[600], text[4096];
    assert_non_null(mkdtemp(dir));
    FILE *f = fopen(IMAGES "efficientnet-lite/config.json", "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(path, sizeof path, "%s/config.json", dir);
    f = fopen(path, "w");
    fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    fclose(f);
    char link[600];
    snprintf(link, sizeof link, "%s/model.safetensors", dir);
    assert_int_equal(symlink(IMAGES "efficientnet-lite/model.safetensors", link), 0);
    glim_context *ctx = context_with(1, 0);
    glim_model *m = NULL;
    glim_status status = glim_model_open(&m, ctx, dir, err);
    glim_model_close(m);
    glim_context_free(ctx);
    unlink(link);
    unlink(path);
    rmdir(dir);
    return status;
}

static void wrong_configurations_are_refused(void **state) {
    static const struct {
        const char *from, *to, *words;
    } cases[] = {
        {"\"relu6\"", "\"swish\"", "hidden_act"},
        {"\"kernel\": 5", "\"kernel\": 4", "block 1"},
        {"\"kernel\": 5", "\"kernel\": 9", "kernel"},
        {"\"expanded\": 20", "\"expanded\": 21", "has shape"},
        {"\"stride\": 2", "\"stride\": 0", "stride"},
        {"\"image_size\": 37", "\"image_size\": 1e9", "image_size"},
        {"\"stem_channels\": 8,", "", "stem_channels"},
        {"\"blocks\"", "\"box\"", "blocks"},
        {"\"hwio\"", "\"oihw\"", "has shape"},
        {"\"hwio\"", "\"chw\"", "kernel_layout"},
        {"0.875", "-1", "share"},
        {"127,", "\"a\",", "three numbers"},
        {"\"batch_norm_eps\": 0.001", "\"batch_norm_eps\": -9", "variance"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_error err = {0};
        glim_status status = open_changed(cases[i].from, cases[i].to, &err);
        if (status != GLIM_EFORMAT && status != GLIM_EUNSUPPORTED)
            fail_msg("%s: status %d, %s", cases[i].to, status, err.message);
        if (!strstr(err.message, cases[i].words))
            fail_msg("'%s' does not name %s", err.message, cases[i].words);
    }
}

static void a_refused_allocation_leaks_nothing(void **state) {
    glim_context *ctx = context_with(1, 0);
    for (uint64_t nth = 1;; nth += 1 + nth / 16) {
        glim_model *m = NULL;
        glim_image_session *s = NULL;
        glim_error err;
        char path[] = IMAGES "efficientnet-lite";
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_model_open(&m, ctx, path, &err);
        if (!status)
            status = glim_image_session_new(&s, m, &err);
        float *x = calloc(37 * 37 * 3, sizeof *x), seeds[5] = {1};
        glim_image_batch b = {.pixels = x, .count = 1, .keep = true};
        if (!status)
            status = glim_image_session_forward(s, &b, &err);
        if (!status)
            status = glim_image_session_backward(s, seeds, x, &err);
        bool through = glim__fail_allocation(ctx, 0) < nth;
        free(x);
        glim_image_session_free(s);
        glim_model_close(m);
        if (through)
            break;
        assert_true(status == GLIM_ENOMEM);
    }
    glim_context_free(ctx);
}

/* What a plan says is enough. */
static void a_planned_budget_is_enough(void **state) {
    for (int keep = 0; keep < 2; keep++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_images(ctx, "efficientnet-lite");
        uint64_t plan = glim_image_session_plan(m, 2, keep), before = glim_context_bytes(ctx);
        glim_image_session *s = new_images(m);
        float *x = calloc(2 * pixels_of(m), sizeof *x), seeds[10] = {1};
        glim_image_batch b = {.pixels = x, .count = 2, .keep = keep};
        glim_context_reset_peak(ctx);
        assert_int_equal(glim_image_session_forward(s, &b, NULL), GLIM_OK);
        if (keep)
            assert_int_equal(glim_image_session_backward(s, seeds, x, NULL), GLIM_OK);
        uint64_t peak = glim_context_peak(ctx) - before;
        if (peak > plan + (64 << 10) || plan > 4 * peak)
            fail_msg("%llu bytes planned, %llu used", (unsigned long long)plan,
                     (unsigned long long)peak);
        free(x);
        glim_image_session_free(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_agree_with_their_recordings),
        cmocka_unit_test(all_sites_are_recorded),
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_batch),
        cmocka_unit_test(what_a_model_sees_is_what_transformers_sees),
        cmocka_unit_test(texts_are_refused),
        cmocka_unit_test(wrong_configurations_are_refused),
        cmocka_unit_test(a_refused_allocation_leaks_nothing),
        cmocka_unit_test(a_planned_budget_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
