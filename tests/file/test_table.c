/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: what is a cell, and what is refused by its row. */
#include "../base/base-testing.h"

#include "file/table.h"

#include <stdio.h>
#include <stdlib.h>

static glim_table *parse(glim_context *ctx, glim_table_format format, const char *text, size_t n) {
    glim_table *t;
    glim_error err;
    if (glim__table_read(&t, ctx, text, n, format, "t", &err))
        fail_msg("%s", err.message);
    return t;
}

static void check(glim_table_format format, const char *text, size_t rows, size_t columns,
                  const char *const *cells) {
    glim_context *ctx = make_context(1, 0);
    glim_table *t = parse(ctx, format, text, strlen(text));
    assert_int_equal(t->n_rows, rows);
    assert_int_equal(t->n_columns, columns);
    for (size_t c = 0; c < columns; c++)
        assert_string_equal(t->columns[c], cells[c]);
    for (size_t i = 0; i < rows * columns; i++)
        assert_string_equal(t->cells[i], cells[columns + i]);
    glim__table_close(t);
    end_context(ctx);
}

static void csv_has_quotes_marks_and_line_ends(void **state) {
    check(GLIM_TABLE_CSV,
          "\xef\xbb\xbf"
          "a,b\r\n1,\"x, \"\"y\"\"\"\r\n\r\n 2 ,\"two\nlines\"\r\n",
          2, 2, (const char *const[]){"a", "b", "1", "x, \"y\"", " 2 ", "two\nlines"});
    check(GLIM_TABLE_CSV, "评论,情感\n很好，喜欢,好\n,\"\"", 2, 2,
          (const char *const[]){"评论", "情感", "很好，喜欢", "好", "", ""});
    check(GLIM_TABLE_CSV, "only\n1\n2", 2, 1, (const char *const[]){"only", "1", "2"});
    check(GLIM_TABLE_TSV, "a\tb\n1,5\t\"x\ty\"\n", 1, 2,
          (const char *const[]){"a", "b", "1,5", "x\ty"});
}

static void csv_may_be_parted_by_semicolons_or_tabs(void **state) {
    check(GLIM_TABLE_CSV, "a;\"b;, c\"\n1,5;x\n", 1, 2,
          (const char *const[]){"a", "b;, c", "1,5", "x"});
    check(GLIM_TABLE_CSV, "a\tb\n1;2\tx\n", 1, 2, (const char *const[]){"a", "b", "1;2", "x"});
    check(GLIM_TABLE_CSV, "a,b;c\n1,2;3\n", 1, 2, (const char *const[]){"a", "b;c", "1", "2;3"});
}

/* Short ones are read by hand. */
static void numbers_are_those_of_strtod(void **state) {
    char text[40];
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t r = i * 6364136223846793005u + 1442695040888963407u;
        int digits = (int)(r >> 60), point = (int)(r >> 56 & 15);
        uint64_t whole = (r >> 3) % 1000000000000000u;
        int n = snprintf(text, sizeof text, "%s%0*llu", r & 1 ? "-" : "", digits + 1,
                         (unsigned long long)whole);
        point = point < n - 2 ? point : n - 2;
        memmove(text + n - point + 1, text + n - point, (size_t)point + 1);
        text[n - point] = '.';
        double x = -1;
        assert_true(glim__table_number(text, &x));
        assert_true(x == strtod(text, NULL));
    }
}

static void jsonl_has_columns_as_they_appear(void **state) {
    check(GLIM_TABLE_JSONL,
          "{\"a\": 1, \"b\": \"x\"}\n\n{\"c\": true, \"a\": 0.1}\r\n{\"b\": null, \"a\": -2e3}", 3,
          3,
          (const char *const[]){"a", "b", "c", "1", "x", "", "0.1", "", "true", "-2000.0", "", ""});
}

static void lines_have_a_label_and_a_text(void **state) {
    check(GLIM_TABLE_LINES, "good\ta fine\tfilm\r\n\nbad\t\n", 2, 2,
          (const char *const[]){"label", "text", "good", "a fine\tfilm", "bad", ""});
}

