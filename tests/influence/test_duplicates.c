/* SPDX-License-Identifier: Apache-2.0 */
/* Duplicates, against comparing every pair. */
#include "samples-testing.h"

#include "influence-testing.h"
#include "influence/shingles.h"

enum { N = 300 };

struct set {
    glim_context *ctx;
    glim_model *m;
    glim_samples *s;
    glim_influence_work work;
};

static void open_set(struct set *p, uint64_t memory, const char *rows) {
    *p = (struct set){.ctx = context_with(1, memory)};
    p->m = open_model(p->ctx, "qwen2.gguf");
    p->s = open_samples(p->m, "csv", rows, NULL);
    p->work = (glim_influence_work){
        .ctx = p->ctx, .n = glim__samples_count(p->s), .model = p->m, .samples = p->s};
}

static void close_set(struct set *p) {
    glim__samples_close(p->s);
    glim_model_close(p->m);
    glim_context_free(p->ctx);
}

static void assert_row(const kept *k, size_t i, double of, double likeness, double copies,
                       double differs) {
    const double want[] = {of, likeness, copies, differs};
    for (size_t c = 0; c < 4; c++) {
        double have = k->values[i * 4 + c];
        if (!(isnan(want[c]) ? isnan(have) : fabs(have - want[c]) < 1e-6))
            fail_msg("sample %zu, column %s: %g, not %g", i, k->names[c], have, want[c]);
    }
}

static void the_same_and_nearly_the_same_are_told(void **state) {
    struct set p;
    open_set(&p, 0,
             "text,label\n"
             "a fine film of the old days and a long evening in the town,x\n"
             "quite another text about trains that run late in winter snow,x\n"
             "\"  a fine film of the old days and a long evening in the town\",y\n"
             "A FINE film of the old days and a long evening in the town!,x\n"
             "a fine film of the old days and a long evening in the village,x\n"
             "短,x\n"
             "短,x\n"
             "?!,x\n");
    kept k = run_method(&p.work, "duplicates", NULL);
    assert_int_equal(k.n, 8);
    assert_row(&k, 0, NAN, NAN, 3, 1);
    assert_row(&k, 1, NAN, NAN, 0, 0);
    assert_row(&k, 2, 0, 1, 3, 1);
    assert_row(&k, 3, 0, 1, 3, 0); /* the same words, not the same letters */
    assert_row(&k, 4, 0, 11.0 / 13, 3, 0);
    assert_row(&k, 5, NAN, NAN, 1, 0);
    assert_row(&k, 6, 5, 1, 1, 0);
    assert_row(&k, 7, NAN, NAN, 0, 0);
    assert_int_equal((int)kept_check(&k, "same_text"), 2);
    assert_int_equal((int)kept_check(&k, "nearly_same_text"), 2);
    assert_int_equal((int)kept_check(&k, "same_text_other_label"), 2);
    assert_int_equal(k.doc->verdict, GLIM_VERDICT_CAREFUL);
    kept_release(&k);
    close_set(&p);
}

/* Texts of 40 words; every third is an earlier one with some words replaced. */
static char *many_texts(void) {
    static char rows[N * 300];
    static uint32_t words[N][40];
    strcpy(rows, "text,label\n");
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t w = 0; w < 40; w++)
            words[i][w] = glim__rng_below(1, i, w, 400);
        if (i % 3 == 2) {
            memcpy(words[i], words[glim__rng_below(2, i, 0, i)], sizeof words[i]);
            for (uint32_t k = glim__rng_below(2, i, 1, 4); k > 0; k--)
                words[i][glim__rng_below(2, i, 1 + k, 40)] = 500 + k;
        }
        for (uint32_t w = 0; w < 40; w++)
            sprintf(rows + strlen(rows), "w%u%s", words[i][w], w < 39 ? " " : ",x\n");
    }
    return rows;
}

