/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pick: LIME for many rows of a table or texts of a file, drawn by --seed, of which the few
 * are shown whose explanations together tell most (explain/submodular.h). The document is a
 * matrix: its rows are rows of the file, its units the features that they have (rules, or
 * words: one that is written alike is the same in all texts), the weightiest first; a row's
 * score is missing where it does not have a feature.
 */
#include "cli/pick.h"
#include "cli/commands.h"
#include "base/map.h"
#include "base/rng.h"
#include "cli/show.h"
#include "explain/lime.h"
#include "explain/submodular.h"

#include <math.h>
#include <string.h>

/* A feature of one explanation. */
struct part {
    size_t key;
    double score, error;
};

/* What is kept of one explanation. */
struct candidate {
    size_t row;
    struct part *parts; /* (n) */
    size_t n;
    const char *target, *reason;
    double value, prob, intercept, r2;
    glim_verdict verdict;
};

struct picking {
    cli_run *run;
    const glim_lime_params *how;
    glim_arena arena;
    const glim_table *table;
    size_t column; /* of texts, or SIZE_MAX */
    bool texts;
    glim_map rules;    /* text -> number */
    const char **rule; /* (n_rules) */
    size_t n_rules, room;
    const char *unit;      /* of texts */
    struct candidate *all; /* (n) */
    size_t n, seen, done;  /* rows, looked at so far, and explained of those */
    size_t *picks, n_picks;
    double *worth, *covered; /* (n_rules), (n_picks) */
    glim_document *doc;
};

bool cli_wants_pick(const cli_run *run) {
    return run->method == &glim_method_lime && run->method_opts &&
           ((const glim_lime_params *)run->method_opts)->pick > 0;
}

bool cli_wants_many(const cli_run *run) {
    bool rows = run->o.table && !run->o.row;
    bool over = run->command == &cli_evaluate || run->command == &cli_compare;
    return cli_wants_pick(run) || (over && (run->o.data || rows));
}

void cli_draw_rows(const cli_run *run, size_t N, size_t n, uint8_t *taken) {
    for (size_t i = N - n; i < N; i++) { /* Floyd: each set is as likely */
        size_t at = glim__rng_below((uint64_t)run->o.seed, (uint64_t)1 << 41, i, (uint32_t)(i + 1));
        taken[taken[at] ? i : at] = 1;
    }
}

static glim_status oom(struct picking *p, const char *what) {
    return glim__oom(p->run->ctx, &p->run->err, what, 0);
}

/* ---- explaining ---- */

/* Which rows: the first n of all in a random order, then by their number. */
static glim_status choose_rows(struct picking *p, size_t N) {
    glim_context *ctx = p->run->ctx;
    uint8_t *taken = glim__calloc(ctx, N, 1);
    p->n = (size_t)p->how->pick_from < N ? (size_t)p->how->pick_from : N;
    p->all = glim__arena_calloc(&p->arena, p->n, sizeof *p->all);
    if (!taken || !p->all) {
        glim__free(ctx, taken);
        return oom(p, "the rows");
    }
    cli_draw_rows(p->run, N, p->n, taken);
    for (size_t i = 0, k = 0; i < N; i++)
        if (taken[i])
            p->all[k++].row = i;
    glim__free(ctx, taken);
    return GLIM_OK;
}

/* Room for one more rule. */
static bool more_rules(struct picking *p) {
    if (p->n_rules < p->room)
        return true;
    size_t room = p->room ? 2 * p->room : 256;
    const char **rule = glim__arena_calloc(&p->arena, room, sizeof *rule);
    if (!rule)
        return false;
    for (size_t i = 0; i < p->n_rules; i++)
        rule[i] = p->rule[i];
    p->rule = rule;
    p->room = room;
    return true;
}

/* A unit without the spaces around it; false when nothing is left. */
static bool trim(const glim_document_unit *u, const char **text, size_t *len) {
    size_t from = 0, to = u->text_len;
    while (from < to && strchr(" \t\r\n", u->text[from]))
        from++;
    while (to > from && strchr(" \t\r\n", u->text[to - 1]))
        to--;
    *text = u->text + from;
    *len = to - from;
    return to > from;
}

static glim_status find_rule(struct picking *p, const char *text, size_t len, size_t *key) {
    int32_t found = glim__map_get(&p->rules, text, len);
    if (found < 0) {
        const char *copy = glim__arena_strndup(&p->arena, text, len);
        found = (int32_t)p->n_rules;
        if (!copy || !more_rules(p) || !glim__map_set(&p->rules, copy, len, found, NULL))
            return oom(p, "the features");
        p->rule[p->n_rules++] = copy;
    }
    *key = (size_t)found;
    return GLIM_OK;
}

