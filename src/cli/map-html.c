/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of a map: a picture that needs no script (points, or of more than 20,000 how many
 * lie where), groups with their numbers, facts; the document is embedded for the viewer. Points
 * are drawn in layers of a fixed random order, so that no group hides another.
 */
#include "base/rng.h"
#include "cli/map-ink.h"
#include "cli/told-html.h"

#include <stdlib.h>

/* Groups by their place among the names: six colours, then the same paler, then grey; they are
   --c1 to --c6 of web/src/report.css. */
static const uint32_t hues[] = {0x3d55ce, 0xa98f04, 0x7895c5, 0x8d524a, 0x1f2274, 0x4a2501};
enum { HUES = 6, INKS = 2 * HUES };
enum { SIDE = 720, EDGE = 14, POINTS = 20000, LAYERS = 8, BINS = 64, GROUPS = 60 };

typedef struct drawing {
    html_page *p;
    const cli_map *m;
    const cli_map_color *c; /* or NULL */
    size_t *order, *counts;
    double x, y, scale; /* of the picture's middle */
    double least, most;
} drawing;

/* ---- the picture ---- */

static double across(const drawing *d, size_t i) {
    return SIDE / 2.0 + (d->m->xy[2 * i] - d->x) * d->scale;
}

static double down(const drawing *d, size_t i) {
    return SIDE / 2.0 - (d->m->xy[2 * i + 1] - d->y) * d->scale;
}

static void find_place(drawing *d) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < 2 * d->m->n; i++) {
        low[i % 2] = fmin(low[i % 2], d->m->xy[i]);
        high[i % 2] = fmax(high[i % 2], d->m->xy[i]);
    }
    double span = fmax(high[0] - low[0], high[1] - low[1]);
    d->x = (low[0] + high[0]) / 2;
    d->y = (low[1] + high[1]) / 2;
    d->scale = span > 0 ? (SIDE - 2 * EDGE) / span : 0;
    d->least = INFINITY;
    d->most = -INFINITY;
    for (size_t i = 0; d->c && d->c->number && i < d->m->n; i++)
        if (isfinite(d->c->number[i])) {
            d->least = fmin(d->least, d->c->number[i]);
            d->most = fmax(d->most, d->c->number[i]);
        }
}

/* Which of the inks a point has: groups by size, numbers in steps; the last is grey. */
static size_t ink_of(const drawing *d, size_t i) {
    if (!d->c)
        return 0;
    if (d->c->number) {
        double range = d->most - d->least, v = d->c->number[i];
        if (!isfinite(v))
            return INKS;
        size_t step = range > 0 ? (size_t)((v - d->least) / range * GLIM_AMOUNTS) : 0;
        return step < GLIM_AMOUNTS ? step : GLIM_AMOUNTS - 1;
    }
    int32_t at = d->c->category[i];
    return at < 0 || at >= INKS ? INKS : (size_t)at;
}

static uint32_t color_of(const drawing *d, size_t ink) {
    if (ink == INKS)
        return cli_map_grey.rgb;
    return d->c && d->c->number ? glim_amounts[ink + 1].back : hues[ink % HUES];
}

static double opacity_of(const drawing *d, size_t ink) {
    return ink >= HUES && ink < INKS && d->c && d->c->category ? 0.4 : 0.8;
}

/* Points of one ink in one layer: dots of a path that goes nowhere. */
static void put_layer(drawing *d, const uint8_t *place, size_t layer, size_t ink) {
    glim_buffer *b = d->p->b;
    bool begun = false;
    for (size_t i = 0; i < d->m->n; i++) {
        if (place[i] != layer * (INKS + 1) + ink)
            continue;
        if (!begun)
            glim__buffer_printf(b, "<path stroke=\"#%06x\" stroke-opacity=\"%.1f\" d=\"",
                                color_of(d, ink), opacity_of(d, ink));
        begun = true;
        glim__buffer_printf(b, "M%.1f %.1fh0", across(d, i), down(d, i));
    }
    if (begun)
        glim__buffer_puts(b, "\"/>\n");
}

