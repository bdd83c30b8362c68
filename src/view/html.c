/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML report: one file, no network. The main picture and its table are plain
 * HTML, made here, so that the report works without scripts; the viewer of web/,
 * when it was built in, enhances it from the document's JSON in the same file.
 * The policy allows the one style and the one script by their hashes.
 */
#include "view/html.h"
#include "view/palette.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

static const uint64_t LIMIT = (uint64_t)50 << 20;

/* Markup of text; bytes that are no UTF-8 become U+FFFD. */
static void escape(glim_buffer *b, const char *s, size_t n) {
    json_t *clean = glim__json_text(s, n);
    const char *text = json_string_value(clean);
    for (size_t i = 0; text && i < json_string_length(clean); i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '<')
            glim__buffer_puts(b, "&lt;");
        else if (c == '>')
            glim__buffer_puts(b, "&gt;");
        else if (c == '&')
            glim__buffer_puts(b, "&amp;");
        else if (c == '"')
            glim__buffer_puts(b, "&quot;");
        else if (c < 0x20 && c != '\n' && c != '\t')
            glim__buffer_printf(b, "\\x%02x", c);
        else
            glim__buffer_putc(b, (char)c);
    }
    json_decref(clean);
}

static void word(glim_buffer *b, const char *s) {
    if (s)
        escape(b, s, strlen(s));
}

/* JSON inside a script element: nothing can close it. */
static void put_data(glim_buffer *b, const char *json, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)json[i];
        if (c == '<' || c == '>' || c == '&')
            glim__buffer_printf(b, "\\u%04x", c);
        else if (c == 0xe2 && i + 2 < n && (unsigned char)json[i + 1] == 0x80 &&
                 ((unsigned char)json[i + 2] | 1) == 0xa9) {
            glim__buffer_puts(b, (unsigned char)json[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
            i += 2;
        } else {
            glim__buffer_putc(b, (char)c);
        }
    }
}

static void number(glim_buffer *b, double x) {
    if (isfinite(x))
        glim__buffer_printf(b, "%s%.3g", x < 0 ? "\xe2\x88\x92" : "+", fabs(x));
    else
        glim__buffer_puts(b, "\xe2\x80\x93");
}

static void put_head(glim_buffer *b, const glim_document *d) {
    static const char *const verdicts[] = {"ok", "careful", "do not trust"};
    glim__buffer_puts(b, "<h1>Why \xe2\x80\x9c");
    escape(b, d->target.text, d->target.text_len);
    glim__buffer_puts(b, "\xe2\x80\x9d");
    if (d->target.against) {
        glim__buffer_puts(b, " and not \xe2\x80\x9c");
        escape(b, d->target.against, d->target.against_len);
        glim__buffer_puts(b, "\xe2\x80\x9d");
    }
    glim__buffer_puts(b, "</h1>\n<p class=\"target\">");
    word(b, d->target.output);
    glim__buffer_putc(b, ' ');
    number(b, d->target.value);
    if (isfinite(d->target.baseline_value)) {
        glim__buffer_puts(b, ", baseline ");
        number(b, d->target.baseline_value);
    }
    if (isfinite(d->target.prob))
        glim__buffer_printf(b, ", probability %.1f %%", 100 * d->target.prob);
    glim__buffer_puts(b, "</p>\n<p class=\"method\">");
    word(b, d->method.name);
    glim__buffer_puts(b, ": ");
    word(b, d->method.summary);
    glim__buffer_printf(b, "</p>\n<p class=\"verdict v%d\"><strong>%s</strong> ", (int)d->verdict,
                        verdicts[d->verdict]);
    word(b, d->verdict_reason);
    glim__buffer_puts(b, "</p>\n");
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most)
            most = fabs(x[i]);
    return most;
}

/* A class a step (s0 .. s10) instead of style attributes, which the policy
   forbids. */
