/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal view: widths, colours, escapes, folding. */
#include "view-testing.h"

#include "view/palette.h"

static void every_document_fits_every_width_in_every_look(void **state) {
    static const int widths[] = {20, 40, 57, 80, 120};
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_CASES; i++)
        for (size_t repeat = 1; repeat <= 61; repeat += 60) {
            glim_document *d = document_of(ctx, &cases[i], repeat);
            for (int k = 0; k < 5 * 4 * 2 * 2; k++) {
                glim_view_options o = {.width = widths[k % 5],
                                       .color = (glim_color)(k / 5 % 4),
                                       .ascii = k / 20 % 2,
                                       .numbers = k / 40};
                size_t n;
                char *text = render(d, "terminal", &o, &n);
                check_lines(text, &o, cases[i].name);
                glim_view_free(ctx, text);
            }
            glim_document_free(d);
        }
    glim_context_free(ctx);
}

static char *shown(glim_context *ctx, const char *name, size_t repeat, glim_view_options o) {
    for (size_t i = 0; i < N_CASES; i++) {
        if (strcmp(cases[i].name, name))
            continue;
        glim_document *d = document_of(ctx, &cases[i], repeat);
        size_t n;
        char *text = render(d, "terminal", &o, &n);
        glim_document_free(d);
        return text;
    }
    fail_msg("there is no case '%s'", name);
    return NULL;
}

