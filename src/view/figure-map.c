/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map of many points: equal scales on both axes, groups by colour and mark with their names
 * where their middles are, in an order that hides no group behind another, and the facts that
 * say how far to trust the picture. More points than are shapes become a bitmap.
 */
#include "base/rising.h"
#include "file/base64.h"
#include "view/figure-json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPES = 20000, GROUPS = 12, SIDE = 1024 };

struct map {
    double *xy;     /* (n, 2) */
    int32_t *group; /* [n] rank of the group by size; -1: none; GROUPS: the others */
    double *number; /* [n] or NULL: coloured by a number */
    size_t n, groups;
    size_t *name; /* [groups shown] index into the names */
    const json_t *names;
    size_t *counts; /* by rank; [GROUPS] of the others */
    double low, high;
};

/* ---- reading ---- */

static bool unpack(glim_context *ctx, const json_t *packed, struct map *m) {
    const char *data = figure_text(packed, "data");
    size_t n = m->n * 2 * sizeof(float), len = strlen(data);
    float *x = glim__alloc(ctx, n + 4); /* the last letters may spell more */
    bool ok = x && !strcmp(figure_text(packed, "dtype"), "<f4") && len == (n + 2) / 3 * 4 &&
              glim__base64(data, len, (char *)x) == n;
    for (size_t i = 0; i < 2 * m->n && ok; i++)
        m->xy[i] = (double)x[i];
    glim__free(ctx, x);
    return ok;
}

static bool read_places(glim_context *ctx, const json_t *all, struct map *m) {
    const json_t *xy = figure_get(all, "xy");
    const json_t *shape = figure_get(xy, "shape");
    m->n = json_is_array(xy) ? json_array_size(xy)
                             : (size_t)json_integer_value(json_array_get(shape, 0));
    if (m->n > (size_t)1 << 24)
        return false;
    m->xy = glim__calloc(ctx, 2 * m->n + 1, sizeof *m->xy);
    m->group = glim__calloc(ctx, m->n + 1, sizeof *m->group);
    m->name = glim__calloc(ctx, GROUPS + 1, sizeof *m->name);
    m->counts = glim__calloc(ctx, GROUPS + 1, sizeof *m->counts);
    if (!m->xy || !m->group || !m->name || !m->counts)
        return false;
    for (size_t i = 0; json_is_array(xy) && i < m->n; i++) {
        m->xy[2 * i] = figure_real_at(json_array_get(xy, i), 0);
        m->xy[2 * i + 1] = figure_real_at(json_array_get(xy, i), 1);
    }
    return json_is_array(xy) || unpack(ctx, xy, m);
}

/* The largest groups by themselves, the others as one. */
static bool rank(glim_context *ctx, struct map *m, const json_t *of) {
    size_t all = json_array_size(m->names);
    size_t *sizes = glim__calloc(ctx, all + 1, sizeof *sizes);
    int32_t *ranks = glim__calloc(ctx, all + 1, sizeof *ranks);
    for (size_t i = 0; i < m->n && sizes; i++) {
        const json_t *k = json_array_get(of, i);
        if (json_is_integer(k) && (size_t)json_integer_value(k) < all)
            sizes[json_integer_value(k)]++;
    }
    for (size_t i = 0; i < all && ranks; i++)
        ranks[i] = GROUPS;
    while (sizes && ranks && m->groups < GROUPS) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < all; i++)
            if (ranks[i] == GROUPS && sizes[i] && (best == SIZE_MAX || sizes[i] > sizes[best]))
                best = i;
        if (best == SIZE_MAX)
            break;
        ranks[best] = (int32_t)m->groups;
        m->name[m->groups++] = best;
    }
    for (size_t i = 0; i < m->n && sizes && ranks; i++) {
        const json_t *k = json_array_get(of, i);
        bool known = json_is_integer(k) && (size_t)json_integer_value(k) < all;
        m->group[i] = known ? ranks[json_integer_value(k)] : -1;
        m->counts[known ? m->group[i] : GROUPS] += known;
    }
    bool ok = sizes && ranks;
    glim__free(ctx, sizes);
    glim__free(ctx, ranks);
    return ok;
}

