/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai:URL#MODEL, a server with the OpenAI API, in one of three ways:
 *
 *   echo    completions that give the log-probabilities of a prompt's own tokens: a
 *           label's score is the sum over its tokens. Exact, a call for each label.
 *   first   completions with the likeliest first tokens
 *   chat    chat completions with the likeliest first tokens
 *
 * The first input finds the way. Some servers answer an echo with numbers that
 * belong to the next position; so the server's own likeliest token is scored both
 * ways, and an echo that disagrees is not used. Without labels the classes are the
 * likeliest next tokens of the first input. What is missing in a list of likeliest
 * tokens has at most the probability of the least of them, and gets that. An empty
 * prompt is sent as a space.
 */
#include "base/utf8.h"
#include "predict/http.h"
#include "predict/labels.h"
#include "predict/openai.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum way { UNKNOWN, ECHO, FIRST, CHAT };

static const char *const ways[] = {
    NULL, "the score of a label is the sum of its tokens' log-probabilities",
    "scores are log-probabilities of the first token; what is not among the likeliest gets the "
    "least of them",
    "scores are log-probabilities of the first token of a chat answer; what is not among the "
    "likeliest gets the least of them"};

struct openai {
    glim_http *http;
    char *url, *model; /* url without the last part */
    bool may_complete, may_chat;
    enum way way;
    int top;
    glim_labels labels; /* none: next tokens */
    glim_buffer prompt; /* of the job that is made or read */
    /* the call under way */
    const glim_input *inputs;
    double *rows;     /* (n, K) */
    uint32_t *wanted; /* [n] labels that are still out */
    /* the probe */
    glim_completion probe;
    glim_top found;
    double echoed;
    glim_status probed;
    glim_error why;
};

/* ---- prompts ---- */

static void make_prompt(glim_black_box *box, const glim_input *in) {
    struct openai *s = box->state;
    const char *form = box->prompt, *mark = form ? strstr(form, "{text}") : NULL;
    glim__buffer_clear(&s->prompt);
    if (!form) {
        glim__buffer_append(&s->prompt, in->text, in->len);
    } else {
        glim__buffer_append(&s->prompt, form, (size_t)(mark - form));
        glim__buffer_append(&s->prompt, in->text, in->len);
        glim__buffer_puts(&s->prompt, mark + 6);
    }
    if (!s->prompt.len) /* servers refuse an empty prompt */
        glim__buffer_putc(&s->prompt, ' ');
}

static size_t code_points(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

static void continue_prompt(struct openai *s, const char *label) {
    glim_buffer *b = &s->prompt;
    if (glim__labels_gap(b->data, b->len, label))
        glim__buffer_putc(b, ' ');
    glim__buffer_puts(b, label);
}

static void send(struct openai *s, glim_http_job *job, glim_completion c) {
    glim__buffer_printf(&job->url, "%s/%s", s->url, c.chat ? "chat/completions" : "completions");
    c.model = s->model;
    c.prompt = s->prompt.data ? s->prompt.data : "";
    c.prompt_len = s->prompt.len;
    glim__openai_request(&job->body, &c);
    job->limit = (size_t)16 << 20;
}

static bool is_ok(const glim_http_job *job) {
    return job->code >= 200 && job->code < 300;
}

static const char *answer_of(const glim_http_job *job) {
    return job->answer.data ? job->answer.data : "";
}

/* ---- finding the way ---- */

static glim_status make_probe(void *data, glim_http_job *job, glim_error *err) {
    struct openai *s = ((glim_black_box *)data)->state;
    send(s, job, s->probe);
    job->once = true;
    return GLIM_OK;
}

/* A refusal is a finding, not a failure. */
static glim_status read_probe(void *data, glim_http_job *job, glim_error *err) {
    glim_black_box *box = data;
    struct openai *s = box->state;
    size_t to = code_points(s->prompt.data, s->prompt.len), n;
    if (!is_ok(job)) {
        s->probed = glim__http_refused(box, job, &s->why);
        return job->code == 401 || job->code == 403 || job->code == 429
                   ? glim__http_refused(box, job, err)
                   : GLIM_OK;
    }
    if (s->probe.echo) {
        size_t from = to - code_points(s->found.at[0].text, strlen(s->found.at[0].text));
        s->probed = glim__openai_echo(box, answer_of(job), job->answer.len, from, to, &s->echoed,
                                      &n, &s->why);
    } else {
        s->probed = glim__openai_top(box, answer_of(job), job->answer.len, s->probe.chat, &s->found,
                                     &s->why);
    }
    return GLIM_OK;
}

static glim_status try_way(glim_black_box *box, bool chat, bool echo, int top, glim_error *err) {
    struct openai *s = box->state;
    s->probe = (glim_completion){.chat = chat, .echo = echo, .top = top};
    s->top = top;
    return glim__http_run(s->http, 1, make_probe, read_probe, box, err);
}

/* Does an echo give its own likeliest token the score that it had? */
static glim_status try_echo(glim_black_box *box, const glim_input *in, glim_error *err) {
    struct openai *s = box->state;
    glim_top found = s->found;
    make_prompt(box, in);
    glim__buffer_puts(&s->prompt, found.at[0].text);
    glim_status status = try_way(box, false, true, 1, err);
    if (!status && !s->probed && fabs(s->echoed - found.at[0].logprob) < 0.05)
        s->way = ECHO;
    return status;
}

static glim_status find_way(glim_black_box *box, const glim_input *in, glim_error *err) {
    static const int tops[] = {20, 5}; /* some servers allow five */
    struct openai *s = box->state;
    glim_status status = GLIM_OK;
    make_prompt(box, in);
    for (int i = 0; i < 2 && s->may_complete && !status && !s->way; i++) {
        status = try_way(box, false, false, tops[i], err);
        if (!status && !s->probed)
            s->way = FIRST;
    }
    if (!status && s->way == FIRST && s->labels.count) {
        int top = s->top;
        status = try_echo(box, in, err);
        s->top = top;
    }
    if (!status && !s->way && s->may_chat) {
        status = try_way(box, true, false, 20, err);
        if (!status && !s->probed)
            s->way = CHAT;
    }
    if (!status && !s->way) {
        if (err)
            *err = s->why;
        status = s->probed;
    }
    return status;
}

static glim_status set_next_tokens(glim_black_box *box, glim_error *err) {
    struct openai *s = box->state;
    const char *names[GLIM_MOST_TOP];
    for (size_t i = 0; i < s->found.n; i++)
        names[i] = s->found.at[i].text;
    return glim__box_set_classes(box, names, s->found.n, GLIM_SCALE_LOGPROB, NULL, 0, err);
}

static glim_status set_labels(glim_black_box *box, glim_error *err) {
    struct openai *s = box->state;
    char seen[160] = "";
    bool any = s->way == ECHO;
    for (size_t k = 0; k < s->labels.count; k++)
        any = any || !isnan(glim__openai_label(&s->found, (const char *const *)s->labels.at,
                                               s->labels.count, k));
    for (size_t i = 0, used = 0; i < s->found.n && used + 70 < sizeof seen; i++)
        used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%s", i ? "|" : "",
                                 s->found.at[i].text);
    if (!any)
        return glim__box_fail(box, err, GLIM_EUSAGE, seen, strlen(seen),
                              "none of the labels begins with one of its likeliest tokens (let the "
                              "prompt ask for them by name)");
    return glim__box_set_classes(box, (const char *const *)s->labels.at, s->labels.count,
                                 GLIM_SCALE_LOGIT, NULL, 0, err);
}

