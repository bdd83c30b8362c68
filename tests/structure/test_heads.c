/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Head detectors: a model whose weights are put together by hand so that one head looks at the
 * token before, one at the same token's first time and one behind it is told as such, one at
 * random is not, and scores are those of captured patterns.
 */
#include "structure-testing.h"

#include "structure/heads.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"heads-previous", "heads-duplicate", "heads-induction"};

static glim_document *detect(const glim_model *m, const glim_heads_options *o) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_heads_detect(&doc, m, o, &err))
        fail_msg("%s", err.message);
    assert_string_equal(doc->kind, "structure");
    return doc;
}

static double share(const glim_document *doc, int kind, size_t layer, size_t head) {
    const glim_panel *p = glim_document_panel(doc, names[kind]);
    assert_non_null(p);
    return p->values[(p->rows.n - 1 - layer) * p->columns.n + head];
}

/* ---- a model made by hand ---- */

enum { P = 64, C = 3 * P, D = C / 2, V = 300, F = 8 };

static char folder[] = "/tmp/glim-heads-XXXXXX";

/* Names in the folder beside those that are copied. */
static void in_folder(char out[128], const char *name) {
    snprintf(out, 128, "%s/%s", folder, name);
}

static void write_config(void) {
    char path[128], command[640];
    const char *from = GOLDEN "published/gpt2";
    snprintf(command, sizeof command,
             "cp %s/tokenizer.json %s/tokenizer_config.json %s && "
             "sed -e 's/\"n_embd\": 32/\"n_embd\": %d/' -e 's/\"n_head\": 4/\"n_head\": 2/' "
             "-e 's/\"n_inner\": 40/\"n_inner\": %d/' %s/config.json > %s/config.json",
             from, from, folder, C, F, from, folder);
    assert_int_equal(system(command), 0);
    in_folder(path, "config.json");
    assert_int_equal(access(path, R_OK), 0);
}

struct tensors {
    glim_st_writer *w;
    bool declaring;
};

static void put(struct tensors *t, const char *name, size_t rows, size_t cols, const float *data) {
    glim_error err = {0};
    const uint64_t dims[] = {rows, cols}, *shape = cols ? dims : dims;
    size_t n = rows * (cols ? cols : 1);
    glim_status status = t->declaring
                             ? glim__st_writer_declare(t->w, name, "F32", cols ? 2 : 1, shape, &err)
                             : glim__st_writer_put(t->w, name, 0, data, n, &err);
    if (status)
        fail_msg("%s: %s", name, err.message);
}

/* Token codes in the first third of the stream, places one-hot in the second; the last is for
   the code of the token before. */
static float *embed_tokens(void) {
    float *x = calloc((size_t)V * C, sizeof *x);
    for (size_t v = 0; v < V; v++)
        for (size_t c = 0; c < P; c++)
            x[v * C + c] = glim__rng_below(17, v, c, 2) ? 0.125f : -0.125f;
    return x;
}

static float *embed_places(void) {
    float *x = calloc((size_t)P * C, sizeof *x);
    for (size_t i = 0; i < P; i++)
        x[i * C + P + i] = 1;
    return x;
}

/* (C, 3 C), inputs by outputs: q, k and v of both heads. */
static void join(float *w, size_t head, int which, size_t from, size_t shift, float by) {
    for (size_t i = 0; i + shift < P; i++)
        w[(from + i + shift) * 3 * C + (size_t)which * C + head * D + i] = by;
}