static void put_strip(glim_buffer *b, const glim_document *d, const double *scores, double limit) {
    glim__buffer_puts(b, "<p class=\"strip\">");
    int turn = -1;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        if (d->input.n_turns && unit->turn >= 0 && unit->turn != turn) {
            turn = unit->turn;
            glim__buffer_puts(b, "</p>\n<p class=\"strip\"><b class=\"role\">");
            word(b, glim__turn_name(d, turn));
            glim__buffer_puts(b, "</b> ");
        }
        if (unit->fixed) {
            glim__buffer_puts(b, "<i class=\"fixed\">");
            escape(b, unit->text, unit->text_len);
            glim__buffer_puts(b, "</i>");
            continue;
        }
        glim__buffer_printf(b, "<span class=\"unit s%d\" data-unit=\"%zu\" title=\"",
                            glim__step(scores[u], limit) + GLIM_STEPS, u);
        number(b, scores[u]);
        glim__buffer_puts(b, "\">");
        escape(b, unit->text, unit->text_len);
        glim__buffer_puts(b, "</span>");
    }
    glim__buffer_puts(b, "</p>\n<p class=\"legend\" aria-hidden=\"true\">");
    number(b, -limit);
    for (int s = 0; s <= 2 * GLIM_STEPS; s++)
        glim__buffer_printf(b, "<span class=\"unit s%d\">&nbsp;&nbsp;</span>", s);
    number(b, limit);
    glim__buffer_putc(b, ' ');
    word(b, d->target.output);
    glim__buffer_puts(b, "</p>\n");
}

static void put_table(glim_buffer *b, const glim_document *d) {
    glim__buffer_puts(b,
                      "<details open><summary>Scores</summary><div class=\"scroll\" tabindex=\"0\">"
                      "<table><thead><tr>");
    if (d->rows)
        glim__buffer_puts(b, "<th scope=\"col\">produced</th>");
    for (size_t u = 0; u < d->input.n_units; u++) {
        if (!d->rows || d->input.units[u].fixed)
            continue;
        glim__buffer_puts(b, "<th scope=\"col\">");
        escape(b, d->input.units[u].text, d->input.units[u].text_len);
        glim__buffer_puts(b, "</th>");
    }
    if (!d->rows)
        glim__buffer_puts(b, "<th scope=\"col\">unit</th><th scope=\"col\">score</th>"
                             "<th scope=\"col\">error</th>");
    glim__buffer_puts(b, "</tr></thead><tbody>\n");
    for (size_t r = 0; r < d->n_rows; r++) {
        const double *scores = d->scores + r * d->input.n_units;
        double limit = largest(scores, d->input.n_units);
        if (d->rows) {
            glim__buffer_puts(b, "<tr><th scope=\"row\">");
            escape(b, d->rows[r].text, d->rows[r].text_len);
            glim__buffer_puts(b, "</th>");
        }
        for (size_t u = 0; u < d->input.n_units; u++) {
            const glim_document_unit *unit = &d->input.units[u];
            if (unit->fixed)
                continue;
            if (!d->rows) {
                glim__buffer_puts(b, "<tr><th scope=\"row\">");
                escape(b, unit->text, unit->text_len);
                glim__buffer_puts(b, "</th>");
            }
            glim__buffer_printf(b, "<td class=\"s%d\">", glim__step(scores[u], limit) + GLIM_STEPS);
            number(b, scores[u]);
            glim__buffer_puts(b, "</td>");
            if (!d->rows) {
                glim__buffer_puts(b, "<td>");
                number(b, d->error ? d->error[u] : NAN);
                glim__buffer_puts(b, "</td></tr>\n");
            }
        }
        if (d->rows)
            glim__buffer_puts(b, "</tr>\n");
    }
    glim__buffer_puts(b, "</tbody></table></div></details>\n");
}