static glim_status prepare(glim_black_box *box, const glim_input *in, glim_error *err) {
    struct openai *s = box->state;
    glim_status status = find_way(box, in, err);
    if (!status && s->prompt.failed)
        status = glim__oom(box->ctx, err, "the prompt", s->prompt.len);
    if (!status)
        status = s->labels.count ? set_labels(box, err) : set_next_tokens(box, err);
    if (status)
        s->way = UNKNOWN;
    box->info.how = ways[s->way];
    return status;
}

/* ---- asking ---- */

/* With echo a job is one label of one input, else an input. */
static size_t labels_a_job(const struct openai *s, const glim_black_box *box) {
    return s->way == ECHO ? 1 : box->info.n_classes;
}

static size_t set_prompt(glim_black_box *box, const glim_http_job *job, size_t *label) {
    struct openai *s = box->state;
    size_t each = box->info.n_classes / labels_a_job(s, box), i = job->index / each;
    *label = job->index % each;
    make_prompt(box, &s->inputs[i]);
    return i;
}

static glim_status make(void *data, glim_http_job *job, glim_error *err) {
    glim_black_box *box = data;
    struct openai *s = box->state;
    size_t label;
    set_prompt(box, job, &label);
    if (s->way == ECHO)
        continue_prompt(s, s->labels.at[label]);
    if (s->prompt.failed)
        return glim__oom(box->ctx, err, "the prompt", s->prompt.len);
    send(s, job,
         (glim_completion){
             .chat = s->way == CHAT, .echo = s->way == ECHO, .top = s->way == ECHO ? 1 : s->top});
    return GLIM_OK;
}

static glim_status read_echo(glim_black_box *box, const glim_http_job *job, size_t i, size_t label,
                             glim_error *err) {
    struct openai *s = box->state;
    size_t from = code_points(s->prompt.data, s->prompt.len), tokens;
    double sum;
    continue_prompt(s, s->labels.at[label]);
    size_t to = code_points(s->prompt.data, s->prompt.len);
    glim_status status =
        glim__openai_echo(box, answer_of(job), job->answer.len, from, to, &sum, &tokens, err);
    if (!status)
        s->rows[i * box->info.n_classes + label] =
            box->length_normalise ? sum / (double)tokens : sum;
    return status;
}

static double next_token(const glim_top *top, const char *name) {
    for (size_t i = 0; i < top->n; i++)
        if (!strcmp(top->at[i].text, name))
            return top->at[i].logprob;
    return NAN;
}

