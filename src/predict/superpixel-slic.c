/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SLIC (Achanta et al. 2012): k-means of pixels by place and colour, each centre looking
 * only around itself. A pixel's distance from a centre is
 *
 *   D^2 = |lab - lab'|^2 / m^2 + |xy - xy'|^2 / S^2
 *
 * with S the spacing of the first centres, a regular grid, and m = 10. Definition and
 * defaults are those of scikit-image 0.26: bytes stretched to the full range, CIELAB,
 * ten rounds of which the first looks at places alone, no moving of centres to a low
 * gradient; afterwards parts are connected ones of at most 3 and at least 1/2
 * of the mean size. Single precision: a tie may fall otherwise than there.
 */
#include "base/context.h"
#include "predict/superpixel.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10, COMPACTNESS = 10 };

struct slic {
    glim_context *ctx;
    int width, height, step; /* step: the larger one */
    const float *lab;        /* (H W, 3), over m */
    float *nearest;          /* (H W) D^2 to the centre of the label */
    uint32_t *label;
    size_t K;
    double *centre, *sum; /* (K, 5) y x l a b; (K, 6) with the number of pixels */
};

/* ---- the grid ---- */

struct axis {
    int start, step, n;
};

static void put_axis(struct axis *a, int length, double step) {
    a->start = (int)floor(floor(step) / 2);
    a->step = (int)nearbyint(step);
    a->step = a->step < 1 ? 1 : a->step;
    a->n = (length - a->start + a->step - 1) / a->step;
}

/* Even steps along both sides, or along the longer one alone when the other is shorter
   than a step; a centre a pixel when there are no more pixels than segments. */
static void find_grid(int height, int width, int segments, struct axis *y, struct axis *x) {
    double area = (double)height * width, step = sqrt(area / segments);
    double shorter = height < width ? height : width;
    if (area <= segments)
        step = 1;
    if (step <= shorter) {
        put_axis(y, height, step);
        put_axis(x, width, step);
        return;
    }
    double longer = area / shorter / segments;
    put_axis(y, height, height < width ? shorter : longer);
    put_axis(x, width, height < width ? longer : shorter);
}

static void place_centres(struct slic *s, const struct axis *y, const struct axis *x) {
    for (int i = 0; i < y->n; i++)
        for (int k = 0; k < x->n; k++) {
            double *c = s->centre + 5 * ((size_t)i * (size_t)x->n + (size_t)k);
            c[0] = y->start + i * y->step;
            c[1] = x->start + k * x->step;
        }
}

/* ---- k-means ---- */

/* Pixels around centre k that are nearer to it than to any so far. */
static void gather(struct slic *s, size_t k) {
    const double *c = s->centre + 5 * k;
    float l = (float)c[2], a = (float)c[3], b = (float)c[4];
    float near = (float)(1.0 / ((double)s->step * s->step));
    int top = (int)fmax(c[0] - 2 * s->step, 0), left = (int)fmax(c[1] - 2 * s->step, 0);
    int bottom = (int)fmin(c[0] + 2 * s->step + 1, s->height);
    int right = (int)fmin(c[1] + 2 * s->step + 1, s->width);
    for (int y = top; y < bottom; y++) {
        size_t at = (size_t)y * (size_t)s->width;
        float dy = (float)(y - c[0]), row = dy * dy * near;
        for (int x = left; x < right; x++) {
            const float *p = s->lab + 3 * (at + (size_t)x);
            float dx = (float)(x - c[1]), d = row + dx * dx * near;
            d += (p[0] - l) * (p[0] - l) + (p[1] - a) * (p[1] - a) + (p[2] - b) * (p[2] - b);
            if (d < s->nearest[at + (size_t)x]) {
                s->nearest[at + (size_t)x] = d;
                s->label[at + (size_t)x] = (uint32_t)k;
            }
        }
    }
}

/* Centres go to the means of their pixels; one without any stays. */
static void move_centres(struct slic *s) {
    memset(s->sum, 0, s->K * 6 * sizeof *s->sum);
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            size_t at = (size_t)y * (size_t)s->width + (size_t)x;
            double *t = s->sum + 6 * (size_t)s->label[at];
            t[0] += y;
            t[1] += x;
            for (int k = 0; k < 3; k++)
                t[2 + k] += s->lab[3 * at + (size_t)k];
            t[5]++;
        }
    for (size_t k = 0; k < s->K; k++)
        for (size_t i = 0; i < 5 && s->sum[6 * k + 5] > 0; i++)
            s->centre[5 * k + i] = s->sum[6 * k + i] / s->sum[6 * k + 5];
}

