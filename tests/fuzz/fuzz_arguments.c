/* SPDX-License-Identifier: Apache-2.0 */
/* Any words as arguments of every command: parsed or refused with a message. */
#include "cli/cli.h"
#include "cli/judge-flags.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    enum { MOST = 32 };
    char *words = malloc(n + 1), *argv[MOST + 1] = {"glim", "command"};
    int argc = 2;
    memcpy(words, data, n);
    words[n] = 0;
    for (char *save, *w = strtok_r(words, "\n", &save); w && argc < MOST;
         w = strtok_r(NULL, "\n", &save))
        argv[argc++] = w;
    for (size_t i = 0; cli_commands[i]; i++) {
        cli_run run = {.command = cli_commands[i]};
        glim_status status = cli_parse(&run, argc, argv);
        if (!status)
            status = cli_check_outputs(&run);
        if (status && !*run.err.message)
            abort();
        free(run.method_opts);
        cli_metrics_release(&run);
    }
    free(words);
    return 0;
}
