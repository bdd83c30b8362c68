/* SPDX-License-Identifier: Apache-2.0 */
/* What every command does first: context with progress, model, input. */
#include "cli/cli.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_INPUT = 1 << 30 };

/* ---- progress on standard error ---- */

static void draw_bar(const glim_progress *p, FILE *out) {
    enum { CELLS = 20 };
    int done = p->total ? (int)(CELLS * p->done / p->total) : 0;
    fprintf(out, "\r\033[K%s ", p->stage);
    if (p->total) {
        fputc('[', out);
        for (int i = 0; i < CELLS; i++)
            fputc(i < done ? '#' : '.', out);
        fprintf(out, "] %3d %%", (int)(100 * p->done / p->total));
    } else {
        fprintf(out, "%llu done", (unsigned long long)p->done);
    }
    fprintf(out, "  %.0f MiB", (double)p->bytes / 1048576);
    if (p->seconds_left >= 0 && p->total)
        fprintf(out, "  about %.0f s", p->seconds_left);
    fflush(out);
}

struct talk {
    bool terminal, drawn;
    double last;
};
static struct talk talk;

static void on_progress(void *data, const glim_progress *p) {
    struct talk *t = data;
    bool ended = p->total && p->done >= p->total;
    if (t->terminal) {
        if (p->seconds < 0.5)
            return;
        if (p->seconds - t->last >= 0.1 || ended) {
            draw_bar(p, stderr);
            t->drawn = true;
            t->last = p->seconds;
        }
    } else if (p->seconds - t->last >= 10) {
        if (p->total)
            fprintf(stderr, "glim: %s: %d %% after %.0f s\n", p->stage,
                    (int)(100 * p->done / p->total), p->seconds);
        else
            fprintf(stderr, "glim: %s: %llu token passes after %.0f s\n", p->stage,
                    (unsigned long long)p->done, p->seconds);
        t->last = p->seconds;
    }
}

void cli_erase_progress(void) {
    if (talk.drawn)
        fprintf(stderr, "\r\033[K");
    talk.drawn = false;
}

/* --memory bounds the process: the program, its libraries and stacks count too. */
static glim_status count_program(cli_run *run) {
    const uint64_t stacks = (uint64_t)4 << 20;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t bytes = (uint64_t)usage.ru_maxrss * 1024 + stacks;
    return glim__reserve(run->ctx, bytes) ? GLIM_OK
                                          : glim__oom(run->ctx, &run->err, "glim itself", bytes);
}

glim_status cli_context(cli_run *run) {
    talk.terminal = isatty(STDERR_FILENO);
    glim_context_options options = {.threads = (int)run->o.threads,
                                    .memory = run->o.memory,
                                    .kernels = run->o.kernels,
                                    .progress = run->o.quiet ? NULL : on_progress,
                                    .progress_data = &talk};
    glim_status status = glim_context_new(&run->ctx, &options, &run->err);
    return status || !run->o.memory ? status : count_program(run);
}

glim_status cli_open(cli_run *run) {
    if (!run->o.model)
        return glim_fail(&run->err, GLIM_EUSAGE, "%s needs a model (-m FILE.gguf)",
                         run->command->name);
    glim_status status = glim_model_open(&run->model, run->ctx, run->o.model, &run->err);
    const char *warning = status ? NULL : glim_model_facts(run->model)->warning;
    if (warning && !run->o.quiet)
        fprintf(stderr, "glim: note: %s\n", warning);
    return status;
}

/* ---- input ---- */

/* The contents of a chat as plain text. */
static glim_status chat_as_text(cli_run *run, glim_buffer *in, glim_buffer *out) {
    json_t *list = NULL;
    glim_status status = glim__json_parse(&list, in->data, in->len, run->o.chat, &run->err);
    for (size_t i = 0; !status && i < json_array_size(list); i++) {
        const json_t *text = json_object_get(json_array_get(list, i), "content");
        if (i)
            glim__buffer_putc(out, '\n');
        if (json_is_string(text))
            glim__buffer_append(out, json_string_value(text), json_string_length(text));
    }
    json_decref(list);
    return status;
}

