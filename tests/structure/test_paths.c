/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path patching beside passes written down here, and where it must be an ordinary patch; causal
 * tracing and ablation: what they must give at their ends, and beside whole passes.
 */
#include "structure-testing.h"

#include "structure/patch.h"

enum { T = 9 };

struct pair {
    struct bench clean, other;
};

static void open_pair(struct pair *x, const char *file) {
    const char *texts[] = {"Hello small world, hello again and again",
                           "Hello large words, never again and again"};
    struct bench *both[] = {&x->clean, &x->other};
    x->clean = (struct bench){.ctx = context_with(2, 0)};
    x->clean.m = open_model(x->clean.ctx, file);
    x->other = (struct bench){.ctx = x->clean.ctx, .m = x->clean.m};
    int32_t ids[T];
    for (int i = 0; i < 2; i++) {
        bind_bench(both[i], texts[i], &(glim_target_options){.output = "logit"});
        glim_lm *lm = (glim_lm *)both[i]->p;
        assert_true(both[i]->p->T >= T);
        some_ids(ids, T, x->clean.m->hyper.V, 7);
        if (i)
            ids[2] = ids[5], ids[4] = ids[1];
        both[i]->p->T = both[i]->tokens->count = T;
        for (size_t t = 0; t < T; t++)
            lm->ids[t] = both[i]->tokens->at[t].id = ids[t];
        lm->rows[0] = (glim_lm_row){T - 1, 11, 12, SIZE_MAX};
    }
}

static void close_pair(struct pair *x) {
    glim_predictor_free(x->other.p);
    glim_tokens_free(x->other.tokens);
    close_bench(&x->clean);
}

/* ---- whole passes with several hooks ---- */

struct pen {
    struct reading *from;     /* one for each layer */
    size_t only, head, heads; /* SIZE_MAX: all */
    bool reads;
};

static glim_status use_pen(void *data, const glim_site *s, glim_error *err) {
    struct pen *pen = data;
    size_t width = s->dims[1] * (s->n_dims == 3 ? s->dims[2] : 1), D = width / pen->heads;
    if (pen->only != SIZE_MAX && (size_t)s->layer != pen->only)
        return GLIM_OK;
    float *x = pen->from[s->layer].data;
    for (size_t t = 0; t < s->dims[0]; t++)
        for (size_t h = 0; h < pen->heads; h++) {
            size_t at = t * width + h * D;
            if (pen->head == SIZE_MAX || pen->head == h)
                memcpy(pen->reads ? x + at : s->data + at, pen->reads ? s->data + at : x + at,
                       D * sizeof *x);
        }
    return GLIM_OK;
}

static double run_pens(struct bench *b, const glim_hook *hooks, size_t n) {
    const glim_lm *lm = (const glim_lm *)b->p;
    glim_session *s = new_session(b->m, 0);
    uint32_t at = T - 1;
    glim_sequence q = {.ids = lm->ids, .count = T, .wanted = &at, .n_wanted = 1};
    run_batch(s, &(glim_batch){.sequences = &q, .count = 1, .hooks = hooks, .n_hooks = n});
    double value = glim__lm_target(lm, &lm->rows[0], glim_session_logits(s, 0, 0), NULL);
    glim_session_free(s);
    return value;
}

static void read_layers(struct bench *b, const char *site, struct reading *out) {
    for (int l = 0; l < b->m->hyper.L; l++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.%d.%s", l, site);
        out[l] = read_site(b, name);
    }
}

static void free_layers(struct bench *b, struct reading *r) {
    for (int l = 0; l < b->m->hyper.L; l++)
        free(r[l].data);
}

static double path_effect(struct pair *x, const char *from, const char *to, bool mlps) {
    double effect;
    glim_error err = {0};
    x->clean.p->rules = NULL;
    ((glim_lm *)x->clean.p)->value[0] = run_pens(&x->clean, NULL, 0);
    ((glim_lm *)x->other.p)->value[0] = run_pens(&x->other, NULL, 0);
    if (glim_patch_path(&effect, x->clean.p, x->other.p, &(glim_path){from, to}, 1, false, mlps,
                        &err))
        fail_msg("%s", err.message);
    return effect;
}

