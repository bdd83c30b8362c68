/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of commands. */
#include "cli/commands.h"
#include "base/nearest.h"

#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_explain,       &cli_evaluate, &cli_compare,  &cli_advise,
    &cli_attention,     &cli_lens,     &cli_patch,    &cli_predict,
    &cli_generate,      &cli_capture,  &cli_info,     &cli_tokenize,
    &cli_verify,        &cli_view,     &cli_fit,      &cli_influence_command,
    &cli_steer_command, &cli_probe,    &cli_maximize, &cli_map_command,
    &cli_serve,         NULL,
};

const cli_command *cli_find(const char *name) {
    for (size_t i = 0; cli_commands[i]; i++)
        if (!strcmp(cli_commands[i]->name, name))
            return cli_commands[i];
    return NULL;
}

const cli_command *cli_nearest(const char *name) {
    const cli_command *near = NULL;
    int best = 3;
    size_t n = strlen(name);
    for (size_t i = 0; cli_commands[i]; i++) {
        int d = glim__edit_distance(name, n, cli_commands[i]->name);
        if (d < best && (size_t)d < n) {
            best = d;
            near = cli_commands[i];
        }
    }
    return near;
}
