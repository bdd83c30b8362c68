/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML report: one file, no network. The main picture and its tables are
 * plain HTML, made here, so that the report works without scripts; the viewer of
 * web/, when it was built in, enhances it from the document in the same file. The
 * policy allows the one style and the one script by their hashes. The document is
 * embedded byte for byte as --json writes it, so the eight digits in the foot are
 * those of `sha256sum why.json`.
 */
#include "view/html-page.h"
#include "view/page.h"
#include "view/panels.h"
#include "view/width.h"

#include <glim/explain.h>
#include <sodium.h>

static const uint64_t LIMIT = (uint64_t)50 << 20;

static const char *const verdicts[] = {"ok", "careful", "distrust"};
static const char *const marks[] = {"\xe2\x9c\x93", "\xe2\x96\xb2", "\xe2\x9c\x96"};

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

/* ---- head ---- */

static const char *key(char out[48], const char *group, const char *name, const char *other) {
    snprintf(out, 48, "%s.%.24s", group, name ? name : other);
    return out;
}

/* Of a kind that has no words, those of a next token. */
static const char *kind_key(char out[48], const char *group, const char *kind) {
    key(out, group, kind, "next-token");
    return glim__html_has(out) ? out : key(out, group, "next-token", NULL);
}

static void put_title(html_page *p) {
    const glim_document *d = p->d;
    char name[48], unit[48];
    glim__html_quote(glim__html_arg(p), d->target.text, d->target.text_len, 48);
    if (d->target.against)
        glim__html_quote(glim__html_arg(p), d->target.against, d->target.against_len, 48);
    glim__html_term(p, glim__html_arg(p), key(unit, "unit", d->input.unit, "token"));
    glim__html_say(p, "h1",
                   kind_key(name, "title", d->target.against ? "contrast" : d->target.kind));
}

static void put_value(html_page *p, glim_buffer *b) {
    const glim_document *d = p->d;
    bool known = isfinite(d->target.baseline_value);
    double scale = fmax(fabs(d->target.value), known ? fabs(d->target.baseline_value) : 0);
    if (!strcmp(d->target.output, "prob"))
        glim__html_percent(b, d->target.value);
    else
        glim__html_number(b, d->target.value, scale, true);
}

static void put_baseline(html_page *p) {
    const glim_document *d = p->d;
    if (!isfinite(d->target.baseline_value))
        return;
    if (!strcmp(d->target.output, "prob"))
        glim__html_percent(glim__html_arg(p), d->target.baseline_value);
    else
        glim__html_number(glim__html_arg(p), d->target.baseline_value, 1, true);
    glim__html_say(p, "span", "target.baseline");
}

static void put_target(html_page *p) {
    const glim_document *d = p->d;
    char output[48], name[48];
    glim__buffer_puts(p->b, "<p class=\"target\">");
    glim__html_term(p, glim__html_arg(p), key(output, "output", d->target.output, "logit"));
    if (d->rows) {
        glim__buffer_printf(glim__html_arg(p), "%zu", d->n_rows);
    } else {
        glim__html_quote(glim__html_arg(p), d->target.text, d->target.text_len, 0);
        if (d->target.against)
            glim__html_quote(glim__html_arg(p), d->target.against, d->target.against_len, 0);
    }
    put_value(p, glim__html_arg(p));
    glim__html_say(p, "span",
                   d->rows && !isfinite(d->target.value) ? "target.each"
                   : d->rows                             ? "target.rows"
                   : d->target.against                   ? "target.contrast"
                                       : kind_key(name, "target", d->target.kind));
    if (isfinite(d->target.prob) && strcmp(d->target.output, "prob") != 0) {
        glim__buffer_putc(p->b, ' ');
        glim__html_percent(glim__html_arg(p), d->target.prob);
        if (d->target.against)
            glim__html_quote(glim__html_arg(p), d->target.text, d->target.text_len, HTML_LABEL);
        glim__html_say(p, "span", d->target.against ? "target.prob-of" : "target.prob");
    }
    put_baseline(p);
    glim__buffer_puts(p->b, "</p>\n");
}

