/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs that are searched for: gains are exact where the model is linear, a small search finds
   what trying everything finds, and what is told can be asked again. */
#include "maximize-testing.h"

#include "structure/token-search.h"

#include <sys/stat.h>

static const float NEAR_ENOUGH = 1e-5f;

/* ---- gradients ---- */

/* Value of unit 0, summed over rows with weights, at embeddings. */
static double weighed(glim_activation *a, const float *x, size_t T, const uint8_t *types,
                      const double *weights) {
    float out[LONGEST];
    double sum = 0;
    glim_error err = {0};
    glim_sequence q = {.embeddings = x, .count = T, .types = types};
    if (glim__activation_run(a, &q, 1, false, out, &err))
        fail_msg("%s", err.message);
    for (size_t r = 0; r < (a->whole_text ? 1 : T); r++)
        sum += weights[r] * (double)out[r];
    return sum;
}

static void check_gradient(const char *file, glim_maximize_options o) {
    enum { T = 5, STEPS = 4 };
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    size_t C = (size_t)(m->encoder ? m->encoder : m)->hyper.C;
    float *x = calloc(T * C, sizeof *x), *d = calloc(T * C, sizeof *d), out[LONGEST];
    float *moved = calloc(T * C, sizeof *moved);
    int32_t ids[T];
    uint8_t types[T] = {0}, *of = m->types.data ? types : NULL;
    double weights[T];
    glim_error err = {0};
    glim_activation a;
    if (glim__activation_open(&a, m, &o, 0, o.fluency > 0, &err))
        fail_msg("%s", err.message);
    some_ids(ids, T, 50, 4);
    for (size_t t = 0; t < T; t++) {
        weights[t] = 0.5 + (double)t;
        assert_int_equal(glim_model_embedding(m, ids[t], x + t * C, NULL), GLIM_OK);
    }
    glim_sequence q = {.embeddings = x, .count = T, .types = of};
    if (glim__activation_run_kept(&a, &q, out, &err) ||
        glim__activation_gradient(&a, 0, weights, NULL, 0, d, &err))
        fail_msg("%s: %s", file, err.message);
    for (uint64_t way = 0; way < STEPS; way++) {
        const double h = 2e-3;
        double slope = 0, length = 0, values[2];
        for (size_t i = 0; i < T * C; i++)
            length += pow(glim__rng_normal(5, way, i), 2);
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < T * C; i++)
                moved[i] = x[i] + (float)((side ? -h : h) * glim__rng_normal(5, way, i) /
                                          sqrt(length) * sqrt((double)C));
            values[side] = weighed(&a, moved, T, of, weights);
        }
        for (size_t i = 0; i < T * C; i++)
            slope += (double)d[i] * glim__rng_normal(5, way, i) / sqrt(length) * sqrt((double)C);
        double found = (values[0] - values[1]) / (2 * h);
        if (!(fabs(found - slope) < 0.02 * fmax(fabs(slope), 1)))
            fail_msg("%s: the slope is %g, not %g", file, found, slope);
    }
    free(x);
    free(d);
    free(moved);
    glim__activation_close(&a);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void a_sites_value_has_the_slope_of_differences(void **state) {
    static const size_t three = 3;
    glim_maximize_options neuron = {
        .site = "blocks.1.mlp.hook_post", .indices = &three, .n_indices = 1, .head = -1};
    static const char *const files[] = {"llama.gguf",     "gemma3-text.gguf",     "gpt2.gguf",
                                        "glm4.gguf",      "published/bert-embed", "published/gpt2",
                                        "llama-q4_1.gguf"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        neuron.site =
            strstr(files[i], "q4_1") ? "blocks.0.mlp.hook_post" : "blocks.1.mlp.hook_post";
        check_gradient(files[i], neuron);
    }
    for (int i = 0; i < 2; i++) { /* before the weight of a norm */
        neuron.site = i ? "blocks.1.ln2.hook_normalized" : "blocks.1.ln1.hook_normalized";
        check_gradient("llama.gguf", neuron);
        check_gradient("gpt2.gguf", neuron);
        check_gradient("gemma3-text.gguf", neuron);
        check_gradient("published/bert-embed", neuron);
    }
    check_gradient("llama.gguf",
                   (glim_maximize_options){.site = "blocks.1.attn.hook_z", .head = 2});
    check_gradient("gemma2.gguf", (glim_maximize_options){.target = "a", .head = -1});
    check_gradient("llama.gguf", (glim_maximize_options){.target = "a", .head = -1, .fluency = 1});
    check_gradient("published/bert-classes", (glim_maximize_options){.target = "1", .head = -1});
    check_gradient("stacks/t5",
                   (glim_maximize_options){.site = "encoder.blocks.1.attn.hook_z", .head = 1});
    check_gradient("stacks/t5", (glim_maximize_options){.site = "decoder.blocks.0.mlp.hook_post",
                                                        .indices = &three,
                                                        .n_indices = 1,
                                                        .head = -1});
}

