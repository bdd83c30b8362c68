/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples that stream through a model: a decoder's completions and chats, a classifier's
 * texts, translations. Their words are read again from the file when they are shown. What a
 * query that is given as a text says, is what the user or the model itself puts behind it.
 */
#include "cli/fitted.h"
#include "cli/influence.h"
#include "base/team.h"
#include "file/store.h"
#include "influence/passes.h"
#include "base/utf8.h"
#include "model/model.h"
#include "text/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool cli_influence_streams(const cli_run *run) {
    const glim_influence_method *m = run->influence;
    return m ? (m->needs & GLIM_INFLUENCE_GRADIENT) != 0 : run->o.model && !cli_is_fitted(run);
}

static glim_status open_model(cli_run *run) {
    const cli_options *o = &run->o;
    if (o->columns)
        return glim_fail(&run->err, GLIM_EUSAGE, "--columns is for rows of numbers, not for texts");
    if (!cli_is_fitted(run))
        return o->predictor ? glim_fail(&run->err, GLIM_EUSAGE,
                                        "gradients are those of a model (-m FILE), not of '%.60s'",
                                        o->predictor)
                            : cli_open(run);
    glim_status status = cli_open_fitted(run);
    if (!status && !run->model)
        status = glim_fail(&run->err, GLIM_EUSAGE,
                           "'%.200s' reads the columns of a table; %s goes through a model of "
                           "texts (--list names methods for tables)",
                           o->predictor + 4, run->influence ? run->influence->name : "this");
    return status;
}

/* ---- checkpoints ---- */

/* "FILE:RATE", or FILE alone. */
static glim_status open_checkpoint(cli_influence *c, const char *given) {
    cli_run *run = c->run;
    const char *colon = strrchr(given, ':');
    double rate = 1;
    bool rated = colon && glim__table_number(colon + 1, &rate);
    char path[4096];
    size_t n = rated ? (size_t)(colon - given) : strlen(given);
    if (n >= sizeof path || !(rate > 0))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--checkpoint '%.100s' is no FILE:RATE with a rate above 0", given);
    memcpy(path, given, n);
    path[n] = 0;
    glim_model **out = &c->checkpoints[c->n_checkpoints];
    glim_status status = glim_model_open(out, run->ctx, path, &run->err);
    c->rates[1 + c->n_checkpoints] = rate;
    c->n_checkpoints += !status;
    return status;
}

static glim_status open_checkpoints(cli_influence *c) {
    const cli_options *o = &c->run->o;
    glim_status status = GLIM_OK;
    c->rates[0] = o->rate;
    if (*o->checkpoint && cli_is_fitted(c->run))
        return glim_fail(&c->run->err, GLIM_EUSAGE,
                         "--checkpoint is for whole models, not for a head that was fitted on one");
    for (size_t i = 0; i < CLI_OTHERS && o->checkpoint[i] && !status; i++)
        status = open_checkpoint(c, o->checkpoint[i]);
    return status;
}

/* ---- what a text says ---- */

/* Bytes of generated tokens. */
struct written {
    const glim_model *model;
    glim_buffer text;
};

static bool write_token(void *data, int32_t id, double probability) {
    struct written *w = data;
    size_t n;
    const char *bytes = glim_model_token_bytes(w->model, id, &n);
    if (w->model->encoder && !w->text.len && n && *bytes == ' ') {
        bytes++; /* nothing stands before the word */
        n--;
    }
    glim__buffer_append(&w->text, bytes, n);
    return true;
}

/* Bytes of s up to the first that is no character. */
static size_t whole_characters(const char *s, size_t n) {
    size_t at = 0;
    uint32_t cp;
    for (int len = 1; at < n && len > 0; at += len > 0 ? (size_t)len : 0)
        len = glim__utf8_decode(s + at, n - at, &cp);
    return at;
}

/* The query as the model reads it: --chat with what its answer begins with, or TEXT. */
static glim_status read_query(cli_run *run, const char *chat, glim_tokens **out) {
    const cli_options *o = &run->o;
    const glim_model *m = run->model;
    if (!chat)
        return glim_model_tokenize(m, out, o->text, strlen(o->text), &run->err);
    glim_status status =
        glim_model_tokenize_chat(m, out, chat, strlen(chat), o->chat, o->tmpl, &run->err);
    return status || !o->prefix
               ? status
               : glim__tokens_prefix(*out, m->tokenizer, o->prefix, strlen(o->prefix), &run->err);
}

/* What the model itself goes on with, or translates to. */
static glim_status let_write(cli_run *run, const char *chat, size_t most, glim_buffer *out) {
    const glim_sampling greedy = {.top_p = 1};
    struct written w = {.model = run->model, .text = *out};
    glim_tokens *tokens = NULL;
    glim_status status = read_query(run, chat, &tokens);
    if (!status)
        status = run->model->encoder
                     ? glim_translate(run->model, tokens, most, NULL, write_token, &w, &run->err)
                     : glim_generate(run->model, tokens, most, &greedy, write_token, &w, &run->err);
    glim_tokens_free(tokens);
    *out = w.text;
    out->len = whole_characters(out->data, out->len); /* the last token may end inside one */
    if (!status && !out->len)
        status =
            glim_fail(&run->err, GLIM_EUSAGE,
                      "the model says nothing to this text (--target TEXT names what to trace)");
    return status;
}