/* Head 1 of block 0 through the values of head 0 of block 1, in two passes. */
static void a_path_is_two_passes(void **state) {
    struct pair x;
    struct reading z[8], mlp[8], donor[8], v[8];
    open_pair(&x, "llama.gguf");
    size_t H = (size_t)x.clean.m->hyper.H, G = (size_t)x.clean.m->hyper.G;
    read_layers(&x.other, "attn.hook_z", z);
    read_layers(&x.other, "hook_mlp_out", mlp);
    read_layers(&x.clean, "attn.hook_z", donor);
    read_layers(&x.other, "attn.hook_v", v);
    struct pen freeze = {z, SIZE_MAX, SIZE_MAX, H, false},
               still = {mlp, SIZE_MAX, SIZE_MAX, 1, false};
    struct pen send = {donor, 0, 1, H, false}, arrive = {v, 1, 0, G, true};
    const glim_hook first[] = {{"blocks.*.attn.hook_z", GLIM_HOOK_WRITE, use_pen, &freeze},
                               {"blocks.*.attn.hook_z", GLIM_HOOK_WRITE, use_pen, &send},
                               {"blocks.*.hook_mlp_out", GLIM_HOOK_WRITE, use_pen, &still},
                               {"blocks.*.attn.hook_v", GLIM_HOOK_READ, use_pen, &arrive}};
    double direct = run_pens(&x.other, first, 4);
    struct pen put = {v, 1, 0, G, false};
    const glim_hook second[] = {{"blocks.*.attn.hook_v", GLIM_HOOK_WRITE, use_pen, &put}};
    double through = run_pens(&x.other, second, 1);
    double from = run_pens(&x.other, NULL, 0), to = run_pens(&x.clean, NULL, 0);
    assert_true(fabs(to - from) > 0.01);
    assert_true(fabs(path_effect(&x, "blocks.0.attn.hook_z[1]", "blocks.1.attn.hook_v[0]", false) -
                     (through - from) / (to - from)) < 1e-9);
    assert_true(fabs(path_effect(&x, "blocks.0.attn.hook_z[1]", "logits", false) -
                     (direct - from) / (to - from)) < 1e-9);
    assert_true(through != from && direct != from);
    free_layers(&x.clean, z);
    free_layers(&x.clean, mlp);
    free_layers(&x.clean, donor);
    free_layers(&x.clean, v);
    close_pair(&x);
}

/* Nothing but feed-forward parts stands behind the last block's heads. */
static void the_last_heads_paths_are_patches(void **state) {
    struct pair x;
    open_pair(&x, "gemma3.gguf");
    char sender[64];
    size_t last = (size_t)x.clean.m->hyper.L - 1, H = (size_t)x.clean.m->hyper.H;
    struct reading donor[64];
    read_layers(&x.clean, "attn.hook_z", donor);
    struct pen pen = {donor, last, 2, H, false};
    const glim_hook hook = {"blocks.*.attn.hook_z", GLIM_HOOK_WRITE, use_pen, &pen};
    double value = run_pens(&x.other, &hook, 1), from = run_pens(&x.other, NULL, 0),
           to = run_pens(&x.clean, NULL, 0);
    snprintf(sender, sizeof sender, "blocks.%zu.attn.hook_z[2]", last);
    assert_true(fabs(path_effect(&x, sender, "logits", true) - (value - from) / (to - from)) <
                1e-9);
    free_layers(&x.clean, donor);
    close_pair(&x);
}

static void wrong_paths_are_refused(void **state) {
    struct pair x;
    double effect;
    glim_error err = {0};
    const glim_path wrong[] = {{"blocks.0.attn.hook_q[0]", "logits"},
                               {"blocks.0.attn.hook_z[99]", "logits"},
                               {"blocks.99.hook_mlp_out", "logits"},
                               {"nothing", "logits"},
                               {"blocks.0.hook_mlp_out", "blocks.1.hook_mlp_out"},
                               {"blocks.1.hook_mlp_out", "blocks.0.attn.hook_q[0]"},
                               {"blocks.0.hook_mlp_out", "blocks.1.attn.hook_k[7]"}};
    open_pair(&x, "llama.gguf");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(
            glim_patch_path(&effect, x.clean.p, x.other.p, &wrong[i], 1, false, false, &err),
            GLIM_EUSAGE);
        assert_true(strstr(err.message, "is no") || strstr(err.message, "before"));
    }
    close_pair(&x);
}

