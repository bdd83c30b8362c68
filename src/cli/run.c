/* SPDX-License-Identifier: Apache-2.0 */
/* What every command does first: context with progress, model, input. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/watched.h"
#include "base/utf8.h"
#include "model/model.h"
#include "predict/labels.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_INPUT = 1 << 30 };

/* ---- progress on standard error ---- */

struct talk {
    bool terminal, drawn, told;
    double last; /* second of the stage at which it was last reported */
};
static struct talk talk;

/* "about 14 s", "about 3 min", "about 2 h". */
static void time_left(char out[32], double seconds) {
    const char *unit = seconds < 99.5 ? "s" : seconds < 5970 ? "min" : "h";
    double one = *unit == 's' ? 1 : *unit == 'm' ? 60 : 3600;
    snprintf(out, 32, "  about %.0f %s", seconds / one, unit);
}

/* One line that is never wider than the terminal: the bar gives way first, the
   memory next. The last column stays free, or some terminals wrap. */
static void draw_bar(const glim_progress *p, FILE *out) {
    enum { CELLS = 20, FEWEST = 4 };
    struct winsize size;
    bool known = !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col;
    int width = (known ? size.ws_col : 80) - 1, bar = 0;
    char head[64], memory[32], left[32] = "", line[160];
    if (p->total)
        snprintf(head, sizeof head, " %3d %%", (int)(100.0 * (double)p->done / (double)p->total));
    else
        snprintf(head, sizeof head, " %llu done", (unsigned long long)p->done);
    snprintf(memory, sizeof memory, "  %.0f MiB", (double)p->bytes / 1048576);
    if (p->seconds_left >= 0 && p->total)
        time_left(left, p->seconds_left);
    int used = (int)(strlen(p->stage) + strlen(head) + strlen(left));
    if (used + (int)strlen(memory) > width)
        memory[0] = 0;
    if (p->total)
        bar = width - used - (int)strlen(memory) - 3;
    bar = bar > CELLS ? CELLS : bar < FEWEST ? 0 : bar;
    int n = snprintf(line, sizeof line, "%s%s", p->stage, bar ? " [" : "");
    for (int i = 0; i < bar && n + 2 < (int)sizeof line; i++)
        line[n++] = i < (int)((double)bar * (double)p->done / (double)p->total) ? '#' : '.';
    snprintf(line + n, sizeof line - (size_t)n, "%s%s%s%s", bar ? "]" : "", head, memory, left);
    fprintf(out, "\r\033[K%.*s", width, line);
    fflush(out);
}

static void on_progress(void *data, const glim_progress *p) {
    struct talk *t = data;
    if (cli_watched_progress(p))
        return;
    bool ended = p->total && p->done >= p->total;
    if (p->seconds < t->last) /* the next stage */
        *t = (struct talk){.terminal = t->terminal, .drawn = t->drawn};
    if (t->terminal) {
        if (p->seconds < 0.5)
            return;
        if (p->seconds - t->last >= 0.1 || ended) {
            draw_bar(p, stderr);
            t->drawn = true;
            t->last = p->seconds;
        }
    } else if (p->seconds - t->last >= 10 || (ended && t->told && p->seconds > t->last)) {
        if (p->total)
            fprintf(stderr, "glim: %s: %d %% after %.0f s\n", p->stage,
                    (int)(100 * p->done / p->total), p->seconds);
        else
            fprintf(stderr, "glim: %s: %llu token passes after %.0f s\n", p->stage,
                    (unsigned long long)p->done, p->seconds);
        t->last = p->seconds;
        t->told = !ended;
    }
}

void cli_erase_progress(void) {
    if (talk.drawn)
        fprintf(stderr, "\r\033[K");
    talk.drawn = false;
}

/* The most that the program has held so far. getrusage would tell what the process
   that started it held, if that was more. */
