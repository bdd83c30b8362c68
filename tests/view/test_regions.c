/* SPDX-License-Identifier: Apache-2.0 */
/* Units of a picture as shapes: outlines go around parts and holes, the strongest are found,
   and both views show what is left of the picture. */
#include "../base/base-testing.h"

#include "view/views.h"

#include <glim/document.h>
#include <math.h>
#include <stdlib.h>

static glim_context *ctx;

/* A picture whose units are drawn in digits, row after row. */
static glim_document *drawn(const char *digits, int width, int height, size_t units) {
    glim_document *d;
    size_t n = (size_t)width * (size_t)height;
    assert_int_equal(glim_document_new(&d, ctx, NULL), GLIM_OK);
    uint32_t *label = glim_document_alloc(d, n * sizeof *label);
    uint8_t *rgb = glim_document_alloc(d, n * 3);
    memset(rgb, 120, n * 3);
    d->kind = "attribution";
    d->input.text = "";
    d->input.unit = "superpixel";
    d->input.units = glim_document_alloc(d, units * sizeof *d->input.units);
    d->input.n_units = units;
    d->input.image.width = width;
    d->input.image.height = height;
    d->input.image.rgb = rgb;
    d->input.image.label = label;
    for (size_t i = 0; i < n; i++)
        label[i] = (uint32_t)(digits[i] - '0');
    for (size_t u = 0; u < units; u++) {
        glim_document_unit *unit = &d->input.units[u];
        int low[2] = {width, height}, high[2] = {-1, -1};
        *unit = (glim_document_unit){.text = "it", .text_len = 2, .turn = -1};
        for (int i = 0; i < (int)n; i++)
            if (label[i] == u) {
                int at[2] = {i % width, i / width};
                for (int k = 0; k < 2; k++) {
                    low[k] = at[k] < low[k] ? at[k] : low[k];
                    high[k] = at[k] > high[k] ? at[k] : high[k];
                }
                unit->count++;
            }
        unit->x = low[0];
        unit->y = low[1];
        unit->width = high[0] - low[0] + 1;
        unit->height = high[1] - low[1] + 1;
    }
    d->target.kind = "class";
    d->target.output = "prob";
    d->target.text = "cat";
    d->target.text_len = 3;
    d->target.value = 0.5;
    d->target.prob = 0.5;
    d->target.baseline_value = 0;
    d->method.name = d->method.summary = d->method.cite = "lime";
    d->method.params = "{}";
    d->method.is_signed = true;
    d->n_rows = 1;
    d->scores = glim_document_alloc(d, units * sizeof *d->scores);
    memset(d->scores, 0, units * sizeof *d->scores);
    return d;
}