static glim_status take_loss(void *data, size_t first, size_t count, const double *loss,
                             glim_error *err) {
    memcpy((double *)data + first, loss, count * sizeof *loss);
    return GLIM_OK;
}

/* The class that a classifier gives. */
static glim_status find_class(cli_run *run, const glim_samples_options *how, const char **out) {
    const glim_model_info *i = glim_model_facts(run->model);
    const char *names[] = {"text", "label"};
    double best = INFINITY;
    glim_status status = GLIM_OK;
    for (int k = 0; k < i->outputs && !status; k++) {
        glim_samples *one = NULL;
        double loss = INFINITY;
        const glim_pass_options options = {0};
        const glim_pass_visitor visitor = {.batch = take_loss, .data = &loss};
        const char *cells[] = {run->o.text, i->labels[k]};
        status = glim__samples_one(&one, run->model, names, cells, 2, how, &run->err);
        if (!status)
            status = glim__pass(run->model, one, 0, 1, &options, &visitor, &run->err);
        if (loss < best) {
            best = loss;
            *out = i->labels[k];
        }
        glim__samples_close(one);
    }
    return status;
}

static glim_status text_query(cli_influence *c) {
    enum { LONGEST = 256 };
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    const glim_samples_options how = {0};
    glim_task task = glim_model_facts(run->model)->task;
    const char *names[2] = {"text", NULL}, *cells[2] = {o->text, o->target};
    glim_buffer said;
    glim_status status = GLIM_OK;
    glim__buffer_init(&said, run->ctx);
    if (task == GLIM_TASK_CLASSIFY) {
        names[1] = "label";
        if (!o->target && glim_model_facts(run->model)->labels)
            status = find_class(run, &how, &cells[1]);
    } else if (task == GLIM_TASK_TRANSLATE || o->target || o->generate) {
        names[0] = task == GLIM_TASK_TRANSLATE ? "source" : "prompt";
        names[1] = task == GLIM_TASK_TRANSLATE ? "target" : "completion";
        if (!o->target) {
            status = let_write(run, NULL, o->generate ? (size_t)o->generate : LONGEST, &said);
            glim__buffer_putc(&said, 0);
            cells[1] = said.failed ? NULL : said.data;
        }
    }
    if (!status)
        status = glim__samples_one(&c->query.stream, run->model, names, cells, names[1] ? 2 : 1,
                                   &how, &run->err);
    glim__buffer_release(&said);
    return status;
}

/* A chat, and what its answer says, from --prefix on. */
static glim_status chat_query(cli_influence *c) {
    enum { LONGEST = 256, MOST_CHAT = 1 << 28 };
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    const glim_samples_options how = {.template = o->tmpl};
    const char *names[] = {"chat", "completion", "prefix"}, *cells[3] = {NULL, o->target, ""};
    glim_buffer chat, said;
    glim__buffer_init(&chat, run->ctx);
    glim__buffer_init(&said, run->ctx);
    glim_status status = glim__file_read(&chat, o->chat, MOST_CHAT, &run->err);
    cells[0] = chat.data ? chat.data : "";
    cells[2] = o->prefix ? o->prefix : "";
    if (!status && !o->target) {
        status = let_write(run, cells[0], o->generate ? (size_t)o->generate : LONGEST, &said);
        glim__buffer_putc(&said, 0);
        cells[1] = said.failed ? NULL : said.data;
    }
    if (!status)
        status = glim__samples_one(&c->query.stream, run->model, names, cells, 3, &how, &run->err);
    glim__buffer_release(&chat);
    glim__buffer_release(&said);
    return status;
}

/* ---- opening ---- */

static glim_status check_query(const cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    if (o->tmpl && !o->chat && !glim__samples_are_chats(c->train.stream))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--template is of chats (a column 'messages'), which '%.200s' has not",
                         o->train);
    if (!!o->query + !!o->text + !!o->chat > 1)
        return glim_fail(&run->err, GLIM_EUSAGE, "give one of TEXT, --chat and --query");
    if (o->chat && glim_model_facts(run->model)->task != GLIM_TASK_GENERATE)
        return glim_fail(&run->err, GLIM_EUSAGE, "--chat is for models that continue a text");
    return o->prefix && !o->chat
               ? glim_fail(&run->err, GLIM_EUSAGE,
                           "--prefix is how the answer to --chat begins (put it behind TEXT)")
               : GLIM_OK;
}

