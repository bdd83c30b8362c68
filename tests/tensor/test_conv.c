/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions against sums written out in double, in every kernel set, layout and type;
   bits that depend on neither threads nor the other images. */
#include "tensor-testing.h"

#include "tensor/conv.h"

struct shape {
    int h, w, in, out, kernel, stride;
    bool depthwise, same;
};

static const struct shape shapes[] = {
    {7, 5, 3, 8, 3, 2, false, true},     {8, 8, 3, 33, 3, 2, false, true},
    {9, 4, 5, 6, 3, 1, false, false},    {14, 13, 16, 96, 1, 1, false, true},
    {7, 7, 193, 130, 1, 1, false, true}, {5, 6, 24, 40, 1, 1, false, true},
    {8, 7, 20, 20, 3, 1, true, true},    {9, 9, 67, 67, 5, 2, true, true},
    {8, 8, 130, 130, 5, 2, true, true},  {6, 7, 5, 5, 3, 2, true, false},
    {5, 5, 4, 6, 7, 1, false, true},     {6, 6, 7, 9, 1, 2, false, true},
    {1, 1, 3, 5, 3, 1, false, true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, IMAGES = 3 };

/* One convolution with its weights in both orders. */
struct one {
    glim_conv c;
    float *pytorch, *in_first, *scale, *shift, *x, *y, *dy;
    size_t inputs, outputs; /* of one image */
};

static size_t taps_of(const glim_conv *c) {
    return (size_t)c->kernel * (size_t)c->kernel;
}

static void make(struct one *o, const struct shape *s, bool bounded) {
    o->c = (glim_conv){.in_c = s->in,
                       .out_c = s->out,
                       .kernel = s->kernel,
                       .stride = s->stride,
                       .depthwise = s->depthwise,
                       .low = bounded ? -0.3f : -INFINITY,
                       .high = bounded ? 0.4f : INFINITY};
    glim__conv_shape(&o->c, s->h, s->w, s->same);
    size_t in = (size_t)(s->depthwise ? 1 : s->in), out = (size_t)s->out, taps = taps_of(&o->c);
    o->inputs = (size_t)s->h * (size_t)s->w * (size_t)s->in;
    o->outputs = (size_t)o->c.out_h * (size_t)o->c.out_w * out;
    o->pytorch = random_floats(out * in * taps, 11);
    o->in_first = random_floats(out * in * taps, 12);
    for (size_t f = 0; f < out; f++)
        for (size_t i = 0; i < in; i++)
            for (size_t t = 0; t < taps; t++)
                o->in_first[(t * in + i) * out + f] = o->pytorch[(f * in + i) * taps + t];
    o->scale = random_floats(out, 13);
    o->shift = random_floats(out, 14);
    o->x = random_floats(IMAGES * o->inputs, 15);
    o->y = random_floats(IMAGES * o->outputs, 16);
    o->dy = random_floats(IMAGES * o->outputs, 17);
    o->c.w = o->pytorch;
    o->c.type = GLIM_TYPE_F32;
    o->c.scale = o->scale;
    o->c.shift = o->shift;
}

static void unmake(struct one *o) {
    float *all[] = {o->pytorch, o->in_first, o->scale, o->shift, o->x, o->y, o->dy};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* The weight of an input pixel's channel i for output channel f, or 0 outside the kernel. */
static double weight(const struct one *o, int ky, int kx, size_t i, size_t f) {
    const glim_conv *c = &o->c;
    size_t in = c->depthwise ? 1 : (size_t)c->in_c;
    if (c->depthwise && i != f)
        return 0;
    return o
        ->pytorch[(f * in + (c->depthwise ? 0 : i)) * taps_of(c) + (size_t)(ky * c->kernel + kx)];
}

/* Sum and sum of absolutes of one output element. */
static double exact(const struct one *o, int image, int oy, int ox, size_t f, double *size) {
    const glim_conv *c = &o->c;
    double sum = 0;
    *size = 0;
    for (int ky = 0; ky < c->kernel; ky++)
        for (int kx = 0; kx < c->kernel; kx++) {
            int iy = oy * c->stride + ky - c->pad_top, ix = ox * c->stride + kx - c->pad_left;
            for (size_t i = 0;
                 iy >= 0 && ix >= 0 && iy < c->in_h && ix < c->in_w && i < (size_t)c->in_c; i++) {
                double v =
                    weight(o, ky, kx, i, f) *
                    o->x[((size_t)((image * c->in_h + iy) * c->in_w + ix)) * (size_t)c->in_c + i];
                sum += v;
                *size += fabs(v);
            }
        }
    return sum;
}

static void run(glim_context *ctx, struct one *o, float *y, int64_t images) {
    glim_error err;
    if (glim__conv(ctx, &o->c, y, o->x, images, &err))
        fail_msg("%s", err.message);
}

static void check_forward(struct one *o, const struct shape *s) {
    const glim_conv *c = &o->c;
    size_t at = 0;
    for (int image = 0; image < IMAGES; image++)
        for (int oy = 0; oy < c->out_h; oy++)
            for (int ox = 0; ox < c->out_w; ox++)
                for (size_t f = 0; f < (size_t)c->out_c; f++, at++) {
                    double size, v = exact(o, image, oy, ox, f, &size);
                    v = v * o->scale[f] + o->shift[f];
                    v = v < c->low ? c->low : v > c->high ? c->high : v;
                    if (!(fabs(o->y[at] - v) < 3e-6 * (size + 1)))
                        fail_msg("%d to %d, kernel %d, at %zu: %.8g, expected %.8g", s->in, s->out,
                                 s->kernel, at, (double)o->y[at], v);
                }
}

static void sums_are_those_of_loops(void **state) {
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        for (int i = 0; i < 2 * SHAPES; i++) {
            struct one o;
            make(&o, &shapes[i / 2], i % 2);
            run(ctx, &o, o.y, IMAGES);
            check_forward(&o, &shapes[i / 2]);
            o.c.w = o.in_first;
            o.c.in_first = true;
            float *again = random_floats(IMAGES * o.outputs, 18);
            run(ctx, &o, again, IMAGES);
            assert_memory_equal(again, o.y, IMAGES * o.outputs * sizeof *again);
            free(again);
            unmake(&o);
        }
        glim_context_free(ctx);
    }
}

static void padding_is_tensorflows(void **state) {
    static const int cases[][5] = {/* in, kernel, stride, out, before */
                                   {224, 3, 2, 112, 0}, {225, 3, 2, 113, 1}, {112, 5, 2, 56, 1},
                                   {7, 5, 1, 7, 2},     {1, 3, 2, 1, 1},     {8, 1, 2, 4, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_conv c = {.kernel = cases[i][1], .stride = cases[i][2]};
        glim__conv_shape(&c, cases[i][0], cases[i][0], true);
        assert_int_equal(c.out_h, cases[i][3]);
        assert_int_equal(c.pad_top, cases[i][4]);
    }
    glim_conv half = {.kernel = 3, .stride = 2};
    glim__conv_shape(&half, 224, 7, false);
    assert_int_equal(half.out_h, 112);
    assert_int_equal(half.out_w, 4);
    assert_int_equal(half.pad_left, 1);
}

/* <conv x, dy> = <x, back dy> for a convolution without shift or bounds. */
static void gradients_are_the_transpose(void **state) {
    FOR_EACH_SET(k) {
        glim_context *ctx = make_context(k, 2);
        for (int i = 0; i < 2 * SHAPES; i++) {
            struct one o;
            glim_error err;
            make(&o, &shapes[i / 2], false);
            memset(o.shift, 0, (size_t)o.c.out_c * sizeof *o.shift);
            o.c.in_first = i % 2;
            o.c.w = i % 2 ? o.in_first : o.pytorch;
            size_t n = IMAGES * o.inputs, m = IMAGES * o.outputs;
            float *dx = random_floats(n, 19), *before = random_floats(n, 19);
            double left = 0, right = 0, size = 0;
            run(ctx, &o, o.y, IMAGES);
            for (size_t j = 0; j < m; j++) {
                left += (double)o.y[j] * o.dy[j];
                size += fabs((double)o.y[j] * o.dy[j]);
            }
            assert_int_equal(glim__conv_backward(ctx, &o.c, dx, o.dy, o.y, IMAGES, &err), 0);
            for (size_t j = 0; j < n; j++)
                right += ((double)dx[j] - before[j]) * o.x[j];
            if (!(fabs(left - right) < 2e-6 * (size + 1)))
                fail_msg("shape %d: %.9g and %.9g", i / 2, left, right);
            free(dx);
            free(before);
            unmake(&o);
        }
        glim_context_free(ctx);
    }
}

static void no_gradient_flows_where_a_bound_holds(void **state) {
    glim_context *ctx = make_context(glim__kernels_at(0), 1);
    struct one o;
    glim_error err;
    make(&o, &shapes[5], true);
    run(ctx, &o, o.y, 1);
    float *dy = random_floats(o.outputs, 17), *dx = random_floats(o.inputs, 1);
    size_t held = 0;
    assert_int_equal(glim__conv_backward(ctx, &o.c, dx, dy, o.y, 1, &err), 0);
    for (size_t i = 0; i < o.outputs; i++) {
        bool bound = o.y[i] == o.c.low || o.y[i] == o.c.high;
        held += bound;
        assert_true(dy[i] == (bound ? 0 : o.dy[i] * o.scale[i % (size_t)o.c.out_c]));
    }
    assert_true(held > o.outputs / 10 && held < o.outputs);
    free(dy);
    free(dx);
    unmake(&o);
    glim_context_free(ctx);
}

static void bits_depend_on_neither_threads_nor_other_images(void **state) {
    glim_context *one = make_context(glim__kernels_at(0), 1);
    glim_context *four = make_context(glim__kernels_at(0), 4);
    for (int i = 0; i < SHAPES; i++) {
        struct one o;
        glim_error err;
        make(&o, &shapes[i], true);
        size_t n = o.inputs, m = o.outputs;
        float *y = random_floats(IMAGES * m, 3), *d = random_floats(IMAGES * m, 17);
        float *a = random_floats(IMAGES * n, 4), *b = random_floats(IMAGES * n, 4);
        run(four, &o, o.y, IMAGES);
        run(one, &o, y, 1);
        assert_memory_equal(y, o.y, m * sizeof *y);
        run(one, &o, y, IMAGES);
        assert_memory_equal(y, o.y, IMAGES * m * sizeof *y);
        assert_int_equal(glim__conv_backward(four, &o.c, a, o.dy, o.y, IMAGES, &err), 0);
        assert_int_equal(glim__conv_backward(one, &o.c, b, d, o.y, 1, &err), 0);
        assert_memory_equal(a, b, n * sizeof *a);
        free(y);
        free(d);
        free(a);
        free(b);
        unmake(&o);
    }
    glim_context_free(one);
    glim_context_free(four);
}

/* BF16: the same bits as its values in F32. */
static void other_types_are_unpacked(void **state) {
    glim_context *ctx = make_context(glim__kernels_at(0), 2);
    for (int i = 0; i < SHAPES; i++) {
        struct one o;
        make(&o, &shapes[i], false);
        size_t n = (size_t)(o.c.depthwise ? 1 : o.c.in_c) * (size_t)o.c.out_c * taps_of(&o.c);
        uint16_t *half = malloc(n * sizeof *half + 2);
        for (size_t k = 0; k < n; k++) {
            uint32_t bits;
            memcpy(&bits, &o.pytorch[k], 4);
            half[k] = (uint16_t)(bits >> 16);
            bits = (uint32_t)half[k] << 16;
            memcpy(&o.pytorch[k], &bits, 4);
        }
        float *y = random_floats(o.outputs, 1);
        run(ctx, &o, o.y, 1);
        o.c.w = half;
        o.c.type = GLIM_TYPE_BF16;
        run(ctx, &o, y, 1);
        assert_memory_equal(y, o.y, o.outputs * sizeof *y);
        free(y);
        free(half);
        unmake(&o);
    }
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_loops),
        cmocka_unit_test(padding_is_tensorflows),
        cmocka_unit_test(gradients_are_the_transpose),
        cmocka_unit_test(no_gradient_flows_where_a_bound_holds),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_other_images),
        cmocka_unit_test(other_types_are_unpacked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