static void outlines_go_around_parts_and_holes(void **state) {
    static const struct {
        const char *digits;
        int width, height;
        const char *of_0;
    } cases[] = {
        {"0", 1, 1, "M0 0h1v1h-1z"},
        {"001011", 3, 2, "M0 0h2v1h-1v1h-1z"},
        {"000010000", 3, 3, "M0 0h3v3h-3zM1 2h1v-1h-1z"}, /* against the clock around a hole */
        {"0110", 2, 2, "M0 0h1v1h-1zM1 1h1v1h-1z"},       /* corners do not connect */
        {"10101", 5, 1, "M1 0h1v1h-1zM3 0h1v1h-1z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_document *d = drawn(cases[i].digits, cases[i].width, cases[i].height, 2);
        uint8_t seen[9] = {0};
        glim_buffer b;
        glim__buffer_init(&b, ctx);
        glim__regions_outline(&b, d, 0, seen);
        char text[200] = "";
        memcpy(text, b.data, b.len);
        if (strcmp(text, cases[i].of_0) != 0)
            fail_msg("%s: %s", cases[i].digits, text);
        glim__buffer_release(&b);
        glim_document_free(d);
    }
}

/* What the loops enclose is as large as the unit: shoelaces, holes turn the other way. */
static void outlines_enclose_the_unit(void **state) {
    enum { W = 23, H = 17 };
    char digits[W * H];
    uint32_t dice = 7;
    for (int i = 0; i < W * H; i++) {
        dice = dice * 1664525 + 1013904223;
        digits[i] = (char)('0' + (dice >> 28) % 3);
    }
    glim_document *d = drawn(digits, W, H, 3);
    for (size_t u = 0; u < 3; u++) {
        uint8_t seen[W * H] = {0};
        glim_buffer b;
        long twice = 0, x = 0, y = 0, from_x = 0, from_y = 0;
        glim__buffer_init(&b, ctx);
        glim__regions_outline(&b, d, u, seen);
        glim__buffer_putc(&b, '\0');
        for (char *at = b.data; *at;) {
            char what = *at++;
            if (what == 'M') {
                from_x = x = strtol(at, &at, 10);
                from_y = y = strtol(at, &at, 10);
            } else if (what == 'h') {
                long step = strtol(at, &at, 10);
                twice -= step * y;
                x += step;
            } else if (what == 'v') {
                long step = strtol(at, &at, 10);
                twice += step * x;
                y += step;
            } else {
                twice += (from_y - y) * x - (from_x - x) * y;
            }
        }
        assert_int_equal(twice / 2, d->input.units[u].count);
        glim__buffer_release(&b);
    }
    glim_document_free(d);
}

static void the_strongest_of_a_sign_come_first(void **state) {
    glim_document *d = drawn("012344", 6, 1, 5);
    double scores[] = {0.2, -0.7, NAN, 0.9, 0};
    size_t units[5];
    assert_int_equal(glim__regions_top(d, scores, 1, 5, units), 2);
    assert_true(units[0] == 3 && units[1] == 0);
    assert_int_equal(glim__regions_top(d, scores, 1, 1, units), 1);
    assert_int_equal(units[0], 3);
    assert_int_equal(glim__regions_top(d, scores, -1, 5, units), 1);
    assert_int_equal(units[0], 1);
    units[1] = 4;
    assert_true(fabs(glim__regions_share(d, units, 2) - 0.5) < 1e-12);
    glim_document_free(d);
}

static char *render(const glim_document *d, const char *view, const glim_view_options *o) {
    char *text = NULL;
    size_t n;
    glim_error err = {0};
    if (glim_view_render(glim_view_find(view), d, o, &text, &n, &err))
        fail_msg("%s", err.message);
    return text;
}

static void views_show_superpixels_and_what_is_kept(void **state) {
    glim_document *d = drawn("0011001122332233", 4, 4, 4);
    d->scores[0] = 0.5;
    d->scores[3] = -0.25;
    char *text = render(d, "terminal", &(glim_view_options){.width = 20, .ascii = true});
    if (!strstr(text, "\n+9 +9 +9  .  .  .\n") || !strstr(text, "\n .  .  . -5 -5 -5\n") ||
        !strstr(text, "1 superpixel, 25 %"))
        fail_msg("%s", text);
    glim_view_free(ctx, text);
    text = render(d, "terminal", &(glim_view_options){.width = 60, .color = GLIM_COLOR_TRUE});
    assert_non_null(strstr(text, "\x1b[38;2;120;120;120m\x1b[48;2;120;120;120m\xe2\x96\x80"));
    assert_non_null(strstr(text, "\x1b[38;2;126;126;126m\x1b[48;2;126;126;126m\xe2\x96\x80"));
    glim_view_free(ctx, text);
    text = render(d, "html", NULL);
    static const char *const wanted[] = {
        "<path class=\"u s10\" data-u=\"0\" d=\"M0 0h2v2h-2z\"",
        "<clipPath id=\"glim-for-clip\"><path d=\"M0 0h2v2h-2z\"/>",
        "<clipPath id=\"glim-against-clip\"><path d=\"M2 2h2v2h-2z\"/>", "25.0"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(text, wanted[i]))
            fail_msg("no %s", wanted[i]);
    glim_view_free(ctx, text);
    d->method.is_signed = false;
    d->scores[3] = 0;
    text = render(d, "html", NULL);
    assert_null(strstr(text, "glim-against-clip"));
    glim_view_free(ctx, text);
    glim_document_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlines_go_around_parts_and_holes),
        cmocka_unit_test(outlines_enclose_the_unit),
        cmocka_unit_test(the_strongest_of_a_sign_come_first),
        cmocka_unit_test(views_show_superpixels_and_what_is_kept),
    };
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