/* ---- gains ---- */

static void the_gain_of_a_linear_activation_is_exact(void **state) {
    static const char *const files[] = {"llama.gguf", "gemma3.gguf", "published/bert-fill"};
    size_t index = 5;
    for (size_t f = 0; f < 3; f++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, files[f]);
        glim_maximize_options o = {.site = "hook_embed",
                                   .indices = &index,
                                   .n_indices = 1,
                                   .head = -1,
                                   .candidates = 4,
                                   .choices = 4};
        glim_maximized r = {.ctx = ctx, .o = &o, .pool = GLIM_TEXT_MEAN};
        glim_activation a;
        glim_wording w;
        glim_search s;
        glim_error err = {0};
        int32_t ids[4];
        double values[2];
        if (glim__activation_open(&a, m, &o, 0, false, &err) || glim__wording_init(&w, m, &err) ||
            glim__wording_draw(&w, 1, 2, 4, ids, &err) ||
            glim__search_init(&s, &r, &a, &w, 0, ids, 4, &err) || glim__search_gradient(&s, &err) ||
            glim__search_gains(&s, &err))
            fail_msg("%s", err.message);
        int32_t *two = calloc(2 * s.T, sizeof *two);
        for (size_t k = 0; k < 4; k++)
            for (int32_t v = 3; v < 40; v += 7) {
                memcpy(two, s.ids, s.T * sizeof *two);
                memcpy(two + s.T, s.ids, s.T * sizeof *two);
                two[s.T + s.front + k] = v;
                assert_int_equal(glim__search_values(&s, two, 2, values, &err), GLIM_OK);
                double gain = (double)s.gain[k * (size_t)m->hyper.V + (size_t)v];
                assert_true(fabs(values[1] - values[0] - gain) < 1e-5 * (1 + fabs(gain)));
            }
        free(two);
        glim__search_release(&s);
        glim__wording_release(&w);
        glim__activation_close(&a);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* ---- against everything ---- */

/* The best of all pairs whose text comes back. */
static double best_pair(const glim_model *m, const glim_maximize_options *o) {
    glim_maximized r = {.ctx = glim_model_context(m), .o = o};
    glim_activation a;
    glim_wording w;
    glim_search s;
    glim_error err = {0};
    enum { PAIRS = 64 };
    int32_t ids[2];
    double best = -INFINITY, values[PAIRS];
    if (glim__activation_open(&a, m, o, 0, false, &err) || glim__wording_init(&w, m, &err) ||
        glim__wording_draw(&w, 1, 2, 2, ids, &err) ||
        glim__search_init(&s, &r, &a, &w, 0, ids, 2, &err))
        fail_msg("%s", err.message);
    int32_t *all = calloc(PAIRS * s.T, sizeof *all);
    size_t n = 0, asked = 0;
    for (size_t i = 0; i <= w.n_list * w.n_list; i++) {
        bool end = i == w.n_list * w.n_list, yes = false;
        if (n == PAIRS || (end && n)) {
            assert_int_equal(glim__search_values(&s, all, n, values, &err), GLIM_OK);
            for (size_t k = 0; k < n; k++)
                best = values[k] > best ? values[k] : best;
            asked += n;
            n = 0;
        }
        if (end)
            break;
        memcpy(all + n * s.T, s.ids, s.T * sizeof *all);
        all[n * s.T + s.front] = w.list[i / w.n_list];
        all[n * s.T + s.front + 1] = w.list[i % w.n_list];
        assert_int_equal(glim__wording_survives(&w, all + n * s.T + s.front, 2, &yes, &err), 0);
        n += yes;
    }
    assert_true(asked > 100);
    free(all);
    glim__search_release(&s);
    glim__wording_release(&w);
    glim__activation_close(&a);
    return best;
}

static void a_small_search_finds_what_trying_all_finds(void **state) {
    static const size_t indices[] = {1, 6};
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "stacks/t5");
    for (size_t i = 0; i < 2; i++) {
        glim_maximize_options o = {.site = "encoder.blocks.0.mlp.hook_post",
                                   .indices = &indices[i],
                                   .n_indices = 1,
                                   .head = -1,
                                   .length = 2,
                                   .restarts = 8,
                                   .candidates = 128,
                                   .choices = 64};
        double best = best_pair(m, &o), found = -INFINITY;
        glim_document *doc = maximize(m, &o);
        const glim_panel *p = panel(doc, "found");
        for (size_t k = 0; k < p->rows.n; k++)
            found = fmax(found, p->strings[k].value);
        assert_true(found == best);
        glim_document_free(doc);
    }
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- a planted neuron ---- */

static size_t read_whole(const char *path, char **out) {
    struct stat st;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    *out = malloc((size_t)st.st_size);
    assert_int_equal(fread(*out, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    return (size_t)st.st_size;
}

static float *tensor_of(const glim_safetensors *st, const char *name) {
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    assert_non_null(t);
    assert_string_equal(t->dtype, "F32");
    return (float *)t->data; /* the test's own bytes */
}

/* Attention of block 0 adds nothing, and a neuron reads the direction of one token's row: no
   other token can be as strong. */
static void plant(glim_context *ctx, const char *dir, int32_t id, size_t neuron) {
    char *bytes, path[300];
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    size_t n = read_whole(GOLDEN "published/llama/model.safetensors", &bytes);
    glim_safetensors *st = NULL;
    glim_error err = {0};
    if (glim__safetensors_open_memory(&st, ctx, bytes, n, "model", &err))
        fail_msg("%s", err.message);
    size_t C = 32, own = (size_t)id * C;
    const float *e = tensor_of(st, "model.embed_tokens.weight");
    const float *g = tensor_of(st, "model.layers.0.post_attention_layernorm.weight");
    float *o = tensor_of(st, "model.layers.0.self_attn.o_proj.weight");
    float *gate = tensor_of(st, "model.layers.0.mlp.gate_proj.weight");
    float *up = tensor_of(st, "model.layers.0.mlp.up_proj.weight");
    memset(o, 0, C * C * sizeof *o);
    for (size_t c = 0; c < C; c++)
        gate[neuron * C + c] = up[neuron * C + c] = e[own + c] / g[c];
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    glim__safetensors_close(st);
    free(bytes);
}

static void a_planted_trigger_is_found(void **state) {
    static const char *const others[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    glim_context *ctx = context_with(2, 0);
    glim_model *plain = open_model(ctx, "published/llama");
    char dir[64], path[128], from[300], *bytes;
    int32_t id;
    size_t neuron = 17, len;
    glim_error err = {0};
    snprintf(dir, sizeof dir, "/tmp/glim-planted-%d", (int)getpid());
    mkdir(dir, 0700);
    for (size_t i = 0; i < 3; i++) {
        snprintf(from, sizeof from, GOLDEN "published/llama/%s", others[i]);
        snprintf(path, sizeof path, "%s/%s", dir, others[i]);
        if (access(from, R_OK))
            continue;
        len = read_whole(from, &bytes);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, len, f), len);
        fclose(f);
        free(bytes);
    }
    assert_int_equal(glim_model_token(plain, "the", &id, &err), GLIM_OK);
    plant(ctx, dir, id, neuron);
    glim_model *m = NULL;
    if (glim_model_open(&m, ctx, dir, &err))
        fail_msg("%s", err.message);
    const char *trigger = glim_model_token_bytes(m, id, &len);
    static const char *const ways[] = {"tokens", "embeddings"};
    for (int way = 0; way < 2; way++) {
        glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                                   .indices = &neuron,
                                   .n_indices = 1,
                                   .head = -1,
                                   .search = ways[way],
                                   .length = 4};
        glim_document *doc = maximize(m, &o);
        const glim_panel *p = panel(doc, "found");
        bool found = false;
        for (size_t i = 0; i < p->rows.n; i++) {
            const char *best = p->strings[i].pieces[p->strings[i].best];
            found = found || (strlen(best) == len && !memcmp(best, trigger, len));
        }
        assert_true(found);
        glim_document_free(doc);
    }
    glim_model_close(m);
    glim_model_close(plain);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i < 3 ? others[i] : "model.safetensors");
        unlink(path);
    }
    rmdir(dir);
    glim_context_free(ctx);
}

