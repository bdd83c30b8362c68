/* SPDX-License-Identifier: Apache-2.0 */
/* Grad-CAM beside Captum's and PyTorch's, what it says of itself, and what it refuses;
   inner values of a model of pictures. */
#include "picture-testing.h"

#include "file/safetensors.h"

static glim_safetensors *st;

static const float *recorded(const char *name, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    if (!t || t->bytes != n * sizeof(float))
        fail_msg("%s is not recorded", name);
    return t->data;
}

static glim_document *grad_cam(struct seen *s, const char *site, const char *relu) {
    const glim_method *m = glim_method_find("grad-cam");
    glim_document *doc;
    glim_error err = {0};
    void *opts = calloc(1, m->opts_size);
    glim_param_defaults(m->params, opts);
    if ((site && glim_param_set(glim_param_find(m->params, "site"), opts, site, &err)) ||
        glim_param_set(glim_param_find(m->params, "relu"), opts, relu, &err) ||
        glim_explain(&doc, s->p, m, opts, 0, &err))
        fail_msg("%s", err.message);
    free(opts);
    return doc;
}

/* Opens a model on the recorded picture, which it sees as it is; every pixel is a unit. */
static void open_recorded(struct seen *s, const char *model, int side, const char *target,
                          int patch) {
    char name[80];
    snprintf(name, sizeof name, "%s.seen", model);
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    assert_non_null(t);
    open_picture(s, model, 2);
    assert_int_equal(glim__image_new(&s->image, s->ctx, side, side, "it", NULL), GLIM_OK);
    memcpy(s->image->rgb, t->data, (size_t)side * (size_t)side * 3);
    glim_error err;
    glim_image_options o = {.patch = patch, .target = target, .output = "logit"};
    if (glim_predictor_image(&s->p, s->m, s->image, &o, &err))
        fail_msg("%s", err.message);
}

static void maps_are_those_of_captum(void **state) {
    static const struct {
        const char *model, *site, *target;
        int side;
    } cases[] = {
        {"efficientnet-lite", "head.hook_out", "2", 37},
        {"efficientnet-lite", "blocks.1.hook_out", "2", 37},
        {"mobilenet-v2", "blocks.3.hook_out", "1", 32},
        {"mobilenet-v2", "blocks.6.hook_out", "1", 32},
    };
    int compared = 0;
    for (size_t k = 0; k < 8; k++) {
        char name[96];
        const char *relu = k % 2 ? "on" : "off";
        snprintf(name, sizeof name, "%s.%s.%s", cases[k / 2].model, cases[k / 2].site, relu);
        if (!glim__safetensors_find(st, name))
            continue;
        struct seen s;
        int side = cases[k / 2].side;
        size_t n = (size_t)side * (size_t)side;
        open_recorded(&s, cases[k / 2].model, side, cases[k / 2].target, 1);
        bool usual = !strcmp(cases[k / 2].site, "head.hook_out");
        glim_document *doc = grad_cam(&s, usual ? NULL : cases[k / 2].site, relu);
        const float *want = recorded(name, n);
        double scale = 0, off = 0;
        assert_int_equal(doc->input.n_units, n);
        assert_int_equal(doc->method.is_signed, !strcmp(relu, "off"));
        for (size_t i = 0; i < n; i++) {
            scale = fmax(scale, fabs((double)want[i]));
            off = fmax(off, fabs(doc->scores[i] - (double)want[i]));
        }
        if (!(scale > 0 && off <= 1e-4 * scale))
            fail_msg("%s: off by %g of %g", name, off, scale);
        compared++;
        glim_document_free(doc);
        close_seen(&s);
    }
    assert_int_equal(compared, 7);
}

/* A unit has the mean of its pixels, or their sum; of superpixels too. */
static void units_have_the_mean_of_their_pixels(void **state) {
    struct seen s;
    const float *want = recorded("efficientnet-lite.head.hook_out.on", (size_t)SIDE * SIDE);
    open_recorded(&s, "efficientnet-lite", SIDE, "2", 1);
    glim_predictor_free(s.p);
    glim_image_options o = {
        .superpixels = "slic", .segments = 12, .target = "2", .output = "logit"};
    assert_int_equal(glim_predictor_image(&s.p, s.m, s.image, &o, NULL), GLIM_OK);
    glim_document *doc = grad_cam(&s, NULL, "on");
    double sum[PIXELS] = {0}, count[PIXELS] = {0};
    assert_non_null(doc->input.image.label);
    for (size_t i = 0; i < PIXELS; i++) {
        sum[doc->input.image.label[i]] += (double)want[i];
        count[doc->input.image.label[i]]++;
    }
    for (size_t u = 0; u < doc->input.n_units; u++) {
        assert_int_equal((size_t)count[u], doc->input.units[u].count);
        assert_true(fabs(doc->scores[u] - sum[u] / count[u]) < 1e-5);
    }
    glim_document_free(doc);
    close_seen(&s);
}

static double check_of(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check %s", name);
    return NAN;
}

/* Class 4's map has nothing for it: what is all zeros is not trusted. */
static void a_map_that_speaks_against_the_target_is_not_trusted(void **state) {
    struct seen s;
    open_recorded(&s, "efficientnet-lite", SIDE, "4", 8);
    glim_document *doc = grad_cam(&s, NULL, "on");
    for (size_t u = 0; u < doc->input.n_units; u++)
        assert_true(doc->scores[u] == 0);
    assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
    assert_true(check_of(doc, "against") == 1);
    glim_document_free(doc);
    doc = grad_cam(&s, NULL, "off");
    assert_true(doc->scores[0] < 0);
    glim_document_free(doc);
    close_seen(&s);
}

