/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsing, and numbers that read back to the same bits. */
#include "base-testing.h"

#include "base/json.h"
#include "base/rng.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

static glim_status parse(const char *text, glim_error *err) {
    json_t *value;
    glim_status status = glim__json_parse(&value, text, strlen(text), "talk.json", err);
    assert_true((value != NULL) == (status == GLIM_OK));
    json_decref(value);
    return status;
}

static void broken_json_is_refused_with_its_place(void **state) {
    glim_error err;
    assert_int_equal(parse("{\"a\": 1,\n \"b\": }", &err), GLIM_EFORMAT);
    assert_contains(err.message, "talk.json: line 2, column 7");
    static const char *const bad[] = {
        "",           "[1,]",   "{\"a\":1,\"a\":2}", "[1] x", "{a:1}",    "\"\xff\"", "[NaN]",
        "[Infinity]", "'text'", "[1e999]",           "[01]",  "\"\x01\"", "[",        "\"\\ud800\"",
        "nul",        "{\"a\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], &err), GLIM_EFORMAT);
}

static void good_json_is_taken(void **state) {
    glim_error err;
    static const char *const good[] = {"1", "null", " [] ", "{\"\": \"\\u0000\"}", "[-0.5e-3]\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(parse(good[i], &err), GLIM_OK);
}

static void nesting_is_limited_but_not_inside_strings(void **state) {
    glim_error err;
    char text[300] = "";
    for (int i = 0; i < 64; i++)
        text[i] = '[', text[127 - i] = ']';
    assert_int_equal(parse(text, &err), GLIM_OK);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_int_equal(parse(text, &err), GLIM_EFORMAT);
    assert_contains(err.message, "64 levels");
    memset(text, '[', 200);
    text[0] = text[199] = '"';
    text[200] = '\0';
    memcpy(text + 50, "\\\"", 2);
    assert_int_equal(parse(text, &err), GLIM_OK);
}

static char *written(const json_t *value, int indent, bool single) {
    static char text[4096];
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__json_write(&b, value, indent, single, NULL), GLIM_OK);
    assert_true(b.len < sizeof text);
    memcpy(text, b.data, b.len + 1);
    glim__buffer_release(&b);
    end_context(ctx);
    return text;
}

static const char *number(double x, bool single) {
    json_t *value = json_real(x);
    const char *text = written(value, 0, single);
    json_decref(value);
    return text;
}

static void numbers_have_the_fewest_digits(void **state) {
    assert_string_equal(number(0.5, true), "0.5");
    assert_string_equal(number((double)0.1f, true), "0.1");
    assert_string_equal(number((double)0.1f, false), "0.10000000149011612");
    assert_string_equal(number(0.1, false), "0.1");
    assert_string_equal(number(1, false), "1.0");
    assert_string_equal(number(-0.0, true), "-0.0");
    assert_string_equal(number(1e300, false), "1e+300");
    assert_string_equal(number((double)16777216.0f, true), "16777216.0");
    assert_string_equal(number((double)3.4028235e38f, true), "3.4028235e+38");
}

static void numbers_read_back_to_the_same_bits(void **state) {
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t bits = glim__rng_u32(1, 2, i);
        float f, back;
        memcpy(&f, &bits, 4);
        if (!isfinite(f))
            continue;
        back = strtof(number((double)f, true), NULL);
        assert_memory_equal(&f, &back, 4);
        double d = glim__rng_normal(3, 4, i) * pow(10, (double)(i % 600) - 300);
        assert_true(strtod(number(d, false), NULL) == d);
    }
}

static void numbers_have_a_point_in_every_locale(void **state) {
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        skip();
    const char *text = number(0.25, true);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "0.25");
}

static void text_is_escaped_where_json_wants_it(void **state) {
    json_t *value = glim__json_text("a\"b\\c\n\x01\x7f é 巴", 15);
    assert_string_equal(written(value, 0, false), "\"a\\\"b\\\\c\\n\\u0001\\u007f é 巴\"");
    json_decref(value);
    value = glim__json_text("zero\0in", 7);
    assert_string_equal(written(value, 0, false), "\"zero\\u0000in\"");
    json_decref(value);
}

