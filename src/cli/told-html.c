/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/told-html.h"

#include <stdarg.h>
#include <string.h>

enum { LIMIT = 50 << 20 };

void cli_html_argument(html_page *p, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glim__html_plain(glim__html_arg(p), text, strlen(text), 0);
}

void cli_html_verdict(html_page *p, glim_verdict verdict, const char *reason) {
    static const char *const marks[] = {"\xe2\x9c\x93", "\xe2\x96\xb2", "\xe2\x9c\x96"};
    static const char *const words[] = {"verdict.ok", "verdict.careful", "verdict.distrust"};
    glim__buffer_printf(p->b, "<p class=\"verdict v%d\"><span aria-hidden=\"true\">%s</span> ",
                        (int)verdict, marks[verdict]);
    glim__html_say(p, "strong", words[verdict]);
    if (*reason) {
        glim__buffer_puts(p->b, ": ");
        glim__html_plain(p->b, reason, strlen(reason), 0);
    }
    glim__buffer_puts(p->b, "</p>\n");
}

void cli_html_foot(html_page *p, const char *const *notes, size_t n, const char *version) {
    for (size_t i = 0; i < n; i++) {
        glim__buffer_puts(p->b, "<p class=\"note\">");
        glim__html_plain(p->b, notes[i], strlen(notes[i]), 0);
        glim__buffer_puts(p->b, "</p>\n");
    }
    glim__buffer_puts(p->b, "<footer>glim ");
    glim__html_plain(p->b, version, strlen(version), 40);
    glim__buffer_puts(p->b, "</footer>\n");
}

glim_status cli_html_data(html_page *p, json_t *all, bool ok, glim_error *err) {
    glim_buffer text;
    glim__buffer_init(&text, p->b->ctx);
    glim_status status = glim__json_write(&text, ok ? all : NULL, 0, false, err);
    json_decref(all);
    if (!status)
        glim__html_end(p, text.data, text.len);
    p->b->failed = p->b->failed || text.failed;
    glim__buffer_release(&text);
    return status;
}

glim_status cli_html_write(cli_run *run, const glim_buffer *page, const char *less) {
    uint64_t limit = run->o.html_limit ? run->o.html_limit : LIMIT;
    if (page->failed)
        return glim__oom(run->ctx, &run->err, "the report", page->len);
    if (page->len > limit)
        return glim_fail(&run->err, GLIM_ELIMIT,
                         "the report would have %.1f MiB (a higher --html-limit%s)",
                         (double)page->len / (1 << 20), less);
    glim_status status = strcmp(run->o.html, "-")
                             ? glim__file_write(run->o.html, page->data, page->len, &run->err)
                             : cli_put(run, page->data, page->len);
    if (!status)
        cli_wrote(run, run->o.html);
    return status;
}