static void contains(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void nothing_is_lost_without_colours(void **state) {
    glim_context *ctx = view_context();
    char *text = shown(ctx, "plain", 1, (glim_view_options){.width = 80});
    contains(text, "The capital of France is\n");
    contains(text, "+8    +9    +9   +7   +4");
    contains(text, "9 is 0.99 logprob, \xc2\xb7 rounds to 0\n");
    contains(text, "target logprob \xe2\x88\x92"
                   "0.25, baseline \xe2\x88\x92"
                   "16.5, probability 77.5 %");
    contains(text, "\xe2\x9c\x93 ok\n");
    contains(text, "model.gguf, glim 0.0.0");
    assert_null(strchr(text, '\x1b'));
    glim_view_free(ctx, text);
    text = shown(ctx, "chinese", 1, (glim_view_options){.width = 40});
    contains(text, "法国的首都是哪里？");
    contains(text, " and not “伦敦”");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void legends_name_the_targets_unit_only_where_scores_are_in_it(void **state) {
    static const struct {
        const char *unit, *plain, *coloured, *key;
    } ways[] = {{NULL, "9 is 0.99 logprob, ", " +0.99 logprob\n",
                 "<span class=\"key\"><span data-w=\"output.logprob\">"},
                {"share", "9 is a share of 0.99, ", " +0.99 share\n",
                 "<span class=\"key\"><span data-w=\"output.share\">"},
                {"size", "9 is 0.99, ", " +0.99\n", NULL}};
    glim_context *ctx = view_context();
    for (size_t i = 0; i < 3; i++) {
        glim_document *d = document_of(ctx, &cases[0], 1);
        glim_view_options o = {.width = 80};
        size_t n;
        d->method.unit = ways[i].unit;
        char *text = render(d, "terminal", &o, &n);
        contains(text, ways[i].plain);
        glim_view_free(ctx, text);
        o.color = GLIM_COLOR_TRUE;
        text = render(d, "terminal", &o, &n);
        contains(text, ways[i].coloured);
        glim_view_free(ctx, text);
        text = render(d, "json", NULL, &n);
        assert_int_equal(ways[i].unit != NULL, strstr(text, "\"unit\": \"s") != NULL);
        glim_view_free(ctx, text);
        text = render(d, "html", NULL, &n);
        static const char key[] = "<span class=\"key\"><span data-w=\"output.";
        if (ways[i].key)
            contains(text, ways[i].key);
        else
            assert_null(strstr(text, key));
        glim_view_free(ctx, text);
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

static void colours_set_text_and_background_and_lowering_is_underlined(void **state) {
    glim_context *ctx = view_context();
    char *text = shown(ctx, "plain", 1, (glim_view_options){.width = 40, .color = GLIM_COLOR_TRUE});
    char want[96];
    const glim_shade *most = &glim_shades[2 * GLIM_STEPS], *least = &glim_shades[0];
    snprintf(want, sizeof want, "\x1b[38;2;%u;%u;%u;48;2;%u;%u;%um", most->text >> 16,
             most->text >> 8 & 255, most->text & 255, most->back >> 16, most->back >> 8 & 255,
             most->back & 255);
    contains(text, want);
    snprintf(want, sizeof want, "\x1b[4;38;2;%u;%u;%u;48;2;%u;%u;%um", least->text >> 16,
             least->text >> 8 & 255, least->text & 255, least->back >> 16, least->back >> 8 & 255,
             least->back & 255);
    contains(text, want);
    contains(text, " 0 "); /* the legend's middle */
    contains(text, " +0.99 logprob\n");
    glim_view_free(ctx, text);
    text = shown(ctx, "plain", 1, (glim_view_options){.width = 80, .color = GLIM_COLOR_256});
    contains(text, "\x1b[38;5;");
    glim_view_free(ctx, text);
    text = shown(ctx, "plain", 1, (glim_view_options){.width = 80, .color = GLIM_COLOR_16});
    contains(text, "30;43m");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void many_units_fold_to_the_largest_and_the_rest_is_counted(void **state) {
    glim_context *ctx = view_context();
    char *text = shown(ctx, "plain", 80, (glim_view_options){.width = 80});
    assert_null(strstr(text, " units, none above"));
    glim_view_free(ctx, text);
    text = shown(ctx, "plain", 240, (glim_view_options){.width = 80});
    size_t hidden = 0, gaps = 0;
    for (const char *at = text; (at = strstr(at, " units, none above")); at++, gaps++) {
        const char *from = at;
        while (from > text && from[-1] >= '0' && from[-1] <= '9')
            from--;
        hidden += (size_t)atoi(from);
    }
    assert_true(gaps >= 1 && gaps <= 4);
    assert_true(hidden >= 1200 - 180 && hidden <= 1200 - 60);
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void missing_scores_and_hard_verdicts_are_said(void **state) {
    glim_context *ctx = view_context();
    char *text = shown(ctx, "nothing", 1, (glim_view_options){.width = 80});
    contains(text, "do not trust");
    contains(text, "5 of 5 units have no score");
    glim_view_free(ctx, text);
    text = shown(ctx, "strange", 1, (glim_view_options){.width = 80});
    contains(text, "do not trust: because \\u202e of \\u001b[0m");
    contains(text, "\\u001b[31mred");
    contains(text, "<FF>");
    contains(text, "us\\u001b[1mer");
    contains(text, "bars: the sign may be chance");
    glim_view_free(ctx, text);
    glim_context_free(ctx);
}

static void punctuation_does_not_begin_a_line(void **state) {
    static const char *const units[] = {"中文中文中文中文", "字", "。", "下一句"};
    glim_context *ctx = view_context();
    case_of c = {"line", UNITS(units), .scale = 1, .target = "x"};
    for (int width = 20; width <= 40; width++) {
        glim_document *d = document_of(ctx, &c, 5);
        glim_view_options o = {.width = width, .color = GLIM_COLOR_TRUE};
        size_t n;
        char *text = render(d, "terminal", &o, &n), *plain = malloc(n + 1);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            size_t m = without_colours(line, strcspn(line, "\n"), plain);
            assert_true(m < 3 || memcmp(plain, "。", 3));
        }
        free(plain);
        glim_view_free(ctx, text);
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

static void sizes_carry_no_sign(void **state) {
    glim_context *ctx = view_context();
    case_of c = {"sizes", UNITS(one_unit), .scale = 1, .target = "x"};
    glim_document *d = document_of(ctx, &c, 1);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        size_t n;
        d->method.is_signed = is_signed;
        char *text = render(d, "terminal", NULL, &n);
        contains(text, is_signed ? "\n +9\n" : "\n  9\n");
        contains(text, is_signed ? " +0.84  " : "  0.84  ");
        glim_view_free(ctx, text);
    }
    glim_document_free(d);
    glim_context_free(ctx);
}

static void shade_text(char out[64], const glim_shade *s) {
    snprintf(out, 64, "\x1b[38;2;%u;%u;%u;48;2;%u;%u;%um", s->text >> 16, s->text >> 8 & 255,
             s->text & 255, s->back >> 16, s->back >> 8 & 255, s->back & 255);
}

/* The light theme of the report: "--s0:#0060bb;". */
static void colours_are_those_of_the_report(void **state) {
    FILE *f = fopen(GLIM_TESTS "/../web/src/report.css", "rb");
    char css[4096] = "", name[16];
    assert_non_null(f);
    assert_true(fread(css, 1, sizeof css - 1, f) > 0);
    fclose(f);
    for (int i = 0; i < 2 * GLIM_STEPS + 1 + GLIM_AMOUNTS; i++) {
        bool is_signed = i <= 2 * GLIM_STEPS;
        int k = is_signed ? i : i - 2 * GLIM_STEPS;
        snprintf(name, sizeof name, "--%c%d:#", is_signed ? 's' : 'a', k);
        const char *at = strstr(css, name);
        assert_non_null(at);
        char digits[8] = "";
        size_t n = strspn(at + strlen(name), "0123456789abcdef");
        assert_true(n == 3 || n == 6);
        for (size_t d = 0; d < 6; d++)
            digits[d] = at[strlen(name) + (n == 3 ? d / 2 : d)];
        assert_int_equal(strtoul(digits, NULL, 16),
                         is_signed ? glim_shades[k].back : glim_amounts[k].back);
    }
}

/* Sizes in their own colours; what was produced in none, as in the report. */
static void sizes_and_produced_units_have_their_own_look(void **state) {
    glim_context *ctx = view_context();
    const case_of c = {"look", UNITS(plain_units), .scale = 1, .target = "x"};
    glim_view_options o = {.width = 80, .color = GLIM_COLOR_TRUE};
    char most[64], raising[64];
    size_t n;
    shade_text(most, &glim_amounts[GLIM_AMOUNTS]);
    shade_text(raising, &glim_shades[2 * GLIM_STEPS]);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        glim_document *d = document_of(ctx, &c, 1);
        d->method.is_signed = is_signed;
        char *text = render(d, "terminal", &o, &n);
        assert_int_equal(strstr(text, most) != NULL, !is_signed);
        assert_int_equal(strstr(text, raising) != NULL, is_signed);
        glim_view_free(ctx, text);
        glim_document_free(d);
    }
    const case_of rows = {"rows", UNITS(plain_units), .n_rows = 1, .scale = 1, .target = "x"};
    glim_document *d = document_of(ctx, &rows, 1);
    for (size_t u = 2; u < d->input.n_units; u++) {
        d->input.units[u].generated = true;
        d->scores[u] = 1000;
    }
    char *text = render(d, "terminal", &o, &n);
    contains(text, "\x1b[0m of France is\n");
    contains(text, " +0.99 logprob\n"); /* the scale is the input's */
    glim_view_free(ctx, text);
    glim_document_free(d);
    glim_context_free(ctx);
}

static void columns_are_those_of_terminals(void **state) {
    static const struct {
        const char *text;
        int columns;
    } texts[] = {{"abc", 3},
                 {"世界", 4},
                 {"e\xcc\x81", 1},
                 {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 2},
                 {"\xf0\x9f\x87\xab\xf0\x9f\x87\xb7", 2},
                 {"\xe2\x9d\xa4\xef\xb8\x8f", 2},
                 {"ﾊ", 1},
                 {"한국", 4},
                 {"", 0},
                 {"\xff", 1}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(glim__text_width(texts[i].text, strlen(texts[i].text), 1),
                         texts[i].columns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_document_fits_every_width_in_every_look),
        cmocka_unit_test(nothing_is_lost_without_colours),
        cmocka_unit_test(legends_name_the_targets_unit_only_where_scores_are_in_it),
        cmocka_unit_test(colours_set_text_and_background_and_lowering_is_underlined),
        cmocka_unit_test(many_units_fold_to_the_largest_and_the_rest_is_counted),
        cmocka_unit_test(missing_scores_and_hard_verdicts_are_said),
        cmocka_unit_test(punctuation_does_not_begin_a_line),
        cmocka_unit_test(sizes_carry_no_sign),
        cmocka_unit_test(colours_are_those_of_the_report),
        cmocka_unit_test(sizes_and_produced_units_have_their_own_look),
        cmocka_unit_test(columns_are_those_of_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
