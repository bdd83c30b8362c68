/* SPDX-License-Identifier: Apache-2.0 */
/* Explaining a picture: patches tile it, what is absent is painted over, gradients lie where
   their pixels do, every method runs, and documents with pictures survive being saved. */
#include "picture-testing.h"

#include "default-options.h"

static double logit(struct seen *s, const float *pixels, int id) {
    glim_image_session *one;
    glim_image_batch b = {.pixels = pixels, .count = 1};
    assert_int_equal(glim_image_session_new(&one, s->m, NULL), GLIM_OK);
    assert_int_equal(glim_image_session_forward(one, &b, NULL), GLIM_OK);
    double value = (double)glim_image_session_logits(one, 0)[id];
    glim_image_session_free(one);
    return value;
}

static void patches_tile_the_picture(void **state) {
    struct seen s;
    glim_document *doc;
    static uint8_t covered[SIDE][SIDE];
    open_seen(&s, 1, &(glim_image_options){.patch = 8, .name = "a/b/cat.png"});
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("gradient"), NULL, 0, NULL), GLIM_OK);
    size_t tokens = 0;
    for (size_t u = 0; u < doc->input.n_units; u++) {
        const glim_document_unit *unit = &doc->input.units[u];
        assert_int_equal(unit->first, tokens);
        assert_int_equal(unit->count, unit->width * unit->height);
        tokens += unit->count;
        for (int y = unit->y; y < unit->y + unit->height; y++)
            for (int x = unit->x; x < unit->x + unit->width; x++)
                assert_int_equal(covered[y][x]++, 0);
    }
    assert_int_equal(doc->input.n_units, 25);
    assert_int_equal(tokens, PIXELS);
    assert_string_equal(doc->input.image.name, "cat.png");
    assert_memory_equal(doc->input.image.rgb, s.image->rgb, PIXELS * 3);
    assert_string_equal(doc->target.kind, "class");
    glim_document_free(doc);
    close_seen(&s);
}

static void an_absent_patch_is_painted_over(void **state) {
    struct seen s;
    open_seen(&s, 2, &(glim_image_options){.patch = 8, .output = "logit", .target = "dog"});
    float *x = malloc(PIXELS * 3 * sizeof *x);
    uint8_t keep[2][25];
    double mean[3] = {0}, values[2];
    glim_model_pixels(s.m, s.image, x);
    memset(keep, 1, sizeof keep);
    keep[1][7] = 0; /* the second row's third patch: x 16, y 8 */
    for (int i = 0; i < PIXELS * 3; i++)
        mean[i % 3] += (double)x[i] / PIXELS;
    assert_int_equal(s.p->values(s.p, keep[0], 2, GLIM_ABSENT_MEAN, values, NULL), GLIM_OK);
    assert_true(values[0] == s.p->value[0] && values[0] == logit(&s, x, 1));
    for (int y = 8; y < 16; y++)
        for (int at = 16; at < 24; at++)
            for (int c = 0; c < 3; c++)
                x[(y * SIDE + at) * 3 + c] = (float)mean[c];
    assert_true(fabs(values[1] - logit(&s, x, 1)) < 1e-6);
    assert_true(values[1] != values[0]);
    double one[2], kinds[3];
    assert_int_equal(s.p->values(s.p, keep[1], 1, GLIM_ABSENT_MEAN, one, NULL), GLIM_OK);
    assert_true(one[0] == values[1]); /* alone or together */
    assert_int_equal(s.p->values(s.p, keep[1], 1, GLIM_ABSENT_ZERO, &kinds[0], NULL), GLIM_OK);
    assert_int_equal(s.p->values(s.p, keep[1], 1, GLIM_ABSENT_BLUR, &kinds[1], NULL), GLIM_OK);
    assert_true(kinds[0] != kinds[1] && kinds[0] != values[1] && kinds[1] != values[1]);
    assert_int_equal(s.p->values(s.p, keep[1], 1, GLIM_ABSENT_DELETE, &kinds[2], NULL),
                     GLIM_EUSAGE);
    free(x);
    close_seen(&s);
}

struct kept {
    float g[PIXELS * 3];
};

static glim_status keep_gradient(void *data, size_t sample, size_t row, const float *g,
                                 glim_error *err) {
    memcpy(((struct kept *)data)->g, g, sizeof((struct kept *)data)->g);
    return GLIM_OK;
}

