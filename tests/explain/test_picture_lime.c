/* SPDX-License-Identifier: Apache-2.0 */
/* LIME for pictures: lime_image's own masks give its own coefficients, a classifier that
   reads one superpixel is found out, coins are fair. */
#include "picture-testing.h"

#include "default-options.h"

#include "explain/lime.h"
#include "file/safetensors.h"
#include "predict/patches.h"

static const void *recorded(glim_safetensors *st, const char *cut, const char *name, size_t bytes) {
    char key[80];
    snprintf(key, sizeof key, "%s.%s", cut, name);
    const glim_st_tensor *t = glim__safetensors_find(st, key);
    if (!t || t->bytes != bytes)
        fail_msg("%s is not recorded", key);
    return t->data;
}

static void masks_of_lime_image_give_its_coefficients(void **state) {
    static const char *const cuts[] = {"slic.30", "quickshift"};
    glim_context *ctx;
    glim_safetensors *st;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL), 0);
    assert_int_equal(glim__safetensors_open(&st, ctx, IMAGES "methods/lime.safetensors", NULL), 0);
    for (int k = 0; k < 2; k++) {
        enum { N = 300, MOST = 28 };
        size_t d = k ? 7 : MOST;
        double weight[N], want[N], y[N], coef[MOST], rest[3], b[MOST], errors[MOST];
        uint8_t z[N * MOST];
        memcpy(z, recorded(st, cuts[k], "z", N * d), N * d);
        memcpy(want, recorded(st, cuts[k], "weight", sizeof want), sizeof want);
        memcpy(y, recorded(st, cuts[k], "y", sizeof y), sizeof y);
        memcpy(coef, recorded(st, cuts[k], "coef", d * sizeof *coef), d * sizeof *coef);
        memcpy(rest, recorded(st, cuts[k], "rest", sizeof rest), sizeof rest);
        glim__lime_closeness(z, N, d, 25, weight);
        for (int i = 0; i < N; i++)
            assert_true(fabs(weight[i] - want[i]) < 1e-12);
        glim_lime_data data = {
            .ctx = ctx, .n = N, .d = d, .z = z, .weight = weight, .y = y, .step = 1};
        glim_lime_options o = {.select = GLIM_SELECT_AUTO, .num_features = d, .alpha = 1};
        glim_lime_result r = {.coefficients = b, .errors = errors};
        assert_int_equal(glim__lime_fit(&data, &o, &r, NULL), GLIM_OK);
        double off = fabs(r.intercept - rest[0]);
        for (size_t i = 0; i < d; i++)
            off = fmax(off, fabs(b[i] - coef[i]));
        off = fmax(off, fmax(fabs(r.r2 - rest[1]), fabs(r.local_pred - rest[2])));
        if (!(off < 1e-6))
            fail_msg("%s: off by %g", cuts[k], off);
    }
    glim__safetensors_close(st);
    glim_context_free(ctx);
}

/* Its masks, too: what an absent superpixel is painted with, but for the cut to bytes. */
static void absent_superpixels_have_lime_images_colours(void **state) {
    enum { W = 96, H = 64 };
    glim_context *ctx;
    glim_safetensors *pictures, *st;
    glim_image *image;
    glim_patches p;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL), 0);
    assert_int_equal(glim__safetensors_open(&st, ctx, IMAGES "methods/lime.safetensors", NULL), 0);
    assert_int_equal(
        glim__safetensors_open(&pictures, ctx, IMAGES "methods/superpixels.safetensors", NULL), 0);
    assert_int_equal(glim__image_new(&image, ctx, W, H, "it", NULL), 0);
    memcpy(image->rgb, glim__safetensors_find(pictures, "chelsea")->data, W * H * 3);
    glim_image_options o = {.superpixels = "quickshift"};
    assert_int_equal(glim__patches_cut(&p, image, &o, 1, NULL), 0);
    static float pixels[W * H * 3], own[W * H * 3];
    const uint8_t *want = recorded(st, "quickshift", "fudged", W * H * 3);
    for (size_t i = 0; i < W * H * 3; i++)
        pixels[i] = image->rgb[i];
    assert_int_equal(glim__patches_background(&p, pixels, GLIM_ABSENT_OWN, pixels, own, NULL), 0);
    for (size_t i = 0; i < W * H * 3; i++)
        assert_int_equal(own[i], want[i]);
    glim__patches_release(&p, ctx);
    glim_image_free(image);
    glim__safetensors_close(pictures);
    glim__safetensors_close(st);
    glim_context_free(ctx);
}

