/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One method, judged over many inputs: rows of a table or texts of a file, drawn by
 * --seed. Each is explained and judged by itself; only its evaluation is kept.
 */
#include "cli/judge.h"
#include "cli/judge-flags.h"
#include "evaluate/bootstrap.h"
#include "evaluate/examples.h"
#include "predict/memo.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

struct many {
    cli_judged *j;
    cli_judge_begin *begin;
    const glim_table *table;
    size_t *rows; /* (inputs.chosen) */
    glim_evaluation **all;
    glim_profile_inputs inputs;
    glim_document *doc; /* of the first, for what all have in common */
    glim_examples examples;
    cli_judge_cost cost; /* by plan */
    glim_error first;    /* of the first that failed */
    size_t units, target_rows;
    bool texts, begun;
};

/* ---- one input ---- */

static bool has_units(const glim_predictor *p, const glim_document *doc) {
    for (size_t u = 0; u < doc->input.n_units; u++)
        if (!doc->input.units[u].fixed)
            return true;
    return false;
}

/* Takes the document of the first, else frees it. */
static void keep_document(struct many *m) {
    cli_judged *j = m->j;
    m->units += j->doc ? j->doc->input.n_units : 0;
    m->target_rows += j->doc ? j->doc->n_rows : 0;
    if (m->doc)
        glim_document_free(j->doc);
    else
        m->doc = j->doc;
    j->doc = NULL;
}

static glim_status judge_fresh(struct many *m, glim_evaluation **out) {
    cli_judged *j = m->j;
    glim_status status = cli_judge_scores(j);
    if (!status && !has_units(j->p, j->doc))
        m->inputs.empty++;
    else if (!status)
        status = cli_judge_evaluate(j, out);
    return status;
}

static glim_status judge_one(struct many *m) {
    cli_judged *j = m->j;
    glim_evaluation *e = NULL;
    glim_memo *memo = NULL;
    glim_status status = cli_kept_find(j, &e);
    if (!status && !e)
        status = glim__memo_open(&memo, j->p, &j->run->err);
    if (!status && !e)
        status = judge_fresh(m, &e);
    glim__memo_close(memo);
    if (!status && e)
        status = glim__examples_add(&m->examples, j->doc, j->p->columns ? j->p->column_names : NULL,
                                    &j->run->err);
    if (e) {
        m->all[m->inputs.judged++] = e;
        keep_document(m);
    }
    glim_document_free(j->doc);
    j->doc = NULL;
    return status;
}

/* Rows of a table are alike; texts are of different lengths. */
static glim_status plan_one(struct many *m) {
    cli_judge_cost one, *all = &m->cost;
    uint64_t n = m->texts ? 1 : m->inputs.chosen;
    glim_status status = cli_judge_plan(m->j, &one);
    if (!status) {
        const glim_plan *plan = &one.plan;
        all->plan.forward_tokens += n * plan->forward_tokens;
        all->plan.backward_tokens += n * plan->backward_tokens;
        all->plan.asks += n * plan->asks;
        all->plan.bytes = plan->bytes > all->plan.bytes ? plan->bytes : all->plan.bytes;
        if (plan->bytes_wanted > all->plan.bytes_wanted)
            all->plan.bytes_wanted = plan->bytes_wanted;
        all->plan.bounded = all->plan.bounded && plan->bounded;
        all->masks += n * one.masks;
        all->runs += n * one.runs;
        m->inputs.judged += n;
    }
    glim_document_free(m->j->doc);
    m->j->doc = NULL;
    return status;
}

static glim_status do_one(struct many *m, glim_predictor *p) {
    m->j->p = p;
    glim_status status = m->begun ? GLIM_OK : m->begin(m->j);
    if (status) /* the flags are wrong: no other input would do */
        return status;
    m->begun = true;
    return m->j->run->o.dry_run ? plan_one(m) : judge_one(m);
}

/* Whether the others may still be judged. */
static bool goes_on(const struct many *m, glim_status status) {
    return status != GLIM_ECANCELLED && status != GLIM_ENOMEM && !cli_kept_failed(m->j);
}

static glim_status do_all(struct many *m, cli_pick_make *make, void *data) {
    cli_run *run = m->j->run;
    bool dry = run->o.dry_run;
    glim_status status = GLIM_OK;
    glim__progress_begin_items(run->ctx, "inputs", m->inputs.chosen);
    for (size_t i = 0; i < m->inputs.chosen && !status; i++) {
        glim_predictor *p = NULL;
        status = glim__check_cancel(run->ctx, &run->err);
        if (!status)
            status = make(run, data, m->rows[i], &p);
        if (!status && p)
            status = do_one(m, p);
        else if (!status)
            m->inputs.empty++;
        glim_predictor_free(p);
        m->j->p = NULL;
        if (status && goes_on(m, status) && (m->begun || !p)) {
            if (!m->inputs.failed++)
                m->first = run->err;
            status = GLIM_OK;
        }
        glim__progress_add(run->ctx, 1);
        if (dry && !m->texts && m->inputs.judged)
            break;
    }
    glim__progress_end(run->ctx);
    cli_kept_tell(m->j, m->inputs.chosen);
    return status;
}

/* ---- all of them ---- */

