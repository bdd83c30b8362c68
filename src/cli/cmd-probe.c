/* SPDX-License-Identifier: Apache-2.0 */
/* glim probe: what can be read off a model's layers, of texts or of the words in them. */
#include "cli/commands.h"
#include "cli/show.h"

#include <math.h>
#include <string.h>

#define AT(field) offsetof(cli_options, field)

static const glim_param data_flags[] = {
    {.name = "data",
     .type = GLIM_STRING,
     .offset = AT(data),
     .value_name = "FILE",
     .help = "texts: .csv, .tsv, .jsonl, .txt; tagged: .conll, .tags",
     .group = "Data"},
    {.name = "each",
     .type = GLIM_CHOICE,
     .offset = AT(each),
     .choices = "text|word",
     .help = "what has a label (default: by the file)"},
    {.name = "text",
     .type = GLIM_STRING,
     .offset = AT(text_column),
     .value_name = "COLUMN",
     .def.s = "text",
     .help = "the column of texts"},
    {.name = "label",
     .type = GLIM_STRING,
     .offset = AT(label),
     .value_name = "COLUMN",
     .def.s = "label",
     .help = "the column to tell"},
    {.name = "group",
     .type = GLIM_STRING,
     .offset = AT(by_group),
     .value_name = "COLUMN",
     .help = "rows that share it are never parted (documents)"},
    {.name = "regression",
     .type = GLIM_BOOL,
     .offset = AT(regression),
     .help = "the label is a number"},
    {.name = "missing",
     .type = GLIM_CHOICE,
     .offset = AT(missing),
     .def.s = "error",
     .choices = "error|drop",
     .help = "rows with missing cells"},
    {0},
};

static const glim_param own_flags[] = {
    {.name = "site",
     .type = GLIM_STRING,
     .offset = AT(site),
     .value_name = "PATTERN",
     .help = "sites by commas (default: embedding, every block)",
     .group = "Probe"},
    {.name = "pool",
     .type = GLIM_CHOICE,
     .offset = AT(pool),
     .choices = "last|mean|first",
     .help = "a text's vector (decoders last, encoders mean)"},
    {.name = "word",
     .type = GLIM_CHOICE,
     .offset = AT(word),
     .def.s = "last",
     .choices = "last|first|mean",
     .help = "a word's, of its tokens"},
    {.name = "probe",
     .type = GLIM_CHOICE,
     .offset = AT(probe),
     .def.s = "linear",
     .choices = "linear|mlp",
     .help = "or with one hidden layer"},
    {.name = "strength",
     .type = GLIM_REAL,
     .offset = AT(strength),
     .def.r = -1,
     .min = -1,
     .max = 1e12,
     .help = "of L2 (1/C); default: by inner cross-validation"},
    {.name = "folds",
     .type = GLIM_INT,
     .offset = AT(folds),
     .def.i = 5,
     .min = 2,
     .max = 1000,
     .help = "each row is tested in one"},
    {.name = "repeats",
     .type = GLIM_INT,
     .offset = AT(repeats),
     .def.i = 1,
     .min = 1,
     .max = 1000,
     .help = "of all folds, drawn anew"},
    {.name = "permutations",
     .type = GLIM_INT,
     .offset = AT(permutations),
     .def.i = 20,
     .min = 1,
     .max = 10000,
     .help = "controls of texts"},
    {.name = "hidden",
     .type = GLIM_INT,
     .offset = AT(hidden),
     .def.i = 128,
     .min = 1,
     .max = 65536,
     .help = "mlp: units"},
    {.name = "decay",
     .type = GLIM_REAL,
     .offset = AT(decay),
     .min = 0,
     .max = 1e6,
     .help = "mlp: weight decay (0: by inner cross-validation)"},
    {.name = "no-control",
     .type = GLIM_BOOL,
     .offset = AT(no_control),
     .help = "no labels that mean nothing"},
    {.name = "no-code", .type = GLIM_BOOL, .offset = AT(no_code), .help = "no description length"},
    {.name = "no-baseline",
     .type = GLIM_BOOL,
     .offset = AT(no_baseline),
     .help = "no bag of words, no usual tags"},
    {.name = "random-model",
     .type = GLIM_BOOL,
     .offset = AT(random_model),
     .help = "the same of its copy with shuffled weights"},
    {.name = "half",
     .type = GLIM_BOOL,
     .offset = AT(half),
     .help = "keep values on disk as halves"},
    {.name = "save",
     .type = GLIM_STRING,
     .offset = AT(save),
     .value_name = "FILE",
     .help = "directions as .safetensors",
     .group = "Directions"},
    {.name = "concept-target",
     .type = GLIM_STRING,
     .offset = AT(concept_target),
     .value_name = "TEXT",
     .help = "a token or class: do directions raise it?"},
    {.name = "concept",
     .type = GLIM_STRING,
     .offset = AT(concept_class),
     .value_name = "CLASS",
     .help = "along this label's direction (the last)"},
    {.name = "concept-inputs",
     .type = GLIM_INT,
     .offset = AT(concept_inputs),
     .def.i = 200,
     .min = 1,
     .max = 100000000,
     .help = "texts to walk back"},
    {.name = "random-directions",
     .type = GLIM_INT,
     .offset = AT(directions),
     .def.i = 20,
     .min = 2,
     .max = 10000,
     .help = "to compare with"},
    {0},
};

