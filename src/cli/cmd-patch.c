/* SPDX-License-Identifier: Apache-2.0 */
/* glim patch: where the difference of two inputs is, and what is lost without a part. */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/picture.h"
#include "cli/show.h"
#include "predict/lm.h"

#include <glim/patch.h>
#include <string.h>

#define AT(field) offsetof(cli_options, field)

static const glim_param patch_flags[] = {
    {.name = "corrupt",
     .type = GLIM_STRING,
     .offset = AT(corrupt),
     .value_name = "TEXT",
     .help = "the other input (of --chat: its file)",
     .group = "Patch"},
    {.name = "noise",
     .type = GLIM_BOOL,
     .offset = AT(noise),
     .help = "its values into TEXT's run: what is needed"},
    {.name = "site",
     .type = GLIM_STRING,
     .offset = AT(site),
     .value_name = "LIST",
     .help = "resid_pre,resid_mid,attn_out,mlp_out,z,q,k,v"},
    {.name = "estimate",
     .type = GLIM_BOOL,
     .offset = AT(estimate),
     .help = "all by one gradient, and the strongest exactly"},
    {.name = "check",
     .type = GLIM_INT,
     .offset = AT(check),
     .min = 0,
     .max = 10000,
     .help = "how many of them (10)"},
    {.name = "path",
     .type = GLIM_STRING,
     .offset = AT(path),
     .max = CLI_OTHERS,
     .value_name = "\"A -> B\"",
     .help = "from A through B alone; may be repeated"},
    {.name = "mlps",
     .type = GLIM_BOOL,
     .offset = AT(mlps),
     .help = "paths may go through feed-forward parts"},
    {.name = "subject",
     .type = GLIM_STRING,
     .offset = AT(subject),
     .value_name = "WORDS",
     .help = "causal tracing: noise on these words of TEXT"},
    {.name = "draws",
     .type = GLIM_INT,
     .offset = AT(draws),
     .min = 0,
     .max = 10000,
     .help = "of that noise (10)"},
    {.name = "window",
     .type = GLIM_INT,
     .offset = AT(window),
     .min = 0,
     .max = 4096,
     .help = "blocks restored at once (10, at most a third)"},
    {.name = "ablate",
     .type = GLIM_CHOICE,
     .offset = AT(ablate),
     .choices = "mean|zero|resample",
     .help = "instead: what is lost without each part and head"},
    {.name = "data",
     .type = GLIM_STRING,
     .offset = AT(data),
     .value_name = "FILE",
     .help = "texts for that, a line each (resample: 64)"},
    {.name = "top",
     .type = GLIM_INT,
     .offset = AT(top),
     .def.i = 10,
     .min = 1,
     .max = 1000,
     .help = "strongest patches that are named"},
    {0},
};

/* ---- two inputs ---- */

/* The other input, with the target of `clean` by its text. */
static glim_status bind_other(cli_run *run, glim_predictor *clean, const char *text,
                              glim_predictor **out, glim_tokens **tokens) {
    glim_document *doc = NULL;
    glim_tokens *mine = run->tokens;
    const char *given = run->o.text, *chat = run->o.chat, *file = run->o.file;
    *out = NULL;
    glim_status status = glim_document_new(&doc, run->ctx, &run->err);
    if (!status)
        status = clean->describe(clean, doc, &run->err);
    run->tokens = NULL;
    run->o.file = NULL;
    if (chat)
        run->o.chat = text;
    else
        run->o.text = text;
    if (!status)
        status = cli_input(run);
    if (!status)
        status = cli_bind_like(run, out, NULL, doc);
    *tokens = run->tokens;
    run->tokens = mine;
    run->o.text = given;
    run->o.chat = chat;
    run->o.file = file;
    glim_document_free(doc);
    return status;
}