static glim_status put_dots(drawing *d, glim_error *err) {
    uint8_t *place = glim__alloc(d->m->ctx, d->m->n); /* its layer and ink */
    if (!place)
        return glim__oom(d->m->ctx, err, "the report", d->m->n);
    for (size_t i = 0; i < d->m->n; i++)
        place[i] = (uint8_t)(glim__rng_u32(0, i, 0) % LAYERS * (INKS + 1) + ink_of(d, i));
    double size = d->m->n > 5000 ? 2.5 : d->m->n > 1000 ? 3.5 : 5;
    glim__buffer_printf(d->p->b,
                        "<g fill=\"none\" stroke-linecap=\"round\" stroke-width=\"%.1f\">\n", size);
    for (size_t layer = 0; layer < LAYERS; layer++)
        for (size_t ink = 0; ink <= INKS; ink++)
            put_layer(d, place, layer, ink);
    glim__buffer_puts(d->p->b, "</g>\n");
    glim__free(d->m->ctx, place);
    return GLIM_OK;
}

/* How many points lie in each of 64 x 64 squares, and the colour that most of them have. */
static void put_density(drawing *d, uint32_t *bins) {
    double step = SIDE / (double)BINS;
    uint32_t most = 0;
    for (size_t i = 0; i < d->m->n; i++) {
        size_t column = (size_t)(across(d, i) / step), row = (size_t)(down(d, i) / step);
        bins[(row * BINS + column) * (INKS + 2) + ink_of(d, i)]++;
        uint32_t *all = &bins[(row * BINS + column) * (INKS + 2) + INKS + 1];
        most = ++*all > most ? *all : most;
    }
    for (size_t at = 0; at < BINS * BINS; at++) {
        const uint32_t *bin = bins + at * (INKS + 2);
        size_t best = 0, row = at / BINS;
        for (size_t k = 1; k <= INKS; k++)
            best = bin[k] > bin[best] ? k : best;
        if (bin[INKS + 1])
            glim__buffer_printf(
                d->p->b,
                "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#%06x\" "
                "fill-opacity=\"%.2f\"/>\n",
                step * (double)(at % BINS), step * (double)row, step, step, color_of(d, best),
                0.15 + 0.85 * log1p(bin[INKS + 1]) / log1p(most));
    }
}

static glim_status put_picture(drawing *d, glim_error *err) {
    html_page *p = d->p;
    glim_status status = GLIM_OK;
    glim__buffer_printf(p->b,
                        "<figure class=\"map\"><svg viewBox=\"0 0 %d %d\" role=\"img\" "
                        "width=\"%d\" height=\"%d\">",
                        (int)SIDE, (int)SIDE, (int)SIDE, (int)SIDE);
    cli_html_argument(p, "%s", cli_map_method_name(d->m));
    cli_html_argument(p, "%zu", d->m->n);
    glim__html_say(p, "title", "map.picture");
    if (d->m->n <= POINTS) {
        status = put_dots(d, err);
    } else {
        uint32_t *bins = glim__calloc(d->m->ctx, BINS * BINS, (INKS + 2) * sizeof *bins);
        if (bins)
            put_density(d, bins);
        else
            status = glim__oom(d->m->ctx, err, "the report", BINS * BINS * 40);
        glim__free(d->m->ctx, bins);
    }
    glim__buffer_puts(p->b, "</svg><figcaption>");
    glim__html_told(p, "p class=\"caption\"",
                    strcmp(d->m->method, "tsne") ? "map.caption-pca" : "map.caption-tsne",
                    d->m->caption);
    glim__buffer_puts(p->b, "</figcaption></figure>\n");
    if (d->m->n > POINTS) {
        cli_html_argument(p, "%zu", d->m->n);
        glim__html_say(p, "p class=\"note\"", "map.density");
    }
    return status;
}