static glim_probe_options read_options(const cli_run *run) {
    const cli_options *o = &run->o;
    return (glim_probe_options){
        .path = o->data,
        .each = o->each,
        .text = o->text_column,
        .label = o->label,
        .group = o->by_group,
        .numbers = o->regression,
        .drop_missing = !strcmp(o->missing, "drop"),
        .sites = o->site,
        .pool = o->pool,
        .word = o->word,
        .half = o->half,
        .kind = !strcmp(o->probe, "mlp") ? GLIM_PROBE_MLP : GLIM_PROBE_LINEAR,
        .strength = o->strength,
        .folds = (size_t)o->folds,
        .repeats = (size_t)o->repeats,
        .permutations = (size_t)o->permutations,
        .no_control = o->no_control,
        .no_code = o->no_code,
        .no_baseline = o->no_baseline,
        .hidden = (size_t)o->hidden,
        .decay = o->decay,
        .random_model = o->random_model,
        .store = o->store,
        .seed = (uint64_t)o->seed,
        .save = o->save,
        .concept_target = o->concept_target,
        .concept_class = o->concept_class,
        .concept_inputs = (size_t)o->concept_inputs,
        .directions = (size_t)o->directions,
    };
}

static glim_status put_plan(cli_run *run, const glim_probe_options *how) {
    glim_plan plan;
    uint64_t disk;
    char size[32];
    glim_status status = glim_probe_plan(&plan, &disk, run->model, how, &run->err);
    if (status)
        return status;
    if (run->o.json) {
        bool ok = true;
        json_t *o = cli_plan_json(&ok, "probe", &plan, false);
        glim__json_set(&ok, o, "disk_bytes", json_integer((json_int_t)disk));
        return cli_put_json(run, run->o.json, o, ok);
    }
    status = cli_put_plan(run, "probe", &plan);
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim__buffer_printf(&out, "disk             %s for a temporary file\n", cli_size(size, disk));
    return status ? (glim__buffer_release(&out), status) : cli_put_buffer(run, &out, "the plan");
}

static glim_status probe_and_show(cli_run *run, const glim_probe_options *how) {
    glim_document *doc = NULL;
    glim_status status = glim_probe(&doc, run->model, how, &run->err);
    status = cli_show_ended(run, doc, status);
    if (!status && run->o.save)
        cli_wrote(run, run->o.save);
    return status;
}

static glim_status run_probe(cli_run *run) {
    const cli_options *o = &run->o;
    if (!o->data)
        return glim_fail(&run->err, GLIM_EUSAGE, "probe needs data (--data FILE)");
    if (o->strength < 0 && o->strength != -1)
        return glim_fail(&run->err, GLIM_EUSAGE, "--strength %g is below 0", o->strength);
    glim_status status = cli_open(run);
    glim_probe_options how = read_options(run);
    if (status)
        return status;
    run->planned = true;
    return o->dry_run ? put_plan(run, &how) : probe_and_show(run, &how);
}

static const glim_param *const groups[] = {cli_flags_model,  data_flags,          own_flags,
                                           cli_flags_output, cli_flags_resources, cli_flags_store,
                                           cli_flags_plan,   cli_flags_talk,      NULL};
static const char *const examples[] = {
    "glim probe -m model.gguf --data reviews.csv --label mood",
    "glim probe -m model.gguf --data reviews.csv --save mood.safetensors", NULL};

const cli_command cli_probe = {
    .name = "probe",
    .summary = "what can be read off a model's layers",
    .synopsis = "-m MODEL --data FILE",
    .keeps = true,
    .examples = examples,
    .groups = groups,
    .run = run_probe,
};
