/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of pictures, what it is rendered to, and text as it is measured. */
#include "drawing-testing.h"
#include "view-testing.h"

#include "file/image.h"
#include "view/render.h"

static const svg_font font = {44 / 3.0, false, false, false};

static glim_buffer closed(glim_context *ctx, svg *s, const svg_head *head) {
    glim_buffer out;
    glim_error err;
    glim__buffer_init(&out, ctx);
    if (svg_close(s, head, &out, &err))
        fail_msg("%s", err.message);
    return out;
}

static const svg_head page = {.width = 40,
                              .height = 20,
                              .lang = "en",
                              .title = "a < b",
                              .description = "\"quoted\"",
                              .source = "01234567",
                              .version = "0.0.0"};

static void text_and_numbers_are_written_so_that_nothing_ends_an_element(void **state) {
    glim_context *ctx = view_context();
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    svg_escape(&b, "<&>\"\x01\xff\n\xef\xbf\xbe", 10);
    assert_string_equal(b.data, "&lt;&amp;&gt;&quot;\xef\xbf\xbd\xef\xbf\xbd\n\xef\xbf\xbd");
    glim__buffer_clear(&b);
    const double numbers[] = {1.0, -0.001, 2.5, 3.14159, NAN, -12, 100};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        svg_number(&b, numbers[i]);
        glim__buffer_putc(&b, ' ');
    }
    assert_string_equal(b.data, "1 0 2.5 3.14 0 -12 100 ");
    glim__buffer_release(&b);
    glim_context_free(ctx);
}

static void a_picture_says_what_it_is_and_has_attributes_only(void **state) {
    glim_context *ctx = view_context();
    svg s;
    assert_true(svg_init(&s, ctx));
    svg_note(&s, "data-unit=\"%d\"", 3);
    svg_rect(&s, 1, 2, 3, -4, 0x0060bb, SVG_NONE);
    svg_text_turned(&s, 5, 6, -45, font, 0, SVG_END, "a</text>", 8);
    glim_buffer out = closed(ctx, &s, &page);
    assert_non_null(strstr(out.data, "viewBox=\"0 0 40 20\""));
    assert_non_null(strstr(out.data, "<title>a &lt; b</title>"));
    assert_non_null(strstr(out.data, "<desc>&quot;quoted&quot;</desc>"));
    assert_non_null(strstr(out.data, "<rect data-unit=\"3\" x=\"1\" y=\"2\" width=\"3\" "
                                     "height=\"0\" fill=\"#0060bb\"/>"));
    assert_non_null(strstr(out.data, "transform=\"translate(5 6) rotate(-45)\""));
    assert_non_null(strstr(out.data, ">a&lt;/text&gt;</text>"));
    assert_null(strstr(out.data, "style"));
    glim__buffer_release(&out);
    svg_release(&s);
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

/* Cells of a bitmap stay cells: what is drawn in their middle is their colour. */
static void pixels_are_repeated_and_not_smoothed(void **state) {
    static const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0};
    glim_context *ctx = view_context();
    glim_image *image = NULL;
    glim_buffer png;
    glim_error err;
    svg s;
    assert_true(svg_init(&s, ctx));
    svg_image(&s, 0, 0, 40, 20, rgb, 2, 2, 64);
    glim_buffer out = closed(ctx, &s, &page);
    glim__buffer_init(&png, ctx);
    if (glim__render_png(&png, &out, &page, 96, &err) ||
        glim__png_decode(&image, ctx, (const uint8_t *)png.data, png.len, "it", &err))
        fail_msg("%s", err.message);
    assert_int_equal(image->width, 40);
    assert_int_equal(image->height, 20);
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 40; x++)
            for (int c = 0; c < 3; c++)
                if (abs(x - 20) > 1 && abs(y - 10) > 1)
                    assert_int_equal(image->rgb[3 * (y * 40 + x) + c],
                                     rgb[3 * (y / 10 * 2 + x / 20) + c]);
    assert_non_null(memmem(png.data, png.len, "iTXtTitle", 9));
    assert_non_null(memmem(png.data, png.len, "01234567", 8));
    assert_non_null(memmem(png.data, png.len, "pHYs", 4));
    glim_image_free(image);
    glim__buffer_release(&png);
    glim__buffer_release(&out);
    svg_release(&s);
    glim_context_free(ctx);
}