/* What points are coloured by: what was asked for, else the labels. */
static bool read_colours(glim_context *ctx, const json_t *all, struct map *m) {
    const json_t *labels = figure_get(all, "labels"), *colors = figure_get(all, "colors");
    const char *by = figure_text(all, "color_by");
    const json_t *values = figure_get(labels, "of");
    m->names = figure_get(labels, "names");
    for (size_t i = 0; i < json_array_size(colors); i++) {
        const json_t *c = json_array_get(colors, i);
        if (strcmp(figure_text(c, "name"), by) != 0 || !*by)
            continue;
        values = figure_get(c, "values");
        m->names = figure_get(c, "names");
        if (strcmp(figure_text(c, "kind"), "number") != 0)
            break;
        m->number = glim__calloc(ctx, m->n + 1, sizeof *m->number);
        m->low = INFINITY;
        m->high = -INFINITY;
        for (size_t k = 0; k < m->n && m->number; k++) {
            double x = m->number[k] = figure_real_at(values, k);
            m->low = isfinite(x) ? fmin(m->low, x) : m->low;
            m->high = isfinite(x) ? fmax(m->high, x) : m->high;
        }
        return m->number;
    }
    if (json_array_size(m->names))
        return rank(ctx, m, values);
    return true;
}

/* ---- points ---- */

static void frame(const struct map *m, sheet_plot *p) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < 2 * m->n; i++)
        if (isfinite(m->xy[i])) {
            low[i % 2] = fmin(low[i % 2], m->xy[i]);
            high[i % 2] = fmax(high[i % 2], m->xy[i]);
        }
    double span = fmax(high[0] - low[0], high[1] - low[1]) * 1.06;
    span = span > 0 && isfinite(span) ? span : 1;
    double x = isfinite(low[0]) ? (low[0] + high[0]) / 2 : 0;
    double y = isfinite(low[1]) ? (low[1] + high[1]) / 2 : 0;
    p->x0 = x - span / 2;
    p->x1 = x + span / 2;
    p->y0 = y - span / 2;
    p->y1 = y + span / 2;
}

static uint32_t colour_of(const struct map *m, size_t i) {
    if (m->number) {
        double x = m->number[i], range = m->high - m->low;
        return isfinite(x)
                   ? sheet_shade(false, glim__amount(x - m->low + range / 8, range * 9 / 8))->back
                   : SHEET_RULE;
    }
    if (!m->groups)
        return SHEET_AMOUNT;
    return m->group[i] < 0 || m->group[i] == GROUPS ? 0xb4b4b4
                                                    : sheet_category((size_t)m->group[i]);
}

static void put_shapes(sheet *t, const struct map *m, const sheet_plot *p) {
    double r = m->n > 5000 ? 1.6 : m->n > 1000 ? 2.2 : 3;
    size_t stride = 1;
    for (size_t s = 7919; s && m->n > 1; s--) /* a step with no common divisor: a fixed shuffle */
        if (m->n % s != 0 || s == 1) {
            size_t a = m->n, b = s;
            while (b) {
                size_t c = a % b;
                a = b;
                b = c;
            }
            if (a == 1) {
                stride = s;
                break;
            }
        }
    for (size_t k = 0, i = 0; k < m->n; k++, i = (i + stride) % m->n) {
        double x = m->xy[2 * i], y = m->xy[2 * i + 1];
        if (!isfinite(x) || !isfinite(y))
            continue;
        x = sheet_plot_x(p, x);
        y = sheet_plot_y(p, y);
        svg_note(&t->s, "data-point=\"%zu\"", i);
        if (m->groups && m->group[i] >= 0 && m->group[i] < GROUPS)
            sheet_point(t, (size_t)m->group[i], x, y, r);
        else
            svg_circle(&t->s, x, y, r, colour_of(m, i), SVG_NONE);
    }
}

static void put_bitmap(sheet *t, const struct map *m, const sheet_plot *p) {
    uint8_t *rgb = glim__alloc(t->s.body.ctx, (size_t)SIDE * SIDE * 3);
    t->s.body.failed = t->s.body.failed || !rgb;
    if (!rgb)
        return;
    memset(rgb, 0xff, (size_t)SIDE * SIDE * 3);
    for (size_t i = 0; i < m->n; i++) {
        double x = (m->xy[2 * i] - p->x0) / (p->x1 - p->x0) * SIDE;
        double y = (p->y1 - m->xy[2 * i + 1]) / (p->y1 - p->y0) * SIDE;
        uint32_t c = colour_of(m, i);
        for (int dy = 0; dy < 2; dy++)
            for (int dx = 0; dx < 2; dx++) {
                int u = (int)x + dx, v = (int)y + dy;
                if (!isfinite(x + y) || u < 0 || v < 0 || u >= SIDE || v >= SIDE)
                    continue;
                for (int k = 0; k < 3; k++)
                    rgb[3 * ((size_t)v * SIDE + (size_t)u) + (size_t)k] =
                        (uint8_t)(c >> (16 - 8 * k));
            }
    }
    svg_image(&t->s, p->x, p->y, p->w, p->h, rgb, SIDE, SIDE, 1);
    glim__free(t->s.body.ctx, rgb);
}