/* ---- what is told ---- */

static void what_is_told_can_be_asked_again(void **state) {
    static const char *const files[] = {"llama.gguf",           "gemma3-text.gguf", "gpt2.gguf",
                                        "published/bert-embed", "stacks/t5",        "chatglm.gguf"};
    size_t index = 9;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, files[f]);
        bool reads = m->encoder != NULL, decoder = !reads && !m->hyper.both_ways;
        glim_maximize_options o = {.site = reads ? "encoder.blocks.0.mlp.hook_post"
                                                 : "blocks.0.mlp.hook_post",
                                   .indices = &index,
                                   .n_indices = 1,
                                   .head = -1,
                                   .pool = f % 2 ? "mean" : NULL,
                                   .search = "both",
                                   .length = 5,
                                   .steps = 12,
                                   .restarts = 2};
        glim_document *doc = maximize(m, &o);
        const glim_panel *table = panel(doc, "optimised"), *found = panel(doc, "found");
        const glim_panel *lines = panel(doc, "progress");
        assert_int_equal(table->rows.n + left_out(doc), 4);
        for (size_t i = 0; i < table->rows.n; i++) {
            const glim_panel_cell *row = &table->cells[i * table->columns.n];
            char text[256];
            size_t n = joined(&found->strings[i], text, sizeof text);
            assert_string_equal(text, row[0].text);
            double again =
                f % 2 ? mean_of(m, text, n, o.site, index) : largest_of(m, text, n, o.site, index);
            assert_true(fabs(again - row[1].number) < NEAR_ENOUGH * (1 + fabs(again)));
            assert_true(row[1].number >= row[2].number); /* never below its beginning */
            for (size_t c = 1; c < lines->columns.n; c++)
                assert_true(lines->values[i * lines->columns.n + c] >=
                            lines->values[i * lines->columns.n + c - 1]);
            double last = lines->values[(i + 1) * lines->columns.n - 1];
            assert_true(fabs(last - again) < NEAR_ENOUGH * (1 + fabs(again)));
            assert_true(isfinite(row[3].number) && isfinite(row[6].number) == decoder);
        }
        glim_document_free(doc);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void fluent_texts_are_likelier(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t index = 3;
    double nll[2] = {0, 0}, value[2] = {0, 0};
    for (int fluent = 0; fluent < 2; fluent++) {
        glim_maximize_options o = {.site = "blocks.1.mlp.hook_post",
                                   .indices = &index,
                                   .n_indices = 1,
                                   .head = -1,
                                   .fluency = fluent ? 4 : 0,
                                   .length = 6,
                                   .steps = 30};
        glim_document *doc = maximize(m, &o);
        const glim_panel *p = panel(doc, "optimised");
        for (size_t i = 0; i < p->rows.n; i++) {
            const glim_panel_cell *row = &p->cells[i * p->columns.n];
            assert_true(fabs(unlikely(m, row[0].text) - row[6].number) < 1e-4);
            const glim_panel *lines = panel(doc, "progress");
            double last = lines->values[(i + 1) * lines->columns.n - 1];
            assert_true(fabs(last - (row[1].number - o.fluency * row[6].number)) < 1e-3);
            nll[fluent] += row[6].number / (double)p->rows.n;
            value[fluent] += row[1].number / (double)p->rows.n;
        }
        glim_document_free(doc);
    }
    assert_true(nll[1] < nll[0] - 0.5);
    assert_true(value[1] < value[0]);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void bits_of_searches_do_not_depend_on_threads(void **state) {
    double values[2][6];
    char texts[2][6][128];
    size_t indices[] = {2, 8};
    for (int run = 0; run < 2; run++) {
        glim_context *ctx = context_with(run ? 3 : 1, 0);
        glim_model *m = open_model(ctx, "llama-q8_0.gguf");
        glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                                   .indices = indices,
                                   .n_indices = 2,
                                   .head = -1,
                                   .search = "both",
                                   .fluency = 0.5,
                                   .length = 4,
                                   .restarts = 1,
                                   .steps = 10};
        glim_document *doc = maximize(m, &o);
        const glim_panel *p = panel(doc, "optimised");
        assert_int_equal(p->rows.n, 4);
        for (size_t i = 0; i < 4; i++) {
            values[run][i] = p->cells[i * p->columns.n + 1].number;
            snprintf(texts[run][i], 128, "%s", p->cells[i * p->columns.n].text);
            if (run)
                assert_string_equal(texts[0][i], texts[1][i]);
        }
        glim_document_free(doc);
        glim_model_close(m);
        glim_context_free(ctx);
    }
    assert_memory_equal(values[0], values[1], 4 * sizeof(double));
}