/* ---- groups and facts ---- */

static void put_swatch(glim_buffer *b, uint32_t rgb, double opacity) {
    glim__buffer_printf(b,
                        "<svg viewBox=\"0 0 10 10\" width=\"10\" height=\"10\" "
                        "aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"4.5\" "
                        "fill=\"#%06x\" fill-opacity=\"%.1f\"/></svg> ",
                        rgb, opacity);
}

static void put_groups(drawing *d) {
    static const char *const keys[] = {"map.group", "map.count", NULL};
    html_page *p = d->p;
    const cli_map_color *c = d->c;
    if (!c)
        return;
    if (c->number) {
        cli_html_argument(p, "%.60s", c->name);
        cli_html_argument(p, "%.4g", d->least);
        cli_html_argument(p, "%.4g", d->most);
        glim__html_say(p, "p", "map.numbers");
        return;
    }
    cli_html_argument(p, "%.60s", c == d->m->label ? "label" : c->name);
    glim__html_say(p, "h2", "map.groups");
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table>");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>\n");
    for (size_t k = 0; k < c->n_names && k < GROUPS; k++) {
        const char *name = c->names[d->order[k]];
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        put_swatch(p->b, color_of(d, d->order[k] < INKS ? d->order[k] : INKS),
                   opacity_of(d, d->order[k]));
        glim__html_plain(p->b, name, strlen(name), 48);
        glim__buffer_printf(p->b, "</th><td>%zu</td></tr>\n", d->counts[d->order[k]]);
    }
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
    if (c->n_names > GROUPS) {
        cli_html_argument(p, "%zu", c->n_names - (size_t)GROUPS);
        glim__html_say(p, "p class=\"note\"", "map.more-groups");
    }
}

static void put_fact(html_page *p, const char *key, const char *format, ...) GLIM_PRINTF(3, 4);
static void put_fact(html_page *p, const char *key, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glim__buffer_puts(p->b, "<tr>");
    glim__html_say(p, "th scope=\"row\"", key);
    glim__buffer_puts(p->b, "<td>");
    glim__html_plain(p->b, text, strlen(text), 0);
    glim__buffer_puts(p->b, "</td></tr>\n");
}

static void put_measure(html_page *p, const char *key, double value) {
    if (isfinite(value))
        put_fact(p, key, "%.3f", value);
}

/* Of the space as given and of the map. */
static void put_measures(html_page *p, const char *key, double truth, double map) {
    if (isfinite(truth) && isfinite(map))
        put_fact(p, key, "%.3f / %.3f", truth, map);
}

static void put_quality(html_page *p, const cli_map *m) {
    const glim_map_quality *q = &m->quality;
    put_measure(p, "map.recall-10", q->recall_10);
    put_measure(p, "map.recall-50", q->recall_50);
    put_measure(p, "map.trustworthiness", q->trustworthiness);
    put_measure(p, "map.continuity", q->continuity);
    put_measure(p, "map.distances", q->distance_correlation);
    put_measures(p, "map.label-accuracy", q->label_accuracy, q->label_accuracy_map);
    put_measures(p, "map.silhouette", q->silhouette, q->silhouette_map);
    if (q->sample)
        put_fact(p, "map.sample", "%zu", q->sample);
}

static void put_params(html_page *p, const cli_map *m) {
    json_t *all = json_loads(m->params, 0, NULL);
    const char *key;
    json_t *value;
    json_object_foreach(all, key, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        glim__buffer_puts(p->b, "<tr><th scope=\"row\"><code>");
        glim__html_plain(p->b, key, strlen(key), 0);
        glim__buffer_puts(p->b, "</code></th><td>");
        glim__html_plain(p->b, text ? text : "", text ? strlen(text) : 0, 0);
        glim__buffer_puts(p->b, "</td></tr>\n");
        free(text);
    }
    json_decref(all);
}