static glim_status read_top(glim_black_box *box, const glim_http_job *job, size_t i,
                            glim_error *err) {
    struct openai *s = box->state;
    size_t K = box->info.n_classes;
    glim_top top;
    glim_status status =
        glim__openai_top(box, answer_of(job), job->answer.len, s->way == CHAT, &top, err);
    for (size_t k = 0; k < K && !status; k++) {
        double x = s->labels.count ? glim__openai_label(&top, box->info.classes, K, k)
                                   : next_token(&top, box->info.classes[k]);
        s->rows[i * K + k] = isnan(x) ? top.least : x;
    }
    return status;
}

static glim_status done(void *data, glim_http_job *job, glim_error *err) {
    glim_black_box *box = data;
    struct openai *s = box->state;
    size_t K = box->info.n_classes, label, i = set_prompt(box, job, &label);
    if (!is_ok(job))
        return glim__http_refused(box, job, err);
    glim_status status =
        s->way == ECHO ? read_echo(box, job, i, label, err) : read_top(box, job, i, err);
    s->wanted[i] -= (uint32_t)labels_a_job(s, box);
    if (!status && !s->wanted[i])
        status = glim__box_store(box, i, s->rows + i * K, 1, NULL, 0, err);
    return status;
}

static glim_status ask(glim_black_box *box, const glim_input *inputs, size_t n, glim_error *err) {
    struct openai *s = box->state;
    glim_status status = s->way ? GLIM_OK : prepare(box, &inputs[0], err);
    if (status)
        return status;
    size_t K = box->info.n_classes, each = K / labels_a_job(s, box);
    s->inputs = inputs;
    s->rows = glim__calloc(box->ctx, n, K * sizeof *s->rows);
    s->wanted = glim__calloc(box->ctx, n, sizeof *s->wanted);
    if (!s->rows || !s->wanted)
        status = glim__oom(box->ctx, err, "the answers", n * K * sizeof *s->rows);
    for (size_t i = 0; i < n && !status; i++)
        s->wanted[i] = (uint32_t)K;
    if (!status)
        status = glim__http_run(s->http, n * each, make, done, box, err);
    glim__free(box->ctx, s->rows);
    glim__free(box->ctx, s->wanted);
    s->rows = NULL;
    s->wanted = NULL;
    return status;
}

/* ---- opening ---- */

/* The labels, and the prompt that asks for them when none was given. */
static glim_status take_labels(glim_black_box *box, glim_error *err) {
    struct openai *s = box->state;
    glim_status status = glim__labels_cut(&s->labels, box->ctx, box->labels, err);
    if (status || box->prompt)
        return status;
    glim__labels_ask(&s->labels, &s->prompt);
    if (s->prompt.failed)
        return glim__oom(box->ctx, err, "the prompt", s->prompt.len);
    return glim__box_copy(box, &box->prompt, s->prompt.data, s->prompt.len, err);
}

static glim_status cut_url(glim_black_box *box, const char *rest, glim_error *err) {
    static const char chat[] = "/chat/completions", plain[] = "/completions";
    struct openai *s = box->state;
    size_t n = strcspn(rest, "#");
    glim_status status = GLIM_OK;
    if (rest[n] && rest[n + 1]) {
        status = glim__box_copy(box, &s->model, rest + n + 1, strlen(rest + n + 1), err);
        box->info.name = s->model;
    }
    s->may_complete = s->may_chat = true;
    while (n && rest[n - 1] == '/')
        n--;
    if (n > strlen(chat) && !memcmp(rest + n - strlen(chat), chat, strlen(chat))) {
        n -= strlen(chat);
        s->may_complete = false;
    } else if (n > strlen(plain) && !memcmp(rest + n - strlen(plain), plain, strlen(plain))) {
        n -= strlen(plain);
        s->may_chat = false;
    }
    return status ? status : glim__box_copy(box, &s->url, rest, n, err);
}

static glim_status open_openai(glim_black_box *box, const char *rest, glim_error *err) {
    struct openai *s = box->state = glim__calloc(box->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(box->ctx, err, "the predictor", sizeof *s);
    glim__buffer_init(&s->prompt, box->ctx);
    box->info.batch_size = 1;
    if (box->prompt && !strstr(box->prompt, "{text}"))
        return glim_fail(err, GLIM_EUSAGE, "the prompt has no {text}");
    glim_status status = cut_url(box, rest, err);
    if (!status && box->labels)
        status = take_labels(box, err);
    return status ? status : glim__http_open(&s->http, box, s->url, err);
}

static void close_openai(glim_black_box *box) {
    struct openai *s = box->state;
    if (!s)
        return;
    glim__http_close(s->http);
    glim__labels_release(&s->labels);
    glim__buffer_release(&s->prompt);
    glim__free(box->ctx, s->url);
    glim__free(box->ctx, s->model);
    glim__free(box->ctx, s);
    box->state = NULL;
}

const glim_backend glim__backend_openai = {
    .kind = "openai", .open = open_openai, .ask = ask, .close = close_openai};
