/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where answers may go. A slip of the fingers such as `-o model.gguf` must not
 * cost the model: before anything is read, every output is compared with every
 * input and with the other outputs, by device and inode where both exist.
 */
#include "cli/cli.h"

#include <string.h>
#include <sys/stat.h>

struct place {
    const char *flag, *path;
};

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    if (!strcmp(a, b))
        return true;
    return !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* Sites are written where they belong, not one behind the other. */
static bool is_pipe(const char *path) {
    struct stat st;
    return !stat(path, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static bool is_standard(const char *path) {
    return !strcmp(path, "-");
}

/* The word without a flag is a file's name where it must be, and where there is such a
   file: a picture. */
static bool is_input(const cli_run *run) {
    struct stat st;
    bool text = !run->command->text || !strcmp(run->command->text, "text");
    return !text || (!stat(run->o.text, &st) && S_ISREG(st.st_mode));
}

/* Output i against the outputs before it. */
static glim_status against_outputs(cli_run *run, const struct place *out, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (!out[k].path || !same_file(out[i].path, out[k].path))
            continue;
        if (is_standard(out[i].path))
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "%s and %s cannot both go to standard output (give one a file)",
                             out[k].flag, out[i].flag);
        return glim_fail(&run->err, GLIM_EUSAGE, "%s and %s name the same file '%s'", out[k].flag,
                         out[i].flag, out[i].path);
    }
    return GLIM_OK;
}

static glim_status against_input(cli_run *run, const struct place *out, const struct place *in) {
    if (!in->path || is_standard(out->path) || !same_file(out->path, in->path))
        return GLIM_OK;
    return glim_fail(&run->err, GLIM_EUSAGE, "%s would overwrite %s, '%s' (name another file)",
                     out->flag, in->flag, in->path);
}

glim_status cli_check_outputs(cli_run *run) {
    const cli_options *o = &run->o;
    const char *word = o->text && is_input(run) ? o->text : NULL;
    const char *fitted =
        o->predictor && !strncmp(o->predictor, "fit:", 4) ? o->predictor + 4 : NULL;
    const struct place in[] = {{"the model", o->model},
                               {"the text", o->file},
                               {"the chat", o->chat},
                               {"the recording", o->recording},
                               {"the table", o->table},
                               {"the data", o->data},
                               {"the fitted model", fitted},
                               {"the input", word},
                               {"the store", o->store},
                               {"the gold", o->gold},
                               {"the positive texts", o->positive},
                               {"the negative texts", o->negative},
                               {"the explanation", o->explanation},
                               {"the rationale", o->rationale},
                               {"the training samples", o->train},
                               {"the queries", o->query},
                               {"the direction", o->direction}};
    const struct place out[] = {{"--json", o->json},
                                {"--csv", o->csv},
                                {"--html", o->html},
                                {"--svg", o->svg},
                                {"--png", o->png},
                                {"--pdf", o->pdf},
                                {"--raw", o->raw},
                                {"--save-picture", o->save_picture},
                                {"--alt", o->alt ? "-" : NULL},
                                {"--out", o->out}};
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        if (!out[i].path)
            continue;
        if ((is_standard(out[i].path) &&
             (out[i].path == o->raw || out[i].path == o->out || out[i].path == o->save_picture)) ||
            (out[i].path == o->out && is_pipe(o->out)))
            return glim_fail(&run->err, GLIM_EUSAGE, "%s needs a file (its answer is no text)",
                             out[i].flag);
        glim_status status = against_outputs(run, out, i);
        for (size_t k = 0; k < sizeof in / sizeof *in && !status; k++)
            status = against_input(run, &out[i], &in[k]);
        for (size_t k = 0; k < CLI_OTHERS && !status; k++)
            status = against_input(run, &out[i], &(struct place){"the other model", o->other[k]});
        if (status)
            return status;
    }
    return GLIM_OK;
}

void cli_wrote(const cli_run *run, const char *path) {
    glim_error shown; /* its message is safe to print */
    if (!path || is_standard(path) || run->o.quiet)
        return;
    glim_fail(&shown, GLIM_OK, "wrote %s", path);
    fprintf(stderr, "glim: %s\n", shown.message);
}
