/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches: each has the bits of a whole pass with a hook that writes; a run patched with itself
 * changes no bit; everything that enters the first block is the other run; the last block's
 * input at the read position is nearly so. Guesses by one gradient are exact to first order.
 */
#include "structure-testing.h"

#include "structure/patch.h"

static const char *const clean_text = "The capital of France is the city of light";

struct pair {
    struct bench clean, other;
};

static void close_pair(struct pair *x) {
    glim_predictor_free(x->clean.p);
    glim_predictor_free(x->other.p);
    glim_tokens_free(x->clean.tokens);
    glim_tokens_free(x->other.tokens);
    glim_model_close(x->clean.m);
    glim_context_free(x->clean.ctx);
}

/* ---- the independent computation: a whole pass and a hook ---- */

struct pen {
    const struct reading *donor;
    size_t layer, position, head, heads;
};

static glim_status write_pen(void *data, const glim_site *s, glim_error *err) {
    const struct pen *pen = data;
    size_t width = s->dims[1] * (s->n_dims == 3 ? s->dims[2] : 1), D = width / pen->heads;
    if ((size_t)s->layer != pen->layer)
        return GLIM_OK;
    for (size_t t = 0; t < s->dims[0]; t++)
        for (size_t h = 0; h < pen->heads; h++)
            if ((pen->position == GLIM_EVERY || pen->position == t) &&
                (pen->head == GLIM_EVERY || pen->head == h))
                memcpy(s->data + t * width + h * D, pen->donor->data + t * width + h * D,
                       D * sizeof(float));
    return GLIM_OK;
}

static double run_whole(struct bench *b, const char *site, struct pen *pen) {
    const glim_lm *lm = (const glim_lm *)b->p;
    glim_session *s = new_session(b->m, 0);
    uint32_t at = (uint32_t)lm->rows[0].at;
    glim_hook hook = {site, GLIM_HOOK_WRITE, write_pen, pen};
    glim_sequence q = {.ids = lm->ids, .count = b->p->T, .wanted = &at, .n_wanted = 1};
    glim_batch batch = {.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = pen != NULL};
    run_batch(s, &batch);
    double value = glim__lm_target(lm, &lm->rows[0], glim_session_logits(s, 0, 0), NULL);
    glim_session_free(s);
    return value;
}

/* Two inputs with the same number of tokens, by ids, since tiny vocabularies cut words as they
 * like; T is at least 6. */
static void open_pair(struct pair *x, const char *file, size_t T, int threads) {
    const glim_target_options o = {.target = NULL, .output = "logit"};
    int32_t ids[64];
    glim_error err = {0};
    assert_in_range(T, 6, 64);
    x->clean = (struct bench){.ctx = context_with(threads, 0)};
    x->clean.m = open_model(x->clean.ctx, file);
    x->other = (struct bench){.ctx = x->clean.ctx, .m = x->clean.m};
    struct bench *both[] = {&x->clean, &x->other};
    for (int i = 0; i < 2; i++) {
        some_ids(ids, T, x->clean.m->hyper.V, 7);
        if (i) /* differs at two places */
            ids[2] = ids[5], ids[4] = ids[1];
        if (glim_model_tokenize(x->clean.m, &both[i]->tokens, clean_text, strlen(clean_text), &err))
            fail_msg("%s", err.message);
        assert_true(both[i]->tokens->count >= T);
        both[i]->tokens->count = T;
        for (size_t t = 0; t < T; t++)
            both[i]->tokens->at[t].id = ids[t];
        if (glim_predictor_lm(&both[i]->p, x->clean.m, both[i]->tokens, &o, &err))
            fail_msg("%s", err.message);
    }
    glim_lm *a = (glim_lm *)x->clean.p, *b = (glim_lm *)x->other.p;
    b->rows[0].id = a->rows[0].id;
    a->rows[0].against = b->rows[0].against = (a->rows[0].id + 5) % x->clean.m->hyper.V;
    a->value[0] = run_whole(&x->clean, "none", NULL);
    b->value[0] = run_whole(&x->other, "none", NULL);
}