/* By differences along each output kind, at tokens of several patches. */
static void gradients_lie_where_their_pixels_do(void **state) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    for (int k = 0; k < 6; k++) {
        struct seen s;
        static struct kept kept;
        double value, two[2];
        open_seen(&s, 2,
                  &(glim_image_options){.patch = 8,
                                        .output = outputs[k % 3],
                                        .target = "1",
                                        .against = k < 3 ? NULL : "bird"});
        float *x = malloc(3 * sizeof kept.g), *up = x + PIXELS * 3, *down = up + PIXELS * 3;
        assert_int_equal(s.p->embed(s.p, x, NULL), GLIM_OK);
        assert_int_equal(s.p->gradient(s.p, x, 1, -1, &value, keep_gradient, &kept, NULL), 0);
        assert_true(fabs(value - s.p->value[0]) < 1e-12);
        double slope = 0, size = 0;
        for (int i = 0; i < PIXELS * 3; i++) { /* patch 3 alone, then the rest is still */
            double u = i / 3 >= 3 * 64 && i / 3 < 4 * 64 ? glim__rng_normal(1, 1, (uint64_t)i) : 0;
            up[i] = (float)(x[i] + 2e-3 * u);
            down[i] = (float)(x[i] - 2e-3 * u);
            slope += (double)kept.g[i] * ((double)up[i] - down[i]);
            size += fabs((double)kept.g[i] * ((double)up[i] - down[i]));
        }
        assert_int_equal(s.p->gradient(s.p, up, 2, -1, two, NULL, NULL, NULL), GLIM_OK);
        if (!(fabs(two[0] - two[1] - slope) < 0.03 * size + 1e-6))
            fail_msg("%s: %g by differences, %g", outputs[k % 3], two[0] - two[1], slope);
        free(x);
        close_seen(&s);
    }
}

static void integrated_gradients_add_up(void **state) {
    struct seen s;
    glim_document *doc;
    double sum = 0;
    open_seen(&s, 2, &(glim_image_options){.patch = 10});
    assert_int_equal(
        glim_explain(&doc, s.p, glim_method_find("integrated-gradients"), NULL, 0, NULL), GLIM_OK);
    for (size_t u = 0; u < doc->input.n_units; u++)
        sum += doc->scores[u];
    double effect = doc->target.value - doc->target.baseline_value;
    if (!(fabs(sum - effect) < 0.05 * fabs(effect)))
        fail_msg("%g of %g", sum, effect);
    glim_document_free(doc);
    close_seen(&s);
}

static char *render(const glim_document *doc, const char *view, const glim_view_options *o,
                    size_t *n) {
    char *made = NULL;
    glim_error err;
    assert_int_equal(glim_view_render(glim_view_find(view), doc, o, &made, n, &err), GLIM_OK);
    assert_non_null(made);
    return made;
}

/* The same bits for any threads; saved, read and saved again, the same text. */
static void every_method_runs_and_its_document_is_read_back(void **state) {
    static const glim_image_options cuts[] = {
        {.patch = 9}, {.superpixels = "slic", .segments = 12}, {.superpixels = "quickshift"}};
    for (size_t i = 0; i < 3 * 64 && glim_methods()[i / 3]; i++) {
        const glim_method *m = glim_methods()[i / 3];
        char *text[2];
        size_t n[2];
        for (int threads = 1; threads <= 2; threads++) {
            struct seen s;
            glim_document *doc, *again;
            glim_error err = {0};
            open_seen(&s, threads, &cuts[i % 3]);
            if (m->needs & ~s.p->can) { /* nothing attends in such a model, say */
                text[threads - 1] = strdup("");
                close_seen(&s);
                continue;
            }
            void *opts = default_options(m);
            if (glim_explain(&doc, s.p, m, opts, 3, &err))
                fail_msg("%s: %s", m->name, err.message);
            free(opts);
            doc->cost.seconds = 1;
            doc->cost.peak_bytes = doc->cost.threads = 1;
            char *json = render(doc, "json", NULL, &n[threads - 1]);
            text[threads - 1] = strdup(json);
            if (glim_document_parse(&again, s.ctx, json, n[threads - 1], "it", &err))
                fail_msg("%s", err.message);
            size_t len;
            char *twice = render(again, "json", NULL, &len);
            assert_string_equal(twice, json);
            assert_memory_equal(again->input.image.rgb, doc->input.image.rgb, PIXELS * 3);
            assert_true(!again->input.image.label == !(i % 3));
            if (i % 3)
                assert_memory_equal(again->input.image.label, doc->input.image.label, PIXELS * 4);
            glim_view_free(s.ctx, twice);
            glim_view_free(s.ctx, json);
            glim_document_free(again);
            glim_document_free(doc);
            close_seen(&s);
        }
        assert_string_equal(text[0], text[1]);
        free(text[0]);
        free(text[1]);
    }
}

