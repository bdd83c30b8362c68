/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lenses, direct parts and patches beside TransformerLens (GPT-2, Llama) and plain hooks on
 * transformers (GLM-4): scripts/record-structure.py. Recordings are found by scanning.
 */
#include "structure-testing.h"

#include <glim/lens.h>
#include <glim/patch.h>

#define RECORDED GLIM_TESTS "/golden/structure/"
enum { T = 9 };
static const double tolerance = 1e-4;

struct peer {
    glim_safetensors *st;
    struct bench clean, corrupt;
    const char *name;
};

static const float *numbers(const struct peer *x, const char *name, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(x->st, name);
    if (!t)
        return NULL;
    assert_string_equal(t->dtype, "F32");
    assert_int_equal(t->bytes, n * sizeof(float));
    return t->data;
}

static const int64_t *ids_of(const struct peer *x, const char *name, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(x->st, name);
    assert_non_null(t);
    assert_int_equal(t->bytes, n * sizeof(int64_t));
    return t->data;
}

/* The predictor over recorded ids; what it says of them is worked out with them. */
static void bind_ids(struct peer *x, struct bench *b, const int64_t *ids, double value) {
    const char *text = "a text of at least nine tokens, whichever they are";
    const int64_t *answers = ids_of(x, "answers", 2);
    bind_bench(b, text, &(glim_target_options){.output = "logit"});
    glim_lm *lm = (glim_lm *)b->p;
    assert_true(b->p->T >= T);
    b->p->T = b->tokens->count = T;
    for (size_t t = 0; t < T; t++)
        lm->ids[t] = b->tokens->at[t].id = (int32_t)ids[t];
    lm->rows[0] = (glim_lm_row){T - 1, (int32_t)answers[0], (int32_t)answers[1], SIZE_MAX};
    lm->value[0] = value;
}

static void open_peer(struct peer *x, const char *name) {
    char path[512], model[256];
    glim_error err = {0};
    x->name = name;
    x->clean.ctx = context_with(2, 0);
    snprintf(path, sizeof path, RECORDED "%s", name);
    if (glim__safetensors_open(&x->st, x->clean.ctx, path, &err))
        fail_msg("%s", err.message);
    snprintf(model, sizeof model, "published/%.*s", (int)(strlen(name) - strlen(".safetensors")),
             name);
    x->clean.m = open_model(x->clean.ctx, model);
    x->corrupt = (struct bench){.ctx = x->clean.ctx, .m = x->clean.m};
    const float *values = numbers(x, "values", 2);
    bind_ids(x, &x->clean, ids_of(x, "clean", T), values[0]);
    bind_ids(x, &x->corrupt, ids_of(x, "corrupt", T), values[1]);
}

static void close_peer(struct peer *x) {
    glim_predictor_free(x->corrupt.p);
    glim_tokens_free(x->corrupt.tokens);
    glim__safetensors_close(x->st);
    close_bench(&x->clean);
}

static void compare(const struct peer *x, const char *what, double got, double want) {
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%s: %s: %.7g instead of %.7g", x->name, what, got, want);
}

static void compare_all(const struct peer *x, const char *what, const double *got, size_t n) {
    const float *want = numbers(x, what, n);
    for (size_t i = 0; i < n && want; i++)
        compare(x, what, got[i], want[i]);
}

static void compare_direct(struct peer *x) {
    glim_direct *d = NULL;
    glim_error err = {0};
    if (glim_direct_read(&d, x->clean.p, 0, 5, &err))
        fail_msg("%s: %s", x->name, err.message);
    size_t L = (size_t)d->layers;
    compare(x, "value", d->value, numbers(x, "values", 2)[0]);
    compare_all(x, "direct.attn", d->attention, L);
    compare_all(x, "direct.mlp", d->feed_forward, L);
    compare_all(x, "direct.head", d->head, L * (size_t)d->heads);
    compare_all(x, "direct.embed", &d->embedding, 1);
    glim_direct_free(d);
}

static void compare_lens(struct peer *x) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_lens_read(&doc, x->clean.p, &(glim_lens_options){0}, &err))
        fail_msg("%s: %s", x->name, err.message);
    const glim_panel *p = glim_document_panel(doc, "lens-answer"),
                     *top = glim_document_panel(doc, "lens");
    size_t rows = p->rows.n, V = ((glim_lm *)x->clean.p)->outputs;
    const float *want = numbers(x, "lens", rows * T * V);
    for (size_t i = 0; i < rows * T; i++) {
        size_t layer = rows - 1 - i / T, t = i % T, answer = 0;
        const float *last = want + ((rows - 1) * T + t) * V, *here = want + (layer * T + t) * V;
        double most = here[0];
        for (size_t v = 1; v < V; v++) {
            answer = last[v] > last[answer] ? v : answer;
            most = fmax(most, here[v]);
        }
        compare(x, "lens", p->values[i], exp(here[answer]));
        compare(x, "lens, most likely", top->values[i], exp(most));
    }
    glim_document_free(doc);
}

static void compare_patches(struct peer *x) {
    static const char *const kinds[] = {"resid_pre", "attn_out", "mlp_out", "z"};
    const float *values = numbers(x, "values", 2);
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_patch_read(&doc, x->clean.p, x->corrupt.p, &(glim_patch_options){0}, &err))
        fail_msg("%s: %s", x->name, err.message);
    for (int k = 0; k < 4; k++) {
        char name[32];
        snprintf(name, sizeof name, "patch.%s", kinds[k]);
        const glim_panel *p = glim_document_panel(doc, kinds[k]);
        size_t columns = p->columns.n;
        const float *want = numbers(x, name, p->rows.n * columns);
        for (size_t i = 0; i < p->rows.n * columns && want; i++) {
            size_t row = p->rows.n - 1 - i / columns;
            double got =
                values[1] + p->values[row * columns + i % columns] * (values[0] - values[1]);
            compare(x, name, got, want[i]);
        }
    }
    glim_document_free(doc);
}

static void numbers_are_the_peers(void **state) {
    DIR *dir = opendir(RECORDED);
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        struct peer x = {0};
        if (*e->d_name == '.')
            continue;
        open_peer(&x, e->d_name);
        compare_direct(&x);
        compare_lens(&x);
        compare_patches(&x);
        close_peer(&x);
        n++;
    }
    closedir(dir);
    assert_int_equal(n, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_the_peers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
