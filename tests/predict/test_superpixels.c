/* SPDX-License-Identifier: Apache-2.0 */
/* Superpixels: parts that hang together, as many as were asked for, with the edges that
   scikit-image finds (scripts/record-superpixels.py), and something sensible for every
   picture however odd. */
#include "../base/base-testing.h"

#include "base/rng.h"
#include "file/safetensors.h"
#include "predict/patches.h"
#include "predict/superpixel.h"

#include <glim/glim.h>
#include <math.h>
#include <stdlib.h>

#define GOLDEN GLIM_TESTS "/golden/images/"

static glim_context *ctx;

struct cut {
    glim_image *image;
    uint32_t *label;
    size_t n;
};

static glim_image *blank(int width, int height) {
    glim_image *image;
    assert_int_equal(glim__image_new(&image, ctx, width, height, "it", NULL), GLIM_OK);
    memset(image->rgb, 90, (size_t)width * (size_t)height * 3);
    return image;
}

/* Takes the picture. segments 0: quickshift. */
static struct cut cut(glim_image *image, int segments) {
    struct cut c = {.image = image};
    glim_error err;
    c.label = malloc((size_t)image->width * (size_t)image->height * sizeof *c.label);
    if (segments ? glim__superpixel_slic(c.label, &c.n, image, segments, &err)
                 : glim__superpixel_quickshift(c.label, &c.n, image, &err))
        fail_msg("%s", err.message);
    return c;
}

static void end(struct cut *c) {
    glim_image_free(c->image);
    free(c->label);
}

/* Connected parts of the same label. */
static size_t parts(const struct cut *c) {
    int w = c->image->width, h = c->image->height;
    size_t n = (size_t)w * (size_t)h, found = 0;
    uint8_t *seen = calloc(n, 1);
    uint32_t *stack = malloc(n * sizeof *stack);
    for (size_t i = 0; i < n; i++) {
        size_t deep = 0;
        if (seen[i])
            continue;
        found++;
        stack[deep++] = (uint32_t)i;
        seen[i] = 1;
        while (deep) {
            int at = (int)stack[--deep], x = at % w, y = at / w;
            int next[4] = {x ? at - 1 : -1, x + 1 < w ? at + 1 : -1, y ? at - w : -1,
                           y + 1 < h ? at + w : -1};
            for (int k = 0; k < 4; k++)
                if (next[k] >= 0 && !seen[next[k]] && c->label[next[k]] == c->label[at]) {
                    seen[next[k]] = 1;
                    stack[deep++] = (uint32_t)next[k];
                }
        }
    }
    free(seen);
    free(stack);
    return found;
}

static bool is_edge(const uint32_t *label, int w, int h, int x, int y) {
    size_t at = (size_t)y * (size_t)w + (size_t)x;
    return (x + 1 < w && label[at] != label[at + 1]) ||
           (y + 1 < h && label[at] != label[at + (size_t)w]);
}

/* The share of the edges of `want` that `got` has, at most a pixel off. */
static double recall(const uint32_t *want, const uint32_t *got, int w, int h) {
    double edges = 0, met = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            bool near = false;
            if (!is_edge(want, w, h, x, y))
                continue;
            for (int v = y - 1; v <= y + 1; v++)
                for (int u = x - 1; u <= x + 1; u++)
                    near = near || (v >= 0 && v < h && u >= 0 && u < w && is_edge(got, w, h, u, v));
            edges++;
            met += near;
        }
    return met / edges;
}

/* Pixels of `got` outside the label of `want` that most of their part have. */
static double strays(const uint32_t *want, const struct cut *got, size_t pixels) {
    enum { MOST = 1024 };
    double kept = 0;
    for (size_t u = 0; u < got->n; u++) {
        size_t count[MOST] = {0}, most = 0;
        for (size_t i = 0; i < pixels; i++)
            if (got->label[i] == u && want[i] < MOST)
                most = ++count[want[i]] > most ? count[want[i]] : most;
        kept += (double)most;
    }
    return 1 - kept / (double)pixels;
}

static glim_image *recorded(glim_safetensors *st, const char *name) {
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    assert_non_null(t);
    glim_image *image = blank((int)t->dims[1], (int)t->dims[0]);
    memcpy(image->rgb, t->data, (size_t)(t->dims[0] * t->dims[1] * 3));
    return image;
}