/* ---- a predictor that reads one superpixel ---- */

struct reader {
    glim_predictor base;
    glim_patches patches;
    float *pixels, *own;
    size_t unit, row_end;
    double value;
};

static double read_unit(const struct reader *r, const float *x) {
    const glim_unit *u = &r->patches.units.at[r->unit];
    double sum = 0;
    for (size_t t = u->first; t < u->first + u->count; t++)
        sum += (double)x[3 * (size_t)r->patches.place[t]];
    return sum / (double)u->count;
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct reader *r = (struct reader *)p;
    size_t size = (size_t)r->patches.width * (size_t)r->patches.height * 3;
    float *x = malloc(size * sizeof *x);
    assert_int_equal(absent, GLIM_ABSENT_BLACK);
    memset(r->own, 0, size * sizeof *r->own);
    for (size_t i = 0; i < n; i++) {
        memcpy(x, r->pixels, size * sizeof *x);
        glim__patches_paint(&r->patches, keep + i * p->units->count, 3 * sizeof *x, r->own, x);
        out[i] = read_unit(r, x);
    }
    free(x);
    return GLIM_OK;
}

static void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out) {
    out->forward_tokens += n;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    doc->n_rows = 1;
    return glim__patches_describe(&((const struct reader *)p)->patches, doc) ? GLIM_OK
                                                                             : GLIM_ENOMEM;
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = *backward = 0;
}

static void what_reads_one_superpixel_is_found_out(void **state) {
    struct seen s;
    struct reader r = {.unit = 4};
    glim_document *doc;
    glim_error err = {0};
    open_seen(&s, 1, &(glim_image_options){0});
    glim_image_options o = {.superpixels = "slic", .segments = 40};
    assert_int_equal(glim__patches_cut(&r.patches, s.image, &o, 1, NULL), 0);
    assert_true(r.patches.units.count > 8);
    r.pixels = malloc(PIXELS * 3 * sizeof *r.pixels);
    r.own = malloc(PIXELS * 3 * sizeof *r.own);
    for (size_t i = 0; i < PIXELS * 3; i++)
        r.pixels[i] = s.image->rgb[i] / 255.0f;
    r.value = read_unit(&r, r.pixels);
    r.row_end = r.patches.units.count;
    r.base = (glim_predictor){.ctx = s.ctx,
                              .name = "reader",
                              .can = GLIM_CAN_PREDICT,
                              .image = true,
                              .superpixels = true,
                              .units = &r.patches.units,
                              .n_rows = 1,
                              .row_end = &r.row_end,
                              .value = &r.value,
                              .values = values,
                              .plan_values = plan_values,
                              .describe = describe,
                              .cost = cost};
    const glim_method *m = glim_method_find("lime");
    void *opts = calloc(1, m->opts_size);
    glim_param_defaults(m->params, opts);
    glim_param_set(glim_param_find(m->params, "absent"), opts, "black", NULL);
    if (glim_explain(&doc, &r.base, m, opts, 5, &err))
        fail_msg("%s", err.message);
    for (size_t u = 0; u < doc->input.n_units; u++)
        if (u == r.unit)
            assert_true(fabs(doc->scores[u] - r.value) < 0.02 * r.value);
        else
            assert_true(fabs(doc->scores[u]) < 0.01 * r.value);
    if (doc->verdict != GLIM_VERDICT_OK)
        fail_msg("%s", doc->verdict_reason);
    free(opts);
    free(r.pixels);
    free(r.own);
    glim_document_free(doc);
    glim__patches_release(&r.patches, s.ctx);
    close_seen(&s);
}

