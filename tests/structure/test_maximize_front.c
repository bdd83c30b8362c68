/* SPDX-License-Identifier: Apache-2.0 */
/* Near-duplicates among what was found, and the front over weights of fluency. */
#include "maximize-testing.h"

/* Of the restarts of a search for one token all end at the same; weights of fluency stand side by
   side, and the front is what nothing else is better than. */
static void near_duplicates_are_left_out_and_weights_make_a_front(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t index = 3;
    const double weights[] = {0, 1, 8};
    glim_maximize_options o = {.site = "blocks.1.mlp.hook_post",
                               .indices = &index,
                               .n_indices = 1,
                               .head = -1,
                               .length = 1,
                               .choices = 4096,
                               .candidates = 4096,
                               .restarts = 4};
    glim_document *doc = maximize(m, &o);
    assert_int_equal(panel(doc, "optimised")->rows.n, 1);
    assert_int_equal(left_out(doc), 3);
    assert_null(glim_document_panel(doc, "front"));
    glim_document_free(doc);
    o.length = 5;
    o.choices = o.candidates = 32;
    o.fluencies = weights;
    o.n_fluencies = 3;
    doc = maximize(m, &o);
    const glim_panel *p = panel(doc, "front");
    assert_int_equal(p->rows.n, 3);
    for (size_t i = 0; i < 3; i++) {
        const glim_panel_cell *row = &p->cells[5 * i];
        glim_maximize_options one = o;
        bool beaten = false;
        assert_true(row[0].number == weights[i]);
        assert_true(fabs(unlikely(m, row[4].text) + row[2].number) < 1e-4);
        const glim_panel *all = panel(doc, "optimised");
        for (size_t k = 0; k < all->rows.n; k++) {
            double value = all->cells[k * all->columns.n + 1].number;
            double log_p = -all->cells[k * all->columns.n + 6].number;
            beaten = beaten || (value >= row[1].number && log_p >= row[2].number &&
                                (value > row[1].number || log_p > row[2].number));
        }
        assert_string_equal(row[3].text, beaten ? "no" : "yes");
        one.n_fluencies = 0; /* a weight by itself finds the same */
        one.fluency = weights[i];
        glim_document *alone = maximize(m, &one);
        const glim_panel *found = panel(alone, "optimised");
        double best = -INFINITY, score = row[1].number + weights[i] * row[2].number;
        for (size_t k = 0; k < found->rows.n; k++) {
            const glim_panel_cell *cells = &found->cells[k * found->columns.n];
            double own = cells[1].number - weights[i] * cells[6].number;
            best = own > best ? own : best;
        }
        assert_true(best == score);
        glim_document_free(alone);
    }
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_duplicates_are_left_out_and_weights_make_a_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