static void edges_are_those_of_scikit_image(void **state) {
    static const char *const pictures[] = {"chelsea", "coffee"};
    static const int segments[] = {0, 30, 100};
    glim_safetensors *st;
    assert_int_equal(
        glim__safetensors_open(&st, ctx, GOLDEN "methods/superpixels.safetensors", NULL), 0);
    for (int k = 0; k < 6; k++) {
        const char *picture = pictures[k % 2];
        int n = segments[k / 2];
        char name[64];
        snprintf(name, sizeof name, n ? "%s.slic.%d" : "%s.quickshift", picture, n);
        struct cut c = cut(recorded(st, picture), n);
        size_t pixels = (size_t)c.image->width * (size_t)c.image->height;
        uint32_t *want = malloc(pixels * sizeof *want);
        memcpy(want, glim__safetensors_find(st, name)->data, pixels * sizeof *want);
        double found = recall(want, c.label, c.image->width, c.image->height);
        double off = strays(want, &c, pixels);
        print_message("%s: %zu parts, recall %.3f, strays %.3f\n", name, c.n, found, off);
        assert_true(found >= 0.9 && off <= 0.1);
        free(want);
        end(&c);
    }
    glim__safetensors_close(st);
}

/* Pixels of the smallest part but the first, which has no neighbour to go to. */
static size_t smallest(const struct cut *c) {
    size_t pixels = (size_t)c->image->width * (size_t)c->image->height, least = pixels;
    size_t *count = calloc(c->n, sizeof *count);
    for (size_t i = 0; i < pixels; i++)
        count[c->label[i]]++;
    for (size_t u = 1; u < c->n; u++)
        least = count[u] < least ? count[u] : least;
    free(count);
    return least;
}

/* Waves of several lengths with some noise. */
static glim_image *waves(int width, int height, uint64_t seed) {
    glim_image *image = blank(width, height);
    for (int i = 0; i < width * height; i++)
        for (int c = 0; c < 3; c++) {
            double x = i % width, y = (double)(i / width), v = 128;
            v += 40 * sin(x / 31 + y / 57 + c) + 30 * sin(y / 19 - x / 43 + 2 * c);
            image->rgb[3 * i + c] =
                (uint8_t)(v + 16 * glim__rng_uniform(seed, (uint64_t)c, (uint64_t)i));
        }
    return image;
}

static void slic_makes_connected_parts_about_as_many_as_asked(void **state) {
    static const int sizes[][2] = {{224, 224}, {320, 200}, {90, 300}}, asked[] = {25, 50, 100, 300};
    for (int k = 0; k < 12; k++) {
        int segments = asked[k / 3];
        struct cut c = cut(waves(sizes[k % 3][0], sizes[k % 3][1], (uint64_t)k), segments);
        if (!(fabs((double)c.n - segments) <= 0.2 * segments))
            fail_msg("%d x %d: %zu parts, not %d", sizes[k % 3][0], sizes[k % 3][1], c.n, segments);
        assert_int_equal(parts(&c), c.n);
        assert_true((double)smallest(&c) * segments > 0.35 * sizes[k % 3][0] * sizes[k % 3][1]);
        end(&c);
    }
}

/* 7 x 5 squares of 20 pixels. */
static void a_constant_picture_is_cut_into_a_grid(void **state) {
    struct cut c = cut(blank(140, 100), 35);
    assert_int_equal(c.n, 35);
    for (int i = 0; i < 140 * 100; i++)
        if (i % 140 % 20 > 1 && i / 140 % 20 > 1) /* but for a tie in the middle */
            assert_int_equal(c.label[i], i / 140 / 20 * 7 + i % 140 / 20);
    end(&c);
}

static void labels_are_numbered_as_they_are_met_and_always_the_same(void **state) {
    glim_safetensors *st;
    assert_int_equal(
        glim__safetensors_open(&st, ctx, GOLDEN "methods/superpixels.safetensors", NULL), 0);
    for (int segments = 0; segments <= 50; segments += 50) {
        struct cut a = cut(recorded(st, "chelsea"), segments);
        struct cut b = cut(recorded(st, "chelsea"), segments);
        size_t pixels = (size_t)a.image->width * (size_t)a.image->height, next = 0;
        assert_memory_equal(a.label, b.label, pixels * sizeof *a.label);
        for (size_t i = 0; i < pixels; i++) {
            assert_true(a.label[i] <= next);
            next += a.label[i] == next;
        }
        assert_int_equal(next, a.n);
        end(&a);
        end(&b);
    }
    glim__safetensors_close(st);
}

static void odd_pictures_are_cut_too(void **state) {
    static const int sizes[][2] = {{1, 1}, {1, 40}, {40, 1}, {2, 2}, {3, 200}, {300, 2}, {5, 5}};
    static const int segments[] = {0, 1, 2, 10, 1000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t i = 0; i < 5; i++) {
            glim_image *image = blank(sizes[k][0], sizes[k][1]);
            size_t pixels = (size_t)sizes[k][0] * (size_t)sizes[k][1];
            for (size_t b = 0; b < 3 * pixels; b++)
                image->rgb[b] = (uint8_t)(b * b * 31 % 251);
            struct cut c = cut(image, segments[i]);
            assert_true(c.n >= 1 && c.n <= pixels);
            if (segments[i] == 1000 && pixels <= 40)
                assert_int_equal(c.n, pixels);
            if (segments[i])
                assert_int_equal(parts(&c), c.n);
            end(&c);
        }
}