static glim_status read_chat(cli_run *run) {
    glim_buffer in, text;
    glim__buffer_init(&in, run->ctx);
    glim__buffer_init(&text, run->ctx);
    glim_status status = glim__file_read(&in, run->o.chat, MOST_INPUT, &run->err);
    if (!status && run->o.no_template) {
        status = chat_as_text(run, &in, &text);
        if (!status)
            status = glim_model_tokenize(run->model, &run->tokens, text.data ? text.data : "",
                                         text.len, &run->err);
    } else if (!status) {
        status = glim_model_tokenize_chat(run->model, &run->tokens, in.data ? in.data : "", in.len,
                                          run->o.chat, run->o.tmpl, &run->err);
    }
    glim__buffer_release(&in);
    glim__buffer_release(&text);
    return status;
}

static glim_status count_sources(cli_run *run) {
    int sources = !!run->o.text + !!run->o.file + !!run->o.chat;
    if (sources == 1)
        return GLIM_OK;
    return glim_fail(&run->err, GLIM_EUSAGE,
                     sources ? "give one input: a TEXT, --file or --chat"
                             : "there is no input (give a TEXT in quotes, --file FILE or --chat "
                               "FILE.json)");
}

glim_status cli_read_text(cli_run *run, glim_buffer *out) {
    glim_status status = count_sources(run);
    if (!status && run->o.chat)
        status = glim_fail(&run->err, GLIM_EUSAGE, "--chat needs a model (-m FILE.gguf)");
    if (!status && run->o.text)
        glim__buffer_puts(out, run->o.text);
    else if (!status)
        status = glim__file_read(out, run->o.file, MOST_INPUT, &run->err);
    if (run->o.file && out->len && out->data[out->len - 1] == '\n') {
        out->len -= 1 + (out->len > 1 && out->data[out->len - 2] == '\r');
        out->data[out->len] = 0; /* the line end of a text file is not the text's */
    }
    return status || !out->failed ? status : glim__oom(run->ctx, &run->err, "the text", out->len);
}

glim_status cli_input(cli_run *run) {
    glim_buffer in;
    glim_status status = count_sources(run);
    if (status)
        return status;
    if (run->o.chat)
        return read_chat(run);
    glim__buffer_init(&in, run->ctx);
    status = cli_read_text(run, &in);
    if (!status)
        status = glim_model_tokenize(run->model, &run->tokens, in.data ? in.data : "", in.len,
                                     &run->err);
    glim__buffer_release(&in);
    return status;
}

/* ---- logits ---- */

glim_status cli_logits(cli_run *run, bool last_only,
                       glim_status (*fn)(void *, size_t, const float *, glim_error *), void *data) {
    enum { PIECE = 256 };
    size_t T = run->tokens->count;
    uint32_t rows[PIECE];
    int32_t ids[PIECE];
    glim_session *s = NULL;
    glim_status status = glim_session_new(&s, run->model, T, &run->err);
    for (size_t at = 0; at < T && !status; at += PIECE) {
        size_t n = T - at < PIECE ? T - at : PIECE, w = 0;
        for (size_t i = 0; i < n; i++) {
            ids[i] = run->tokens->at[at + i].id;
            if (!last_only || at + i + 1 == T)
                rows[w++] = (uint32_t)i;
        }
        glim_sequence q = {.ids = ids, .count = n, .prefix = at, .wanted = rows, .n_wanted = w};
        glim_batch b = {.sequences = &q, .count = 1, .append = true};
        status = glim_session_forward(s, &b, &run->err);
        for (size_t k = 0; k < w && !status; k++)
            status = fn(data, at + rows[k], glim_session_logits(s, 0, k), &run->err);
    }
    glim_session_free(s);
    return status;
}
