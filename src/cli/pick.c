/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pick: LIME for many rows of a table, drawn by --seed, of which the few are shown whose
 * explanations together tell most (explain/submodular.h). The document is a matrix: its rows are
 * rows of the table, its units the rules that they have, the weightiest first; a row's
 * score is missing where it does not have a rule.
 */
#include "cli/pick.h"
#include "base/map.h"
#include "base/rng.h"
#include "cli/show.h"
#include "explain/lime.h"
#include "explain/submodular.h"

#include <math.h>
#include <string.h>

/* What is kept of one explanation. */
struct candidate {
    size_t row;
    const char *target, *reason;
    double value, prob, intercept, r2;
    glim_verdict verdict;
};

struct picking {
    cli_run *run;
    const glim_lime_params *how;
    glim_arena arena;
    glim_map rules;    /* text -> number */
    const char **rule; /* (n_rules) */
    size_t n_rules;
    struct candidate *all; /* (n) */
    size_t n, done, U;     /* rows, explained so far; units of each */
    size_t *key;           /* (n, U) the rule of each unit */
    double *score, *error; /* (n, U) */
    size_t *picks, n_picks;
    double *worth, *covered; /* (n_rules), (n_picks) */
    glim_document *doc;
};

bool cli_wants_pick(const cli_run *run) {
    return run->method == &glim_method_lime && run->method_opts &&
           ((const glim_lime_params *)run->method_opts)->pick > 0;
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
    for (size_t i = N - p->n; i < N; i++) { /* Floyd: each set is as likely */
        size_t at =
            glim__rng_below((uint64_t)p->run->o.seed, (uint64_t)1 << 41, i, (uint32_t)(i + 1));
        taken[taken[at] ? i : at] = 1;
    }
    for (size_t i = 0, k = 0; i < N; i++)
        if (taken[i])
            p->all[k++].row = i;
    glim__free(ctx, taken);
    return GLIM_OK;
}

static glim_status keep_rule(struct picking *p, const glim_document_unit *u, size_t *key) {
    size_t space = u->text_len && *u->text == ' ', len = u->text_len - space;
    int32_t found = glim__map_get(&p->rules, u->text + space, len);
    if (found < 0) {
        const char *copy = glim__arena_strndup(&p->arena, u->text + space, len);
        found = (int32_t)p->n_rules;
        if (!copy || !glim__map_set(&p->rules, copy, len, found, NULL))
            return oom(p, "the rules");
        p->rule[p->n_rules++] = copy;
    }
    *key = (size_t)found;
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
    glim_status status = GLIM_OK;
    c->value = doc->target.value;
    c->prob = doc->target.prob;
    c->intercept = doc->target.baseline_value;
    c->r2 = check_of(doc, "local_r2");
    c->verdict = doc->verdict;
    c->target = glim__arena_strndup(&p->arena, doc->target.text, doc->target.text_len);
    c->reason = glim__arena_strdup(&p->arena, doc->verdict_reason);
    if (!c->target || !c->reason)
        return oom(p, "an explanation");
    for (size_t u = 0; u < p->U && !status; u++) {
        size_t at = p->done * p->U + u;
        p->score[at] = doc->scores[u];
        p->error[at] = doc->error[u];
        status = keep_rule(p, &doc->input.units[u], &p->key[at]);
    }
    p->done += !status;
    return status;
}

static glim_status make_room(struct picking *p) {
    size_t n = p->n * p->U;
    p->key = glim__arena_calloc(&p->arena, n, sizeof *p->key);
    p->score = glim__arena_calloc(&p->arena, 2 * n, sizeof *p->score);
    p->rule = glim__arena_calloc(&p->arena, n, sizeof *p->rule);
    p->error = p->score ? p->score + n : NULL;
    return p->key && p->score && p->rule ? GLIM_OK : oom(p, "the explanations");
}

static glim_status explain_one(struct picking *p, glim_predictor *one) {
    cli_run *run = p->run;
    glim_document *doc = NULL;
    glim_status status =
        glim_explain(&doc, one, run->method, run->method_opts, (uint64_t)run->o.seed, &run->err);
    if (!status && !p->doc) { /* what all have in common is taken from the first */
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

static glim_status explain_all(struct picking *p, cli_pick_make *make, void *data) {
    cli_run *run = p->run;
    glim_plan plan = {0};
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < p->n && !status; i++) {
        glim_predictor *one = NULL;
        status = make(run, data, p->all[i].row, &one);
        if (!status && !i) {
            p->U = one->units->count;
            status = glim_explain_plan(&plan, one, run->method, run->method_opts, &run->err);
            plan.forward_tokens *= p->n;
            plan.asks *= p->n;
            if (!status && run->o.dry_run)
                status = cli_put_plan(run, run->method->name, &plan);
            else if (!status)
                status = make_room(p);
            if (!status)
                glim__progress_begin(run->ctx, "pick", plan.forward_tokens);
        }
        if (!status && !run->o.dry_run)
            status = explain_one(p, one);
        glim_predictor_free(one);
        if (run->o.dry_run)
            break;
    }
    if (plan.forward_tokens)
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
        for (size_t u = 0; u < p->U; u++)
            if (!isnan(p->score[i * p->U + u]))
                w[i * d + p->key[i * p->U + u]] += p->score[i * p->U + u];
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
        for (size_t u = 0; u < p->U; u++) {
            size_t cell = p->picks[i] * p->U + u, r = p->key[cell], k;
            if (at[r] != SIZE_MAX || isnan(p->score[cell]))
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
        for (size_t u = 0; u < p->U; u++) {
            size_t cell = p->picks[i] * p->U + u, k = at[p->key[cell]];
            if (k != SIZE_MAX) {
                doc->scores[i * n + k] = p->score[cell];
                doc->error[i * n + k] = p->error[cell];
            }
        }
    }
    doc->n_rows = p->n_picks;
    return GLIM_OK;
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
                            "share of all rules' worth that the picked rows have");
    glim_document_check_add(doc, "explained_rows", (double)p->done, "rows that were picked from");
    glim_document_check_add(doc, "local_r2", worst, "the worst local model of the picked rows");
    glim_document_note(doc,
                       "%zu of %zu explained rows, each taken for the rules that none before it "
                       "has; a rule is worth the root of the sum of its scores' sizes, and the "
                       "first are worth most",
                       p->n_picks, p->done);
    if (p->done < p->n) {
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

glim_status cli_pick(cli_run *run, const glim_table *t, cli_pick_make *make, void *data) {
    struct picking p = {.run = run, .how = run->method_opts};
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