static void near_duplicates_are_those_of_every_pair(void **state) {
    struct set p;
    glim_arena arena;
    glim_shingles s[N];
    glim_error err;
    size_t alike = 0, found = 0;
    open_set(&p, 0, many_texts());
    kept k = run_method(&p.work, "duplicates", NULL);
    glim__arena_init(&arena, p.ctx, 1 << 16);
    for (size_t i = 0; i < N; i++) {
        const char *text, *label;
        assert_int_equal(glim__samples_words(p.s, i, &arena, &text, &label, &err), GLIM_OK);
        assert_int_equal(glim__shingles_make(&s[i], text, &arena, &err), GLIM_OK);
    }
    for (size_t i = 0; i < N; i++) {
        double best = 0, of = kept_value(&k, i, "duplicate-of");
        for (size_t j = 0; j < i; j++)
            best = fmax(best, glim__shingles_likeness(&s[i], &s[j]));
        if (!isnan(of)) {
            assert_true(of < (double)i);
            double share = glim__shingles_likeness(&s[i], &s[(size_t)of]);
            assert_true(share >= 0.8);
            assert_near(kept_value(&k, i, "likeness"), share, 1e-6, "likeness", i);
        }
        alike += best >= 0.8;
        found += !isnan(of);
    }
    assert_true(alike > 40 && found <= alike && found + 3 >= alike);
    glim__arena_release(&arena);
    kept_release(&k);
    close_set(&p);
}

/* Few bands at a time, or all of them. */
static void memory_shows_in_no_bit(void **state) {
    struct set p;
    kept was, now;
    open_set(&p, 0, many_texts());
    was = run_method(&p.work, "duplicates", NULL);
    glim_plan plan;
    assert_int_equal(
        glim__influence_plan(&p.work, glim__influence_find("duplicates"), NULL, &plan, NULL),
        GLIM_OK);
    glim_context_reset_peak(p.ctx);
    uint64_t held = glim_context_bytes(p.ctx);
    now = run_method(&p.work, "duplicates", NULL);
    assert_true(glim_context_peak(p.ctx) - held <= plan.bytes_wanted);
    kept_release(&now);
    struct set tight;
    open_set(&tight, held + 64000, many_texts());
    now = run_method(&tight.work, "duplicates", NULL);
    assert_memory_equal(now.values + 1, was.values + 1, sizeof(double));
    for (size_t i = 0; i < N * 4; i++)
        assert_true(now.values[i] == was.values[i] ||
                    (isnan(now.values[i]) && isnan(was.values[i])));
    kept_release(&now);
    close_set(&tight);
    kept_release(&was);
    close_set(&p);
}

static void bands_are_shared_as_often_as_shingles(void **state) {
    enum { SETS = 400, SIZE = 40, SHARED = 36 };
    size_t same = 0;
    double share = (double)SHARED / (2 * SIZE - SHARED), want = pow(share, GLIM_BAND_ROWS);
    for (size_t k = 0; k < SETS; k++) {
        uint64_t a[SIZE], b[SIZE];
        uint32_t x[GLIM_BANDS], y[GLIM_BANDS], two[2];
        for (size_t i = 0; i < SIZE; i++) {
            a[i] = (uint64_t)glim__rng_u32(4, k, i) << 32 | i;
            b[i] = i < SHARED ? a[i] : a[i] ^ 77;
        }
        glim__shingles_bands(&(glim_shingles){a, SIZE}, 0, GLIM_BANDS, x);
        glim__shingles_bands(&(glim_shingles){b, SIZE}, 0, GLIM_BANDS, y);
        glim__shingles_bands(&(glim_shingles){b, SIZE}, 5, 2, two);
        assert_memory_equal(two, y + 5, sizeof two);
        for (size_t i = 0; i < GLIM_BANDS; i++)
            same += x[i] == y[i];
    }
    double have = (double)same / (SETS * GLIM_BANDS);
    assert_true(fabs(have - want) < 4 * sqrt(want * (1 - want) / (SETS * GLIM_BANDS)));
}

static void no_refused_allocation_leaks(void **state) {
    struct set p;
    glim_status status = GLIM_ENOMEM;
    open_set(&p, 0, "text,label\na b c d,x\na b c d,y\ne f g h,z\nE f g h,z\n");
    kept k = run_method(&p.work, "duplicates", NULL);
    kept_release(&k);
    for (uint64_t nth = 2; status; nth++) {
        glim_error err = {0};
        uint64_t before = glim_context_bytes(p.ctx);
        status = run_refused(&k, &p.work, "duplicates", nth, &err);
        if (status && status != GLIM_ENOMEM)
            fail_msg("%s", err.message);
        kept_release(&k);
        assert_int_equal(glim_context_bytes(p.ctx), before);
    }
    glim_context_cancel(p.ctx);
    assert_int_equal(try_run(&k, &p.work, "duplicates", NULL, NULL), GLIM_ECANCELLED);
    kept_release(&k);
    close_set(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_and_nearly_the_same_are_told),
        cmocka_unit_test(near_duplicates_are_those_of_every_pair),
        cmocka_unit_test(memory_shows_in_no_bit),
        cmocka_unit_test(bands_are_shared_as_often_as_shingles),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, clean_rows);
}