static glim_status open_samples(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    /* "text" is the name in any case, where there is no other */
    const glim_samples_options how = {.text = strcmp(o->text_column, "text") != 0 ? o->text_column
                                                                                  : NULL,
                                      .label = o->label,
                                      .template = o->tmpl,
                                      .skip_bad = !strcmp(o->missing, "drop")};
    glim_status status =
        glim__samples_open(&c->train.stream, run->model, o->train, &how, &run->err);
    if (!status)
        status = check_query(c);
    if (!status && o->query)
        status = glim__samples_open(&c->query.stream, run->model, o->query, &how, &run->err);
    else if (!status && o->chat)
        status = chat_query(c);
    else if (!status && o->text)
        status = text_query(c);
    return status;
}

static void describe_samples(cli_samples *s, const char *path) {
    s->path = path;
    if (!s->stream)
        return;
    s->n = glim__samples_count(s->stream);
    s->left_out = glim__samples_left_out(s->stream);
    memcpy(s->digest, glim__samples_digest(s->stream), sizeof s->digest);
}

/* Other kernels have other bits, other files other samples. */
glim_status cli_influence_same(cli_run *run, const glim_model *model, glim_digest *d) {
    glim__digest_text(d, glim_version());
    glim__digest_text(d, glim_context_kernels(run->ctx));
    glim__digest_text(d, glim_model_facts(model)->digest);
    glim__digest_text(d, run->influence ? run->influence->name : "");
    const glim_store_key key = glim__digest_end(d);
    return glim__team_same(run->ctx,
                           "this process has another glim, processor (--kernels), model or file "
                           "of samples than the first one",
                           key.bytes, sizeof key.bytes, &run->err);
}

static glim_status same_samples(const cli_influence *c) {
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_text(&d, c->train.digest);
    glim__digest_text(&d, c->query.digest);
    glim__digest_number(&d, c->n_checkpoints);
    return cli_influence_same(c->run, c->run->model, &d);
}

glim_status cli_influence_open_model(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    c->streams = true;
    c->train.group = c->train.label = c->query.group = c->query.label = SIZE_MAX;
    glim_status status = open_model(run);
    if (!status)
        status = open_checkpoints(c);
    if (!status)
        status = open_samples(c);
    if (!status && o->store && !o->dry_run)
        status = glim__store_open(&c->store, run->ctx, o->store, NULL, &run->err);
    describe_samples(&c->train, o->train);
    describe_samples(&c->query, o->query ? o->query : "the text");
    return status || o->dry_run ? status : same_samples(c);
}

void cli_influence_close_model(cli_influence *c) {
    if (!c->streams)
        return;
    glim__samples_close(c->train.stream);
    glim__samples_close(c->query.stream);
    for (size_t k = 0; k < c->n_checkpoints; k++)
        glim_model_close(c->checkpoints[k]);
}

void cli_influence_model_work(const cli_influence *c, glim_influence_work *w) {
    w->model = c->run->model;
    w->samples = c->train.stream;
    w->query_samples = c->query.stream;
    w->checkpoints = (const glim_model *const *)c->checkpoints;
    w->n_checkpoints = c->n_checkpoints;
    w->rates = c->rates;
    w->store = c->store;
    w->keeps = c->run->o.store != NULL;
    w->target.class_name = w->target.against = NULL; /* the queries say it themselves */
    if (c->run->o.against)
        w->target.against = c->run->o.against;
}

/* The log-probability of what each query says, or its loss. */
glim_status cli_influence_value_model(cli_influence *c) {
    cli_run *run = c->run;
    size_t Q = c->query.n;
    double sign = run->o.output && !strcmp(run->o.output, "loss") ? 1 : -1;
    double *loss = glim__calloc(run->ctx, Q + 1, sizeof *loss);
    c->queries = glim__calloc(run->ctx, Q + 1, sizeof *c->queries);
    glim_status status =
        loss && c->queries ? GLIM_OK : glim__oom(run->ctx, &run->err, "the queries", Q * 32);
    const glim_pass_options options = {0};
    const glim_pass_visitor visitor = {.batch = take_loss, .data = loss};
    if (!status && Q)
        status = glim__pass(run->model, c->query.stream, 0, Q, &options, &visitor, &run->err);
    for (size_t q = 0; q < Q && !status; q++)
        c->queries[q].value = sign * loss[q];
    glim__free(run->ctx, loss);
    return status;
}

/* ---- words ---- */

static bool read_words(const cli_samples *s, size_t i, const char **text, const char **label) {
    cli_samples *own = (cli_samples *)s; /* the words live until the next are read */
    glim__arena_reset(&own->words);
    bool ok = !glim__samples_words(s->stream, i, &own->words, text, label, NULL);
    own->lost |= !ok; /* told at the end */
    return ok;
}

void cli_stream_words(const cli_samples *s, size_t i, glim_buffer *out) {
    const char *text, *label;
    if (read_words(s, i, &text, &label))
        glim__buffer_puts(out, text);
}

const char *cli_stream_label(const cli_samples *s, size_t i) {
    const char *text, *label;
    return read_words(s, i, &text, &label) ? label : NULL;
}
