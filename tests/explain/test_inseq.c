/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of produced tokens against what inseq says of the same tiny decoders. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "explain/methods.h"

#define GOLDEN GLIM_TESTS "/golden/"

/* The ids of a case as an input of their own, all scored, whatever the text. */
static glim_tokens *tokens_of(glim_context *ctx, const json_t *ids) {
    size_t T = json_array_size(ids);
    glim_tokens *tokens = glim__calloc(ctx, 1, sizeof *tokens);
    assert_non_null(tokens);
    tokens->ctx = ctx;
    tokens->at = glim__calloc(ctx, T, sizeof *tokens->at);
    tokens->text = glim__calloc(ctx, 1, T + 1);
    assert_non_null(tokens->at);
    assert_non_null(tokens->text);
    tokens->text_len = tokens->count = T;
    for (size_t i = 0; i < T; i++) {
        tokens->text[i] = 'x';
        tokens->at[i] = (glim_token){.id = (int32_t)json_integer_value(json_array_get(ids, i)),
                                     .start = i,
                                     .end = i + 1,
                                     .turn = -1};
    }
    return tokens;
}

static void compare(glim_predictor *p, const char *method, const json_t *rows) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_explain(&doc, p, glim_method_find(method), NULL, 0, &err))
        fail_msg("%s", err.message);
    assert_int_equal(doc->n_rows, json_array_size(rows));
    for (size_t r = 0; r < doc->n_rows; r++) {
        const json_t *row = json_array_get(rows, r);
        double scale = 0;
        for (size_t t = 0; t < json_array_size(row); t++)
            scale = fmax(scale, fabs(json_number_value(json_array_get(row, t))));
        for (size_t t = 0; t < doc->input.n_units; t++) {
            double got = doc->scores[r * doc->input.n_units + t];
            if (t >= json_array_size(row)) {
                assert_true(isnan(got));
                continue;
            }
            double want = json_number_value(json_array_get(row, t));
            if (!(fabs(got - want) <= 1e-4 * scale))
                fail_msg("%s, row %zu, token %zu: %g, inseq %g", method, r, t, got, want);
        }
    }
    glim_document_free(doc);
}

static void compare_case(const json_t *c) {
    const json_t *produced = json_object_get(c, "produced"), *scores = json_object_get(c, "scores");
    char path[512];
    glim_error err = {0};
    glim_context *ctx;
    glim_model *model;
    glim_predictor *p;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = 2}, &err), GLIM_OK);
    snprintf(path, sizeof path, GOLDEN "models/%s", json_string_value(json_object_get(c, "model")));
    if (glim_model_open(&model, ctx, path, &err))
        fail_msg("%s", err.message);
    glim_tokens *tokens = tokens_of(ctx, json_object_get(c, "ids"));
    glim_target_options o = {
        .units = GLIM_UNIT_TOKEN, .output = "logit", .generate = json_array_size(produced)};
    if (glim_predictor_lm(&p, model, tokens, &o, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < json_array_size(produced); i++)
        assert_int_equal(tokens->at[json_array_size(json_object_get(c, "ids")) + i].id,
                         json_integer_value(json_array_get(produced, i)));
    compare(p, "gradient", json_object_get(scores, "saliency"));
    compare(p, "input-x-gradient", json_object_get(scores, "input_x_gradient"));
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(model);
    glim_context_free(ctx);
}

static void rows_of_produced_tokens_agree_with_inseq(void **state) {
    json_error_t error;
    json_t *all = json_load_file(GOLDEN "inseq.json", 0, &error);
    size_t i;
    const json_t *c;
    assert_non_null(all);
    assert_true(json_array_size(json_object_get(all, "cases")) >= 3);
    json_array_foreach(json_object_get(all, "cases"), i, c) {
        compare_case(c);
    }
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_produced_tokens_agree_with_inseq)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
