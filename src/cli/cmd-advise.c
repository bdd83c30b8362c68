/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim advise: which method. The question comes from flags, from answers on a terminal, or
 * from a model and what it is to read: then costs are those of plans.
 */
#include "cli/bind.h"
#include "cli/advise.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "cli/picture.h"
#include "predict/predictor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AT(field) offsetof(cli_options, field)

static const glim_param question_flags[] = {
    {.name = "access",
     .type = GLIM_CHOICE,
     .offset = AT(access),
     .choices = "decoder|encoder|encoder-decoder|image|fitted|black-box",
     .value_name = "KIND",
     .help = "decoder, encoder, encoder-decoder, image, fitted, black-box (or -m MODEL)",
     .group = "Question"},
    {.name = "task",
     .type = GLIM_CHOICE,
     .offset = AT(job),
     .choices = "classify|generate|translate|dialogue|answer|table|image",
     .value_name = "TASK",
     .help = "classify, generate, translate, dialogue, answer, table, image"},
    {.name = "want",
     .type = GLIM_CHOICE,
     .offset = AT(want),
     .choices = "parts|contrast|looks|alignment|examples|training|inside",
     .value_name = "WHAT",
     .help = "parts (default), contrast (why A and not B), looks (where it looks), alignment "
             "(source words of target words), examples, training, inside"},
    {.name = "quality",
     .type = GLIM_CHOICE,
     .offset = AT(quality),
     .choices = "accuracy|consistency|simplicity|comprehensiveness",
     .value_name = "NAME",
     .help = "accuracy (default), consistency, simplicity, comprehensiveness"},
    {.name = "budget",
     .type = GLIM_STRING,
     .offset = AT(budget),
     .value_name = "N",
     .help = "passes over the input, or seconds with an s: 30s"},
    {.name = "units",
     .type = GLIM_STRING,
     .offset = AT(units),
     .def.s = "auto",
     .value_name = "N",
     .help = "how many parts, or what they are: word"},
    {.name = "train",
     .type = GLIM_STRING,
     .offset = AT(train),
     .value_name = "FILE",
     .help = "--want training: the samples"},
    {0},
};

static const glim_param target_flags[] = {
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "TOKEN",
     .help = "what to ask about, as for glim explain",
     .group = "Target"},
    {.name = "against",
     .type = GLIM_STRING,
     .offset = AT(against),
     .value_name = "TOKEN",
     .help = "why the target and not this"},
    {.name = "continuation",
     .type = GLIM_STRING,
     .offset = AT(continuation),
     .value_name = "TEXT",
     .help = "each token of this"},
    {.name = "generate",
     .type = GLIM_INT,
     .offset = AT(generate),
     .max = 4096,
     .help = "tokens that it writes itself"},
    {.name = "labels",
     .type = GLIM_STRING,
     .offset = AT(labels),
     .value_name = "A,B",
     .help = "answers that are scored as classes"},
    {.name = "prompt-file",
     .type = GLIM_STRING,
     .offset = AT(prompt_file),
     .value_name = "FILE",
     .help = "the words around the text, which goes to {text}"},
    {.name = "as-chat", .type = GLIM_BOOL, .offset = AT(as_chat), .help = "as a user's message"},
    {.name = "source",
     .type = GLIM_STRING,
     .offset = AT(source),
     .value_name = "TEXT",
     .help = "the part of the input that counts"},
    {0},
};

bool cli_advise_has_input(const cli_run *run) {
    const cli_options *o = &run->o;
    return o->text || o->file || o->chat || (o->table && o->row);
}

/* ---- the question ---- */

static int find(const char *name, const char *(*names)(int, const char **)) {
    for (int i = 0; name && names(i, NULL); i++)
        if (!strcmp(name, names(i, NULL)))
            return i;
    return -1;
}

static int find_quality(const char *name) {
    for (int i = 0; name && i <= GLIM_COMPREHENSIVENESS; i++)
        if (!strcmp(name, glim_quality_name((glim_quality)i)))
            return i;
    return -1;
}

/* "500", or "30s" into *seconds. */
static glim_status read_budget(cli_run *run, double *passes, double *seconds) {
    char *end;
    const char *text = run->o.budget;
    *passes = *seconds = 0;
    if (!text)
        return GLIM_OK;
    double x = strtod(text, &end);
    bool timed = !strcmp(end, "s");
    if (end == text || (*end && !timed) || !(x > 0 && x <= 1e12) || (!timed && x < 1))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--budget '%.40s' is neither passes (500) nor seconds (30s)", text);
    *(timed ? seconds : passes) = x;
    return GLIM_OK;
}

