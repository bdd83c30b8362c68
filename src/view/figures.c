/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of figures: what is explained and how, whether it may be trusted, the figures, and
 * what must not be read from them. The same page is the SVG, the PNG and the PDF; its
 * description, made of the numbers, is what --alt prints.
 */
#include "view/panels.h"
#include "view/profile.h"
#include "view/render.h"
#include "view/sheet.h"

#include <string.h>

typedef enum figure_form { FORM_SVG, FORM_PNG, FORM_PDF, FORM_ALT } figure_form;

static const char *const forms[] = {"svg", "png", "pdf", "alt"};

/* ---- what stands around the figures ---- */

static const svg_font SMALL = {12, false, false, false};

static void put_heading(sheet *t) {
    glim__html_heading(&t->page);
    const char *all = sheet_taken(t);
    size_t n = strcspn(all, "\n");
    snprintf(t->title, sizeof t->title, "%.*s", (int)(n < 250 ? n : 250), all);
    glim_buffer rest;
    glim__buffer_init(&rest, t->s.body.ctx);
    glim__buffer_puts(&rest, all + n + (all[n] == '\n'));
    glim__buffer_putc(&rest, '\n');
    if (t->words.data)
        t->words.data[n] = 0;
    sheet_paragraph(t, (svg_font){SVG_TITLE, true}, SHEET_INK, 0, all);
    sheet_gap(t, 4);
    sheet_paragraph(t, SMALL, SHEET_INK, 0, rest.data ? rest.data : "");
    glim__buffer_release(&rest);
}

void sheet_verdict(sheet *t, glim_verdict verdict, const char *words) {
    static const uint32_t colours[] = {0x037f99, 0xa98f04, 0xa04001};
    sheet_gap(t, 6);
    double top = t->y;
    sheet_paragraph(t, (svg_font){12, verdict != GLIM_VERDICT_OK}, SHEET_INK, 10, words);
    svg_rect(&t->s, t->left, top, 3, t->y - top, colours[verdict], SVG_NONE);
    sheet_gap(t, 2);
}

void sheet_alt(sheet *t, const char *words) {
    if (t->alt.len && t->alt.data[t->alt.len - 1] != ' ')
        glim__buffer_putc(&t->alt, ' ');
    for (; *words; words++)
        glim__buffer_putc(&t->alt, *words == '\n' ? ' ' : *words);
}

static void put_figures(sheet *t) {
    const glim_document *d = t->page.d;
    if (d->attention.side)
        glim__figure_attention(t);
    else if (!glim__of_panels(d)) {
        if (d->input.image.rgb)
            glim__figure_picture(t);
        else if (!d->input.unit || strcmp(d->input.unit, "column") != 0)
            glim__figure_strip(t);
        glim__figure_bars(t);
        glim__figure_waterfall(t);
        glim__figure_prediction(t);
        glim__figure_levels(t);
        glim__figure_matrix(t);
        glim__html_description(&t->page);
        sheet_alt(t, sheet_taken(t));
    }
    if (glim__of_panels(d) && d->input.image.rgb)
        glim__figure_seen(t);
    glim__figure_links(t);
    glim__figure_panels(t);
    json_t *profile = d->evaluation ? glim__profile_value(d) : NULL;
    if (profile)
        glim__figure_profile(t, profile, true);
    json_decref(profile);
}

static void put_remarks(sheet *t, const char *digest) {
    sheet_gap(t, 8);
    glim__html_remarks(&t->page);
    sheet_lines(t, SMALL, SHEET_GREY);
    sheet_gap(t, 4);
    svg_line(&t->s, t->left, t->y, t->right, t->y, SHEET_RULE, 1, NULL);
    sheet_gap(t, 2);
    glim__html_footer(&t->page, digest);
    sheet_lines(t, (svg_font){SVG_TINY}, SHEET_GREY);
    sheet_gap(t, 0.5 * SHEET_MARGIN);
}

static void put_document(sheet *t, const char *digest) {
    const glim_document *d = t->page.d;
    put_heading(t);
    glim__html_method(&t->page);
    sheet_lines(t, SMALL, SHEET_GREY);
    glim__html_verdict(&t->page);
    sheet_verdict(t, d->verdict, sheet_taken(t));
    put_figures(t);
    glim__html_verdict(&t->page);
    sheet_alt(t, sheet_taken(t));
    put_remarks(t, digest);
}

/* ---- the file ---- */