/* Whether a parameter has the method's default; false when that is not known. */
static bool is_default(const glim_param *table, const char *name, const json_t *value) {
    const glim_param *param = table ? glim_param_find(table, name) : NULL;
    if (!param)
        return false;
    switch (param->type) {
    case GLIM_BOOL:
        return !json_is_true(value);
    case GLIM_INT:
    case GLIM_SIZE:
        return json_is_number(value) && json_number_value(value) == (double)param->def.i;
    case GLIM_REAL:
        return json_is_number(value) && json_number_value(value) == param->def.r;
    default:
        return param->def.s
                   ? json_is_string(value) && !strcmp(json_string_value(value), param->def.s)
                   : json_is_null(value);
    }
}

static void put_param(html_page *p, const char *name, const json_t *value, const char *before) {
    glim_buffer text;
    glim__buffer_init(&text, p->b->ctx);
    if (json_is_string(value))
        glim__buffer_puts(&text, json_string_value(value));
    else if (glim__json_write(&text, value, 0, false, NULL))
        p->b->failed = true;
    glim__buffer_puts(p->b, before);
    glim__buffer_puts(p->b, "<code>");
    glim__html_plain(p->b, name, strlen(name), HTML_LABEL);
    glim__buffer_putc(p->b, ' ');
    glim__html_plain(p->b, text.data ? text.data : "", text.len, 40);
    glim__buffer_puts(p->b, "</code>");
    p->b->failed = p->b->failed || text.failed;
    glim__buffer_release(&text);
}

/* Parameters, all or those that differ from the defaults. */
static void put_params(html_page *p, bool all, const char *before) {
    const glim_method *method = glim_method_find(p->d->method.name);
    const glim_param *table = method ? method->params : NULL;
    json_t *params = p->d->method.params ? json_loads(p->d->method.params, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value) {
        if (all || !is_default(table, name, value))
            put_param(p, name, value, before);
    }
    json_decref(params);
}

void glim__html_method(html_page *p) {
    const glim_document *d = p->d;
    char name[48];
    glim_buffer *arg = glim__html_arg(p);
    glim__buffer_puts(arg, "<b>");
    glim__html_plain(arg, d->method.name, strlen(d->method.name), 40);
    glim__buffer_puts(arg, "</b>");
    glim_buffer *page = p->b, words = {0};
    glim__buffer_init(&words, page->ctx);
    html_page inner = *p; /* the summary is told inside an argument */
    inner.b = &words;
    inner.n_args = 0;
    glim__buffer_init(&inner.args, page->ctx);
    snprintf(name, sizeof name, "%.24s.summary", d->method.name);
    glim__html_told(&inner, "span", name, d->method.summary);
    glim__buffer_puts(glim__html_arg(p), words.data ? words.data : "");
    page->failed = page->failed || words.failed || inner.args.failed;
    glim__buffer_release(&words);
    glim__buffer_release(&inner.args);
    glim__buffer_puts(p->b, "<p class=\"method\">");
    glim__html_say(p, "span", "method");
    put_params(p, false, "; ");
    glim__buffer_puts(p->b, "; ");
    glim__buffer_printf(glim__html_arg(p), "%llu", (unsigned long long)d->seed);
    glim__html_say(p, "span", "method.seed");
    glim__buffer_puts(p->b, "</p>\n");
}

void glim__html_verdict(html_page *p) {
    const glim_document *d = p->d;
    char name[48];
    glim__buffer_printf(p->b, "<p class=\"verdict v%d\"><span aria-hidden=\"true\">%s</span> ",
                        (int)d->verdict, marks[d->verdict]);
    glim__html_say(p, "strong", key(name, "verdict", verdicts[d->verdict], "ok"));
    glim__buffer_puts(p->b, ": ");
    if (d->verdict_reason && *d->verdict_reason)
        glim__html_told(p, "span", NULL, d->verdict_reason);
    else
        glim__html_say(p, "span", "verdict.fine");
    glim__buffer_puts(p->b, "</p>\n");
    if (d->partial)
        glim__html_say(p, "p class=\"verdict v1\"", "partial");
}

