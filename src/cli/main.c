/* SPDX-License-Identifier: Apache-2.0 */
/* glim: the command line. It finds the command, fills the options and calls one
   function; everything else is in the library. */
#include "cli/cli.h"
#include "cli/judge-flags.h"
#include "cli/mpirun.h"
#include "file/table.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static glim_context *volatile interrupted_context;

/* The first Ctrl-C asks the run to end; the second ends the process. */
static void on_interrupt(int number) {
    if (interrupted_context)
        glim_context_cancel(interrupted_context); // NOLINT(bugprone-signal-handler): sets a flag
    signal(number, SIG_DFL);
}

/* Without SA_RESTART, so that a read that waits for somebody ends too. What the
   caller ignores (nohup, a shell's background job) stays ignored. */
static void catch_signal(int number) {
    struct sigaction old, mine = {.sa_handler = on_interrupt};
    sigemptyset(&mine.sa_mask);
    if (!sigaction(number, NULL, &old) && old.sa_handler != SIG_IGN)
        sigaction(number, &mine, NULL);
}

/* A closed standard stream would be given to the next file that opens; written
   to, it must fail and not land in a model or a result. */
static void fill_closed_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

/* Standard output's last words, then the error if there is one. */
static int finish(cli_run *run, glim_status status) {
    bool refused = fflush(stdout) != 0 || ferror(stdout);
    if (refused && !status)
        status = glim_fail(&run->err, GLIM_EIO, "cannot write 'standard output'");
    cli_erase_progress();
    if (status && cli_team_speaks(run))
        fprintf(stderr, "glim: %s\n", run->err.message);
    return glim_status_exit(status);
}

static void release(cli_run *run) {
    interrupted_context = NULL;
    glim_tokens_free(run->tokens);
    glim_model_close(run->model);
    glim_model_close(run->base);
    glim_linear_close(run->linear);
    glim__table_close(run->table);
    glim_context_free(run->ctx);
    free(run->method_opts);
    cli_metrics_release(run);
}

static glim_status run_command(cli_run *run, int argc, char **argv) {
    glim_status status = cli_parse(run, argc, argv);
    if (!status && run->o.help)
        return cli_help(run, stdout);
    if (!status)
        cli_team_prepare(run);
    if (!status)
        status = cli_check_outputs(run);
    if (!status)
        status = cli_context(run);
    if (!status) {
        interrupted_context = run->ctx;
        catch_signal(SIGINT);
        catch_signal(SIGTERM);
        status = run->command->run(run);
    }
    if (status == GLIM_EBUDGET)
        cli_tell_need(run);
    return status;
}

static glim_status unknown_command(cli_run *run, const char *name) {
    const cli_command *near = cli_nearest(name);
    if (near)
        return glim_fail(&run->err, GLIM_EUSAGE, "there is no command '%.60s' (did you mean %s?)",
                         name, near->name);
    return glim_fail(&run->err, GLIM_EUSAGE, "there is no command '%.60s' (glim --help names them)",
                     name);
}

/* `glim help [COMMAND]`. */
static glim_status help(cli_run *run, const char *name) {
    run->command = name ? cli_find(name) : NULL;
    if (name && !run->command)
        return unknown_command(run, name);
    if (name)
        return cli_help(run, stdout);
    cli_overview(stdout);
    return GLIM_OK;
}

static bool is_one(const char *word, const char *a, const char *b, const char *c) {
    return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

int main(int argc, char **argv) {
    cli_run run = {0};
    glim_status status = GLIM_OK;
    fill_closed_streams();
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN);
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        cli_overview(stderr);
        return 2;
    }
    if (is_one(name, "help", "--help", "-h")) {
        status = help(&run, argc > 2 ? argv[2] : NULL);
    } else if (is_one(name, "version", "--version", "-V")) {
        printf("glim %s\n", glim_version());
    } else if (!strcmp(name, "--dump-commands")) {
        status = cli_dump_commands(&run, stdout);
    } else {
        run.command = cli_find(name);
        status = run.command ? run_command(&run, argc, argv) : unknown_command(&run, name);
    }
    int code = finish(&run, status);
    cli_team_close(&run, status);
    release(&run);
    return code;
}