static uint64_t resident_bytes(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    unsigned long long kib = 0;
    while (f && !kib && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %llu", &kib) != 1)
            kib = 0;
    if (f)
        fclose(f);
    struct rusage usage;
    if (!kib && !getrusage(RUSAGE_SELF, &usage))
        kib = (unsigned long long)usage.ru_maxrss;
    return (uint64_t)kib * 1024;
}

/* --memory bounds the process: the program, its libraries and stacks count too. */
glim_status cli_count_program(cli_run *run) {
    const uint64_t stacks = (uint64_t)4 << 20, step = (uint64_t)1 << 20;
    if (!run->program)
        run->program = (resident_bytes() + stacks) / step * step + 2 * step;
    if (run->o.dry_run) /* more of the program may lie in memory when the run starts */
        run->program += 4 * step;
    return glim__reserve(run->ctx, run->program)
               ? GLIM_OK
               : glim__oom(run->ctx, &run->err, "glim itself", run->program);
}

glim_status cli_context(cli_run *run) {
    talk.terminal = isatty(STDERR_FILENO);
    bool silent = run->o.quiet && !cli_watched();
    glim_context_options options = {.threads = (int)run->o.threads,
                                    .memory = run->o.memory,
                                    .kernels = run->o.kernels,
                                    .progress = silent ? NULL : on_progress,
                                    .progress_data = &talk};
    glim_status status = glim_context_new(&run->ctx, &options, &run->err);
    return status || !(run->o.memory || run->o.dry_run) ? status : cli_count_program(run);
}

glim_status cli_open(cli_run *run) {
    const cli_options *o = &run->o;
    const char *lone = o->header || o->header_env         ? "header"
                       : o->store && !run->command->keeps ? "store"
                                                          : NULL;
    if (o->table || o->row)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--table is for fitted models of columns; this model reads no rows");
    if (o->class_name)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--class is for --predictor (the class of a model: --target)");
    if (lone)
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is for --predictor", lone);
    if (!run->o.model)
        return glim_fail(&run->err, GLIM_EUSAGE, "%s needs a model (-m FILE.gguf)",
                         run->command->name);
    glim_status status = glim_model_open(&run->model, run->ctx, run->o.model, &run->err);
    const char *warning = status ? NULL : glim_model_facts(run->model)->warning;
    if (warning && !run->o.quiet)
        fprintf(stderr, "glim: note: %s\n", warning);
    return status ? status : cli_steer_model(run);
}

/* ---- input ---- */

/* The contents of a chat as plain text. */
static glim_status chat_as_text(cli_run *run, glim_buffer *in, glim_buffer *out) {
    json_t *list = NULL;
    glim_status status = glim__json_parse(&list, in->data, in->len, run->o.chat, &run->err);
    if (!status && !json_array_size(list))
        status = glim_fail(&run->err, GLIM_EFORMAT,
                           "'%s' is not a list of messages like "
                           "[{\"role\": \"user\", \"content\": \"...\"}]",
                           run->o.chat);
    for (size_t i = 0; !status && i < json_array_size(list); i++) {
        const json_t *text = json_object_get(json_array_get(list, i), "content");
        if (i)
            glim__buffer_putc(out, '\n');
        if (!json_is_string(text))
            status = glim_fail(&run->err, GLIM_EFORMAT,
                               "message %zu of '%s' lacks a \"content\" that is a string", i,
                               run->o.chat);
        else
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

/* What belongs to a prompt or to labels, checked against the model. */
static glim_status check_task(cli_run *run) {
    const cli_options *o = &run->o;
    const glim_model_info *info = glim_model_facts(run->model);
    glim_error *err = &run->err;
    bool decoder = info->task == GLIM_TASK_GENERATE && !info->both_ways;
    const char *flag = o->labels ? "labels" : o->prompt_file ? "prompt-file" : "as-chat";
    bool classify = o->task && !strcmp(o->task, "classify");
    if (o->task && !strcmp(o->task, "image"))
        return glim_fail(err, GLIM_EUSAGE, "this model reads text, not pictures");
    if (classify && decoder && !o->labels)
        return glim_fail(err, GLIM_EUSAGE,
                         "this model continues texts and has no classes of its own (name them: "
                         "--labels \"positive,negative\")");
    if (classify && !decoder && info->task != GLIM_TASK_CLASSIFY)
        return glim_fail(err, GLIM_EUSAGE, "this model has no classes");
    if (o->task && !strcmp(o->task, "translate") && info->task != GLIM_TASK_TRANSLATE)
        return glim_fail(err, GLIM_EUSAGE, "this model is no encoder-decoder");
    if ((o->labels || o->prompt_file || o->as_chat) && !decoder)
        return glim_fail(err, GLIM_EUSAGE, "--%s is for models that continue a text", flag);
    if (o->length_normalise && !o->labels)
        return glim_fail(err, GLIM_EUSAGE, "--length-normalise is for --labels");
    if (o->chat && (o->prompt_file || o->as_chat))
        return glim_fail(err, GLIM_EUSAGE, "--chat is a whole input (leave out --%s)",
                         o->prompt_file ? "prompt-file" : "as-chat");
    if ((o->context || o->context_file) && (o->prompt_file || o->as_chat || o->labels))
        return glim_fail(err, GLIM_EUSAGE,
                         "--context is for encoders (put it into the prompt, around {text})");
    return GLIM_OK;
}

/* The text inside the words of --prompt-file, or in those that ask for the labels. */
static glim_status read_in_prompt(cli_run *run, const char *text, size_t n) {
    glim_prompt prompt = {.chat = run->o.as_chat, .tmpl = run->o.tmpl};
    glim_labels labels = {0};
    glim_buffer form;
    glim__buffer_init(&form, run->ctx);
    glim_status status = GLIM_OK;
    if (run->o.prompt_file) {
        status = cli_read_prompt(run, &form);
    } else if (run->o.labels) {
        status = glim__labels_cut(&labels, run->ctx, run->o.labels, &run->err);
        if (!status)
            glim__labels_ask(&labels, &form);
    }
    if (!status && form.failed)
        status = glim__oom(run->ctx, &run->err, "the prompt", form.len);
    prompt.form = form.data;
    if (!status)
        status = glim_model_tokenize_prompt(run->model, &run->tokens, &prompt, text, n, &run->err);
    glim__labels_release(&labels);
    glim__buffer_release(&form);
    return status;
}

/* A text as given, or a file without the line end of its last line. */
static glim_status read_text(cli_run *run, const char *text, const char *file, glim_buffer *out) {
    if (text) {
        glim__buffer_append(out, text, strlen(text));
        return out->failed ? glim__oom(run->ctx, &run->err, "the text", strlen(text)) : GLIM_OK;
    }
    glim_status status = glim__file_read(out, file, MOST_INPUT, &run->err);
    if (out->len && out->data[out->len - 1] == '\n')
        out->len -= 1 + (out->len > 1 && out->data[out->len - 2] == '\r');
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
    if (status)
        return status;
    if (run->o.chat || run->o.tmpl || run->o.no_template || run->o.context || run->o.context_file ||
        run->o.prefix)
        return glim_fail(
            &run->err, GLIM_EUSAGE,
            "--chat, --context and --prefix are for models; a black box reads one text");
    return read_text(run, run->o.text, run->o.file, out);
}

static glim_status add_prefix(cli_run *run) {
    const char *text = run->o.prefix;
    size_t n = strlen(text), bad = glim__utf8_check(text, n);
    if (!n || bad < n)
        return glim_fail(&run->err, n ? GLIM_EFORMAT : GLIM_EUSAGE, "--prefix is %s",
                         n ? "no UTF-8" : "empty (leave it out)");
    return glim__tokens_prefix(run->tokens, run->model->tokenizer, text, n, &run->err);
}

/* The input itself, by what names it. */
static glim_status read_input(cli_run *run) {
    if (run->o.chat)
        return read_chat(run);
    if ((run->o.context || run->o.context_file) && !glim_model_facts(run->model)->both_ways)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--context is for encoders; this model reads one text (put both into it)");
    glim_buffer in, context;
    glim__buffer_init(&in, run->ctx);
    glim__buffer_init(&context, run->ctx);
    glim_status status = read_text(run, run->o.text, run->o.file, &in);
    if (!status && (run->o.context || run->o.context_file))
        status = read_text(run, run->o.context, run->o.context_file, &context);
    const char *text = in.data ? in.data : "", *second = context.data ? context.data : "";
    if (!status && (run->o.prompt_file || run->o.labels || run->o.as_chat))
        status = read_in_prompt(run, text, in.len);
    else if (!status && (run->o.context || run->o.context_file))
        status = glim_model_tokenize_pair(run->model, &run->tokens, text, in.len, second,
                                          context.len, &run->err);
    else if (!status)
        status = glim_model_tokenize(run->model, &run->tokens, text, in.len, &run->err);
    glim__buffer_release(&in);
    glim__buffer_release(&context);
    return status;
}

glim_status cli_input(cli_run *run) {
    glim_status status = count_sources(run);
    if (status)
        return status;
    if ((status = check_task(run)))
        return status;
    if (!run->o.chat && !(run->o.as_chat && run->o.tmpl) && (run->o.tmpl || run->o.no_template))
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is for a chat (--chat FILE.json)",
                         run->o.tmpl ? "template" : "no-template");
    if (run->o.tmpl && run->o.no_template)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --template or --no-template");
    if (run->o.prefix && (glim_model_facts(run->model)->task != GLIM_TASK_GENERATE ||
                          glim_model_facts(run->model)->both_ways || run->o.labels))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--prefix is for models that continue a text (an encoder-decoder takes "
                         "the whole: --continuation)");
    status = read_input(run);
    return status || !run->o.prefix ? status : add_prefix(run);
}

/* ---- logits ---- */

size_t cli_masks(const cli_run *run, size_t *rows) {
    int32_t mask = glim__tokenizer_info(run->model->tokenizer)->mask;
    size_t n = 0;
    for (size_t t = 0; t < run->tokens->count; t++)
        if (run->tokens->at[t].id == mask && run->tokens->at[t].kind == GLIM_TOKEN_TEMPLATE) {
            if (rows)
                rows[n] = t;
            n++;
        }
    return n;
}

const char *cli_mask_name(const cli_run *run, size_t *len) {
    int32_t mask = glim__tokenizer_info(run->model->tokenizer)->mask;
    *len = strlen("its mask");
    return mask < 0 ? "its mask" : glim_model_token_bytes(run->model, mask, len);
}

/* An encoder reads the whole input at once. A class is read at the first row, an
   embedding is one for all rows. */
static glim_status whole_logits(cli_run *run, bool one_only,
                                glim_status (*fn)(void *, size_t, const float *, glim_error *),
                                void *data) {
    size_t T = run->tokens->count;
    glim_task task = glim_model_facts(run->model)->task;
    glim_pool pool = run->model->pool;
    bool one = task == GLIM_TASK_EMBED || pool || (one_only && task == GLIM_TASK_CLASSIFY);
    bool fill = one_only && task == GLIM_TASK_FILL; /* the masked words alone */
    int32_t *ids = glim__calloc(run->ctx, T, sizeof *ids);
    uint32_t *rows = glim__calloc(run->ctx, T, sizeof *rows);
    uint8_t *types = glim__calloc(run->ctx, T, 1);
    glim_session *s = NULL;
    glim_status status = ids && rows && types ? glim_session_new(&s, run->model, 0, &run->err)
                                              : glim__oom(run->ctx, &run->err, "the tokens", T * 8);
    size_t wanted = one && task == GLIM_TASK_CLASSIFY ? 1 : T;
    for (size_t i = 0, n = 0; i < T && !status; i++) {
        const glim_token *t = &run->tokens->at[i];
        ids[i] = t->id;
        if (!fill || t->kind == GLIM_TOKEN_TEMPLATE)
            rows[n++] = (uint32_t)i;
        wanted = fill ? n : wanted;
    }
    if (!status && run->model->types.data)
        glim__token_types(run->model->tokenizer, run->tokens, types);
    if (pool == GLIM_POOL_MEAN)
        wanted = T;
    else if (!status && pool == GLIM_POOL_LAST)
        rows[0] = (uint32_t)T - 1;
    glim_sequence q = {.ids = ids, .types = types, .count = T, .wanted = rows, .n_wanted = wanted};
    if (!status)
        status = glim_session_forward(s, &(glim_batch){.sequences = &q, .count = 1}, &run->err);
    for (size_t k = 0; k < (one ? 1 : wanted) && !status; k++)
        status = fn(data, pool ? 0 : rows[k], glim_session_logits(s, 0, k), &run->err);
    glim_session_free(s);
    glim__free(run->ctx, ids);
    glim__free(run->ctx, rows);
    glim__free(run->ctx, types);
    return status;
}

/* What an encoder-decoder may begin with. */
static glim_status first_logits(cli_run *run,
                                glim_status (*fn)(void *, size_t, const float *, glim_error *),
                                void *data) {
    size_t S = run->tokens->count;
    int32_t start = run->model->start;
    uint32_t row = 0;
    glim_session *s = NULL;
    int32_t *ids = glim__calloc(run->ctx, S, sizeof *ids);
    glim_status status = ids ? glim_session_new(&s, run->model, 0, &run->err)
                             : glim__oom(run->ctx, &run->err, "the tokens", S * sizeof *ids);
    for (size_t i = 0; i < S && !status; i++)
        ids[i] = run->tokens->at[i].id;
    glim_sequence text = {.ids = ids, .count = S};
    glim_sequence q = {.ids = &start, .count = 1, .wanted = &row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1, .sources = &text, .n_sources = 1};
    if (!status)
        status = glim_session_forward(s, &b, &run->err);
    if (!status)
        status = fn(data, 0, glim_session_logits(s, 0, 0), &run->err);
    glim_session_free(s);
    glim__free(run->ctx, ids);
    return status;
}

glim_status cli_written(cli_run *run, const char *text, int32_t **ids, size_t *n) {
    enum { MOST = 128 };
    size_t S = run->tokens->count;
    glim_status status =
        text ? glim__append_target(run->model, run->tokens, text, &run->err)
             : glim_translate(run->model, run->tokens, MOST, NULL, NULL, NULL, &run->err);
    size_t more = status ? 0 : run->tokens->count - S;
    *n = more ? more : 1; /* the last one is told, not read */
    *ids = status ? NULL : glim__calloc(run->ctx, *n, sizeof **ids);
    if (!status && !*ids)
        status = glim__oom(run->ctx, &run->err, "the tokens", *n * sizeof **ids);
    for (size_t i = 0; i < *n && !status; i++)
        (*ids)[i] = i ? run->tokens->at[S + i - 1].id : run->model->start;
    return status;
}

glim_status cli_logits(cli_run *run, bool last_only,
                       glim_status (*fn)(void *, size_t, const float *, glim_error *), void *data) {
    enum { PIECE = 256 };
    size_t T = run->tokens->count;
    uint32_t rows[PIECE];
    int32_t ids[PIECE];
    glim_session *s = NULL;
    if (glim_model_facts(run->model)->both_ways || run->model->pool)
        return whole_logits(run, last_only, fn, data);
    if (run->model->encoder)
        return first_logits(run, fn, data);
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
