/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that stream are the rows of a table in memory, in any order, in bounded memory. */
#include "../base/base-testing.h"

#include "base/rng.h"
#include "file/rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const ends[] = {"csv", "tsv", "jsonl", "txt"};

static char *path_of(const char *end) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/glim-rows-%d.%s", (int)getpid(), end);
    return path;
}

static char *save(const char *end, const char *text, size_t n) {
    char *path = path_of(end);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
    return path;
}

/* ---- random tables ---- */

struct text {
    char *s;
    size_t n, room;
};

static void put(struct text *t, const char *s, size_t n) {
    if (t->n + n >= t->room) {
        t->room = 2 * (t->n + n) + 64;
        t->s = realloc(t->s, t->room);
        assert_non_null(t->s);
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
}

static void puts_to(struct text *t, const char *s) {
    put(t, s, strlen(s));
}

/* Cells with quotes, delimiters, line ends and letters of several bytes. */
static void put_cell(struct text *t, uint64_t seed, size_t i, const char *delimiter) {
    static const char *const parts[] = {"a", "\"\"", ",", "\n", "\r\n", "\t", " ", "字", ";", "x"};
    uint32_t n = glim__rng_below(seed, i, 0, 9), quoted = glim__rng_below(seed, i, 1, 2);
    if (quoted)
        puts_to(t, "\"");
    for (uint32_t k = 0; k < n; k++)
        puts_to(t, quoted ? parts[glim__rng_below(seed, i, 2 + k, 10)] : k % 2 ? "y" : "词");
    puts_to(t, quoted ? "\"" : "");
    puts_to(t, delimiter);
}

static struct text random_table(int format, uint64_t seed, size_t rows) {
    struct text t = {0};
    const char *between = format == 1 ? "\t" : ",";
    bool bom = seed % 2;
    puts_to(&t, bom ? "\xef\xbb\xbf" : "");
    for (size_t i = 0; i <= rows && format < 2; i++) {
        const char *end = glim__rng_below(seed, i, 90, 2) ? "\r\n" : "\n";
        if (!i) {
            puts_to(&t, format == 1 ? "text\t\"la\nbel\"\tmore" : "text,\"la\nbel\",more");
        } else {
            put_cell(&t, seed, 3 * i, between);
            put_cell(&t, seed, 3 * i + 1, between);
            put_cell(&t, seed, 3 * i + 2, "");
        }
        puts_to(&t, i < rows || seed % 3 ? end : "");
        puts_to(&t, glim__rng_below(seed, i, 91, 9) ? "" : "\n");
    }
    for (size_t i = 0; i < rows && format >= 2; i++) {
        char line[160];
        unsigned more = glim__rng_below(seed, i, 0, 20);
        snprintf(line, sizeof line,
                 format == 2 ? "{\"text\": \"t%zu \\n 字\", \"k%u\": %u.5, \"b\": true}%s"
                             : "l%zu\tt %u \t %u%s",
                 i, more, more, i + 1 < rows || seed % 3 ? "\n" : "");
        puts_to(&t, line);
        puts_to(&t, glim__rng_below(seed, i, 91, 9) ? "" : "\n");
    }
    return t;
}

static void compare(glim_rows *r, const glim_table *t, size_t first, size_t count) {
    glim_arena arena;
    const char **cells;
    glim_error err;
    glim__arena_init(&arena, t->ctx, 1 << 12);
    if (glim__rows_read(r, first, count, &arena, &cells, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < count * t->n_columns; i++)
        assert_string_equal(cells[i], t->cells[first * t->n_columns + i]);
    glim__arena_release(&arena);
}

static void rows_are_those_of_the_table(void **state) {
    for (int format = 0; format < 4; format++)
        for (uint64_t seed = 0; seed < 12; seed++) {
            glim_context *ctx = make_context(1, 0);
            size_t n = seed % 4 ? 700 + 10 * seed : 1 + seed;
            struct text text = random_table(format, seed, n);
            const char *path = save(ends[format], text.s, text.n);
            glim_table *t;
            glim_rows *r;
            glim_error err = {0};
            size_t columns;
            if (glim__table_open(&t, ctx, path, &err) ||
                glim__rows_open(&r, ctx, path, false, &err))
                fail_msg("%s", err.message);
            assert_int_equal(glim__rows_count(r), t->n_rows);
            assert_int_equal(t->n_rows, n);
            const char *const *names = glim__rows_columns(r, &columns);
            assert_int_equal(columns, t->n_columns);
            for (size_t c = 0; c < columns; c++)
                assert_string_equal(names[c], t->columns[c]);
            compare(r, t, 0, n);
            for (size_t k = 0; k < 30; k++) {
                size_t at = glim__rng_below(seed, 1000, k, (uint32_t)n);
                compare(r, t, at, glim__rng_below(seed, 2000, k, (uint32_t)(n - at)) + 1);
            }
            compare(r, t, n, 0);
            glim__rows_close(r);
            glim__table_close(t);
            unlink(path);
            free(text.s);
            end_context(ctx);
        }
}

/* A header that is longer than a piece and has no comma until then. */
static void long_headers_and_rows_cross_pieces(void **state) {
    glim_context *ctx = make_context(1, 0);
    struct text t = {0};
    for (size_t i = 0; i < 20000; i++)
        puts_to(&t, "name; ");
    puts_to(&t, ",b\n");
    for (size_t k = 0; k < 3; k++) {
        puts_to(&t, "\"");
        for (size_t i = 0; i < 200000; i++)
            puts_to(&t, "\"\"");
        puts_to(&t, "\",z\n");
    }
    const char *path = save("csv", t.s, t.n);
    glim_table *table;
    glim_rows *r;
    glim_error err = {0};
    if (glim__table_open(&table, ctx, path, &err) || glim__rows_open(&r, ctx, path, false, &err))
        fail_msg("%s", err.message);
    assert_int_equal(table->n_columns, 2);
    compare(r, table, 2, 1);
    compare(r, table, 0, 3);
    assert_int_equal(glim__rows_find(r, "b"), 1);
    assert_int_equal(glim__rows_column(r, "c", &(size_t){0}, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no column 'c'");
    assert_int_equal(glim__rows_read(r, 2, 2, &table->arena, &(const char **){NULL}, &err),
                     GLIM_EUSAGE);
    glim__rows_close(r);
    glim__table_close(table);
    free(t.s);
    unlink(path);
    end_context(ctx);
}

static void memory_hardly_grows_with_rows(void **state) {
    uint64_t held[2], peak[2];
    for (int k = 0; k < 2; k++) {
        size_t n = k ? 200000 : 20000;
        struct text t = {0};
        char line[64];
        puts_to(&t, "text,label\n");
        for (size_t i = 0; i < n; i++) {
            snprintf(line, sizeof line, "a text of some words %zu,%s\n", i, i % 2 ? "a" : "b");
            puts_to(&t, line);
        }
        glim_context *ctx = make_context(1, 0);
        glim_rows *r;
        glim_error err = {0};
        if (glim__rows_open(&r, ctx, save("csv", t.s, t.n), false, &err))
            fail_msg("%s", err.message);
        glim_arena arena;
        const char **cells;
        glim__arena_init(&arena, ctx, 1 << 12);
        for (size_t i = 0; i < n; i += n / 100) {
            assert_int_equal(glim__rows_read(r, i, 1, &arena, &cells, &err), GLIM_OK);
            snprintf(line, sizeof line, "a text of some words %zu", i);
            assert_string_equal(cells[0], line);
            glim__arena_reset(&arena);
        }
        held[k] = glim_context_bytes(ctx);
        peak[k] = glim_context_peak(ctx);
        glim__arena_release(&arena);
        glim__rows_close(r);
        unlink(path_of("csv"));
        free(t.s);
        end_context(ctx);
    }
    /* 703 entries more; the rest is one block, whatever the rows. */
    assert_true(held[1] < held[0] + 40000);
    assert_true(peak[1] < peak[0] + 100000 && peak[1] < 1000000);
}

static void a_file_that_changed_is_refused(void **state) {
    static const char text[] = "text,label\na,1\nb,2\n";
    for (int how = 0; how < 3; how++) {
        glim_context *ctx = make_context(1, 0);
        glim_rows *r;
        glim_error err = {0};
        struct stat was;
        const char **cells;
        glim_arena arena;
        const char *path = save("csv", text, sizeof text - 1);
        assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_OK);
        assert_int_equal(stat(path, &was), 0);
        FILE *f = fopen(path, how ? "r+b" : "ab");
        if (how)
            fseek(f, 11, SEEK_SET);
        fputs(how == 2 ? "a" : "X", f); /* 2: the same bytes, later */
        fclose(f);
        struct timespec times[2] = {was.st_atim, was.st_mtim};
        times[1].tv_sec += how == 2;
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0); /* 1: only the digest tells */
        glim__arena_init(&arena, ctx, 1 << 12);
        assert_int_equal(glim__rows_read(r, 0, 1, &arena, &cells, &err), GLIM_EIO);
        assert_contains(err.message, "has changed since");
        assert_null(cells);
        glim__arena_release(&arena);
        glim__rows_close(r);
        unlink(path);
        end_context(ctx);
    }
}

static void digests_are_those_of_the_bytes(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_rows *r;
    const char *path = save("txt", "a\tb\n", 4);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, NULL), GLIM_OK);
    assert_string_equal(glim__rows_digest(r),
                        "5dd1197866f479824d9b483e1b7ae9ad3e518f3b4fd447c6b92d127dda6178c5");
    glim__rows_close(r);
    unlink(path);
    end_context(ctx);
}