static void put_block(struct tensors *t, int layer) {
    char name[64];
    float *qkv = calloc((size_t)C * 3 * C, sizeof *qkv), *o = calloc((size_t)C * C, sizeof *o);
    float *zeros = calloc((size_t)C * 3 * C, sizeof *zeros), ones[C];
    for (size_t c = 0; c < C; c++)
        ones[c] = 1;
    if (!layer) {
        join(qkv, 0, 0, P, 1, 6); /* of place i the query for place i - 1 */
        join(qkv, 0, 1, P, 0, 6);
        join(qkv, 0, 2, 0, 0, 1);
        for (size_t i = 0; i < P; i++) /* about what the norm made it longer by */
            o[i * C + 2 * P + i] = 0.1f;
    } else {
        join(qkv, 0, 0, 0, 0, 4);
        join(qkv, 0, 1, 2 * P, 0, 4);
        join(qkv, 1, 0, 0, 0, 4);
        join(qkv, 1, 1, 0, 0, 4);
    }
    const struct {
        const char *name;
        size_t rows, cols;
        const float *data;
    } all[] = {{"ln_1.weight", C, 0, ones},           {"ln_1.bias", C, 0, zeros},
               {"attn.c_attn.weight", C, 3 * C, qkv}, {"attn.c_attn.bias", 3 * C, 0, zeros},
               {"attn.c_proj.weight", C, C, o},       {"attn.c_proj.bias", C, 0, zeros},
               {"ln_2.weight", C, 0, ones},           {"ln_2.bias", C, 0, zeros},
               {"mlp.c_fc.weight", C, F, zeros},      {"mlp.c_fc.bias", F, 0, zeros},
               {"mlp.c_proj.weight", F, C, zeros},    {"mlp.c_proj.bias", C, 0, zeros}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(name, sizeof name, "transformer.h.%d.%s", layer, all[i].name);
        put(t, name, all[i].rows, all[i].cols, all[i].data);
    }
    free(qkv);
    free(o);
    free(zeros);
}

static void put_model(struct tensors *t) {
    float *tokens = embed_tokens(), *places = embed_places(), ones[C], zeros[C] = {0};
    for (size_t c = 0; c < C; c++)
        ones[c] = 1;
    put(t, "transformer.wte.weight", V, C, tokens);
    put(t, "transformer.wpe.weight", P, C, places);
    put_block(t, 0);
    put_block(t, 1);
    put(t, "transformer.ln_f.weight", C, 0, ones);
    put(t, "transformer.ln_f.bias", C, 0, zeros);
    free(tokens);
    free(places);
}

static glim_model *made_by_hand(glim_context *ctx) {
    char path[128];
    glim_model *m = NULL;
    glim_error err = {0};
    struct tensors t = {.declaring = true};
    write_config();
    in_folder(path, "model.safetensors");
    if (glim__st_writer_new(&t.w, ctx, path, &err) ||
        glim__st_writer_metadata(t.w, "format", "pt", &err))
        fail_msg("%s", err.message);
    put_model(&t);
    t.declaring = false;
    if (glim__st_writer_begin(t.w, &err))
        fail_msg("%s", err.message);
    put_model(&t);
    if (glim__st_writer_end(t.w, &err))
        fail_msg("%s", err.message);
    glim__st_writer_free(t.w);
    if (glim_model_open(&m, ctx, folder, &err))
        fail_msg("%s", err.message);
    return m;
}

static void heads_made_by_hand_are_told(void **state) {
    glim_context *ctx = context_with(2, 0);
    char command[64];
    assert_non_null(mkdtemp(folder));
    glim_model *m = made_by_hand(ctx);
    glim_document *doc = detect(m, &(glim_heads_options){.seed = 3});
    assert_true(share(doc, 0, 0, 0) > 0.95);                               /* previous */
    assert_true(share(doc, 1, 1, 1) > 0.45 && share(doc, 1, 1, 1) < 0.55); /* and itself */
    assert_true(share(doc, 2, 1, 0) > 0.95);                               /* induction */
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < 4; i++) {
            size_t own = kind == 0 ? 0 : kind == 1 ? 3 : 2;
            if (i != own && share(doc, kind, i / 2, i % 2) > 0.1)
                fail_msg("%s: %g of head %zu", names[kind], share(doc, kind, i / 2, i % 2), i);
        }
    const glim_panel *p = glim_document_panel(doc, "heads");
    assert_int_equal(p->rows.n, 12);
    assert_string_equal(p->cells[0].text, "previous");
    assert_string_equal(p->cells[1].text, "0.0");
    assert_true(p->cells[2].number == share(doc, 0, 0, 0));
    assert_string_equal(p->cells[4 * 3 + 1].text, "1.1");
    assert_string_equal(p->cells[8 * 3 + 1].text, "1.0");
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- scores ---- */