static glim_status choose(struct many *m) {
    cli_run *run = m->j->run;
    size_t N = m->table->n_rows, want = (size_t)run->o.inputs;
    glim_profile_inputs *in = &m->inputs;
    in->available = N;
    in->chosen = want < N ? want : N;
    uint8_t *taken = glim__calloc(run->ctx, N + 1, 1);
    m->rows = glim__calloc(run->ctx, in->chosen + 1, sizeof *m->rows);
    m->all = glim__calloc(run->ctx, in->chosen + 1, sizeof(glim_evaluation *));
    bool ok = taken && m->rows && m->all;
    if (ok)
        cli_draw_rows(run, N, in->chosen, taken);
    for (size_t i = 0, k = 0; i < N && ok; i++)
        if (taken[i])
            m->rows[k++] = i;
    glim__free(run->ctx, taken);
    return ok ? GLIM_OK : glim__oom(run->ctx, &run->err, "the inputs", N * sizeof *m->rows);
}

static size_t capped(const struct many *m) {
    size_t n = 0;
    for (size_t i = 0; i < m->inputs.judged; i++)
        n += m->all[i]->capped;
    return n;
}

static void add_notes(struct many *m) {
    const glim_profile_inputs *in = &m->inputs;
    glim_document *doc = m->doc;
    doc->notes = NULL;
    doc->n_notes = 0;
    glim_document_note(
        doc,
        "%zu of %zu inputs judged; values, skills and marks are means over them, with intervals "
        "of 95 %% by a bootstrap of %d draws",
        in->judged, in->available, GLIM_RESAMPLES);
    if (in->failed)
        glim_document_note(doc, "inputs left out because they failed: %zu (the first: %s)",
                           in->failed, m->first.message);
    if (in->empty)
        glim_document_note(doc, "inputs left out because there was nothing to explain: %zu",
                           in->empty);
    if (capped(m))
        glim_document_note(doc,
                           "a check failed for %zu of them: their marks of accuracy count as "
                           "0.3 at most",
                           capped(m));
    if (in->judged < GLIM_FEW_INPUTS)
        glim_document_note(doc, "fewer than %d inputs: too few to say which method is better",
                           GLIM_FEW_INPUTS);
    if (in->partial)
        glim_document_note(doc, "interrupted after %zu of %zu inputs",
                           in->judged + in->failed + in->empty, in->chosen);
}

/* The document of the first becomes that of all. */
static glim_status summarise(struct many *m) {
    glim_document *doc = m->doc;
    char text[40];
    int len = snprintf(text, sizeof text, "%zu input%s", m->inputs.judged,
                       m->inputs.judged == 1 ? "" : "s");
    doc->target.text = glim_document_text(doc, text, (size_t)len);
    if (!doc->target.text)
        return glim__oom(doc->ctx, &m->j->run->err, "the document", sizeof text);
    doc->target.text_len = (size_t)len;
    doc->target.against = NULL;
    doc->target.value = m->inputs.judged == 1 ? doc->target.value : NAN;
    doc->input.n_units = m->units; /* only counted from here on */
    doc->n_rows = m->target_rows;
    add_notes(m);
    return GLIM_OK;
}

static glim_status show_all(struct many *m) {
    cli_run *run = m->j->run;
    glim_evaluation *e = NULL;
    glim_status status =
        glim_evaluations_mean(&e, run->ctx, m->all, m->inputs.judged, m->j->how.seed, &run->err);
    if (!status)
        status =
            glim__examples_tell(&m->examples, cli_metric_given(run, &glim_metric_example_coverage),
                                m->j->how.seed, e, &run->err);
    if (!status)
        status = summarise(m);
    m->j->doc = m->doc;
    if (!status)
        status = cli_judge_show(m->j, e, &m->inputs);
    m->j->doc = NULL;
    glim_evaluation_free(e);
    return status;
}

static glim_status finish(struct many *m, glim_status status) {
    cli_run *run = m->j->run;
    glim_error kept = run->err;
    if (status && (status != GLIM_ECANCELLED || !m->inputs.judged || run->o.dry_run))
        return status;
    if (!m->inputs.judged && m->inputs.failed) {
        run->err = m->first;
        return m->first.status;
    }
    if (!m->inputs.judged || (!m->doc && !run->o.dry_run))
        return glim_fail(&run->err, GLIM_EFORMAT, "'%.200s' has nothing to explain",
                         m->table->path);
    if (run->o.dry_run)
        return cli_judge_put_plan(run, run->method->name, &m->cost);
    m->inputs.partial = status != GLIM_OK;
    glim_context_reset(run->ctx);
    glim_status shown = show_all(m);
    if (status)
        run->err = kept;
    return status ? status : shown;
}

glim_status cli_judge_many(cli_judged *j, cli_judge_begin *begin, const glim_table *t, size_t texts,
                           cli_pick_make *make, void *data) {
    struct many m = {.j = j, .begin = begin, .table = t, .texts = texts != SIZE_MAX};
    m.cost.plan = (glim_plan){.seconds = -1, .bounded = true};
    j->run->planned = true;
    glim__examples_init(&m.examples, j->run->ctx);
    glim_status status = choose(&m);
    if (!status)
        status = cli_kept_open(j);
    if (!status)
        status = do_all(&m, make, data);
    status = finish(&m, status);
    for (size_t i = 0; m.all && i < m.inputs.judged && !j->run->o.dry_run; i++)
        glim_evaluation_free(m.all[i]);
    glim_document_free(m.doc);
    glim__examples_release(&m.examples);
    glim__free(j->run->ctx, m.all);
    glim__free(j->run->ctx, m.rows);
    cli_kept_close(j);
    return status;
}
