/* SPDX-License-Identifier: Apache-2.0 */
/* A class climbed in pixels: the picture in the document has the logit that is told, none is
   worse than its beginning, and neither threads nor refused memory matter. */
#include "../explain/picture-testing.h"

#include <glim/maximize.h>

static glim_document *climb(const struct seen *s, const glim_maximize_options *o) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_maximize(&doc, s->m, o, &err))
        fail_msg("%s", err.message);
    return doc;
}

static double logit_of(const struct seen *s, const uint8_t *rgb, size_t class_id) {
    const glim_model_info *info = glim_model_facts(s->m);
    glim_image seen = {s->ctx, info->image_width, info->image_height, (uint8_t *)rgb};
    float *pixels = malloc((size_t)seen.width * (size_t)seen.height * 3 * sizeof *pixels);
    glim_image_session *session = NULL;
    glim_error err = {0};
    glim_model_pixels(s->m, &seen, pixels);
    if (glim_image_session_new(&session, s->m, &err) ||
        glim_image_session_forward(session, &(glim_image_batch){.pixels = pixels, .count = 1},
                                   &err))
        fail_msg("%s", err.message);
    double logit = (double)glim_image_session_logits(session, 0)[class_id];
    glim_image_session_free(session);
    free(pixels);
    return logit;
}

static double variation(const uint8_t *rgb, int side) {
    double sum = 0;
    for (int y = 0; y < side; y++)
        for (int x = 0; x + 1 < side; x++)
            for (int c = 0; c < 3; c++)
                sum += fabs((double)rgb[3 * (y * side + x) + c] -
                            (double)rgb[3 * (y * side + x + 1) + c]);
    return sum;
}

static void the_picture_has_the_logit_that_is_told(void **state) {
    static const char *const models[] = {"efficientnet-lite", "mobilenet-v2"};
    for (int i = 0; i < 2; i++) {
        struct seen s;
        open_picture(&s, models[i], 2);
        glim_document *doc =
            climb(&s, &(glim_maximize_options){.target = "1", .head = -1, .steps = 40});
        assert_true(logit_of(&s, doc->input.image.rgb, 1) == doc->target.value);
        const glim_panel *p = glim_document_panel(doc, "progress");
        const glim_panel *table = glim_document_panel(doc, "optimised");
        assert_int_equal(p->columns.n, 6);
        assert_string_equal(p->columns.labels[5], "40");
        for (size_t c = 1; c < p->columns.n; c++)
            assert_true(p->values[c] >= p->values[c - 1]);
        assert_true(table->cells[0].number > table->cells[1].number + 0.1); /* it has climbed */
        assert_true(p->values[5] == table->cells[0].number);
        assert_string_equal(doc->kind, "maximize");
        glim_document_free(doc);
        close_seen(&s);
    }
}

static void variation_smooths(void **state) {
    struct seen s;
    double sum[2];
    open_picture(&s, "efficientnet-lite", 1);
    for (int i = 0; i < 2; i++) {
        glim_document *doc =
            climb(&s, &(glim_maximize_options){
                          .target = "2", .head = -1, .steps = 32, .variation = i ? 0.4 : -1});
        sum[i] = variation(doc->input.image.rgb, doc->input.image.width);
        glim_document_free(doc);
    }
    assert_true(sum[1] < 0.7 * sum[0]);
    close_seen(&s);
}

static void bits_do_not_depend_on_threads(void **state) {
    uint8_t *first = NULL;
    for (int threads = 1; threads < 4; threads += 2) {
        struct seen s;
        open_picture(&s, "efficientnet-lite", threads);
        glim_document *doc =
            climb(&s, &(glim_maximize_options){.target = "0", .head = -1, .steps = 10, .seed = 3});
        size_t n = (size_t)doc->input.image.width * (size_t)doc->input.image.height * 3;
        if (first)
            assert_memory_equal(first, doc->input.image.rgb, n);
        else
            memcpy(first = malloc(n), doc->input.image.rgb, n);
        glim_document_free(doc);
        close_seen(&s);
    }
    free(first);
}

static void bad_questions_get_clear_errors(void **state) {
    const struct {
        glim_maximize_options o;
        const char *says;
    } all[] = {{{.head = -1}, "--target CLASS"},
               {{.target = "1", .site = "blocks.0", .head = -1}, "--target CLASS"},
               {{.target = "unicorn", .head = -1}, "no class 'unicorn'"}};
    struct seen s;
    open_picture(&s, "efficientnet-lite", 1);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        glim_document *doc = NULL;
        glim_error err = {0};
        assert_int_equal(glim_maximize(&doc, s.m, &all[i].o, &err), GLIM_EUSAGE);
        if (!strstr(err.message, all[i].says))
            fail_msg("'%s' does not say '%s'", err.message, all[i].says);
    }
    close_seen(&s);
}

static void refused_memory_is_given_back(void **state) {
    struct seen s;
    glim_maximize_options o = {.target = "1", .head = -1, .steps = 1};
    open_picture(&s, "mobilenet-v2", 1);
    glim_document_free(climb(&s, &o));
    uint64_t before = glim_context_bytes(s.ctx);
    bool through = false;
    for (uint64_t nth = 1; !through; nth++) {
        glim_document *doc = NULL;
        glim_error err = {0};
        glim__fail_allocation(s.ctx, nth);
        glim_status status = glim_maximize(&doc, s.m, &o, &err);
        glim__fail_allocation(s.ctx, 0);
        through = !status;
        assert_true(through || status == GLIM_ENOMEM);
        assert_true(through == (doc != NULL));
        glim_document_free(doc);
        assert_true(glim_context_bytes(s.ctx) <= before && nth < 20000);
    }
    close_seen(&s);
}

static void stop(void *data, const glim_progress *p) {
    if (!strcmp(p->stage, "picture") && p->done)
        glim_context_cancel(*(glim_context **)data);
}

static void an_interrupted_climb_keeps_its_best(void **state) {
    struct seen s = {0};
    glim_error err = {0};
    glim_document *doc = NULL;
    glim_context_options options = {.threads = 1, .progress = stop, .progress_data = &s.ctx};
    assert_int_equal(glim_context_new(&s.ctx, &options, &err), GLIM_OK);
    assert_int_equal(glim_model_open(&s.m, s.ctx, IMAGES "efficientnet-lite", &err), GLIM_OK);
    glim_maximize_options o = {.target = "1", .head = -1, .steps = 100000};
    assert_int_equal(glim_maximize(&doc, s.m, &o, &err), GLIM_ECANCELLED);
    assert_non_null(doc);
    assert_true(doc->partial);
    glim_context_reset(s.ctx);
    assert_true(logit_of(&s, doc->input.image.rgb, 1) == doc->target.value);
    glim_document_free(doc);
    close_seen(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_has_the_logit_that_is_told),
        cmocka_unit_test(variation_smooths),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(bad_questions_get_clear_errors),
        cmocka_unit_test(refused_memory_is_given_back),
        cmocka_unit_test(an_interrupted_climb_keeps_its_best),
    };
    return cmocka_run_group_tests_name("structure/test_maximize_picture", tests, NULL, NULL);
}