static void nested_values_are_cells_if_asked_for(void **state) {
    static const char text[] = "{\"m\": [{\"a\": \"\u5b57\"}], \"n\": 1}\n{\"m\": {}}\n";
    glim_context *ctx = make_context(1, 0);
    glim_rows *r;
    glim_error err = {0};
    glim_arena arena;
    const char **cells;
    const char *path = save("jsonl", text, sizeof text - 1);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_EFORMAT);
    assert_contains(err.message, "column 'm' of row 1 is a list");
    assert_int_equal(glim__rows_open(&r, ctx, path, true, &err), GLIM_OK);
    glim__arena_init(&arena, ctx, 1 << 12);
    assert_int_equal(glim__rows_read(r, 0, 2, &arena, &cells, &err), GLIM_OK);
    assert_string_equal(cells[0], "[{\"a\":\"字\"}]");
    assert_string_equal(cells[2], "{}");
    assert_string_equal(cells[3], "");
    glim__arena_release(&arena);
    glim__rows_close(r);
    unlink(path);
    end_context(ctx);
}

static void what_is_no_table_is_refused(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_rows *r;
    glim_error err = {0};
    char *path = path_of("csv");
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_EIO);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_EUSAGE);
    assert_contains(err.message, "write them to a file first");
    unlink(path);
    assert_int_equal(glim__rows_open(&r, ctx, "/tmp", false, &err), GLIM_EIO);
    assert_contains(err.message, "directory");
    path = save("md", "a", 1);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no table by its name");
    unlink(path);
    path = save("csv", "a,b\n1,2\n3\n", 10);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_EFORMAT);
    assert_contains(err.message, "row 2 has 1 cells");
    path = save("csv", "a,b\n", 4);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_EFORMAT);
    assert_contains(err.message, "has no rows");
    assert_null(r);
    glim_context_cancel(ctx);
    path = save("csv", "a,b\n1,2\n", 8);
    assert_int_equal(glim__rows_open(&r, ctx, path, false, &err), GLIM_ECANCELLED);
    unlink(path);
    end_context(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    static const char *const texts[] = {"a,b\n1,x\n2,y\n", "a\tb\n1\t2 2\n3\tx\n",
                                        "{\"a\": 1.5}\n{\"b\": \"x\"}", "l\tt\n"};
    for (int f = 0; f < 4; f++) {
        glim_status status = GLIM_ENOMEM;
        const char *path = save(ends[f], texts[f], strlen(texts[f]));
        for (uint64_t nth = 1; status; nth++) {
            glim_context *ctx = make_context(1, 0);
            glim_rows *r;
            glim_arena arena;
            const char **cells;
            glim_error err = {0};
            glim__arena_init(&arena, ctx, 1 << 12);
            glim__fail_allocation(ctx, nth);
            status = glim__rows_open(&r, ctx, path, false, &err);
            if (!status)
                status = glim__rows_read(r, 0, 1, &arena, &cells, &err);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim__fail_allocation(ctx, 0);
            glim__arena_release(&arena);
            glim__rows_close(r);
            end_context(ctx);
            assert_true(nth < 200);
        }
        unlink(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_the_table),
        cmocka_unit_test(long_headers_and_rows_cross_pieces),
        cmocka_unit_test(memory_hardly_grows_with_rows),
        cmocka_unit_test(a_file_that_changed_is_refused),
        cmocka_unit_test(digests_are_those_of_the_bytes),
        cmocka_unit_test(nested_values_are_cells_if_asked_for),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
