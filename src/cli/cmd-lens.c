/* SPDX-License-Identifier: Apache-2.0 */
/* glim lens: what the layers of a model already say, and which parts say it directly. */
#include "cli/bind.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "structure/report.h"
#include "structure/unembed.h"

#include <glim/lens.h>
#include <string.h>

#define AT(field) offsetof(cli_options, field)

enum { LONG = 24 };

static const glim_param lens_flags[] = {
    {.name = "direct",
     .type = GLIM_BOOL,
     .offset = AT(direct),
     .help = "also what layers, heads and neurons add to the target's logit",
     .group = "Lens"},
    {.name = "tuned",
     .type = GLIM_STRING,
     .offset = AT(tuned),
     .value_name = "FILE",
     .help = "through translators of this file, not the bare logit lens"},
    {.name = "fit",
     .type = GLIM_STRING,
     .offset = AT(fit_text),
     .value_name = "TEXTFILE",
     .help = "fit such translators on a text, and write them to --out"},
    {.name = "out",
     .letter = 'o',
     .type = GLIM_STRING,
     .offset = AT(out),
     .value_name = "FILE",
     .help = "where to (safetensors)"},
    {.name = "tokens",
     .type = GLIM_INT,
     .offset = AT(tokens),
     .def.i = 16384,
     .min = 256,
     .max = 1 << 30,
     .value_name = "N",
     .help = "of the text that --fit reads, in pieces from all of it"},
    {.name = "first",
     .type = GLIM_INT,
     .offset = AT(first),
     .min = 0,
     .max = 1 << 24,
     .help = "first position, from 1 (default: the last 24)"},
    {.name = "count",
     .type = GLIM_INT,
     .offset = AT(count),
     .min = 0,
     .max = 1 << 24,
     .help = "how many positions"},
    {.name = "top",
     .type = GLIM_INT,
     .offset = AT(top),
     .def.i = 5,
     .min = 1,
     .max = 10,
     .help = "words that are named of a layer, or of a neuron"},
    {.name = "neurons",
     .type = GLIM_INT,
     .offset = AT(neurons),
     .def.i = 10,
     .min = 0,
     .max = 1000,
     .help = "with --direct: neurons that are named"},
    {.name = "neuron",
     .type = GLIM_STRING,
     .offset = AT(neuron),
     .max = CLI_SITES,
     .value_name = "L:N",
     .help = "instead: tokens that a neuron says and reads by its weights"},
    {0},
};

static const glim_param target_flags[] = {
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "TOKEN",
     .help = "what is followed (default: the likeliest)",
     .group = "Target"},
    {.name = "against",
     .type = GLIM_STRING,
     .offset = AT(against),
     .value_name = "TOKEN",
     .help = "and this one; direct parts are of the difference"},
    {.name = "continuation",
     .type = GLIM_STRING,
     .offset = AT(continuation),
     .value_name = "TEXT",
     .help = "encoder-decoders: what is written"},
    {0},
};

/* ---- fitting ---- */

static glim_status tell_fit(cli_run *run, const glim_tuned_lens *t) {
    glim_buffer out;
    size_t n, used = 0;
    double logit = 0, tuned = 0;
    const glim_tuned_layer *layers = glim_tuned_layers(t, &n);
    glim__buffer_init(&out, run->ctx);
    if (run->o.verbose)
        glim__buffer_puts(&out,
                          "before  share  logit lens  tuned lens   KL(last || lens), nats, on "
                          "tokens held out\n");
    for (size_t l = 0; l < n; l++) {
        used += layers[l].strength > 0;
        logit += layers[l].logit / (double)n;
        tuned += layers[l].tuned / (double)n;
        if (run->o.verbose)
            glim__buffer_printf(&out, "%6zu  %5.2f  %10.3f  %10.3f\n", l, layers[l].strength,
                                layers[l].logit, layers[l].tuned);
    }
    glim__buffer_printf(
        &out,
        "%zu of %zu translators are used; KL(last || lens) %.3g -> %.3g nats a token "
        "on tokens held out\n",
        used, n, logit, tuned);
    return cli_put_buffer(run, &out, "the fit");
}