/* The checks are what painting over really does. */
static void fifths_are_painted_over(void **state) {
    struct seen s;
    open_recorded(&s, "efficientnet-lite", SIDE, "2", 8);
    glim_document *doc = grad_cam(&s, NULL, "off");
    uint8_t keep[25];
    double left;
    memset(keep, 1, sizeof keep);
    for (int k = 0; k < 5; k++) {
        size_t best = SIZE_MAX;
        for (size_t u = 0; u < 25; u++)
            if (keep[u] && (best == SIZE_MAX || doc->scores[u] > doc->scores[best]))
                best = u;
        keep[best] = 0;
    }
    assert_int_equal(s.p->values(s.p, keep, 1, GLIM_ABSENT_MEAN, &left, NULL), GLIM_OK);
    assert_true(fabs(check_of(doc, "top_fifth") - (s.p->value[0] - left)) < 1e-9);
    glim_document_free(doc);
    close_seen(&s);
}

static void wrong_sites_are_refused(void **state) {
    static const char *const cases[][2] = {{"nix", "no site 'nix'"},
                                           {"blocks.*.hook_out", "sites; grad-cam reads one"},
                                           {"hook_pooled", "no map"},
                                           {"hook_logits", "no map"}};
    const glim_method *m = glim_method_find("grad-cam");
    struct seen s;
    open_recorded(&s, "efficientnet-lite", SIDE, "2", 8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_document *doc = NULL;
        glim_error err = {0};
        void *opts = calloc(1, m->opts_size);
        glim_param_defaults(m->params, opts);
        glim_param_set(glim_param_find(m->params, "site"), opts, cases[i][0], NULL);
        assert_int_equal(glim_explain(&doc, s.p, m, opts, 0, &err), GLIM_EUSAGE);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("'%s' does not say %s", err.message, cases[i][1]);
        free(opts);
    }
    close_seen(&s);
}

/* ---- observe ---- */

struct visits {
    int values, gradients;
    double logit, slope; /* of the pixels, a norm */
};

static glim_status count(void *data, const glim_site *site, glim_error *err) {
    struct visits *v = data;
    v->values += !site->gradient;
    v->gradients += site->gradient;
    if (!strcmp(site->name, "hook_logits") && !site->gradient)
        v->logit = (double)site->data[2];
    return GLIM_OK;
}

static void hooks_see_values_and_gradients_once(void **state) {
    struct seen s;
    struct visits v = {0};
    glim_plan plan = {0};
    uint64_t forward, backward, more[2];
    open_recorded(&s, "efficientnet-lite", SIDE, "2", 8);
    glim_hook hooks[2] = {{"hook_logits", GLIM_HOOK_READ, count, &v},
                          {"blocks.1.hook_out", GLIM_HOOK_READ | GLIM_HOOK_GRAD, count, &v}};
    s.p->cost(s.p, &forward, &backward);
    assert_int_equal(s.p->observe(s.p, hooks, 1, 0, NULL), GLIM_OK);
    s.p->cost(s.p, &more[0], &more[1]);
    assert_true(more[0] == forward + PIXELS && more[1] == backward);
    assert_int_equal(v.values, 1);
    assert_true(v.logit == s.p->value[0]);
    assert_int_equal(s.p->observe(s.p, hooks, 2, -1, NULL), GLIM_OK);
    s.p->cost(s.p, &forward, &backward);
    assert_true(forward == more[0] + PIXELS && backward == more[1] + PIXELS);
    assert_int_equal(v.values, 3);
    assert_int_equal(v.gradients, 1);
    s.p->plan_observe(s.p, hooks, 2, -1, &plan);
    assert_true(plan.forward_tokens == PIXELS && plan.backward_tokens == PIXELS);
    close_seen(&s);
}

static void plans_hold(void **state) {
    struct seen s;
    glim_plan plan;
    open_recorded(&s, "efficientnet-lite", SIDE, "2", 8);
    const glim_method *m = glim_method_find("grad-cam");
    assert_int_equal(glim_explain_plan(&plan, s.p, m, NULL, NULL), GLIM_OK);
    glim_context_reset_peak(s.ctx);
    glim_document *doc = grad_cam(&s, "stem.hook_out", "on");
    assert_true(glim_context_peak(s.ctx) <= plan.bytes);
    assert_true(doc->cost.forward_tokens <= plan.forward_tokens &&
                doc->cost.backward_tokens <= plan.backward_tokens);
    glim_document_free(doc);
    close_seen(&s);
}

static void an_interrupted_run_leaves_a_partial_document(void **state) {
    struct seen s;
    glim_document *doc = NULL;
    open_recorded(&s, "efficientnet-lite", SIDE, "2", 8);
    glim_context_cancel(s.ctx);
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("grad-cam"), NULL, 0, NULL),
                     GLIM_ECANCELLED);
    assert_true(doc && doc->partial && isnan(doc->scores[0]));
    assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
    glim_document_free(doc);
    glim_context_reset(s.ctx);
    close_seen(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_are_those_of_captum),
        cmocka_unit_test(units_have_the_mean_of_their_pixels),
        cmocka_unit_test(a_map_that_speaks_against_the_target_is_not_trusted),
        cmocka_unit_test(fifths_are_painted_over),
        cmocka_unit_test(wrong_sites_are_refused),
        cmocka_unit_test(hooks_see_values_and_gradients_once),
        cmocka_unit_test(plans_hold),
        cmocka_unit_test(an_interrupted_run_leaves_a_partial_document),
    };
    glim_context *ctx;
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL) ||
        glim__safetensors_open(&st, ctx, IMAGES "methods/grad-cam.safetensors", NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim__safetensors_close(st);
    glim_context_free(ctx);
    return failed;
}
