/* SPDX-License-Identifier: Apache-2.0 */
/* Grad-CAM through the weights of EfficientNet-Lite0 (scripts/fetch), as PyTorch has it. */
#include "picture-testing.h"

#include "file/safetensors.h"

static bool open_real(struct seen *s) {
    const char *cache = getenv("GLIM_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    char path[600];
    glim_error err;
    if (cache)
        snprintf(path, sizeof path, "%s/efficientnet-lite0", cache);
    else
        snprintf(path, sizeof path, "%s%s/glim/efficientnet-lite0",
                 xdg    ? xdg
                 : home ? home
                        : ".",
                 xdg ? "" : "/.cache");
    *s = (struct seen){0};
    assert_int_equal(glim_context_new(&s->ctx, &(glim_context_options){.threads = 2}, NULL), 0);
    if (!glim_model_open(&s->m, s->ctx, path, &err))
        return true;
    if (getenv("GLIM_REQUIRE_MODELS"))
        fail_msg("%s", err.message);
    glim_context_free(s->ctx);
    return false;
}

/* The recorded cat side by side with itself, as scripts/record-grad-cam.py has it. */
static void tile(const glim_image *out, const uint8_t *cat) {
    for (int y = 0; y < 224; y++)
        for (int x = 0; x < 224; x++)
            memcpy(out->rgb + 3 * (y * 224 + x), cat + 3 * (y % 64 * 96 + x % 96), 3);
}

static void the_cats_map_is_pytorchs(void **state) {
    struct seen s;
    glim_safetensors *pictures, *st;
    glim_document *doc;
    glim_error err;
    if (!open_real(&s))
        skip();
    if (glim__safetensors_open(&pictures, s.ctx, IMAGES "methods/superpixels.safetensors", &err) ||
        glim__safetensors_open(&st, s.ctx, IMAGES "methods/grad-cam.safetensors", &err) ||
        glim__image_new(&s.image, s.ctx, 224, 224, "it", &err))
        fail_msg("%s", err.message);
    tile(s.image, glim__safetensors_find(pictures, "chelsea")->data);
    glim_image_options o = {.patch = 32, .target = "282", .output = "logit"};
    if (glim_predictor_image(&s.p, s.m, s.image, &o, &err) ||
        glim_explain(&doc, s.p, glim_method_find("grad-cam"), NULL, 0, &err))
        fail_msg("%s", err.message);
    const glim_st_tensor *t = glim__safetensors_find(st, "efficientnet-lite0.patches");
    double off = 0, scale = 0;
    assert_true(t && t->bytes == 49 * sizeof(float));
    for (size_t u = 0; u < 49; u++) {
        float want;
        memcpy(&want, (const char *)t->data + u * sizeof want, sizeof want);
        scale = fmax(scale, (double)want);
        off = fmax(off, fabs(doc->scores[u] - (double)want));
    }
    if (!(scale > 0 && off <= 1e-4 * scale))
        fail_msg("off by %g of %g", off, scale);
    glim_document_free(doc);
    glim__safetensors_close(pictures);
    glim__safetensors_close(st);
    close_seen(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_cats_map_is_pytorchs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