/* A number of parts, or the name of a kind, which stays in the options. */
static glim_status read_units(cli_run *run, size_t *out) {
    char *end;
    const char *text = run->o.units;
    long long n = strtoll(text, &end, 10);
    *out = 0;
    for (int i = 0; glim_unit_kind_name((glim_unit_kind)i); i++)
        if (!strcmp(text, glim_unit_kind_name((glim_unit_kind)i)))
            return GLIM_OK;
    if (!strcmp(text, "auto"))
        return GLIM_OK;
    if (*end || end == text || n < 1 || n > 100000000)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--units '%.40s' is neither a number of parts nor a kind of them", text);
    if (cli_advise_has_input(run))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--units %lld: the parts of this input are counted (a kind: word)", n);
    run->o.units = "auto";
    *out = (size_t)n;
    return GLIM_OK;
}

/* What a named model is, and what is asked of it. */
static void derive(const cli_run *run, glim_question *q) {
    const cli_options *o = &run->o;
    const glim_model_info *info = run->model ? glim_model_facts(run->model) : NULL;
    glim_job job = o->table || (!info && cli_is_fitted(run)) ? GLIM_JOB_TABLE : GLIM_JOB_CLASSIFY;
    if (!info) {
        q->access = cli_is_fitted(run) ? GLIM_ACCESS_FITTED : GLIM_ACCESS_BLACK_BOX;
    } else if (info->task == GLIM_TASK_IMAGE) {
        q->access = GLIM_ACCESS_IMAGE;
        job = GLIM_JOB_IMAGE;
    } else if (info->task == GLIM_TASK_TRANSLATE) {
        q->access = GLIM_ACCESS_ENCODER_DECODER;
        job = GLIM_JOB_TRANSLATE;
    } else if (info->both_ways || info->task != GLIM_TASK_GENERATE) {
        q->access = info->both_ways ? GLIM_ACCESS_ENCODER : GLIM_ACCESS_DECODER;
        job = info->task == GLIM_TASK_SPAN ? GLIM_JOB_ANSWER : GLIM_JOB_CLASSIFY;
    } else {
        q->access = GLIM_ACCESS_DECODER;
        job = o->labels                        ? GLIM_JOB_CLASSIFY
              : o->chat                        ? GLIM_JOB_DIALOGUE
              : q->want == GLIM_WANT_ALIGNMENT ? GLIM_JOB_TRANSLATE
                                               : GLIM_JOB_GENERATE;
    }
    if ((int)q->job < 0)
        q->job = job;
    q->head = info ? cli_is_fitted(run) ? 1 : -1 : 0;
}

/* What was left open: the task that is likeliest of such a model, the first of the others. */
static void settle(const cli_run *run, glim_question *q) {
    static const glim_job likely[GLIM_ACCESSES] = {GLIM_JOB_GENERATE,  GLIM_JOB_CLASSIFY,
                                                   GLIM_JOB_TRANSLATE, GLIM_JOB_IMAGE,
                                                   GLIM_JOB_TABLE,     GLIM_JOB_CLASSIFY};
    if ((int)q->want < 0)
        q->want = run->o.against ? GLIM_WANT_CONTRAST : GLIM_WANT_PARTS;
    bool aligns =
        q->want == GLIM_WANT_ALIGNMENT && glim_access_does(q->access, GLIM_JOB_TRANSLATE, NULL);
    if ((int)q->job < 0)
        q->job = aligns ? GLIM_JOB_TRANSLATE : likely[q->access];
    if ((int)q->quality < 0)
        q->quality = GLIM_ACCURACY;
}

/* Training samples want an answer that they teach. */
static glim_status check_training(cli_run *run, const glim_question *q, double seconds) {
    glim_task task = run->model ? glim_model_facts(run->model)->task : GLIM_TASK_GENERATE;
    if (q->want != GLIM_WANT_TRAINING) {
        if (run->o.train)
            return glim_fail(&run->err, GLIM_EUSAGE, "--train is for --want training");
        return GLIM_OK;
    }
    if (seconds > 0)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "with --want training a budget is passes over the samples (--budget 3)");
    if (task == GLIM_TASK_CLASSIFY || task == GLIM_TASK_GENERATE || task == GLIM_TASK_TRANSLATE)
        return GLIM_OK;
    return glim_fail(
        &run->err, GLIM_EUSAGE,
        "this model has no classes that samples could have taught: fit a head (glim fit "
        "-m MODEL --data FILE -o HEAD), then add --predictor fit:HEAD");
}

/* With an input the command must be whole: nothing is made up beside it. */
static glim_status check_whole(cli_run *run, const glim_question *q) {
    const cli_options *o = &run->o;
    if (q->want == GLIM_WANT_CONTRAST && !o->against)
        return glim_fail(&run->err, GLIM_EUSAGE, "--want contrast: why not what? (--against)");
    if (q->want == GLIM_WANT_ALIGNMENT && q->access == GLIM_ACCESS_DECODER &&
        (!o->source || !(o->continuation || o->generate)))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--want alignment: which part of the text was translated, and how? "
                         "(--source TEXT --continuation TEXT)");
    return GLIM_OK;
}