/* Grey, with transparency, of sixteen bits: whatever is read can be cut. */
static void pictures_of_every_kind_are_cut(void **state) {
    static const char *const names[] = {"grey.png",    "alpha.png", "deep.png",
                                        "palette.png", "bits.png",  "small.jpg"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        for (int segments = 0; segments <= 12; segments += 12) {
            char path[256];
            glim_image *image;
            glim_error err;
            snprintf(path, sizeof path, GOLDEN "pictures/%s", names[k]);
            if (glim_image_read(&image, ctx, path, &err))
                fail_msg("%s", err.message);
            struct cut c = cut(image, segments);
            assert_true(c.n >= 1);
            end(&c);
        }
}

/* Units hold every pixel once, boxes fit them tightly, painting goes where they are. */
static void units_are_the_labels_sorted(void **state) {
    glim_safetensors *st;
    glim_patches p;
    assert_int_equal(
        glim__safetensors_open(&st, ctx, GOLDEN "methods/superpixels.safetensors", NULL), 0);
    struct cut c = cut(recorded(st, "coffee"), 30);
    assert_int_equal(glim__patches_cut(&p, c.image,
                                       &(glim_image_options){.superpixels = "slic", .segments = 30},
                                       1, NULL),
                     GLIM_OK);
    assert_int_equal(p.units.count, c.n);
    size_t t = 0, pixels = 80 * 80;
    uint8_t *keep = malloc(c.n), *out = malloc(pixels * 3), *from = malloc(pixels * 3);
    memset(from, 255, pixels * 3);
    memset(out, 0, pixels * 3);
    for (size_t u = 0; u < c.n; u++) {
        int low[2] = {80, 80}, high[2] = {0, 0};
        keep[u] = u % 3 != 0;
        assert_int_equal(p.units.at[u].first, t);
        for (size_t i = 0; i < p.units.at[u].count; i++, t++) {
            int at[2] = {(int)(p.place[t] % 80), (int)(p.place[t] / 80)};
            assert_int_equal(c.label[p.place[t]], u);
            for (int k = 0; k < 2; k++) {
                low[k] = at[k] < low[k] ? at[k] : low[k];
                high[k] = at[k] > high[k] ? at[k] : high[k];
            }
        }
        for (int k = 0; k < 2; k++) {
            assert_int_equal(p.box[u][k], low[k]);
            assert_int_equal(p.box[u][2 + k], high[k] - low[k] + 1);
        }
    }
    assert_int_equal(t, pixels);
    glim__patches_paint(&p, keep, 3, from, out);
    for (size_t i = 0; i < 3 * pixels; i++)
        assert_int_equal(out[i], c.label[i / 3] % 3 ? 0 : 255);
    free(keep);
    free(out);
    free(from);
    glim__patches_release(&p, ctx);
    end(&c);
    glim__safetensors_close(st);
}

static void wrong_cuts_are_refused(void **state) {
    static const struct {
        glim_image_options o;
        const char *words;
    } cases[] = {
        {{.superpixels = "felzenszwalb"}, "not one of grid"},
        {{.superpixels = "slic", .patch = 8}, "--patch"},
        {{.superpixels = "quickshift", .segments = 8}, "finds its own"},
        {{.segments = 8}, "squares"},
        {{.superpixels = "slic", .segments = -1}, "too few"},
    };
    glim_image *image = blank(20, 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_patches p;
        glim_error err = {0};
        assert_int_equal(glim__patches_cut(&p, image, &cases[i].o, 4, &err), GLIM_EUSAGE);
        if (!strstr(err.message, cases[i].words))
            fail_msg("'%s' does not say %s", err.message, cases[i].words);
        glim__patches_release(&p, ctx);
    }
    glim_image_free(image);
}

static void a_cancelled_cut_ends_early(void **state) {
    glim_image *image = blank(50, 50);
    uint32_t *label = malloc(2500 * sizeof *label);
    size_t n;
    glim_context_cancel(ctx);
    assert_int_equal(glim__superpixel_slic(label, &n, image, 10, NULL), GLIM_ECANCELLED);
    assert_int_equal(glim__superpixel_quickshift(label, &n, image, NULL), GLIM_ECANCELLED);
    glim_context_reset(ctx);
    free(label);
    glim_image_free(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_those_of_scikit_image),
        cmocka_unit_test(slic_makes_connected_parts_about_as_many_as_asked),
        cmocka_unit_test(a_constant_picture_is_cut_into_a_grid),
        cmocka_unit_test(labels_are_numbered_as_they_are_met_and_always_the_same),
        cmocka_unit_test(odd_pictures_are_cut_too),
        cmocka_unit_test(pictures_of_every_kind_are_cut),
        cmocka_unit_test(units_are_the_labels_sorted),
        cmocka_unit_test(wrong_cuts_are_refused),
        cmocka_unit_test(a_cancelled_cut_ends_early),
    };
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