/* ---- ablation ---- */

static glim_status ablate(glim_document **doc, glim_predictor *p, glim_ablation how,
                          glim_predictor *const *other, glim_error *err) {
    const glim_ablate_options o = {.how = how, .others = other, .n_others = other != NULL};
    return glim_patch_ablate(doc, p, &o, err);
}

static void ablation_is_a_pass_without(void **state) {
    struct pair x;
    glim_error err = {0};
    glim_document *doc = NULL;
    open_pair(&x, "llama.gguf");
    size_t L = (size_t)x.clean.m->hyper.L, H = (size_t)x.clean.m->hyper.H;
    struct reading none[8];
    read_layers(&x.clean, "attn.hook_z", none);
    for (size_t l = 0; l < L; l++)
        memset(none[l].data, 0, none[l].floats * sizeof(float));
    double whole = run_pens(&x.clean, NULL, 0);
    if (ablate(&doc, x.clean.p, GLIM_ABLATE_ZERO, NULL, &err))
        fail_msg("%s", err.message);
    const glim_panel *p = glim_document_panel(doc, "ablated-heads");
    for (size_t l = 0; l < L; l++)
        for (size_t h = 0; h < H; h++) {
            struct pen pen = {none, l, h, H, false};
            const glim_hook hook = {"blocks.*.attn.hook_z", GLIM_HOOK_WRITE, use_pen, &pen};
            assert_true(p->values[(L - 1 - l) * H + h] == whole - run_pens(&x.clean, &hook, 1));
        }
    glim_document_free(doc);
    /* resampled from itself nothing is lost */
    if (ablate(&doc, x.clean.p, GLIM_ABLATE_RESAMPLE, &x.clean.p, &err))
        fail_msg("%s", err.message);
    p = glim_document_panel(doc, "ablated-heads");
    for (size_t i = 0; i < L * H; i++)
        assert_true(p->values[i] == 0);
    glim_document_free(doc);
    assert_int_equal(ablate(&doc, x.clean.p, GLIM_ABLATE_RESAMPLE, NULL, &err), GLIM_EUSAGE);
    if (ablate(&doc, x.clean.p, GLIM_ABLATE_MEAN, &x.other.p, &err))
        fail_msg("%s", err.message);
    p = glim_document_panel(doc, "ablated");
    for (size_t i = 0; i < 2 * L; i++)
        assert_true(isfinite(p->values[i]));
    glim_document_free(doc);
    free_layers(&x.clean, none);
    close_pair(&x);
}

/* ---- tracing ---- */

static void tracing_restores_what_noise_took(void **state) {
    struct pair x;
    glim_error err = {0};
    glim_document *doc = NULL, *again = NULL;
    open_pair(&x, "llama.gguf");
    ((glim_lm *)x.clean.p)->value[0] = run_pens(&x.clean, NULL, 0);
    const glim_trace_options o = {.first = 2, .count = 3, .noise = 6, .draws = 4};
    if (glim_patch_trace(&doc, x.clean.p, &o, 5, &err) ||
        glim_patch_trace(&again, x.clean.p, &o, 5, &err))
        fail_msg("%s", err.message);
    const glim_panel *p = glim_document_panel(doc, "resid_pre");
    size_t L = p->rows.n;
    assert_int_equal(p->columns.n, T);
    for (size_t t = 0; t < T; t++) /* what stands before the noise is clean already */
        if (t < 2 || t > 4)
            assert_true(p->values[(L - 1) * T + t] == 0);
    assert_memory_equal(p->values, glim_document_panel(again, "resid_pre")->values,
                        L * T * sizeof(double));
    glim_document_free(doc);
    glim_document_free(again);
    /* the whole input under noise, and one token restored where all is read */
    assert_int_equal(
        glim_patch_trace(&doc, x.clean.p, &(glim_trace_options){.first = 7, .count = 3}, 1, &err),
        GLIM_EUSAGE);
    close_pair(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_two_passes),
        cmocka_unit_test(the_last_heads_paths_are_patches),
        cmocka_unit_test(wrong_paths_are_refused),
        cmocka_unit_test(ablation_is_a_pass_without),
        cmocka_unit_test(tracing_restores_what_noise_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
