/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim capture: inner values into a safetensors file. The shape of every site is
 * known once a pass over one token has shown its rank, so the file is laid out
 * first and each value is written the moment it exists: nothing is held.
 */
#include "cli/commands.h"
#include "cli/picture.h"
#include "file/safetensors.h"
#include "model/model.h"
#include "model/site-names.h"

#include <stdlib.h>
#include <string.h>

static const glim_param own_flags[] = {
    {.name = "site",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, site),
     .def.s = "*blocks.*.hook_resid_post",
     .value_name = "PATTERN",
     .help = "site names, * for any run, several by commas",
     .group = "Capture"},
    {.name = "out",
     .letter = 'o',
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, out),
     .value_name = "FILE",
     .help = "the safetensors file to write"},
    {.name = "grad",
     .type = GLIM_BOOL,
     .offset = offsetof(cli_options, grad),
     .help = "also the gradient of the top token's logit, as grad.SITE"},
    {.name = "target",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, target),
     .value_name = "TEXT",
     .help = "encoder-decoders: what is written (default: what the model writes)"},
    {0},
};

struct capture;

/* One pattern: a site that an earlier one fits too is that one's. */
struct pattern {
    struct capture *all;
    size_t index;
};

struct capture {
    cli_run *run;
    glim_st_writer *writer;
    glim_hook hooks[CLI_SITES];
    struct pattern of[CLI_SITES];
    size_t n_hooks;
    char patterns[4096];
    size_t T, V;
    size_t S;         /* rows of the text that an encoder reads, else T */
    int32_t *ids;     /* [S] of the input */
    int32_t *written; /* [T] what a decoder reads besides, or NULL */
    bool declaring;
    size_t seen;
};

/* The declaring pass has one token: (1, ...) is T rows, (H, 1, 1) is (H, T, T); what
   belongs to the text that an encoder reads has S instead. */
static void shape(const struct capture *c, const glim_site *site, uint64_t *dims) {
    const char *name = site->name;
    bool reads = !strncmp(name, "encoder.", 8), across = strstr(name, "cross_attn.hook_");
    bool pattern = site->n_dims == 3 && strstr(name, "attn.hook_") &&
                   (strstr(name, "scores") || strstr(name, "pattern"));
    bool key = across && (strstr(name, ".hook_k") || strstr(name, ".hook_v"));
    if (pattern)
        dims[2] = reads || across ? c->S : c->T;
    dims[pattern ? 1 : 0] = reads || key ? c->S : c->T;
}

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    const struct pattern *mine = data;
    struct capture *c = mine->all;
    char name[160];
    uint64_t dims[3], n = 1;
    for (size_t i = 0; i < mine->index; i++)
        if (glim__site_match(c->hooks[i].pattern, site->name))
            return GLIM_OK;
    snprintf(name, sizeof name, "%s%s", site->gradient ? "grad." : "", site->name);
    for (int i = 0; i < site->n_dims; i++)
        dims[i] = site->dims[i];
    if (c->declaring && c->T) /* a picture's maps have their size from the start */
        shape(c, site, dims);
    for (int i = 0; i < site->n_dims; i++)
        n *= dims[i];
    c->seen++;
    if (c->declaring)
        return glim__st_writer_declare(c->writer, name, "F32", site->n_dims, dims, err);
    return glim__st_writer_put(c->writer, name, 0, site->data, n, err);
}

