/* SPDX-License-Identifier: Apache-2.0 */
/* Where answers go, and how tokens look to people. The environment is read here
   and nowhere below: NO_COLOR, TERM, COLORTERM, COLUMNS, LANG. */
#include "cli/cli.h"
#include "file/safetensors.h"
#include "model/model.h"
#include "view/width.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool cli_wants_terminal(const cli_run *run) {
    return !run->o.json && !run->o.csv && !run->o.html && !run->o.svg && !run->o.png &&
           !run->o.pdf && !run->o.alt && !run->o.raw;
}

/* Past stdio: a signal may end a write that waits for a reader. */
glim_status cli_put(cli_run *run, const char *text, size_t n) {
    cli_erase_progress();
    while (n) {
        ssize_t done = write(STDOUT_FILENO, text, n);
        if (done < 0 && errno == EINTR) {
            glim_status status = glim__check_cancel(run->ctx, &run->err);
            if (status)
                return status;
            continue;
        }
        if (done < 0)
            return glim_fail(&run->err, GLIM_EIO, "cannot write 'standard output': %s",
                             strerror(errno));
        text += done;
        n -= (size_t)done;
    }
    return GLIM_OK;
}

glim_status cli_put_buffer(cli_run *run, glim_buffer *out, const char *what) {
    glim_status status = out->failed ? glim__oom(run->ctx, &run->err, what, out->len)
                                     : cli_put(run, out->data, out->len);
    glim__buffer_release(out);
    return status;
}

glim_status cli_put_raw(cli_run *run, const float *data, uint64_t rows, uint64_t width) {
    glim_status status =
        glim__npy_write(run->ctx, run->o.raw, data, 2, (uint64_t[]){rows, width}, &run->err);
    if (!status)
        cli_wrote(run, run->o.raw);
    return status;
}

glim_status cli_put_json(cli_run *run, const char *path, json_t *value, bool ok) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim_status status = glim__json_write(&out, ok ? value : NULL, 1, false, &run->err);
    glim__buffer_putc(&out, '\n');
    json_decref(value);
    if (!status && out.failed)
        status = glim__oom(run->ctx, &run->err, "the answer", out.len);
    if (!status)
        status = strcmp(path, "-") ? glim__file_write(path, out.data, out.len, &run->err)
                                   : cli_put(run, out.data, out.len);
    if (!status)
        cli_wrote(run, path);
    glim__buffer_release(&out);
    return status;
}

glim_color cli_color(const cli_run *run) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM"), *more = getenv("COLORTERM");
    if (!strcmp(run->o.color, "never"))
        return GLIM_COLOR_NONE;
    if (strcmp(run->o.color, "always") &&
        ((no && *no) || !isatty(STDOUT_FILENO) || (term && !strcmp(term, "dumb"))))
        return GLIM_COLOR_NONE;
    if (more && (!strcmp(more, "truecolor") || !strcmp(more, "24bit")))
        return GLIM_COLOR_TRUE;
    return term && strstr(term, "256color")           ? GLIM_COLOR_256
           : !strcmp(run->o.color, "always") && !term ? GLIM_COLOR_256
                                                      : GLIM_COLOR_16;
}

int cli_width(const cli_run *run) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (run->o.width)
        return (int)run->o.width;
    if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
        return size.ws_col;
    int n = columns ? atoi(columns) : 0;
    return n > 0 ? n : 80;
}

int cli_sheet_width(const cli_run *run) {
    enum { WIDEST = 100 };
    bool told = run->o.width || isatty(STDOUT_FILENO) || getenv("COLUMNS");
    int width = told ? cli_width(run) : WIDEST;
    return width > WIDEST ? WIDEST : width;
}

void cli_put_wrapped(glim_buffer *out, int width, int indent, const char *text) {
    int column = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (!column || column + 1 + n > width) {
            glim__buffer_printf(out, "%s%*s", column ? "\n" : "", indent, "");
            column = indent;
        } else {
            glim__buffer_putc(out, ' ');
            column++;
        }
        glim__buffer_append(out, text, (size_t)n);
        column += n;
        text += n + (text[n] == ' ');
    }
    glim__buffer_putc(out, '\n');
}

