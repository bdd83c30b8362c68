/* SPDX-License-Identifier: Apache-2.0 */
/* glim serve: the page and the interface for programs, on this machine. */
#include "cli/commands.h"
#include "cli/menu.h"
#include "serve/serve.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT(field) offsetof(cli_options, field)

static const glim_param own_flags[] = {
    {.name = "model",
     .letter = 'm',
     .type = GLIM_STRING,
     .offset = AT(served),
     .max = CLI_SERVED,
     .value_name = "FILE",
     .help = "a model that jobs may use; may be repeated",
     .group = "Server"},
    {.name = "port",
     .type = GLIM_INT,
     .offset = AT(port),
     .def.i = 8080,
     .min = 0,
     .max = 65535,
     .help = "0 is any that is free"},
    {.name = "host",
     .type = GLIM_STRING,
     .offset = AT(host),
     .def.s = "127.0.0.1",
     .value_name = "ADDRESS",
     .help = "where it listens; beyond this machine a token is needed"},
    {.name = "token",
     .type = GLIM_STRING,
     .offset = AT(token),
     .value_name = "FILE",
     .help = "what holds the token, or auto: a new one"},
    {.name = "root",
     .type = GLIM_STRING,
     .offset = AT(root),
     .value_name = "DIR",
     .help = "the folder whose files jobs may read (default: none)"},
    {.name = "history",
     .type = GLIM_STRING,
     .offset = AT(history),
     .value_name = "FILE",
     .help = "where jobs are kept (~/.local/state/glim/history.sqlite)"},
    {.name = "history-limit",
     .type = GLIM_INT,
     .offset = AT(history_limit),
     .def.i = 1000,
     .min = 0,
     .max = 10000000,
     .help = "jobs kept there, besides pinned ones; the oldest go (0: all)"},
    {.name = "patterns",
     .type = GLIM_SIZE,
     .offset = AT(patterns),
     .def.i = (int64_t)4 << 30,
     .help = "disk beside it for the attention that pages show"},
    {.name = "queue",
     .type = GLIM_INT,
     .offset = AT(queue),
     .def.i = 16,
     .min = 1,
     .max = 10000,
     .help = "jobs that may wait"},
    {.name = "workers",
     .type = GLIM_INT,
     .offset = AT(workers),
     .def.i = 1,
     .min = 1,
     .max = 64,
     .help = "jobs that run at once"},
    {.name = "timeout",
     .type = GLIM_REAL,
     .offset = AT(timeout),
     .def.r = 30,
     .min = 0.1,
     .max = 3600,
     .help = "seconds in which a request must have come"},
    {.name = "open", .type = GLIM_BOOL, .offset = AT(open), .help = "open the page in the browser"},
    {.name = "threads",
     .type = GLIM_INT,
     .offset = AT(threads),
     .min = 0,
     .max = 256,
     .help = "of a job (default: all processors)",
     .group = "Resources of a job"},
    {.name = "memory",
     .type = GLIM_SIZE,
     .offset = AT(memory),
     .help = "never use more than this, e.g. 2G"},
    {0},
};

/* ---- the commands, as the server knows them ---- */

/* What has to write a file beside its answer is no job; nor is the server itself. */
static bool is_job(const cli_command *c) {
    bool answers = false;
    for (size_t g = 0; c->groups[g]; g++)
        answers |= glim_param_find(c->groups[g], "json") != NULL;
    return answers && c != &cli_fit && c != &cli_view;
}

static serve_command as_served(const cli_command *c) {
    return (serve_command){.name = c->name,
                           .summary = c->summary,
                           .family = c->family,
                           .produces = c->produces,
                           .text = c->text,
                           .groups = c->groups,
                           .wants_model = !strncmp(c->synopsis, "-m MODEL", 8),
                           .takes_method = c->takes_method,
                           .takes_metrics = c->takes_metrics,
                           .takes_influence = c->takes_influence};
}