/* ---- the answer ---- */

static glim_status show(cli_run *run, const glim_question *q, double second) {
    glim_advice a;
    glim_status status = glim_advise(&a, q, &run->err);
    if (status)
        return status;
    return run->o.json ? cli_advise_json(run, q, &a, second) : cli_advise_text(run, q, &a, second);
}

/* Seconds of the target with everything taken out: a pass that shares nothing. */
static glim_status time_pass(cli_run *run, glim_predictor *p, double *out) {
    struct timespec a, b;
    uint8_t *keep = glim__calloc(run->ctx, p->units->count + 1, 1);
    double *values = glim__calloc(run->ctx, p->n_rows + 1, sizeof *values);
    glim_status status =
        keep && values ? GLIM_OK
                       : glim__oom(run->ctx, &run->err, "one pass", p->n_rows * sizeof *values);
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (!status)
        status = p->values(p, keep, 1, p->image ? GLIM_ABSENT_MEAN : GLIM_ABSENT_MASK, values,
                           &run->err);
    clock_gettime(CLOCK_MONOTONIC, &b);
    *out = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    glim__free(run->ctx, keep);
    glim__free(run->ctx, values);
    return status;
}

static glim_status read_question(cli_run *run, glim_question *q, double *seconds) {
    *q = (glim_question){.access = (glim_access)find(run->o.access, glim_access_name),
                         .job = (glim_job)find(run->o.job, glim_job_name),
                         .want = (glim_want)find(run->o.want, glim_want_name),
                         .quality = (glim_quality)find_quality(run->o.quality)};
    glim_status status = read_budget(run, &q->passes, seconds);
    return status ? status : read_units(run, &q->units);
}

/* Where `glim explain` would explain. */
static glim_status with_predictor(cli_run *run, glim_predictor *p) {
    glim_question q;
    double seconds, second = NAN;
    glim_status status = read_question(run, &q, &seconds);
    if (status)
        return status;
    derive(run, &q);
    settle(run, &q);
    q.p = p;
    status = check_whole(run, &q);
    if (!status)
        status = check_training(run, &q, seconds);
    if (!status && seconds > 0)
        status = time_pass(run, p, &second);
    if (!status && seconds > 0)
        q.passes = fmax(1, floor(seconds / second));
    return status ? status : show(run, &q, second);
}

/* A model without an input, or none at all. */
static glim_status without(cli_run *run, glim_question *q) {
    const cli_options *o = &run->o;
    glim_status status = GLIM_OK;
    if (o->model || o->predictor) {
        if (o->model)
            status = cli_is_fitted(run) ? cli_open_fitted(run) : cli_open(run);
        if (status)
            return status;
        derive(run, q);
    } else if ((int)q->access < 0) {
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
            cli_help(run, stderr);
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "advise needs a question (--access KIND, or -m MODEL); on a terminal "
                             "it asks");
        }
        status = cli_advise_ask(run, q);
    }
    if (status)
        return status;
    settle(run, q);
    status = check_training(run, q, 0);
    return status ? status : show(run, q, NAN);
}

static glim_status run_advise(cli_run *run) {
    glim_question q;
    double seconds;
    bool named = run->o.model || run->o.predictor;
    glim_status status = read_question(run, &q, &seconds);
    if (status)
        return status;
    if (named && run->o.access)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "give either --access or a model (it says itself what it is)");
    if (!named && cli_advise_has_input(run))
        return glim_fail(&run->err, GLIM_EUSAGE, "which model reads it? (-m MODEL)");
    if (seconds > 0 && !(named && cli_advise_has_input(run)))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "seconds depend on the model and the text: give both (-m MODEL TEXT), or "
                         "passes (--budget 500)");
    if (!named || !cli_advise_has_input(run))
        return without(run, &q);
    if (q.job == GLIM_JOB_IMAGE && !run->o.model)
        run->o.task = "image";
    return cli_bind(run, with_predictor, cli_pick);
}

static const glim_param *const groups[] = {cli_flags_model,
                                           question_flags,
                                           cli_flags_predictor,
                                           cli_flags_calls,
                                           cli_flags_input,
                                           target_flags,
                                           cli_flags_picture,
                                           cli_flags_json,
                                           cli_flags_resources,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim advise --access black-box --task classify --quality simplicity",
    "glim advise -m model.gguf --budget 30s \"The capital of France is\"", NULL};

const cli_command cli_advise = {
    .name = "advise",
    .summary = "which method fits the model, the question and the budget",
    .family = "choice",
    .produces = "glim.advice/1",
    .synopsis = "[--access KIND | -m MODEL [TEXT]]",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_advise,
};
