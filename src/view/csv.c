/* SPDX-License-Identifier: Apache-2.0 */
/* Scores as a table, RFC 4180: one line a unit, or a row and unit. Where there are levels,
   a last column says of which a line is, and their lines stand behind the units'. A level's
   unit is a word without comma or quote. Panels are written where they are all there is. */
#include "view/panels.h"

#include <math.h>
#include <string.h>

void glim__csv_field(glim_buffer *b, const char *s, size_t n) {
    glim__buffer_putc(b, '"');
    json_t *clean = glim__json_text(s, n); /* valid UTF-8 */
    const char *text = json_string_value(clean);
    b->failed = b->failed || !text;
    for (size_t i = 0; text && i < json_string_length(clean); i++) {
        if (text[i] == '"')
            glim__buffer_putc(b, '"');
        glim__buffer_putc(b, text[i]);
    }
    json_decref(clean);
    glim__buffer_putc(b, '"');
}

static void number(glim_buffer *b, const double *x, size_t i) {
    glim__buffer_putc(b, ',');
    if (x && isfinite(x[i]))
        glim__buffer_printf(b, "%.9g", x[i]);
}

static void put_row_name(glim_buffer *b, const glim_document *d, size_t r) {
    if (!d->rows)
        return;
    glim__buffer_printf(b, "%zu,", r);
    glim__csv_field(b, d->rows[r].text, d->rows[r].text_len);
    glim__buffer_putc(b, ',');
}

static void put_unit(glim_buffer *b, const glim_document *d, size_t r, size_t u) {
    const glim_document_unit *unit = &d->input.units[u];
    size_t at = r * d->input.n_units + u;
    put_row_name(b, d, r);
    glim__buffer_printf(b, "%zu,", u);
    glim__csv_field(b, unit->text, unit->text_len);
    glim__buffer_printf(b, ",%zu,%zu,%d", unit->start, unit->end, unit->fixed);
    number(b, d->scores, at);
    number(b, d->error, at);
    if (d->input.image.width)
        glim__buffer_printf(b, ",%d,%d,%d,%d", unit->x, unit->y, unit->width, unit->height);
    if (d->n_levels)
        glim__buffer_printf(b, ",%s", d->input.unit ? d->input.unit : "");
    glim__buffer_puts(b, "\r\n");
}

static void put_group(glim_buffer *b, const glim_document *d, const glim_document_level *level,
                      size_t r, size_t i) {
    const glim_document_group *g = &level->groups[i];
    size_t at = r * level->n_groups + i;
    bool inside = g->start <= g->end && g->end <= d->input.text_len;
    put_row_name(b, d, r);
    glim__buffer_printf(b, "%zu,", i);
    glim__csv_field(b, d->input.text + (inside ? g->start : 0), inside ? g->end - g->start : 0);
    glim__buffer_printf(b, ",%zu,%zu,0", g->start, g->end);
    number(b, level->scores, at);
    number(b, level->error, at);
    glim__buffer_printf(b, ",%s\r\n", level->unit);
}

static glim_status render(const glim_document *d, const glim_view_options *options, char **out,
                          size_t *n, glim_error *err) {
    glim_buffer b;
    glim__buffer_init(&b, d->ctx);
    if (glim__of_panels(d)) {
        glim__panels_csv(&b, d);
        return glim__view_finish(&b, out, n, err);
    }
    glim__buffer_puts(&b, d->rows ? "row,row_text," : "");
    glim__buffer_puts(&b, "unit,text,start,end,fixed,score,error");
    glim__buffer_puts(&b, d->input.image.width ? ",x,y,width,height" : "");
    glim__buffer_puts(&b, d->n_levels ? ",level\r\n" : "\r\n");
    for (size_t r = 0; r < d->n_rows; r++) {
        for (size_t u = 0; u < d->input.n_units; u++)
            put_unit(&b, d, r, u);
        for (size_t k = 0; k < d->n_levels; k++)
            for (size_t i = 0; i < d->levels[k].n_groups; i++)
                put_group(&b, d, &d->levels[k], r, i);
    }
    return glim__view_finish(&b, out, n, err);
}

const glim_view glim__view_csv = {.name = "csv", .summary = "scores as a table", .render = render};