static void views_show_patches(void **state) {
    struct seen s;
    glim_document *doc;
    size_t n;
    open_seen(&s, 1, &(glim_image_options){.patch = 8, .name = "cat.png"});
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("occlusion"), NULL, 0, NULL), 0);
    for (size_t u = 0; u < 25; u++)
        doc->scores[u] = u == 7 ? 0.9 : u == 8 ? -0.5 : 0;
    glim_view_options o = {.width = 60, .ascii = true};
    char *text = render(doc, "terminal", &o, &n);
    assert_non_null(strstr(text, "\n .  .  .  .  .\n .  . +9 -5  .\n .  .  .  .  .\n"));
    glim_view_free(s.ctx, text);
    o = (glim_view_options){.width = 20, .color = GLIM_COLOR_TRUE};
    text = render(doc, "terminal", &o, &n);
    assert_non_null(strstr(text, "\033["));
    glim_view_free(s.ctx, text);
    text = render(doc, "csv", NULL, &n);
    assert_non_null(strstr(text, "error,x,y,width,height\r\n"));
    assert_non_null(strstr(text, "7,\"16,8\",0,0,0,0.9,,16,8,8,8\r\n"));
    glim_view_free(s.ctx, text);
    text = render(doc, "html", NULL, &n);
    assert_non_null(strstr(text, "data:image/png;base64,iVBOR"));
    assert_non_null(
        strstr(text, "<rect class=\"u s10\" data-u=\"7\" x=\"16\" y=\"8\" width=\"8\""));
    assert_null(strstr(text, " style=\""));
    glim_view_free(s.ctx, text);
    glim_document_free(doc);
    close_seen(&s);
}

/* A copy with the first `from` exchanged. */
static char *exchange(const char *text, const char *from, const char *to) {
    const char *rest = text;
    size_t n = strlen(from);
    while (*rest && strncmp(rest, from, n) != 0)
        rest++;
    assert_true(*rest);
    size_t head = (size_t)(rest - text), size = strlen(text) + strlen(to) + 1;
    char *out = malloc(size);
    memcpy(out, text, head);
    snprintf(out + head, size - head, "%s%s", to, rest + n);
    return out;
}

static void damaged_documents_are_refused(void **state) {
    static const struct {
        const char *from, *to, *words;
    } cases[] = {
        {"\"x\": 16", "\"x\": 36", "no patch"},
        {"\"x\": 16", "\"x\": -1", "no patch"},
        {"\"height\": 8", "\"height\": 0", "no patch"},
        {"\"width\": 37", "\"width\": 40", "pixels"},
        {"\"width\": 37", "\"width\": 0", "no size"},
        {"\"png\": \"iVB", "\"png\": \"!VB", "base64"},
        {"\"png\": \"iVBORw0KGgo", "\"png\": \"aVBORw0KGgo", "neither a PNG"},
    };
    struct seen s;
    glim_document *doc, *again = NULL;
    size_t n;
    open_seen(&s, 1, &(glim_image_options){.patch = 8});
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("gradient"), NULL, 0, NULL), 0);
    char *json = render(doc, "json", NULL, &n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *changed = exchange(json, cases[i].from, cases[i].to);
        glim_error err = {0};
        assert_int_equal(glim_document_parse(&again, s.ctx, changed, strlen(changed), "it", &err),
                         GLIM_EFORMAT);
        if (!strstr(err.message, cases[i].words))
            fail_msg("'%s' does not say %s", err.message, cases[i].words);
        free(changed);
    }
    glim_view_free(s.ctx, json);
    glim_document_free(doc);
    close_seen(&s);
}