bool cli_ascii(const cli_run *run) {
    const char *vars[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    if (run->o.ascii)
        return true;
    for (int i = 0; i < 3; i++) {
        const char *v = getenv(vars[i]);
        if (v && *v)
            return !strstr(v, "UTF-8") && !strstr(v, "utf8") && !strstr(v, "utf-8");
    }
    return false; /* nothing said: UTF-8 is the rule today */
}

const char *cli_lang(const cli_run *run) {
    const char *vars[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    if (run->o.lang && strcmp(run->o.lang, "auto") != 0)
        return run->o.lang;
    for (int i = 0; i < 3; i++) {
        const char *v = getenv(vars[i]);
        if (v && *v)
            return strncmp(v, "zh", 2) ? "en" : "zh-CN";
    }
    return "en";
}

void cli_visible(glim_buffer *out, const char *s, size_t n, cli_look look, bool ascii) {
    for (size_t i = 0, len = 1; i < n; i += len, len = 1) {
        if (look == CLI_STREAM && (s[i] == '\n' || s[i] == '\t'))
            glim__buffer_putc(out, s[i]);
        else if (look == CLI_TOKEN && s[i] == ' ')
            glim__buffer_puts(out, ascii ? "_" : "\xc2\xb7");
        else if (s[i] == '\n' || s[i] == '\t')
            glim__buffer_puts(out, s[i] == '\n' ? "\\n" : "\\t");
        else
            glim__put_grapheme(out, s + i, n - i, &len, ascii);
    }
}

void cli_pad(glim_buffer *out, size_t from, int columns) {
    int have = out->data ? glim__text_width(out->data + from, out->len - from, 1) : 0;
    for (; have < columns; have++)
        glim__buffer_putc(out, ' ');
}

const char *cli_size(char out[32], uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double x = (double)bytes;
    int u = 0;
    while (x >= 1024 && u < 4) {
        x /= 1024;
        u++;
    }
    snprintf(out, 32, x < 10 && u ? "%.1f %s" : "%.0f %s", x, units[u]);
    return out;
}

json_t *cli_token_json(const cli_run *run, const glim_token *t, bool *ok) {
    static const char *const kinds[] = {"text", "special", "template", "generated"};
    size_t n;
    const char *text = glim_model_token_bytes(run->model, t->id, &n);
    json_t *o = json_object();
    glim__json_set(ok, o, "id", json_integer(t->id));
    glim__json_set(ok, o, "text", glim__json_text(text, n));
    glim__json_set(ok, o, "start", json_integer((json_int_t)t->start));
    glim__json_set(ok, o, "end", json_integer((json_int_t)t->end));
    glim__json_set(ok, o, "kind", json_string(kinds[t->kind]));
    return o;
}

json_t *cli_output_json(const char *text, size_t n, int64_t id, double logit, double prob,
                        bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "text", glim__json_text(text, n));
    glim__json_set(ok, o, "id", json_integer(id));
    glim__json_set(ok, o, "logit", glim__json_number(logit));
    glim__json_set(ok, o, "prob", glim__json_number(prob));
    return o;
}

json_t *cli_prediction_json(const cli_run *run, json_t *outputs, bool *ok) {
    const glim_tokens *t = run->tokens;
    json_t *all = json_object(), *tokens = json_array();
    for (size_t i = 0; t && i < t->count; i++)
        glim__json_add(ok, tokens, cli_token_json(run, &t->at[i], ok));
    glim__json_set(ok, all, "schema", json_string("glim.prediction/1"));
    glim__json_set(ok, all, "text", glim__json_text(t ? t->text : "", t ? t->text_len : 0));
    glim__json_set(ok, all, "outputs", outputs);
    glim__json_set(ok, all, "tokens", tokens);
    if (run->model->steering)
        glim__json_set(ok, all, "steering", json_string(run->model->steering));
    if (!t) { /* a picture */
        const char *path = run->o.text;
        const char *slash = strrchr(path, '/');
        path = slash ? slash + 1 : path;
        glim__json_set(ok, all, "image", glim__json_text(path, strlen(path)));
    }
    return all;
}

void cli_rank(const cli_run *run, glim_buffer *out, size_t place, const char *text, size_t n,
              double prob, double value) {
    enum { BAR = 30 };
    bool ascii = cli_ascii(run);
    glim__buffer_printf(out, "%3zu  ", place);
    size_t from = out->len;
    cli_visible(out, text, n, CLI_TOKEN, ascii);
    cli_pad(out, from, 20);
    if (isnan(prob))
        glim__buffer_printf(out, " %12.6g", value);
    else
        glim__buffer_printf(out, " %6.1f %%  ", 100 * prob);
    for (int k = 0; !isnan(prob) && k < (int)(BAR * prob + 0.5); k++)
        glim__buffer_puts(out, ascii ? "#" : "\xe2\x96\x88");
    glim__buffer_putc(out, '\n');
}

void cli_order(const double *values, size_t n, size_t *order) {
    for (size_t k = 0; k < n; k++) {
        size_t at = k;
        for (; at && values[order[at - 1]] < values[k]; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
}
