/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run needs: the plan of --dry-run, and the memory that would do when a
 * budget was too small. The first refusal only knows its own block; so the need
 * of the whole run is added up from the model's facts without running anything.
 */
#include "cli/cli.h"
#include "graph/tape.h"

#include <math.h>
#include <string.h>

json_t *cli_plan_json(bool *ok, const char *method, const glim_plan *plan, bool asks) {
    json_t *o = json_object();
    glim__json_set(ok, o, "schema", json_string("glim.plan/1"));
    glim__json_set(ok, o, "method", json_string(method));
    glim__json_set(ok, o, "forward_tokens", json_integer((json_int_t)plan->forward_tokens));
    glim__json_set(ok, o, "backward_tokens", json_integer((json_int_t)plan->backward_tokens));
    if (asks)
        glim__json_set(ok, o, "asks", json_integer((json_int_t)plan->asks));
    glim__json_set(ok, o, "bytes", json_integer((json_int_t)plan->bytes));
    glim__json_set(ok, o, "bytes_wanted", json_integer((json_int_t)plan->bytes_wanted));
    glim__json_set(ok, o, "disk_bytes", json_integer((json_int_t)plan->disk));
    glim__json_set(ok, o, "seconds", plan->seconds > 0 ? json_real(plan->seconds) : json_null());
    glim__json_set(ok, o, "bounded", json_boolean(plan->bounded));
    return o;
}

/* "about 40 s"; of what is longer minutes or hours. */
static void put_time(glim_buffer *out, double seconds) {
    const char *unit = seconds < 99.5 ? "s" : seconds < 5970 ? "min" : "h";
    double one = seconds < 99.5 ? 1 : seconds < 5970 ? 60 : 3600;
    glim__buffer_printf(out, "time             about %.*f %s for the passes, as measured now\n",
                        seconds < 10 ? 1 : 0, seconds / one, unit);
}

glim_status cli_put_plan(cli_run *run, const char *method, const glim_plan *plan) {
    glim_buffer out;
    if (run->o.json) {
        bool ok = true;
        json_t *o = cli_plan_json(&ok, method, plan, run->o.predictor != NULL);
        return cli_put_json(run, run->o.json, o, ok);
    }
    const char *most = plan->bounded ? "" : "at most ";
    const char *what = run->linear && !run->model ? "rows  " : "tokens";
    glim__buffer_init(&out, run->ctx);
    if (run->o.predictor && !run->linear)
        glim__buffer_printf(&out, "method           %s\ntexts to ask     at most %llu\n", method,
                            (unsigned long long)plan->asks);
    else
        glim__buffer_printf(&out,
                            "%-16s %s\nforward %s   %s%llu\nbackward %s  %s%llu\n"
                            "memory           %.0f MiB at least, %.0f MiB for full speed\n",
                            run->command->takes_method ? "method" : "command", method, what, most,
                            (unsigned long long)plan->forward_tokens, what, most,
                            (unsigned long long)plan->backward_tokens,
                            ceil((double)plan->bytes / 1048576),
                            ceil((double)plan->bytes_wanted / 1048576));
    if (plan->disk)
        glim__buffer_printf(&out, "disk             %.0f MiB\n",
                            ceil((double)plan->disk / 1048576));
    if (plan->seconds > 0)
        put_time(&out, plan->seconds);
    return cli_put_buffer(run, &out, "the plan");
}

static size_t fitting(const cli_run *run, size_t tokens) {
    size_t most = (size_t)glim_model_facts(run->model)->context_length;
    return tokens < most ? tokens : most;
}

/* Keys and values of T positions. */
static uint64_t cache_bytes(const glim_model_info *i, size_t T) {
    return (uint64_t)i->layers * 2 * (uint64_t)i->kv_heads * (uint64_t)i->head_width * T * 4;
}

uint64_t cli_bound_bytes(const cli_run *run) {
    if (!run->model || !run->tokens)
        return 0;
    const glim_model_info *i = glim_model_facts(run->model);
    return cache_bytes(i, run->tokens->count) +
           32 * (uint64_t)run->tokens->count * (uint64_t)i->width;
}

/* The hooks of --site; *n of them, at most CLI_SITES. The text is `patterns`. */
static void read_hooks(char *patterns, glim_hook *hooks, size_t *n) {
    *n = 0;
    for (char *save, *p = strtok_r(patterns, ",", &save); p && *n < CLI_SITES;
         p = strtok_r(NULL, ",", &save))
        hooks[(*n)++] = (glim_hook){.pattern = p};
}