/* The places of a word in one text are one feature. With --bow its score is told at each of
   them, else they add up, and so do errors, which may depend on each other. */
static void add_part(struct picking *p, struct candidate *c, struct part part) {
    for (size_t i = 0; i < c->n; i++) {
        if (c->parts[i].key != part.key)
            continue;
        c->parts[i].score += p->how->bow ? 0 : part.score;
        c->parts[i].error += p->how->bow ? 0 : part.error;
        return;
    }
    c->parts[c->n++] = part;
}

/* Words that the local model of a text did without have a score of 0, and are left out. */
static glim_status keep_parts(struct picking *p, struct candidate *c, const glim_document *doc) {
    size_t U = doc->input.n_units;
    c->parts = glim__arena_calloc(&p->arena, U + 1, sizeof *c->parts);
    if (!c->parts)
        return oom(p, "an explanation");
    for (size_t u = 0; u < U; u++) {
        const char *text;
        size_t len;
        struct part part = {.score = doc->scores[u], .error = doc->error[u]};
        if (isnan(part.score) || (p->texts && part.score == 0) ||
            !trim(&doc->input.units[u], &text, &len))
            continue;
        glim_status status = find_rule(p, text, len, &part.key);
        if (status)
            return status;
        add_part(p, c, part);
    }
    return GLIM_OK;
}

static double check_of(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    return NAN;
}

static glim_status keep(struct picking *p, const glim_document *doc) {
    struct candidate *c = &p->all[p->done];
    c->row = p->all[p->seen].row;
    c->value = doc->target.value;
    c->prob = doc->target.prob;
    c->intercept = doc->target.baseline_value;
    c->r2 = check_of(doc, "local_r2");
    c->verdict = doc->verdict;
    c->target = glim__arena_strndup(&p->arena, doc->target.text, doc->target.text_len);
    c->reason = glim__arena_strdup(&p->arena, doc->verdict_reason);
    if (!c->target || !c->reason)
        return oom(p, "an explanation");
    glim_status status = keep_parts(p, c, doc);
    p->done += !status;
    return status;
}

static glim_status explain_one(struct picking *p, glim_predictor *one) {
    cli_run *run = p->run;
    glim_document *doc = NULL;
    glim_status status =
        glim_explain(&doc, one, run->method, run->method_opts, (uint64_t)run->o.seed, &run->err);
    if (!status && !p->doc) { /* what all have in common is taken from the first */
        p->unit = doc->input.unit;
        status = keep(p, doc);
        p->doc = doc;
        return status;
    }
    if (!status) {
        p->doc->cost.forward_tokens += doc->cost.forward_tokens;
        p->doc->cost.seconds += doc->cost.seconds;
        p->doc->cost.peak_bytes = doc->cost.peak_bytes;
        status = keep(p, doc);
    }
    glim_document_free(doc);
    return status;
}

/* Adds the plan of one: rows of a table are alike, texts are of different lengths. */
static glim_status add_plan(struct picking *p, glim_predictor *one, glim_plan *all) {
    cli_run *run = p->run;
    glim_plan plan;
    size_t n = p->texts ? 1 : p->n;
    glim_status status = glim_explain_plan(&plan, one, run->method, run->method_opts, &run->err);
    if (status)
        return status;
    plan.forward_tokens = all->forward_tokens + n * plan.forward_tokens;
    plan.asks = all->asks + n * plan.asks;
    plan.bytes = plan.bytes > all->bytes ? plan.bytes : all->bytes;
    plan.bytes_wanted =
        plan.bytes_wanted > all->bytes_wanted ? plan.bytes_wanted : all->bytes_wanted;
    *all = plan;
    return GLIM_OK;
}

static glim_status explain_all(struct picking *p, cli_pick_make *make, void *data) {
    cli_run *run = p->run;
    glim_plan plan = {0};
    glim_status status = GLIM_OK;
    bool dry = run->o.dry_run, planned = false;
    for (p->seen = 0; p->seen < p->n && !status; p->seen += !status) {
        glim_predictor *one = NULL;
        bool first = !planned, stop = false;
        status = make(run, data, p->all[p->seen].row, &one);
        if (!status && one && (first || (dry && p->texts))) {
            status = add_plan(p, one, &plan);
            planned = true;
            stop = dry && !p->texts;
            if (!status && !dry) /* how long other texts are is not known */
                glim__progress_begin(run->ctx, "pick", p->texts ? 0 : plan.forward_tokens);
        }
        if (!status && one && !dry)
            status = explain_one(p, one);
        glim_predictor_free(one);
        if (stop)
            break;
    }
    if (!status && dry && planned)
        status = cli_put_plan(run, run->method->name, &plan);
    if (planned && !dry)
        glim__progress_end(run->ctx);
    return status;
}