static glim_status read_patterns(struct capture *c) {
    unsigned actions = GLIM_HOOK_READ | (c->run->o.grad ? GLIM_HOOK_GRAD : 0);
    if (strlen(c->run->o.site) >= sizeof c->patterns)
        return glim_fail(&c->run->err, GLIM_EUSAGE, "--site is too long");
    strcpy(c->patterns, c->run->o.site);
    for (char *save, *p = strtok_r(c->patterns, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        glim_status status = glim__sites_check(c->run->model, p, &c->run->err);
        if (status)
            return status;
        if (c->n_hooks == CLI_SITES)
            return glim_fail(&c->run->err, GLIM_EUSAGE, "at most %d patterns", CLI_SITES);
        c->of[c->n_hooks] = (struct pattern){c, c->n_hooks};
        c->hooks[c->n_hooks] = (glim_hook){p, actions, visit, &c->of[c->n_hooks]};
        c->n_hooks++;
    }
    return c->n_hooks ? GLIM_OK : glim_fail(&c->run->err, GLIM_EUSAGE, "--site names nothing");
}

/* One pass over all tokens, or to declare over one. */
static glim_status pass(struct capture *c, glim_session *s) {
    glim_error *err = &c->run->err;
    size_t count = c->declaring ? 1 : c->T, read = c->declaring ? 1 : c->S;
    size_t width = (size_t)glim_model_facts(c->run->model)->width;
    uint32_t *rows = glim__calloc(c->run->ctx, count, sizeof *rows);
    float *d = c->run->o.grad ? glim__calloc(c->run->ctx, read * width, sizeof *d) : NULL;
    glim_status status = rows && (d || !c->run->o.grad)
                             ? GLIM_OK
                             : glim__oom(c->run->ctx, err, "the tokens", count * sizeof *rows);
    bool ends = cli_wants_ends(c->run->o.site); /* they have a row for each wanted one */
    for (size_t i = 0; i < count && !status; i++)
        rows[i] = (uint32_t)(ends ? i : count - 1);
    size_t wanted = ends ? count : 1;
    glim_sequence text = {.ids = c->ids, .count = read};
    glim_sequence q = {.ids = c->written ? c->written : c->ids,
                       .count = count,
                       .wanted = rows,
                       .n_wanted = wanted};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = c->hooks,
                    .n_hooks = c->n_hooks,
                    .keep = c->run->o.grad,
                    .sources = &text,
                    .n_sources = c->written ? 1 : 0};
    if (!status)
        status = glim_session_forward(s, &b, err);
    if (!status && c->run->o.grad) {
        const float *logits = glim_session_logits(s, 0, wanted - 1);
        int32_t id = glim_sample(logits, (int)c->V, NULL, 0);
        float one = 1;
        glim_seed seed = {.wanted = wanted - 1, .ids = &id, .weights = &one, .n = 1};
        status = glim_session_backward(s, &seed, 1, d, err);
    }
    glim__free(c->run->ctx, rows);
    glim__free(c->run->ctx, d);
    return status;
}