static void check_kind(struct pair *x, glim_patching *w, glim_patch_kind kind, const char *file) {
    glim_error err = {0};
    size_t L = w->L, T = w->T, n = 0;
    const glim_patch_store *store = &w->donor[0][kind];
    size_t columns = kind < GLIM_PATCH_Z ? T : store->heads;
    glim_patch_item *items = calloc(L * columns, sizeof *items);
    double *out = calloc(L * columns, sizeof *out);
    for (size_t l = L; l-- > 0;) /* in an order of its own */
        for (size_t c = 0; c < columns; c++)
            items[n++] = (glim_patch_item){.kind = kind,
                                           .first = l,
                                           .past = l + 1,
                                           .position = kind < GLIM_PATCH_Z ? c : GLIM_EVERY,
                                           .head = kind < GLIM_PATCH_Z ? GLIM_EVERY : c};
    if (glim__patching_run(w, items, n, out, &err))
        fail_msg("%s: %s", file, err.message);
    for (size_t i = 0; i < n; i++) {
        char site[64];
        snprintf(site, sizeof site, "blocks.%zu.%s", items[i].first, glim__patch_site(kind));
        struct reading donor = read_site(&x->clean, site);
        struct pen pen = {&donor, items[i].first, items[i].position, items[i].head, store->heads};
        double want = run_whole(&x->other, site, &pen);
        if (out[i] != want)
            fail_msg("%s: %s, item %zu: %.9g instead of %.9g", file, site, i, out[i], want);
        free(donor.data);
    }
    free(items);
    free(out);
}

static const char *const models[] = {"llama.gguf", "gemma3.gguf", "gpt2.gguf", "glm4.gguf",
                                     "chatglm.gguf"};

static void patches_have_the_bits_of_whole_passes(void **state) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct pair x;
        glim_patching w;
        glim_error err = {0};
        open_pair(&x, models[i], 9, 2);
        assert_int_equal(glim__patching_init(&w, x.other.p, NULL, &err), GLIM_OK);
        assert_true(w.value == run_whole(&x.other, "none", NULL));
        for (int k = 0; k < GLIM_PATCH_KINDS; k++) {
            assert_int_equal(glim__patching_room(&w, (glim_patch_kind)k, false, 9, &err), GLIM_OK);
            if (glim__patching_donate(&w, x.clean.p, &err))
                fail_msg("%s: %s", models[i], err.message);
            check_kind(&x, &w, (glim_patch_kind)k, models[i]);
            glim__free(w.ctx, w.donor[0][k].values);
            w.donor[0][k].values = NULL;
        }
        glim__patching_release(&w);
        close_pair(&x);
    }
}

static void a_run_patched_with_itself_changes_no_bit(void **state) {
    struct pair x;
    glim_patching w;
    glim_error err = {0};
    open_pair(&x, "llama.gguf", 9, 2);
    assert_int_equal(glim__patching_init(&w, x.clean.p, NULL, &err), GLIM_OK);
    for (int k = 0; k < GLIM_PATCH_KINDS; k++)
        assert_int_equal(glim__patching_room(&w, (glim_patch_kind)k, false, 9, &err), GLIM_OK);
    assert_int_equal(glim__patching_donate(&w, x.clean.p, &err), GLIM_OK);
    for (int k = 0; k < GLIM_PATCH_KINDS; k++) {
        glim_patch_item all = {(glim_patch_kind)k, false, 0, w.L, GLIM_EVERY, GLIM_EVERY};
        double value;
        assert_int_equal(glim__patching_run(&w, &all, 1, &value, &err), GLIM_OK);
        assert_true(value == w.value);
    }
    glim__patching_release(&w);
    close_pair(&x);
}

static glim_document *read_patch(struct pair *x, const glim_patch_options *o) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_patch_read(&doc, x->clean.p, x->other.p, o, &err))
        fail_msg("%s", err.message);
    return doc;
}

