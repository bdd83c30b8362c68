/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page. Its three files are embedded when glim is built (web/build-page.mjs). A glim that was
 * built without Node.js lists the jobs instead, with links to what they found.
 */
#include "serve/front-page.h"
#include "serve/request.h"

#include <string.h>

static const char HTML[] = "text/html; charset=utf-8";

static void put_escaped(glim_buffer *b, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        switch (s[i]) {
        case '<':
            glim__buffer_puts(b, "&lt;");
            break;
        case '&':
            glim__buffer_puts(b, "&amp;");
            break;
        case '"':
            glim__buffer_puts(b, "&quot;");
            break;
        default:
            glim__buffer_putc(b, s[i]);
        }
}

/* The words of the list in English and Chinese. */
static const char *const words[][2] = {
    {"en", "zh-CN"},
    {"jobs", "任务"},
    {"This glim was built without the page; jobs come through its interface",
     "此版本未包含网页；请通过接口提交任务"},
    {"report", "报告"},
    {"document", "文档"},
    {"No jobs yet.", "暂无任务。"},
};
enum { LANG, JOBS, WITHOUT, REPORT, DOCUMENT, NONE };
static const char *const states[][2] = {{"queued", "排队中"},
                                        {"running", "运行中"},
                                        {"done", "完成"},
                                        {"failed", "失败"},
                                        {"cancelled", "已取消"}};

struct sheet {
    glim_buffer *b;
    int lang;
    size_t rows;
};

static glim_status put_row(void *data, const serve_row *row) {
    struct sheet *t = data;
    t->rows++;
    glim__buffer_printf(t->b, "<tr><td>%lld</td><td>%s</td><td>", (long long)row->id,
                        states[row->state][t->lang]);
    put_escaped(t->b, row->title.data, row->title.len);
    glim__buffer_puts(t->b, "</td><td><code>");
    put_escaped(t->b, row->line.data, row->line.len);
    glim__buffer_puts(t->b, "</code></td><td>");
    if (row->document)
        glim__buffer_printf(t->b,
                            "<a href=\"/api/v1/jobs/%lld/report?lang=%s\">%s</a> "
                            "<a href=\"/api/v1/jobs/%lld/document\">%s</a>",
                            (long long)row->id, words[LANG][t->lang], words[REPORT][t->lang],
                            (long long)row->id, words[DOCUMENT][t->lang]);
    glim__buffer_puts(t->b, "</td></tr>\n");
    return GLIM_OK;
}

static serve_result list_page(serve_request *r) {
    glim_buffer b;
    glim_error err;
    const char *wanted =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Accept-Language");
    struct sheet t = {.b = &b, .lang = wanted && !strncmp(wanted, "zh", 2)};
    serve_look look = {.ctx = r->server->ctx, .limit = 200, .each = put_row, .data = &t};
    glim__buffer_init(&b, r->server->ctx);
    glim__buffer_printf(&b,
                        "<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\">"
                        "<meta name=\"viewport\" content=\"width=device-width\">"
                        "<link rel=\"icon\" "
                        "href=\"data:,\"><title>glim</title></head><body>\n<h1>glim %s: %s</h1>\n"
                        "<p>%s: <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a></p>\n"
                        "<table>\n",
                        words[LANG][t.lang], glim_version(), words[JOBS][t.lang],
                        words[WITHOUT][t.lang]);
    glim_status status = serve_history_look(r->server->store, &look, &err);
    glim__buffer_puts(&b, "</table>\n");
    if (!t.rows)
        glim__buffer_printf(&b, "<p>%s</p>\n", words[NONE][t.lang]);
    glim__buffer_puts(&b, "</body></html>\n");
    serve_result result =
        status ? serve_reply_status(r, status, &err) : serve_reply_text(r, 200, HTML, &b);
    glim__buffer_release(&b);
    return result;
}

static serve_result embedded(serve_request *r, const char *text, const char *hash) {
    serve_fixed f = {.text = {.data = (char *)text, .len = strlen(text)}};
    if (!*text)
        return serve_reply_error(r, 404, "page: this glim was built without it");
    snprintf(f.etag, sizeof f.etag, "\"%.16s\"", hash);
    return serve_reply_fixed(r, &f, r->route->type);
}

serve_result serve_get_page(serve_request *r) {
    return *serve_page_html ? embedded(r, serve_page_html, serve_page_hash) : list_page(r);
}

serve_result serve_get_script(serve_request *r) {
    return embedded(r, serve_page_script, serve_page_hash);
}

serve_result serve_get_style(serve_request *r) {
    return embedded(r, serve_page_style, serve_page_hash);
}
