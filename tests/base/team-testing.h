/* SPDX-License-Identifier: Apache-2.0 */
/*
 * team-testing.h: a team of forked processes that talk through sockets. What it is given runs in
 * every one; contexts are made there, since threads do not live on in a fork. A process that
 * returns closes its sockets, so who still waits for it gets EIO.
 */
#ifndef GLIM_TESTS_TEAM_TESTING_H
#define GLIM_TESTS_TEAM_TESTING_H

#include "base/team.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEAM_MOST = 6 };

typedef struct forked {
    glim_team team;
    int fd[TEAM_MOST]; /* to each other process */
} forked;

static inline glim_status forked_send(void *data, int to, const void *bytes, size_t n,
                                      glim_error *err) {
    const forked *f = data;
    for (size_t at = 0; at < n;) {
        ssize_t k = send(f->fd[to], (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (k <= 0)
            return glim_fail(err, GLIM_EIO, "process %d is gone", to);
        at += (size_t)k;
    }
    return GLIM_OK;
}

static inline glim_status forked_receive(void *data, int from, void *bytes, size_t n,
                                         glim_error *err) {
    const forked *f = data;
    for (size_t at = 0; at < n;) {
        ssize_t k = recv(f->fd[from], (char *)bytes + at, n - at, 0);
        if (k <= 0)
            return glim_fail(err, GLIM_EIO, "process %d is gone", from);
        at += (size_t)k;
    }
    return GLIM_OK;
}

static inline void forked_close(forked *f) {
    for (int r = 0; r < f->team.size; r++)
        if (f->fd[r] >= 0)
            close(f->fd[r]);
}

/* Calls fn in `size` processes, this one the first. False when another one's did not return
   true. A process that waits for ever is ended after a minute. */
static inline bool team_run(int size, bool (*fn)(const glim_team *team, void *data), void *data) {
    int ends[TEAM_MOST][TEAM_MOST];
    pid_t children[TEAM_MOST];
    memset(ends, 0xff, sizeof ends);
    for (int a = 0; a < size; a++)
        for (int b = 0; b < a; b++) {
            int pair[2];
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
            ends[a][b] = pair[0];
            ends[b][a] = pair[1];
        }
    for (int rank = size - 1; rank >= 0; rank--) {
        children[rank] = rank ? fork() : 0;
        assert_true(children[rank] >= 0);
        if (children[rank])
            continue;
        forked f = {.team = {rank, size, forked_send, forked_receive, &f}};
        for (int a = 0; a < size; a++)
            for (int b = 0; b < size; b++)
                if (a != rank && ends[a][b] >= 0)
                    close(ends[a][b]);
        memcpy(f.fd, ends[rank], sizeof f.fd);
        alarm(60);
        bool good = fn(&f.team, data);
        forked_close(&f);
        if (rank)
            _exit(!good);
        alarm(0);
    }
    bool good = true;
    for (int rank = 1; rank < size; rank++) {
        int status = 0;
        assert_int_equal(waitpid(children[rank], &status, 0), children[rank]);
        good = good && WIFEXITED(status) && !WEXITSTATUS(status);
    }
    return good;
}

#endif