/* ---- the document ---- */

static glim_status pick(struct picking *p) {
    size_t k = (size_t)p->how->pick, d = p->n_rules;
    double *w = glim__arena_calloc(&p->arena, p->done * d + 1, sizeof *w);
    uint8_t *seen = glim__arena_calloc(&p->arena, d + 1, 1);
    p->picks = glim__arena_calloc(&p->arena, k, sizeof *p->picks);
    p->covered = glim__arena_calloc(&p->arena, k, sizeof *p->covered);
    p->worth = glim__arena_calloc(&p->arena, d + 1, sizeof *p->worth);
    if (!w || !seen || !p->picks || !p->covered || !p->worth)
        return oom(p, "the explanations");
    for (size_t i = 0; i < p->done; i++)
        for (size_t u = 0; u < p->all[i].n; u++)
            w[i * d + p->all[i].parts[u].key] = p->all[i].parts[u].score;
    p->n_picks = glim__pick(w, p->done, d, k, p->picks, p->worth, p->covered, seen);
    return GLIM_OK;
}

/* Rules of the picked rows that have a score, by worth; at (n_rules): their place among
   the units, else SIZE_MAX. */
static size_t order_rules(const struct picking *p, size_t *order, size_t *at) {
    size_t n = 0;
    for (size_t r = 0; r < p->n_rules; r++)
        at[r] = SIZE_MAX;
    for (size_t i = 0; i < p->n_picks; i++)
        for (size_t u = 0; u < p->all[p->picks[i]].n; u++) {
            size_t r = p->all[p->picks[i]].parts[u].key, k;
            if (at[r] != SIZE_MAX)
                continue;
            at[r] = 0;
            for (k = n++; k && p->worth[order[k - 1]] < p->worth[r]; k--)
                order[k] = order[k - 1];
            order[k] = r;
        }
    for (size_t k = 0; k < n; k++)
        at[order[k]] = k;
    return n;
}

static glim_status put_units(struct picking *p, const size_t *order, size_t n) {
    glim_buffer text;
    glim_unit *units = glim__arena_calloc(&p->arena, n + 1, sizeof *units);
    glim__buffer_init(&text, p->run->ctx);
    for (size_t k = 0; k < n && units; k++) {
        units[k] = (glim_unit){.start = text.len, .first = k, .count = 1, .turn = -1};
        glim__buffer_puts(&text, k ? " " : "");
        glim__buffer_puts(&text, p->rule[order[k]]);
        units[k].end = text.len;
    }
    bool ok = units && !text.failed &&
              glim__columns_describe(text.data ? text.data : "", text.len, units, n, p->doc);
    if (p->texts) { /* what the first text had besides */
        glim_document *doc = p->doc;
        doc->input.unit = p->unit;
        doc->input.turns = NULL;
        doc->levels = NULL;
        doc->input.n_turns = doc->n_levels = 0;
        doc->method.fold = NULL;
        doc->fixed_total = doc->fixed_size = NAN;
    }
    glim__buffer_release(&text);
    return ok ? GLIM_OK : oom(p, "the document");
}

static glim_status put_rows(struct picking *p, const size_t *at) {
    glim_document *doc = p->doc;
    size_t n = doc->input.n_units;
    char name[400];
    doc->rows = glim_document_alloc(doc, p->n_picks * sizeof *doc->rows);
    doc->scores = glim_document_alloc(doc, p->n_picks * n * sizeof *doc->scores);
    doc->error = glim_document_alloc(doc, p->n_picks * n * sizeof *doc->error);
    if (!doc->rows || !doc->scores || !doc->error)
        return oom(p, "the document");
    for (size_t i = 0; i < p->n_picks * n; i++)
        doc->scores[i] = doc->error[i] = NAN;
    for (size_t i = 0; i < p->n_picks; i++) {
        const struct candidate *c = &p->all[p->picks[i]];
        int len = snprintf(name, sizeof name, "%zu: %.300s", c->row + 1, c->target);
        const char *text = glim_document_text(doc, name, (size_t)len);
        if (!text)
            return oom(p, "the document");
        doc->rows[i] = (glim_document_row){.text = text,
                                           .text_len = (size_t)len,
                                           .id = (int32_t)c->row + 1,
                                           .start = doc->input.text_len,
                                           .end = doc->input.text_len,
                                           .value = c->value,
                                           .baseline_value = c->intercept,
                                           .prob = c->prob,
                                           .residual = NAN};
        for (size_t u = 0; u < c->n; u++) {
            size_t k = at[c->parts[u].key];
            doc->scores[i * n + k] = c->parts[u].score;
            doc->error[i * n + k] = c->parts[u].error;
        }
    }
    doc->n_rows = p->n_picks;
    return GLIM_OK;
}