static void check_scores(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_heads_text t;
    glim_error err = {0};
    const glim_heads_options o = {.length = 9, .draws = 2, .seed = 5};
    glim_document *doc = detect(m, &o);
    if (glim__heads_lay_out(&t, m, 9, &err))
        fail_msg("%s", err.message);
    size_t L = (size_t)m->hyper.L, H = (size_t)m->hyper.H, n = t.n;
    int32_t ids[2][32];
    double *want = calloc(3 * L * H, sizeof *want);
    glim_session *s = new_session(m, 0);
    for (size_t draw = 0; draw < 2; draw++) {
        assert_int_equal(glim__heads_draw(&t, m, 5, draw, ids[draw], &err), GLIM_OK);
        assert_memory_equal(ids[draw] + t.from, ids[draw] + t.from + 9, 9 * sizeof **ids);
        for (size_t l = 0; l < L; l++) {
            char site[64];
            struct reading r = {0};
            snprintf(site, sizeof site, "blocks.%zu.attn.hook_pattern", l);
            const glim_hook hook = {site, GLIM_HOOK_READ, take_reading, &r};
            glim_sequence q = {.ids = ids[draw], .count = n};
            run_batch(s, &(glim_batch){.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1});
            for (size_t h = 0; h < H; h++) {
                const float *a = r.data + h * n * n;
                double *to = want + l * H + h;
                for (size_t i = t.from + 1; i < n; i++)
                    to[0] += a[i * n + i - 1] / 17.0 / 2;
                for (size_t i = t.from + 9; i < n; i++) {
                    to[L * H] += a[i * n + i - 9] / 9.0 / 2;
                    to[2 * L * H] += a[i * n + i - 8] / 9.0 / 2;
                }
            }
            free(r.data);
        }
    }
    assert_true(memcmp(ids[0], ids[1], n * sizeof **ids) != 0);
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < L * H; i++) {
            double x = share(doc, kind, i / H, i % H);
            if (fabs(x - want[(size_t)kind * L * H + i]) > 1e-9 || (kind && x > 0.5))
                fail_msg("%s: %s of head %zu: %g, %g of patterns", file, names[kind], i, x,
                         want[(size_t)kind * L * H + i]);
        }
    free(want);
    glim_session_free(s);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void scores_are_those_of_patterns(void **state) {
    assert_true(each_golden(".gguf", check_scores) > 20);
    check_scores("published/bert-classes");
}

static void what_cannot_be_told_is_refused(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf"), *two = open_model(ctx, "stacks/t5");
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_plan plan;
    size_t context = (size_t)m->hyper.context;
    assert_int_equal(glim_heads_detect(&doc, two, &(glim_heads_options){0}, &err), GLIM_EUSAGE);
    assert_int_equal(glim_heads_detect(&doc, m, &(glim_heads_options){.length = context}, &err),
                     GLIM_ELIMIT);
    assert_int_equal(glim_heads_detect(&doc, m, &(glim_heads_options){.length = 1}, &err),
                     GLIM_EUSAGE);
    assert_int_equal(glim_heads_plan(&plan, m, &(glim_heads_options){.draws = 3}, &err), GLIM_OK);
    assert_true(plan.forward_tokens > 3 * 2 * 20 && plan.bytes > 0);
    glim_context_cancel(ctx);
    assert_int_equal(glim_heads_detect(&doc, m, &(glim_heads_options){.draws = 2}, &err),
                     GLIM_ECANCELLED);
    assert_true(doc->partial);
    glim_document_free(doc);
    glim_model_close(two);
    glim_model_close(m);
    glim_context_free(ctx);
}

static glim_status make_document(glim_document **doc, const glim_model *m, glim_error *err) {
    return glim_heads_detect(doc, m, &(glim_heads_options){.length = 4, .draws = 1}, err);
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    refuse_allocations(make_document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_made_by_hand_are_told),
        cmocka_unit_test(scores_are_those_of_patterns),
        cmocka_unit_test(what_cannot_be_told_is_refused),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
