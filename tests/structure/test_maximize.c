/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a corpus: the kept ones are those of a full sort, and what is told of each is what
   the model has when it reads it alone. */
#include "maximize-testing.h"

#include "structure/corpus.h"
#include "structure/kept-texts.h"

enum { TEXTS = 40 };

/* Sentences from a small grammar, all different. */
static void a_text(size_t i, char *out, size_t n) {
    static const char *const who[] = {"the cat", "a dog", "the river", "one bridge", "old light"};
    static const char *const what[] = {"was", "saw", "found", "has", "lost", "and", "or", "by"};
    snprintf(out, n, "%s %s %s %zu", who[i % 5], what[i / 5 % 8], who[(i * 7 + 2) % 5], i * 37);
}

static const char *some_texts(void) {
    static char all[TEXTS * 80];
    char one[80];
    size_t n = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        a_text(i, one, sizeof one);
        n += (size_t)snprintf(all + n, sizeof all - n, "%s\n", one);
    }
    return save_corpus("txt", all);
}

static int falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static int rising(const void *a, const void *b) {
    return falling(b, a);
}

/* Every panel of a run over the texts against values of the test's own. */
static void check_texts(const char *file, const char *site, size_t index) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    double values[TEXTS], least[TEXTS], tokens = 0;
    char text[256];
    for (size_t i = 0; i < TEXTS; i++) {
        a_text(i, text, sizeof text);
        values[i] = largest_of(m, text, strlen(text), site, index);
        least[i] = least_of(m, text, strlen(text), site, index);
    }
    qsort(values, TEXTS, sizeof *values, falling);
    qsort(least, TEXTS, sizeof *least, rising);
    size_t indices[] = {0, index};
    glim_document *doc = maximize(m, &(glim_maximize_options){.site = site,
                                                              .indices = indices,
                                                              .n_indices = 2,
                                                              .head = -1,
                                                              .data = some_texts(),
                                                              .top = 7});
    const glim_panel *top = panel(doc, "top");
    assert_int_equal(top->rows.n, 14);
    for (size_t i = 0; i < 7; i++) {
        const glim_panel_text *s = &top->strings[7 + i];
        size_t n = joined(s, text, sizeof text);
        assert_true(s->value == values[i]); /* not a bit but those of the text alone */
        assert_true(largest_of(m, text, n, site, index) == s->value);
        assert_true(s->values[s->best] == s->value);
        assert_non_null(strstr(s->label, ".txt, row "));
    }
    const glim_panel *bottom = panel(doc, "bottom");
    for (size_t i = 0; i < 7; i++) {
        const glim_panel_text *s = &bottom->strings[7 + i];
        size_t n = joined(s, text, sizeof text);
        assert_true(s->value == least[i]);
        assert_true(least_of(m, text, n, site, index) == s->value);
        assert_true(s->values[s->best] == s->value);
    }
    const glim_panel *middle = panel(doc, "quantile-50"), *high = panel(doc, "quantile-90");
    double about[] = {values[TEXTS - 1 - 20], values[TEXTS - 1 - 35]};
    assert_true(middle->strings[3 + 1].value == about[0]); /* of 39 places the 20th, rounded */
    assert_true(high->strings[3 + 1].value == about[1]);
    const glim_panel *counts = panel(doc, "histogram"), *units = panel(doc, "units");
    for (size_t b = 0; b < counts->columns.n; b++)
        tokens += counts->values[counts->columns.n + b];
    assert_true(tokens > TEXTS);
    assert_true(units->cells[units->columns.n].number == values[0]);
    assert_non_null(units->cells[units->columns.n + 5].text);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void the_best_texts_are_those_of_a_full_sort(void **state) {
    check_texts("llama.gguf", "blocks.0.mlp.hook_post", 17);
    check_texts("llama-q4_1.gguf", "blocks.0.hook_resid_post", 31);
    check_texts("gemma3-text.gguf", "blocks.2.attn.hook_z", 13);
    check_texts("gpt2.gguf", "blocks.1.mlp.hook_post", 5);
    check_texts("glm4.gguf", "blocks.1.hook_mlp_out", 3);
    check_texts("published/bert-embed", "blocks.1.mlp.hook_post", 9);
    check_texts("stacks/t5", "encoder.blocks.1.mlp.hook_post", 2);
}

