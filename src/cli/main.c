/* SPDX-License-Identifier: Apache-2.0 */
/* glim: the command line. It finds the command, fills the options and calls one
   function; everything else is in the library. */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static glim_context *volatile interrupted_context;

/* The first Ctrl-C asks the run to end; the second ends the process. */
static void on_interrupt(int number) {
    if (interrupted_context)
        glim_context_cancel(interrupted_context); // NOLINT(bugprone-signal-handler): sets a flag
    signal(number, SIG_DFL);
}

static int report(const cli_run *run, glim_status status) {
    if (status)
        fprintf(stderr, "glim: %s\n", run->err.message);
    return glim_status_exit(status);
}

static void release(cli_run *run) {
    interrupted_context = NULL;
    glim_tokens_free(run->tokens);
    glim_model_close(run->model);
    glim_context_free(run->ctx);
    free(run->method_opts);
}

static int run_command(cli_run *run, int argc, char **argv) {
    glim_status status = cli_parse(run, argc, argv);
    if (!status && run->o.help) {
        cli_help(run, stdout);
        return 0;
    }
    if (!status)
        status = cli_context(run);
    if (!status) {
        interrupted_context = run->ctx;
        signal(SIGINT, on_interrupt);
        signal(SIGTERM, on_interrupt);
        status = run->command->run(run);
    }
    if (fflush(stdout) && !status)
        status = glim_fail(&run->err, GLIM_EIO, "standard output refused the answer");
    return report(run, status);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        cli_overview(stderr);
        return 2;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        cli_overview(stdout);
        return 0;
    }
    if (!strcmp(name, "--version")) {
        printf("glim %s\n", glim_version());
        return 0;
    }
    if (!strcmp(name, "--dump-commands"))
        return cli_dump_commands(stdout);
    cli_run run = {.command = cli_find(name)};
    if (!run.command) {
        fprintf(stderr, "glim: there is no command '%s' (glim --help names them)\n", name);
        return 2;
    }
    int code = run_command(&run, argc, argv);
    release(&run);
    return code;
}