static void a_picture_of_too_many_pixels_names_the_largest_dpi_that_fits(void **state) {
    glim_context *ctx = view_context();
    glim_buffer png;
    glim_error err;
    svg s;
    assert_true(svg_init(&s, ctx));
    glim_buffer out = closed(ctx, &s, &page);
    glim__buffer_init(&png, ctx);
    svg_head tall = page;
    tall.height = 12000;
    assert_int_equal(glim__render_png(&png, &out, &tall, 2000, &err), GLIM_ELIMIT);
    assert_non_null(strstr(err.message, "--dpi 131"));
    tall.height = 1e7;
    assert_int_equal(glim__render_png(&png, &out, &tall, 0, &err), GLIM_ELIMIT);
    assert_non_null(strstr(err.message, "--figure"));
    glim__buffer_release(&png);
    glim__buffer_release(&out);
    svg_release(&s);
    glim_context_free(ctx);
}

static void a_page_has_its_title_its_language_and_no_date(void **state) {
    glim_context *ctx = view_context();
    glim_buffer pdf[2];
    glim_error err;
    svg s;
    assert_true(svg_init(&s, ctx));
    svg_text(&s, 2, 15, font, 0, SVG_START, "chosen", 6);
    glim_buffer out = closed(ctx, &s, &page);
    for (int i = 0; i < 2; i++) {
        glim__buffer_init(&pdf[i], ctx);
        if (glim__render_pdf(&pdf[i], &out, &page, &err))
            fail_msg("%s", err.message);
        assert_memory_equal(pdf[i].data, "%PDF-", 5);
        assert_non_null(memmem(pdf[i].data, pdf[i].len, "/Lang (en)", 10));
        assert_null(memmem(pdf[i].data, pdf[i].len, "CreationDate", 12));
    }
    assert_int_equal(pdf[0].len, pdf[1].len);
    assert_memory_equal(pdf[0].data, pdf[1].data, pdf[0].len);
    for (int i = 0; i < 2; i++)
        glim__buffer_release(&pdf[i]);
    glim__buffer_release(&out);
    svg_release(&s);
    glim_context_free(ctx);
}

/* ---- text ---- */

static void lines_end_where_the_script_allows(void **state) {
    glim_context *ctx = view_context();
    svg_ruler *r = svg_ruler_new(ctx);
    const char *words = "one two three", *han = "法国的首都是巴黎", *one = "unbreakable";
    double two = svg_text_width(r, font, "one two", 7),
           three = svg_text_width(r, font, "法国的", 9);
    assert_int_equal(svg_text_line(r, font, two + 1, true, words, strlen(words)), 8);
    assert_int_equal(svg_text_line(r, font, three + 1, true, han, strlen(han)), 9);
    size_t cut = svg_text_line(r, font, 30, true, one, strlen(one));
    assert_true(cut > 0 && cut < strlen(one));
    assert_int_equal(svg_text_line(r, font, 30, false, one, strlen(one)), strlen(one));
    assert_int_equal(
        svg_text_line(r, font, 1, true, "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 11),
        11); /* one character, however narrow */
    svg_ruler_free(r);
    glim_context_free(ctx);
}

static void text_is_shortened_between_characters(void **state) {
    static const char *const all[] = {
        "a long name that does not fit", "法国的首都是一个很长的名字",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd7\xa2\xd7\x95\xd7\x9c\xd7\x9d "
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
        "e\xcc\x81"
        "e\xcc\x81"
        "e\xcc\x81"
        "e\xcc\x81"
        "e\xcc\x81"
        "e\xcc\x81"};
    glim_context *ctx = view_context();
    svg_ruler *r = svg_ruler_new(ctx);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t n = strlen(all[i]);
        double whole = svg_text_width(r, font, all[i], n);
        for (double share = 0.5; share <= 1; share += 0.1) {
            glim_buffer out;
            glim__buffer_init(&out, ctx);
            svg_text_fit(r, font, share * whole, all[i], n, &out);
            assert_int_equal(glim__utf8_check(out.data, out.len), out.len);
            assert_true(svg_text_width(r, font, out.data, out.len) <= share * whole + 1e-6);
            assert_true(!strstr(out.data, "\xe2\x80\xa6\xcc"));
            assert_true(strstr(out.data, "\xe2\x80\xa6"));
            glim__buffer_release(&out);
        }
    }
    svg_ruler_free(r);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_numbers_are_written_so_that_nothing_ends_an_element),
        cmocka_unit_test(a_picture_says_what_it_is_and_has_attributes_only),
        cmocka_unit_test(pixels_are_repeated_and_not_smoothed),
        cmocka_unit_test(a_picture_of_too_many_pixels_names_the_largest_dpi_that_fits),
        cmocka_unit_test(a_page_has_its_title_its_language_and_no_date),
        cmocka_unit_test(lines_end_where_the_script_allows),
        cmocka_unit_test(text_is_shortened_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