static void put_facts(html_page *p, const cli_map *m) {
    glim__html_say(p, "h2", "map.facts");
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table><tbody>\n");
    put_fact(p, "map.points", "%zu", m->n);
    if (m->placed)
        put_fact(p, "map.placed", "%zu", m->placed);
    put_fact(p, "map.dimensions", "%zu", m->width);
    if (m->site)
        put_fact(p, "map.site", "%.200s, %.8s", m->site, m->pool ? m->pool : "");
    if (m->pca)
        put_fact(p, "map.pca", "%zu (%.1f %%)", m->pca, 100 * m->pca_explained);
    if (isfinite(m->variance[0]))
        put_fact(p, "map.variance", "%.1f %%, %.1f %%", 100 * m->variance[0], 100 * m->variance[1]);
    if (isfinite(m->kl))
        put_fact(p, "map.kl", "%.4f", m->kl);
    if (m->asked)
        put_fact(p, "map.iterations", "%zu / %zu", m->done, m->asked);
    put_quality(p, m);
    put_params(p, m);
    put_fact(p, "map.seed", "%llu", (unsigned long long)m->seed);
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

/* ---- the page ---- */

static void put_head(html_page *p, const cli_map *m) {
    cli_html_argument(p, "%s", cli_map_method_name(m));
    cli_html_argument(p, "%zu", m->n);
    cli_html_argument(p, "%.100s", m->title);
    glim__html_say(p, "h1", "map.title");
    glim__buffer_puts(p->b, "</header>\n");
    cli_html_verdict(p, (glim_verdict)m->trust, m->verdict);
}

static glim_status put_body(drawing *d, glim_error *err) {
    find_place(d);
    put_head(d->p, d->m);
    glim_status status = put_picture(d, err);
    put_groups(d);
    put_facts(d->p, d->m);
    cli_html_foot(d->p, d->m->notes, d->m->n_notes, d->m->version);
    if (status)
        return status;
    bool ok = true;
    json_t *all = cli_map_json(d->m, &ok);
    return cli_html_data(d->p, all, ok, err);
}

static glim_status sort_groups(drawing *d, glim_arena *arena, glim_error *err) {
    size_t names = d->c && d->c->category ? d->c->n_names : 0;
    d->order = glim__arena_calloc(arena, names + 1, sizeof *d->order);
    d->counts = glim__arena_calloc(arena, names + 1, sizeof *d->counts);
    if (!d->order || !d->counts)
        return glim__oom(d->m->ctx, err, "the report", names * 24);
    if (names)
        cli_map_sizes(d->m, d->c, d->order, d->counts);
    return GLIM_OK;
}

glim_status cli_map_html(cli_run *run, const cli_map *m) {
    glim_buffer b;
    glim_arena arena;
    glim_document *doc = NULL;
    html_page p = {.b = &b, .zh = !strcmp(cli_lang(run), "zh-CN"), .limit = 1};
    drawing d = {.p = &p, .m = m, .c = cli_map_drawn(m)};
    glim_status status = glim_document_new(&doc, run->ctx, &run->err);
    if (status)
        return status;
    doc->target.text = (char *)m->title;
    doc->target.text_len = strlen(m->title);
    p.d = doc;
    glim__arena_init(&arena, run->ctx, 1 << 14);
    glim__buffer_init(&b, run->ctx);
    glim__buffer_init(&p.args, run->ctx);
    status = sort_groups(&d, &arena, &run->err);
    if (!status) {
        glim__html_begin(&p);
        status = put_body(&d, &run->err);
    }
    b.failed = b.failed || p.args.failed;
    if (!status)
        status = cli_html_write(run, &b, "");
    glim__buffer_release(&p.args);
    glim__buffer_release(&b);
    glim__arena_release(&arena);
    glim_document_free(doc);
    return status;
}
