/* SPDX-License-Identifier: Apache-2.0 */
/* --csv and --raw of `glim influence`: all rows, as blocks come by. */
#include "cli/influence-told.h"
#include "file/safetensors.h"

#include <math.h>
#include <string.h>

static glim_status write_csv(cli_influence *c, const glim_influence_block *b, glim_error *err) {
    char number[40];
    glim__buffer_clear(&c->line);
    for (size_t i = 0; i < b->count; i++) {
        const char *label = cli_sample_label(&c->train, b->first + i);
        glim__buffer_printf(&c->line, "%zu,", cli_sample_row(&c->train, b->first + i));
        cli_csv_text(&c->line, label ? label : "");
        for (size_t k = 0; k < c->n_columns; k++) {
            double v = b->values[i * c->n_columns + k];
            glim__buffer_putc(&c->line, ',');
            if (!isfinite(v))
                continue;
            glim__number_text(v, false, number);
            glim__buffer_puts(&c->line, number);
        }
        glim__buffer_puts(&c->line, "\r\n");
    }
    if (c->line.failed)
        return glim__oom(c->run->ctx, err, "lines of the table", c->line.len);
    return glim__outfile_write(&c->csv, c->line.data, c->line.len, err);
}

glim_status cli_files_begin(cli_influence *c, glim_error *err) {
    const cli_options *o = &c->run->o;
    glim_status status = GLIM_OK;
    if (o->csv) {
        status = glim__outfile_open(&c->csv, o->csv, err);
        c->writes_csv = !status;
        glim__buffer_clear(&c->line);
        glim__buffer_puts(&c->line, "row,label");
        for (size_t k = 0; k < c->n_columns; k++)
            cli_csv_column(&c->line, c->names[k], c->columns[k].query);
        glim__buffer_puts(&c->line, "\r\n");
        if (!status && c->line.failed)
            status = glim__oom(c->run->ctx, err, "the columns", c->line.len);
        if (!status)
            status = glim__outfile_write(&c->csv, c->line.data, c->line.len, err);
    }
    if (!status && o->raw) {
        c->single = glim__calloc(c->run->ctx, c->n_columns, GLIM_FEATURES_BLOCK * sizeof(float));
        if (!c->single)
            return glim__oom(c->run->ctx, err, "a block", c->n_columns * 1024);
        status =
            glim__npy_begin(&c->raw, o->raw, false, 2, (uint64_t[]){c->train.n, c->n_columns}, err);
        c->writes_raw = !status;
    }
    return status;
}

glim_status cli_files_write(cli_influence *c, const glim_influence_block *b, glim_error *err) {
    size_t n = b->count * c->n_columns;
    glim_status status = c->writes_csv ? write_csv(c, b, err) : GLIM_OK;
    if (status || !c->writes_raw)
        return status;
    for (size_t i = 0; i < n; i++)
        c->single[i] = (float)b->values[i];
    return glim__outfile_write(&c->raw, c->single, n * sizeof *c->single, err);
}

glim_status cli_files_end(cli_influence *c, glim_status status) {
    cli_run *run = c->run;
    bool whole = !status;
    if (c->writes_csv && (whole || status == GLIM_ECANCELLED)) {
        glim_status ended = glim__outfile_commit(&c->csv, &run->err);
        status = status ? status : ended;
        if (!ended)
            cli_wrote(run, run->o.csv);
    } else if (c->writes_csv) {
        glim__outfile_abort(&c->csv);
    }
    if (c->writes_raw && whole) {
        status = glim__outfile_commit(&c->raw, &run->err);
        if (!status)
            cli_wrote(run, run->o.raw);
    } else if (c->writes_raw) {
        glim__outfile_abort(&c->raw);
    }
    return status;
}
