/* SPDX-License-Identifier: Apache-2.0 */
/* Samples: which tokens a model runs, and which it should have said. */
#include "samples-testing.h"

static glim_context *ctx;
static glim_arena arena;

static void begin(void) {
    ctx = context_with(1, 0);
    glim__arena_init(&arena, ctx, 1 << 12);
}

static void end(glim_model *m, glim_samples *s) {
    glim__samples_close(s);
    glim__arena_release(&arena);
    glim_model_close(m);
    glim_context_free(ctx);
}

static glim_example *read_all(glim_samples *s) {
    size_t n = glim__samples_count(s);
    glim_error err = {0};
    glim_example *out = glim__arena_calloc(&arena, n, sizeof *out);
    if (glim__samples_read(s, 0, n, &arena, out, &err))
        fail_msg("%s", err.message);
    return out;
}

static void assert_tokens(const glim_model *m, const int32_t *ids, size_t n, const char *text) {
    char said[400] = "";
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *bytes = glim_model_token_bytes(m, ids[i], &len);
        strncat(said, bytes, len);
    }
    assert_string_equal(said, text);
}

static void a_text_is_said_token_by_token(void **state) {
    static const char *const models[] = {"qwen2.gguf", "gemma3.gguf"};
    for (size_t k = 0; k < 2; k++) {
        begin();
        glim_model *m = open_model(ctx, models[k]);
        glim_samples *s = open_samples(m, "csv", "n,text\n1,a fine film\n2,\"b,\nc\"\n", NULL);
        glim_example *x = read_all(s);
        glim_tokens *t;
        assert_int_equal(glim_model_tokenize(m, &t, "a fine film", 11, NULL), GLIM_OK);
        assert_int_equal(x->count, t->count - 1);
        assert_int_equal(x->n_labels, t->count - 1);
        assert_int_equal(x->n_wanted, t->count - 1);
        assert_null(x->types);
        assert_null(x->source);
        for (size_t i = 0; i < x->count; i++) {
            assert_int_equal(x->ids[i], t->at[i].id);
            assert_int_equal(x->labels[i], t->at[i + 1].id);
            assert_int_equal(x->wanted[i], i);
        }
        glim_tokens_free(t);
        end(m, s);
    }
}

static void completions_and_labels_follow_their_text(void **state) {
    begin();
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_samples *s = open_samples(m, "tsv", "completion\tprompt\n film\ta fine\nx\tfilm\n", NULL);
    glim_example *x = read_all(s);
    assert_tokens(m, x[0].labels, x[0].n_labels, " film");
    assert_tokens(m, x[0].ids, x[0].count, "a fine fil");
    assert_int_equal(x[0].wanted[0], x[0].count - x[0].n_labels);
    assert_tokens(m, x[1].labels, x[1].n_labels, "x");
    glim__samples_close(s);
    s = open_samples(m, "txt", "good\ta fine film\n好\t影片\n", NULL);
    x = read_all(s);
    assert_tokens(m, x[0].labels, x[0].n_labels, " good"); /* a space as between words */
    assert_tokens(m, x[1].labels, x[1].n_labels, "好");
    const char *text, *label;
    assert_int_equal(glim__samples_words(s, 1, &arena, &text, &label, NULL), GLIM_OK);
    assert_string_equal(text, "影片");
    assert_string_equal(label, "好");
    glim__samples_close(s);
    glim_samples_options o = {.text = "q", .completion = "a"};
    s = open_samples(m, "csv", "q,a,text,label\nwho,me,no,no\n", &o);
    assert_tokens(m, read_all(s)->labels, 2, "me");
    end(m, s);
}