/* ---- names at the middles ---- */

static double median(const struct map *m, int32_t group, int axis, double *room) {
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->group[i] == group && isfinite(m->xy[2 * i + (size_t)axis]))
            room[n++] = m->xy[2 * i + (size_t)axis];
    qsort(room, n, sizeof *room, glim__rising_double);
    return n ? room[n / 2] : NAN;
}

/* With a halo; left out where they would meet. */
static void put_names(sheet *t, const struct map *m, const sheet_plot *p) {
    double *room = glim__calloc(t->s.body.ctx, m->n + 1, sizeof *room);
    double taken[GROUPS][4];
    size_t placed = 0;
    svg_font font = {12, true, false, false};
    for (size_t g = 0; g < m->groups && room; g++) {
        const char *s = json_string_value(json_array_get(m->names, m->name[g]));
        s = sheet_label(t, s ? s : "", s ? strlen(s) : 0, 20);
        double w = svg_text_width(t->s.ruler, font, s, strlen(s));
        double x = sheet_plot_x(p, median(m, (int32_t)g, 0, room));
        double y = sheet_plot_y(p, median(m, (int32_t)g, 1, room)) + 4;
        x = fmin(fmax(x, p->x + w / 2 + 3), p->x + p->w - w / 2 - 3);
        bool free = isfinite(x + y);
        for (size_t k = 0; k < placed && free; k++)
            free = x + w / 2 < taken[k][0] || x - w / 2 > taken[k][1] || y < taken[k][2] - 2 ||
                   y - 14 > taken[k][3];
        if (!free)
            continue;
        taken[placed][0] = x - w / 2;
        taken[placed][1] = x + w / 2;
        taken[placed][2] = y - 14;
        taken[placed++][3] = y;
        svg_note(&t->s, "stroke=\"#ffffff\" stroke-width=\"4\" stroke-linejoin=\"round\" "
                        "aria-hidden=\"true\"");
        svg_text(&t->s, x, y, font, 0xffffff, SVG_MIDDLE, s, strlen(s));
        svg_text(&t->s, x, y, font, SHEET_INK, SVG_MIDDLE, s, strlen(s));
    }
    t->s.body.failed = t->s.body.failed || !room;
    glim__free(t->s.body.ctx, room);
}

/* ---- around it ---- */

static void put_legend(sheet *t, const struct map *m) {
    char words[160], low[40], high[40];
    sheet_legend(t);
    if (m->number) {
        snprintf(low, sizeof low, "%s", figure_number_text(t, m->low));
        snprintf(high, sizeof high, "%s", figure_number_text(t, m->high));
        sheet_scale(t, false, "", low, "", high, "");
    }
    for (size_t g = 0; g < m->groups; g++) {
        const char *s = json_string_value(json_array_get(m->names, m->name[g]));
        snprintf(words, sizeof words, "%s (%zu)", sheet_label(t, s ? s : "", s ? strlen(s) : 0, 30),
                 m->counts[g]);
        sheet_point_key(t, g, words);
    }
    if (m->counts[GROUPS]) {
        figure_arg_count(t, m->counts[GROUPS]);
        sheet_colour_key(t, 0xb4b4b4, sheet_word(t, "figure.other-points"));
    }
    sheet_legend_end(t);
}

struct facts {
    const json_t *all;
    size_t n;
    char name[24][40], value[24][60];
};

static void add(struct facts *f, const char *name, const char *format, double x) {
    if (f->n == 24 || !isfinite(x))
        return;
    snprintf(f->name[f->n], sizeof *f->name, "%.39s", name);
    snprintf(f->value[f->n++], sizeof *f->value, format, x);
}

static const char *fact_head(void *data, sheet *t, size_t c) {
    return "";
}

static const char *fact_cell(void *data, sheet *t, size_t r, size_t c) {
    const struct facts *f = data;
    size_t i = r * 2 + c / 2;
    if (i >= f->n)
        return NULL;
    const char *s = c % 2 ? f->value[i] : f->name[i];
    return sheet_label(t, s, strlen(s), 0);
}

static bool fact_words(void *data, size_t c) {
    return c % 2 == 0;
}

