/* SPDX-License-Identifier: Apache-2.0 */
/* Panels drawn: as wide as asked, with the numbers that they have, in terminal and report. */
#include "panels-testing.h"

#include "view/html.h"
#include "view/panels.h"

static void every_panel_fits_every_width_in_every_look(void **state) {
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_PANEL_CASES; i++) {
        glim_document *d = panel_document(ctx, i);
        size_t cells = panel_cases[i].rows * (panel_cases[i].columns + 1);
        int step = cells > 500 ? 9 : 1;
        for (int width = 20; width <= 200; width += width > 120 ? 20 : step)
            for (int look = width % 2; look < 4; look += 2) {
                glim_view_options o = {.width = width,
                                       .color = (glim_color)look,
                                       .ascii = (width + look) / 2 % 2,
                                       .numbers = (width + look) / 2 % 3 == 0};
                size_t n;
                char *text = render(d, "terminal", &o, &n);
                check_lines(text, &o, panel_cases[i].name);
                glim_view_free(ctx, text);
            }
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

static void steps_follow_the_meaning_of_a_scale(void **state) {
    static const struct {
        glim_panel_scale scale;
        double values[3], x;
        int step, digit;
    } ways[] = {{GLIM_SCALE_SIGNED, {-2, 1, NAN}, -2, -5, -9},
                {GLIM_SCALE_SIGNED, {-2, 1, NAN}, 1, 3, 5},
                {GLIM_SCALE_AMOUNT, {-2, 1, 4}, 4, 8, 9},
                {GLIM_SCALE_AMOUNT, {-2, 1, 4}, -2, 0, 0},
                {GLIM_SCALE_AMOUNT, {-2, -1, -4}, -2, 0, 0},
                {GLIM_SCALE_SHARE, {0.1, 0.2, 0.5}, 0.5, 4, 5},
                {GLIM_SCALE_EFFECT, {0.1, 0.2, 0}, 0.2, 1, 2},
                {GLIM_SCALE_EFFECT, {0, 2, -3}, 2, 5, 9},
                {GLIM_SCALE_RANK, {1, 100, 10000}, 1, 8, 9},
                {GLIM_SCALE_RANK, {1, 100, 10000}, 100, 4, 5},
                {GLIM_SCALE_RANK, {1, 100, 10000}, 10000, 0, 0}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        double values[3];
        memcpy(values, ways[i].values, sizeof values);
        glim_panel p = {.scale = ways[i].scale, .rows.n = 1, .columns.n = 3, .values = values};
        glim_panel_range r = glim__panel_range(&p);
        if (glim__panel_step(&p, &r, ways[i].x) != ways[i].step ||
            glim__panel_digit(&p, &r, ways[i].x) != ways[i].digit)
            fail_msg("case %zu: step %d, digit %d", i, glim__panel_step(&p, &r, ways[i].x),
                     glim__panel_digit(&p, &r, ways[i].x));
        assert_int_equal(glim__panel_step(&p, &r, NAN), 0);
    }
    double values[] = {1, 100, NAN, NAN, 5, 7};
    glim_panel p = {.scale = GLIM_SCALE_RANK, .rows.n = 2, .columns.n = 3, .values = values};
    assert_true(fabs(glim__panel_pooled(&p, 0, 0, 1, 2) - 10) < 1e-9);
    assert_true(fabs(glim__panel_pooled(&p, 0, 2, 2, 2) - 7) < 1e-9);
    assert_true(isnan(glim__panel_pooled(&p, 0, 2, 1, 1)));
    glim_panel_place top[2];
    assert_int_equal(glim__panel_top(&p, 2, top), 2);
    assert_true(top[0].value == 1 && top[1].value == 5 && top[1].row == 1 && top[1].column == 1);
    p.scale = GLIM_SCALE_AMOUNT;
    assert_true(fabs(glim__panel_pooled(&p, 0, 0, 1, 2) - 50.5) < 1e-9);
    assert_int_equal(glim__panel_top(&p, 2, top), 2);
    assert_true(top[0].value == 100 && top[1].value == 7);
}

/* ---- the terminal ---- */

static glim_document *small_grid(glim_context *ctx, glim_panel_scale scale, const double *values) {
    glim_document *d = bare_document(ctx, "patch", 2);
    glim_panel *p = glim_document_panel_add(d, GLIM_PANEL_GRID, "effect", "Effect", 2, 3);
    p->scale = scale;
    p->rows.name = "layer";
    p->columns.name = "position";
    for (size_t i = 0; i < 6; i++)
        p->values[i] = values[i];
    for (size_t i = 0; i < 3; i++)
        assert_true(glim_document_label(d, &p->columns, i, "t%zu", i));
    for (size_t i = 0; i < 2; i++)
        assert_true(glim_document_label(d, &p->rows, i, "L%zu", i));
    return d;
}

static char *drawn(glim_context *ctx, glim_document *d, glim_view_options o) {
    size_t n;
    char *text = render(d, "terminal", &o, &n);
    glim_document_free(d);
    return text;
}

static void grids_say_their_numbers_and_anchors(void **state) {
    static const double values[] = {0.5, -0.25, NAN, 1, 0, 1.5};
    glim_context *ctx = view_context();
    char *text =
        drawn(ctx, small_grid(ctx, GLIM_SCALE_EFFECT, values), (glim_view_options){.width = 80});
    contains(text, "\nEffect\nlayer down, position across\n");
    contains(text, "\nL0 +0.50 \xe2\x88\x92"
                   "0.25     \xc3\x97\n");
    contains(text, "\nL1 +1.00  0.00 +1.50\n");
    contains(text, "0 changes nothing, 1 is the whole difference; 2 beyond \xe2\x88\x92"
                   "0.2 to 1.2, from");
    contains(text, "1 number is not there");
    glim_view_free(ctx, text);
    static const double ranks[] = {1, 10, 100, 1000, 3, 5};
    text = drawn(ctx, small_grid(ctx, GLIM_SCALE_RANK, ranks),
                 (glim_view_options){.width = 40, .color = GLIM_COLOR_TRUE});
    contains(text, "\x1b[38;2;255;255;255;48;2;38;35;72m   1"); /* the first is the darkest */
    contains(text, "1000");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void narrow_grids_are_digits_folds_are_told(void **state) {
    glim_context *ctx = view_context();
    glim_view_options o = {.width = 80};
    char *text = drawn(ctx, panel_document(ctx, case_named("folded")), o);
    contains(text, "a cell is the mean of 3 rows and 10 columns; --html, --csv for all");
    contains(text, "largest: ");
    contains(text, "9 is 1.00, \xc2\xb7 rounds to 0; 0 changes nothing");
    glim_view_free(ctx, text);
    text = drawn(ctx, panel_document(ctx, case_named("many words")), o);
    contains(text, "one row of every 2; the last ");
    contains(text, " of 90 columns; --html, --csv for all");
    glim_view_free(ctx, text);
    o.color = GLIM_COLOR_256;
    text = drawn(ctx, panel_document(ctx, case_named("effects")), o);
    contains(text, "* marks 40 cells");
    contains(text, "beyond \xe2\x88\x92"
                   "0.2 to 1.2");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void intervals_that_cover_zero_are_counted(void **state) {
    static const double values[] = {0.5, -0.25, NAN, 1, 0, 1.5};
    glim_context *ctx = view_context();
    glim_document *d = small_grid(ctx, GLIM_SCALE_SIGNED, values);
    double low[] = {-0.1, -0.3, NAN, 0.9, -1, 1}, high[] = {1, -0.1, NAN, 1.1, 1, 2};
    d->panels[0].low = low;
    d->panels[0].high = high;
    size_t n;
    char *text = render(d, "html", NULL, &n);
    assert_int_equal(count(text, " h\" title=") + count(text, " h\">"), 2 + 1); /* the legend's */
    glim_view_free(ctx, text);
    text = drawn(ctx, d, (glim_view_options){.width = 80});
    contains(text, "2 intervals cover 0; 1 number is not there");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void words_keep_characters_whole(void **state) {
    glim_context *ctx = view_context();
    char *text = drawn(ctx, panel_document(ctx, 0), (glim_view_options){.width = 120});
    contains(text, "法国的首都");
    contains(text, "<E6><A8>");
    contains(text, "\\u001b[2J");
    contains(text, "aver");
    assert_null(strstr(text, "averyveryvery"));
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void lines_have_bars_or_curves(void **state) {
    glim_context *ctx = view_context();
    char *text =
        drawn(ctx, panel_document(ctx, case_named("accuracy")), (glim_view_options){.width = 80});
    contains(text, "84.1 % \xc2\xb1"
                   "10.0 %");
    contains(text, "\xe2\x96\x88\xe2\x96\x88");
    contains(text, "\xc2\xb1 is half the interval; bars of The go from 0.0 % to 100.0 %");
    glim_view_free(ctx, text);
    text = drawn(ctx, panel_document(ctx, case_named("many series")),
                 (glim_view_options){.width = 80});
    contains(text, "\xe2\x96\x81");
    contains(text, ", most +");
    contains(text, "curves go from");
    glim_view_free(ctx, text);
    text = drawn(ctx, panel_document(ctx, case_named("long")), (glim_view_options){.width = 80});
    contains(text, "one of every 25 columns is shown");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void texts_are_windows_around_the_best_piece(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = bare_document(ctx, "maximize", 2);
    glim_panel *p = glim_document_panel_add(d, GLIM_PANEL_TEXTS, "top", "Top", 1, 0);
    const char *pieces[100];
    double values[100] = {0};
    char words[100][8];
    for (int i = 0; i < 100; i++) {
        snprintf(words[i], sizeof words[i], " w%d", i);
        pieces[i] = words[i];
    }
    pieces[50] = "\xe6\xa8"; /* a character in two pieces */
    pieces[51] = "\xa1";
    values[50] = 2;
    values[51] = 4;
    p->scale = GLIM_SCALE_AMOUNT;
    p->strings[0] = (glim_panel_text){
        .label = "row 7", .value = 4, .n = 100, .pieces = pieces, .values = values, .best = 50};
    char *text = drawn(ctx, d, (glim_view_options){.width = 60});
    contains(text, "1 row 7: 4.00, most at \xe2\x80\x9c\xe6\xa8\xa1\xe2\x80\x9d");
    contains(text, "\xe2\x80\xa6 w30 w31");
    contains(text, " w70\xe2\x80\xa6");
    contains(text, "9 is 4.00, ");
    assert_null(strstr(text, "w29"));
    assert_null(strstr(text, "<E6>"));
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void counts_in_tables_are_whole(void **state) {
    static const double cells[] = {29, -1.5, 1, 864, 0.25, 0};
    glim_context *ctx = view_context();
    glim_document *d = bare_document(ctx, "probe", 2);
    glim_panel *p = glim_document_panel_add(d, GLIM_PANEL_TABLE, "t", "T", 2, 3);
    size_t n;
    for (size_t i = 0; i < 6; i++)
        p->cells[i].number = cells[i];
    p->rows.name = "rank";
    for (size_t i = 0; i < 2; i++)
        assert_true(glim_document_label(d, &p->rows, i, "%zu", i + 1));
    for (size_t i = 0; i < 3; i++)
        assert_true(glim_document_label(d, &p->columns, i, "c%zu", i));
    char *text = render(d, "html", NULL, &n);
    contains(text, "<td>29</td><td>\xe2\x88\x92"
                   "1.50</td><td>1</td>");
    glim_view_free(ctx, text);
    d->panels[0].scale = GLIM_SCALE_SHARE;
    text = render(d, "html", NULL, &n);
    contains(text, "<td>864</td><td>25.0\xc2\xa0%</td><td>0.0\xc2\xa0%</td>");
    glim_view_free(ctx, text);
    d->panels[0].scale = GLIM_SCALE_SIGNED;
    text = drawn(ctx, d, (glim_view_options){.width = 60});
    contains(text, "\nrank   c0     c1  c2\n1      29  \xe2\x88\x92"
                   "1.50   1\n2     864  +0.25   0\n");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

/* A mark in a row that is skipped is counted. */
static void marks_that_are_skipped_are_told(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = bare_document(ctx, "lens", 2);
    glim_panel *p = glim_document_panel_add(d, GLIM_PANEL_GRID, "g", "G", 100, 1);
    p->scale = GLIM_SCALE_SHARE;
    p->texts = glim_document_alloc(d, 100 * sizeof *p->texts);
    p->marked = glim_document_alloc(d, 100);
    for (size_t i = 0; i < 100; i++) {
        p->texts[i] = "word";
        p->marked[i] = i < 3;
    }
    char *text = drawn(ctx, d, (glim_view_options){.width = 100});
    contains(text, "one row of every 2; 1 of the marked cells is among the others; --html");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

/* ---- the report ---- */

static void reports_close_nothing_and_hide_nothing(void **state) {
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_PANEL_CASES; i++)
        for (int zh = 0; zh < 2; zh++) {
            glim_document *d = panel_document(ctx, i);
            glim_view_options o = {.lang = zh ? "zh-CN" : NULL};
            size_t n;
            char *text = render(d, "html", &o, &n);
            size_t scripts = *glim__html_script ? 2 : 1; /* the data and the viewer */
            assert_int_equal(count(text, "</script>"), scripts);
            assert_int_equal(count(text, "<script"), scripts);
            assert_null(strchr(text, '\x1b'));
            assert_int_equal(glim__utf8_check(text, n), n);
            assert_null(strstr(text, " style="));
            for (const char *tag = "table\0tr\0td\0th\0svg\0section\0li\0ol\0details\0"; *tag;
                 tag += strlen(tag) + 1) {
                char open[16], also[16], close[16];
                snprintf(open, sizeof open, "<%s>", tag);
                snprintf(also, sizeof also, "<%s ", tag);
                snprintf(close, sizeof close, "</%s>", tag);
                assert_int_equal(count(text, open) + count(text, also), count(text, close));
            }
            glim_view_free(ctx, text);
            glim_document_free(d);
        }
    glim_context_free(ctx);
}

static void large_grids_are_pooled_and_say_so(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = bare_document(ctx, "patch", 2);
    panel_case c = {"large", "patch", GLIM_PANEL_GRID, GLIM_SCALE_EFFECT, 200, 1024, 1};
    add_panel(d, &c);
    size_t n;
    char *text = render(d, "html", NULL, &n);
    assert_true(length_before(text, "<script type=") < 1 << 20); /* the document itself apart */
    contains(text, "data-w=\"panel.pooled\"");
    contains(text, "data-w=\"panel.top\"");
    assert_true(count(text, "<td") < 4300);
    glim_view_free(ctx, text);
    glim_document_free(d);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_panel_fits_every_width_in_every_look),
        cmocka_unit_test(steps_follow_the_meaning_of_a_scale),
        cmocka_unit_test(grids_say_their_numbers_and_anchors),
        cmocka_unit_test(narrow_grids_are_digits_folds_are_told),
        cmocka_unit_test(intervals_that_cover_zero_are_counted),
        cmocka_unit_test(words_keep_characters_whole),
        cmocka_unit_test(lines_have_bars_or_curves),
        cmocka_unit_test(texts_are_windows_around_the_best_piece),
        cmocka_unit_test(counts_in_tables_are_whole),
        cmocka_unit_test(marks_that_are_skipped_are_told),
        cmocka_unit_test(reports_close_nothing_and_hide_nothing),
        cmocka_unit_test(large_grids_are_pooled_and_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