static double cell(const glim_document *doc, const char *panel, size_t layer, size_t column) {
    const glim_panel *p = glim_document_panel(doc, panel);
    assert_non_null(p);
    return p->values[(p->rows.n - 1 - layer) * p->columns.n + column];
}

static void effects_have_both_ends(void **state) {
    for (int noise = 0; noise < 2; noise++) {
        struct pair x;
        open_pair(&x, "llama.gguf", 9, 2);
        glim_document *doc = read_patch(&x, &(glim_patch_options){.noise = noise, .top = 5});
        size_t L = (size_t)x.clean.m->hyper.L;
        /* what enters the first block differs at 2 and 4 only */
        for (size_t t = 0; t < 9; t++)
            if (t != 2 && t != 4)
                assert_true(cell(doc, "resid_pre", 0, t) == 0);
        /* of the last block only the position that is read counts but for its keys and values */
        assert_true(fabs(cell(doc, "resid_pre", L - 1, 8)) > 0);
        assert_true(cell(doc, "mlp_out", L - 1, 3) == 0);
        assert_non_null(glim_document_panel(doc, "strongest"));
        glim_document_free(doc);
        close_pair(&x);
    }
}

/* Every site of the last block's last position together is the donor's answer. */
static void the_last_stream_is_the_answer(void **state) {
    struct pair x;
    glim_patching w;
    glim_error err = {0};
    open_pair(&x, "llama.gguf", 9, 1);
    assert_int_equal(glim__patching_init(&w, x.other.p, NULL, &err), GLIM_OK);
    assert_int_equal(glim__patching_room(&w, GLIM_PATCH_RESID_PRE, false, 9, &err), GLIM_OK);
    assert_int_equal(glim__patching_donate(&w, x.clean.p, &err), GLIM_OK);
    glim_patch_item all = {GLIM_PATCH_RESID_PRE, false, 0, 1, GLIM_EVERY, GLIM_EVERY};
    double value;
    assert_int_equal(glim__patching_run(&w, &all, 1, &value, &err), GLIM_OK);
    assert_true(value == run_whole(&x.clean, "none", NULL));
    glim__patching_release(&w);
    close_pair(&x);
}

/* A guess is what a small step towards the donor does, by the step. */
static void check_slopes(struct pair *x, const glim_document *guess, glim_patch_kind kind,
                         double whole) {
    enum { T = 9 };
    const double step = 0.02;
    glim_patching w;
    glim_error err = {0};
    assert_int_equal(glim__patching_init(&w, x->other.p, NULL, &err), GLIM_OK);
    assert_int_equal(glim__patching_room(&w, kind, false, T, &err), GLIM_OK);
    assert_int_equal(glim__patching_donate(&w, x->clean.p, &err), GLIM_OK);
    glim_patch_store *store = &w.donor[0][kind];
    size_t floats = store->layers * T * store->width;
    float *donor = malloc(floats * sizeof *donor);
    memcpy(donor, store->values, floats * sizeof *donor);
    assert_int_equal(glim__patching_donate(&w, x->other.p, &err), GLIM_OK);
    for (size_t i = 0; i < floats; i++)
        store->values[i] += (float)step * (donor[i] - store->values[i]);
    const glim_panel *p = glim_document_panel(guess, glim__patch_name(kind));
    size_t n = p->rows.n * p->columns.n;
    double largest = 0, *want = calloc(n, sizeof *want);
    for (size_t i = 0; i < n; i++) {
        size_t layer = p->rows.n - 1 - i / p->columns.n, c = i % p->columns.n;
        bool head = kind >= GLIM_PATCH_Z;
        glim_patch_item item = {
            kind, false, layer, layer + 1, head ? GLIM_EVERY : c, head ? c : GLIM_EVERY};
        assert_int_equal(glim__patching_run(&w, &item, 1, &want[i], &err), GLIM_OK);
        want[i] = (want[i] - w.value) / step / whole;
        largest = fmax(largest, fabs(want[i]));
    }
    for (size_t i = 0; i < n; i++)
        if (fabs(want[i] - p->values[i]) > 0.06 * largest)
            fail_msg("%s, cell %zu: guess %g, slope %g of %g", p->name, i, p->values[i], want[i],
                     largest);
    assert_true(largest > 0);
    free(want);
    free(donor);
    glim__patching_release(&w);
}

