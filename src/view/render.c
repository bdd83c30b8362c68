/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SVG drawn on Cairo's surfaces. A PNG keeps what the SVG says of itself (iTXt) and how
 * large it is on paper (pHYs); a PDF its title and language. Neither has a date.
 */
#include "view/render.h"

#include <cairo-pdf.h>
#include <librsvg/rsvg.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_DPI = 24;
static const double INCH = 96; /* pixels of the SVG */

/* ---- by librsvg ---- */

static glim_status draw(cairo_t *cr, const glim_buffer *picture, const svg_head *head,
                        glim_error *err) {
    GError *why = NULL;
    GInputStream *in =
        g_memory_input_stream_new_from_data(picture->data, (gssize)picture->len, NULL);
    RsvgHandle *handle =
        rsvg_handle_new_from_stream_sync(in, NULL, RSVG_HANDLE_FLAG_UNLIMITED, NULL, &why);
    RsvgRectangle all = {0, 0, head->width, head->height};
    bool ok = handle;
    if (ok) {
        rsvg_handle_set_dpi(handle, INCH);
        ok = rsvg_handle_render_document(handle, cr, &all, &why);
    }
    glim_status status = GLIM_OK;
    if (!ok || cairo_status(cr))
        status = glim_fail(err, GLIM_EINTERNAL, "cannot draw the picture: %s",
                           why ? why->message : cairo_status_to_string(cairo_status(cr)));
    g_clear_error(&why);
    g_clear_object(&handle);
    g_object_unref(in);
    return status;
}

/* ---- PNG ---- */

struct png {
    glim_buffer *out;
    const svg_head *head;
    uint8_t *pixels, *row; /* as Cairo has them; (width, 4) */
    int width, height;
    double dpi;
    bool photo;
};

static void put_bytes(png_structp png, png_bytep data, size_t n) {
    glim__buffer_append(png_get_io_ptr(png), data, n);
}

static void flush(png_structp png) {}

static void fail(png_structp png, png_const_charp message) {
    longjmp(png_jmpbuf(png), 1);
}

static void warn(png_structp png, png_const_charp message) {}

static void *take(png_structp png, size_t n) {
    return glim__alloc(png_get_mem_ptr(png), n);
}

static void give(png_structp png, void *p) {
    glim__free(png_get_mem_ptr(png), p);
}

static void put_texts(png_structp png, png_infop info, const svg_head *h) {
    char software[64];
    snprintf(software, sizeof software, "glim %.40s", h->version);
    const char *const all[][2] = {{"Title", h->title},
                                  {"Description", h->description},
                                  {"Software", software},
                                  {"Source", h->source}};
    png_text texts[4];
    memset(texts, 0, sizeof texts);
    for (int i = 0; i < 4; i++) {
        texts[i].compression = PNG_ITXT_COMPRESSION_NONE;
        texts[i].key = (char *)all[i][0];
        texts[i].text = (char *)all[i][1];
        texts[i].lang = i < 2 ? (char *)h->lang : NULL;
    }
    png_set_text(png, info, texts, 4);
}

/* Cairo's pixels are 0xaarrggbb with the colour multiplied by alpha. */
static void unpack(const struct png *p, int y) {
    const uint32_t *in = (const uint32_t *)(const void *)p->pixels + (size_t)y * (size_t)p->width;
    int channels = p->head->transparent ? 4 : 3;
    uint8_t *out = p->row;
    for (int x = 0; x < p->width; x++, out += channels) {
        uint32_t a = in[x] >> 24;
        for (int c = 0; c < 3; c++) {
            uint32_t v = in[x] >> (16 - 8 * c) & 0xff;
            out[c] = (uint8_t)(!p->head->transparent ? v : a ? (v * 255 + a / 2) / a : 0);
        }
        if (channels == 4)
            out[3] = (uint8_t)a;
    }
}