static glim_status fit(cli_run *run) {
    enum { MOST_TEXT = 1 << 28 };
    const cli_options *o = &run->o;
    glim_tuned_lens *t = NULL;
    glim_buffer text;
    if (!o->out)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--fit needs a file to write: --out lens.safetensors");
    if (o->text || o->tuned)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--fit makes translators; read a text through them with --tuned");
    glim__buffer_init(&text, run->ctx);
    const glim_tuned_options how = {.tokens = (size_t)o->tokens};
    glim_plan plan;
    glim_status status = glim__file_read(&text, o->fit_text, MOST_TEXT, &run->err);
    const char *bytes = text.data ? text.data : "";
    if (!status)
        status = glim_tuned_plan(run->model, bytes, text.len, &how, &plan, &run->err);
    if (!status && o->dry_run) {
        status = cli_put_plan(run, "lens", &plan);
        goto done;
    }
    if (!status)
        status = glim__check_budget(run->ctx, plan.bytes, "the fit needs",
                                    "a model of fewer layers needs less", &run->err);
    if (!status)
        status = glim_tuned_fit(&t, run->model, bytes, text.len, &how, &run->err);
    if (!status)
        status = glim_tuned_save(t, o->out, &run->err);
    if (!status) {
        status = tell_fit(run, t);
        cli_wrote(run, o->out);
    }
done:
    glim_tuned_free(t);
    glim__buffer_release(&text);
    return status;
}

/* ---- reading ---- */

static void read_options(const cli_run *run, const glim_predictor *p, glim_lens_options *l) {
    const cli_options *o = &run->o;
    size_t n = glim__lm_positions(p, false, NULL);
    *l = (glim_lens_options){.top = (size_t)o->top};
    if (o->first) {
        l->first = (size_t)o->first - 1;
        l->count = (size_t)o->count;
    } else {
        l->count = o->count ? (size_t)o->count : n < LONG ? n : LONG;
        l->first = l->count < n ? n - l->count : 0;
    }
}

static glim_status add_direct(cli_run *run, glim_predictor *p, glim_document *doc) {
    glim_direct *d = NULL;
    glim_status status = glim_direct_read(&d, p, 0, (size_t)run->o.neurons, &run->err);
    if (!status)
        status = glim_direct_show(d, p, doc, &run->err);
    glim_direct_free(d);
    return status;
}

static glim_status read_and_show(cli_run *run, glim_predictor *p, const glim_lens_options *l) {
    glim_document *doc = NULL;
    glim_status status = glim_lens_read(&doc, p, l, &run->err);
    if (!status && run->o.direct)
        status = add_direct(run, p, doc);
    return cli_show_ended(run, doc, status);
}

static glim_status use(cli_run *run, glim_predictor *p) {
    glim_lens_options l;
    glim_plan plan;
    glim_tuned_lens *tuned = NULL;
    read_options(run, p, &l);
    glim_status status = GLIM_OK;
    if (run->o.tuned)
        status = glim_tuned_open(&tuned, run->model, run->o.tuned, &run->err);
    l.tuned = tuned;
    if (!status)
        status = glim_lens_plan(p, &l, &plan, &run->err);
    if (!status && run->o.dry_run) {
        status = cli_put_plan(run, "lens", &plan);
    } else if (!status) {
        status = glim__check_budget(run->ctx, plan.bytes, "the lens needs",
                                    "show fewer positions with --count", &run->err);
        if (!status)
            status = read_and_show(run, p, &l);
    }
    glim_tuned_free(tuned);
    return status;
}

static glim_status run_lens(cli_run *run) {
    run->o.output = "logit"; /* parts add up to logits */
    run->o.units = "auto";
    if (run->o.neuron[0])
        return cli_neurons(run);
    if (run->o.fit_text) {
        glim_status status = cli_open(run);
        return status ? status : fit(run);
    }
    if (run->o.out)
        return glim_fail(&run->err, GLIM_EUSAGE, "--out is where --fit writes translators");
    glim_predictor *p = NULL;
    glim_status status = cli_open(run);
    if (!status) /* before it is asked for a target that would be of no use */
        status = glim__unembed_check(run->model, &run->err);
    if (!status)
        status = cli_input(run);
    if (!status)
        status = cli_make_predictor(run, &p);
    if (!status)
        status = use(run, p);
    glim_predictor_free(p);
    return status;
}

static const glim_param *const groups[] = {
    cli_flags_model,  target_flags,        lens_flags,     cli_flags_input, cli_flags_steer,
    cli_flags_output, cli_flags_resources, cli_flags_plan, cli_flags_talk,  NULL};
static const char *const examples[] = {
    "glim lens -m model.gguf \"The capital of France is\"",
    ("glim lens -m model.gguf --target \" Paris\" --against \" London\" --direct \\\n"
     "      \"The capital of France is\""),
    "glim lens -m model.gguf --fit corpus.txt --out lens.safetensors",
    "glim lens -m model.gguf --neuron 11:2044", NULL};

const cli_command cli_lens = {
    .name = "lens",
    .summary = "what each layer would say, and which parts add it",
    .family = "structure",
    .produces = "glim.explanation/1",
    .synopsis = "-m MODEL TEXT",
    .steers = true,
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_lens,
};
