/* SPDX-License-Identifier: Apache-2.0 */
/* judge-flags.h: metrics as flags name them: --metrics A,B and --METRIC.PARAM VALUE. */
#ifndef GLIM_CLI_JUDGE_FLAGS_H
#define GLIM_CLI_JUDGE_FLAGS_H

#include "cli/cli.h"

#include <glim/evaluate.h>

/* The parameter that "METRIC.PARAM" names, and the options that it lies in. Errors: EUSAGE. */
glim_status cli_metric_param(cli_run *run, const char *name, const glim_param **out,
                             void **options);
/* The options that flags gave a metric, or NULL. */
const void *cli_metric_given(const cli_run *run, const glim_metric *m);
/* The metrics of --metrics in a list that is closed by NULL and freed with glim__free; NULL
   without the flag. Errors: EUSAGE, also of parameters of metrics that it leaves out. */
glim_status cli_metrics(cli_run *run, const glim_metric ***out);
/* EUSAGE: there is no metric of that name. */
glim_status cli_no_metric(cli_run *run, const char *name);
void cli_metrics_release(cli_run *run);

/* judge-list.c: all metrics by quality, as text or glim.metrics/1; and the page of those that
   --metrics names. */
glim_status cli_metrics_list(cli_run *run);
glim_status cli_metrics_help(cli_run *run, FILE *out);

#endif