static glim_status add_paths(cli_run *run, glim_predictor *clean, glim_predictor *other,
                             glim_document *doc) {
    glim_path paths[CLI_OTHERS];
    char text[CLI_OTHERS][256];
    double effects[CLI_OTHERS];
    size_t n = 0;
    for (; n < CLI_OTHERS && run->o.path[n]; n++) {
        char *arrow;
        snprintf(text[n], sizeof text[n], "%s", run->o.path[n]);
        if (!(arrow = strstr(text[n], "->")))
            return glim_fail(&run->err, GLIM_EUSAGE, "--path '%.80s' is no \"SENDER -> RECEIVER\"",
                             run->o.path[n]);
        *arrow = 0;
        paths[n].sender = text[n];
        text[n][strcspn(text[n], " ")] = 0;
        paths[n].receiver = arrow + 2 + strspn(arrow + 2, " ");
    }
    if (!n)
        return GLIM_OK;
    glim_status status =
        glim_patch_path(effects, clean, other, paths, n, run->o.noise, run->o.mlps, &run->err);
    glim_panel *p = status ? NULL
                           : glim_document_panel_add(doc, GLIM_PANEL_TABLE, "paths",
                                                     "Effects along single paths", n, 3);
    bool ok = p && glim_document_label(doc, &p->columns, 0, "sender") &&
              glim_document_label(doc, &p->columns, 1, "receiver") &&
              glim_document_label(doc, &p->columns, 2, "effect");
    for (size_t i = 0; i < n && ok; i++) {
        p->cells[3 * i].text = glim_document_text(doc, paths[i].sender, strlen(paths[i].sender));
        p->cells[3 * i + 1].text =
            glim_document_text(doc, paths[i].receiver, strlen(paths[i].receiver));
        p->cells[3 * i + 2].number = effects[i];
        ok = p->cells[3 * i].text && p->cells[3 * i + 1].text;
    }
    return status || ok ? status : glim__oom(run->ctx, &run->err, "the document", 0);
}

static glim_status patch(cli_run *run, glim_predictor *clean) {
    const cli_options *o = &run->o;
    glim_predictor *other = NULL;
    glim_tokens *tokens = NULL;
    glim_document *doc = NULL;
    glim_plan plan;
    const glim_patch_options p = {.sites = o->site,
                                  .noise = o->noise,
                                  .estimate = o->estimate,
                                  .check = (size_t)o->check,
                                  .top = (size_t)o->top,
                                  .store = o->store};
    glim_status status = bind_other(run, clean, o->corrupt, &other, &tokens);
    if (!status)
        status = glim_patch_plan(clean, other, &p, &plan, &run->err);
    if (!status && o->dry_run) {
        status = cli_put_plan(run, "patch", &plan);
    } else if (!status) {
        status = glim__check_budget(run->ctx, plan.bytes, "patches need",
                                    "name fewer kinds with --site", &run->err);
        if (!status)
            status = glim_patch_read(&doc, clean, other, &p, &run->err);
        if (!status)
            status = add_paths(run, clean, other, doc);
        status = cli_show_ended(run, doc, status);
    }
    glim_predictor_free(other);
    glim_tokens_free(tokens);
    return status;
}

/* ---- one input ---- */

/* The tokens of words that stand in the text once. */
static glim_status find_subject(cli_run *run, glim_trace_options *t) {
    const char *words = run->o.subject, *text = run->tokens->text;
    const char *at = *words ? strstr(text, words) : NULL;
    if (!at || strstr(at + 1, words))
        return glim_fail(&run->err, GLIM_EUSAGE, "--subject '%.80s' %s", words,
                         at ? "stands in the text more than once" : "does not stand in the text");
    size_t from = (size_t)(at - text), past = from + strlen(words);
    for (size_t i = 0; i < run->tokens->count; i++) {
        const glim_token *token = &run->tokens->at[i];
        if (token->end <= from || token->start >= past || token->end == token->start)
            continue;
        t->first = t->count ? t->first : i;
        t->count = i + 1 - t->first;
    }
    return GLIM_OK;
}

static glim_status trace(cli_run *run, glim_predictor *p) {
    glim_trace_options t = {
        .draws = (size_t)run->o.draws, .window = (size_t)run->o.window, .store = run->o.store};
    glim_document *doc = NULL;
    glim_status status = find_subject(run, &t);
    if (!status)
        status = glim_patch_trace(&doc, p, &t, (uint64_t)run->o.seed, &run->err);
    return cli_show_ended(run, doc, status);
}

enum { MOST_OTHERS = 64 };

struct others {
    glim_predictor *p[MOST_OTHERS];
    glim_tokens *tokens[MOST_OTHERS];
    size_t n;
};