static void broken_text_becomes_replacement_characters(void **state) {
    json_t *value = glim__json_text("a\xff\xe5\xb7z", 5);
    assert_string_equal(json_string_value(value), "a\uFFFD\uFFFD\uFFFDz");
    json_decref(value);
    value = glim__json_text(NULL, 0);
    assert_string_equal(json_string_value(value), "");
    json_decref(value);
}

static void numbers_that_json_lacks_become_null(void **state) {
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        json_t *value = glim__json_number(odd[i]);
        assert_true(json_is_null(value));
        json_decref(value);
    }
    json_t *value = glim__json_number(2.5);
    assert_true(json_is_real(value));
    json_decref(value);
}

static void layout_keeps_lists_of_numbers_on_one_line(void **state) {
    json_t *v = json_pack("{s:[i,b,n], s:{}, s:[[i],[i]], s:[]}", "z", 1, 1, "b", "a", 1, 2, "e");
    assert_string_equal(written(v, 0, false),
                        "{\"z\":[1,true,null],\"b\":{},\"a\":[[1],[2]],\"e\":[]}");
    assert_string_equal(written(v, 2, false),
                        "{\n  \"z\": [1, true, null],\n  \"b\": {},\n"
                        "  \"a\": [\n    [1],\n    [2]\n  ],\n  \"e\": []\n}");
    json_decref(v);
}

static void what_cannot_be_written_is_an_error(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__json_write(&b, NULL, 0, false, &err), GLIM_ENOMEM);
    json_t *value = json_string("text");
    glim__fail_allocation(ctx, 1);
    assert_int_equal(glim__json_write(&b, value, 0, false, &err), GLIM_ENOMEM);
    json_decref(value);
    glim__fail_allocation(ctx, 0);
    glim__buffer_clear(&b);
    value = json_array();
    for (int i = 0; i < 70; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, value);
        value = outer;
    }
    assert_int_equal(glim__json_write(&b, value, 0, false, &err), GLIM_EINTERNAL);
    json_decref(value);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void a_refused_member_clears_ok_and_a_mark_in_front_is_skipped(void **state) {
    json_t *object = json_object(), *list = json_array(), *parsed = NULL;
    bool ok = true;
    glim_error err = {0};
    glim__json_set(&ok, object, "a", json_true());
    glim__json_add(&ok, list, json_null());
    assert_true(ok);
    glim__json_set(&ok, object, "b", NULL);
    assert_false(ok);
    ok = true;
    glim__json_add(&ok, list, NULL);
    assert_false(ok);
    ok = true;
    glim__json_set(&ok, NULL, "a", json_true());
    assert_false(ok);
    json_decref(object);
    json_decref(list);
    assert_int_equal(glim__json_parse(&parsed, "\xef\xbb\xbf[1]", 6, "a", &err), GLIM_OK);
    assert_int_equal(json_array_size(parsed), 1);
    json_decref(parsed);
    assert_int_equal(glim__json_parse(&parsed, "\xef\xbb\xbf", 3, "a", &err), GLIM_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_json_is_refused_with_its_place),
        cmocka_unit_test(a_refused_member_clears_ok_and_a_mark_in_front_is_skipped),
        cmocka_unit_test(good_json_is_taken),
        cmocka_unit_test(nesting_is_limited_but_not_inside_strings),
        cmocka_unit_test(numbers_have_the_fewest_digits),
        cmocka_unit_test(numbers_read_back_to_the_same_bits),
        cmocka_unit_test(numbers_have_a_point_in_every_locale),
        cmocka_unit_test(text_is_escaped_where_json_wants_it),
        cmocka_unit_test(broken_text_becomes_replacement_characters),
        cmocka_unit_test(numbers_that_json_lacks_become_null),
        cmocka_unit_test(layout_keeps_lists_of_numbers_on_one_line),
        cmocka_unit_test(what_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