static void a_corpus_and_a_text_are_beginnings(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t index = 21;
    glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                               .indices = &index,
                               .n_indices = 1,
                               .head = -1,
                               .search = "tokens",
                               .steps = 5,
                               .length = 32,
                               .restarts = 1,
                               .data = save_corpus("txt", "the light\nan old bridge\na cat\n")};
    glim_document *doc = maximize(m, &o);
    const glim_panel *p = panel(doc, "optimised");
    assert_true(p->cells[1].number >= p->cells[4].number); /* no less than the corpus' best */
    assert_true(fabs(p->cells[2].number - p->cells[4].number) < 1e-5);
    glim_document_free(doc);
    o.data = NULL;
    o.start = "the old light";
    doc = maximize(m, &o);
    p = panel(doc, "optimised");
    assert_true(fabs(p->cells[2].number - largest_of(m, o.start, 13, o.site, index)) < 1e-5);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- what goes wrong ---- */

static void impossible_searches_are_refused(void **state) {
    static const size_t one = 1, zero = 0;
    const struct {
        const char *file;
        glim_maximize_options o;
        const char *says;
    } all[] = {
        {"llama.gguf",
         {.site = "blocks.0.ln2.hook_scale", .indices = &zero, .n_indices = 1, .head = -1},
         "no gradient"},
        {"published/bert-fill",
         {.site = "blocks.0.mlp.hook_post",
          .indices = &one,
          .n_indices = 1,
          .head = -1,
          .fluency = 1},
         "--fluency"},
        {"llama.gguf", {.target = "a", .head = -1, .start = "one\ntwo"}, "--start"},
        {"llama.gguf", {.target = "a", .head = -1, .length = 200}, "context"},
        {"llama.gguf", {.target = "a", .head = -1, .length = 300}, "at most"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, all[i].file);
        glim_document *doc = NULL;
        glim_error err = {0};
        assert_int_equal(glim_maximize(&doc, m, &all[i].o, &err), GLIM_EUSAGE);
        if (!strstr(err.message, all[i].says))
            fail_msg("'%s' does not say '%s'", err.message, all[i].says);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void stop(void *data, const glim_progress *p) {
    if (!strcmp(p->stage, "search") && p->done > 40)
        glim_context_cancel(*(glim_context **)data);
}

static void an_interrupted_search_keeps_corpus_and_what_was_found(void **state) {
    glim_context *ctx = NULL;
    glim_error err = {0};
    glim_context_options options = {.threads = 1, .progress = stop, .progress_data = &ctx};
    assert_int_equal(glim_context_new(&ctx, &options, &err), GLIM_OK);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t index = 2;
    glim_document *doc = NULL;
    glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                               .indices = &index,
                               .n_indices = 1,
                               .head = -1,
                               .search = "tokens",
                               .steps = 20,
                               .restarts = 1000,
                               .data = save_corpus("txt", "the cat\na dog\n")};
    assert_int_equal(glim_maximize(&doc, m, &o, &err), GLIM_ECANCELLED);
    assert_non_null(doc);
    assert_true(doc->partial);
    assert_int_equal(panel(doc, "top")->rows.n, 2);
    const glim_panel *p = panel(doc, "found");
    assert_true(p->rows.n >= 1 && p->rows.n < 1000);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void refused_memory_is_given_back(void **state) {
    static const size_t one = 1;
    for (int kind = 0; kind < 3; kind++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, kind == 2 ? "stacks/t5" : "llama-q8_0.gguf");
        glim_maximize_options o = {.site = kind == 2 ? "encoder.blocks.0.attn.hook_z"
                                                     : "blocks.0.mlp.hook_post",
                                   .indices = kind == 2 ? NULL : &one,
                                   .n_indices = kind == 2 ? 0 : 1,
                                   .head = kind == 2 ? 1 : -1,
                                   .search = kind ? "tokens" : "both",
                                   .fluency = kind == 1 ? 1 : 0,
                                   .length = 2,
                                   .restarts = 1,
                                   .steps = 2,
                                   .candidates = 3,
                                   .choices = 4};
        glim_document_free(maximize(m, &o));
        refuse_each(ctx, m, &o, 250);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sites_value_has_the_slope_of_differences),
        cmocka_unit_test(the_gain_of_a_linear_activation_is_exact),
        cmocka_unit_test(a_small_search_finds_what_trying_all_finds),
        cmocka_unit_test(a_planted_trigger_is_found),
        cmocka_unit_test(what_is_told_can_be_asked_again),
        cmocka_unit_test(fluent_texts_are_likelier),
        cmocka_unit_test(bits_of_searches_do_not_depend_on_threads),
        cmocka_unit_test(a_corpus_and_a_text_are_beginnings),
        cmocka_unit_test(impossible_searches_are_refused),
        cmocka_unit_test(an_interrupted_search_keeps_corpus_and_what_was_found),
        cmocka_unit_test(refused_memory_is_given_back),
    };
    return cmocka_run_group_tests_name("structure/test_maximize_search", tests, NULL,
                                       clean_corpora);
}
