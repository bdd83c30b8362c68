/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FILE[#CLASS][:STRENGTH][@LAYERS], as llama.cpp's --control-vector-scaled has FILE:SCALE. It
 * is read from its end, and what is no number or range there belongs to the name of the file.
 */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "12" or "10-20". */
static bool read_layers(const char *text, int *first, int *last) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    long from = strtol(text, &end, 10), to = from;
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        to = strtol(end + 1, &end, 10);
    if (*end || from > 1 << 20 || to > 1 << 20)
        return false;
    *first = (int)from;
    *last = (int)to;
    return true;
}

static bool read_strength(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end > text && !*end && isfinite(*out);
}

static glim_status read_spec(cli_run *run, char *text, glim_steering_file *f) {
    *f = (glim_steering_file){.path = text, .strength = 1, .last = -1};
    char *at = strrchr(text, '@');
    if (at && read_layers(at + 1, &f->first, &f->last))
        *at = 0;
    at = strrchr(text, ':');
    if (at && read_strength(at + 1, &f->strength))
        *at = 0;
    else
        f->strength = 1;
    at = strrchr(text, '#');
    if (at && at[1] && access(text, F_OK) != 0) {
        f->class_name = at + 1;
        *at = 0;
    }
    if (!*text)
        return glim_fail(&run->err, GLIM_EUSAGE, "a file of directions is missing");
    if (access(text, F_OK) != 0 && strpbrk(text, ":@"))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "there is no file '%.200s', and it is not FILE:STRENGTH@LAYERS (as in "
                         "calm.gguf:1.5@10-20)",
                         text);
    return GLIM_OK;
}

static glim_status load(cli_run *run, glim_steering *s, const char *spec) {
    glim_steering_file f;
    size_t n = strlen(spec) + 1;
    char *text = glim__alloc(run->ctx, n);
    if (!text)
        return glim__oom(run->ctx, &run->err, "the command line", n);
    memcpy(text, spec, n);
    glim_status status = read_spec(run, text, &f);
    if (!status)
        status = glim_steering_load(s, &f, &run->err);
    glim__free(run->ctx, text);
    return status;
}

/* All that was asked for, as it was written. */
static glim_status wrap(cli_run *run, const glim_steering *s) {
    glim_buffer told;
    glim__buffer_init(&told, run->ctx);
    for (int i = 0; i < CLI_OTHERS && run->o.steer[i]; i++)
        glim__buffer_printf(&told, "%s%.200s", i ? ", " : "", run->o.steer[i]);
    glim_model *steered = NULL;
    glim_status status = told.failed ? glim__oom(run->ctx, &run->err, "the command line", told.len)
                                     : glim_steering_model(&steered, s, told.data, &run->err);
    glim__buffer_release(&told);
    if (!status) {
        run->base = run->model;
        run->model = steered;
    }
    return status;
}

glim_status cli_steer_model(cli_run *run) {
    glim_steering *s = NULL;
    if (!run->command->steers || !run->o.steer[0])
        return GLIM_OK;
    if (run->o.predictor)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--steer is for models by themselves (leave out --predictor)");
    glim_status status = cli_steer(run, &s);
    if (!status)
        status = wrap(run, s);
    glim_steering_free(s);
    return status;
}

glim_status cli_steer(cli_run *run, glim_steering **out) {
    glim_steering *s = NULL;
    *out = NULL;
    glim_status status = glim_steering_new(&s, run->model, &run->err);
    for (int i = 0; i < CLI_OTHERS && run->o.steer[i] && !status; i++)
        status = load(run, s, run->o.steer[i]);
    if (status) {
        glim_steering_free(s);
        return status;
    }
    if (glim_steering_warning(s) && !run->o.quiet)
        fprintf(stderr, "glim: note: %s\n", glim_steering_warning(s));
    *out = s;
    return GLIM_OK;
}