/* ---- foot ---- */

/* What should add up to what. */
static void put_sum(html_page *p) {
    const glim_document *d = p->d;
    double effect = d->target.value - d->target.baseline_value, sum = 0;
    if (!d->method.additive || !isfinite(effect) || d->rows || !d->scores)
        return;
    for (size_t u = 0; u < d->input.n_units; u++)
        sum += isfinite(d->scores[u]) && !d->input.units[u].fixed ? d->scores[u] : 0;
    sum += isfinite(d->fixed_total) ? d->fixed_total : 0;
    glim__buffer_puts(p->b, "<p class=\"sum\">");
    glim__html_number(glim__html_arg(p), sum, 1, true);
    glim__html_number(glim__html_arg(p), effect, 1, true);
    glim_buffer *arg = glim__html_arg(p);
    glim__html_number(arg, sum - effect, 1, true);
    if (effect != 0) {
        glim__buffer_puts(arg, " (");
        glim__html_percent(arg, fabs((sum - effect) / effect));
        glim__buffer_putc(arg, ')');
    }
    glim__html_say(p, "span", "sum");
    if (isfinite(d->fixed_total) && d->fixed_total != 0) {
        glim__buffer_putc(p->b, ' ');
        glim__html_number(glim__html_arg(p), d->fixed_total, 1, true);
        glim__html_say(p, "span", "sum.fixed");
    }
    glim__buffer_puts(p->b, "</p>\n");
}

static void put_fixed(html_page *p) {
    double share = glim__check_value(p->d, "template_share");
    if (!isfinite(share))
        return;
    glim__html_percent(glim__html_arg(p), share);
    glim__html_say(p, "p class=\"sum\" id=\"glim-fixed\"", "sum.share");
}

static void put_cost(html_page *p) {
    const glim_document *d = p->d;
    glim__buffer_puts(p->b, "<p>");
    glim__buffer_printf(glim__html_arg(p), "%llu", (unsigned long long)d->cost.forward_tokens);
    glim__buffer_printf(glim__html_arg(p), "%llu", (unsigned long long)d->cost.backward_tokens);
    glim__html_say(p, "span", "checks.tokens");
    if (isfinite(d->cost.seconds)) {
        glim__buffer_puts(p->b, " \xc2\xb7 ");
        glim__html_number(glim__html_arg(p), d->cost.seconds, 0, false);
        glim__html_say(p, "span", "checks.seconds");
    }
    glim__buffer_puts(p->b, " \xc2\xb7 ");
    glim__buffer_printf(glim__html_arg(p), "%llu", (unsigned long long)(d->cost.peak_bytes >> 20));
    glim__html_say(p, "span", "checks.memory");
    glim__buffer_puts(p->b, " \xc2\xb7 ");
    glim__buffer_printf(glim__html_arg(p), "%d", d->cost.threads);
    const char *kernels = d->cost.kernels ? d->cost.kernels : "?";
    glim__html_plain(glim__html_arg(p), kernels, strlen(kernels), HTML_LABEL);
    glim__html_say(p, "span", "checks.threads");
    glim__buffer_puts(p->b, "</p>\n");
}

static void put_checks(html_page *p) {
    const glim_document *d = p->d;
    glim__buffer_puts(p->b, "<details class=\"checks\"><summary>");
    glim__html_say(p, "span", "checks");
    glim__buffer_puts(p->b, "</summary>\n<ul>");
    for (size_t i = 0; i < d->n_checks; i++) {
        glim__buffer_puts(p->b, "<li><code>");
        glim__html_plain(p->b, d->checks[i].name, strlen(d->checks[i].name), 0);
        glim__buffer_puts(p->b, "</code> ");
        glim__html_number(p->b, d->checks[i].value, 0, false);
        if (d->checks[i].meaning) {
            glim__buffer_puts(p->b, " ");
            glim__html_told(p, "span", NULL, d->checks[i].meaning);
        }
        glim__buffer_puts(p->b, "</li>\n");
    }
    glim__buffer_puts(p->b, "</ul><p>");
    glim__html_plain(p->b, d->method.name, strlen(d->method.name), 40);
    put_params(p, true, " \xc2\xb7 ");
    glim__buffer_puts(p->b, "</p>\n");
    put_cost(p);
    if (d->method.cite)
        glim__html_told(p, "p", NULL, d->method.cite);
    glim__buffer_puts(p->b, "</details>\n");
}

