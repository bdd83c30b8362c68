/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which metrics, and by which parameters. A parameter belongs to its metric, since several
 * have one of the same name: --deletion-auc.steps, where a method's is --steps.
 */
#include "cli/judge-flags.h"

#include <stdlib.h>
#include <string.h>

glim_status cli_no_metric(cli_run *run, const char *name) {
    return glim_fail(&run->err, GLIM_EUSAGE,
                     "there is no metric '%.60s' (glim evaluate --list names them)", name);
}

static size_t place_of(const glim_metric *m) {
    size_t i = 0;
    while (glim_metrics()[i] && glim_metrics()[i] != m)
        i++;
    return i;
}

/* ---- parameters ---- */

/* The options of a metric, with defaults at first; NULL when memory is refused. */
static void *options_of(cli_run *run, const glim_metric *m) {
    size_t n = place_of(NULL), at = place_of(m);
    if (!run->metric_opts)
        run->metric_opts = calloc(n + 1, sizeof *run->metric_opts);
    if (run->metric_opts && !run->metric_opts[at]) {
        run->metric_opts[at] = calloc(1, m->opts_size + 1);
        if (run->metric_opts[at])
            glim_param_defaults(m->params, run->metric_opts[at]);
    }
    return run->metric_opts ? run->metric_opts[at] : NULL;
}

static glim_status no_param(cli_run *run, const glim_metric *m, const char *name) {
    char all[200];
    size_t n = 0;
    all[0] = 0;
    for (const glim_param *p = m->params; p && p->type != GLIM_PARAM_END && n < 160; p++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%.40s", n ? ", " : "", p->name);
    return glim_fail(&run->err, GLIM_EUSAGE,
                     n ? "the metric '%s' has no parameter '%.40s' (it has: %s)"
                       : "the metric '%s' has no parameters, such as '%.40s'",
                     m->name, name, all);
}

glim_status cli_metric_param(cli_run *run, const char *name, const glim_param **out,
                             void **options) {
    char metric[64];
    const char *param = strchr(name, '.') + 1;
    snprintf(metric, sizeof metric, "%.*s", (int)(param - name - 1), name);
    const glim_metric *m = glim_metric_find(metric);
    if (!m)
        return cli_no_metric(run, metric);
    *out = m->params ? glim_param_find(m->params, param) : NULL;
    if (!*out)
        return no_param(run, m, param);
    *options = options_of(run, m);
    return *options ? GLIM_OK : glim_fail(&run->err, GLIM_ENOMEM, "out of memory");
}

const void *cli_metric_given(const cli_run *run, const glim_metric *m) {
    return run->metric_opts ? run->metric_opts[place_of(m)] : NULL;
}

void cli_metrics_release(cli_run *run) {
    for (size_t i = 0; run->metric_opts && glim_metrics()[i]; i++)
        free(run->metric_opts[i]);
    free(run->metric_opts);
    run->metric_opts = NULL;
}

/* ---- --metrics ---- */

static glim_status check_params(cli_run *run, const glim_metric *const *list) {
    for (size_t i = 0; run->metric_opts && glim_metrics()[i]; i++) {
        const glim_metric *m = glim_metrics()[i];
        size_t k = 0;
        while (list[k] && list[k] != m)
            k++;
        if (run->metric_opts[i] && !list[k])
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "a parameter of '%s' is given, which --metrics leaves out", m->name);
    }
    return GLIM_OK;
}

static glim_status read_names(cli_run *run, const glim_metric **list) {
    size_t n = 0;
    for (const char *s = run->o.metrics; *s;) {
        char name[64];
        size_t len = strcspn(s, ",");
        snprintf(name, sizeof name, "%.*s", (int)(len < 60 ? len : 60), s);
        list[n] = glim_metric_find(name);
        for (size_t i = 0; i < n && list[n]; i++)
            if (list[i] == list[n])
                return glim_fail(&run->err, GLIM_EUSAGE, "--metrics names '%s' twice", name);
        if (!list[n++])
            return cli_no_metric(run, name);
        s += len + (s[len] == ',');
    }
    return n ? GLIM_OK : glim_fail(&run->err, GLIM_EUSAGE, "--metrics names none");
}

glim_status cli_metrics(cli_run *run, const glim_metric ***out) {
    size_t n = 0;
    *out = NULL;
    if (!run->o.metrics)
        return GLIM_OK;
    for (const char *s = run->o.metrics; *s; s++)
        n += *s == ',';
    *out = glim__calloc(run->ctx, n + 2, sizeof(const glim_metric *));
    if (!*out)
        return glim__oom(run->ctx, &run->err, "the metrics", n * sizeof **out);
    glim_status status = read_names(run, *out);
    return status ? status : check_params(run, *out);
}