static void broken_tables_are_refused_by_row(void **state) {
    static const struct {
        glim_table_format format;
        const char *text, *says;
        size_t n;
    } cases[] = {
        {GLIM_TABLE_CSV, "", "has no rows", 0},
        {GLIM_TABLE_CSV, "a,b\n", "has no rows", 0},
        {GLIM_TABLE_CSV, "1,2\n3,4\n", "has no header", 0},
        {GLIM_TABLE_CSV, "a,b\n1,2\n3\n", "row 2 has 1 cells; the header has 2", 0},
        {GLIM_TABLE_CSV, "a,b\n1,2,3\n", "row 1 has 3 cells", 0},
        {GLIM_TABLE_CSV, "a,a\n1,2\n", "two columns 'a'", 0},
        {GLIM_TABLE_CSV, "a,\n1,2\n", "column 2 has no name", 0},
        {GLIM_TABLE_CSV, "a,b\n1,x\"y\n", "quotes of row 1", 0},
        {GLIM_TABLE_CSV, "a,b\n1,\"x\" y\n", "quotes of row 1", 0},
        {GLIM_TABLE_CSV, "a,b\n1,2\n3,\"x", "quotes of row 2", 0},
        {GLIM_TABLE_CSV, "a,b\n1,\xff\n", "row 1 holds a cell that is no UTF-8", 0},
        {GLIM_TABLE_CSV, "a,b\n1,x\0y\n", "row 1 holds a cell that is no UTF-8", 10},
        {GLIM_TABLE_JSONL, "{\"a\": 1}\n[1]\n", "row 2 is no JSON object", 0},
        {GLIM_TABLE_JSONL, "{\"a\": 1}\n{\"a\": \n", "row 2", 0},
        {GLIM_TABLE_JSONL, "{\"a\": [1]}\n", "column 'a' of row 1 is a list", 0},
        {GLIM_TABLE_JSONL, "\n\n", "has no rows", 0},
        {GLIM_TABLE_JSONL, "{}\n", "has no rows", 0},
        {GLIM_TABLE_LINES, "good a film\n", "row 1 has no tab", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_context *ctx = make_context(1, 0);
        glim_table *t;
        glim_error err = {0};
        size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);
        glim_status status =
            glim__table_read(&t, ctx, cases[i].text, n, cases[i].format, "t", &err);
        if (status != GLIM_EFORMAT)
            fail_msg("case %zu: %s", i, err.message);
        assert_contains(err.message, cases[i].says);
        assert_null(t);
        end_context(ctx);
    }
}

static void numbers_are_decimal_and_whole_cells(void **state) {
    static const char *const good[] = {"1", "-2.5", " 3e2 ", "+.5", "1e-400"};
    static const char *const bad[] = {"", "1,5", "0x10", "inf", "nan", "1e999", "1 2", "--1", "e"};
    double x;
    for (size_t i = 0; i < 5; i++)
        assert_true(glim__table_number(good[i], &x));
    for (size_t i = 0; i < 9; i++)
        assert_false(glim__table_number(bad[i], &x));
    assert_true(glim__table_number("-12.25", &x) && x == -12.25);
}

static void no_refused_allocation_leaks(void **state) {
    static const char *const texts[] = {"a,b\n1,x\n2,y\n", "a\tb\n1\t2 2\n3\tx\n",
                                        "{\"a\": 1.5}\n{\"b\": \"x\"}\n", "l\tt\n"};
    for (int f = 0; f < 4; f++) {
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status; nth++) {
            glim_context *ctx = make_context(1, 0);
            glim_table *t;
            glim_error err = {0};
            glim__fail_allocation(ctx, nth);
            status = glim__table_read(&t, ctx, texts[f], strlen(texts[f]), (glim_table_format)f,
                                      "t", &err);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim__fail_allocation(ctx, 0);
            glim__table_close(t);
            end_context(ctx);
            assert_true(nth < 200);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_has_quotes_marks_and_line_ends),
        cmocka_unit_test(csv_may_be_parted_by_semicolons_or_tabs),
        cmocka_unit_test(numbers_are_those_of_strtod),
        cmocka_unit_test(jsonl_has_columns_as_they_appear),
        cmocka_unit_test(lines_have_a_label_and_a_text),
        cmocka_unit_test(broken_tables_are_refused_by_row),
        cmocka_unit_test(numbers_are_decimal_and_whole_cells),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