void cli_serve_commands(serve_command *out, size_t most) {
    size_t n = 0;
    for (size_t i = 0; cli_commands[i] && n + 1 < most; i++)
        if (is_job(cli_commands[i]))
            out[n++] = as_served(cli_commands[i]);
    out[n] = (serve_command){0};
}

/* ---- where jobs are kept ---- */

static glim_status make_folders(char *path, glim_error *err) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool failed = mkdir(path, 0700) && errno != EEXIST;
        *slash = '/';
        if (failed)
            return glim_fail(err, GLIM_EIO, "cannot make the folder of '%s': %s (name --history)",
                             path, strerror(errno));
    }
    return GLIM_OK;
}

static glim_status history_path(cli_run *run, char *out, size_t size) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (run->o.history) {
        snprintf(out, size, "%s", run->o.history);
        return strlen(run->o.history) < size
                   ? GLIM_OK
                   : glim_fail(&run->err, GLIM_EUSAGE, "--history: the name is too long");
    }
    if (state && *state == '/')
        snprintf(out, size, "%.3000s/glim/history.sqlite", state);
    else if (home && *home == '/')
        snprintf(out, size, "%.3000s/.local/state/glim/history.sqlite", home);
    else
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "there is no home to keep jobs in (--history FILE.sqlite)");
    return make_folders(out, &run->err);
}

/* ---- running ---- */

static void open_browser(const char *address) {
    pid_t pid;
    char *argv[] = {(char[]){"xdg-open"}, (char *)address, NULL};
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
        fprintf(stderr, "glim: note: no browser was found; open the address yourself\n");
    else
        waitpid(pid, NULL, WNOHANG);
}

static glim_status tell(cli_run *run, const glim_server *s, const char *history) {
    glim_buffer b;
    glim__buffer_init(&b, run->ctx);
    glim__buffer_printf(&b, "glim serve: %s\n", glim__server_address(s));
    glim__buffer_printf(&b, "jobs are kept in %s; Ctrl-C ends the server\n", history);
    return cli_put_buffer(run, &b, "the address");
}

static glim_status run_serve(cli_run *run) {
    enum { MOST = 64 };
    char history[4096];
    serve_command commands[MOST], view = as_served(&cli_view);
    glim_server *server = NULL;
    size_t n = 0;
    while (n < CLI_SERVED && run->o.served[n])
        n++;
    cli_serve_commands(commands, MOST);
    glim_status status = history_path(run, history, sizeof history);
    serve_options options = {.commands = commands,
                             .view = &view,
                             .needs = cli_method_needs,
                             .family = cli_method_family,
                             .models = run->o.served,
                             .n_models = n,
                             .host = run->o.host,
                             .port = (int)run->o.port,
                             .token = run->o.token,
                             .root = run->o.root,
                             .history = history,
                             .queue = run->o.queue,
                             .keep = run->o.history_limit,
                             .workers = run->o.workers,
                             .threads = run->o.threads,
                             .memory = run->o.memory,
                             .patterns = run->o.patterns,
                             .body = (uint64_t)64 << 20,
                             .patience = run->o.timeout};
    signal(SIGPIPE, SIG_IGN); /* a client that went away */
    if (!status)
        status = glim__server_open(&server, run->ctx, &options, &run->err);
    if (!status)
        status = tell(run, server, history);
    if (!status && run->o.open)
        open_browser(glim__server_address(server));
    if (!status)
        status = glim__server_run(server, &run->err);
    glim__server_close(server);
    return status;
}

static const glim_param *const groups[] = {own_flags, cli_flags_talk, NULL};
static const char *const examples[] = {"glim serve -m model.gguf",
                                       "glim serve -m a.gguf -m b.gguf --root data --open", NULL};

const cli_command cli_serve = {
    .name = "serve",
    .summary = "a page and an interface for programs, on this machine",
    .family = "visualisation",
    .synopsis = "-m MODEL [-m MODEL ...]",
    .examples = examples,
    .groups = groups,
    .run = run_serve,
};