static void put_facts(sheet *t, const json_t *all) {
    static const char *const quality[] = {
        "trustworthiness",    "continuity",           "recall_10",
        "recall_50",          "distance_correlation", "label_accuracy",
        "label_accuracy_map", "silhouette",           "silhouette_map"};
    struct facts f = {.all = all};
    const json_t *params = figure_get(all, "params"), *q = figure_get(all, "quality");
    const char *key;
    json_t *value;
    add(&f, "points", "%.0f", figure_real(all, "points"));
    add(&f, "dimensions", "%.0f", figure_real(all, "dimensions"));
    add(&f, "PCA dimensions", "%.0f", figure_real(figure_get(all, "pca"), "dimensions"));
    add(&f, "KL, nats", "%.4g", figure_real(all, "kl"));
    for (size_t i = 0; i < sizeof quality / sizeof *quality; i++)
        add(&f, quality[i], "%.3f", figure_real(q, quality[i]));
    json_object_foreach((json_t *)params, key, value)
        add(&f, key, "%.4g", json_is_number(value) ? json_number_value(value) : NAN);
    add(&f, "seed", "%.0f", figure_real(all, "seed"));
    sheet_table_draw(t, &(sheet_table){.rows = (f.n + 1) / 2,
                                       .columns = 4,
                                       .data = &f,
                                       .head = fact_head,
                                       .cell = fact_cell,
                                       .words = fact_words});
}

static void put_axes(sheet *t, const json_t *all, sheet_plot *p, char across[60], char down[60]) {
    const json_t *variance = figure_get(all, "variance");
    for (size_t i = 0; i < 2 && isfinite(figure_real_at(variance, i)); i++)
        snprintf(i ? down : across, 60, "PC%zu (%.1f\xc2\xa0%%)", i + 1,
                 100 * figure_real_at(variance, i));
    p->across = across;
    p->down = down;
}

static void put_head(sheet *t, const json_t *all, const struct map *m) {
    const json_t *method = figure_get(all, "method");
    const char *title = figure_text(all, "title"), *name = figure_text(method, "name");
    const char *summary = figure_text(method, "summary"), *verdict = figure_text(all, "verdict");
    figure_arg_text(t, title, 60);
    figure_arg_count(t, m->n);
    figure_title(t, sheet_word(t, "figure.map"));
    glim__html_plain(glim__html_arg(&t->page), name, strlen(name), 20);
    glim__html_plain(glim__html_arg(&t->page), summary, strlen(summary), 100);
    figure_note(t, sheet_word(t, "method"));
    if (*verdict) {
        sheet_verdict(t, GLIM_VERDICT_OK, sheet_label(t, verdict, strlen(verdict), 0));
        sheet_alt(t, sheet_label(t, verdict, strlen(verdict), 0));
    }
}

static void put_map(sheet *t, const json_t *all, const struct map *m) {
    char across[60] = "", down[60] = "";
    bool pca = !strcmp(figure_text(figure_get(all, "method"), "name"), "pca");
    sheet_plot p = {.boxed = !pca};
    if (!sheet_enter(t, "map"))
        return;
    double right = t->right, side = fmin(t->right - t->left, 560);
    t->right = t->left + side;
    frame(m, &p);
    put_axes(t, all, &p, across, down);
    sheet_plot_open(t, &p, side - 16, pca, pca);
    if (p.h > p.w) /* equal scales */
        p.y1 = p.y0 + (p.y1 - p.y0) * p.h / p.w;
    else
        p.x1 = p.x0 + (p.x1 - p.x0) * p.w / p.h;
    if (m->n > SHAPES)
        put_bitmap(t, m, &p);
    else
        put_shapes(t, m, &p);
    put_names(t, m, &p);
    sheet_plot_close(t, &p);
    t->right = right;
    put_legend(t, m);
    sheet_leave(t);
}

void glim__figure_map(sheet *t, const json_t *all) {
    glim_context *ctx = t->s.body.ctx;
    struct map m = {0};
    bool ok = read_places(ctx, all, &m) && read_colours(ctx, all, &m);
    put_head(t, all, &m);
    if (ok)
        put_map(t, all, &m);
    if (sheet_enter(t, "facts")) {
        put_facts(t, all);
        sheet_leave(t);
    }
    for (size_t g = 0; g < m.groups && g < 3; g++) {
        const char *s = json_string_value(json_array_get(m.names, m.name[g]));
        glim__html_quote(glim__html_arg(&t->page), s ? s : "", s ? strlen(s) : 0, 30);
        figure_arg_count(t, m.counts[g]);
        sheet_alt(t, sheet_word(t, "say.second"));
    }
    glim__free(ctx, m.xy);
    glim__free(ctx, m.group);
    glim__free(ctx, m.name);
    glim__free(ctx, m.counts);
    glim__free(ctx, m.number);
}
