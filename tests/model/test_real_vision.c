/* SPDX-License-Identifier: Apache-2.0 */
/* EfficientNet-Lite0 as scripts/fetch makes it, against PyTorch on the packaged file: what the
   model sees, logits and top five of five photographs, maps and the gradient of one. Without
   the files the test is skipped, unless GLIM_REQUIRE_MODELS is set. */
#include "model-testing.h"

#include <glim/image.h>

#define RECORDING GLIM_TESTS "/golden/images/real/efficientnet-lite0.safetensors"

static const char *const pictures[] = {"chelsea.png", "astronaut.png", "coffee.png", "china.jpg",
                                       "flower.jpg"};

static void cache_path(char *out, size_t size, const char *name) {
    const char *given = getenv("GLIM_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home;
    if (given && *given)
        snprintf(out, size, "%s/%s", given, name);
    else if (base && *base)
        snprintf(out, size, "%s/glim/%s", base, name);
    else
        snprintf(out, size, "%s/.cache/glim/%s", (home = getenv("HOME")) ? home : "", name);
}

static bool is_there(const char *name) {
    char path[600];
    cache_path(path, sizeof path, name);
    FILE *f = fopen(path, "rb");
    if (f)
        fclose(f);
    else if (getenv("GLIM_REQUIRE_MODELS"))
        fail_msg("%s is missing (scripts/fetch)", path);
    return f != NULL;
}

struct real {
    glim_context *ctx;
    glim_model *m;
    glim_image_session *s;
    glim_safetensors *st;
    glim_hook hook;
};

static const float *recorded(const struct real *r, const char *name, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(r->st, name);
    assert_non_null(t);
    assert_int_equal(t->bytes, n * sizeof(float));
    return t->data;
}

static void assert_near(const float *got, const float *want, size_t n, const char *name) {
    double scale = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs((double)want[i]));
        off = fmax(off, fabs((double)got[i] - want[i]));
    }
    if (!(off <= 1e-4 * scale))
        fail_msg("%s: off by %g of %g", name, off, scale);
}

/* Every `step`-th row and column of a map. */
static void thin(float *out, const float *map, size_t side, size_t C, size_t step) {
    for (size_t y = 0; y < side; y += step)
        for (size_t x = 0; x < side; x += step, out += C)
            memcpy(out, map + (y * side + x) * C, C * sizeof *out);
}

static glim_status compare_map(void *data, const glim_site *site, glim_error *err) {
    const struct real *r = data;
    size_t side = site->dims[0], C = site->dims[2], n = (side + 3) / 4;
    float *some = malloc(n * n * C * sizeof *some);
    if (glim__safetensors_find(r->st, site->name)) {
        thin(some, site->data, side, C, 4);
        assert_near(some, recorded(r, site->name, n * n * C), n * n * C, site->name);
    }
    free(some);
    return GLIM_OK;
}

static void check_top(const struct real *r, const char *picture, const float *logits) {
    char name[64];
    int64_t want[5];
    snprintf(name, sizeof name, "%s.top", picture);
    memcpy(want, glim__safetensors_find(r->st, name)->data, sizeof want);
    for (int k = 0; k < 5; k++) {
        size_t above = 0;
        for (int i = 0; i < 1000; i++)
            above += logits[i] > logits[want[k]];
        assert_int_equal(above, k);
    }
}

static void check_picture(struct real *r, const char *picture, float *x) {
    char path[600], name[64];
    glim_image *image, *seen;
    glim_error err;
    snprintf(name, sizeof name, "pictures/%s", picture);
    cache_path(path, sizeof path, name);
    if (glim_image_read(&image, r->ctx, path, &err) || glim_model_sees(r->m, &seen, image, &err))
        fail_msg("%s", err.message);
    if (!strcmp(picture, "chelsea.png"))
        assert_memory_equal(seen->rgb, glim__safetensors_find(r->st, "seen")->data, 224 * 224 * 3);
    glim_model_pixels(r->m, seen, x);
    r->hook = (glim_hook){"blocks.*.hook_out", GLIM_HOOK_READ, compare_map, r};
    glim_image_batch b = {.pixels = x,
                          .count = 1,
                          .hooks = &r->hook,
                          .n_hooks = !strcmp(picture, "chelsea.png"),
                          .keep = true};
    if (glim_image_session_forward(r->s, &b, &err))
        fail_msg("%s", err.message);
    const float *logits = glim_image_session_logits(r->s, 0);
    snprintf(name, sizeof name, "%s.logits", picture);
    assert_near(logits, recorded(r, name, 1000), 1000, name);
    check_top(r, picture, logits);
    glim_image_free(image);
    glim_image_free(seen);
}

static void check_gradient(struct real *r, float *x) {
    enum { SIDE = 224, SOME = (SIDE + 2) / 3 };
    float *d = malloc((size_t)SIDE * SIDE * 3 * sizeof *d), *some = malloc(SOME * SOME * 3 * 4);
    float seeds[1000] = {0};
    int64_t top;
    check_picture(r, "chelsea.png", x);
    memcpy(&top, glim__safetensors_find(r->st, "chelsea.png.top")->data, sizeof top);
    seeds[top] = 1;
    assert_int_equal(glim_image_session_backward(r->s, seeds, d, NULL), GLIM_OK);
    thin(some, d, SIDE, 3, 3);
    assert_near(some, recorded(r, "gradient", SOME * SOME * 3), SOME * SOME * 3, "gradient");
    assert_string_equal(glim_model_facts(r->m)->labels[top], "tiger cat");
    free(d);
    free(some);
}

static void photographs_have_pytorchs_logits(void **state) {
    struct real r = {0};
    glim_error err;
    char path[600];
    if (!is_there("efficientnet-lite0/model.safetensors") || !is_there("pictures/chelsea.png"))
        skip();
    r.ctx = context_with(2, 0);
    cache_path(path, sizeof path, "efficientnet-lite0");
    if (glim_model_open(&r.m, r.ctx, path, &err) || glim_image_session_new(&r.s, r.m, &err) ||
        glim__safetensors_open(&r.st, r.ctx, RECORDING, &err))
        fail_msg("%s", err.message);
    float *x = malloc((size_t)224 * 224 * 3 * sizeof *x);
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        check_picture(&r, pictures[i], x);
    check_gradient(&r, x);
    free(x);
    glim__safetensors_close(r.st);
    glim_image_session_free(r.s);
    glim_model_close(r.m);
    glim_context_free(r.ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(photographs_have_pytorchs_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
