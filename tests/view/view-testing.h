/* SPDX-License-Identifier: Apache-2.0 */
/* Documents for the tests of views, the hard cases among them, made by hand. */
#ifndef GLIM_TESTS_VIEW_TESTING_H
#define GLIM_TESTS_VIEW_TESTING_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/utf8.h"
#include "explain/methods.h"
#include "view/width.h"

#include <glim/glim.h>

/* What a document is made of; units are joined by nothing, scores may be NaN. */
typedef struct case_of {
    const char *name;
    const char *const *units;
    size_t n_units, n_rows; /* rows 0: a plain attribution */
    double scale;           /* of the scores; 0: all zero; NaN: none */
    const char *target, *against, *role, *file, *reason;
    bool error, partial, additive, attention, links, judged;
    glim_verdict verdict;
} case_of;

static const char *const plain_units[] = {"The", " capital", " of", " France", " is"};
static const char *const chinese[] = {"法国", "的", "首都", "是", "哪里", "？", "请", "回答", "。"};
static const char *const strange[] = {"\x1b[31mred",
                                      "\xe2\x80\xae\xd7\xa9\xd7\x9c",
                                      "\xff\xfe",
                                      "a\nb\n\n",
                                      "\t",
                                      "",
                                      " ",
                                      "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
                                      "\xf0\x9f\x87\xab\xf0\x9f\x87\xb7",
                                      "</script><b>",
                                      "\"quoted\", comma",
                                      "e\xcc\x81",
                                      "\x7f\xc2\x85"};
static const char *const one_unit[] = {"alone"};
static const char *const long_unit[] = {
    "aVeryLongUnitThatIsWiderThanTheNarrowestTerminalAndHasNoPlaceToBreakAtAllSoThatItMustBeCutSome"
    "whereAndNowhereElseThanAtTheEndOfALine",
    "非常长的一个单位没有任何空格所以必须在行尾断开而不能超过终端的宽度无论终端有多窄都是这样的情"
    "况"};