static void put_item(html_page *p, const char *text, const char *after) {
    if (text)
        glim__html_label(p->b, text, strlen(text), 0);
    else
        glim__buffer_putc(p->b, '?');
    glim__buffer_puts(p->b, after);
}

void glim__html_remarks(html_page *p) {
    const glim_document *d = p->d;
    char name[48];
    put_sum(p);
    put_fixed(p);
    for (size_t i = 0; i < d->n_notes; i++)
        glim__html_told(p, "p class=\"note\"", NULL, d->notes[i]);
    snprintf(name, sizeof name, "%.24s.caption", d->method.name);
    if (d->method.caption)
        glim__html_told(p, "p class=\"caption\"", name, d->method.caption);
}

void glim__html_footer(html_page *p, const char *digest) {
    const glim_document *d = p->d;
    glim__buffer_puts(p->b, "<footer>");
    put_item(p, d->model.file, " \xc2\xb7 ");
    put_item(p, d->model.architecture, " \xc2\xb7 ");
    put_item(p, d->model.quantisation, " \xc2\xb7 glim ");
    put_item(p, d->version, " \xc2\xb7 ");
    glim__buffer_printf(glim__html_arg(p), "<code id=\"glim-digest\">%s</code>", digest);
    glim__html_say(p, "span", "document");
    glim__buffer_puts(p->b, "</footer>\n");
}

/* ---- the page ---- */

/* For a matrix the strip shows the sums over the rows; of their sizes when rows are of
   different targets, such as classes, whose scores would take each other away. */
static double *strip_scores(const glim_document *d) {
    size_t U = d->input.n_units;
    bool sizes = d->rows && !isfinite(d->target.value);
    double *sum = glim__calloc(d->ctx, U + 1, sizeof *sum);
    for (size_t u = 0; u < U && sum; u++) {
        sum[u] = NAN;
        for (size_t r = 0; r < d->n_rows && d->scores; r++)
            if (isfinite(d->scores[r * U + u]))
                sum[u] = (isfinite(sum[u]) ? sum[u] : 0) +
                         (sizes ? fabs(d->scores[r * U + u]) : d->scores[r * U + u]);
    }
    return sum;
}

static void put_policy(glim_buffer *b) {
    glim__buffer_printf(b,
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                        "'none'; img-src data:; style-src '%s'; script-src '%s'; base-uri 'none'; "
                        "form-action 'none'\">\n",
                        glim__html_style_hash,
                        *glim__html_script ? glim__html_script_hash : "none");
}

void glim__html_digest(char out[9], const char *json, size_t n) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)json, n);
    snprintf(out, 9, "%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3]);
}

void glim__html_begin(html_page *p) {
    glim_buffer *b = p->b;
    glim__buffer_printf(b,
                        "<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n",
                        p->zh ? "zh-CN" : "en");
    put_policy(b);
    glim__buffer_puts(b, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                         "<title>glim: ");
    if (glim__of_panels(p->d))
        glim__html_plain(b, p->d->method.name, strlen(p->d->method.name), 48);
    else
        glim__html_plain(b, p->d->target.text ? p->d->target.text : "",
                         p->d->target.text ? p->d->target.text_len : 0, 48);
    glim__buffer_puts(b, "</title>\n<style>");
    glim__buffer_puts(b, glim__html_style);
    glim__buffer_puts(b, "</style>\n</head>\n<body>\n<main id=\"glim\">\n<header>\n");
}

void glim__html_heading(html_page *p) {
    if (p->d->attention.side) {
        glim__html_attention_head(p);
    } else if (glim__of_panels(p->d)) {
        glim__html_panels_head(p);
    } else {
        put_title(p);
        put_target(p);
    }
}