static void only_the_assistant_is_learnt_from(void **state) {
    static const char chat[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"film?\"}, {\"role\": \"assistant\", "
        "\"content\": \"fine\"}, {\"role\": \"user\", \"content\": \"why\"}, {\"role\": "
        "\"assistant\", \"content\": \"a b\"}]}\n";
    begin();
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_samples *s = open_samples(m, "jsonl", chat, NULL);
    glim_example *x = read_all(s);
    assert_tokens(m, x->labels, x->n_labels, "finea b");
    assert_false(x->cut);
    assert_int_equal(x->wanted[x->n_wanted - 1], x->count - 1);
    const char *text, *label;
    assert_int_equal(glim__samples_words(s, 0, &arena, &text, &label, NULL), GLIM_OK);
    assert_string_equal(text, "user: film?\nassistant: fine\nuser: why");
    assert_string_equal(label, "a b");
    glim__samples_close(s);
    size_t own = x->count;
    s = open_samples(m, "jsonl", chat, &(glim_samples_options){.template = "mistral"});
    x = read_all(s);
    assert_tokens(m, x->labels, x->n_labels,
                  "fine a b"); /* a token with the template's space is the message's */
    assert_true(x->count != own);
    glim__samples_close(s);
    glim_error err = {0};
    const char *silent = "{\"messages\": [{\"role\": \"user\", \"content\": \"film?\"}]}\n";
    assert_int_equal(glim__samples_open(&s, m, save_rows("jsonl", silent), NULL, &err),
                     GLIM_EFORMAT);
    assert_non_null(strstr(err.message, "row 1 of"));
    assert_non_null(strstr(err.message, "the assistant says nothing"));
    end(m, s);
}

static void a_reply_is_learnt_from_behind_its_beginning(void **state) {
    static const char *const names[] = {"chat", "completion", "prefix"};
    static const char *const cells[] = {"[{\"role\": \"user\", \"content\": \"film?\"}]", " b",
                                        "a fine"};
    begin();
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_samples *s, *whole;
    glim_error err = {0};
    assert_int_equal(glim__samples_one(&s, m, names, cells, 3, NULL, &err), GLIM_OK);
    assert_int_equal(glim__samples_one(&whole, m, names,
                                       (const char *const[]){cells[0], "a fine b"}, 2, NULL, &err),
                     GLIM_OK);
    glim_example *x = read_all(s), *y = read_all(whole);
    assert_tokens(m, x->labels, x->n_labels, " b");
    assert_tokens(m, y->labels, y->n_labels, "a fine b");
    assert_int_equal(x->count, y->count);
    assert_memory_equal(x->ids, y->ids, x->count * sizeof *x->ids);
    const char *text, *label;
    assert_int_equal(glim__samples_words(s, 0, &arena, &text, &label, NULL), GLIM_OK);
    assert_string_equal(text, "user: film?\nassistant: a fine");
    assert_string_equal(label, " b");
    glim__samples_close(whole);
    end(m, s);
}

static void classes_are_the_models(void **state) {
    begin();
    glim_error err = {0};
    glim_model *m = open_model(ctx, "published/roberta-classes");
    const glim_model_info *info = glim_model_facts(m);
    char rows[400];
    snprintf(rows, sizeof rows, "text,label\na fine film,%s\nno,%s\n", info->labels[2],
             info->labels[0]);
    glim_samples *s = open_samples(m, "csv", rows, NULL);
    glim_example *x = read_all(s);
    glim_tokens *t;
    assert_int_equal(glim_model_tokenize(m, &t, "a fine film", 11, NULL), GLIM_OK);
    assert_int_equal(x->count, t->count);
    assert_int_equal(x->n_wanted, 1);
    assert_int_equal(x->wanted[0], 0);
    assert_int_equal(x[0].labels[0], 2);
    assert_int_equal(x[1].labels[0], 0);
    assert_non_null(x->types);
    glim_tokens_free(t);
    glim__samples_close(s);
    snprintf(rows, sizeof rows, "text,label\nno,%s\na,nobody\n", info->labels[0]);
    assert_int_equal(glim__samples_open(&s, m, save_rows("csv", rows), NULL, &err), GLIM_EFORMAT);
    assert_non_null(strstr(err.message, "row 2 of"));
    assert_non_null(strstr(err.message, "'nobody' is no class of the model"));
    assert_non_null(strstr(err.message, info->labels[1]));
    end(m, s);
}

static void too_long_samples_lose_their_end(void **state) {
    char text[500] = "";
    for (size_t i = 0; i < 100; i++)
        strcat(text, "a f ");
    for (size_t k = 0; k < 2; k++) {
        begin();
        glim_model *m = open_model(ctx, k ? "published/roberta-classes" : "qwen2.gguf");
        const glim_model_info *info = glim_model_facts(m);
        size_t most = (size_t)info->context_length;
        char rows[600];
        snprintf(rows, sizeof rows, k ? "text,label\n%s,%s\na,%s\n" : "text\n%s%.0s\na%.0s\n", text,
                 k ? info->labels[1] : "", k ? info->labels[1] : "");
        glim_samples *s = open_samples(m, "csv", rows, NULL);
        glim_example *x = read_all(s);
        glim_tokens *t;
        assert_true(x[0].cut);
        assert_false(x[1].cut);
        assert_int_equal(x[0].count, most);
        assert_int_equal(x[0].n_labels, k ? 1 : most);
        assert_int_equal(glim_model_tokenize(m, &t, text, 400, NULL), GLIM_OK);
        if (k) /* the mark behind the text stays */
            assert_int_equal(x[0].ids[most - 1], t->at[t->count - 1].id);
        else
            assert_int_equal(x[0].labels[most - 1], t->at[most].id);
        glim_tokens_free(t);
        end(m, s);
    }
}

static void pairs_are_read_and_written(void **state) {
    static const char *const models[] = {"stacks/t5", "stacks/marian"};
    for (size_t k = 0; k < 2; k++) {
        begin();
        glim_model *m = open_model(ctx, models[k]);
        const glim_model_info *info = glim_model_facts(m);
        glim_samples *s = open_samples(m, "csv", "source,target\na fine film,in a\n", NULL);
        glim_example *x = read_all(s);
        glim_tokens *t;
        assert_int_equal(glim_model_tokenize(m, &t, "a fine film", 11, NULL), GLIM_OK);
        assert_int_equal(x->n_source, t->count);
        for (size_t i = 0; i < t->count; i++)
            assert_int_equal(x->source[i], t->at[i].id);
        assert_int_equal(x->ids[0], info->start);
        assert_int_equal(x->n_labels, x->count);
        assert_int_equal(x->labels[x->n_labels - 1], info->eos);
        for (size_t i = 0; i + 1 < x->count; i++)
            assert_int_equal(x->ids[i + 1], x->labels[i]);
        assert_true(x->count > 2);
        glim_tokens_free(t);
        end(m, s);
    }
}

static void fitted_heads_read_pooled_rows(void **state) {
    static const char *const pools[] = {"mean", "last"};
    for (size_t k = 0; k < 2; k++) {
        begin();
        glim_linear *l;
        glim_model *base = open_model(ctx, "llama.gguf"), *m = fit_head(base, pools[k], &l);
        glim_samples *s = open_samples(m, "csv", "text,label\na fine film,good\nno,bad\n", NULL);
        glim_example *x = read_all(s);
        assert_int_equal(x[0].n_labels, 1);
        assert_int_equal(x[0].n_wanted, k ? 1 : x[0].count);
        assert_int_equal(x[0].wanted[x[0].n_wanted - 1], x[0].count - 1);
        assert_string_equal(glim_model_facts(m)->labels[x[0].labels[0]], "good");
        assert_string_equal(glim_model_facts(m)->labels[x[1].labels[0]], "bad");
        glim__samples_close(s);
        glim_model_close(m);
        glim_linear_close(l);
        end(base, NULL);
    }
}

static void rows_without_a_label_are_told_or_left_out(void **state) {
    static const char rows[] = "text,label\n,good\na,good\nb,\nc,bad\n,\n";
    static const size_t good[] = {1, 3};
    begin();
    glim_error err = {0};
    glim_linear *l;
    glim_samples *s;
    glim_model *base = open_model(ctx, "llama.gguf"), *m = fit_head(base, "last", &l);
    assert_int_equal(glim__samples_open(&s, m, save_rows("csv", rows), NULL, &err), GLIM_EFORMAT);
    assert_non_null(strstr(err.message, "there is no 'text'"));
    s = open_samples(m, "csv", rows, &(glim_samples_options){.skip_bad = true});
    assert_int_equal(glim__samples_count(s), 2);
    assert_int_equal(glim__samples_left_out(s), 3);
    for (size_t i = 0; i < 2; i++) {
        const char *text, *label;
        assert_int_equal(glim__samples_row(s, i), good[i]);
        assert_int_equal(glim__samples_words(s, i, &arena, &text, &label, NULL), GLIM_OK);
        assert_string_equal(text, i ? "c" : "a");
        assert_string_equal(label, i ? "bad" : "good");
    }
    assert_int_equal(
        glim__samples_words(s, 2, &arena, &(const char *){0}, &(const char *){0}, NULL),
        GLIM_EUSAGE);
    glim__samples_close(s);
    assert_int_equal(glim__samples_open(&s, m, save_rows("csv", "text,label\n,\n"),
                                        &(glim_samples_options){.skip_bad = true}, &err),
                     GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "every row lacks"));
    glim_model_close(m);
    glim_linear_close(l);
    end(base, NULL);
}