#define UNITS(list) list, sizeof list / sizeof *list
static const case_of cases[] = {
    {"plain", UNITS(plain_units), .scale = 1, .target = " Paris", .additive = true, .judged = true},
    {"chinese", UNITS(chinese), .scale = 3, .target = "巴黎", .against = "伦敦"},
    {"strange", UNITS(strange), .scale = 1, .target = "\x1b]0;x\x07", .role = "us\x1b[1mer",
     .file = "\x1b[2J.gguf", .reason = "because \xe2\x80\xae of \x1b[0m", .error = true,
     .verdict = GLIM_VERDICT_DISTRUST},
    {"alone", UNITS(one_unit), .scale = 1e-9, .target = ""},
    {"long", UNITS(long_unit), .scale = 1e12, .target = "x", .role = "assistant"},
    {"zero", UNITS(plain_units), .scale = 0, .target = "x", .error = true},
    {"nothing", UNITS(plain_units), .scale = NAN, .target = "x", .partial = true,
     .verdict = GLIM_VERDICT_DISTRUST},
    {"matrix", UNITS(plain_units), .n_rows = 3, .scale = 1, .target = " Paris it is"},
    {"strange matrix", UNITS(strange), .n_rows = 40, .scale = 100, .target = "\xff",
     .partial = true, .judged = true},
    {"huge", UNITS(plain_units), .scale = 1e117, .target = "x", .error = true, .additive = true},
    {"huge matrix", UNITS(plain_units), .n_rows = 2, .scale = -1e117, .target = "x"},
    {"empty", plain_units, 0, .scale = 1, .target = "x"},
    {"attention", UNITS(plain_units), .n_rows = 5, .scale = 1, .target = "", .attention = true},
    {"strange attention", UNITS(strange), .n_rows = 40, .scale = 1, .target = "", .attention = true,
     .links = true, .verdict = GLIM_VERDICT_CAREFUL},
    {"chinese attention", UNITS(chinese), .n_rows = 9, .scale = 1, .target = "巴黎",
     .attention = true},
    {"linked matrix", UNITS(chinese), .n_rows = 4, .scale = 1, .target = "巴黎", .links = true},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static inline glim_context *view_context(void) {
    glim_context *ctx = NULL;
    glim_context_options options = {.threads = 1};
    assert_int_equal(glim_context_new(&ctx, &options, NULL), GLIM_OK);
    return ctx;
}

static inline void add_attention(glim_document *d) {
    enum { LAYERS = 2, HEADS = 2 };
    static const size_t sinks[] = {0};
    glim_document_head *stats = glim_document_alloc(d, (size_t)LAYERS * HEADS * sizeof *stats);
    for (int i = 0; i < LAYERS * HEADS; i++)
        stats[i] = (glim_document_head){.layer = i / HEADS,
                                        .head = i % HEADS,
                                        .entropy = 0.5 * i,
                                        .distance = i ? i : NAN,
                                        .previous = 0.25 * i,
                                        .first = 0.5,
                                        .self = NAN,
                                        .induction = i == 1 ? 0.75 : NAN,
                                        .strongest = i ? 0.5 : NAN,
                                        .strongest_row = i ? 1 : 0,
                                        .strongest_unit = i ? 2 : 0};
    d->kind = "attention";
    d->target.kind = "attention";
    d->target.output = "share";
    d->method.name = "attention-map";
    d->method.is_signed = false;
    d->attention = (glim_document_attention){.side = "self",
                                             .layers = LAYERS,
                                             .heads = HEADS,
                                             .layer = 1,
                                             .head = -1,
                                             .sink = "show",
                                             .sinks = sinks,
                                             .n_sinks = 1,
                                             .sink_share = 0.5,
                                             .stats = stats,
                                             .n_stats = (size_t)LAYERS * HEADS,
                                             .raw = "all.npy",
                                             .raw_rows = 7,
                                             .raw_columns = 8};
    for (size_t i = 0; i < d->n_rows * d->input.n_units; i++)
        d->scores[i] = fabs(d->scores[i]);
}

static inline void add_links(glim_document *d) {
    static const glim_document_link found[] = {{0, 0, true}, {1, 2, true}, {2, 1, true}};
    static const glim_document_link gold[] = {{0, 0, true}, {3, 3, true}, {1, 2, false}};
    static const double layers[] = {0.5, NAN};
    d->links = (glim_document_links){.rule = "intersection",
                                     .found = found,
                                     .gold = gold,
                                     .n_found = 3,
                                     .n_gold = 3,
                                     .has_gold = true,
                                     .aer = 0.5,
                                     .precision = NAN,
                                     .recall = 0.25,
                                     .layer_aer = layers,
                                     .n_layers = 2};
}

/* As explain --evaluate keeps it, with a metric of another version and a hostile text. */
static const char kept_evaluation[] =
    "{\"verdict\":\"distrust\",\"reason\":\"\",\"capped\":true,\"marks\":{\"accuracy\":0.25,"
    "\"consistency\":null,\"simplicity\":1.0},\"measures\":[{\"metric\":\"deletion-auc\",\"value\":"
    "-0.125,\"random\":0.5,\"random_se\":0.0625,\"reversed\":1.5,\"best\":-1.0,\"skill\":0.25,"
    "\"rows\":1,\"failed\":false,\"why\":null,\"note\":\"\\u001b[2J</script>\"},{\"metric\":"
    "\"model-randomisation\",\"value\":0.75,\"rows\":1,\"failed\":true},{\"metric\":\"gini\","
    "\"value\":null,\"rows\":0,\"why\":\"\\u001b[31mwhy\"},{\"metric\":\"of another glim\","
    "\"value\":3.5}],\"absent\":\"\\u001b]0;x\\u0007\",\"draws\":10,\"seed\":3,\"asked\":7,"
    "\"seconds\":0.5}";

/* `repeat` times the units of the case. */
static inline glim_document *document_of(glim_context *ctx, const case_of *c, size_t repeat) {
    glim_document *d = NULL;
    size_t n = c->n_units * repeat, R = c->n_rows ? c->n_rows : 1, at = 0;
    char *text = calloc(1, 512 * (n + 1));
    assert_int_equal(glim_document_new(&d, ctx, NULL), GLIM_OK);
    d->kind = c->n_rows ? "attribution-matrix" : "attribution";
    d->version = "0.0.0";
    d->input.units = glim_document_alloc(d, n * sizeof *d->input.units);
    d->input.n_units = n;
    for (size_t u = 0; u < n; u++) {
        const char *s = c->units[u % c->n_units];
        size_t len = strlen(s);
        memcpy(text + at, s, len + 1);
        d->input.units[u] = (glim_document_unit){.text = glim_document_text(d, s, len),
                                                 .text_len = len,
                                                 .start = at,
                                                 .end = at + len,
                                                 .first = u,
                                                 .count = 1,
                                                 .fixed = u % 7 == 6,
                                                 .turn = c->role ? (int)(u >= n / 2) : -1};
        at += len;
    }
    d->input.text = glim_document_text(d, text, at);
    d->input.text_len = at;
    d->input.unit = "word";
    free(text);
    if (c->role) {
        d->input.turns = glim_document_alloc(d, 2 * sizeof *d->input.turns);
        d->input.turns[0] = (glim_document_turn){.role = c->role};
        d->input.turns[1] = (glim_document_turn){.role = "assistant", .end = at};
        d->input.n_turns = 2;
    }
    d->target.kind = c->against ? "contrast" : "next-token";
    d->target.output = "logprob";
    d->target.text = c->target;
    d->target.text_len = strlen(c->target);
    d->target.id = 7;
    d->target.against = c->against;
    d->target.against_len = c->against ? strlen(c->against) : 0;
    d->target.against_id = c->against ? 8 : -1;
    d->target.value = -0.25;
    d->target.baseline_value = c->scale == 0 ? NAN : -16.5;
    d->target.prob = c->against ? NAN : 0.775;
    d->model.file = c->file ? c->file : "model.gguf";
    d->method.name = "occlusion";
    d->method.caption = "One unit at a time.";
    d->method.params = "{\"window\":1}";
    d->method.additive = c->additive;
    d->evaluation = c->judged ? kept_evaluation : NULL;
    d->method.is_signed = true;
    d->n_rows = R;
    d->rows = c->n_rows ? glim_document_alloc(d, R * sizeof *d->rows) : NULL;
    d->scores = glim_document_alloc(d, (R * n + 1) * sizeof *d->scores);
    d->error = c->error ? glim_document_alloc(d, (R * n + 1) * sizeof *d->error) : NULL;
    for (size_t r = 0; r < R; r++) {
        if (d->rows)
            d->rows[r] = (glim_document_row){.text = c->units[r % c->n_units],
                                             .text_len = strlen(c->units[r % c->n_units]),
                                             .id = (int32_t)r,
                                             .value = -1,
                                             .baseline_value = NAN,
                                             .prob = r % 2 ? 0.5 : NAN,
                                             .residual = NAN};
        for (size_t u = 0; u < n; u++) {
            double x = sin((double)(u * 13 + r * 5 + 1)) * c->scale;
            d->scores[r * n + u] = d->input.units[u].fixed || u + r == n + 1 ? NAN : x;
            if (d->error)
                d->error[r * n + u] = u % 3 ? fabs(x) : NAN;
        }
    }
    d->fixed_total = NAN;
    d->seed = 9007199254740992u;
    d->cost.seconds = 1.5;
    d->cost.threads = 2;
    d->partial = c->partial;
    assert_true(glim_document_check_add(d, "sum_share", 0.5, "a share"));
    assert_true(glim_document_note(d, "a note, %s", c->name));
    glim_document_judge(d, c->verdict, "%s", c->reason ? c->reason : "");
    if (c->attention)
        add_attention(d);
    if (c->links)
        add_links(d);
    d->method.fold = "sum";
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    return d;
}

static inline char *render(const glim_document *d, const char *view, const glim_view_options *o,
                           size_t *n) {
    char *text = NULL;
    glim_error err = {0};
    if (glim_view_render(glim_view_find(view), d, o, &text, n, &err))
        fail_msg("%s: %s", view, err.message);
    assert_int_equal(text[*n], 0);
    assert_int_equal(strlen(text), *n);
    return text;
}

/* Takes the SGR sequences out of a line; fails on any other escape, and when a look
   is still on at the line's end. */
static inline size_t without_colours(const char *line, size_t n, char *out) {
    size_t m = 0;
    bool on = false;
    for (size_t i = 0; i < n; i++) {
        if (line[i] != '\x1b') {
            assert_true((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
            out[m++] = line[i];
            continue;
        }
        assert_int_equal(line[++i], '[');
        size_t from = ++i;
        for (; line[i] != 'm'; i++)
            assert_true((line[i] >= '0' && line[i] <= '9') || line[i] == ';');
        on = !(i == from + 1 && line[from] == '0');
    }
    assert_false(on);
    return m;
}

static inline void check_lines(const char *text, const glim_view_options *o, const char *name) {
    char *plain = malloc(strlen(text) + 1);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t n = without_colours(line, strcspn(line, "\n"), plain);
        int width = glim__text_width(plain, n, 1);
        if (width > o->width)
            fail_msg("%s at %d: %d columns: %.*s", name, o->width, width, (int)n, plain);
        if (o->color == GLIM_COLOR_NONE && n)
            assert_true(plain[n - 1] != ' ');
        assert_int_equal(glim__utf8_check(plain, n), n);
        for (size_t i = 0; i < n; i++)
            assert_true(!o->ascii || (unsigned char)plain[i] < 0x7f);
    }
    free(plain);
}

#endif