static void damaged_maps_are_refused(void **state) {
    static const char *const cases[][3] = {
        {"\"labels\": \"iVB", "\"labels\": \"!VB", "base64"},
        {"\"labels\": \"iVBORw0KGgo", "\"labels\": \"aVBORw0KGgo", "neither a PNG"},
        {"\"width\": 18", "\"width\": 17", "is in no unit"}};
    struct seen s;
    glim_document *doc, *again = NULL;
    size_t n;
    open_seen(&s, 1, &(glim_image_options){.superpixels = "slic", .segments = 9});
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("gradient"), NULL, 0, NULL), 0);
    char *json = render(doc, "json", NULL, &n);
    for (size_t i = 0; i < 3; i++) {
        char from[40], to[40];
        snprintf(from, sizeof from, i < 2 ? "%s" : "\"width\": %.0s%d", cases[i][0],
                 doc->input.units[0].width);
        snprintf(to, sizeof to, i < 2 ? "%s" : "\"width\": %.0s%d", cases[i][1],
                 doc->input.units[0].width - 1);
        char *changed = exchange(json, from, to);
        glim_error err = {0};
        assert_int_equal(glim_document_parse(&again, s.ctx, changed, strlen(changed), "it", &err),
                         GLIM_EFORMAT);
        if (!strstr(err.message, cases[i][2]))
            fail_msg("'%s' does not say %s", err.message, cases[i][2]);
        free(changed);
    }
    glim_view_free(s.ctx, json);
    glim_document_free(doc);
    close_seen(&s);
}

static void wrong_questions_are_answered(void **state) {
    static const struct {
        glim_image_options o;
        const char *words;
    } cases[] = {
        {{.target = "cow"}, "no class 'cow'"},  {{.target = "bir"}, "did you mean 'bird'"},
        {{.target = "5"}, "from 0 to 4"},       {{.target = "-1"}, "from 0 to 4"},
        {{.patch = 38}, "does not fit"},        {{.patch = -1}, "does not fit"},
        {{.output = "score"}, "is not one of"}, {{.target = "cat", .against = "cat"}, "the same"},
    };
    struct seen s;
    open_seen(&s, 1, &(glim_image_options){0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_predictor *p = NULL;
        glim_error err = {0};
        assert_int_equal(glim_predictor_image(&p, s.m, s.image, &cases[i].o, &err), GLIM_EUSAGE);
        assert_null(p);
        if (!strstr(err.message, cases[i].words))
            fail_msg("'%s' does not say %s", err.message, cases[i].words);
    }
    close_seen(&s);
}

static void a_refused_allocation_leaks_nothing(void **state) {
    struct seen s;
    open_seen(&s, 1, &(glim_image_options){.patch = 12});
    uint64_t before = glim_context_bytes(s.ctx);
    for (uint64_t nth = 1;; nth += 1 + nth / 8) {
        glim_document *doc = NULL;
        glim_predictor *p = NULL;
        char *text = NULL;
        size_t n;
        glim_error err;
        glim__fail_allocation(s.ctx, nth);
        glim_status status =
            glim_predictor_image(&p, s.m, s.image, &(glim_image_options){.patch = 12}, &err);
        if (!status)
            status = glim_explain(&doc, p, glim_method_find("occlusion"), NULL, 0, &err);
        if (!status)
            status = glim_view_render(glim_view_find("html"), doc, NULL, &text, &n, &err);
        bool through = glim__fail_allocation(s.ctx, 0) < nth;
        glim_view_free(s.ctx, text);
        glim_document_free(doc);
        glim_predictor_free(p);
        if (through)
            break;
        assert_true(!status || status == GLIM_ENOMEM);
    }
    glim__spare_trim(s.ctx);
    assert_true(glim_context_bytes(s.ctx) <= before + 4096);
    close_seen(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_tile_the_picture),
        cmocka_unit_test(an_absent_patch_is_painted_over),
        cmocka_unit_test(gradients_lie_where_their_pixels_do),
        cmocka_unit_test(integrated_gradients_add_up),
        cmocka_unit_test(every_method_runs_and_its_document_is_read_back),
        cmocka_unit_test(views_show_patches),
        cmocka_unit_test(damaged_documents_are_refused),
        cmocka_unit_test(damaged_maps_are_refused),
        cmocka_unit_test(wrong_questions_are_answered),
        cmocka_unit_test(a_refused_allocation_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