static void put_foot(glim_buffer *b, const glim_document *d) {
    for (size_t i = 0; i < d->n_notes; i++) {
        glim__buffer_puts(b, "<p class=\"note\">");
        word(b, d->notes[i]);
        glim__buffer_puts(b, "</p>\n");
    }
    glim__buffer_puts(b, "<p class=\"note\">");
    word(b, d->method.caption);
    glim__buffer_puts(b, "</p>\n<footer>");
    word(b, d->model.file);
    glim__buffer_puts(b, " \xc2\xb7 ");
    word(b, d->model.quantisation);
    glim__buffer_puts(b, " \xc2\xb7 glim ");
    word(b, d->version);
    glim__buffer_puts(b, " \xc2\xb7 ");
    word(b, d->method.cite);
    glim__buffer_puts(b, "</footer>\n");
}

/* For a matrix the strip shows the sums over the rows. */
static double *strip_scores(const glim_document *d) {
    size_t U = d->input.n_units;
    double *sum = glim__calloc(d->ctx, U + 1, sizeof *sum);
    for (size_t u = 0; u < U && sum; u++) {
        sum[u] = NAN;
        for (size_t r = 0; r < d->n_rows; r++)
            if (isfinite(d->scores[r * U + u]))
                sum[u] = (isfinite(sum[u]) ? sum[u] : 0) + d->scores[r * U + u];
    }
    return sum;
}

static void put_page(glim_buffer *b, const glim_document *d, const glim_view_options *o,
                     const double *scores, const char *json, size_t n) {
    const char *lang = o->lang && !strcmp(o->lang, "zh-CN") ? "zh-CN" : "en";
    glim__buffer_printf(b,
                        "<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                        "'none'; img-src data:; style-src '%s'%s%s%s; base-uri 'none'; "
                        "form-action 'none'\">\n<meta name=\"viewport\" "
                        "content=\"width=device-width,initial-scale=1\">\n<title>glim: ",
                        lang, glim__html_style_hash, *glim__html_script ? "; script-src '" : "",
                        glim__html_script_hash, *glim__html_script ? "'" : "");
    escape(b, d->target.text, d->target.text_len);
    glim__buffer_puts(b, "</title>\n<style>");
    glim__buffer_puts(b, glim__html_style);
    glim__buffer_puts(b, "</style>\n</head>\n<body>\n<main id=\"glim\">\n");
    put_head(b, d);
    put_strip(b, d, scores, largest(scores, d->input.n_units));
    put_table(b, d);
    if (*glim__html_missing) {
        glim__buffer_puts(b, "<p class=\"note\">");
        word(b, glim__html_missing);
        glim__buffer_puts(b, "</p>\n");
    }
    put_foot(b, d);
    glim__buffer_puts(b, "</main>\n<script type=\"application/json\" id=\"glim-data\">");
    put_data(b, json, n);
    glim__buffer_puts(b, "</script>\n");
    if (*glim__html_script) {
        glim__buffer_puts(b, "<script>");
        glim__buffer_puts(b, glim__html_script);
        glim__buffer_puts(b, "</script>\n");
    }
    glim__buffer_puts(b, "</body>\n</html>\n");
}

static glim_status render(const glim_document *d, const glim_view_options *o, char **out, size_t *n,
                          glim_error *err) {
    glim_buffer json, b;
    double *scores = strip_scores(d);
    json_t *value = glim__document_json(d);
    glim__buffer_init(&json, d->ctx);
    glim__buffer_init(&b, d->ctx);
    glim_status status = scores ? glim__json_write(&json, value, 0, false, err)
                                : glim__oom(d->ctx, err, "the report", d->input.n_units * 8);
    json_decref(value);
    if (!status)
        put_page(&b, d, o, scores, json.data, json.len);
    if (!status && b.len > (o->limit ? o->limit : LIMIT))
        status = glim_fail(err, GLIM_ELIMIT, "the report would have %zu MiB (take larger units)",
                           b.len >> 20);
    glim__buffer_release(&json);
    glim__free(d->ctx, scores);
    if (status) {
        glim__buffer_release(&b);
        return status;
    }
    return glim__view_finish(&b, out, n, err);
}

const glim_view glim__view_html = {
    .name = "html", .summary = "a report in one file, without network", .render = render};