static bool encode(struct png *p) {
    png_structp png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, fail, warn, p->out->ctx, take, give);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return false;
    }
    png_uint_32 per_metre = (png_uint_32)lround(p->dpi / 0.0254);
    png_set_write_fn(png, p->out, put_bytes, flush);
    png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, 8,
                 p->head->transparent ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    /* flat colours are smallest without a filter, photographs with one */
    png_set_filter(png, 0,
                   p->photo ? PNG_FILTER_NONE | PNG_FILTER_SUB | PNG_FILTER_UP : PNG_FILTER_NONE);
    png_set_compression_level(png, 9);
    png_set_pHYs(png, info, per_metre, per_metre, PNG_RESOLUTION_METER);
    put_texts(png, info, p->head);
    png_write_info(png, info);
    for (int y = 0; y < p->height; y++) {
        unpack(p, y);
        png_write_row(png, p->row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return !p->out->failed;
}

static double largest_dpi(const svg_head *h, double inch) {
    double side = fmax(h->width, h->height) * inch, area = h->width * inch * h->height * inch;
    return floor(fmin(RENDER_SIDE / side, sqrt(RENDER_PIXELS / area)));
}

static glim_status too_large(const svg_head *h, double dpi, double inch, glim_error *err) {
    double most = largest_dpi(h, inch);
    if (most < LEAST_DPI)
        return glim_fail(err, GLIM_ELIMIT,
                         "the picture is too tall for a PNG (take --svg or --pdf, or one figure "
                         "with --figure)");
    return glim_fail(err, GLIM_ELIMIT,
                     "at %.6g dpi the picture would have %.0f x %.0f pixels; a PNG has %d a side "
                     "and 64 million at most (the largest that fits is --dpi %.0f)",
                     dpi, ceil(h->width * inch * dpi), ceil(h->height * inch * dpi), RENDER_SIDE,
                     most);
}

glim_status glim__render_png(glim_buffer *out, const glim_buffer *picture, const svg_head *head,
                             double dpi, glim_error *err) {
    glim_context *ctx = out->ctx;
    double inch = head->millimetres > 0 ? head->millimetres / 25.4 / head->width : 1 / INCH;
    double most = largest_dpi(head, inch);
    struct png p = {.out = out, .head = head, .dpi = dpi > 0 ? dpi : fmin(RENDER_DPI, most)};
    double w = ceil(head->width * inch * p.dpi - 1e-6),
           h = ceil(head->height * inch * p.dpi - 1e-6);
    if (p.dpi < LEAST_DPI || !(w <= RENDER_SIDE) || !(h <= RENDER_SIDE) ||
        !(w * h <= RENDER_PIXELS))
        return too_large(head, p.dpi, inch, err);
    p.width = w < 1 ? 1 : (int)w;
    p.height = h < 1 ? 1 : (int)h;
    p.photo = memmem(picture->data, picture->len, "<image ", 7);
    size_t bytes = (size_t)p.width * (size_t)p.height * 4;
    p.pixels = glim__calloc(ctx, bytes, 1);
    p.row = glim__alloc(ctx, (size_t)p.width * 4);
    glim_status status =
        p.pixels && p.row ? GLIM_OK : glim__oom(ctx, err, "the picture's pixels", bytes);
    if (!status) {
        cairo_surface_t *surface = cairo_image_surface_create_for_data(
            p.pixels, CAIRO_FORMAT_ARGB32, p.width, p.height, p.width * 4);
        cairo_t *cr = cairo_create(surface);
        cairo_scale(cr, inch * p.dpi, inch * p.dpi);
        status = draw(cr, picture, head, err);
        cairo_destroy(cr);
        cairo_surface_finish(surface);
        cairo_surface_destroy(surface);
    }
    if (!status && !encode(&p))
        status = glim__oom(ctx, err, "the picture", out->len);
    glim__free(ctx, p.pixels);
    glim__free(ctx, p.row);
    return status;
}

/* ---- PDF ---- */

static cairo_status_t append(void *out, const unsigned char *data, unsigned int n) {
    glim__buffer_append(out, data, n);
    return ((glim_buffer *)out)->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* The last place of `what` behind `from`; SIZE_MAX: none. */
static size_t last(const glim_buffer *b, size_t from, const char *what) {
    size_t n = strlen(what), at = SIZE_MAX;
    for (size_t i = b->len; i-- > from && at == SIZE_MAX;)
        if (b->len - i >= n && !memcmp(b->data + i, what, n))
            at = i;
    return at;
}

/* The language of a document stands in its catalogue, which this Cairo does not let us write:
   the catalogue is written again behind the file, as PDF has it for changes (ISO 32000-1,
   7.5.6). A file in which it is not found stays as it is. */
static void put_language(glim_buffer *out, size_t from, const char *lang) {
    size_t trailer = last(out, from, "trailer"), root = last(out, from, "/Root ");
    size_t start = last(out, from, "startxref"), size = last(out, from, "/Size ");
    size_t info = last(out, from, "/Info ");
    if (out->failed || trailer == SIZE_MAX || root < trailer || size < trailer || info < trailer ||
        root == SIZE_MAX || size == SIZE_MAX || info == SIZE_MAX || start == SIZE_MAX)
        return;
    unsigned catalogue = (unsigned)strtoul(out->data + root + 6, NULL, 10);
    unsigned about = (unsigned)strtoul(out->data + info + 6, NULL, 10);
    unsigned objects = (unsigned)strtoul(out->data + size + 6, NULL, 10);
    unsigned long table = strtoul(out->data + start + 9, NULL, 10);
    char head[40];
    snprintf(head, sizeof head, "\n%u 0 obj", catalogue);
    size_t at = last(out, from, head);
    char *body = at == SIZE_MAX ? NULL : strstr(out->data + at, "<<");
    char *end = body ? strstr(body, "endobj") : NULL;
    if (!end)
        return;
    size_t n = (size_t)(end - body) - 2, place = (size_t)(body - out->data) + 2;
    char *kept = glim__alloc(out->ctx, n + 1);
    if (!kept) {
        out->failed = true;
        return;
    }
    memcpy(kept, out->data + place, n);
    kept[n] = 0;
    size_t object = out->len - from;
    glim__buffer_printf(out, "%u 0 obj\n<< /Lang (%s)", catalogue, lang);
    glim__buffer_puts(out, kept);
    glim__buffer_puts(out, "endobj\n");
    size_t again = out->len - from;
    glim__buffer_printf(out,
                        "xref\n%u 1\n%010zu 00000 n \ntrailer\n<< /Size %u /Root %u 0 R "
                        "/Info %u 0 R /Prev %lu >>\nstartxref\n%zu\n%%%%EOF\n",
                        catalogue, object, objects, catalogue, about, table, again);
    glim__free(out->ctx, kept);
}

glim_status glim__render_pdf(glim_buffer *out, const glim_buffer *picture, const svg_head *head,
                             glim_error *err) {
    enum { POINTS = 72 };
    char creator[64];
    size_t from = out->len;
    double inch = head->millimetres > 0 ? head->millimetres / 25.4 / head->width : 1 / INCH;
    double scale = inch * POINTS;
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(append, out, head->width * scale, head->height * scale);
    snprintf(creator, sizeof creator, "glim %.40s", head->version);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, head->title);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_SUBJECT, head->description);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, creator);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, "");
    cairo_t *cr = cairo_create(surface);
    cairo_scale(cr, scale, scale);
    glim_status status = draw(cr, picture, head, err);
    cairo_show_page(cr);
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    cairo_status_t drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (!status)
        put_language(out, from, head->lang);
    if (!status && (drawn || out->failed))
        status = glim__oom(out->ctx, err, "the picture", out->len);
    return status;
}