static void guesses_are_slopes(void **state) {
    struct pair x;
    open_pair(&x, "llama.gguf", 9, 2);
    double whole = x.clean.p->value[0] - x.other.p->value[0];
    glim_document *guess = read_patch(
        &x, &(glim_patch_options){.sites = "resid_pre,resid_mid,attn_out,mlp_out,z,q,k,v",
                                  .estimate = true,
                                  .check = 6});
    for (int k = 0; k < GLIM_PATCH_KINDS; k++)
        check_slopes(&x, guess, (glim_patch_kind)k, whole);
    assert_int_equal(glim_document_panel(guess, "strongest")->columns.n, 5);
    glim_document_free(guess);
    close_pair(&x);
}

static void inputs_of_other_lengths_are_aligned_or_refused(void **state) {
    const glim_target_options o = {.target = NULL, .output = "logit"};
    struct bench a, b = {0};
    glim_error err = {0};
    glim_document *doc = NULL;
    open_bench(&a, "llama.gguf", "one two three", 1, &o);
    b = (struct bench){.ctx = a.ctx, .m = a.m};
    bind_bench(&b, "one four five three", &o);
    ((glim_lm *)b.p)->rows[0].id = ((glim_lm *)a.p)->rows[0].id;
    glim_status status = glim_patch_read(&doc, a.p, b.p, &(glim_patch_options){0}, &err);
    if (status)
        assert_non_null(
            strstr(err.message, "too near")); /* the same answer is no failure to align */
    glim_document_free(doc);
    doc = NULL;
    a.tokens->at[a.tokens->count - 1].id = 9;
    ((glim_lm *)a.p)->ids[a.p->T - 1] = 9;
    ((glim_lm *)b.p)->ids[b.p->T - 1] = 10;
    assert_int_equal(glim_patch_read(&doc, a.p, b.p, &(glim_patch_options){0}, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "no common end"));
    assert_int_equal(
        glim_patch_read(&doc, a.p, a.p, &(glim_patch_options){.sites = "nowhere"}, &err),
        GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "nowhere"));
    glim_predictor_free(b.p);
    glim_tokens_free(b.tokens);
    close_bench(&a);
}

/* Both kinds of maps, at every allocation that may be refused. */
static void no_refused_allocation_leaks_or_crashes(void **state) {
    for (int estimate = 0; estimate < 2; estimate++)
        for (uint64_t fail = 1;; fail++) {
            struct pair x;
            glim_document *doc = NULL;
            glim_error err = {0};
            open_pair(&x, "llama.gguf", 6, 1);
            glim__fail_allocation(x.clean.ctx, fail);
            glim_status status =
                glim_patch_read(&doc, x.clean.p, x.other.p,
                                &(glim_patch_options){.estimate = estimate, .check = 3}, &err);
            glim__fail_allocation(x.clean.ctx, 0);
            if (status && status != GLIM_ENOMEM && status != GLIM_EBUDGET)
                fail_msg("allocation %d: %s", (int)fail, err.message);
            assert_true(!status == (doc != NULL));
            glim_document_free(doc);
            close_pair(&x);
            if (!status)
                break;
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_have_the_bits_of_whole_passes),
        cmocka_unit_test(a_run_patched_with_itself_changes_no_bit),
        cmocka_unit_test(effects_have_both_ends),
        cmocka_unit_test(the_last_stream_is_the_answer),
        cmocka_unit_test(guesses_are_slopes),
        cmocka_unit_test(inputs_of_other_lengths_are_aligned_or_refused),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