static glim_status cluster(struct slic *s, glim_error *err) {
    size_t n = (size_t)s->width * (size_t)s->height;
    memset(s->label, 0xff, n * sizeof *s->label);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < n; i++)
            s->nearest[i] = INFINITY;
        for (size_t k = 0; k < s->K; k++)
            gather(s, k);
        for (size_t i = 0; i < n; i++) /* far from every centre, after all of them moved away */
            s->label[i] = s->label[i] < s->K ? s->label[i] : 0;
        glim_status status = glim__check_cancel(s->ctx, err);
        if (status)
            return status;
        if (round + 1 < ROUNDS)
            move_centres(s);
    }
    return GLIM_OK;
}

/* ---- connected parts ---- */

struct flood {
    const uint32_t *label;
    uint32_t *part, *queue;
    int width, height;
    uint32_t now, beside; /* the part that grows; one that touches it, or UINT32_MAX */
    size_t n, most;
};

static void touch(struct flood *f, size_t from, size_t to) {
    if (f->part[to] == UINT32_MAX && f->label[to] == f->label[from] && f->n < f->most) {
        f->part[to] = f->now;
        f->queue[f->n++] = (uint32_t)to;
    } else if (f->part[to] != UINT32_MAX && f->part[to] != f->now) {
        f->beside = f->part[to];
    }
}

/* All pixels of a label that hang together with pixel `at`, up to `most`. */
static void grow(struct flood *f, size_t at) {
    size_t w = (size_t)f->width;
    f->beside = UINT32_MAX;
    f->part[at] = f->now;
    f->queue[0] = (uint32_t)at;
    f->n = 1;
    for (size_t i = 0; i < f->n && f->n < f->most; i++) {
        size_t from = f->queue[i], x = from % w;
        if (x + 1 < w)
            touch(f, from, from + 1);
        if (x)
            touch(f, from, from - 1);
        if (from / w + 1 < (size_t)f->height)
            touch(f, from, from + w);
        if (from >= w)
            touch(f, from, from - w);
    }
}

/* Parts too small go to a neighbour's; returns how many are left. */
static size_t connect(struct slic *s, uint32_t *part, uint32_t *queue) {
    size_t pixels = (size_t)s->width * (size_t)s->height;
    double mean = (double)pixels / (double)s->K;
    size_t least = (size_t)(0.5 * mean);
    struct flood f = {s->label, part, queue, s->width, s->height, 0, 0, 0, (size_t)(3 * mean)};
    memset(part, 0xff, pixels * sizeof *part);
    for (size_t i = 0; i < pixels; i++) {
        if (part[i] != UINT32_MAX)
            continue;
        grow(&f, i);
        bool small = f.n < least && f.beside != UINT32_MAX;
        for (size_t k = 0; k < f.n && small; k++)
            part[queue[k]] = f.beside;
        f.now += !small;
    }
    return f.now;
}

glim_status glim__superpixel_slic(uint32_t *label, size_t *n, const glim_image *image, int segments,
                                  glim_error *err) {
    glim_context *ctx = image->ctx;
    size_t pixels = (size_t)image->width * (size_t)image->height;
    struct axis y, x;
    find_grid(image->height, image->width, segments, &y, &x);
    struct slic s = {.ctx = ctx, .width = image->width, .height = image->height, .label = label};
    s.K = (size_t)y.n * (size_t)x.n;
    s.step = y.step > x.step ? y.step : x.step;
    float *lab = glim__calloc(ctx, pixels, 4 * sizeof *lab);
    s.centre = glim__calloc(ctx, s.K, 11 * sizeof *s.centre);
    glim_status status =
        lab && s.centre ? GLIM_OK : glim__oom(ctx, err, "superpixels", pixels * 4 * sizeof *lab);
    if (!status) {
        s.lab = lab;
        s.nearest = lab + 3 * pixels;
        s.sum = s.centre + 5 * s.K;
        glim__superpixel_lab(lab, image, true, 1.0 / COMPACTNESS);
        place_centres(&s, &y, &x);
        status = cluster(&s, err);
    }
    if (!status) { /* the colours are done with: their room takes parts and the queue */
        uint32_t *part = (uint32_t *)(void *)lab;
        *n = connect(&s, part, part + pixels);
        memcpy(label, part, pixels * sizeof *label);
        *n = glim__superpixel_number(label, pixels, part, *n);
    }
    glim__free(ctx, lab);
    glim__free(ctx, s.centre);
    return status;
}
