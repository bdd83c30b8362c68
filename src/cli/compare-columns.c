/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of a table of models: how large, how fast, how good, how they are explained.
   Everything but size and speed is about what the first model says. */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

static const glim_model_info *facts(const cli_comparison *c, size_t i) {
    return glim_model_facts(i ? c->runs[i].at.model : c->run->model);
}

static double size(const cli_comparison *c, size_t i) {
    return (double)facts(c, i)->file_bytes;
}

static double bits(const cli_comparison *c, size_t i) {
    const glim_model_info *info = facts(c, i);
    return info->parameters ? 8 * (double)info->file_bytes / (double)info->parameters : NAN;
}

static double rate(double tokens, double seconds) {
    return tokens > 0 && seconds > 0 ? tokens / seconds : NAN;
}

static double pass_rate(const cli_comparison *c, size_t i) {
    return rate(c->runs[i].pass_tokens, c->runs[i].pass_seconds);
}

static double pass_times(const cli_comparison *c, size_t i) {
    return pass_rate(c, i) / pass_rate(c, 0);
}

static double explain_rate(const cli_comparison *c, size_t i) {
    return rate(c->runs[i].tokens, c->runs[i].seconds);
}

static double explain_times(const cli_comparison *c, size_t i) {
    return explain_rate(c, i) / explain_rate(c, 0);
}

static double kl(const cli_comparison *c, size_t i) {
    return cli_tally_mean(&c->runs[i].kl);
}

static double flips(const cli_comparison *c, size_t i) {
    return cli_tally_mean(&c->runs[i].flips);
}

static double logprob(const cli_comparison *c, size_t i) {
    return cli_tally_mean(&c->runs[i].logprob);
}

static double right(const cli_comparison *c, size_t i) {
    return cli_tally_mean(&c->runs[i].right);
}

static double tau(const cli_comparison *c, size_t i) {
    return cli_pair_value(&c->pairs[i], 0);
}

static double jaccard(const cli_comparison *c, size_t i) {
    return cli_pair_value(&c->pairs[i], 1);
}

static double rbo(const cli_comparison *c, size_t i) {
    return cli_pair_value(&c->pairs[i], 2);
}

/* The share of units whose sign changes. */
static double signs(const cli_comparison *c, size_t i) {
    const cli_pair *p = &c->pairs[i];
    return p->signs.n && p->units ? p->signs.sum / (double)p->units : NAN;
}

static double drift(const cli_comparison *c, size_t i) {
    const cli_compared *r = &c->runs[i];
    return r->layers ? cli_tally_mean(&r->drift[r->layers - 1]) : NAN;
}

const cli_column cli_columns[] = {
    {"size", "file_bytes", CLI_BYTES, size},
    {"bits", "bits_per_weight", CLI_NUMBER, bits},
    {"pass/s", "pass_rate", CLI_NUMBER, pass_rate},
    {"pass", "pass_ratio", CLI_TIMES, pass_times},
    {"expl./s", "explain_rate", CLI_NUMBER, explain_rate},
    {"expl.", "explain_ratio", CLI_TIMES, explain_times},
    {"KL", "kl", CLI_NUMBER, kl},
    {"flips", "flips", CLI_SHARE, flips},
    {"log-prob", "logprob", CLI_NUMBER, logprob},
    {"right", "accuracy", CLI_SHARE, right},
    {"drift", "drift_last", CLI_NUMBER, drift},
    {"tau_b", "kendall", CLI_LIKENESS, tau},
    {"J@5", "jaccard", CLI_LIKENESS, jaccard},
    {"RBO", "rbo", CLI_LIKENESS, rbo},
    {"signs", "sign_flips", CLI_SHARE, signs},
    {0},
};

_Static_assert(sizeof cli_columns / sizeof *cli_columns == CLI_COLUMNS + 1, "columns are counted");

double cli_column_value(const cli_comparison *c, const cli_column *column, size_t run) {
    return c->saved ? c->told[run * CLI_COLUMNS + (size_t)(column - cli_columns)]
                    : column->value(c, run);
}

bool cli_column_told(const cli_comparison *c, const cli_column *column) {
    bool any = false;
    for (size_t i = 0; i < c->n; i++)
        any = any || isfinite(cli_column_value(c, column, i));
    return any;
}

const char *cli_column_text(char out[32], cli_form form, double x) {
    if (!isfinite(x))
        return "-";
    switch (form) {
    case CLI_BYTES:
        return cli_size(out, (uint64_t)x);
    case CLI_TIMES:
        snprintf(out, 32, "%.2fx", x);
        break;
    case CLI_SHARE:
        snprintf(out, 32, "%.3g %%", 100 * x);
        break;
    case CLI_LIKENESS:
        snprintf(out, 32, "%.2f", x);
        break;
    case CLI_NUMBER:
        if (x == 0)
            return "0";
        snprintf(out, 32, fabs(x) < 99999.5 ? "%.3g" : "%.2g", x);
        if (fabs(x) >= 999.5 && fabs(x) < 9999999)
            snprintf(out, 32, "%.0f", x);
        break;
    }
    return out;
}
