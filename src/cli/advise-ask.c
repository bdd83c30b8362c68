/* SPDX-License-Identifier: Apache-2.0 */
/* The questions of `glim advise` on a terminal: numbered answers, an empty line takes the
   first. */
#include "cli/advise.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 3, LINE = 64 };

static glim_status read_line(cli_run *run, char line[LINE]) {
    printf("> ");
    fflush(stdout);
    if (!fgets(line, LINE, stdin))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "there was no answer (glim advise --help names the flags)");
    size_t n = strcspn(line, "\r\n");
    bool whole = line[n] != 0;
    line[n] = 0;
    for (int c = whole ? '\n' : 0; c != '\n' && c != EOF;)
        c = getchar();
    return GLIM_OK;
}

/* Numbers from 1 on for those of n answers whose bit is set; *out is one of them. */
static glim_status choose(cli_run *run, const char *title, unsigned among,
                          const char *(*name)(int, const char **), int *out) {
    int order[32], n = 0;
    const char *meaning;
    printf("%s\n", title);
    for (int i = 0; name(i, &meaning); i++)
        if (among >> i & 1) {
            order[n++] = i;
            printf("  %d  %-16s %s\n", n, name(i, &meaning), meaning ? meaning : "");
        }
    for (int tries = 0; tries < TRIES; tries++) {
        char line[LINE], *end;
        glim_status status = read_line(run, line);
        if (status)
            return status;
        long k = *line ? strtol(line, &end, 10) : 1;
        if (k >= 1 && k <= n && (!*line || !*end)) {
            *out = order[k - 1];
            return GLIM_OK;
        }
        printf("a number from 1 to %d\n", n);
    }
    return glim_fail(&run->err, GLIM_EUSAGE, "there was no answer with a number from 1 to %d", n);
}

static glim_status count(cli_run *run, const char *title, double *out) {
    char line[LINE], *end;
    printf("%s\n", title);
    for (int tries = 0; tries < TRIES; tries++) {
        glim_status status = read_line(run, line);
        if (status)
            return status;
        double x = *line ? strtod(line, &end) : 0;
        if (!*line || (!*end && x >= 1 && x <= 1e9)) {
            *out = x;
            return GLIM_OK;
        }
        printf("a number from 1 on, or nothing\n");
    }
    return glim_fail(&run->err, GLIM_EUSAGE, "there was no answer with a number");
}

static const char *quality_name(int i, const char **meaning) {
    static const char *const meanings[] = {"it describes what the model does",
                                           "it stays the same when it should",
                                           "a person can take it in", "it covers all that matters"};
    *meaning = i >= 0 && i <= GLIM_COMPREHENSIVENESS ? meanings[i] : NULL;
    return *meaning ? glim_quality_name((glim_quality)i) : NULL;
}

glim_status cli_advise_ask(cli_run *run, glim_question *q) {
    int access = (int)q->access, job = (int)q->job, want = (int)q->want, quality = (int)q->quality;
    unsigned jobs = 0;
    double units = (double)q->units;
    glim_status status = GLIM_OK;
    if (access < 0)
        status = choose(run, "What is there of the model?", ~0U, glim_access_name, &access);
    for (int j = 0; j < GLIM_JOBS && !status; j++)
        jobs |= (unsigned)glim_access_does((glim_access)access, (glim_job)j, NULL) << j;
    if (!status && job < 0)
        status = choose(run, "What does it do?", jobs, glim_job_name, &job);
    if (!status && want < 0)
        status = choose(run, "What do you want to know?", ~0U, glim_want_name, &want);
    if (!status && quality < 0)
        status = choose(run, "What matters most?", ~0U, quality_name, &quality);
    if (!status && !q->units)
        status =
            count(run, "How many parts are scored, such as words? (empty: a usual number)", &units);
    if (!status && q->passes <= 0)
        status =
            count(run, "How many passes over the input may it take? (empty: no limit)", &q->passes);
    q->access = (glim_access)access;
    q->job = (glim_job)job;
    q->want = (glim_want)want;
    q->quality = (glim_quality)quality;
    q->units = (size_t)units;
    if (!status)
        printf("\n");
    return status;
}