static void columns_must_fit_the_model(void **state) {
    static const struct {
        const char *model, *rows, *says;
        glim_samples_options o;
    } cases[] = {
        {"qwen2.gguf",
         "a,b\n1,x\n",
         "messages; or prompt and completion; or text and label; or text",
         {0}},
        {"stacks/t5", "text,b\n1,x\n", "source and target", {0}},
        {"published/bert-classes", "text,b\n1,x\n", "has the columns text, b", {0}},
        {"published/bert-embed", "text,label\n1,x\n", "is none of them", {0}},
        {"qwen2.gguf", "text,b\n1,x\n", "no column 'c' (there are text, b)", {.label = "c"}},
        {"qwen2.gguf", "text,b\n1,x\n", "named both", {.label = "text"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        glim_error err = {0};
        glim_samples *s;
        glim_model *m = open_model(ctx, cases[i].model);
        assert_int_equal(
            glim__samples_open(&s, m, save_rows("csv", cases[i].rows), &cases[i].o, &err),
            GLIM_EUSAGE);
        if (!strstr(err.message, cases[i].says))
            fail_msg("'%s' lacks '%s'", err.message, cases[i].says);
        assert_null(s);
        end(m, NULL);
    }
}

static void a_given_row_is_read_as_from_a_file(void **state) {
    begin();
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_samples *s = open_samples(m, "csv", "prompt,completion\na fine, film\n", NULL), *one;
    glim_error err = {0};
    const char *const names[] = {"prompt", "completion"}, *const cells[] = {"a fine", " film"};
    assert_int_equal(glim__samples_one(&one, m, names, cells, 2, NULL, &err), GLIM_OK);
    glim_example *x = read_all(s), *y = read_all(one);
    assert_int_equal(x->count, y->count);
    assert_memory_equal(x->ids, y->ids, x->count * sizeof *x->ids);
    assert_memory_equal(x->labels, y->labels, x->n_labels * sizeof *x->labels);
    assert_int_equal(strlen(glim__samples_digest(one)), 64);
    glim__samples_close(one);
    assert_int_equal(
        glim__samples_one(&one, m, names, (const char *const[]){"a", NULL}, 2, NULL, &err),
        GLIM_EFORMAT);
    assert_string_equal(err.message, "the query: its 'completion' is empty");
    end(m, s);
}

static void no_refused_allocation_leaks(void **state) {
    static const struct {
        const char *model, *end, *rows;
    } ways[] = {
        {"qwen2.gguf", "jsonl",
         "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\n"},
        {"qwen2.gguf", "txt", "\tb\na\tb\n"},
        {"qwen2.gguf", "jsonl",
         "{\"chat\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": \"b\", "
         "\"prefix\": \"c\"}\n"},
        {"published/bert-classes", "csv", "text,label\na,bad\n"},
        {"stacks/t5", "csv", "source,target\na,in\n"},
    };
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        glim_status status = GLIM_ENOMEM;
        begin();
        glim_model *m = open_model(ctx, ways[w].model);
        const char *path = save_rows(ways[w].end, ways[w].rows);
        for (uint64_t nth = 1; status; nth++) {
            glim_samples *s;
            glim_example x;
            glim_error err = {0};
            glim__holders_trim(ctx);
            uint64_t before = glim_context_bytes(ctx);
            glim__fail_allocation(ctx, nth);
            status =
                glim__samples_open(&s, m, path, &(glim_samples_options){.skip_bad = true}, &err);
            const char *text, *label;
            if (!status)
                status = glim__samples_read(s, 0, 1, &arena, &x, &err);
            if (!status)
                status = glim__samples_words(s, 0, &arena, &text, &label, &err);
            glim__fail_allocation(ctx, 0);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim__samples_close(s);
            glim__arena_release(&arena);
            assert_int_equal(glim_context_bytes(ctx), before);
            assert_true(nth < 500);
        }
        end(m, NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_said_token_by_token),
        cmocka_unit_test(completions_and_labels_follow_their_text),
        cmocka_unit_test(only_the_assistant_is_learnt_from),
        cmocka_unit_test(a_reply_is_learnt_from_behind_its_beginning),
        cmocka_unit_test(classes_are_the_models),
        cmocka_unit_test(too_long_samples_lose_their_end),
        cmocka_unit_test(pairs_are_read_and_written),
        cmocka_unit_test(fitted_heads_read_pooled_rows),
        cmocka_unit_test(rows_without_a_label_are_told_or_left_out),
        cmocka_unit_test(columns_must_fit_the_model),
        cmocka_unit_test(a_given_row_is_read_as_from_a_file),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, clean_rows);
}