static glim_status write_ids(struct capture *c, const char *name, const int32_t *ids, size_t n) {
    int64_t *wide = glim__calloc(c->run->ctx, n, sizeof *wide);
    if (!wide)
        return glim__oom(c->run->ctx, &c->run->err, "the tokens", n * sizeof *wide);
    for (size_t i = 0; i < n; i++)
        wide[i] = ids[i];
    glim_status status = glim__st_writer_put(c->writer, name, 0, wide, n, &c->run->err);
    glim__free(c->run->ctx, wide);
    return status;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static glim_status run_all(struct capture *c, glim_session *s) {
    glim_error *err = &c->run->err;
    glim_status status = glim__st_writer_new(&c->writer, c->run->ctx, c->run->o.out, err);
    uint64_t T = c->T, S = c->S;
    if (!status)
        status = glim__st_writer_metadata(c->writer, "model", base_name(c->run->o.model), err);
    if (!status)
        status = glim__st_writer_metadata(c->writer, "text", c->run->tokens->text, err);
    if (!status)
        status = glim__st_writer_declare(c->writer, "ids", "I64", 1, &S, err);
    if (!status && c->written)
        status = glim__st_writer_declare(c->writer, "target_ids", "I64", 1, &T, err);
    c->declaring = true;
    if (!status)
        status = pass(c, s);
    c->declaring = false;
    if (!status)
        status = glim__st_writer_begin(c->writer, err);
    if (!status)
        status = write_ids(c, "ids", c->ids, c->S);
    if (!status && c->written)
        status = write_ids(c, "target_ids", c->written, c->T);
    if (!status)
        status = pass(c, s);
    if (!status)
        status = glim__st_writer_end(c->writer, err);
    glim__st_writer_free(c->writer);
    if (!status)
        cli_wrote(c->run, c->run->o.out);
    if (!status && !c->run->o.quiet)
        fprintf(stderr, "glim: %zu tensors over %zu tokens\n", c->seen / 2, c->T);
    return status;
}

/* A picture's maps have their size from the start: one pass declares, one writes. */
static glim_status capture_pixels(struct capture *c) {
    glim_error *err = &c->run->err;
    const cli_options *o = &c->run->o;
    glim_status status = glim__st_writer_metadata(c->writer, "model", base_name(o->model), err);
    if (!status)
        status = glim__st_writer_metadata(c->writer, "image", base_name(o->text), err);
    c->declaring = true;
    if (!status)
        status = cli_picture_pass(c->run, NULL, c->hooks, c->n_hooks, o->grad, -1);
    c->declaring = false;
    if (!status)
        status = glim__st_writer_begin(c->writer, err);
    if (!status)
        status = cli_picture_pass(c->run, NULL, c->hooks, c->n_hooks, o->grad, -1);
    return status ? status : glim__st_writer_end(c->writer, err);
}

static glim_status capture_picture(struct capture *c) {
    cli_run *run = c->run;
    glim_status status = read_patterns(c);
    if (!status && run->o.dry_run)
        return cli_plan_picture(run, run->o.grad);
    if (!status)
        status = glim__st_writer_new(&c->writer, run->ctx, run->o.out, &run->err);
    if (!status)
        status = capture_pixels(c);
    glim__st_writer_free(c->writer);
    if (status)
        return status;
    cli_wrote(run, run->o.out);
    if (!run->o.quiet)
        fprintf(stderr, "glim: %zu tensors of a picture\n", c->seen / 2);
    return GLIM_OK;
}

static glim_status take_tokens(struct capture *c) {
    cli_run *run = c->run;
    c->S = c->T = run->tokens->count;
    c->ids = glim__calloc(run->ctx, c->S, sizeof *c->ids);
    if (!c->ids)
        return glim__oom(run->ctx, &run->err, "the tokens", c->S * sizeof *c->ids);
    for (size_t i = 0; i < c->S; i++)
        c->ids[i] = run->tokens->at[i].id;
    if (run->model->encoder)
        return cli_written(run, run->o.target, &c->written, &c->T);
    return run->o.target ? glim_fail(&run->err, GLIM_EUSAGE,
                                     "--target is for encoder-decoders (put all into the text)")
                         : GLIM_OK;
}

static glim_status run_capture(cli_run *run) {
    struct capture *c = calloc(1, sizeof *c);
    glim_session *s = NULL;
    if (!c)
        return glim_fail(&run->err, GLIM_ENOMEM, "out of memory");
    c->run = run;
    glim_status status =
        run->o.out ? cli_open(run)
                   : glim_fail(&run->err, GLIM_EUSAGE, "capture needs a file to write (-o FILE)");
    if (!status && cli_reads_pictures(run)) {
        status = capture_picture(c);
        free(c);
        return status;
    }
    if (!status)
        status = cli_input(run);
    if (!status)
        status = read_patterns(c);
    if (!status && run->o.dry_run) {
        status = cli_plan_pass(run, cli_wants_ends(run->o.site) ? run->tokens->count : 1, 0,
                               run->o.grad);
        free(c);
        return status;
    }
    if (!status)
        status = glim_session_new(&s, run->model, 0, &run->err);
    if (!status) {
        c->V = (size_t)glim_model_facts(run->model)->vocabulary;
        status = take_tokens(c);
    }
    if (!status)
        status = run_all(c, s);
    glim__free(run->ctx, c->ids);
    glim__free(run->ctx, c->written);
    glim_session_free(s);
    free(c);
    return status;
}

static const glim_param *const groups[] = {
    cli_flags_model, cli_flags_input, own_flags, cli_flags_resources,
    cli_flags_plan,  cli_flags_talk,  NULL};
static const char *const examples[] = {
    "glim capture -m model.gguf --site 'blocks.*.hook_resid_post' -o acts.safetensors \"text\"",
    NULL};

const cli_command cli_capture = {
    .name = "capture",
    .summary = "inner values under TransformerLens names, into a file",
    .family = "basics",
    .synopsis = "-m MODEL --site PATTERN -o FILE TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_capture,
};