/* Bytes that the sites of capture add. */
static uint64_t site_bytes(const cli_run *run, size_t T, uint64_t *each) {
    glim_hook hooks[CLI_SITES];
    char patterns[4096];
    size_t n;
    *each = 0;
    if (!run->o.out || !run->o.site)
        return 0;
    snprintf(patterns, sizeof patterns, "%s", run->o.site);
    read_hooks(patterns, hooks, &n);
    return glim_session_plan_hooks(run->model, hooks, n, T, T, run->o.grad, each);
}

glim_status cli_plan_pass(cli_run *run, size_t wanted, size_t more, bool backward) {
    const glim_model_info *i = glim_model_facts(run->model);
    size_t T = run->tokens->count, all = fitting(run, T + more);
    size_t rows = i->encoder_layers ? fitting(run, more + 1) : T;
    uint64_t each = 0, hooked = 0;
    uint64_t bytes = glim_session_plan(run->model, rows, 1, all, wanted, backward, &each) +
                     site_bytes(run, T, &hooked) + cache_bytes(i, all) +
                     glim_context_bytes(run->ctx);
    each += hooked;
    glim_plan plan = {.forward_tokens = all,
                      .backward_tokens = backward ? T : 0,
                      .bytes = bytes,
                      .bytes_wanted = bytes + (backward ? each * (uint64_t)i->layers : 0),
                      .bounded = !more};
    return cli_put_plan(run, run->command->name, &plan);
}

bool cli_wants_ends(const char *patterns) {
    static const char *const ends[] = {"hook_logits", "ln_final.hook_scale",
                                       "ln_final.hook_normalized", "decoder.ln_final.hook_scale",
                                       "decoder.ln_final.hook_normalized"};
    char one[160];
    for (const char *p = patterns; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
        snprintf(one, sizeof one, "%.*s", (int)strcspn(p, ","), p);
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            if (glim__site_match(one, ends[i]))
                return true;
    }
    return false;
}

/* An upper estimate for the model and input that lie open in `run`. An explanation
   holds the cached input beside the method's own session. */
static uint64_t whole_need(const cli_run *run) {
    const cli_options *o = &run->o;
    const glim_model_info *i = glim_model_facts(run->model);
    uint64_t bytes = glim_context_bytes(run->ctx);
    if (!run->tokens)
        return bytes;
    bool explains = run->command->takes_method;
    size_t T = fitting(run, run->tokens->count + (size_t)(o->generate + o->tokens));
    size_t C = (size_t)i->width, V = (size_t)i->vocabulary, branches = 1;
    for (const char *c = o->labels; c && *c; c++)
        branches += *c == ',';
    bool all = o->continuation || i->encoder_layers || (o->raw && !explains) ||
               (o->out && cli_wants_ends(o->site));
    size_t wanted = all ? T : (size_t)o->generate + 1;
    bytes += cache_bytes(i, T) + 32 * (uint64_t)T * C;
    uint64_t each;
    bytes += site_bytes(run, T, &each);
    bytes += glim_session_plan(run->model, branches * T, branches, T, branches * wanted,
                               explains || o->grad, NULL);
    if (explains)
        bytes += glim_session_plan(run->model, T, 1, T, wanted, false, NULL);
    if ((o->raw && !explains) || (o->grad && all)) /* an array of logits, or their gradient */
        bytes += 4 * (uint64_t)T * V;
    return bytes;
}

/* The same run without a budget, as far as its size is known. */
void cli_tell_need(cli_run *run) {
    cli_run again = {.command = run->command, .o = run->o, .program = run->program};
    uint64_t budget = run->o.memory, need = 0;
    if (run->planned || run->o.predictor || run->o.data ||
        (run->o.file && !strcmp(run->o.file, "-")) || (run->o.chat && !strcmp(run->o.chat, "-")))
        return;
    again.o.memory = 0;
    again.o.quiet = true;
    again.o.dry_run = false; /* the program is counted here */
    bool reads = run->command->text && !strcmp(run->command->text, "text");
    glim_status status = cli_context(&again);
    if (!status)
        status = cli_count_program(&again);
    if (!status)
        status = cli_open(&again);
    if (!status && reads)
        status = cli_input(&again);
    if (!status)
        need = whole_need(&again);
    glim_tokens_free(again.tokens);
    glim_model_close(again.model);
    glim_context_free(again.ctx);
    char size[24];
    if (need > budget)
        glim_fail(&run->err, GLIM_EBUDGET,
                  "%s needs about %.0f MiB here; the budget is %s (raise --memory)",
                  run->command->name, ceil((double)need / 1048576), glim__size_text(budget, size));
}
