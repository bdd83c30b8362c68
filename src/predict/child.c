/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting, writing to and ending a child. posix_spawn: no code of ours runs
 * between fork and exec, so threads and locks of the caller do not matter. Every
 * descriptor of ours is close-on-exec. SIGPIPE is blocked around a write, and one
 * that it raised is taken away, so that neither the caller's handler nor its mask
 * is touched.
 */
#include "predict/child.h"
#include "predict/pipe-signal.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORDS = 256, PATIENCE_MS = 500, STEP_MS = 2 };

/* ---- words ---- */

size_t glim__command_split(char *command, char **words, size_t most) {
    char *in = command, *out = command;
    size_t n = 0;
    for (;;) {
        while (*in == ' ' || *in == '\t')
            in++;
        if (!*in)
            return n;
        if (n == most)
            return 0;
        words[n++] = out;
        char quote = 0;
        for (; *in && (quote || (*in != ' ' && *in != '\t')); in++) {
            if (quote ? *in == quote : *in == '\'' || *in == '"') {
                quote = quote ? 0 : *in;
            } else if (quote != '\'' && *in == '\\' && in[1] &&
                       (!quote || strchr("\"\\$`", in[1]))) {
                *out++ = *++in;
            } else if ((quote != '\'' && strchr("$`", *in)) ||
                       (!quote && strchr("|&;<>()*?[]{}~#!\n", *in)) ||
                       (!quote && *in == '=' && n == 1)) {
                return 0;
            } else {
                *out++ = *in;
            }
        }
        if (quote)
            return 0;
        bool last = !*in;
        in += !last;
        *out++ = 0;
        if (last)
            return n;
    }
}

/* ---- starting ---- */

static void close_all(int *fds, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* fds: child's input (read, write), child's output (read, write). */
static int spawn(pid_t *pid, const int fds[4], char *const *argv) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int bad = posix_spawn_file_actions_init(&actions);
    if (bad)
        return bad;
    bad = posix_spawnattr_init(&how);
    if (bad) {
        posix_spawn_file_actions_destroy(&actions);
        return bad;
    }
    bad = posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO);
    if (!bad)
        bad = posix_spawn_file_actions_adddup2(&actions, fds[3], STDOUT_FILENO);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                       POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    if (!bad)
        bad = posix_spawnp(pid, argv[0], &actions, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&actions);
    return bad;
}

static glim_status start(glim_child *child, const glim_black_box *box, char *const *argv,
                         glim_error *err) {
    int fds[4] = {-1, -1, -1, -1};
    pid_t pid = 0;
    int bad = pipe2(fds, O_CLOEXEC) || pipe2(fds + 2, O_CLOEXEC) ? errno : 0;
    if (!bad && (fcntl(fds[1], F_SETFL, O_NONBLOCK) || fcntl(fds[2], F_SETFL, O_NONBLOCK)))
        bad = errno;
    if (!bad)
        bad = spawn(&pid, fds, argv);
    if (bad) {
        close_all(fds, 4);
        return glim__box_fail(box, err, GLIM_EIO, NULL, 0, "cannot start '%.100s': %s", argv[0],
                              strerror(bad));
    }
    close(fds[0]);
    close(fds[3]);
    *child = (glim_child){.pid = pid, .in = fds[1], .out = fds[2]};
    return GLIM_OK;
}

glim_status glim__child_start(glim_child *child, const glim_black_box *box, const char *command,
                              glim_error *err) {
    char *words[MOST_WORDS + 1] = {0}, *copy = glim__strdup(box->ctx, command);
    char *shell[] = {"/bin/sh", "-c", (char *)command, NULL};
    if (!copy)
        return glim__oom(box->ctx, err, "the command", strlen(command));
    size_t n = glim__command_split(copy, words, MOST_WORDS);
    words[n] = NULL;
    glim_status status = start(child, box, n ? words : shell, err);
    glim__free(box->ctx, copy);
    return status;
}

/* ---- writing ---- */

static sigset_t pipe_only(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

void glim__pipe_signal_begin(glim_pipe_signal *s) {
    sigset_t set = pipe_only(), pending;
    sigpending(&pending);
    s->was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &s->before);
}

void glim__pipe_signal_end(const glim_pipe_signal *s) {
    sigset_t set = pipe_only();
    int kept = errno;
    if (!s->was_pending)
        while (sigtimedwait(&set, NULL, &(struct timespec){0}) < 0 && errno == EINTR) {
        }
    pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    errno = kept;
}

ssize_t glim__child_write(const glim_child *child, const void *data, size_t n) {
    glim_pipe_signal quiet;
    glim__pipe_signal_begin(&quiet);
    ssize_t done = write(child->in, data, n);
    glim__pipe_signal_end(&quiet);
    return done;
}

/* ---- ending ---- */

/* True when it has ended; it stays a zombie, so that its number is still its own. */
static bool has_ended(pid_t pid) {
    siginfo_t info = {0};
    int bad;
    while ((bad = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) && errno == EINTR) {
    }
    return bad || info.si_pid == pid;
}

static void wait_a_moment(pid_t pid) {
    for (int ms = 0; ms < PATIENCE_MS && !has_ended(pid); ms += STEP_MS)
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

static void tell(int code, bool killed, char how[48]) {
    if (WIFSIGNALED(code) && !killed)
        snprintf(how, 48, "ended by signal %d", WTERMSIG(code));
    else if (WIFEXITED(code))
        snprintf(how, 48, "ended with status %d", WEXITSTATUS(code));
    else
        snprintf(how, 48, "closed its pipes");
}

void glim__child_stop(glim_child *child, bool now, char how[48]) {
    pid_t pid = child->pid;
    int code = 0;
    if (!pid)
        return;
    close(child->in);
    close(child->out);
    if (!now)
        wait_a_moment(pid);
    bool killed = !has_ended(pid);
    kill(-pid, SIGKILL); /* and whatever it has started */
    while (waitpid(pid, &code, 0) < 0 && errno == EINTR) {
    }
    if (how)
        tell(code, killed, how);
    *child = (glim_child){0};
}
