/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/maximize-lists.h"

#include <glim/maximize.h>
#include <stdlib.h>

/* ---- indices ---- */

static glim_status no_indices(cli_run *run, glim_error *err) {
    return glim_fail(err, GLIM_EUSAGE, "--index '%.80s' is no list like 3,7,10-15 of at most %d",
                     run->o.indices, GLIM_MAXIMIZE_UNITS);
}

glim_status cli_read_indices(cli_run *run, size_t **out, size_t *n) {
    const char *s = run->o.indices;
    *n = 0;
    *out = s ? glim__calloc(run->ctx, GLIM_MAXIMIZE_UNITS, sizeof **out) : NULL;
    if (s && !*out)
        return glim__oom(run->ctx, &run->err, "the neurons", GLIM_MAXIMIZE_UNITS * sizeof **out);
    while (s && *s) {
        char *end;
        unsigned long long from = strtoull(s, &end, 10), to = from;
        bool ok = end != s && *s >= '0' && *s <= '9';
        if (ok && *end == '-') {
            s = end + 1;
            to = strtoull(s, &end, 10);
            ok = end != s && *s >= '0' && *s <= '9';
        }
        if (!ok || to < from || to > UINT32_MAX || to - from >= GLIM_MAXIMIZE_UNITS - *n ||
            (*end && (*end != ',' || !end[1])))
            return no_indices(run, &run->err);
        for (unsigned long long i = from; i <= to; i++)
            (*out)[(*n)++] = (size_t)i;
        s = end + (*end == ',');
    }
    return run->o.indices && !*n ? no_indices(run, &run->err) : GLIM_OK;
}

/* ---- weights of fluency ---- */

glim_status cli_read_weights(cli_run *run, double *out, size_t *n) {
    const char *s = run->o.fluency;
    for (*n = 0; s && *s;) {
        char *end;
        double weight = strtod(s, &end);
        bool ok = end != s && weight >= 0 && weight <= 1e6 && *n < CLI_WEIGHTS;
        for (size_t i = 0; i < *n && ok; i++)
            ok = out[i] != weight;
        if (!ok || (*end && (*end != ',' || !end[1])))
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "--fluency '%.80s' is no list like 0,0.5,2 of at most %d different "
                             "weights from 0 on",
                             run->o.fluency, CLI_WEIGHTS);
        out[(*n)++] = weight;
        s = end + (*end == ',');
    }
    return GLIM_OK;
}
