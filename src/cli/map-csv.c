/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a map: a line a point; of several sites one behind the other. */
#include "cli/influence-told.h"
#include "cli/map-told.h"

#include <math.h>

static void put_color(glim_buffer *b, const cli_map_color *c, size_t i) {
    glim__buffer_putc(b, ',');
    if (c->number && isfinite(c->number[i])) {
        char text[40];
        glim__number_text(c->number[i], false, text);
        glim__buffer_puts(b, text);
    } else if (c->category && c->category[i] >= 0) {
        cli_csv_text(b, c->names[c->category[i]]);
    }
}

static void put_point(glim_buffer *b, const cli_map *all, const cli_map *m, size_t i) {
    char x[40], y[40];
    glim__number_text((double)m->xy[2 * i], true, x);
    glim__number_text((double)m->xy[2 * i + 1], true, y);
    if (all->n_sites) {
        cli_csv_text(b, m->site);
        glim__buffer_putc(b, ',');
    }
    glim__buffer_printf(b, "%zu,%s,%s", i + 1, x, y);
    if (m->placed)
        glim__buffer_printf(b, ",%d", i >= m->n - m->placed);
    if (m->ids) {
        glim__buffer_putc(b, ',');
        cli_csv_text(b, m->ids[i]);
    }
    if (m->label)
        put_color(b, m->label, i);
    for (size_t k = 0; k < m->n_colors; k++)
        put_color(b, &m->colors[k], i);
    if (m->texts) {
        glim__buffer_putc(b, ',');
        cli_csv_text(b, m->texts[i]);
    }
    glim__buffer_puts(b, "\r\n");
}

glim_status cli_map_csv(cli_run *run, const cli_map *m) {
    glim_buffer b;
    glim__buffer_init(&b, run->ctx);
    glim__buffer_printf(&b, "%spoint,x,y%s%s%s", m->n_sites ? "site," : "",
                        m->placed ? ",placed" : "", m->ids ? ",id" : "", m->label ? ",label" : "");
    for (size_t k = 0; k < m->n_colors; k++)
        cli_csv_column(&b, m->colors[k].name, GLIM_NO_QUERY);
    glim__buffer_puts(&b, m->texts ? ",text\r\n" : "\r\n");
    for (size_t k = 0; k < (m->n_sites ? m->n_sites : 1); k++)
        for (size_t i = 0; i < m->n; i++)
            put_point(&b, m, m->n_sites ? &m->sites[k] : m, i);
    glim_status status = b.failed ? glim__oom(run->ctx, &run->err, "the table", b.len)
                                  : glim__file_write(run->o.csv, b.data, b.len, &run->err);
    if (!status)
        cli_wrote(run, run->o.csv);
    glim__buffer_release(&b);
    return status;
}
