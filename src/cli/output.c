/* SPDX-License-Identifier: Apache-2.0 */
/* Where answers go, and how tokens look to people. The environment is read here
   and nowhere below: NO_COLOR, TERM, COLORTERM, COLUMNS, LANG. */
#include "cli/cli.h"
#include "view/width.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool cli_wants_terminal(const cli_run *run) {
    return !run->o.json && !run->o.csv && !run->o.html && !run->o.raw;
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

const char *cli_token_text(const cli_run *run, const glim_token *t, size_t *len) {
    if (t->end > t->start) {
        *len = t->end - t->start;
        return run->tokens->text + t->start;
    }
    return glim_model_token_bytes(run->model, t->id, len);
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