void glim__html_end(html_page *p, const char *json, size_t n) {
    glim__buffer_puts(p->b, "</main>\n<script type=\"application/json\" id=\"glim-data\">");
    put_data(p->b, json, n);
    glim__buffer_puts(p->b, "</script>\n");
    if (*glim__html_script) {
        glim__buffer_puts(p->b, "<script>");
        glim__buffer_puts(p->b, glim__html_script);
        glim__buffer_puts(p->b, "</script>\n");
    }
    glim__buffer_puts(p->b, "</body>\n</html>\n");
}

static void put_page(html_page *p, const char *json, size_t n) {
    glim_buffer *b = p->b;
    char digest[9];
    glim__html_digest(digest, json, n);
    glim__html_begin(p);
    bool attention = p->d->attention.side, panels = glim__of_panels(p->d);
    glim__html_heading(p);
    glim__html_method(p);
    glim__buffer_puts(b, "</header>\n");
    glim__html_verdict(p);
    if (attention) {
        glim__html_attention(p);
    } else if (!panels) {
        glim__html_prediction(p);
        glim__html_strip(p);
        glim__html_levels(p);
        glim__html_waterfall(p);
        glim__html_tables(p);
    }
    if (panels && p->d->input.image.rgb)
        glim__html_seen(p);
    glim__html_links(p);
    glim__html_panels(p);
    glim__html_remarks(p);
    put_checks(p);
    glim__html_profile(p);
    if (*glim__html_missing)
        glim__html_told(p, "p class=\"note\"", NULL, glim__html_missing);
    glim__html_footer(p, digest);
    glim__html_end(p, json, n);
}

/* Where graphemes of the text begin, for rows that are parts of characters. */
static uint8_t *grapheme_starts(const glim_document *d) {
    size_t n = d->input.text_len;
    uint8_t *starts = glim__calloc(d->ctx, n + 1, 1);
    for (size_t i = 0, len; i < n && starts; i += len) {
        glim__grapheme_width(d->input.text + i, n - i, &len, 1);
        starts[i] = 1;
    }
    if (starts)
        starts[n] = 1;
    return starts;
}

glim_status glim__html_open(html_page *p, const glim_document *d, const glim_view_options *o,
                            glim_error *err) {
    *p = (html_page){.b = p->b, .d = d, .zh = o->lang && !strcmp(o->lang, "zh-CN")};
    glim__buffer_init(&p->args, d->ctx);
    p->scores = strip_scores(d);
    p->starts = grapheme_starts(d);
    if (!p->scores || !p->starts)
        return glim__oom(d->ctx, err, "the report", d->input.n_units * sizeof *p->scores);
    for (size_t u = 0; u < d->input.n_units; u++)
        if (isfinite(p->scores[u]) && glim__html_counts(p, u))
            p->limit = fmax(p->limit, fabs(p->scores[u]));
    return GLIM_OK;
}

void glim__html_close(html_page *p) {
    glim__free(p->args.ctx, p->scores);
    glim__free(p->args.ctx, p->starts);
    glim__buffer_release(&p->args);
}

static glim_status render(const glim_document *d, const glim_view_options *o, char **out, size_t *n,
                          glim_error *err) {
    glim_buffer b;
    html_page p = {.b = &b};
    char *json = NULL;
    size_t json_len = 0;
    glim__buffer_init(&b, d->ctx);
    glim_status status = glim__html_open(&p, d, o, err);
    if (!status)
        status = glim__view_json.render(d, o, &json, &json_len, err);
    if (!status)
        put_page(&p, json, json_len);
    if (!status && b.len > (o->limit ? o->limit : LIMIT))
        status = glim_fail(err, GLIM_ELIMIT,
                           "the report would have %.1f MiB (take larger units or a higher "
                           "--html-limit)",
                           (double)b.len / (1 << 20));
    glim__free(d->ctx, json);
    glim__html_close(&p);
    if (status) {
        glim__buffer_release(&b);
        return status;
    }
    return glim__view_finish(&b, out, n, err);
}

const glim_view glim__view_html = {
    .name = "html", .summary = "a report in one file, without network", .render = render};
