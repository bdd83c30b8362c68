/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and ending the program itself. fork and not posix_spawn, which cannot ask the kernel
 * to end a child with its parent: between fork and exec only system calls are made. Pipes are
 * moved above the descriptors that the child will have, so that none lies in another's place.
 */
#include "serve/serve-child.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ABOVE = 16, MOST_OUT = 64 << 20, MOST_ERR = 8192, MOST_TOLD = 1 << 20 };
static const double GRACE = 5; /* seconds from a cancel to the kill */

void serve_child_init(serve_child *c, glim_context *ctx) {
    *c = (serve_child){.out = {.fd = -1, .most = MOST_OUT},
                       .err = {.fd = -1, .most = MOST_ERR},
                       .told = {.fd = -1, .most = MOST_TOLD}};
    glim__buffer_init(&c->out.text, ctx);
    glim__buffer_init(&c->err.text, ctx);
    glim__buffer_init(&c->told.text, ctx);
}

static void shut(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void serve_child_release(serve_child *c) {
    serve_child_kill(c);
    shut(&c->out.fd);
    shut(&c->err.fd);
    shut(&c->told.fd);
    glim__buffer_release(&c->out.text);
    glim__buffer_release(&c->err.text);
    glim__buffer_release(&c->told.text);
}

/* ---- starting ---- */

/* Ends of the child's own: standard input and output, error, told, blob. */
struct ends {
    int in, out, err, told, blob;
};

static int above(int fd) {
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
    if (fd >= 0)
        close(fd);
    return moved;
}

/* A pipe whose reading end never waits. */
static bool make_pipe(int *reads, int *writes) {
    int fd[2];
    if (pipe2(fd, O_CLOEXEC))
        return false;
    *reads = above(fd[0]);
    *writes = above(fd[1]);
    return *reads >= 0 && *writes >= 0 && !fcntl(*reads, F_SETFL, O_NONBLOCK);
}

static bool make_blob(int *out, const glim_buffer *text) {
    int fd = above(memfd_create("glim", MFD_CLOEXEC));
    *out = fd;
    for (size_t at = 0; fd >= 0 && at < text->len;) {
        ssize_t n = write(fd, text->data + at, text->len - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0;
}

static void shut_ends(struct ends *e) {
    shut(&e->in);
    shut(&e->out);
    shut(&e->err);
    shut(&e->told);
    shut(&e->blob);
}

static bool open_ends(serve_child *c, struct ends *e, const glim_buffer *blob, bool answers) {
    int nowhere = above(open("/dev/null", O_RDWR | O_CLOEXEC));
    *e = (struct ends){.in = nowhere, .out = -1, .err = -1, .told = -1, .blob = -1};
    if (nowhere < 0 || !make_pipe(&c->err.fd, &e->err) || !make_pipe(&c->told.fd, &e->told))
        return false;
    if (answers && !make_pipe(&c->out.fd, &e->out))
        return false;
    return !blob || !blob->len || make_blob(&e->blob, blob);
}

/* System calls only: other threads may have held any lock. */
static void become(const struct ends *e, pid_t parent, char **argv, char **env) {
    sigset_t none;
    const struct rlimit no_core = {0, 0};
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(e->in, STDIN_FILENO);
    dup2(e->out < 0 ? e->in : e->out, STDOUT_FILENO);
    dup2(e->err, STDERR_FILENO);
    dup2(e->told, SERVE_TOLD);
    if (e->blob >= 0)
        dup2(e->blob, SERVE_BLOB);
    syscall(SYS_close_range, e->blob >= 0 ? SERVE_BLOB + 1 : SERVE_TOLD + 1, ~0U, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!chdir("/"))
        execve("/proc/self/exe", argv, env);
    _exit(127);
}

/* The environment with the descriptor's number, in C's words: messages are read by us. */
static char **child_environment(glim_context *ctx) {
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **env = glim__alloc(ctx, (n + 3) * sizeof *env);
    for (size_t i = 0; env && i < n; i++)
        if (strncmp(environ[i], "GLIM_PROGRESS_FD=", 17) && strncmp(environ[i], "LC_ALL=", 7))
            env[k++] = environ[i];
    if (env) {
        env[k++] = (char *)"GLIM_PROGRESS_FD=3"; /* execve changes none of them */
        env[k++] = (char *)"LC_ALL=C.UTF-8";
        env[k] = NULL;
    }
    return env;
}

glim_status serve_child_start(serve_child *c, const glim_buffer *words, size_t n,
                              const glim_buffer *blob, bool answers, glim_error *err) {
    glim_context *ctx = words->ctx;
    struct ends ends;
    char **argv = glim__alloc(ctx, (n + 2) * sizeof *argv), **env = child_environment(ctx);
    glim_status status = GLIM_OK;
    if (!argv || !env) {
        status = glim__oom(ctx, err, "a child's arguments", (n + 2) * sizeof *argv);
        goto done;
    }
    argv[0] = (char *)"glim";
    char *at = words->data;
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1)
        argv[1 + i] = at;
    argv[1 + n] = NULL;
    pid_t parent = getpid();
    bool open = open_ends(c, &ends, blob, answers);
    c->pid = open ? fork() : -1;
    if (c->pid == 0)
        become(&ends, parent, argv, env);
    if (c->pid < 0) {
        status = glim_fail(err, GLIM_EIO, "cannot start a child process: %s", strerror(errno));
        c->pid = 0;
    } else {
        setpgid(c->pid, c->pid); /* whoever comes first */
    }
    shut_ends(&ends);
done:
    glim__free(ctx, argv);
    glim__free(ctx, env);
    return status;
}

/* ---- reading and ending ---- */

size_t serve_child_poll(const serve_child *c, struct pollfd *out) {
    const int fds[] = {c->out.fd, c->err.fd, c->told.fd};
    size_t n = 0;
    for (size_t i = 0; i < SERVE_PIPES; i++)
        if (fds[i] >= 0)
            out[n++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    return n;
}

/* Keeps the last bytes. */
static void keep_tail(glim_buffer *b, size_t most) {
    if (b->len <= most)
        return;
    memmove(b->data, b->data + (b->len - most), most + 1);
    b->len = most;
}

static void read_pipe(int *fd, glim_buffer *text, size_t most, bool *overflown) {
    char piece[16384];
    while (*fd >= 0) {
        ssize_t n = read(*fd, piece, sizeof piece);
        if (n > 0 && overflown && text->len + (size_t)n > most)
            *overflown = true;
        else if (n > 0)
            glim__buffer_append(text, piece, (size_t)n);
        if (n > 0 && !overflown)
            keep_tail(text, most);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            shut(fd);
        if (n < 0 && errno != EINTR)
            break;
    }
}

static int shell_code(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status)
                             : 128 + (WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

bool serve_child_pump(serve_child *c) {
    int status;
    read_pipe(&c->out.fd, &c->out.text, c->out.most, &c->overflown);
    read_pipe(&c->err.fd, &c->err.text, c->err.most, NULL);
    read_pipe(&c->told.fd, &c->told.text, c->told.most, NULL);
    if (!c->pid)
        return true;
    if (c->kill_at > 0 && glim__seconds() >= c->kill_at)
        kill(-c->pid, SIGKILL);
    if (waitpid(c->pid, &status, WNOHANG) != c->pid)
        return false;
    c->pid = 0;
    c->exit = shell_code(status);
    read_pipe(&c->out.fd, &c->out.text, c->out.most, &c->overflown);
    read_pipe(&c->err.fd, &c->err.text, c->err.most, NULL);
    read_pipe(&c->told.fd, &c->told.text, c->told.most, NULL);
    shut(&c->out.fd); /* a grandchild may hold them open */
    shut(&c->err.fd);
    shut(&c->told.fd);
    return true;
}

void serve_child_interrupt(serve_child *c, double now) {
    if (!c->pid || c->kill_at > 0)
        return;
    kill(-c->pid, SIGINT);
    c->kill_at = now + GRACE;
}

void serve_child_kill(serve_child *c) {
    int status;
    if (!c->pid)
        return;
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    c->pid = 0;
    c->exit = 128 + SIGKILL;
}

void serve_child_wait(serve_child *c, double seconds) {
    double end = glim__seconds() + seconds;
    while (!serve_child_pump(c)) {
        struct pollfd fds[SERVE_PIPES];
        size_t n = serve_child_poll(c, fds);
        if (glim__seconds() >= end)
            serve_child_kill(c);
        else
            poll(fds, n, n ? 100 : 2);
    }
}

/* ---- what it said ---- */

json_t *serve_error_json(bool *ok, const char *line, size_t n) {
    json_t *o = json_object();
    while (n && (line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    const char *colon = memmem(line, n, ": ", 2);
    size_t what = colon ? (size_t)(colon - line) : n, why = colon ? what + 2 : n, todo = n, end = n;
    if (n && line[n - 1] == ')') {
        int depth = 0;
        for (size_t i = n; i > why && (i == n || depth); i--) {
            depth += line[i - 1] == ')' ? 1 : line[i - 1] == '(' ? -1 : 0;
            todo = depth ? todo : i - 1;
        }
        if (todo < n && todo > why && line[todo - 1] == ' ') {
            end = todo - 1;
            todo++;
            n--;
        } else {
            todo = n;
        }
    }
    glim__json_set(ok, o, "what", glim__json_text(line, what));
    glim__json_set(ok, o, "why", glim__json_text(line + why, end > why ? end - why : 0));
    glim__json_set(ok, o, "todo", glim__json_text(line + todo, n > todo ? n - todo : 0));
    return o;
}

json_t *serve_child_error(bool *ok, const serve_child *c) {
    static const char mark[] = "glim: ", note[] = "glim: note: ";
    const char *text = c->err.text.data ? c->err.text.data : "", *last = NULL;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (!strncmp(line, mark, sizeof mark - 1) && strncmp(line, note, sizeof note - 1) != 0)
            last = line + sizeof mark - 1;
        line += n + (line[n] == '\n');
    }
    char own[128];
    snprintf(own, sizeof own,
             c->exit > 128 ? "the run was ended by the system: signal %d (less input, or --memory)"
                           : "the run failed: exit status %d",
             c->exit > 128 ? c->exit - 128 : c->exit);
    const char *line = last && c->exit <= 130 ? last : own;
    return serve_error_json(ok, line, strcspn(line, "\n"));
}