static glim_status finish(sheet *t, figure_form form, const char *digest, char **out, size_t *n,
                          glim_error *err) {
    glim_context *ctx = t->s.body.ctx;
    glim_buffer picture, file;
    glim__buffer_init(&picture, ctx);
    glim__buffer_init(&file, ctx);
    const svg_head head = {.width = t->width,
                           .height = ceil(t->y),
                           .millimetres = t->o->figure.width_mm,
                           .lang = t->page.zh ? "zh-CN" : "en",
                           .title = t->title,
                           .description = t->alt.data ? t->alt.data : "",
                           .source = digest,
                           .version = GLIM_VERSION,
                           .transparent = t->o->figure.transparent};
    glim_status status = GLIM_OK;
    if (t->chosen && !t->drawn)
        status =
            glim_fail(err, GLIM_EUSAGE, "there is no figure '%.40s' in this document (it has%s)",
                      t->chosen, t->names);
    if (!status && t->alt.failed)
        status = glim__oom(ctx, err, "the picture", t->alt.len);
    if (!status)
        status = svg_close(&t->s, &head, &picture, err);
    if (!status && form == FORM_PNG)
        status = glim__render_png(&file, &picture, &head, t->o->figure.dpi, err);
    else if (!status && form == FORM_PDF)
        status = glim__render_pdf(&file, &picture, &head, err);
    else if (!status && form == FORM_ALT) {
        glim__buffer_printf(&file, "%s\n%s\n", head.title, head.description);
    }
    glim_buffer *wanted = form == FORM_SVG ? &picture : &file;
    glim__buffer_release(form == FORM_SVG ? &file : &picture);
    if (!status)
        return glim__view_finish(wanted, out, n, err);
    glim__buffer_release(wanted);
    return status;
}

static glim_status render(const glim_document *d, const glim_view_options *o, figure_form form,
                          char **out, size_t *n, glim_error *err) {
    char *json = NULL, digest[9] = "";
    size_t len = 0;
    sheet t;
    glim_status status = sheet_open(&t, d, o, err);
    if (!status)
        status = glim__view_json.render(d, o, &json, &len, err);
    if (!status) {
        glim__html_digest(digest, json, len);
        put_document(&t, digest);
        status = finish(&t, form, digest, out, n, err);
    }
    glim__free(d->ctx, json);
    sheet_close(&t);
    return status;
}

static glim_status render_svg(const glim_document *d, const glim_view_options *o, char **out,
                              size_t *n, glim_error *err) {
    return render(d, o, FORM_SVG, out, n, err);
}

static glim_status render_png(const glim_document *d, const glim_view_options *o, char **out,
                              size_t *n, glim_error *err) {
    return render(d, o, FORM_PNG, out, n, err);
}

static glim_status render_pdf(const glim_document *d, const glim_view_options *o, char **out,
                              size_t *n, glim_error *err) {
    return render(d, o, FORM_PDF, out, n, err);
}

static glim_status render_alt(const glim_document *d, const glim_view_options *o, char **out,
                              size_t *n, glim_error *err) {
    return render(d, o, FORM_ALT, out, n, err);
}

const glim_view glim__view_svg = {
    .name = "svg", .summary = "a figure whose text is text", .render = render_svg};
const glim_view glim__view_png = {
    .name = "png", .summary = "the same figure as pixels", .render = render_png};
const glim_view glim__view_pdf = {
    .name = "pdf", .summary = "the same figure as a page", .render = render_pdf};
const glim_view glim__view_alt = {
    .name = "alt", .summary = "the figure in a few sentences", .render = render_alt};

/* ---- documents with a schema of their own ---- */

static const struct {
    const char *schema;
    void (*draw)(sheet *t, const json_t *all);
} others[] = {{"glim.evaluation/", glim__figure_evaluation},
              {"glim.comparison/", glim__figure_comparison},
              {"glim.influence/", glim__figure_influence},
              {"glim.map/", glim__figure_map}};

static size_t find(const json_t *all) {
    const char *schema = json_string_value(json_object_get(all, "schema"));
    size_t i = 0;
    while (i < sizeof others / sizeof *others &&
           (!schema || strncmp(schema, others[i].schema, strlen(others[i].schema)) != 0))
        i++;
    return i;
}

bool glim__figures_know(const json_t *all) {
    return find(all) < sizeof others / sizeof *others;
}

glim_status glim__figures_json(const char *view, glim_context *ctx, const json_t *all,
                               const char *json, size_t json_len, const glim_view_options *o,
                               char **out, size_t *n, glim_error *err) {
    size_t which = find(all), f = 0;
    char digest[9];
    sheet t;
    glim_document *d = NULL;
    while (f < FORM_ALT && strcmp(forms[f], view) != 0)
        f++;
    glim_status status = glim_document_new(&d, ctx, err);
    if (status)
        return status;
    d->kind = "attribution"; /* nothing of it is drawn but words */
    status = sheet_open(&t, d, o, err);
    if (!status && which == sizeof others / sizeof *others)
        status = glim_fail(err, GLIM_EUSAGE, "there is no figure for this kind of document");
    if (!status) {
        glim__html_digest(digest, json, json_len);
        others[which].draw(&t, all);
        sheet_json_foot(&t, all, digest);
        status = finish(&t, (figure_form)f, digest, out, n, err);
    }
    sheet_close(&t);
    glim_document_free(d);
    return status;
}