/* Lines of a text, which are bound to the same target. */
static glim_status bind_lines(cli_run *run, glim_predictor *p, struct others *out) {
    glim_buffer text;
    glim__buffer_init(&text, run->ctx);
    glim_status status = glim__file_read(&text, run->o.data, 1 << 26, &run->err);
    if (!status)
        glim__buffer_putc(&text, 0);
    for (char *save, *line = status ? NULL : strtok_r(text.data, "\r\n", &save);
         line && out->n < MOST_OTHERS && !status; line = strtok_r(NULL, "\r\n", &save)) {
        status = bind_other(run, p, line, &out->p[out->n], &out->tokens[out->n]);
        out->n++;
    }
    if (!status && !out->n)
        status = glim_fail(&run->err, GLIM_EFORMAT, "'%.200s' has no lines", run->o.data);
    glim__buffer_release(&text);
    return status;
}

static glim_status ablate(cli_run *run, glim_predictor *p) {
    const char *how = run->o.ablate;
    struct others others = {.n = 0};
    glim_document *doc = NULL;
    glim_ablate_options o = {.how = !strcmp(how, "mean")   ? GLIM_ABLATE_MEAN
                                    : !strcmp(how, "zero") ? GLIM_ABLATE_ZERO
                                                           : GLIM_ABLATE_RESAMPLE,
                             .others = others.p,
                             .store = run->o.store};
    glim_status status = GLIM_OK;
    if (o.how == GLIM_ABLATE_MEAN)
        o.data = run->o.data;
    else if (run->o.data)
        status = bind_lines(run, p, &others);
    o.n_others = others.n;
    if (!status)
        status = glim_patch_ablate(&doc, p, &o, &run->err);
    for (size_t i = 0; i < others.n; i++) {
        glim_predictor_free(others.p[i]);
        glim_tokens_free(others.tokens[i]);
    }
    return cli_show_ended(run, doc, status);
}

static glim_status use(cli_run *run, glim_predictor *p) {
    const cli_options *o = &run->o;
    return o->corrupt ? patch(run, p) : o->subject ? trace(run, p) : ablate(run, p);
}

static glim_status run_patch(cli_run *run) {
    cli_options *o = &run->o;
    int ways = (o->corrupt != NULL) + (o->subject != NULL) + (o->ablate != NULL);
    if (ways != 1)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "give one of --corrupt TEXT (another input), --subject WORDS (noise on "
                         "them) and --ablate HOW (a part less)");
    if (!o->corrupt && (o->noise || o->estimate || o->site || o->path[0]))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--noise, --site, --estimate and --path are for --corrupt TEXT");
    if (o->data && !o->ablate)
        return glim_fail(&run->err, GLIM_EUSAGE, "--data has other inputs for --ablate");
    const char *data = o->data;
    o->units = "token";
    o->data = NULL; /* lines of their own, not many inputs */
    glim_status status = cli_open(run);
    if (!status && cli_reads_pictures(run))
        status = glim_fail(&run->err, GLIM_EUSAGE, "patches are for models of texts");
    if (!status)
        status = cli_input(run);
    glim_predictor *p = NULL;
    if (!status)
        status = cli_make_predictor(run, &p);
    o->data = data;
    if (!status)
        status = use(run, p);
    glim_predictor_free(p);
    return status;
}

static const glim_param target_flags[] = {
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "TOKEN",
     .help = "token or class (default: the likeliest of TEXT)",
     .group = "Target"},
    {.name = "against",
     .type = GLIM_STRING,
     .offset = AT(against),
     .value_name = "TOKEN",
     .help = "the difference to this, the other answer"},
    {.name = "continuation",
     .type = GLIM_STRING,
     .offset = AT(continuation),
     .value_name = "TEXT",
     .help = "all tokens of this instead"},
    {0},
};

static const glim_param *const groups[] = {cli_flags_model,
                                           target_flags,
                                           patch_flags,
                                           cli_flags_input,
                                           cli_flags_steer,
                                           cli_flags_output,
                                           cli_flags_resources,
                                           cli_flags_store,
                                           cli_flags_plan,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim patch -m model.gguf --target \" Paris\" --against \" Rome\" \\\n"
    "      --corrupt \"The capital of Italy is\" \"The capital of France is\"",
    "glim patch -m model.gguf --subject France \"The capital of France is\"",
    "glim patch -m model.gguf --ablate mean --data texts.txt \"The capital of France is\"", NULL};

const cli_command cli_patch = {
    .name = "patch",
    .summary = "which inner values make the answer, by putting others in",
    .synopsis = "-m MODEL --corrupt TEXT TEXT",
    .steers = true,
    .text = "text",
    .keeps = true,
    .examples = examples,
    .groups = groups,
    .run = run_patch,
};
