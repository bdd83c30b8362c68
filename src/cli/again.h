/* SPDX-License-Identifier: Apache-2.0 */
/* again.h: the question that is judged, asked again of another class or in other words. */
#ifndef GLIM_CLI_AGAIN_H
#define GLIM_CLI_AGAIN_H

#include "cli/cli.h"

#include <glim/evaluate.h>

typedef struct cli_again {
    cli_run *run;
    const glim_predictor *p;
    glim_tokens *tokens;     /* of the last text, which its predictor borrows */
    glim_buffer text, words; /* the same for a black box; what may be put otherwise */
    glim_buffer file;        /* of --paraphrases */
    const char **lines;
    glim_rival *list;
    size_t n;
    bool known;
    glim_otherwise how;
} cli_again;

/* How the question of doc can be asked otherwise: a.how, whose members are NULL where it
   cannot. run and doc must outlive it. Errors: ENOMEM, EBUDGET, EIO. */
glim_status cli_again_init(cli_again *a, cli_run *run, const glim_predictor *p,
                           const glim_document *doc);
void cli_again_release(cli_again *a);

#endif