static void a_histogram_counts_every_token_once(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    static struct rows r;
    uint8_t own[LONGEST];
    size_t index = 4, bins;
    glim_document *doc = maximize(m, &(glim_maximize_options){.site = "blocks.0.mlp.hook_pre",
                                                              .indices = &index,
                                                              .n_indices = 1,
                                                              .head = -1,
                                                              .data = some_texts()});
    const glim_panel *p = panel(doc, "histogram");
    double *want = calloc(p->columns.n, sizeof *want), from = atof(p->columns.labels[0]);
    double width = exp2(round(log2(atof(p->columns.labels[1]) - from))); /* labels are rounded */
    from = round(from / width);
    bins = p->columns.n;
    for (size_t i = 0; i < TEXTS; i++) {
        char text[80];
        a_text(i, text, sizeof text);
        site_of(m, text, strlen(text), "blocks.0.mlp.hook_pre", &r, own);
        for (size_t k = 0; k < r.rows; k++)
            if (own[k])
                want[(size_t)(floor((double)r.x[k * r.cols + index] / width) - from)]++;
    }
    for (size_t b = 0; b < bins; b++)
        assert_true(want[b] == p->values[b]);
    free(want);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* Heads, directions and outputs against what the sites say. */
static void write_direction(const glim_context *ctx, const float *x, uint64_t rows, uint64_t n) {
    glim_st_writer *w = NULL;
    glim_error err = {0};
    uint64_t dims[2] = {rows, n};
    save_corpus("safetensors", "");
    if (glim__st_writer_new(&w, (glim_context *)ctx, save_corpus("safetensors", ""), &err) ||
        glim__st_writer_declare(w, "w", "F32", 2, dims, &err) ||
        glim__st_writer_declare(w, "other", "F32", 2, dims, &err) ||
        glim__st_writer_begin(w, &err) || glim__st_writer_put(w, "w", 0, x, rows * n, &err) ||
        glim__st_writer_put(w, "other", 0, x, rows * n, &err) || glim__st_writer_end(w, &err))
        fail_msg("%s", err.message);
    glim__st_writer_free(w);
}

static double value_of_one(const glim_model *m, glim_maximize_options o, const char *text) {
    o.data = save_corpus("csv", "text\n");
    char line[128], spec[96];
    snprintf(line, sizeof line, "text\n%s\n", text);
    o.data = save_corpus("csv", line);
    glim_document *doc;
    if (o.direction) { /* the name's buffer is one for all */
        snprintf(spec, sizeof spec, "/tmp/glim-maximize-%d.safetensors:w", (int)getpid());
        o.direction = spec;
        snprintf(line, sizeof line, "/tmp/glim-maximize-%d.csv", (int)getpid());
        o.data = line;
    }
    doc = maximize(m, &o);
    double value = panel(doc, "top")->strings[0].value;
    glim_document_free(doc);
    return value;
}

static void heads_directions_and_outputs_are_what_they_say(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    static struct rows r;
    uint8_t own[LONGEST];
    const char *text = "the cat was here";
    float way[2 * 32];
    double best = -INFINITY, along = -INFINITY, logit = -INFINITY, length = 0, mean = 0;
    site_of(m, text, strlen(text), "blocks.1.attn.hook_z", &r, own);
    for (size_t k = 0; k < r.rows; k++) {
        double sum = 0;
        for (size_t d = 0; d < 8; d++)
            sum += pow((double)r.x[k * r.cols + 2 * 8 + d], 2);
        best = sqrt(sum) > best ? sqrt(sum) : best;
        mean += sqrt(sum) / (double)r.rows;
    }
    glim_maximize_options head = {.site = "blocks.1.attn.hook_z", .head = 2};
    assert_true(fabs(value_of_one(m, head, text) - best) < 1e-6);
    head.pool = "mean";
    assert_true(fabs(value_of_one(m, head, text) - mean) < 1e-6);
    for (size_t c = 0; c < 64; c++)
        way[c] = (float)glim__rng_normal(1, 2, c);
    for (size_t c = 0; c < 32; c++)
        length += pow((double)way[32 + c], 2);
    write_direction(ctx, way, 2, 32);
    site_of(m, text, strlen(text), "blocks.1.hook_resid_post", &r, own);
    for (size_t k = 0; k < r.rows; k++) {
        double sum = 0;
        for (size_t c = 0; c < 32; c++)
            sum += (double)r.x[k * 32 + c] * (double)way[32 + c] / sqrt(length);
        along = sum > along ? sum : along;
    }
    assert_true(
        fabs(value_of_one(m,
                          (glim_maximize_options){
                              .site = "blocks.1.hook_resid_post", .head = -1, .direction = "x"},
                          text) -
             along) < 1e-5);
    int32_t id;
    assert_int_equal(glim_model_token(m, "a", &id, NULL), GLIM_OK);
    site_of(m, text, strlen(text), "hook_logits", &r, own);
    for (size_t k = 0; k < r.rows; k++)
        logit = fmax(logit, (double)r.x[k * r.cols + (size_t)id]);
    assert_true(fabs(value_of_one(m, (glim_maximize_options){.target = "a", .head = -1}, text) -
                     logit) < 1e-5);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void bits_do_not_depend_on_threads(void **state) {
    double values[2][64];
    size_t n[2], index = 7;
    for (int run = 0; run < 2; run++) {
        glim_context *ctx = context_with(run ? 3 : 1, 0);
        glim_model *m = open_model(ctx, "qwen2.gguf");
        glim_document *doc = maximize(m, &(glim_maximize_options){.site = "blocks.1.mlp.hook_post",
                                                                  .indices = &index,
                                                                  .n_indices = 1,
                                                                  .head = -1,
                                                                  .data = some_texts()});
        const glim_panel *p = panel(doc, "top");
        n[run] = p->rows.n;
        for (size_t i = 0; i < p->rows.n; i++)
            values[run][i] = p->strings[i].value;
        glim_document_free(doc);
        glim_model_close(m);
        glim_context_free(ctx);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(values[0], values[1], n[0] * sizeof **values);
}

/* Entries of the embedding at which one word is the strongest of all that are used. */
static void a_place_that_always_wins_is_told(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t firsts = 0;
    for (size_t index = 0; index < 32; index++) {
        glim_document *doc = maximize(
            m,
            &(glim_maximize_options){.site = "hook_embed",
                                     .indices = &index,
                                     .n_indices = 1,
                                     .head = -1,
                                     .data = save_corpus("txt", "the cat\nthe dog and\nthe a\n")});
        const glim_panel *top = panel(doc, "top");
        bool first = true, told = false;
        for (size_t i = 0; i < top->rows.n; i++)
            first = first && top->strings[i].best == 0;
        for (size_t i = 0; i < doc->n_notes; i++)
            told = told || strstr(doc->notes[i], "first token");
        assert_true(first == told && first == (doc->verdict == GLIM_VERDICT_CAREFUL));
        firsts += first;
        glim_document_free(doc);
    }
    assert_true(firsts > 0 && firsts < 32);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- the corpus ---- */

static void long_texts_are_cut_into_texts(void **state) {
    static const char *const files[] = {"llama.gguf", "published/bert-fill", "stacks/t5"};
    char text[2000], got[2000], line[2100];
    size_t n = 0, g = 0;
    for (size_t i = 0; n + 90 < sizeof text; i++) /* no two alike */
        n += (size_t)snprintf(text + n, 80, "cat%zu%s", i * 7919, i % 7 == 3 ? "-" : " ");
    memcpy(text + n, "\xe6\xb2\xb3\xe6\xb5\x81", 7); /* characters without spaces behind */
    n = strlen(text);
    snprintf(line, sizeof line, "\xef\xbb\xbfone\r\n\n   \n%s\none\nbad \xff\nlast", text);
    for (size_t f = 0; f < 3; f++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, files[f]);
        glim_corpus *c = NULL;
        glim_arena arena;
        glim_error err = {0};
        bool more = true;
        size_t row = 0, parts = 0;
        g = 0;
        glim__arena_init(&arena, ctx, 1 << 12);
        if (glim__corpus_open(&c, m, save_corpus("txt", line), NULL, 16, &err))
            fail_msg("%s", err.message);
        for (;;) {
            glim_passage p;
            if (glim__corpus_next(c, &arena, &p, &more, &err))
                fail_msg("%s", err.message);
            if (!more)
                break;
            if (p.row == 3) {
                assert_int_equal(p.part, parts++);
                memcpy(got + g, p.text, p.n);
                g += p.n;
                assert_true(p.tokens->count <= 20 && p.tokens->text_len == p.n);
            }
            row = p.row;
            glim_tokens_free(p.tokens);
        }
        assert_true(parts > 5 && g == n && !memcmp(got, text, n));
        assert_int_equal(row, 6); /* counted with those that are left out */
        assert_int_equal(glim__corpus_counts(c)->twice, 1);
        assert_int_equal(glim__corpus_counts(c)->broken, 1);
        assert_int_equal(glim__corpus_counts(c)->texts, 4);
        assert_true(glim__corpus_done(c) == glim__corpus_total(c));
        glim__corpus_close(c);
        glim__arena_release(&arena);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* A budget bounds what is remembered, not the run. */
static void a_corpus_that_is_not_remembered_is_read_all_the_same(void **state) {
    enum { LINES = 20000 };
    static char all[LINES * 24];
    size_t n = 0;
    for (size_t i = 0; i < LINES; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "cat %zu\n", i % (LINES - 4000));
    const char *file = save_corpus("txt", all);
    for (int tight = 0; tight < 2; tight++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, "llama.gguf");
        uint64_t taken = glim_context_bytes(ctx);
        glim_model_close(m);
        glim_context_free(ctx);
        ctx = context_with(1, tight ? taken + (400 << 10) : 0);
        m = open_model(ctx, "llama.gguf");
        glim_corpus *c = NULL;
        glim_arena arena;
        glim_error err = {0};
        bool more = true;
        glim__arena_init(&arena, ctx, 1 << 12);
        if (glim__corpus_open(&c, m, file, NULL, 16, &err))
            fail_msg("%s", err.message);
        while (more) {
            glim_passage p;
            if (glim__corpus_next(c, &arena, &p, &more, &err))
                fail_msg("%s", err.message);
            glim_tokens_free(p.tokens);
            glim__arena_reset(&arena);
        }
        const glim_corpus_counts *counts = glim__corpus_counts(c);
        assert_true(counts->texts == LINES && counts->forgot == (tight != 0));
        assert_true(counts->passages + counts->twice == LINES);
        assert_true(tight ? counts->twice > 1000 : counts->twice == 4000);
        glim__corpus_close(c);
        glim__arena_release(&arena);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void a_text_is_kept_once(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_kept_texts k;
    glim_error err = {0};
    static const char *const texts[] = {"the cat", "a dog", "the cat", "the rat"};
    assert_int_equal(glim__kept_init(&k, ctx, 1, 5, GLIM_TEXT_MAX, 0, &err), GLIM_OK);
    for (size_t i = 0; i < 4; i++) {
        glim_tokens *t = NULL;
        float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        assert_int_equal(glim_model_tokenize(m, &t, texts[i], strlen(texts[i]), &err), GLIM_OK);
        assert_true(t->count <= 8);
        assert_int_equal(glim__kept_add(&k, texts[i], t, i, 0, values, false, &err), GLIM_OK);
        glim_tokens_free(t);
    }
    assert_int_equal(k.unit[0].n_top, 3);
    assert_int_equal(k.unit[0].n_bottom, 3);
    glim__kept_release(&k);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void tables_give_texts_as_well(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t index = 1;
    glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                               .indices = &index,
                               .n_indices = 1,
                               .head = -1,
                               .text_column = "says"};
    o.data = save_corpus("jsonl", "{\"says\": \"the cat\"}\n{\"says\": \"a dog, \\\"two\\\"\"}\n");
    glim_document *doc = maximize(m, &o);
    const glim_panel *p = panel(doc, "top");
    char a[64], b[64];
    assert_int_equal(p->rows.n, 2);
    joined(&p->strings[0], a, sizeof a);
    joined(&p->strings[1], b, sizeof b);
    assert_true(!strcmp(a, "a dog, \"two\"") != !strcmp(b, "a dog, \"two\""));
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- what goes wrong ---- */

struct wrong {
    const char *file;
    glim_maximize_options o;
    const char *says;
};

static void bad_questions_get_clear_errors(void **state) {
    static const size_t one = 1, far = 4000;
    const struct wrong all[] = {
        {"llama.gguf", {.head = -1}, "say what is to be activated"},
        {"llama.gguf",
         {.site = "blocks.9.mlp", .head = -1},
         "no site of this model fits 'blocks.9.mlp'"},
        {"llama.gguf", {.site = "blocks.0.mlp.hook_post", .head = -1}, "what of"},
        {"llama.gguf", {.site = "blocks.0.mlp.hook_post", .head = 2}, "has no heads"},
        {"llama.gguf", {.site = "blocks.0.attn.hook_z", .head = 4}, "heads 0 to 3"},
        {"llama.gguf",
         {.site = "blocks.0.attn.hook_pattern", .indices = &one, .n_indices = 1, .head = -1},
         "no vector of a token"},
        {"llama.gguf",
         {.site = "hook_logits", .indices = &one, .n_indices = 1, .head = -1},
         "behind the last block"},
        {"llama.gguf",
         {.site = "blocks.0.mlp.hook_post", .indices = &far, .n_indices = 1, .head = -1},
         "indices 0 to 39"},
        {"llama.gguf", {.target = "a", .site = "blocks.0.mlp.hook_post", .head = -1}, "--target"},
        {"llama.gguf", {.target = "no such token", .head = -1}, "no such token"},
        {"llama.gguf", {.target = "a", .head = -1, .pool = "most"}, "'most'"},
        {"llama.gguf", {.target = "a", .head = -1, .search = "far"}, "'far'"},
        {"llama.gguf", {.target = "a", .head = -1, .data = "/none.txt"}, "cannot open"},
        {"published/bert-classes", {.target = "none", .head = -1}, "no class 'none'"},
        {"published/bert-embed", {.target = "a", .head = -1}, "embeds texts"},
        {"llama.gguf",
         {.site = "blocks.0.hook_resid_post", .direction = "/none.safetensors", .head = -1},
         "none.safetensors"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, all[i].file);
        glim_maximize_options o = all[i].o;
        glim_document *doc = NULL;
        glim_error err = {0};
        o.data = o.data ? o.data : some_texts();
        assert_int_not_equal(glim_maximize(&doc, m, &o, &err), GLIM_OK);
        assert_null(doc);
        if (!strstr(err.message, all[i].says))
            fail_msg("'%s' does not say '%s'", err.message, all[i].says);
        glim_model_close(m);
        assert_true(glim_context_bytes(ctx) < 1 << 20);
        glim_context_free(ctx);
    }
}

static void stop(void *data, const glim_progress *p) {
    if (!strcmp(p->stage, "texts") && p->done)
        glim_context_cancel(*(glim_context **)data);
}

static void an_interrupted_run_keeps_what_it_has_seen(void **state) {
    glim_context *ctx = NULL;
    glim_error err = {0};
    glim_context_options options = {.threads = 1, .progress = stop, .progress_data = &ctx};
    assert_int_equal(glim_context_new(&ctx, &options, &err), GLIM_OK);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t index = 2, n = 0;
    static char all[6000 * 40];
    for (size_t i = 0; i < 6000; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "the cat and %zu dogs\n", i);
    glim_document *doc = NULL;
    glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                               .indices = &index,
                               .n_indices = 1,
                               .head = -1,
                               .data = save_corpus("txt", all)};
    assert_int_equal(glim_maximize(&doc, m, &o, &err), GLIM_ECANCELLED);
    assert_non_null(doc);
    assert_true(doc->partial && doc->verdict == GLIM_VERDICT_CAREFUL);
    assert_int_equal(panel(doc, "top")->rows.n, 10);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void refused_memory_is_given_back(void **state) {
    size_t indices[] = {1, 2};
    for (int kind = 0; kind < 3; kind++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, kind == 2 ? "published/bert-classes" : "llama-q8_0.gguf");
        const char *data = save_corpus("csv", "text\nthe cat\na dog and a river\nthe cat\n");
        glim_maximize_options o = {.site = "blocks.0.mlp.hook_post",
                                   .indices = indices,
                                   .n_indices = 2,
                                   .head = -1,
                                   .data = data,
                                   .top = 2,
                                   .window = 4};
        if (kind == 1)
            o = (glim_maximize_options){.target = "a", .head = -1, .data = data};
        if (kind == 2)
            o = (glim_maximize_options){.target = "1", .head = -1, .data = data};
        glim_document_free(maximize(m, &o)); /* scratch and spare buffers come with the first */
        refuse_each(ctx, m, &o, UINT64_MAX);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_texts_are_those_of_a_full_sort),
        cmocka_unit_test(a_histogram_counts_every_token_once),
        cmocka_unit_test(heads_directions_and_outputs_are_what_they_say),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(a_place_that_always_wins_is_told),
        cmocka_unit_test(long_texts_are_cut_into_texts),
        cmocka_unit_test(a_corpus_that_is_not_remembered_is_read_all_the_same),
        cmocka_unit_test(a_text_is_kept_once),
        cmocka_unit_test(tables_give_texts_as_well),
        cmocka_unit_test(bad_questions_get_clear_errors),
        cmocka_unit_test(an_interrupted_run_keeps_what_it_has_seen),
        cmocka_unit_test(refused_memory_is_given_back),
    };
    return cmocka_run_group_tests_name("structure/test_maximize", tests, NULL, clean_corpora);
}