static void coins_are_fair_and_always_the_same(void **state) {
    enum { N = 2000, D = 70 };
    static uint8_t z[N * D], again[N * D];
    glim__lime_coins(3, N, D, z);
    glim__lime_coins(3, N, D, again);
    assert_memory_equal(z, again, sizeof z);
    for (size_t k = 0; k < D; k++) {
        double there = 0, with_next = 0;
        for (size_t i = 1; i < N; i++) {
            there += z[i * D + k];
            with_next += z[i * D + k] && z[i * D + (k + 1) % D];
        }
        assert_int_equal(z[k], 1);
        assert_true(fabs(there / N - 0.5) < 0.05 && fabs(with_next / N - 0.25) < 0.05);
    }
    glim__lime_coins(4, N, D, again);
    assert_memory_not_equal(z, again, sizeof z);
}

static void squares_have_their_own_colour_here_too(void **state) {
    struct seen s;
    glim_document *doc;
    open_seen(&s, 1, &(glim_image_options){.patch = 12});
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("lime"), NULL, 1, NULL), GLIM_OK);
    bool said = false;
    for (size_t i = 0; i < doc->n_notes; i++)
        said = said || strstr(doc->notes[i], "an absent patch has its own mean colour");
    assert_true(said);
    glim_document_free(doc);
    close_seen(&s);
}

/* One unit, or a picture of one colour: nothing to tell apart, and no crash. */
static void pictures_with_nothing_to_tell_are_answered(void **state) {
    static const glim_image_options cuts[] = {
        {.superpixels = "slic", .segments = 1}, {.patch = SIDE}, {.superpixels = "slic"}};
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; glim_methods()[i]; i++) {
            struct seen s;
            glim_document *doc;
            glim_error err = {0};
            open_seen(&s, 1, &cuts[0]);
            if (glim_methods()[i]->needs & ~s.p->can) {
                close_seen(&s);
                continue;
            }
            void *opts = default_options(glim_methods()[i]);
            glim_predictor_free(s.p);
            if (k == 2)
                memset(s.image->rgb, 80, PIXELS * 3);
            if (glim_predictor_image(&s.p, s.m, s.image, &cuts[k], &err) ||
                glim_explain(&doc, s.p, glim_methods()[i], opts, 0, &err))
                fail_msg("%s, %d: %s", glim_methods()[i]->name, k, err.message);
            assert_true(k == 2 ? doc->input.n_units > 50 : doc->input.n_units == 1);
            for (size_t u = 0; u < doc->input.n_units; u++)
                assert_true(isfinite(doc->scores[u]));
            free(opts);
            glim_document_free(doc);
            close_seen(&s);
        }
}

static void plans_hold(void **state) {
    struct seen s;
    glim_plan plan;
    glim_document *doc;
    open_seen(&s, 1, &(glim_image_options){.superpixels = "slic", .segments = 60});
    const glim_method *m = glim_method_find("lime");
    assert_int_equal(glim_explain_plan(&plan, s.p, m, NULL, NULL), GLIM_OK);
    glim_context_reset_peak(s.ctx);
    assert_int_equal(glim_explain(&doc, s.p, m, NULL, 0, NULL), GLIM_OK);
    assert_true(glim_context_peak(s.ctx) <= plan.bytes_wanted);
    assert_true(doc->cost.forward_tokens <= plan.forward_tokens);
    glim_document_free(doc);
    close_seen(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_of_lime_image_give_its_coefficients),
        cmocka_unit_test(absent_superpixels_have_lime_images_colours),
        cmocka_unit_test(what_reads_one_superpixel_is_found_out),
        cmocka_unit_test(coins_are_fair_and_always_the_same),
        cmocka_unit_test(squares_have_their_own_colour_here_too),
        cmocka_unit_test(pictures_with_nothing_to_tell_are_answered),
        cmocka_unit_test(plans_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