/* The beginning of a picked text. */
static void tell_text(struct picking *p, size_t row) {
    enum { MOST = 160 };
    const char *text = glim__table_cell(p->table, row, p->column);
    size_t n = strlen(text), cut = n > MOST ? MOST : n;
    while (cut < n && cut && ((unsigned char)text[cut] & 0xc0) == 0x80) /* inside a character */
        cut--;
    glim_document_note(p->doc, "row %zu: %.*s%s", row + 1, (int)cut, text, cut < n ? " ..." : "");
}

static void judge(struct picking *p) {
    glim_document *doc = p->doc;
    double worst = 1;
    doc->checks = NULL;
    doc->notes = NULL;
    doc->n_checks = doc->n_notes = 0;
    doc->verdict = GLIM_VERDICT_OK;
    doc->verdict_reason = "";
    for (size_t i = 0; i < p->n_picks; i++) {
        const struct candidate *c = &p->all[p->picks[i]];
        worst = isnan(c->r2) ? worst : fmin(worst, c->r2);
        if (c->verdict != GLIM_VERDICT_OK)
            glim_document_judge(doc, c->verdict, "row %zu: %s", c->row + 1, c->reason);
    }
    glim_document_check_add(doc, "coverage", p->covered[p->n_picks - 1],
                            "share of all features' worth that the picked rows have");
    glim_document_check_add(doc, "explained_rows", (double)p->done, "rows that were picked from");
    glim_document_check_add(doc, "local_r2", worst, "the worst local model of the picked rows");
    glim_document_note(doc,
                       "%zu of %zu explained rows, each taken for the %ss that none before it "
                       "has; a %s is worth the root of the sum of its scores' sizes, and the "
                       "first are worth most",
                       p->n_picks, p->done, p->texts ? "word" : "rule", p->texts ? "word" : "rule");
    for (size_t i = 0; i < p->n_picks && p->texts; i++)
        tell_text(p, p->all[p->picks[i]].row);
    if (p->seen > p->done)
        glim_document_note(doc,
                           "texts left out: %zu (empty, or longer than the model "
                           "reads)",
                           p->seen - p->done);
    if (p->seen < p->n) {
        doc->partial = true;
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST, "interrupted after %zu of %zu rows",
                            p->done, p->n);
    }
}

static glim_status write_document(struct picking *p) {
    glim_document *doc = p->doc;
    size_t *order = glim__arena_calloc(&p->arena, 2 * p->n_rules + 1, sizeof *order);
    glim_status status = order ? pick(p) : oom(p, "the rules");
    if (status)
        return status;
    size_t *at = order + p->n_rules, n = order_rules(p, order, at);
    doc->kind = "attribution-matrix";
    char said[64];
    int len = snprintf(said, sizeof said, "%zu of %zu rows", p->n_picks, p->done);
    doc->target.text = glim_document_text(doc, said, (size_t)len);
    doc->target.text_len = (size_t)len;
    if (!doc->target.text)
        return oom(p, "the document");
    doc->target.id = -1;
    doc->target.value = doc->target.prob = doc->target.baseline_value = NAN;
    status = put_units(p, order, n);
    if (!status)
        status = put_rows(p, at);
    if (!status)
        judge(p);
    return status;
}

glim_status cli_pick(cli_run *run, const glim_table *t, size_t texts, cli_pick_make *make,
                     void *data) {
    struct picking p = {.run = run, .how = run->method_opts, .table = t, .column = texts};
    p.texts = texts != SIZE_MAX;
    glim_error kept;
    if (run->o.row)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --row or --pick");
    if (p.how->top_labels > 1 || run->o.raw)
        return glim_fail(&run->err, GLIM_EUSAGE, "--pick goes without --top-labels and --raw");
    glim__arena_init(&p.arena, run->ctx, 1 << 16);
    glim__map_init(&p.rules, run->ctx);
    glim_status status = choose_rows(&p, t->n_rows), shown = GLIM_OK;
    if (!status)
        status = explain_all(&p, make, data);
    if (!status && !p.done && !run->o.dry_run)
        status = glim_fail(&run->err, GLIM_EFORMAT, "'%.200s' has no text to explain", t->path);
    kept = run->err;
    if (p.doc && (!status || status == GLIM_ECANCELLED)) {
        glim_context_reset(run->ctx);
        shown = write_document(&p);
        if (!shown)
            shown = cli_show(run, p.doc);
    }
    if (status)
        run->err = kept;
    glim_document_free(p.doc);
    glim__map_release(&p.rules);
    glim__arena_release(&p.arena);
    return status ? status : shown;
}
