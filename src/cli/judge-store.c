/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluations on disk (--store FILE): each is committed when it comes, and the same command
 * finds it again, bit by bit. An evaluation belongs to a digest of all that it depends on:
 * the input as it is bound (text, units, target and the model's answer), every weight, the
 * method and the metrics with their options, every flag that is not known to be harmless,
 * glim's version and its kernels. The answer on the input tells as well when the program
 * behind the same --predictor has changed. Weights are hashed in full, once: a digest of
 * tables alone does not tell a fine-tune from its base.
 */
#include "cli/fitted.h"
#include "cli/judge.h"
#include "evaluate/record.h"
#include "explain/methods.h"
#include "file/gguf.h"
#include "file/store.h"
#include "file/table.h"
#include "model/weights-digest.h"
#include "predict/predictor.h"
#include "tensor/kernels.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 }; /* of a record */

struct cli_kept {
    glim_store *store;
    glim_store_key common; /* of what all inputs share, once known */
    bool begun;
    glim_store_key key; /* of the input under way */
    uint64_t found;
    bool failed;
};

/* ---- the key ---- */

/* Flags that change no number, and those whose meaning is in the key otherwise: paths by what
   lies there, the input and its target as they are bound. */
static bool is_harmless(const char *name) {
    static const char *const names[] = {
        "json",        "csv",         "html",         "html-limit", "lang",    "numbers",
        "svg",         "png",         "pdf",          "figure",     "alt",     "threads",
        "memory",      "kernels",     "dry-run",      "quiet",      "verbose", "ascii",
        "color",       "width",       "help",         "list",       "store",   "batch-size",
        "timeout",     "header",      "header-env",   "model",      "method",  "concurrency",
        "explanation", "metrics",     "rationale",    "data",       "text",    "label",
        "inputs",      "table",       "row",          "file",       "context", "chat",
        "target",      "prompt-file", "context-file", "paraphrases"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static void add_value(glim_digest *d, const glim_param *p, const void *options) {
    const void *field = (const char *)options + p->offset;
    glim__digest_text(d, p->name);
    switch (p->type) {
    case GLIM_BOOL:
        glim__digest_number(d, *(const bool *)field);
        break;
    case GLIM_INT:
        glim__digest_number(d, (uint64_t) * (const int64_t *)field);
        break;
    case GLIM_REAL:
        glim__digest_real(d, *(const double *)field);
        break;
    case GLIM_SIZE:
        glim__digest_number(d, *(const uint64_t *)field);
        break;
    default:
        glim__digest_text(d, *(const char *const *)field);
    }
}

static void add_flags(glim_digest *d, const cli_run *run) {
    for (size_t g = 0; run->command->groups[g]; g++)
        for (const glim_param *p = run->command->groups[g]; p->type != GLIM_PARAM_END; p++)
            if (!is_harmless(p->name))
                add_value(d, p, &run->o);
}

/* Options are given, or the defaults. */
static bool add_options(glim_digest *d, const glim_param *params, size_t size, const void *given) {
    void *own = given || !params ? NULL : calloc(1, size + 1);
    if (!given && params && !own)
        return false;
    if (own)
        glim_param_defaults(params, own);
    for (const glim_param *p = params; p && p->type != GLIM_PARAM_END; p++)
        add_value(d, p, given ? given : own);
    free(own);
    return true;
}

static const void *given_opts(const cli_judged *j, const glim_metric *m) {
    for (size_t i = 0; glim_metrics()[i] && j->how.metric_opts; i++)
        if (glim_metrics()[i] == m)
            return j->how.metric_opts[i];
    return NULL;
}

static bool add_metrics(glim_digest *d, const cli_judged *j) {
    const glim_metric *const *list = j->how.metrics ? j->how.metrics : glim_metrics();
    bool fine = true;
    for (size_t i = 0; list[i] && fine; i++) {
        glim__digest_text(d, list[i]->name);
        fine = add_options(d, list[i]->params, list[i]->opts_size, given_opts(j, list[i]));
    }
    return fine;
}

/* Tokens that stand for what is absent; the others are seen in the answer. */
static void add_tokens(glim_digest *d, const glim_tokenizer *tokenizer) {
    const glim_tokenizer_info *t = glim__tokenizer_info(tokenizer);
    const int32_t ids[] = {t->vocab, t->bos, t->eos, t->unk, t->pad, t->mask, t->cls, t->sep};
    glim__digest_bytes(d, ids, sizeof ids);
}

static glim_status add_model(glim_digest *d, cli_judged *j) {
    const glim_model *m = j->run->base ? j->run->base : j->p->model;
    if (!m || !m->file)
        return GLIM_OK;
    if (m->tokenizer)
        add_tokens(d, m->tokenizer);
    return glim__digest_weights(d, m, &j->run->err);
}

static void add_table(glim_digest *d, const glim_table *t) {
    glim__digest_number(d, t ? t->n_rows : 0);
    for (size_t c = 0; t && c < t->n_columns; c++)
        glim__digest_text(d, t->columns[c]);
    for (size_t i = 0; t && i < t->n_rows * t->n_columns; i++)
        glim__digest_text(d, t->cells[i]);
}

static glim_status add_paraphrases(glim_digest *d, cli_run *run) {
    enum { MOST = 1 << 24 };
    glim_buffer text;
    glim__buffer_init(&text, run->ctx);
    glim_status status =
        run->o.paraphrases ? glim__file_read(&text, run->o.paraphrases, MOST, &run->err) : GLIM_OK;
    glim__digest_bytes(d, text.data ? text.data : "", text.len);
    glim__buffer_release(&text);
    return status;
}

static glim_status begin_key(cli_judged *j) {
    cli_run *run = j->run;
    const glim_method *m = run->method;
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_text(&d, "evaluation");
    glim__digest_number(&d, FORMAT);
    glim__digest_text(&d, glim_version());
    glim__digest_text(&d, glim__kernels(run->ctx)->name);
    add_flags(&d, run);
    glim__digest_text(&d, m ? m->name : NULL);
    bool fine = !m || add_options(&d, m->params, m->opts_size, run->method_opts);
    fine = fine && add_metrics(&d, j);
    glim__digest_text(&d, run->linear ? glim_linear_facts(run->linear)->digest : NULL);
    add_table(&d, j->p->table);
    glim_status status =
        fine ? add_model(&d, j) : glim_fail(&run->err, GLIM_ENOMEM, "out of memory");
    if (!status)
        status = add_paraphrases(&d, run);
    j->kept->common = glim__digest_end(&d);
    j->kept->begun = !status;
    return status;
}

/* The input, its target and the answer on it. */
static void add_input(glim_digest *d, const glim_predictor *p, const glim_document *doc) {
    const size_t pixels = (size_t)doc->input.image.width * (size_t)doc->input.image.height;
    glim__digest_bytes(d, doc->input.text ? doc->input.text : "", doc->input.text_len);
    glim__digest_text(d, doc->model.digest); /* of a plugin its bytes */
    glim__digest_text(d, doc->target.kind);
    glim__digest_text(d, doc->target.output);
    glim__digest_bytes(d, doc->target.text ? doc->target.text : "", doc->target.text_len);
    glim__digest_bytes(d, doc->target.against ? doc->target.against : "", doc->target.against_len);
    glim__digest_number(d, p->units->count);
    for (size_t u = 0; u < p->units->count; u++) {
        const glim_unit *unit = &p->units->at[u];
        const uint64_t numbers[] = {unit->start, unit->end, unit->first, unit->count, unit->fixed};
        glim__digest_bytes(d, numbers, sizeof numbers);
    }
    glim__digest_bytes(d, p->value, p->n_rows * sizeof *p->value);
    glim__digest_bytes(d, p->row_end, p->n_rows * sizeof *p->row_end);
    glim__digest_number(d, p->T);
    glim__digest_number(d, p->table_row);
    if (doc->input.image.rgb)
        glim__digest_bytes(d, doc->input.image.rgb, 3 * pixels);
    if (doc->input.image.label)
        glim__digest_bytes(d, doc->input.image.label, pixels * sizeof *doc->input.image.label);
}

static glim_status make_key(cli_judged *j) {
    cli_kept *k = j->kept;
    glim_status status = k->begun ? GLIM_OK : begin_key(j);
    if (status)
        return status;
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_bytes(&d, k->common.bytes, sizeof k->common.bytes);
    add_input(&d, j->p, j->doc);
    size_t U = j->p->units->count;
    if (j->rationale)
        glim__digest_bytes(&d, j->rationale, U);
    if (j->run->o.explanation) {
        glim__digest_text(&d, j->doc->method.name);
        glim__digest_number(&d, j->doc->method.is_signed);
        glim__digest_number(&d, j->doc->method.additive);
        glim__digest_real(&d, j->doc->fixed_total);
        glim__digest_real(&d, j->doc->target.baseline_value);
        glim__digest_number(&d, j->doc->verdict);
        glim__digest_bytes(&d, j->doc->scores, j->doc->n_rows * U * sizeof(double));
    }
    k->key = glim__digest_end(&d);
    return GLIM_OK;
}

/* ---- what is kept ---- */

/* Notes of the method, which a document without scores lacks. */
static void read_notes(glim_unpacking *r, glim_document *doc) {
    uint64_t n = glim__unpack_number(r);
    doc->n_notes = 0;
    for (uint64_t i = 0; i < n && !r->failed; i++) {
        const char *note = glim__unpack_text(r);
        if (note)
            glim_document_note(doc, "%s", note);
    }
}

/* Scores, which a document that only claims lacks. */
static void read_scores(glim_unpacking *r, const glim_predictor *p, glim_document *doc) {
    size_t n = doc->n_rows * doc->input.n_units;
    bool lacks = !doc->scores;
    r->failed = r->failed || glim__unpack_number(r) != n ||
                (lacks && glim__scores_new(p, doc, false, NULL));
    for (size_t i = 0; i < n && !r->failed; i++) {
        double score = glim__unpack_real(r);
        if (lacks)
            doc->scores[i] = score;
    }
}

static glim_status take_kept(cli_judged *j, glim_buffer *bytes, bool *found) {
    cli_kept *k = j->kept;
    glim_status status = glim__store_get(k->store, &k->key, 0, bytes, found, &j->run->err);
    k->failed = status != GLIM_OK;
    return status;
}

glim_status cli_kept_find(cli_judged *j, glim_evaluation **out) {
    cli_run *run = j->run;
    glim_buffer bytes;
    bool found = false;
    *out = NULL;
    if (!j->kept)
        return GLIM_OK;
    glim__buffer_init(&bytes, run->ctx);
    glim_status status = cli_judge_claims(j);
    if (!status)
        status = make_key(j);
    if (!status)
        status = take_kept(j, &bytes, &found);
    if (!status && found) {
        glim_unpacking r = {bytes.data, bytes.data + bytes.len, false};
        read_notes(&r, j->doc);
        read_scores(&r, j->p, j->doc);
        status = glim__evaluation_read(out, run->ctx, &r, j->how.metrics, &run->err);
    }
    glim__buffer_release(&bytes);
    if (!*out) {
        glim_document_free(j->doc);
        j->doc = NULL;
    }
    j->kept->found += *out != NULL;
    return status;
}

glim_status cli_kept_put(cli_judged *j, const glim_evaluation *e) {
    cli_run *run = j->run;
    glim_buffer b;
    if (!j->kept)
        return GLIM_OK;
    glim__buffer_init(&b, run->ctx);
    glim__pack_number(&b, j->doc->n_notes);
    for (size_t i = 0; i < j->doc->n_notes; i++)
        glim__pack_text(&b, j->doc->notes[i]);
    size_t n = j->doc->n_rows * j->doc->input.n_units;
    glim__pack_number(&b, n);
    for (size_t i = 0; i < n; i++)
        glim__pack_real(&b, j->doc->scores[i]);
    glim__evaluation_write(&b, e);
    glim_status status =
        b.failed ? glim__oom(run->ctx, &run->err, "an evaluation", b.len)
                 : glim__store_put(j->kept->store, &j->kept->key, 0, b.data, b.len, &run->err);
    glim__buffer_release(&b);
    j->kept->failed = status != GLIM_OK;
    return status;
}

void cli_kept_tell(const cli_judged *j, size_t n) {
    glim_error shown; /* its message is safe to print */
    if (!j->kept || !j->kept->found || j->run->o.quiet)
        return;
    glim_fail(&shown, GLIM_OK, "%llu of %zu input%s found in '%.200s'",
              (unsigned long long)j->kept->found, n, n == 1 ? "" : "s", j->run->o.store);
    cli_erase_progress();
    fprintf(stderr, "glim: %s\n", shown.message);
}

bool cli_kept_failed(const cli_judged *j) {
    return j->kept && j->kept->failed;
}

glim_status cli_kept_open(cli_judged *j) {
    cli_run *run = j->run;
    if (!run->o.store || run->o.dry_run)
        return GLIM_OK;
    cli_kept *k = j->kept = glim__calloc(run->ctx, 1, sizeof *k);
    return k ? glim__store_open(&k->store, run->ctx, run->o.store, NULL, &run->err)
             : glim__oom(run->ctx, &run->err, "the store", sizeof *k);
}

void cli_kept_close(cli_judged *j) {
    if (j->kept)
        glim__store_close(j->kept->store);
    glim__free(j->run->ctx, j->kept);
    j->kept = NULL;
}
